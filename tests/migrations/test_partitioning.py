"""The ledger's partitioned form: what the conversion keeps, what it promises, and how months come."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine
from uuid_utils.compat import uuid7

from migrations.index_check import compare_indexes
from migrations.partitioning import conversion
from migrations.runner import MigrationError, alembic_config, newest_revision, upgrade
from services.accounts.domain import NewAccount, TransactionChanges, TransactionFilters
from services.accounts.repository import PostgresAccountsRepository
from services.kit.errors import Aborted
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from services.local.postgres import MIGRATOR
from tests.support.ledger_rows import batches, fingerprints, row
from tests.support.partitioned import OtherDatabase

ROWS = 600
FIRST, SECOND = uuid7(), uuid7()
FILL = """
    INSERT INTO accounts.transactions (user_id, id, account_id, transaction_date, amount, currency, description, merchant_name, category,
        category_source, status, note, fingerprint, import_id, import_line, raw_data)
    SELECT $1, gen_random_uuid(), $2, (ARRAY['2009-05-05', '1970-01-01', '0001-01-01', '9999-12-31']::date[])[1 + n % 50]
               , n % 97 - 48 + 0.0625, 'EUR', E'Zahlung\\t' || n || ' "ä"', 'Shop ' || n % 7, CASE WHEN n % 3 = 0 THEN 'housing' END,
           CASE WHEN n % 3 = 0 THEN 'user' END, CASE WHEN n % 40 = 0 THEN 'pending' ELSE 'posted' END, repeat('n', n % 5), n::text, $3, n,
           jsonb_build_object('n', n)
      FROM generate_series(1, $4::int) AS n
"""
SPREAD = """
    UPDATE accounts.transactions SET transaction_date = (current_date + (import_line % 600 - 420)::int)
     WHERE transaction_date IS NULL OR import_line % 50 > 3
"""
EVERYTHING = {
    "transactions": "SELECT t::text FROM accounts.transactions AS t ORDER BY 1",
    "transfers": "SELECT t::text FROM accounts.transfers AS t ORDER BY 1",
    "aliases": "SELECT t::text FROM accounts.transaction_aliases AS t ORDER BY 1",
    "figures": "SELECT t::text FROM accounts.monthly_spending_summary AS t ORDER BY 1",
}
SHAPE = """
    SELECT relname::text, relkind::text, COALESCE(relacl::text, ''), oid::text FROM pg_class WHERE relnamespace = 'accounts'::regnamespace
     UNION ALL SELECT tgname::text, tgrelid::regclass::text, tgenabled::text, '' FROM pg_trigger ORDER BY 1, 2
"""
PARTITIONS = """
    SELECT relname::text AS name, pg_get_expr(relpartbound, oid) AS bounds, reloptions, relrowsecurity AND relforcerowsecurity AS forced,
           COALESCE(relacl::text, '') AS grants
      FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'accounts.transactions'::regclass) ORDER BY 1
"""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def as_service(database: OtherDatabase, user_id: UUID) -> AsyncIterator[asyncpg.Connection]:
    """SQL as the service's role, in a transaction of that user that is rolled back."""
    async with connected(database.service_url("accounts")) as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT set_config('app.user_id', $1, true)", str(user_id))
        yield connection
        await transaction.rollback()


async def fill(url: str) -> None:
    """Two users with rows of all times, suspicions, transfers and aliases."""
    async with connected(url) as connection:
        for user_id in (FIRST, SECOND):
            account = await connection.fetchval(
                """INSERT INTO accounts.accounts (user_id, id, name, account_type, currency)
                   VALUES ($1, gen_random_uuid(), 'Everyday', 'checking', 'EUR') RETURNING id""",
                user_id,
            )
            await connection.execute(FILL.replace("[1 + n % 50]", "[1 + n % 4]"), user_id, account, uuid7(), ROWS)
        await connection.execute(SPREAD)
        await connection.execute("""
            UPDATE accounts.transactions AS t SET suspected_duplicate_of = earlier.id, suspicion = 'same day'
              FROM accounts.transactions AS earlier
             WHERE earlier.user_id = t.user_id AND t.import_line % 20 = 7 AND earlier.import_line = t.import_line - 1
        """)
        await connection.execute("""
            INSERT INTO accounts.transfers (user_id, id, outgoing_id, incoming_id, state, reason)
            SELECT a.user_id, gen_random_uuid(), a.id, b.id, 'confirmed', 'same day'
              FROM accounts.transactions AS a JOIN accounts.transactions AS b ON b.user_id = a.user_id AND b.import_line = a.import_line + 1
             WHERE a.import_line % 30 = 11
        """)
        await connection.execute("""
            UPDATE accounts.transactions AS t SET transfer_id = f.id FROM accounts.transfers AS f
             WHERE t.user_id = f.user_id AND t.id IN (f.outgoing_id, f.incoming_id)
        """)
        await connection.execute("""
            INSERT INTO accounts.transaction_aliases (user_id, id, transaction_id, account_id, transaction_date, amount, currency,
                                                      description_key, occurrence)
            SELECT user_id, gen_random_uuid(), id, account_id, transaction_date, amount, currency, '', 1
              FROM accounts.transactions WHERE import_line % 25 = 3
        """)
        await connection.execute("REFRESH MATERIALIZED VIEW accounts.monthly_spending_summary")


async def contents(url: str) -> dict[str, list[str]]:
    async with connected(url) as connection:
        return {name: [record[0] for record in await connection.fetch(query)] for name, query in EVERYTHING.items()}


async def shape(url: str) -> list[tuple[str, ...]]:
    async with connected(url) as connection:
        return [tuple(record) for record in await connection.fetch(SHAPE)]


@asynccontextmanager
async def new_database(servers: LocalSystem) -> AsyncIterator[OtherDatabase]:
    name = f"partitioning_{uuid7().hex}"
    async with connected(servers.superuser_url) as superuser:
        await superuser.execute(f"CREATE DATABASE {name} OWNER {MIGRATOR}")
        try:
            database = OtherDatabase(servers, name)
            await upgrade(database.migrator_url)
            yield database
        finally:
            await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def few_months(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversions of the test go back three months and not ten years."""
    monkeypatch.setattr(conversion, "MOST_MONTHS_BACK", 3)


@pytest.fixture
async def plain(servers: LocalSystem, few_months: None) -> AsyncIterator[OtherDatabase]:
    """A ledger with rows in its plain form."""
    async with new_database(servers) as database:
        await fill(database.migrator_url)
        yield database


@pytest.fixture(scope="module")
def converted(servers: LocalSystem) -> Iterator[tuple[OtherDatabase, dict[str, list[str]]]]:
    """One that was converted with rows in it, and what it held before; nobody changes it for good."""
    name = f"partitioning_{uuid7().hex}"

    async def make() -> tuple[OtherDatabase, dict[str, list[str]]]:
        async with connected(servers.superuser_url) as superuser:
            await superuser.execute(f"CREATE DATABASE {name} OWNER {MIGRATOR}")
        database = OtherDatabase(servers, name)
        await upgrade(database.migrator_url)
        await fill(database.migrator_url)
        before = await contents(database.migrator_url)
        assert await upgrade(database.migrator_url, partitioned=True) == newest_revision()
        return database, before

    async def drop() -> None:
        async with connected(servers.superuser_url) as superuser:
            await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")

    yield asyncio.run(make())
    asyncio.run(drop())


@pytest.fixture
def database(converted: tuple[OtherDatabase, dict[str, list[str]]]) -> OtherDatabase:
    return converted[0]


@pytest.mark.requirement("DB-49")
async def test_conversion_keeps_every_value_of_every_row(converted: tuple[OtherDatabase, dict[str, list[str]]]) -> None:
    database, before = converted
    assert len(before["transactions"]) == 2 * ROWS
    assert all(before.values())
    assert await contents(database.migrator_url) == before


@pytest.mark.parametrize("partitioned", [True, False])
async def test_a_second_run_changes_nothing_whatever_the_setting_says(database: OtherDatabase, partitioned: bool) -> None:
    before = await shape(database.migrator_url)
    assert await upgrade(database.migrator_url, partitioned=partitioned) == newest_revision()
    assert await shape(database.migrator_url) == before


@pytest.mark.requirement("DB-51")
async def test_keys_hold_the_day_and_the_documented_indexes_are_there(database: OtherDatabase) -> None:
    async with connected(database.migrator_url) as connection:
        keys = {
            record[0]
            for record in await connection.fetch(
                "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'accounts.transactions'::regclass AND indisunique"
            )
        }
        assert {key.partition("btree ")[2] for key in keys} == {
            "(user_id, transaction_date, id)",
            "(user_id, fingerprint, transaction_date)",
        }
        assert await connection.fetchval("SELECT bool_and(indisvalid) FROM pg_index")
    assert await compare_indexes(database.migrator_url) == []


async def test_days_that_no_service_can_read_are_kept_out_of_every_partition(database: OtherDatabase) -> None:
    async with connected(database.migrator_url) as connection:
        kept_out = "SELECT count(*) FROM pg_constraint WHERE conname = 'transactions_date_bounds' AND convalidated"
        tables = await connection.fetchval("SELECT 1 + count(*) FROM pg_inherits WHERE inhparent = 'accounts.transactions'::regclass")
        assert await connection.fetchval(kept_out) == tables
        transaction = connection.transaction()
        await transaction.start()
        # The revision on a ledger that has this form already.
        for statement in importlib.import_module("migrations.versions.0014_bounds").statements():
            await connection.execute(statement)
        assert await connection.fetchval(kept_out) == tables
        await transaction.rollback()
    for day in ("infinity", "10000-01-01", "0001-12-31 BC"):
        async with as_service(database, FIRST) as connection:
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(f"UPDATE accounts.transactions SET transaction_date = '{day}' WHERE import_line = 5")


@pytest.mark.requirement("DB-49", "DB-50")
async def test_months_follow_each_other_without_a_gap_and_two_are_ahead(database: OtherDatabase) -> None:
    async with connected(database.migrator_url) as connection:
        partitions = {record["name"]: record for record in await connection.fetch(PARTITIONS)}
        today = await connection.fetchval("SELECT current_date")
        later = await connection.fetchval("SELECT (date_trunc('month', current_date) + interval '3 months')::date")
    months = sorted(name for name in partitions if name[-1].isdigit())
    # The oldest row is from 1970: the months go back ten years, and the rest lies together.
    assert months[0] == f"transactions_{today.year - 10}_{today.month:02}"
    assert len(months) == 120 + 1 + 2
    ends = [partitions[name]["bounds"].partition("TO ")[2] for name in ["transactions_earlier", *months]]
    starts = [partitions[name]["bounds"].partition("FROM ")[2].partition(" TO")[0] for name in [*months, "transactions_later"]]
    assert ends == starts
    assert starts[-1] == f"('{later}')"
    assert partitions["transactions_earlier"]["bounds"].startswith("FOR VALUES FROM (MINVALUE)")
    assert partitions["transactions_later"]["bounds"].endswith("TO (MAXVALUE)")


@pytest.mark.requirement("DB-54")
async def test_every_partition_is_vacuumed_closely_and_closed_to_services(database: OtherDatabase) -> None:
    async with connected(database.migrator_url) as connection:
        for partition in await connection.fetch(PARTITIONS):
            assert set(partition["reloptions"]) == {
                "autovacuum_vacuum_scale_factor=0.05", "autovacuum_analyze_scale_factor=0.02", "autovacuum_vacuum_cost_delay=2",
            }, partition["name"]  # fmt: skip
            assert partition["forced"], partition["name"]
            assert "scale_" not in partition["grants"].replace("scale_migrator", ""), partition["name"]
    for table in ("transactions_earlier", "transactions_later"):
        async with as_service(database, FIRST) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM accounts.{table}")


async def test_users_see_only_their_own_rows(database: OtherDatabase) -> None:
    async with as_service(database, FIRST) as connection:
        assert await connection.fetchval("SELECT count(*) FROM accounts.transactions") == ROWS
        assert await connection.fetchval("SELECT count(*) FROM accounts.transactions WHERE user_id = $1", SECOND) == 0
        assert await connection.execute("DELETE FROM accounts.transactions WHERE user_id = $1", SECOND) == "DELETE 0"


REFERENCES = """
    SELECT (SELECT count(*) FROM accounts.transfers), (SELECT count(*) FROM accounts.transaction_aliases),
           (SELECT count(*) FROM accounts.transactions WHERE suspected_duplicate_of IS NOT NULL),
           (SELECT count(*) FROM accounts.transactions WHERE transfer_id IS NOT NULL)
"""


async def test_what_points_at_a_row_that_goes_goes_with_it_or_forgets_it(database: OtherDatabase, plain: OtherDatabase) -> None:
    """As the foreign keys of the plain form have it, in one statement over many rows as well."""
    for condition in ("import_line IN (31, 42, 6, 28)", "import_line % 2 = 0", "true"):
        found = []
        for form in (database, plain):
            async with as_service(form, FIRST) as connection:
                before = tuple(await connection.fetchrow(REFERENCES))
                await connection.execute(f"DELETE FROM accounts.transactions WHERE {condition}")
                found.append((before, tuple(await connection.fetchrow(REFERENCES))))
                dangling = await connection.fetchval("""
                    SELECT count(*) FROM accounts.transactions AS t WHERE suspected_duplicate_of IS NOT NULL
                       AND NOT EXISTS (SELECT FROM accounts.transactions AS o WHERE o.id = t.suspected_duplicate_of)
                """)
                assert dangling == 0
        assert found[0] == found[1]
        assert all(after < before for before, after in zip(*found[0], strict=True)), condition


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts.transactions SET suspected_duplicate_of = gen_random_uuid() WHERE import_line = 1",
        """INSERT INTO accounts.transfers (user_id, id, outgoing_id, incoming_id, reason)
           SELECT user_id, gen_random_uuid(), id, gen_random_uuid(), '' FROM accounts.transactions WHERE import_line = 1""",
        "UPDATE accounts.transfers SET outgoing_id = gen_random_uuid()",
        "UPDATE accounts.transaction_aliases SET transaction_id = gen_random_uuid()",
    ],
)
async def test_nothing_points_at_a_row_that_is_not_there(database: OtherDatabase, plain: OtherDatabase, statement: str) -> None:
    for form in (database, plain):
        async with as_service(form, FIRST) as connection:
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await connection.execute(statement)


async def test_a_row_that_somebody_just_pointed_at_is_waited_for(database: OtherDatabase) -> None:
    """Two sessions: one makes a transfer, the other deletes a side of it. The transfer does not stay behind."""
    async with as_service(database, FIRST) as one, as_service(database, FIRST) as other:
        sides = [record[0] for record in await one.fetch("SELECT id FROM accounts.transactions WHERE import_line IN (100, 101)")]
        insert = "INSERT INTO accounts.transfers (user_id, id, outgoing_id, incoming_id, reason) VALUES ($1, gen_random_uuid(), $2, $3, '')"
        await one.execute(insert, FIRST, *sides)
        await other.execute("SET LOCAL lock_timeout = '200ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await other.execute("DELETE FROM accounts.transactions WHERE id = $1", sides[0])


async def explained(connection: asyncpg.Connection, statement: str, *arguments: object) -> list[str]:
    return [record[0] for record in await connection.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {statement}", *arguments)]


@pytest.mark.requirement("DB-49")
async def test_months_outside_of_a_range_are_not_looked_at(database: OtherDatabase) -> None:
    async with as_service(database, FIRST) as connection:
        first = await connection.fetchval("SELECT date_trunc('month', current_date)::date - 60")
        plan = await explained(
            connection,
            "SELECT id FROM accounts.transactions WHERE user_id = $1 AND transaction_date BETWEEN $2 AND $2::date + 20",
            FIRST,
            first,
        )
    scanned = {
        word for line in plan for word in line.split() if word.startswith("transactions_") and word[13:17].isdigit() and len(word) == 20
    }
    assert 1 <= len(scanned) <= 2, plan


async def test_a_page_walks_from_month_to_month_without_a_sort(database: OtherDatabase) -> None:
    statement = """
        SELECT id, transaction_date FROM accounts.transactions WHERE user_id = $1 AND transaction_date <= $2
           AND (transaction_date, id) < ($2, $3) ORDER BY transaction_date DESC, id DESC LIMIT 20
    """
    async with as_service(database, FIRST) as connection:
        today = await connection.fetchval("SELECT current_date")
        plan = await explained(connection, statement, FIRST, today, uuid7())
    assert not [line for line in plan if "Sort" in line or "Merge Append" in line]
    assert any("Append" in line for line in plan)
    assert sum("never executed" in line for line in plan) > 100


async def test_one_row_is_found_by_an_index_of_each_month(database: OtherDatabase) -> None:
    async with as_service(database, FIRST) as connection:
        assert await connection.fetchval("SHOW plan_cache_mode") == "force_generic_plan"
        found = await connection.fetchval("SELECT id FROM accounts.transactions WHERE import_line = 9")
        plan = await explained(connection, "SELECT note FROM accounts.transactions WHERE user_id = $1 AND id = $2", FIRST, found)
    scans = [line for line in plan if "Index Scan" in line]
    assert len(scans) == 125
    assert not [line for line in plan if "Seq Scan" in line]
    assert not [line for line in plan if "Rows Removed by Filter" in line]


# Months to come


@pytest.mark.requirement("DB-50")
async def test_months_are_made_once_by_whoever_asks(plain: OtherDatabase) -> None:
    await upgrade(plain.migrator_url, partitioned=True)
    before = await contents(plain.migrator_url)

    async def ask(months: int) -> int:
        async with connected(plain.service_url("accounts")) as connection:
            return int(await connection.fetchval("SELECT accounts.create_monthly_partitions($1)", months))

    assert await ask(2) == 0
    assert sorted(await asyncio.gather(*(ask(5) for _ in range(3)))) == [0, 0, 3]
    async with connected(plain.migrator_url) as connection:
        names = {record["name"] for record in await connection.fetch(PARTITIONS)}
        newest = await connection.fetchval("SELECT to_char(current_date + interval '5 months', '\"transactions_\"YYYY_MM')")
        assert newest in names
        # Rows of these months were there already, some of them suspected to repeat others that stay with the later ones.
        assert await connection.fetchval(f"SELECT count(*) FROM accounts.{newest}") > 0
        assert await connection.fetchval("SELECT count(*) FROM accounts.transactions_later") > 0
        assert await connection.fetchval("SELECT count(*) FROM accounts.ledger_changes") == 0
        # A year more, for a ledger that was filled with old statements after the conversion.
        assert await connection.fetchval("SELECT accounts.partition_months(current_date - 400, current_date)") >= 9
        oldest = await connection.fetchval("SELECT to_char(current_date - 400, '\"transactions_\"YYYY_MM')")
        assert await connection.fetchval(f"SELECT count(*) FROM accounts.{oldest}") > 0
        assert await connection.fetchval("SELECT bool_and(tgenabled = 'O') FROM pg_trigger")
    assert await contents(plain.migrator_url) == before
    assert await ask(5) == 0
    for months in (-1, 25):
        with pytest.raises(asyncpg.InvalidParameterValueError):
            await ask(months)


async def test_a_busy_ledger_is_asked_again_later_and_loses_nobody(database: OtherDatabase) -> None:
    async with as_service(database, FIRST) as writing, connected(database.service_url("accounts")) as worker:
        await writing.execute("UPDATE accounts.transactions SET note = 'mine' WHERE import_line = 1")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await worker.fetchval("SELECT accounts.create_monthly_partitions(9)")
        await writing.execute("UPDATE accounts.transactions SET note = 'still mine' WHERE import_line = 1")


async def test_a_service_makes_months_ahead_and_nothing_else(database: OtherDatabase) -> None:
    async with as_service(database, FIRST) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT accounts.partition_months('1990-01-01', current_date)")


# What may go wrong


async def test_a_conversion_that_is_killed_leaves_the_ledger_as_it_was(plain: OtherDatabase) -> None:
    before, rows = await shape(plain.migrator_url), await contents(plain.migrator_url)
    async with connected(plain.migrator_url) as holder, holder.transaction():
        # The last thing that it needs: everything before it is done by then.
        await holder.execute("LOCK TABLE accounts.transfers IN SHARE MODE")
        converting = asyncio.create_task(upgrade(plain.migrator_url, partitioned=True))
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        while not (pid := await holder.fetchval(waiting)):
            await holder.fetchval("SELECT pg_stat_clear_snapshot()")
            await asyncio.sleep(0.02)
        await holder.execute("SELECT pg_terminate_backend($1)", pid)
        with pytest.raises(MigrationError):
            await converting
    assert await shape(plain.migrator_url) == before
    assert await contents(plain.migrator_url) == rows


async def test_a_copy_that_differs_changes_nothing(plain: OtherDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    before = await shape(plain.migrator_url)
    # A sum that is another each time stands for a row that was lost on the way.
    monkeypatch.setattr(conversion, "_CHECKSUM", "SELECT count(*), clock_timestamp() FROM accounts.{} AS t")
    with pytest.raises(MigrationError, match="nothing was changed"):
        await upgrade(plain.migrator_url, partitioned=True)
    assert await shape(plain.migrator_url) == before


async def test_what_cannot_be_kept_is_said_before_anything_is_done(plain: OtherDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(plain.migrator_url) as connection:
        await connection.execute("CREATE UNIQUE INDEX idx_odd ON accounts.transactions (user_id, note) WHERE note = 'none'")
        with pytest.raises(MigrationError, match="idx_odd is unique on a part of the rows"):
            await upgrade(plain.migrator_url, partitioned=True)
        await connection.execute("DROP INDEX accounts.idx_odd")
    monkeypatch.setattr(conversion, "_MOST_LOCKS", "SELECT 100")
    with pytest.raises(MigrationError, match="max_locks_per_transaction"):
        await upgrade(plain.migrator_url, partitioned=True)


async def test_a_service_goes_on_through_the_conversion(plain: OtherDatabase) -> None:
    """Reads, writes and new rows, prepared before it, on connections that stay: at worst one of them took too long meanwhile."""
    database = Database(plain.service_url("accounts"), DatabaseSettings(DB_POOL_SIZE=2, DB_MAX_OVERFLOW=0, DB_STATEMENT_TIMEOUT=30))
    await database.open()
    ledger = PostgresAccountsRepository(database, bulk_statement_timeout_s=30, lock_timeout_s=5)
    account, _ = await ledger.ensure_account(FIRST, NewAccount("Second", "EUR"), "EUR")
    done = 0
    over = asyncio.Event()

    async def work() -> None:
        nonlocal done
        while not over.is_set():
            try:
                (first, *_) = await ledger.list_transactions(FIRST, TransactionFilters(), after=None, limit=20)
                await ledger.update_transaction(FIRST, first.id, TransactionChanges(note=f"seen {done}"))
                rows = [row(account.id, 1, description=f"meanwhile {done}")]
                assert (await ledger.append_transactions(FIRST, uuid7(), batches(rows), fingerprints)).inserted_count == 1
            except Aborted:
                continue
            done += 1

    working = asyncio.create_task(work())
    while done < 8:
        await asyncio.sleep(0.01)
    await upgrade(plain.migrator_url, partitioned=True)
    before, deadline = done, time.monotonic() + 20
    while done < before + 8:
        assert time.monotonic() < deadline
        assert not working.done(), working
        await asyncio.sleep(0.01)
    over.set()
    await working
    async with as_service(plain, FIRST) as connection:
        assert await connection.fetchval("SELECT count(*) FROM accounts.transactions WHERE description LIKE 'meanwhile %'") == done
    await database.close()


# The history goes on


@pytest.mark.parametrize("partitioned", [False, True])
@pytest.mark.usefixtures("few_months")
async def test_a_later_revision_works_on_both_forms(servers: LocalSystem, tmp_path: Path, partitioned: bool) -> None:
    (tmp_path / "9999_later.py").write_text(
        f'''
from alembic import op
from migrations.partitioning import build_index, refer_to_transactions
from migrations.row_security import protect
revision = "9999"
down_revision = "{newest_revision()}"
branch_labels = depends_on = None

def upgrade():
    op.execute("ALTER TABLE accounts.transactions ADD COLUMN mood text NOT NULL DEFAULT 'calm' CHECK (mood <> '')")
    op.execute("CREATE TABLE accounts.pictures (user_id uuid, id uuid, shows uuid, PRIMARY KEY (user_id, id))")
    protect("accounts.pictures", "scale_accounts")
    refer_to_transactions("accounts.pictures", "shows", on_delete="CASCADE")
    build_index("idx_transactions_mood", "accounts.transactions", "(user_id, mood)")
    build_index("idx_transactions_mood", "accounts.transactions", "(user_id, mood)")
''',
        encoding="utf-8",
    )
    config = alembic_config()
    config.set_main_option("version_locations", f"{Path(conversion.__file__).parents[1] / 'versions'}\n{tmp_path}")
    config.set_main_option("path_separator", "newline")

    def run(connection: object) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async with new_database(servers) as database:
        await fill(database.migrator_url)
        await upgrade(database.migrator_url, partitioned=partitioned)
        engine = create_async_engine(database.migrator_url.replace("postgresql://", "postgresql+asyncpg://"))
        async with engine.connect() as connection:
            await connection.run_sync(run)
            await connection.commit()
        await engine.dispose()
        if not partitioned:
            # And a conversion after it takes it along.
            await upgrade_ledger_alone(database)
        async with connected(database.migrator_url) as connection:
            assert await connection.fetchval("SELECT bool_and(indisvalid) FROM pg_index")
            kinds = "SELECT count(*) FROM pg_class WHERE relkind IN ('i', 'I') AND pg_get_indexdef(oid) LIKE '%(user_id, mood)%'"
            tables = await connection.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = 'accounts.transactions'::regclass")
            assert await connection.fetchval(kinds) == tables + 1
        async with as_service(database, FIRST) as connection:
            shown = await connection.fetchval("SELECT id FROM accounts.transactions WHERE mood = 'calm' AND import_line = 5")
            await connection.execute("INSERT INTO accounts.pictures VALUES ($1, gen_random_uuid(), $2)", FIRST, shown)
            await connection.execute("DELETE FROM accounts.transactions WHERE id = $1", shown)
            assert await connection.fetchval("SELECT count(*) FROM accounts.pictures") == 0


async def upgrade_ledger_alone(database: OtherDatabase) -> None:
    """The conversion without the history, which does not know the revision of the test."""
    engine = create_async_engine(database.migrator_url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        await connection.run_sync(conversion.partition_ledger)
    await engine.dispose()
