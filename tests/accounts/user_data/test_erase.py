"""The ledger of a user is erased whole or not at all, with all that was computed from it, and nobody else's is touched."""

from __future__ import annotations

import asyncio
import json
import time
from uuid import UUID

import asyncpg
import pytest

from services.accounts.service import AccountsService
from services.accounts.user_data.repository import PostgresAccountsUserData
from services.accounts.user_data.tables import EXPORTED
from services.kit import context
from services.kit.auth import Identity
from services.kit.errors import Unauthenticated, Unavailable
from services.kit.postgres import Database
from services.local import LocalSystem
from tests.accounts.user_data.test_round_trip import fill, ledger, user_data
from tests.conftest import AsRole

__all__ = ["ledger", "user_data"]

KEPT = """
    SELECT (SELECT count(*) FROM accounts.user_category_stats WHERE user_id = $1)
         + (SELECT count(*) FROM accounts.monthly_spending_summary WHERE user_id = $1)
         + (SELECT count(*) FROM accounts.ledger_changes WHERE user_id = $1)
"""


async def counts(user_data: PostgresAccountsUserData, user_id: UUID) -> dict[str, int]:
    return {one.table: one.row_count for one in await user_data.count_user(user_id) if one.row_count}


async def make_figures(database: Database, user_id: UUID) -> None:
    async with database.transaction(user_id) as connection:
        await connection.execute("SELECT accounts.refresh_figures(true)")


async def test_erase_user_takes_the_figures_along_and_leaves_a_count(
    ledger: AccountsService, user_data: PostgresAccountsUserData, database: Database, user_id: UUID, other_user_id: UUID, as_role: AsRole
) -> None:
    for one in (user_id, other_user_id):
        await fill(ledger, one, ["Rent", "Tea"])
        await ledger.get_profile(one)
    await make_figures(database, user_id)
    before = await counts(user_data, user_id)
    assert before == {"transactions": 2, "accounts": 1, "profiles": 1} == await counts(user_data, other_user_id)
    async with as_role("migrator", user_id) as connection:
        assert await connection.fetchval(KEPT, user_id) >= 2
    erased = await user_data.erase_user(user_id)
    assert [one.table for one in erased] == [table.short_name for table in reversed(EXPORTED)]
    assert {one.table: one.row_count for one in erased if one.row_count} == before
    assert await counts(user_data, user_id) == {}
    assert await counts(user_data, other_user_id) == before
    async with as_role("migrator", user_id) as connection:
        assert await connection.fetchval(KEPT, user_id) == 0
        assert await connection.fetchval(KEPT, other_user_id) >= 2
        entry = await connection.fetchrow("SELECT * FROM auth.erasures WHERE user_digest = auth.user_digest()")
    assert json.loads(entry["counts"]) == {f"accounts.{table}": count for table, count in before.items()}
    assert str(user_id) not in str(entry)
    assert user_id.bytes not in entry["user_digest"]
    assert sum(one.row_count for one in await user_data.erase_user(user_id)) == 0


async def test_what_breaks_off_in_the_middle_erases_nothing(
    ledger: AccountsService, user_data: PostgresAccountsUserData, user_id: UUID, servers: LocalSystem
) -> None:
    context.bind_identity(Identity(user_id, "user", "", 0, signed_in_at=time.time()))
    await fill(ledger, user_id, ["Rent"])
    holding = await asyncpg.connect(servers.migrator_url)
    try:
        # The transactions are gone by then.
        await holding.execute("BEGIN; LOCK TABLE accounts.accounts IN ACCESS EXCLUSIVE MODE")
        erasing = asyncio.create_task(user_data.erase_user(user_id))
        await asyncio.sleep(0.5)
        assert not erasing.done()
        erasing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await erasing
    finally:
        await holding.close()
    assert await counts(user_data, user_id) == {"transactions": 1, "accounts": 1}
    await fill(ledger, user_id, ["Tea"])  # the token is as good as before
    context.bind_identity(None)


async def test_an_import_that_is_being_written_is_not_cut_in_two(
    ledger: AccountsService,
    user_data: PostgresAccountsUserData,
    database: Database,
    user_id: UUID,
) -> None:
    impatient = PostgresAccountsUserData(database, statement_timeout_s=30, lock_timeout_s=0.5, erasure_lock_timeout_s=0.2)
    await fill(ledger, user_id, ["Rent"])
    async with database.transaction(user_id) as connection:
        await connection.execute("UPDATE accounts.transactions SET note = 'x' WHERE user_id = $1", user_id)
        with pytest.raises(Unavailable) as caught:
            await impatient.erase_user(user_id)
    assert caught.value.reason == "USER_BUSY"
    assert await counts(user_data, user_id) == {"transactions": 1, "accounts": 1}


async def test_a_profile_is_not_made_again_on_sight(ledger: AccountsService, user_data: PostgresAccountsUserData, user_id: UUID) -> None:
    context.bind_identity(Identity(user_id, "user", "", 0, signed_in_at=time.time()))
    await ledger.get_profile(user_id)
    await user_data.erase_user(user_id)
    with pytest.raises(Unauthenticated):
        await ledger.get_profile(user_id)
    with pytest.raises(Unauthenticated):
        await fill(ledger, user_id, ["Rent"])
    assert await counts(user_data, user_id) == {}
    context.bind_identity(None)
