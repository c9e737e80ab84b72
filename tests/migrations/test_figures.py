"""Figures made ahead: who reads them, how they are made anew, and that both uses of one text agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from migrations.figures import ALL_FIGURES, create_figures, drop_figures
from services.local import LocalSystem
from tests.conftest import AsRole
from tests.migrations.test_row_security import NEW_ACCOUNT

ADD = """
    INSERT INTO accounts.transactions
        (user_id, id, account_id, transaction_date, amount, currency, description, category, category_source, status, fingerprint)
    VALUES ($1, gen_random_uuid(), $2, $3::text::date, $4::text::numeric, $5, '', $6, CASE WHEN $6::text IS NOT NULL THEN 'user' END, $7,
            gen_random_uuid())
    RETURNING id
"""
PAIR = """
    WITH pair AS (INSERT INTO accounts.transfers (user_id, id, outgoing_id, incoming_id, state, reason)
                  VALUES ($1, gen_random_uuid(), $2, $3, $4, '') RETURNING id)
    UPDATE accounts.transactions SET transfer_id = pair.id FROM pair WHERE user_id = $1 AND transactions.id IN ($2, $3)
"""
FOR_EVER = "SELECT set_config('app.user_id', $1, false)"


@pytest.fixture
async def service(servers: LocalSystem) -> AsyncIterator[asyncpg.Connection]:
    """The service's role, for a test that commits."""
    connection = await asyncpg.connect(servers.service_url("accounts"))
    yield connection
    await connection.close()


@pytest.fixture
async def second(servers: LocalSystem) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(servers.service_url("accounts"))
    yield connection
    await connection.close()


async def fill(connection: asyncpg.Connection, user_id: UUID, factor: int = 1) -> None:
    await connection.execute(FOR_EVER, str(user_id))
    account = await connection.fetchval(NEW_ACCOUNT, user_id)

    async def add(day: str, amount: int, category: str | None = None, *, currency: str = "EUR", status: str = "posted") -> UUID:
        return await connection.fetchval(ADD, user_id, account, day, str(amount * factor), currency, category, status)

    await add("2026-01-31", -10, "housing")
    await add("2026-01-01", -20, "housing")
    await add("2026-02-01", -5, "housing")
    await add("2026-02-02", -7)
    await add("2026-02-03", 100, "income")
    await add("2026-02-03", -1, "housing", currency="GBP")
    await add("2026-02-04", -1000, "housing", status="pending")
    await add("2026-02-04", -1000, "housing", status="void")
    # Both sides of a confirmed transfer stay out, those of one that is only suggested count.
    await connection.execute(PAIR, user_id, await add("2026-03-01", -500), await add("2026-03-02", 500), "confirmed")
    await connection.execute(PAIR, user_id, await add("2026-03-01", -3, "housing"), await add("2026-03-02", 3, "income"), "suggested")


@pytest.mark.requirement("ACC-06", "CACHE-08", "DB-31", "DB-32", "DB-33")
async def test_users_read_their_own_figures_and_they_agree_with_those_made_now(
    service: asyncpg.Connection, user_id: UUID, other_user_id: UUID
) -> None:
    await fill(service, user_id)
    await fill(service, other_user_id, factor=1000)
    assert set(await service.fetchval("SELECT accounts.refresh_figures(true)")) >= {user_id, other_user_id}
    for user, factor in ((user_id, 1), (other_user_id, 1000)):
        await service.execute(FOR_EVER, str(user))
        for figures in ALL_FIGURES:
            kept = await service.fetch(f"SELECT * FROM accounts.{figures.name}")
            now = await service.fetch(f"SELECT * FROM accounts.{figures.name}_now")
            assert set(map(tuple, kept)) == set(map(tuple, now)), figures.name
            assert {row["user_id"] for row in kept} <= {user}
        stats = await service.fetch("SELECT category, currency, transaction_count, total, spent, received FROM accounts.category_stats")
        assert set(map(tuple, stats)) == {
            ("housing", "EUR", 4, Decimal(-38 * factor), Decimal(38 * factor), 0),
            ("housing", "GBP", 1, Decimal(-factor), Decimal(factor), 0),
            ("income", "EUR", 2, Decimal(103 * factor), 0, Decimal(103 * factor)),
            ("uncategorized", "EUR", 1, Decimal(-7 * factor), Decimal(7 * factor), 0),
        }
        months = await service.fetch("""
            SELECT month::text, transaction_count, total, average, minimum, maximum FROM accounts.monthly_spending
             WHERE category = 'housing' AND currency = 'EUR' ORDER BY month
        """)
        assert list(map(tuple, months)) == [
            ("2026-01-01", 2, 30 * factor, 15 * factor, 10 * factor, 20 * factor),
            ("2026-02-01", 1, 5 * factor, 5 * factor, 5 * factor, 5 * factor),
            ("2026-03-01", 1, 3 * factor, 3 * factor, 3 * factor, 3 * factor),
        ]
    await service.execute(FOR_EVER, "")
    for figures in ALL_FIGURES:
        assert await service.fetch(f"SELECT * FROM accounts.{figures.name}") == []


@pytest.mark.requirement("C-20", "DB-31")
async def test_no_service_reads_a_materialised_view(as_role: AsRole, user_id: UUID) -> None:
    async with as_role("migrator", None) as connection:
        kept = [name for (name,) in await connection.fetch("SELECT format('%I.%I', schemaname, matviewname) FROM pg_matviews")]
        assert set(kept) == {f"accounts.{figures.kept}" for figures in ALL_FIGURES}
        owners = await connection.fetch("SELECT DISTINCT matviewowner::text FROM pg_matviews")
        assert [owner for (owner,) in owners] == [await connection.fetchval("SELECT current_user")]
    for role in ("accounts", "ingestion"):
        for name in kept:
            async with as_role(role, user_id) as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f"SELECT * FROM {name}")


async def test_what_a_refresh_cannot_see_is_made_again(service: asyncpg.Connection, second: asyncpg.Connection, user_id: UUID) -> None:
    await fill(service, user_id)
    await service.fetchval("SELECT accounts.refresh_figures(true)")
    outdated = "SELECT EXISTS (SELECT FROM accounts.ledger_changes)"
    assert not await service.fetchval(outdated)
    assert await service.fetchval("SELECT accounts.refresh_figures()") == []

    change = service.transaction()
    await change.start()
    await service.execute("UPDATE accounts.transactions SET status = 'void' WHERE user_id = $1 AND currency = 'GBP'", user_id)
    # A change in hand keeps nobody waiting, and none of it goes in.
    assert user_id not in await second.fetchval("SELECT accounts.refresh_figures(true)")
    await change.commit()
    assert await service.fetchval(outdated)
    assert user_id in await second.fetchval("SELECT accounts.refresh_figures(true)")
    assert not await service.fetchval(outdated)
    assert await service.fetchval("SELECT count(*) FROM accounts.category_stats WHERE currency = 'GBP'") == 0


@pytest.mark.requirement("DB-31")
async def test_readers_and_a_refresh_do_not_wait_for_each_other(
    service: asyncpg.Connection, second: asyncpg.Connection, user_id: UUID
) -> None:
    await fill(service, user_id)
    reading = service.transaction(readonly=True)
    await reading.start()
    seen = await service.fetch("SELECT * FROM accounts.category_stats")
    refresh = second.transaction()
    await refresh.start()
    # Were either to wait for the other, this would end in an error.
    await second.execute("SET LOCAL lock_timeout = '2s'")
    await service.execute("SET LOCAL lock_timeout = '2s'")
    assert user_id in await second.fetchval("SELECT accounts.refresh_figures(true)")
    assert await service.fetch("SELECT * FROM accounts.category_stats") == seen
    # Not yet committed: whoever else comes leaves it to the one that is at it.
    await reading.commit()
    assert await service.fetchval("SELECT accounts.refresh_figures()") is None
    await refresh.commit()
    assert len(await service.fetch("SELECT * FROM accounts.category_stats")) == 4


async def test_only_the_ledgers_service_refreshes(as_role: AsRole) -> None:
    async with as_role("ingestion", None) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("SELECT accounts.refresh_figures()")


async def test_views_are_dropped_and_made_again_around_a_rebuild_of_the_ledger(
    servers: LocalSystem, service: asyncpg.Connection, user_id: UUID
) -> None:
    await fill(service, user_id)
    migrator = await asyncpg.connect(servers.migrator_url)
    statements: list[str] = []
    drop_figures(statements.append)
    create_figures(statements.append)
    async with migrator.transaction():
        for statement in statements:
            await migrator.execute(statement)
    await migrator.close()
    assert len(await service.fetch("SELECT * FROM accounts.category_stats")) == 4
    made_at = await service.fetchval("SELECT min(made_at) FROM accounts.figures")
    assert await service.fetchval("SELECT now() - $1 < '1 minute'::interval", made_at)


async def test_many_refreshes_at_once(servers: LocalSystem, user_id: UUID) -> None:
    async def change_and_refresh() -> None:
        connection = await asyncpg.connect(servers.service_url("accounts"))
        await connection.execute(FOR_EVER, str(user_id))
        await connection.execute(
            "INSERT INTO accounts.user_categories (user_id, slug, name, primary_slug, request_id, request_hash)"
            " VALUES ($1, gen_random_uuid()::text, 'Mine', 'housing', gen_random_uuid()::text, '')",
            user_id,
        )
        await connection.fetchval("SELECT accounts.refresh_figures()")
        await connection.close()

    await asyncio.gather(*(change_and_refresh() for _ in range(5)))
    connection = await asyncpg.connect(servers.service_url("accounts"))
    await connection.execute(FOR_EVER, str(user_id))
    await connection.fetchval("SELECT accounts.refresh_figures(true)")
    assert await connection.fetch("SELECT * FROM accounts.ledger_changes") == []
    await connection.close()
