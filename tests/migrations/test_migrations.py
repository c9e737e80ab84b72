"""The history on a database of its own: from nothing, again, at once, and when it cannot."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import pytest
import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from migrations.index_check import compare_indexes, documented_indexes
from migrations.layout import VERSION_SCHEMA
from migrations.runner import LOCK_KEY, MigrationError, alembic_config, asyncpg_dsn, newest_revision, upgrade
from migrations.taxonomy import read_taxonomy
from services.kit.errors import Unavailable
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from services.local.postgres import MIGRATOR

ROOT = Path(__file__).resolve().parents[2]


def on_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.fixture
async def empty(servers: LocalSystem, user_id: object) -> AsyncIterator[str]:
    """The migrator's URL of a new, empty database, dropped afterwards."""
    name = f"migrations_{str(user_id).replace('-', '')}"
    superuser = await asyncpg.connect(servers.superuser_url)
    await superuser.execute(f"CREATE DATABASE {name} OWNER {MIGRATOR}")
    try:
        yield on_database(servers.migrator_url, name)
    finally:
        await superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await superuser.close()


async def describe(url: str) -> list[tuple[object, ...]]:
    """Every table, index, policy and grant, for comparison."""
    connection = await asyncpg.connect(url)
    try:
        records = await connection.fetch("""
            SELECT oid::text, relname::text, COALESCE(relacl::text, ''), xmin::text FROM pg_class
             WHERE relnamespace::regnamespace::text IN ('accounts', 'ingestion', 'categorization', 'migrations')
            UNION ALL SELECT oid::text, polname::text, '', xmin::text FROM pg_policy
            UNION ALL SELECT '', slug, name, xmin::text FROM accounts.categories
            UNION ALL SELECT '', version_num, '', xmin::text FROM migrations.alembic_version
        """)
        return sorted(tuple(record) for record in records)
    finally:
        await connection.close()


async def upgrade_to(url: str, revision: str, config: Config) -> None:
    """What `upgrade` does, to an older revision or with another history."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))

    def run(connection: object) -> None:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {VERSION_SCHEMA}"))
        await connection.commit()
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


@pytest.mark.requirement("DB-10", "DB-69")
async def test_upgrade_twice_changes_nothing_the_second_time(empty: str) -> None:
    assert await upgrade(empty) == newest_revision()
    first = await describe(empty)
    assert await upgrade(empty) == newest_revision()
    assert await describe(empty) == first


@pytest.mark.requirement("DB-10")
@pytest.mark.requirement("Q-31")
async def test_upgrade_at_once_from_three_places(empty: str) -> None:
    assert await asyncio.gather(*(upgrade(empty) for _ in range(3))) == [newest_revision()] * 3


async def test_upgrade_waits_for_a_running_one(empty: str) -> None:
    holder = await asyncpg.connect(empty)
    await holder.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    waiting = asyncio.create_task(upgrade(empty))
    await asyncio.sleep(1)
    assert not waiting.done()
    await holder.close()
    assert await asyncio.wait_for(waiting, 30) == newest_revision()


@pytest.mark.requirement("Q-31")
async def test_a_service_that_came_first_waits_for_the_schema_and_needs_no_restart(empty: str, servers: LocalSystem, user_id: UUID) -> None:
    database = Database(on_database(servers.service_url("accounts"), urlsplit(empty).path[1:]), DatabaseSettings(DB_POOL_SIZE=1))
    await database.open()

    async def ask() -> int:
        async with database.transaction(user_id) as connection:
            found: int = await connection.fetchval("SELECT count(*) FROM accounts.transactions")
            return found

    with pytest.raises(Unavailable) as refused, structlog.testing.capture_logs() as lines:
        await ask()
    assert (refused.value.reason, refused.value.retry_after_s) == ("DB_SCHEMA_MISSING", 5)
    assert (lines[0]["log_level"], lines[0]["error"]) == ("error", 'relation "accounts.transactions" does not exist')
    await upgrade(empty)
    assert await ask() == 0
    await database.close()


async def test_upgrade_gives_up_on_a_table_that_stays_locked(empty: str) -> None:
    await upgrade(empty)
    holder = await asyncpg.connect(empty)
    async with holder.transaction():
        await holder.execute("LOCK TABLE accounts.categories")
        with pytest.raises(MigrationError, match="Another session held a table for 5s"):
            await upgrade(empty)
    await holder.close()


async def test_rows_out_of_bounds_are_counted_and_once_mended_no_obstacle(empty: str, user_id: object) -> None:
    """docs/database.md: when revision 0014 stops."""
    await upgrade_to(empty, "0013", alembic_config())
    connection = await asyncpg.connect(empty)
    add = """
        INSERT INTO accounts.budgets
            (user_id, id, category, amount, currency, period_start, period_end, is_active, request_id, request_hash)
        VALUES ($1, gen_random_uuid(), 'housing', $2::text::numeric, 'EUR', '2026-01-01', $3::text::date, false, $4, '')
    """
    for number, (amount, end) in enumerate([("1", "2026-01-31"), ("NaN", "2026-01-31"), ("NaN", "infinity")]):
        await connection.execute(add, user_id, amount, end, str(number))
    expected = r"accounts\.budgets \(budgets_amount_bounds\): 2, accounts\.budgets \(budgets_period_end_bounds\): 1\. docs/database\.md"
    for _ in range(2):
        with pytest.raises(MigrationError, match=expected):
            await upgrade(empty)
    await connection.execute("DELETE FROM accounts.budgets WHERE NOT period_end <= '9999-12-31'")
    await connection.execute("UPDATE accounts.budgets SET amount = 5 WHERE amount = 'NaN'")
    assert await upgrade(empty) == newest_revision()
    assert await connection.fetchval("SELECT array_agg(amount ORDER BY amount)::text FROM accounts.budgets") == "{1.0000,5.0000}"
    await connection.close()


async def test_taxonomy_is_loaded_and_corrected(empty: str) -> None:
    await upgrade(empty)
    connection = await asyncpg.connect(empty)
    assert await connection.fetchval("SELECT count(*) FROM accounts.categories WHERE slug = primary_slug") == 19
    assert await connection.fetchval("SELECT count(*) FROM accounts.categories") == 119
    await connection.execute("UPDATE accounts.categories SET name = 'Wrong' WHERE slug = 'income_salary'")
    await connection.execute("INSERT INTO accounts.categories VALUES ('old_one', 'income', 'Old one', 'credit')")
    await upgrade(empty)
    name = await connection.fetchval("SELECT name FROM accounts.categories WHERE slug = 'income_salary'")
    assert name == "Salary and wages"
    assert await connection.fetchval("SELECT count(*) FROM accounts.categories WHERE slug = 'old_one'") == 1
    await connection.close()


def test_taxonomy_file_is_well_formed() -> None:
    taxonomy = read_taxonomy()
    slugs = [row["slug"] for row in taxonomy]
    assert len(slugs) == len(set(slugs)) == 119
    assert {row["sign"] for row in taxonomy} == {"credit", "debit", "both"}
    assert all(row["name"] and row["primary_slug"] in slugs for row in taxonomy)


async def test_a_role_above_the_policies_is_refused(servers: LocalSystem, empty: str) -> None:
    superuser = await asyncpg.connect(servers.superuser_url)
    await superuser.execute("ALTER ROLE scale_ingestion BYPASSRLS")
    try:
        with pytest.raises(MigrationError, match="scale_ingestion is superuser or has BYPASSRLS"):
            await upgrade(empty)
    finally:
        await superuser.execute("ALTER ROLE scale_ingestion NOBYPASSRLS")
        await superuser.close()
    assert await upgrade(empty) == newest_revision()


async def test_upgrade_says_why_it_cannot(servers: LocalSystem) -> None:
    with pytest.raises(MigrationError, match="must start with postgresql://"):
        await upgrade("mysql://localhost/scale")
    with pytest.raises(MigrationError, match=r"No PostgreSQL answered within 0\.3 s"):
        await upgrade("postgresql://nobody@127.0.0.1:1/scale", wait_s=0.3)
    with pytest.raises(MigrationError, match="refused the migrator"):
        await upgrade(on_database(servers.migrator_url, "no_such_database"))


def test_dsn_forms() -> None:
    assert asyncpg_dsn("postgresql+asyncpg://a@b/c") == "postgresql://a@b/c"
    assert asyncpg_dsn("postgres://a@b/c") == "postgresql://a@b/c"


def migrations(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "migrations", *arguments],
        cwd=ROOT,
        env={"SCALE_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


async def test_command_line(servers: LocalSystem) -> None:
    done = migrations("upgrade", url=servers.migrator_url)
    assert (done.returncode, done.stdout) == (0, f"The database is at revision {newest_revision()}.\n")
    failed = migrations("upgrade", "--wait", "0", url="postgresql://nobody@127.0.0.1:1/scale")
    assert failed.returncode == 1
    assert failed.stderr.startswith("migrations: No PostgreSQL answered")
    assert failed.stderr.count("\n") == 1
    assert "SCALE_DATABASE_URL is not set" in migrations("upgrade", url="").stderr
    checked = migrations("check", url=servers.migrator_url)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.requirement("DB-28", "DOC-12")
async def test_check_names_what_differs(servers: LocalSystem, tmp_path: Path) -> None:
    document = tmp_path / "database.md"
    documented = documented_indexes(ROOT / "docs" / "database.md")
    assert await compare_indexes(servers.migrator_url) == []
    documented.pop("idx_transactions_pagination")
    documented["idx_transactions_gone"] = "accounts.transactions"
    rows = [f"| `{name}` | `{table}` | columns | queries |" for name, table in documented.items()]
    document.write_text("\n".join(["| index | table |", *rows]), encoding="utf-8")
    assert await compare_indexes(servers.migrator_url, document) == [
        "idx_transactions_gone on accounts.transactions is documented, but not in the database.",
        "idx_transactions_pagination on accounts.transactions is in the database, but not in database.md.",
    ]
    document.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(MigrationError, match="lists no index"):
        await compare_indexes(servers.migrator_url, document)
    with pytest.raises(MigrationError, match="Cannot read the documented index list"):
        await compare_indexes(servers.migrator_url, tmp_path / "absent.md")


@pytest.mark.requirement("DB-27")
async def test_index_is_built_concurrently_outside_a_transaction(empty: str, tmp_path: Path) -> None:
    """A later revision on a live table: the runner must let it leave the transaction."""
    await upgrade(empty)
    later = tmp_path / "later"
    later.mkdir()
    (later / "9999_later.py").write_text(
        f'''
from alembic import op
revision = "9999"
down_revision = "{newest_revision()}"
branch_labels = depends_on = None

def upgrade():
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY idx_later ON accounts.transactions (user_id, payment_method)")
''',
        encoding="utf-8",
    )
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("version_locations", f"{ROOT / 'migrations' / 'versions'}\n{later}")
    config.set_main_option("path_separator", "newline")
    await upgrade_to(empty, "head", config)
    checking = await asyncpg.connect(empty)
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'accounts.idx_later'::regclass"
    assert await checking.fetchval(valid) is True
    await checking.close()
