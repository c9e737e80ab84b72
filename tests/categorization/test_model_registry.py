"""The registry's wire as categorization asks it, and what a live model does to answers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import grpc.aio
import pytest

from models.artifact import ArtifactError, pack
from scale.training.v1 import model_registry_service_pb2 as pb
from scale.training.v1.model_registry_service_pb2_grpc import ModelRegistryServiceServicer, add_ModelRegistryServiceServicer_to_server
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


async def test_what_takes_the_folders_place_answers_until_it_is_given_back(tmp_path: Path) -> None:
    (tmp_path / "version.json").write_text("shipped", encoding="utf-8")
    predictor = ModelPredictor(tmp_path, RulesModel(), load=Loads(), watch_s=3600)
    await predictor.start()

    async def version() -> str:
        answered: str = await predictor.run(lambda model: model.version)
        assert answered == predictor.info().version
        return answered

    await predictor.replace(packed("one"))
    # What is put into the folder meanwhile waits, and what cannot be used changes nothing.
    (tmp_path / "version.json").write_text("shipped anew", encoding="utf-8")
    await predictor.look()
    for content in (b"no zip at all", packed("broken")):
        with pytest.raises((ArtifactError, ValueError)):
            await predictor.replace(content)
    assert await version() == "one"
    await predictor.replace(packed("two"))
    assert await version() == "two"
    for _ in range(2):
        await predictor.give_back()
    assert await version() == "shipped anew"
    await predictor.close()


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
