"""A folder of models that is watched while requests go on, and what may take its place: the mechanics, whoever reads the files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Generic, Protocol, TypeVar

import structlog

from services.forecasting.domain import ModelInfo
from services.forecasting.metrics import MODEL_DEGRADED, MODEL_LOADS

log = structlog.get_logger()

_NOT_YET = ModelInfo("", True, "the models have not been loaded yet", ())

Signature = tuple[tuple[str, int, int, int, int], ...]


class ModelUnfit(Exception):
    """A packed model that cannot answer; the text says why."""


class Held(Protocol):
    """What was read."""

    @property
    def info(self) -> ModelInfo:
        """What it is."""


Kept = TypeVar("Kept", bound=Held)


class ModelFolder(Generic[Kept]):
    """Holds what was read last. `start` it once."""

    def __init__(self, folder: Path, read: Callable[[Path], Kept], *, watch_s: float) -> None:
        """`read` runs in a thread, and never raises: what it reads says that it is degraded. Looks every `watch_s` seconds."""
        self._folder = folder
        self._read = read
        self._watch_s = watch_s
        self.held: Kept | None = None
        self._seen: Signature | None = None
        self._settled = False
        self._replaced = False
        self._turn = asyncio.Lock()
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="load-model")
        self._watching: asyncio.Task[None] | None = None

    def info(self) -> ModelInfo:
        """What is there now."""
        return self.held.info if self.held is not None else _NOT_YET

    async def start(self) -> None:
        """Loads what is there, and goes on looking."""
        if self.held is None:
            await self.look()
        # Two that ask at once both load; only one goes on looking.
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stops looking, and ends the thread."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        self._loading.shutdown(wait=False, cancel_futures=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._watch_s)
            try:
                await self.look()
            except Exception as error:
                log.error("the models' folder cannot be watched", exc_info=error)

    async def look(self) -> None:
        """Takes up what is in the folder, if it is not what was there before; unless something else has taken the folder's place.

        Where whole models answer and the new files do not fit together, they may be half written: only when they are still so at the next
        look do the baselines take over.
        """
        async with self._turn:
            if not self._replaced:
                await self._look()

    async def replace(self, content: bytes) -> None:
        """Takes up a packed folder in the folder's place. Raises ArtifactError or ModelUnfit for one that cannot answer, and OSError where
        there is no room for it; then what answered goes on."""
        async with self._turn:
            try:
                loaded = await asyncio.get_running_loop().run_in_executor(self._loading, _read_packed, self._read, content)
            except Exception:
                MODEL_LOADS.labels("failed").inc()
                raise
            MODEL_LOADS.labels("loaded").inc()
            self._replaced = True
            self._take(loaded)

    async def give_back(self) -> None:
        """Takes up the folder again, if something else is in its place."""
        async with self._turn:
            if self._replaced:
                self._replaced, self._seen, self._settled = False, None, False
                await self._look()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        signature = await loop.run_in_executor(self._loading, _signature, self._folder)
        same = signature == self._seen
        if same and self._settled:
            return
        self._seen = signature
        loaded = await loop.run_in_executor(self._loading, self._read, self._folder)
        MODEL_LOADS.labels("failed" if loaded.info.degraded else "loaded").inc()
        self._settled = same or self.held is None or self.held.info.degraded or not loaded.info.degraded
        if not self._settled:
            log.warning("other models cannot be read yet", folder=str(self._folder), error=loaded.info.reason)
            return
        self._take(loaded)

    def _take(self, loaded: Kept) -> None:
        # One assignment: whoever asks has the one or the other.
        self.held = loaded
        MODEL_DEGRADED.set(loaded.info.degraded)
        if loaded.info.degraded:
            log.error("models are missing: others answer", folder=str(self._folder), error=loaded.info.reason)
        else:
            log.info("models loaded", version=loaded.info.version, candidates=list(loaded.info.candidates))


def _read_packed(read: Callable[[Path], Kept], content: bytes) -> Kept:
    from models.artifact import unpack

    with TemporaryDirectory(prefix="scale-model-") as folder:
        unpack(content, Path(folder))
        kept = read(Path(folder))
    if kept.info.degraded:
        raise ModelUnfit(kept.info.reason)
    return kept


def _signature(folder: Path) -> Signature:
    """What tells that files were changed, without reading them; nothing for a folder that is not there."""
    try:
        found = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.suffix in (".pt", ".json")]
    except OSError:
        return ()
    return tuple((name, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino) for name, status in found)
