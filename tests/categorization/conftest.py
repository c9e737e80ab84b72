"""Categorization behind a real channel, on the real database and the real ledger; only the model is one that knows four words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
import pytest_asyncio
import uuid_utils.compat
from google.type import date_pb2, money_pb2

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from scale.accounts.v1 import rules_service_pb2 as rules_pb
from scale.accounts.v1 import transaction_pb2
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from scale.accounts.v1.rules_service_pb2_grpc import RulesServiceStub
from scale.categorization.v1 import categorization_service_pb2 as pb
from scale.categorization.v1.categorization_service_pb2_grpc import CategorizationServiceStub
from scale.categorization.v1.learning_service_pb2_grpc import LearningServiceStub
from services.categorization.app import NAME, CategorizationApp
from services.categorization.predictor import Loader
from services.categorization.protocols import HeadLoader
from services.categorization.settings import CategorizationSettings
from services.kit.auth import mint_token
from services.kit.money import to_money
from services.kit.postgres import Database
from services.kit.status import from_rpc_error
from services.local import LocalSystem
from tests.ingestion.conftest import SECRET, WORKER, process_settings, serving
from tests.support.categorization_fakes import Loads, WordModel
from tests.support.categorization_fakes import load_head as load_fake_head
from tests.support.gateway_app import own_redis, redis_url

__all__ = ["own_redis", "redis_url"]

NEW_ROWS = """
    INSERT INTO accounts.transactions
        (user_id, id, account_id, transaction_date, amount, currency, description, description_key, fingerprint)
    SELECT $1, id, $2, '2026-05-01'::date + n::int % 28, amount, 'EUR', description, lower(description), id::text
      FROM unnest($3::uuid[], $4::text[], $5::numeric[]) WITH ORDINALITY AS row (id, description, amount, n)
"""


@dataclass
class Ledger:
    """The real ledger, seen from outside."""

    accounts: AccountsServiceStub
    rules: RulesServiceStub
    port: int


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the model of all tests lies that change none."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "version.json").write_text("hypcd-test+1", encoding="utf-8")
    return folder


@asynccontextmanager
async def ledger_service(servers: LocalSystem, **more: Any) -> AsyncIterator[Ledger]:
    """The ledger's own service, every subject of it."""
    from functools import partial

    from services.accounts.app import BACKGROUND_METHODS, SERVICE_NAMES, register
    from services.accounts.settings import AccountsSettings
    from services.accounts.upkeep import CATEGORY_LISTS, open_cache
    from services.kit.server import Server

    settings = AccountsSettings(**process_settings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=9, **more), database_url=servers.service_url("accounts"))
    cache, category_lists = open_cache(settings), open_cache(settings, name=CATEGORY_LISTS)
    database = Database(settings.database_url.get_secret_value(), settings, after_write=cache.drop)
    await database.open()
    server = Server(
        settings,
        name="accounts",
        services=SERVICE_NAMES,
        register=partial(register, settings, database, cache, category_lists),
        service_methods=BACKGROUND_METHODS,
    )
    async with serving(server) as channel:
        yield Ledger(AccountsServiceStub(channel), RulesServiceStub(channel), server.port)
    await database.close()
    await cache.close()
    await category_lists.close()


@dataclass
class Stack:
    """The service with its ledger, as some user."""

    app: CategorizationApp
    stub: CategorizationServiceStub
    ledger: Ledger
    loads: Loads
    rows: Database
    """As the ledger's role."""
    channel: grpc.aio.Channel
    user_id: UUID = field(default_factory=uuid_utils.compat.uuid7)

    @property
    def model(self) -> WordModel:
        return self.loads.models[-1]

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {mint_token(SECRET, user_id=self.user_id)}"),)

    def other_user(self) -> Stack:
        return Stack(self.app, self.stub, self.ledger, self.loads, self.rows, self.channel)

    async def call(self, method: str, request: Any) -> Any:
        """Raises the ScaleError that the service raised."""
        try:
            return await getattr(self.stub, method)(request, metadata=self.metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service=NAME) from error

    async def ask_ledger(self, method: str, request: Any) -> Any:
        """Asks the ledger as the same user."""
        stub = self.ledger.rules if hasattr(self.ledger.rules, method) else self.ledger.accounts
        try:
            return await getattr(stub, method)(request, metadata=self.metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="accounts") from error

    async def classify(self, description: str, **more: Any) -> pb.Classification:
        return (await self.call("Classify", pb.ClassifyRequest(input=payment(description, **more)))).classification

    async def batch(self, inputs: Sequence[pb.ClassifyInput]) -> list[pb.Classification]:
        return list((await self.call("ClassifyBatch", pb.ClassifyBatchRequest(inputs=inputs))).classifications)

    async def correct(self, subject: str | UUID, category: str, request_id: str | None = None, **more: Any) -> pb.Correction:
        """A transaction by its id, or a payment by its description."""
        request = pb.RecordCorrectionRequest(request_id=request_id or str(uuid_utils.compat.uuid7()), category=category)
        if isinstance(subject, UUID):
            request.transaction_id = str(subject)
        else:
            request.input.CopyFrom(payment(subject, **more))
        return (await self.call("RecordCorrection", request)).correction

    async def transaction(self, transaction_id: UUID) -> Any:
        request = accounts_pb.GetTransactionRequest(transaction_id=str(transaction_id))
        return (await self.ask_ledger("GetTransaction", request)).transaction

    async def add_rows(self, descriptions: Sequence[str], amount: str = "-12.30") -> list[UUID]:
        """Transactions of the user's, as an import would have brought them; in the ledger at once."""
        request = accounts_pb.CreateAccountRequest(
            request_id=str(uuid_utils.compat.uuid7()),
            name=str(uuid_utils.compat.uuid7()),
            type=transaction_pb2.ACCOUNT_TYPE_CHECKING,
            currency="EUR",
        )
        account = (await self.ask_ledger("CreateAccount", request)).account
        ids = [uuid_utils.compat.uuid7() for _ in descriptions]
        async with self.rows.transaction(self.user_id) as connection:
            await connection.execute(
                NEW_ROWS, self.user_id, UUID(account.account_id), ids, list(descriptions), [Decimal(amount)] * len(ids)
            )
        return ids

    async def add_rule(self, name: str, condition: str, category: str) -> None:
        request = rules_pb.CreateRuleRequest(
            request_id=str(uuid_utils.compat.uuid7()), rule=rules_pb.Rule(name=name, filter=condition, category=category)
        )
        await self.ask_ledger("CreateRule", request)


def payment(description: str, amount: str = "-12.30", currency: str = "EUR", day: date | None = None, **more: Any) -> pb.ClassifyInput:
    """A payment as callers describe it."""
    message = pb.ClassifyInput(description=description, amount=to_money(Decimal(amount), currency), **more)
    if day is not None:
        message.transaction_date.CopyFrom(date_pb2.Date(year=day.year, month=day.month, day=day.day))
    return message


def money(amount: str, currency: str = "EUR") -> money_pb2.Money:
    return to_money(Decimal(amount), currency)


async def ask_learning(stack: Stack, method: str, request: Any, *, user_id: UUID | None = None, role: str = "service") -> Any:
    """As training does, for the user of the stack or another; or as somebody else."""
    user_id = user_id if user_id is not None else stack.user_id
    token = WORKER.mint(user_id, audience=NAME) if role == "service" else mint_token(SECRET, user_id=user_id, role=role)
    try:
        call = getattr(LearningServiceStub(stack.channel), method)
        return await call(request, metadata=(("authorization", f"Bearer {token}"),), timeout=30)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, service=NAME) from error


@asynccontextmanager
async def categorization(
    servers: LocalSystem,
    ledger: Ledger,
    models: Path,
    *,
    load: Loader | None = None,
    load_head: HeadLoader = load_fake_head,
    **more: Any,
) -> AsyncIterator[Stack]:
    """The service on the real database."""
    process = {name: more.pop(name) for name in list(more) if name.isupper()}
    settings = CategorizationSettings(
        **process_settings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=9, SCALE_ACCOUNTS_ADDRESS=f"127.0.0.1:{ledger.port}", **process),
        database_url=servers.service_url("categorization"),
        models_dir=models,
        **{"models_watch_s": 0.05, **more},
    )
    loads = Loads()
    app = CategorizationApp(settings, load=load or loads, load_head=load_head)
    await app.open()
    rows = Database(servers.service_url("accounts"), settings)
    await rows.open()
    async with serving(app.server) as channel:
        yield Stack(app, CategorizationServiceStub(channel), ledger, loads, rows, channel)
    await rows.close()
    await app.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(servers: LocalSystem, models_dir: Path) -> AsyncIterator[Stack]:
    """The service and its ledger, without Redis; one for all tests of a file."""
    async with ledger_service(servers) as ledger, categorization(servers, ledger, models_dir) as stack:
        yield stack


@pytest.fixture
def stack(running: Stack) -> Stack:
    """As a user whom nobody has seen before. Tests that use it run on the loop of their module."""
    running.model.passes.clear()
    return running.other_user()
