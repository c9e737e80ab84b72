"""What only a real server can show: races, locks, timeouts, and statements without values in them."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import date
from decimal import Decimal
from uuid import UUID

import asyncpg
import polars as pl
import pytest
from uuid_utils.compat import uuid7

from services.accounts.domain import (
    Account,
    NewAccount,
    TransactionFilters,
    TransactionPosition,
    TransactionStatus,
    TransactionType,
)
from services.accounts.filters.domain import Condition, Field, Operator
from services.accounts.repository import PostgresAccountsRepository
from services.accounts.repository.filters import page_statement
from services.accounts.service import AccountsService
from services.kit.errors import DeadlineExceeded, InvalidArgument, NotFound, Unavailable
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from tests.conftest import AsRole
from tests.support.ledger_rows import batches, fingerprints, frame, row

EVERYTHING = TransactionFilters()


@pytest.fixture
def service(postgres: PostgresAccountsRepository) -> AccountsService:
    return AccountsService(postgres, PageTokens(b"a page token key for tests only!"))


@pytest.fixture
async def account(service: AccountsService, user_id: UUID) -> Account:
    return (await service.ensure_account(user_id, NewAccount("Everyday", "EUR")))[0]


async def count(postgres: PostgresAccountsRepository, user_id: UUID) -> int:
    return len(await postgres.list_transactions(user_id, EVERYTHING, after=None, limit=10_000))


@pytest.mark.parametrize("identifier", ["", "DE1234"])
async def test_an_account_ensured_at_once_is_opened_once(service: AccountsService, user_id: UUID, identifier: str) -> None:
    new = NewAccount("Imported", "EUR", identifier)
    results = await asyncio.gather(*(service.ensure_account(user_id, new) for _ in range(8)))
    assert len({account.id for account, _ in results}) == 1
    assert sum(created for _, created in results) == 1


async def test_one_request_sent_at_once_opens_one_account(service: AccountsService, user_id: UUID) -> None:
    new = NewAccount("Everyday", "EUR")
    results = await asyncio.gather(*(service.create_account(user_id, new, "one") for _ in range(8)))
    assert len({account.id for account in results}) == 1


async def test_a_profile_seen_at_once_is_made_once(service: AccountsService, user_id: UUID) -> None:
    profiles = await asyncio.gather(*(service.get_profile(user_id) for _ in range(8)))
    assert len({profile.created_at for profile in profiles}) == 1


async def test_overlapping_imports_at_once_keep_each_row_once(
    postgres: PostgresAccountsRepository, user_id: UUID, account: Account
) -> None:
    rows = [row(account.id, line) for line in range(1, 301)]
    imports = [rows, [{**one, "line": 301 - one["line"]} for one in reversed(rows)], rows[:150]]
    outcomes = await asyncio.gather(
        *(postgres.append_transactions(user_id, uuid7(), batches(one[:50], one[50:]), fingerprints) for one in imports)
    )
    assert sum(outcome.inserted_count for outcome in outcomes) == 300
    for outcome, one in zip(outcomes, imports, strict=True):
        assert outcome.inserted_count + len(outcome.duplicates) == len(one)
    assert await count(postgres, user_id) == 300


async def test_one_import_sent_at_once_is_in_once(postgres: PostgresAccountsRepository, user_id: UUID, account: Account) -> None:
    import_id = uuid7()
    rows = [row(account.id, line) for line in range(1, 101)]
    outcomes = await asyncio.gather(*(postgres.append_transactions(user_id, import_id, batches(rows), fingerprints) for _ in range(4)))
    assert [(outcome.inserted_count, len(outcome.duplicates)) for outcome in outcomes] == [(100, 0)] * 4
    assert await count(postgres, user_id) == 100


async def test_another_import_that_takes_too_long_is_waited_for_in_vain(
    postgres: PostgresAccountsRepository, database: Database, user_id: UUID, account: Account
) -> None:
    async with database.transaction(user_id) as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('accounts.append ' || $1, 0))", str(user_id))
        with pytest.raises(Unavailable) as caught:
            await postgres.append_transactions(user_id, uuid7(), batches([row(account.id, 1)]), fingerprints)
        assert (caught.value.reason, caught.value.retry_after_s) == ("IMPORT_IN_PROGRESS", 5)
    assert await count(postgres, user_id) == 0


async def test_a_slow_source_keeps_nobody_waiting(postgres: PostgresAccountsRepository, user_id: UUID, account: Account) -> None:
    staged, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[pl.DataFrame]:
        yield frame([row(account.id, 1)])
        staged.set()
        await go_on.wait()

    waiting = asyncio.create_task(postgres.append_transactions(user_id, uuid7(), slow(), fingerprints))
    await staged.wait()
    outcome = await postgres.append_transactions(user_id, uuid7(), batches([row(account.id, 2)]), fingerprints)
    assert outcome.inserted_count == 1
    go_on.set()
    assert (await waiting).inserted_count == 1


async def test_an_import_that_is_cancelled_leaves_nothing_and_the_connection_usable(
    postgres: PostgresAccountsRepository, user_id: UUID, account: Account
) -> None:
    for _ in range(8):
        staged = asyncio.Event()

        async def endless(staged: asyncio.Event = staged) -> AsyncIterator[pl.DataFrame]:
            yield frame([row(account.id, 1)])
            staged.set()
            await asyncio.sleep(30)

        appending = asyncio.create_task(postgres.append_transactions(user_id, uuid7(), endless(), fingerprints))
        await staged.wait()
        appending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await appending
    assert await count(postgres, user_id) == 0
    assert (await postgres.append_transactions(user_id, uuid7(), batches([row(account.id, 1)]), fingerprints)).inserted_count == 1


async def test_an_account_deleted_meanwhile_is_not_found(
    postgres: PostgresAccountsRepository, servers: LocalSystem, user_id: UUID, account: Account
) -> None:
    async def batches_then_delete() -> AsyncIterator[pl.DataFrame]:
        yield frame([row(account.id, 1)])
        connection = await asyncpg.connect(servers.migrator_url)
        await connection.execute("DELETE FROM accounts.accounts WHERE id = $1", account.id)
        await connection.close()

    with pytest.raises(NotFound):
        await postgres.append_transactions(user_id, uuid7(), batches_then_delete(), fingerprints)
    assert await count(postgres, user_id) == 0


async def test_the_bulk_path_has_a_timeout_of_its_own(
    servers: LocalSystem, postgres: PostgresAccountsRepository, user_id: UUID, account: Account
) -> None:
    database = Database(servers.service_url("accounts"), DatabaseSettings(DB_POOL_SIZE=1, DB_STATEMENT_TIMEOUT=60))
    await database.open()
    hurried = PostgresAccountsRepository(database, bulk_statement_timeout_s=0.03, lock_timeout_s=1)
    rows = [row(account.id, line) for line in range(1, 5001)]
    with pytest.raises(DeadlineExceeded) as caught:
        await hurried.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    assert caught.value.reason == "DB_STATEMENT_TIMEOUT"
    await database.close()
    assert await count(postgres, user_id) == 0


@pytest.mark.requirement("DB-41")
async def test_works_without_prepared_statements(servers: LocalSystem, user_id: UUID) -> None:
    """As behind a pooler that hands a connection to somebody else after each transaction."""
    database = Database(servers.service_url("accounts"), DatabaseSettings(DB_USE_NULL_POOL=True, DB_STATEMENT_CACHE_SIZE=0))
    repository = PostgresAccountsRepository(database, bulk_statement_timeout_s=30, lock_timeout_s=1)
    account, _ = await repository.ensure_account(user_id, NewAccount("Everyday", "EUR"), "EUR")
    await repository.append_transactions(user_id, uuid7(), batches([row(account.id, 1)]), fingerprints)
    assert await count(repository, user_id) == 1
    await database.close()


@pytest.mark.requirement("SEC-25")
async def test_values_that_look_like_sql_are_values(service: AccountsService, user_id: UUID, account: Account) -> None:
    evil = "'; DROP TABLE accounts.transactions; -- {} $1 %s"
    await service.append_transactions(
        user_id, uuid7(), batches([row(account.id, 1, description=evil, merchant=evil, category=evil, payment_method=evil)]), fingerprints
    )
    for filters in (TransactionFilters(merchant=evil), TransactionFilters(query=evil)):
        (found,), _ = await service.list_transactions(user_id, filters, requested_size=0, token="")
        assert (found.description, found.merchant, found.payment_method) == (evil, evil, evil)
    assert await service.list_transactions(user_id, TransactionFilters(category=evil), requested_size=0, token="") == ([], "")


@pytest.mark.requirement("DB-36", "DB-41", "SEC-25")
def test_only_placeholders_reach_the_statement(user_id: UUID) -> None:
    """The text depends on which filters are there, never on what they hold."""
    evil = "x' OR 1=1 --"

    def statement(text: str, day: date, amount: Decimal, account: UUID) -> str:
        filters = TransactionFilters(
            day, day, amount, amount, text, text, TransactionType.DEBIT, TransactionStatus.VOID, account, text, text, True
        )
        assert all(getattr(filters, field.name) is not None for field in fields(filters))
        after, searched = TransactionPosition(day, account), Condition(Field.TEXT, Operator.HAS, text)
        made, arguments = page_statement(user_id, filters, categories=[text], after=after, limit=7, matching=searched)
        assert made.count("$") >= len(arguments)
        return made

    first = statement("x", date(2026, 1, 1), Decimal(1), uuid7())
    assert statement("y", date(1999, 9, 9), Decimal("-2.5"), uuid7()) == first
    assert evil not in statement(evil, date(2026, 1, 1), Decimal(1), uuid7())
    assert "raw_data" not in first
    assert "LIMIT $" in first


@pytest.mark.requirement("DB-34")
async def test_a_page_costs_a_fixed_number_of_statements(
    postgres: PostgresAccountsRepository, user_id: UUID, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many rows and categories a page holds."""
    sent: list[str] = []
    for name in ("fetch", "execute", "fetchrow", "fetchval"):
        original = getattr(asyncpg.Connection, name)

        async def noted(self: object, query: str, *arguments: object, original: object = original, **rest: object) -> object:
            sent.append(query)
            return await original(self, query, *arguments, **rest)  # type: ignore[operator]

        monkeypatch.setattr(asyncpg.Connection, name, noted)
    await postgres.append_transactions(
        user_id, uuid7(), batches([row(account.id, line, category="housing") for line in range(1, 200)]), fingerprints
    )
    lengths = []
    await postgres.list_transactions(user_id, EVERYTHING, after=None, limit=1)  # reads the taxonomy
    for limit in (1, 10, 200):
        sent.clear()
        await postgres.list_transactions(user_id, EVERYTHING, after=None, limit=limit)
        lengths.append(len(sent))
    # BEGIN, the page, COMMIT.
    assert lengths == [3, 3, 3]


async def test_rows_are_invisible_in_sql_too(
    as_role: AsRole, service: AccountsService, user_id: UUID, other_user_id: UUID, account: Account
) -> None:
    await service.append_transactions(user_id, uuid7(), batches([row(account.id, 1)]), fingerprints)
    seen = "SELECT count(*) FROM accounts.transactions"
    async with as_role("accounts", other_user_id) as connection:
        assert await connection.fetchval(seen) == 0
        assert await connection.execute("DELETE FROM accounts.transactions") == "DELETE 0"
    async with as_role("accounts", user_id) as connection:
        assert await connection.fetchval(seen) == 1


@pytest.mark.requirement("DB-13")
async def test_two_rows_of_one_import_may_not_share_a_fingerprint(postgres: PostgresAccountsRepository, user_id: UUID) -> None:
    service = AccountsService(postgres, PageTokens(b"a page token key for tests only!"))
    account, _ = await service.ensure_account(user_id, NewAccount("Everyday", "EUR"))
    first = row(account.id, 1)
    with pytest.raises(InvalidArgument) as caught:
        await service.append_transactions(user_id, uuid7(), batches([first, {**first, "line": 2}]), fingerprints)
    assert [(one.field, one.line) for one in caught.value.fields] == [("fingerprint", 2)]
    assert not (await service.list_transactions(user_id, TransactionFilters(), requested_size=0, token=""))[0]


async def test_a_batch_is_let_go_without_waiting_for_the_garbage_collector(
    service: AccountsService, user_id: UUID, account: Account
) -> None:
    held: list[int] = []

    async def wide() -> AsyncIterator[pl.DataFrame]:
        for line in range(1, 9):
            yield frame([row(account.id, line, raw_data=f'{{"text": "{"x" * 900_000}"}}')])
            held.append(tracemalloc.get_traced_memory()[0])

    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        outcome = await service.append_transactions(user_id, uuid7(), wide(), fingerprints)
    finally:
        tracemalloc.stop()
        gc.enable()
    assert outcome.inserted_count == 8
    assert held[-1] - held[0] < 900_000
