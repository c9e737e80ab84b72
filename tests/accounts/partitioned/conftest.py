"""The tests of this folder are those of the plain ledger, run once more on the partitioned one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.accounts.repository import PostgresAccountsRepository
from services.kit.postgres import Database
from services.local import LocalSystem
from tests.support.partitioned import OtherDatabase, partitioned_database


@pytest.fixture(scope="session")
def servers(servers: LocalSystem) -> Iterator[OtherDatabase]:
    """Whatever asks for a database gets the partitioned one."""
    with partitioned_database(servers, "partitioned_ledger") as database:
        yield database


@pytest.fixture
def postgres(database: Database) -> PostgresAccountsRepository:
    """As ever, but planning looks at every month: imports at once wait longer for each other."""
    return PostgresAccountsRepository(database, bulk_statement_timeout_s=30, lock_timeout_s=10)


@pytest.fixture
def repository(postgres: PostgresAccountsRepository) -> PostgresAccountsRepository:
    """The one in memory has no forms."""
    return postgres
