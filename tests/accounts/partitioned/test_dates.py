"""What only the partitioned ledger has to show: dates that no month waits for."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.accounts.domain import NewAccount, TransactionFilters, UndoOutcome
from services.accounts.repository import PostgresAccountsRepository
from tests.conftest import AsRole
from tests.support.ledger_rows import batches, fingerprints, row

DAYS = [date(1970, 1, 1), date(2009, 5, 5), date(2025, 12, 31), date(2026, 1, 1), date(2027, 12, 24), date(9999, 12, 31)]


@pytest.mark.requirement("DB-52")
async def test_no_import_fails_for_want_of_a_month(postgres: PostgresAccountsRepository, user_id: UUID, as_role: AsRole) -> None:
    account, _ = await postgres.ensure_account(user_id, NewAccount("Everyday", "EUR"), "EUR")
    rows = [row(account.id, line, transaction_date=day) for line, day in enumerate(DAYS, 1)]
    import_id = uuid7()
    assert (await postgres.append_transactions(user_id, import_id, batches(rows), fingerprints)).inserted_count == len(DAYS)
    found = await postgres.list_transactions(user_id, TransactionFilters(), after=None, limit=10)
    assert [one.transaction_date for one in found] == DAYS[::-1]
    async with as_role("accounts", user_id) as connection:
        tables = await connection.fetch("SELECT DISTINCT tableoid::regclass::text FROM accounts.transactions ORDER BY 1")
    names = [record[0].removeprefix("accounts.transactions_") for record in tables]
    assert names == ["2025_12", "2026_01", "earlier", "later"]
    again = await postgres.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    assert (again.inserted_count, len(again.duplicates)) == (0, len(DAYS))
    assert await postgres.undo_import(user_id, import_id) == UndoOutcome(len(DAYS), [])


@pytest.mark.parametrize("to", DAYS[:2] + DAYS[-2:])
async def test_a_pending_row_that_is_booked_moves_to_another_month(postgres: PostgresAccountsRepository, user_id: UUID, to: date) -> None:
    account, _ = await postgres.ensure_account(user_id, NewAccount("Everyday", "EUR"), "EUR")
    await postgres.append_transactions(user_id, uuid7(), batches([row(account.id, 1, status="pending")]), fingerprints)
    (pending,) = await postgres.list_transactions(user_id, TransactionFilters(), after=None, limit=10)
    async with postgres._database.transaction(user_id) as connection:
        # As text: asyncpg sends the last day of all as infinity, which the ledger keeps out.
        await connection.execute("UPDATE accounts.transactions SET transaction_date = $2::text::date WHERE id = $1", pending.id, str(to))
    (moved,) = await postgres.list_transactions(user_id, TransactionFilters(), after=None, limit=10)
    assert (moved.id, moved.transaction_date) == (pending.id, to)
    assert await postgres.get_transaction(user_id, pending.id) == moved
