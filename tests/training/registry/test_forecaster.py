"""Everybody's forecaster, from ledgers in the database to a version, to what forecasting answers with, and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uuid_utils.compat

from models.artifact import read_manifest, unpack
from models.forecaster.forecast import BASELINE_VERSION
from scale.forecasting.v1 import forecasting_service_pb2 as pb
from scale.training.v1.model_registry_service_pb2_grpc import add_ModelRegistryServiceServicer_to_server
from services.forecasting.model_registry import CALLER
from services.kit import context
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.server import Server
from services.kit.service_tokens import ServiceTokens
from services.kit.settings import DatabaseSettings, ProcessSettings
from services.local import LocalSystem
from services.training.domain import FORECASTER_GLOBAL, NOBODY, ModelVersion
from services.training.registry.servicer import BACKGROUND_METHODS, OPEN_METHODS, SERVICE, ModelRegistryServicer
from services.training.trainers.forecaster_global import GlobalForecasterTrainer
from services.training.trainers.sources import GrpcHistories
from tests.forecasting.conftest import Stack, forecasting
from tests.ingestion.conftest import process_settings, serving
from tests.support.long_ledgers import long_ledger
from tests.support.registry_fakes import trained
from tests.support.service_keys import service_key, service_tokens
from tests.training.registry.conftest import Registry
from tests.training.trainers.test_categorizer import Reports

USERS = 25
DAYS = 1500
"""More than ledgers of other tests have."""
STEPS = 30
WORKER = service_tokens("training")

OPEN = "INSERT INTO accounts.accounts (user_id, id, name, account_type, currency) VALUES ($1, $2, 'Giro', 'checking', 'EUR')"
FILL = """
    INSERT INTO accounts.transactions (user_id, id, account_id, transaction_date, amount, currency, description, description_key, category,
           category_source, fingerprint)
    SELECT $1, gen_random_uuid(), $2, day, amount, 'EUR', 'x', 'x', category, 'file', n::text
      FROM unnest($3::date[], $4::numeric[], $5::text[]) WITH ORDINALITY AS row (day, amount, category, n)
"""


async def fill_ledgers(servers: LocalSystem) -> None:
    database = Database(servers.service_url("accounts"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=1))
    await database.open()
    for seed in range(USERS):
        user_id, account_id = uuid_utils.compat.uuid7(), uuid_utils.compat.uuid7()
        rows = list(long_ledger(seed, datetime.now(UTC).date() - timedelta(days=1), DAYS))
        async with database.transaction(user_id) as connection:
            await connection.execute(OPEN, user_id, account_id)
            await connection.execute(FILL, user_id, account_id, *map(list, zip(*rows, strict=True)))
    await database.close()


def registry_server(registry: Registry, key: str) -> Server:
    """As the training service serves it."""
    servicer = ModelRegistryServicer(registry.service, registry.made, PageTokens(b"k" * 32))
    return Server(
        ProcessSettings(**process_settings(SCALE_SERVICE_PUBLIC_KEYS=ServiceTokens(CALLER, key).public_key)),
        name="training",
        services=[SERVICE],
        register=lambda server: add_ModelRegistryServiceServicer_to_server(servicer, server),
        service_methods=BACKGROUND_METHODS,
        open_methods=OPEN_METHODS,
    )


async def answered_by(stack: Stack, version: str) -> None:
    """What the service tells, and the worker's forecasts."""
    async with asyncio.timeout(60):
        while (await stack.call("GetModelInfo", pb.GetModelInfoRequest())).model_version != version:
            await asyncio.sleep(0.05)
        while await forecast_by(stack) != version:
            await asyncio.sleep(0.05)


async def forecast_by(stack: Stack) -> str:
    made: pb.Forecast = await stack.made(
        series=pb.SeriesSpec(measure=pb.MEASURE_SPENT), horizon=7, granularity=pb.FORECAST_GRANULARITY_DAY, fresh=True
    )
    return made.model_version


@pytest.fixture
async def live(registry: Registry) -> AsyncIterator[Registry]:
    """Nothing of it is live before and after."""
    context.bind_background(NOBODY, WORKER, since=await registry.database.now())
    yield registry
    await roll_back(registry)


async def roll_back(registry: Registry) -> None:
    while (await registry.repository.live(NOBODY, FORECASTER_GLOBAL)) is not None:
        await registry.service.roll_back(NOBODY, FORECASTER_GLOBAL, "", administrator=True)


async def promote(registry: Registry, version: ModelVersion) -> None:
    await registry.service.promote_version(NOBODY, FORECASTER_GLOBAL, version.version, administrator=True)


async def test_what_is_learned_from_many_ledgers_answers_everybody(
    live: Registry, servers: LocalSystem, redis_url: str, tmp_path: Path
) -> None:
    key, nowhere = service_key(), tmp_path / "nowhere"
    nowhere.mkdir()
    await fill_ledgers(servers)
    server = registry_server(live, key)
    asking: dict[str, Any] = {"registry_key": key, "registry_s": 0.05, "SCALE_TRAINING_ADDRESS": f"127.0.0.1:{server.port}"}
    async with serving(server), forecasting(servers, redis_url, nowhere, believed=WORKER.public_key, **asking) as stack:
        histories = GrpcHistories(f"127.0.0.1:{stack.ledger.port}", WORKER)
        trainer = GlobalForecasterTrainer(histories, live.registry, nowhere, least_users=USERS, most_users=30, least_days=DAYS, steps=STEPS)
        job = await live.job(FORECASTER_GLOBAL, NOBODY)
        made = await trainer.train(job, Reports())
        await histories.close()
        version = await live.registry.register(job, made)
        assert int(made.metrics["users"]) >= USERS
        assert version.stage.value == ("live" if made.better else "candidate")
        await promote(live, version)
        unpack(made.artifact, tmp_path / "made")
        learned = read_manifest(tmp_path / "made").version
        await stack.add_year(await stack.new_account())
        await answered_by(stack, learned)
        # What is no model changes nothing; what was there before answers again.
        broken = await live.registry.register(await live.job(FORECASTER_GLOBAL, NOBODY), trained(b"no zip at all"))
        assert broken.stage.value == "live"
        await asyncio.sleep(0.3)
        await answered_by(stack, learned)
        await roll_back(live)
        await answered_by(stack, BASELINE_VERSION)
