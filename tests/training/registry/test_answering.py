"""A user's own model from the registry to the next answer and back, with the real categorization service on the other side."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.kit import context
from services.kit.storage import ObjectStorage
from services.local import LocalSystem
from services.training.domain import CATEGORIZER
from services.training.registry.categorization import GrpcCategorization
from services.training.registry.delivery import Delivery
from services.training.registry.registration import ModelRegistry
from tests.categorization.conftest import Stack, categorization, ledger_service
from tests.ingestion.conftest import WORKER
from tests.support.categorization_fakes import head_artifact
from tests.support.registry_fakes import trained
from tests.training.registry.conftest import Registry

BASE = "hypcd-test+1"


@pytest.fixture
async def stack(servers: LocalSystem, tmp_path: Path) -> AsyncIterator[Stack]:
    """Categorization and the ledger that it reads."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "version.json").write_text(BASE, encoding="utf-8")
    async with ledger_service(servers) as ledger, categorization(servers, ledger, tmp_path / "models") as stack:
        yield stack


@pytest.fixture
async def delivering(stack: Stack, registry: Registry) -> AsyncIterator[Registry]:
    """The registry of the stack's user, which tells that service."""
    registry.user_id = stack.user_id
    context.bind_background(stack.user_id, WORKER, since=await registry.database.now())
    answering = GrpcCategorization(f"127.0.0.1:{stack.app.server.port}")
    registry.delivery = Delivery(registry.repository, registry.artifacts, answering)
    registry.registry = ModelRegistry(registry.repository, registry.artifacts, registry.delivery, code_version="1", kept_versions=3)
    yield registry
    await answering.close()


async def answer(stack: Stack) -> tuple[str, str]:
    found = await stack.classify("REWE SAGT DANKE")
    return found.category, found.model_version


async def test_forwards_and_back(delivering: Registry, stack: Stack) -> None:
    shipped = await answer(stack)
    assert shipped == ("groceries_supermarket", BASE)
    one = await delivering.register(head_artifact("dining_cafe", BASE))
    assert await answer(stack) == ("dining_cafe", f"{CATEGORIZER}/{one.version}")
    two = await delivering.register(head_artifact("housing_rent", BASE))
    assert await answer(stack) == ("housing_rent", f"{CATEGORIZER}/{two.version}")
    candidate = await delivering.register(head_artifact("transport_fuel", BASE), better=False)
    assert await answer(stack) == ("housing_rent", f"{CATEGORIZER}/{two.version}")
    assert (await stack.other_user().classify("REWE SAGT DANKE")).category == "groceries_supermarket"

    for expected in (("dining_cafe", f"{CATEGORIZER}/{one.version}"), shipped):
        await delivering.service.roll_back(stack.user_id, CATEGORIZER, "", administrator=False)
        assert await delivering.deliver()
        assert await answer(stack) == expected
    await delivering.service.promote_version(stack.user_id, CATEGORIZER, candidate.version, administrator=False)
    assert await delivering.deliver()
    assert await answer(stack) == ("transport_fuel", f"{CATEGORIZER}/{candidate.version}")


async def test_what_it_cannot_read_makes_way_for_the_one_before(delivering: Registry, stack: Stack) -> None:
    one = await delivering.register(head_artifact("dining_cafe", BASE))
    made = await delivering.register(b"not a head at all")
    assert await delivering.versions() == [(2, "retired"), (1, "live")]
    assert made.version not in (await answer(stack))[1]
    assert await answer(stack) == ("dining_cafe", f"{CATEGORIZER}/{one.version}")


async def test_while_it_is_away_the_version_waits(delivering: Registry, stack: Stack) -> None:
    nowhere = GrpcCategorization("127.0.0.1:9")
    away = Registry(delivering.database, ObjectStorage(delivering.folder.as_uri()), delivering.folder, stack.user_id)
    away.registry = ModelRegistry(
        away.repository, away.artifacts, Delivery(away.repository, away.artifacts, nowhere), code_version="1", kept_versions=3
    )
    job = await away.job()
    made = await away.registry.register(job, trained(head_artifact("dining_cafe", BASE)))
    await nowhere.close()
    assert made.delivered_at is None
    assert (await answer(stack))[0] == "groceries_supermarket"
    assert await delivering.deliver()
    assert (await answer(stack))[0] == "dining_cafe"
