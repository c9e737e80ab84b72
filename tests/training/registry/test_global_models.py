"""A global model from the registry to everybody's next answer and back, with the real categorization service asking."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from scale.training.v1.model_registry_service_pb2_grpc import add_ModelRegistryServiceServicer_to_server
from services.categorization.model_registry import CALLER
from services.kit import context
from services.kit.pagination import PageTokens
from services.kit.server import Server
from services.kit.service_tokens import ServiceTokens
from services.kit.settings import ProcessSettings
from services.local import LocalSystem
from services.training.domain import CATEGORIZER_GLOBAL, NOBODY
from services.training.registry.servicer import BACKGROUND_METHODS, OPEN_METHODS, SERVICE, ModelRegistryServicer
from tests.categorization.conftest import Stack, categorization, ledger_service
from tests.ingestion.conftest import process_settings, serving
from tests.support.categorization_fakes import packed
from tests.support.registry_fakes import trained
from tests.support.service_keys import service_key
from tests.training.registry.conftest import WORKER, Registry

SHIPPED = "hypcd-test+1"


async def test_everybody_is_answered_by_what_is_live(registry: Registry, servers: LocalSystem, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "version.json").write_text(SHIPPED, encoding="utf-8")
    key = service_key()
    server = Server(
        ProcessSettings(**process_settings(SCALE_SERVICE_PUBLIC_KEYS=ServiceTokens(CALLER, key).public_key)),
        name="training",
        services=[SERVICE],
        register=lambda server: add_ModelRegistryServiceServicer_to_server(
            ModelRegistryServicer(registry.service, registry.made, PageTokens(b"k" * 32)), server
        ),
        service_methods=BACKGROUND_METHODS,
        open_methods=OPEN_METHODS,
    )
    asking: dict[str, Any] = {
        "registry_key": key,
        "registry_s": 0.05,
        "SCALE_TRAINING_ADDRESS": f"127.0.0.1:{server.port}",
        "models_cache_dir": tmp_path / "kept",
    }
    async with serving(server), ledger_service(servers) as ledger, categorization(servers, ledger, tmp_path / "models", **asking) as stack:
        context.bind_background(NOBODY, WORKER, since=await registry.database.now())
        try:
            one = await register(registry, "hypcd-one")
            await answered_by(stack, "hypcd-one")
            await register(registry, "hypcd-two")
            await answered_by(stack, "hypcd-two")
            await registry.service.promote_version(NOBODY, CATEGORIZER_GLOBAL, one, administrator=True)
            await answered_by(stack, "hypcd-one")
        finally:
            while (await registry.repository.live(NOBODY, CATEGORIZER_GLOBAL)) is not None:
                await registry.service.roll_back(NOBODY, CATEGORIZER_GLOBAL, "", administrator=True)
        await answered_by(stack, SHIPPED)


async def register(registry: Registry, version: str) -> str:
    job = await registry.job(CATEGORIZER_GLOBAL, NOBODY)
    return (await registry.registry.register(job, trained(packed(version)))).version


async def answered_by(stack: Stack, version: str) -> None:
    async with asyncio.timeout(10):
        while (await stack.classify("REWE")).model_version != version:
            await asyncio.sleep(0.02)
