"""The model that the registry says is live for everybody: fetched, and put in the place of the one that comes with the product."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import structlog

from services.kit.errors import ScaleError, Unavailable

log = structlog.get_logger()

MAX_BYTES = 64 * 1024 * 1024
_START_TIMEOUT_S = 3.0
_SUFFIX = ".model"
_ARTIFACTS = "/api/v1/artifacts/"


class LiveVersion(NamedTuple):
    """What answers, as the registry says."""

    version: str
    content_hash: str
    """SHA-256 of the artefact, in hex."""
    size_bytes: int
    download_url: str
    """Where it is for the next minutes."""


class SignedAddress(NamedTuple):
    """The parts of an address that the registry has signed."""

    path: str
    expires: int
    signature: str


def read_address(download_url: str) -> SignedAddress:
    """The parts of a `LiveVersion`'s address. Raises Unavailable for one that has others."""
    address = urlsplit(download_url)
    query = parse_qs(address.query)
    try:
        path, expires, signature = unquote(address.path.removeprefix(_ARTIFACTS)), int(query["expires"][0]), query["signature"][0]
    except (KeyError, ValueError):
        path = ""
    if not path or not address.path.startswith(_ARTIFACTS):
        raise Unavailable("The registry names an address that this version does not know.", reason="REGISTRY_UNKNOWN")
    return SignedAddress(path, expires, signature)


class ModelRegistry(Protocol):
    """Where versions of models are kept."""

    async def live(self) -> LiveVersion | None:
        """The model that answers everybody; None for the one that comes with the product. Raises ScaleError while it cannot be asked."""

    async def read(self, live: LiveVersion) -> bytes:
        """Its artefact, at most one part more than it should be. Raises ScaleError."""


class Replaceable(Protocol):
    """What answers."""

    async def replace(self, content: bytes) -> None:
        """With a packed model from now on. Raises whatever is wrong with it; then what answered goes on."""

    async def give_back(self) -> None:
        """With the model that comes with the product from now on."""


class LiveModel:
    """Asks every few seconds. While the registry is away, what answers goes on; no request waits for any of this."""

    def __init__(self, registry: ModelRegistry, predictor: Replaceable, *, every_s: float, cache: Path | None = None) -> None:
        """`cache`: a folder in which the live model is kept, for a start without the registry. Processes may share it."""
        self._registry = registry
        self._predictor = predictor
        self._every_s = every_s
        self._cache = cache
        self._content_hash = ""
        self._refused = ""
        self._looked = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Takes up what is live, if that takes no more than a moment, and goes on asking."""
        self._watching = asyncio.create_task(self._watch(), context=contextvars.Context())
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_TIMEOUT_S):
                await self._looked.wait()

    async def close(self) -> None:
        """Asks no more."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching

    async def _watch(self) -> None:
        await self._take_up_kept()
        away = False
        while True:
            try:
                await self.look()
                away = False
            except ScaleError as error:
                if not away:
                    log.warning("the registry cannot say which model is live: what answers goes on", error=error.message)
                away = True
            except Exception as error:
                log.error("the live model cannot be looked after", exc_info=error)
            self._looked.set()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Takes up what is live, if something else answers. Raises ScaleError while the registry is away."""
        live = await self._registry.live()
        if live is None:
            if self._content_hash:
                await self._predictor.give_back()
                self._content_hash = ""
                log.info("no model of the registry is live: the one that comes with the product answers")
                await asyncio.to_thread(self._forget, "")
            return
        if live.content_hash in (self._content_hash, self._refused):
            return
        if live.size_bytes > MAX_BYTES:
            self._refused = live.content_hash
            log.error("a model of the registry is too large: what answers goes on", version=live.version, bytes=live.size_bytes)
            return
        content = await self._registry.read(live)
        if len(content) != live.size_bytes or hashlib.sha256(content).hexdigest() != live.content_hash:
            log.error("a model came damaged: what answers goes on", version=live.version, bytes=len(content))
            return
        if await self._take_up(content, live.content_hash):
            log.info("a model of the registry answers", version=live.version)
            await asyncio.to_thread(self._keep, content, live.content_hash)

    async def _take_up(self, content: bytes, content_hash: str) -> bool:
        try:
            await self._predictor.replace(content)
        except OSError as error:
            # No room to unpack it, perhaps: next time.
            log.error("a model cannot be unpacked: what answers goes on", error=str(error))
            return False
        except Exception as error:
            # Not to be fetched again and again: the next version may be better.
            self._refused = content_hash
            log.error("a model of the registry cannot be used: what answers goes on", content_hash=content_hash, error=str(error))
            return False
        self._content_hash, self._refused = content_hash, ""
        return True

    # What is kept for a start without the registry. That it is not is no failure.

    async def _take_up_kept(self) -> None:
        found = await asyncio.to_thread(self._kept)
        if found is not None and await self._take_up(*found):
            log.info("the model that was live when this process ended answers", content_hash=found[1])

    def _kept(self) -> tuple[bytes, str] | None:
        try:
            files = sorted(self._cache.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime) if self._cache is not None else []
            content = files[-1].read_bytes() if files and files[-1].stat().st_size <= MAX_BYTES else b""
        except OSError as error:
            log.warning("the model that was kept cannot be read", error=str(error))
            return None
        if not content or hashlib.sha256(content).hexdigest() != files[-1].stem:
            return None
        return content, files[-1].stem

    def _keep(self, content: bytes, content_hash: str) -> None:
        if self._cache is None:
            return
        path = self._cache / f"{content_hash}{_SUFFIX}"
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_bytes(content)
            part.replace(path)
        except OSError as error:
            log.warning("the live model is not kept for the next start", error=str(error))
        self._forget(path.name)

    def _forget(self, but: str) -> None:
        with suppress(OSError):
            for path in self._cache.glob(f"*{_SUFFIX}") if self._cache is not None else ():
                if path.name != but:
                    path.unlink(missing_ok=True)
