"""The accounts service on its real database and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.accounts.repository import PostgresAccountsRepository
from services.accounts.service import AccountsRepository, AccountsService
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from tests.support.accounts import FakeAccountsRepository


@pytest.fixture
async def database(servers: LocalSystem) -> AsyncIterator[Database]:
    opened = Database(servers.service_url("accounts"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=4))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def postgres(database: Database) -> PostgresAccountsRepository:
    return PostgresAccountsRepository(database, bulk_statement_timeout_s=30, lock_timeout_s=0.5)


@pytest.fixture(params=["memory", "postgres"])
def repository(request: pytest.FixtureRequest) -> AccountsRepository:
    """Both: what one answers, the other must."""
    return FakeAccountsRepository() if request.param == "memory" else request.getfixturevalue("postgres")


@pytest.fixture
def service(repository: AccountsRepository) -> AccountsService:
    return AccountsService(repository, PageTokens(b"a page token key for tests only!"))
