"""From a round to everybody's next answer: the federation's own client, the real registry, and the real categorization service."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import pytest
import torch

from models.hypcd.classifier import Classifier
from models.hypcd.user_head import UserHead
from scale.categorization.v1 import learning_service_pb2 as learning_pb
from scale.training.v1.model_registry_service_pb2_grpc import add_ModelRegistryServiceServicer_to_server
from services.categorization.model_registry import CALLER as CATEGORIZATION
from services.categorization.predictor import load_hypcd, load_user_head
from services.federation.versions.registry import CALLER, GrpcModelRegistry
from services.kit import context
from services.kit.auth import TokenVerifier, mint_token
from services.kit.errors import PermissionDenied, Unavailable
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.server import Server
from services.kit.service_tokens import ServiceTokens
from services.kit.settings import ProcessSettings
from services.local import LocalSystem
from services.training.domain import CATEGORIZER_GLOBAL, NOBODY, ModelVersion
from tests.categorization.conftest import Stack, ask_learning, categorization, ledger_service
from tests.federation.rounds.conftest import StartCoordinator, start_coordinator
from tests.federation.versions.conftest import Line
from tests.ingestion.conftest import SECRET, process_settings, serving
from tests.support.federation_rounds import PUBLISHED, enrolled, run_round
from tests.support.ports import free_port
from tests.support.service_keys import service_key
from tests.training.registry.conftest import Registry, database_settings

__all__ = ["start_coordinator"]

FEDERATION_KEY, CATEGORIZATION_KEY = service_key(), service_key()


@dataclass
class Whole:
    """The line, and the registry that it hands over to."""

    line: Line
    registry: Registry
    address: str

    async def registered(self) -> list[ModelVersion]:
        """The oldest first."""
        found = await self.registry.repository.list_versions(NOBODY, CATEGORIZER_GLOBAL, limit=100, below=None)
        return list(reversed(found))


@asynccontextmanager
async def registry_at(registry: Registry, port: int) -> AsyncIterator[None]:
    from services.training.registry.servicer import BACKGROUND_METHODS, OPEN_METHODS, SERVICE, ModelRegistryServicer

    believed = (ServiceTokens(CALLER, FEDERATION_KEY).public_key, ServiceTokens(CATEGORIZATION, CATEGORIZATION_KEY).public_key)
    servicer = ModelRegistryServicer(registry.service, registry.made, PageTokens(b"k" * 32))
    server = Server(
        ProcessSettings(**process_settings(port=port, SCALE_SERVICE_PUBLIC_KEYS=",".join(believed))),
        name="training",
        services=[SERVICE],
        register=lambda server: add_ModelRegistryServiceServicer_to_server(servicer, server),
        service_methods=BACKGROUND_METHODS,
        open_methods=OPEN_METHODS,
    )
    async with serving(server):
        yield


@pytest.fixture
async def whole(servers: LocalSystem, line: Line, tmp_path: Path, user_id: UUID) -> AsyncIterator[Whole]:
    # Versions of global models are everybody's, those of earlier tests too.
    connection = await asyncpg.connect(servers.migrator_url)
    await connection.execute("DELETE FROM training.model_versions WHERE user_id = $1", NOBODY)
    await connection.close()
    url, port = servers.service_url("training"), free_port()
    database = Database(url, database_settings(url))
    await database.open()
    client = GrpcModelRegistry(f"127.0.0.1:{port}", FEDERATION_KEY, code_version="1.2.3")
    whole = Whole(line.again(registry=client), Registry(database, line.storage, line.folder, user_id), f"127.0.0.1:{port}")
    async with registry_at(whole.registry, port):
        yield whole
    await client.close()
    await database.close()


async def sign_in(user_id: UUID, role: str) -> None:
    verifier = TokenVerifier(ProcessSettings(**process_settings()), "federation")
    context.bind_identity(await verifier.verify(mint_token(SECRET, user_id=user_id, role=role)))


async def answered_by(stack: Stack, version: str) -> None:
    async with asyncio.timeout(20):
        while (await stack.classify("TESCO LEEDS")).model_version != version:
            await asyncio.sleep(0.02)


def own_head(categorizer: Path) -> bytes:
    """Everything is a fee, whatever it looks like."""
    model = Classifier.load(categorizer)
    bias, d = torch.zeros(len(model.heads.detailed)), model.dimension
    bias[model.heads.detailed.index("financial_bank_fee")] = 100
    nothing = torch.zeros(d, d), torch.zeros(d), model.curvature, model.radius
    return UserHead(model.ball, model.heads, (), torch.empty(0, d), bias, *nothing, 1.0, 19_000).to_bytes()


async def test_a_round_answers_everybody_and_puts_no_ones_own_model_aside(
    whole: Whole, servers: LocalSystem, categorizer: Path, user_id: UUID
) -> None:
    asking: dict[str, Any] = {
        "registry_key": CATEGORIZATION_KEY,
        "registry_s": 0.05,
        "SCALE_TRAINING_ADDRESS": whole.address,
        "load": load_hypcd,
        "load_head": load_user_head,
    }
    async with ledger_service(servers) as ledger, categorization(servers, ledger, categorizer, **asking) as stack:
        await answered_by(stack, "small-1")
        own, artifact = stack.other_user(), own_head(categorizer)
        content_hash = hashlib.sha256(artifact).hexdigest()
        request = learning_pb.SetUserModelRequest(version="1-abc", artifact=artifact, content_hash=content_hash)
        await ask_learning(own, "SetUserModel", request)
        await own.correct("HAIRCUT", "personal_care")
        await answered_by(own, "categorizer/1-abc")

        two = await whole.line.publish(step=0.3)
        await whole.line.service.published(two, promote=True)
        await answered_by(stack, "small-1+fed2")
        # Users' own models and words go on.
        answer = await own.classify("TESCO LEEDS")
        assert (answer.model_version, answer.category) == ("categorizer/1-abc", "financial_bank_fee")
        assert (await own.classify("HAIRCUT")).category == "personal_care"

        # A candidate changes nothing, until an administrator says so, with the own word: the service's key is not enough.
        await whole.line.service.published(await whole.line.publish(), promote=False)
        await sign_in(user_id, "user")
        with pytest.raises(PermissionDenied):
            await whole.line.service.promote_version(3)
        await sign_in(user_id, "admin")
        await whole.line.service.promote_version(3)
        await answered_by(stack, "small-1+fed3")
        await whole.line.service.roll_back(1)
        await answered_by(stack, "small-1+fed4")

        found = await whole.registered()
        assert [one.parent_version for one in found] == ["small-1", found[0].version, "small-1"]
        assert [(one.job_id, one.metrics["contributors"]) for one in found[:2]] == [(two.round_id, 12), (found[1].job_id, 12)]
        assert [one.metrics["federated_version"] for one in found] == [2, 3, 4]
        assert {one.code_version for one in found} == {"1.2.3"}


async def test_a_round_of_ten_devices_reaches_the_registry(whole: Whole, start_coordinator: StartCoordinator) -> None:
    settings: dict[str, Any] = {"registry_key": FEDERATION_KEY, "SCALE_TRAINING_ADDRESS": whole.address, "registry_s": 0.05}
    async with start_coordinator(promote=True, code_version="2.0", **settings) as coordinator:
        await coordinator.active()
        devices = await enrolled(coordinator.channel, 10)
        for device in devices:
            device.update = lambda length: np.full(length, 0.001, np.float32)
        ended = await run_round(coordinator.administrator, devices, noise_multiplier=0.0)
        assert (ended.state, ended.version) == (PUBLISHED, 2), ended
        async with asyncio.timeout(10):
            while (live := await whole.registry.repository.live(NOBODY, CATEGORIZER_GLOBAL)) is None:
                await asyncio.sleep(0.02)
    assert (str(live.job_id), live.parent_version, live.code_version) == (ended.round_id, "hypcd-1", "2.0")
    # Without noise there is no bound to what it has cost.
    assert live.metrics == {"contributors": 10, "federated_version": 2, "round_id": ended.round_id, "accuracy": 0.8}
    origin = await whole.line.categorizers.take_apart(await whole.registry.artifacts.read(live))
    assert origin.version == "hypcd-1+fed2"


async def test_what_was_handed_over_twice_is_there_once(whole: Whole, user_id: UUID) -> None:
    two = await whole.line.publish(step=0.3, promote=True)
    await whole.line.service.published(two, promote=True)
    (one,) = await whole.registered()
    # The process died before it noted the name: the next one hands the same version over again.
    connection = whole.line.database
    async with connection.transaction(NOBODY) as transaction:
        await transaction.execute("UPDATE federation.model_versions SET registry_version = '' WHERE version = 2")
    assert await whole.line.again(registry=whole.line.registry).handovers.hand_over_all() == 1
    assert [found.version for found in await whole.registered()] == [one.version]
    assert (await whole.line.service.latest()).registry_version == one.version
    # What the registry's storage has lost comes back with the next promotion.
    await whole.registry.storage.delete(one.artifact_key)
    await sign_in(user_id, "admin")
    await whole.line.service.published(await whole.line.publish(), promote=True)
    await whole.line.service.promote_version(2)
    live = await whole.registry.repository.live(NOBODY, CATEGORIZER_GLOBAL)
    assert live is not None
    assert live.version == one.version
    assert await whole.registry.artifacts.read(live)


async def test_the_line_begins_with_what_the_registry_says_answers(whole: Whole, servers: LocalSystem) -> None:
    await whole.line.service.published(await whole.line.publish(), promote=True)
    (live,) = await whole.registered()
    connection = await asyncpg.connect(servers.migrator_url)
    await connection.execute("TRUNCATE federation.model_versions, federation.rounds")
    await connection.close()
    # Whoever asks for it goes on to be who asks.
    context.bind_identity(None)
    found = await whole.line.service.latest()
    assert (found.categorizer_version, found.registry_version) == ("small-1+fed2", live.version)
    assert context.identity_or_none() is None


async def test_while_the_registry_is_away_versions_wait(line: Line) -> None:
    client = GrpcModelRegistry(f"127.0.0.1:{free_port()}", FEDERATION_KEY, code_version="1.2.3")
    await line.service.latest()
    away = line.again(registry=client)
    two = await away.publish()
    await away.service.published(two, promote=True)
    assert (await away.service.latest()).registry_version == ""
    with pytest.raises(Unavailable):
        await away.handovers.hand_over_all()
    await client.close()
