"""Forecasting behind a real channel, on the real database and the real ledger, with a worker beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
import pytest_asyncio
import uuid_utils.compat

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from scale.accounts.v1 import transaction_pb2
from scale.forecasting.v1 import forecasting_service_pb2 as pb
from scale.forecasting.v1.forecasting_service_pb2_grpc import ForecastingServiceStub
from services.forecasting.app import NAME, ForecastingApp, ForecastingWorkerApp
from services.forecasting.settings import ForecastingSettings, ForecastingWorkerSettings
from services.kit.auth import mint_token
from services.kit.money import to_money
from services.kit.postgres import Database
from services.kit.service_tokens import ServiceTokens
from services.kit.status import from_rpc_error
from services.local import LocalSystem
from tests.categorization.conftest import Ledger, ledger_service
from tests.ingestion.conftest import SECRET, process_settings, serving
from tests.support.gateway_app import own_redis, redis_url
from tests.support.service_keys import service_key

__all__ = ["own_redis", "redis_url"]

TODAY = datetime.now(UTC).date()
YESTERDAY = TODAY - timedelta(days=1)
NEW_ROWS = """
    INSERT INTO accounts.transactions
        (user_id, id, account_id, transaction_date, amount, currency, description, description_key, category, category_source, fingerprint)
    SELECT $1, id, $2, day, amount, $6, description, lower(description), category, CASE WHEN category IS NOT NULL THEN 'file' END, id::text
      FROM unnest($3::uuid[], $4::date[], $5::numeric[], $7::text[], $8::text[]) AS row (id, day, amount, description, category)
"""


@dataclass
class Stack:
    """The service, its worker and its ledger, as some user."""

    app: ForecastingApp
    worker: ForecastingWorkerApp
    channel: grpc.aio.Channel
    ledger: Ledger
    rows: Database
    """As the ledger's role."""
    key: str
    """The worker's own."""
    user_id: UUID = field(default_factory=uuid_utils.compat.uuid7)

    def other_user(self) -> Stack:
        return Stack(self.app, self.worker, self.channel, self.ledger, self.rows, self.key)

    async def call(self, method: str, request: Any) -> Any:
        """Raises the ScaleError that the service raised."""
        metadata = (("authorization", f"Bearer {mint_token(SECRET, user_id=self.user_id)}"),)
        try:
            return await getattr(ForecastingServiceStub(self.channel), method)(request, metadata=metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service=NAME) from error

    async def ask(self, request_id: str = "", **more: Any) -> pb.Forecast:
        request = pb.CreateForecastRequest(request_id=request_id or str(uuid_utils.compat.uuid7()), **more)
        return (await self.call("CreateForecast", request)).forecast

    async def get(self, forecast_id: str) -> pb.Forecast:
        return (await self.call("GetForecast", pb.GetForecastRequest(forecast_id=forecast_id))).forecast

    async def work(self, forecast: pb.Forecast) -> None:
        """Carries it out, as a message to the worker would have it."""
        await asyncio.create_task(self.worker.run_job(self.user_id, UUID(forecast.forecast_id)))

    async def made(self, **more: Any) -> pb.Forecast:
        """One that is done."""
        asked = await self.ask(**more)
        await self.work(asked)
        return await self.get(asked.forecast_id)

    async def new_account(self, opening: str = "0", currency: str = "EUR") -> UUID:
        request = accounts_pb.CreateAccountRequest(
            request_id=str(uuid_utils.compat.uuid7()),
            name=str(uuid_utils.compat.uuid7()),
            type=transaction_pb2.ACCOUNT_TYPE_CHECKING,
            currency=currency,
            opening_balance=to_money(Decimal(opening), currency),
        )
        metadata = (("authorization", f"Bearer {mint_token(SECRET, user_id=self.user_id)}"),)
        return UUID((await self.ledger.accounts.CreateAccount(request, metadata=metadata, timeout=30)).account.account_id)

    async def add(
        self, account_id: UUID, payments: list[tuple[date, str, str]], *, currency: str = "EUR", category: str | None = None
    ) -> None:
        """Day, amount and description of transactions, as an import would have brought them."""
        days, amounts, descriptions = zip(*payments, strict=True)
        ids = [uuid_utils.compat.uuid7() for _ in payments]
        async with self.rows.transaction(self.user_id) as connection:
            await connection.execute(
                NEW_ROWS,
                self.user_id,
                account_id,
                ids,
                list(days),
                [Decimal(one) for one in amounts],
                currency,
                list(descriptions),
                [category] * len(ids),
            )

    async def add_year(self, account_id: UUID, *, salary: bool = True, **more: Any) -> None:
        """A year of groceries by the day, rent by the month and, on its last day, a salary."""
        payments = [(YESTERDAY - timedelta(days=ago), f"-{10 + ago * 7 % 13}.50", "REWE SAGT DANKE") for ago in range(365)]
        firsts = sorted({day.replace(day=1) for day, _, _ in payments})[1:]
        payments += [(day, "-900.00", "MIETE WOHNUNG") for day in firsts if day <= YESTERDAY]
        if salary:
            payments += [(day - timedelta(days=1), "2500.00", "GEHALT ACME GMBH") for day in firsts if day <= TODAY]
        await self.add(account_id, payments, **more)

    async def sum_of(self, account_id: UUID) -> Decimal:
        """Of an account's transactions up to yesterday."""
        statement = "SELECT sum(amount) FROM accounts.transactions WHERE user_id = $1 AND account_id = $2 AND transaction_date <= $3"
        async with self.rows.transaction(self.user_id) as connection:
            return Decimal(await connection.fetchval(statement, self.user_id, account_id, YESTERDAY))


@asynccontextmanager
async def forecasting(servers: LocalSystem, redis: str, models: Path, *, believed: str = "", **more: Any) -> AsyncIterator[Stack]:
    """All of it in this process; only messages to the worker go nowhere. `believed`: whom the ledger believes beside the worker; `more`
    settings of service and worker."""
    key = service_key()
    public = ",".join(filter(None, (ServiceTokens(NAME, key).public_key, believed)))
    async with ledger_service(servers, SCALE_SERVICE_PUBLIC_KEYS=public) as ledger:
        shared: dict[str, Any] = {
            "SCALE_ACCOUNTS_ADDRESS": f"127.0.0.1:{ledger.port}",
            "SCALE_REDIS_URL": redis,
            "database_url": servers.service_url("forecasting"),
            "models_dir": models,
            **more,
        }
        app = ForecastingApp(ForecastingSettings(**process_settings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=9), **shared))
        await app.open()
        await ForecastingWorkerApp.open(ForecastingWorkerSettings(SCALE_ENVIRONMENT="development", service_key=key, **shared))
        rows = Database(servers.service_url("accounts"), ForecastingSettings(**process_settings(DB_POOL_SIZE=1), **shared))
        await rows.open()
        async with serving(app.server) as channel:
            yield Stack(app, ForecastingWorkerApp.opened(), channel, ledger, rows, key)
        await rows.close()
        await ForecastingWorkerApp.close()
        await app.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(servers: LocalSystem, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One for all tests of a file, without artefacts: baselines answer."""
    async with forecasting(servers, redis_url, tmp_path_factory.mktemp("models")) as stack:
        yield stack


@pytest.fixture
def stack(running: Stack) -> Stack:
    """As a user whom nobody has seen before. Tests that use it run on the loop of their module."""
    return running.other_user()
