"""The one model of this process: loaded in a thread, asked in another, replaced while requests go on, stood in for by rules."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import structlog

from models.devices import DeviceName, device_of
from models.hypcd import personal_weights
from models.knowledge import pooling
from models.knowledge.brands import match_brand
from models.knowledge.opinion import Opinion
from services.categorization.columns import Columns, Floats
from services.categorization.domain import ModelInfo
from services.categorization.metrics import MODEL_DEGRADED, MODEL_LOADS
from services.categorization.protocols import Group, Head, Model

if TYPE_CHECKING:
    from models.hypcd.classifier import Classifier, Items

log = structlog.get_logger()

Result = TypeVar("Result")
Signature = tuple[tuple[str, int, int, int, int], ...]
_NOTHING: Signature = ()


class LoadedModel(NamedTuple):
    """A model that was read from a folder."""

    model: Model
    category_count: int
    dimension: int
    hashes: dict[str, str]
    anchors: Floats
    """[categories, dimension]"""
    categories: Sequence[str]


Loader = Callable[[Path], LoadedModel]
Changed = Callable[[LoadedModel], Awaitable[None]]


class HypcdModel:
    """`Model` on the network of models/hypcd."""

    degraded = False

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self.version = classifier.version
        self.ball = classifier.ball
        # The network's own is for the network alone.
        self.threshold = pooling.PoolWeights.shipped().threshold

    def opine(self, columns: Columns) -> Opinion:
        """See `Model`."""
        found = self._classifier.predict(_items(columns))
        return Opinion(self._classifier.categories, found.probabilities, found.points)

    def place(self, columns: Columns) -> Floats | None:
        """See `Model`."""
        return self._classifier.predict(_items(columns)).points

    def has_ball(self, name: str) -> bool:
        """See `Model`."""
        return self._classifier.has_ball(name)

    def groups(self, points: Floats, taken: Floats | None, *, least_members: int) -> Sequence[Group]:
        """See `Model`."""
        from models.hypcd.discovery import discover

        anchors = self._classifier.anchors
        known = np.concatenate([anchors, taken]) if taken is not None and len(taken) else anchors
        # Whoever asks has left out what lies near a category.
        found = discover(points, known, far_from=0.0, min_size=least_members, c=self._classifier.curvature)
        return [Group(cluster.members.tolist(), cluster.score) for cluster in found]


def _items(columns: Columns) -> Items:
    from models.hypcd.classifier import Items

    return Items(columns.descriptions, columns.merchants, columns.amounts, columns.weekdays)


def load_hypcd(folder: Path, device: DeviceName = "cpu") -> LoadedModel:
    """The model in a folder, computing on that device. Raises DeviceMissing, ArtifactError, and ImportError where torch is missing."""
    # Torch takes two hundred megabytes and a second: in the thread that loads, and not in a worker that never classifies.
    from models.artifact import ArtifactError, read_manifest
    from models.cores import use_one_core
    from models.hypcd.classifier import Classifier

    # One answers tens of thousands a second.
    use_one_core()
    classifier = Classifier.load(folder).to(device_of(device))
    try:
        personal_weights.Weights.read(personal_weights.FILE)
        pooling.PoolWeights.read(pooling.FILE)
    except (OSError, ValueError) as error:
        raise ArtifactError(f"what weighs corrections, network and rules cannot be used: {error}") from error
    # The table of brands is read now, not while the first one who asks waits.
    match_brand("")
    hashes = read_manifest(folder).hashes
    return LoadedModel(
        HypcdModel(classifier), len(classifier.categories), classifier.dimension, dict(hashes), classifier.anchors, classifier.categories
    )


def load_packed(content: bytes, load: Loader = load_hypcd) -> LoadedModel:
    """The model in a packed folder. Raises ArtifactError, OSError where there is no room for it, and what `load` raises."""
    from models.artifact import unpack

    with TemporaryDirectory(prefix="scale-model-") as folder:
        unpack(content, Path(folder))
        return load(Path(folder))


def load_user_head(artifact: bytes) -> Head:
    """A user's own model. Raises ValueError for bytes that are none, and ImportError where torch is missing."""
    from models.artifact import ArtifactError
    from models.hypcd.user_head import UserHead

    try:
        return UserHead.load(artifact)
    except ArtifactError as error:
        raise ValueError(str(error)) from error


class ModelPredictor:
    """`Predictor` on a folder of artefacts, or on what takes its place. `start` it once; without either, `fallback` answers."""

    def __init__(
        self, folder: Path, fallback: Model, *, load: Loader = load_hypcd, watch_s: float = 2.0, changed: Changed | None = None
    ) -> None:
        """Looks every `watch_s` seconds for another version in the folder; `changed` is told of each one that is in."""
        self._folder = folder
        self._fallback = fallback
        self._load = load
        self._watch_s = watch_s
        self._changed = changed
        self._model: Model = fallback
        self._info = self._without("the model has not been loaded yet")
        self._seen: Signature | None = None
        self._settled = False
        self._replaced = False
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="load-model")
        self._watching: asyncio.Task[None] | None = None

    def info(self) -> ModelInfo:
        """See `Predictor`."""
        return self._info

    async def run(self, work: Callable[[Model], Result]) -> Result:
        """See `Predictor`. A model that comes meanwhile answers the next one."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._model)

    async def start(self) -> None:
        """Loads what is there, and goes on looking."""
        await self.look()
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stops looking, and ends the threads."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._loading.shutdown(wait=False, cancel_futures=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._watch_s)
            try:
                await self.look()
            except Exception as error:
                log.error("the model's folder cannot be watched", exc_info=error)

    async def look(self) -> None:
        """Takes up what is in the folder, if it is not what was there before; unless something else has taken the folder's place.

        Where a model answers and the new files do not fit together, they may be half written: only when they are still so at the next look
        do the rules take over.
        """
        async with self._turn:
            if not self._replaced:
                await self._look()

    async def replace(self, content: bytes) -> None:
        """Takes up a packed model in the folder's place. Raises what `load_packed` raises; then what answered goes on."""
        async with self._turn:
            try:
                loaded = await asyncio.get_running_loop().run_in_executor(self._loading, load_packed, content, self._load)
            except Exception:
                MODEL_LOADS.labels("failed").inc()
                raise
            self._replaced = True
            await self._take(loaded)

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
        try:
            loaded = await loop.run_in_executor(self._loading, self._load, self._folder)
        except Exception as error:
            MODEL_LOADS.labels("failed").inc()
            self._settled = same or self._model is self._fallback
            if self._settled:
                self._fall_back(error)
            else:
                log.warning("another model cannot be read yet", folder=str(self._folder), error=str(error))
            return
        self._settled = True
        await self._take(loaded)

    async def _take(self, loaded: LoadedModel) -> None:
        # One assignment: whoever asks has the one or the other.
        self._model = loaded.model
        self._info = ModelInfo(
            loaded.model.version,
            False,
            "",
            loaded.category_count,
            loaded.model.threshold,
            loaded.dimension,
            datetime.now(UTC),
            loaded.hashes,
        )
        MODEL_DEGRADED.set(0)
        MODEL_LOADS.labels("loaded").inc()
        log.info("model loaded", version=loaded.model.version, categories=loaded.category_count)
        if self._changed is not None:
            await self._changed(loaded)

    def _fall_back(self, error: Exception) -> None:
        self._model = self._fallback
        # Users read it: where the folder lies is for the log.
        self._info = self._without(str(error).replace(f"{self._folder}/", "") or type(error).__name__)
        MODEL_DEGRADED.set(1)
        log.error("no model: the rules answer", folder=str(self._folder), error=str(error), kind=type(error).__name__)

    def _without(self, reason: str) -> ModelInfo:
        return ModelInfo(self._fallback.version, True, reason, 0, self._fallback.threshold, 0, datetime.now(UTC), {})


def _signature(folder: Path) -> Signature:
    """What tells that files were changed, without reading them; nothing for a folder that is not there."""
    try:
        files = [path for path in sorted(folder.iterdir()) if path.suffix in (".pt", ".json")]
        found = [(path.name, path.stat()) for path in files if path not in (personal_weights.FILE, pooling.FILE)]
    except OSError:
        return _NOTHING
    for file in (personal_weights.FILE, pooling.FILE):
        with suppress(OSError):
            found.append((file.name, file.stat()))
    return tuple((name, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino) for name, status in found)
