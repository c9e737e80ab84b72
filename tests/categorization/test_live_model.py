"""The live model of the registry: taken up, kept while the registry is away, given back; never anything that is damaged."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import grpc.aio
import pytest

from models.artifact import pack
from scale.training.v1 import model_registry_service_pb2 as pb
from scale.training.v1.model_registry_service_pb2_grpc import ModelRegistryServiceServicer, add_ModelRegistryServiceServicer_to_server
from services.categorization.live_model import MAX_BYTES, LiveModel, LiveVersion
from services.categorization.model_registry import CALLER, GrpcModelRegistry
from services.categorization.predictor import ModelPredictor
from services.categorization.rules_model import RulesModel
from services.categorization.settings import MODELS_DIR
from services.kit import context
from services.kit.errors import NotFound, PermissionDenied, ScaleError, Unavailable
from services.kit.server import Server
from services.kit.service_tokens import ServiceTokens
from services.kit.settings import ProcessSettings
from services.local import LocalSystem
from tests.categorization.conftest import categorization, ledger_service
from tests.ingestion.conftest import process_settings
from tests.support.categorization_fakes import Loads, packed
from tests.support.service_keys import service_key

PATH = "00000000-0000-0000-0000-000000000000/categorizer-global/1-abc def"


@dataclass
class FakeRegistry:
    """`ModelRegistry` with one model, or none."""

    content: bytes | None = None
    error: ScaleError | None = None
    sent: bytes | None = None
    """What comes of it, if not all."""
    size: int | None = None
    reads: int = 0

    async def live(self) -> LiveVersion | None:
        if self.error is not None:
            raise self.error
        if self.content is None:
            return None
        size = self.size if self.size is not None else len(self.content)
        return LiveVersion("1-abc", hashlib.sha256(self.content).hexdigest(), size, "here")

    async def read(self, live: LiveVersion) -> bytes:
        self.reads += 1
        assert self.content is not None
        return self.sent if self.sent is not None else self.content


@dataclass
class Bench:
    """A predictor on a folder, and what looks after the live model."""

    folder: Path
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    loads: Loads = field(default_factory=Loads)

    def __post_init__(self) -> None:
        (self.folder / "version.json").write_text("shipped", encoding="utf-8")
        self.predictor = ModelPredictor(self.folder, RulesModel(), load=self.loads, watch_s=3600)

    def live(self, **changes: Any) -> LiveModel:
        return LiveModel(self.registry, self.predictor, **{"every_s": 3600, **changes})

    async def version(self) -> str:
        answered: str = await self.predictor.run(lambda model: model.version)
        assert answered == self.predictor.info().version
        return answered


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    (tmp_path / "shipped").mkdir()
    found = Bench(tmp_path / "shipped")
    await found.predictor.start()
    yield found
    await found.predictor.close()


async def test_the_live_model_answers_until_another_one_or_none_is_live(bench: Bench) -> None:
    live = bench.live()
    await live.look()
    assert await bench.version() == "shipped"
    bench.registry.content = packed("one")
    for _ in range(3):
        await live.look()
    assert (await bench.version(), bench.registry.reads) == ("one", 1)
    # What is put into the folder meanwhile waits.
    (bench.folder / "version.json").write_text("shipped anew", encoding="utf-8")
    await bench.predictor.look()
    assert await bench.version() == "one"
    bench.registry.content = packed("two")
    await live.look()
    assert await bench.version() == "two"
    bench.registry.content = None
    for _ in range(2):
        await live.look()
    assert await bench.version() == "shipped anew"


async def test_while_the_registry_is_away_what_answers_goes_on(bench: Bench) -> None:
    bench.registry.content = packed("one")
    live = bench.live(every_s=0.01)
    await live.start()
    assert await bench.version() == "one"
    bench.registry.error = Unavailable("away")
    await asyncio.sleep(0.05)
    assert await bench.version() == "one"
    bench.registry.error, bench.registry.content = None, packed("two")
    async with asyncio.timeout(5):
        while await bench.version() != "two":
            await asyncio.sleep(0.01)
    await live.close()


def cut(bench: Bench) -> None:
    bench.registry.content = packed("one")
    bench.registry.sent = bench.registry.content[:-1]


def too_large(bench: Bench) -> None:
    bench.registry.content, bench.registry.size = packed("one"), MAX_BYTES + 1


def no_model(bench: Bench) -> None:
    bench.registry.content = b"no zip at all"


def does_not_load(bench: Bench) -> None:
    bench.registry.content = packed("broken")


@pytest.mark.parametrize(("spoil", "reads"), [(cut, 3), (too_large, 0), (no_model, 1), (does_not_load, 1)])
async def test_a_model_that_cannot_be_used_changes_nothing(bench: Bench, spoil: Callable[[Bench], None], reads: int) -> None:
    """What was cut on the way is fetched again; what is broken where it lies is not."""
    live = bench.live()
    spoil(bench)
    for _ in range(3):
        await live.look()
    assert (await bench.version(), bench.registry.reads) == ("shipped", reads)
    bench.registry.content, bench.registry.sent, bench.registry.size = packed("two"), None, None
    await live.look()
    assert await bench.version() == "two"


async def test_without_room_it_is_tried_again(bench: Bench) -> None:
    bench.registry.content = packed("one")
    live, replace = bench.live(), bench.predictor.replace

    async def full(content: bytes) -> None:
        raise OSError(28, "No space left on device")

    bench.predictor.replace = full  # type: ignore[method-assign]
    await live.look()
    bench.predictor.replace = replace  # type: ignore[method-assign]
    await live.look()
    assert (await bench.version(), bench.registry.reads) == ("one", 2)


async def test_a_start_without_the_registry_goes_on_with_what_was_live(bench: Bench, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for version in ("one", "two"):
        bench.registry.content = packed(version)
        await bench.live(cache=cache).look()
    assert len(list(cache.iterdir())) == 1
    await bench.predictor.give_back()
    assert await bench.version() == "shipped"
    bench.registry.error = Unavailable("away")
    started = bench.live(cache=cache)
    await started.start()
    await started.close()
    assert await bench.version() == "two"
    # Nor is it fetched again; and what somebody has changed there is not taken.
    bench.registry.error, bench.registry.reads = None, 0
    again = bench.live(cache=cache)
    await again.start()
    await again.close()
    assert bench.registry.reads == 0
    (kept,) = cache.iterdir()
    kept.write_bytes(packed("forged"))
    bench.registry.error = Unavailable("away")
    await bench.predictor.give_back()
    forged = bench.live(cache=cache)
    await forged.start()
    await forged.close()
    assert await bench.version() == "shipped"
    # None is live any more.
    bench.registry.error, bench.registry.content = None, packed("three")
    last = bench.live(cache=cache)
    await last.look()
    bench.registry.content = None
    await last.look()
    assert list(cache.iterdir()) == []


async def test_a_folder_in_which_nothing_can_be_kept_is_no_failure(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    bench.registry.content = packed("one")
    live = bench.live(cache=tmp_path / "file")
    await live.start()
    await live.close()
    assert await bench.version() == "one"


class Registry(ModelRegistryServiceServicer):
    """The registry's wire, with one artefact."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.version: dict[str, Any] = {}
        self.reason = "NO_LIVE_MODEL"
        self.callers: list[tuple[UUID, str]] = []

    async def GetLiveModelVersion(self, request: pb.GetLiveModelVersionRequest, _: grpc.aio.ServicerContext) -> Any:
        self.callers.append((context.identity().user_id, context.identity().role))
        assert request.model == "categorizer-global"
        if self.content is None:
            raise NotFound("none", reason=self.reason)
        found: dict[str, Any] = {
            "version": "1-abc",
            "content_hash": hashlib.sha256(self.content).hexdigest(),
            "size_bytes": len(self.content),
            "download_url": f"/api/v1/artifacts/{quote(PATH)}?expires=17&signature=k.a-_b",
        }
        return pb.GetLiveModelVersionResponse(model_version=pb.ModelVersion(**(found | self.version)))

    async def ReadArtifact(self, request: pb.ReadArtifactRequest, _: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        if (request.path, request.expires, request.signature) != (PATH, 17, "k.a-_b"):
            raise PermissionDenied("not signed by me", reason="SIGNATURE_INVALID")
        assert self.content is not None
        for start in range(0, len(self.content), 65536):
            yield pb.ReadArtifactResponse(chunk=self.content[start : start + 65536])


@asynccontextmanager
async def registry_service(key: str) -> AsyncIterator[tuple[Registry, int]]:
    """As the training service would serve it: only who has the key may ask."""
    registry, service = Registry(), "scale.training.v1.ModelRegistryService"
    settings = ProcessSettings(**process_settings(SCALE_SERVICE_PUBLIC_KEYS=ServiceTokens(CALLER, key).public_key))
    server = Server(
        settings,
        name="training",
        services=[service],
        register=lambda server: add_ModelRegistryServiceServicer_to_server(registry, server),
        service_methods=frozenset({f"/{service}/GetLiveModelVersion", f"/{service}/ReadArtifact"}),
    )
    await server.start()
    try:
        yield registry, server.port
    finally:
        await server.stop()


async def test_the_registry_is_asked_in_nobodys_name() -> None:
    key = service_key()
    async with registry_service(key) as (registry, port):
        client = GrpcModelRegistry(f"127.0.0.1:{port}", key)
        assert await client.live() is None
        assert registry.callers == [(UUID(int=0), "service")]
        registry.content = b"x" * 100_000
        live = await client.live()
        assert live is not None
        assert (live.version, live.size_bytes) == ("1-abc", 100_000)
        assert await client.read(live) == registry.content
        # No more than is said is taken in.
        assert len(await client.read(live._replace(size_bytes=10))) == 65536
        for address in (
            "",
            "https://bucket/x?signature=1",
            "/api/v1/artifacts/x?expires=soon&signature=1",
            "/elsewhere/x?expires=1&signature=1",
        ):
            with pytest.raises(Unavailable):
                await client.read(live._replace(download_url=address))
        registry.content, registry.reason = None, "NO_SUCH_MODEL"
        with pytest.raises(NotFound):
            await client.live()
        await client.close()
        other = GrpcModelRegistry(f"127.0.0.1:{port}", service_key())
        with pytest.raises(ScaleError):
            await other.live()
        await other.close()


async def test_the_service_takes_up_a_live_model_between_two_answers(servers: LocalSystem, models_dir: Path, tmp_path: Path) -> None:
    """From the wire to the answer, with the real network: no call is dropped on the way, and back."""
    key = service_key()
    async with registry_service(key) as (registry, port), ledger_service(servers) as ledger:
        settings: dict[str, Any] = {"registry_key": key, "registry_s": 0.05, "SCALE_TRAINING_ADDRESS": f"127.0.0.1:{port}"}
        async with categorization(servers, ledger, models_dir, **settings) as stack:
            assert (await stack.classify("CAFE")).model_version == "hypcd-test+1"
            versions: list[str] = []
            done = asyncio.Event()

            async def go_on() -> None:
                while not done.is_set():
                    versions.append((await stack.classify("CAFE")).model_version)

            asking = asyncio.create_task(go_on())
            for content, expected in ((packed("hypcd-live"), "hypcd-live"), (None, "hypcd-test+1")):
                registry.content = content
                async with asyncio.timeout(10):
                    while not versions or versions[-1] != expected:
                        await asyncio.sleep(0.01)
            done.set()
            await asking
            assert set(versions) == {"hypcd-test+1", "hypcd-live"}


async def test_a_packed_model_is_the_model() -> None:
    predictor = ModelPredictor(Path("/nowhere"), RulesModel(), watch_s=3600)
    await predictor.start()
    assert predictor.info().degraded
    await predictor.replace(pack(MODELS_DIR))
    assert (predictor.info().version, predictor.info().degraded) == ("hypcd-1", False)
    await predictor.close()
