"""`scale db`: every question that it asks runs, and what it says of the answers; test data that the ledger takes for real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner
from uuid_utils.compat import uuid7

from clients.cli.__main__ import app
from clients.cli.database.checks import CHECKS, Check
from migrations.runner import upgrade
from services.local import LocalSystem
from services.local.postgres import MIGRATOR
from tests.support.partitioned import OtherDatabase

# The columns that the checks read, as pg_stat_statements 1.10 to 1.12 have them; the embedded server lacks the extension.
STATISTICS = """
    CREATE SCHEMA seen;
    CREATE TABLE seen.pg_stat_statements (dbid oid, query text, calls bigint, total_exec_time float8, mean_exec_time float8, rows bigint,
        shared_blks_hit bigint, shared_blks_read bigint);
    INSERT INTO seen.pg_stat_statements
    SELECT oid, 'SELECT  $1' || n, n, n * 50.0 * n, n * 50.0, n, 99, CASE WHEN n > 1 THEN 1 ELSE 0 END
      FROM pg_database, generate_series(0, 30) AS n WHERE datname = current_database();
"""


def execute(url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def fetch(url: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    async def run() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        found = [tuple(record) for record in await connection.fetch(query, *arguments)]
        await connection.close()
        return found

    return asyncio.run(run())


@pytest.fixture(scope="module")
def database(servers: LocalSystem) -> Iterator[OtherDatabase]:
    """A ledger of its own, so that its figures are those of the tests."""
    name = f"diagnosed_{uuid7().hex}"
    execute(servers.superuser_url, f"CREATE DATABASE {name} OWNER {MIGRATOR}")
    made = OtherDatabase(servers, name)
    asyncio.run(upgrade(made.migrator_url))
    yield made
    execute(servers.superuser_url, f"DROP DATABASE {name} WITH (FORCE)")


def scale(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["db", *arguments])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def diagnosed(url: str) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(scale("diagnose", "--json", "--database", url))["checks"]}


@pytest.mark.requirement("DB-55", "DB-56", "DB-57", "DB-58", "DB-59", "DB-61", "DB-62")
def test_every_question_is_answered_or_says_why_not(database: OtherDatabase) -> None:
    found = diagnosed(database.migrator_url)
    assert list(found) == [check.name for check in CHECKS]
    for check in CHECKS:
        answer = found[check.name]
        assert bool(answer["reason"]) is check.needs_statistics, answer
        assert check.needs_statistics == ("pg_stat_statements" in answer["reason"])
        informs = check.needs_statistics or not check.target or check.name == "partitions"
        assert (answer["ok"] is None) is informs, answer


@pytest.mark.requirement("DB-55", "DB-61", "DB-62")
def test_with_statement_statistics_the_slow_ones_are_named(database: OtherDatabase) -> None:
    execute(database.migrator_url, STATISTICS)
    try:
        found = diagnosed(f"{database.migrator_url}?options=-csearch_path%3Dseen")
    finally:
        execute(database.migrator_url, "DROP SCHEMA seen CASCADE")
    by_total = found["statements_by_total_time"]["rows"]
    assert [row["calls"] for row in by_total] == list(range(30, 20, -1))
    assert by_total[0] == {
        "calls": 30, "total_ms": 45000.0, "mean_ms": 1500.0, "rows": 30, "hit_percent": 99.0, "statement": "SELECT $130",
    }  # fmt: skip
    slow = found["slow_statements"]
    assert slow["ok"] is False
    assert len(slow["rows"]) == 20
    assert min(row["mean_ms"] for row in slow["rows"]) > 100
    assert len(found["statements_by_mean_time"]["rows"]) == 10


@pytest.mark.requirement("DB-54", "DB-60")
def test_settings_and_autovacuum_are_as_required(database: OtherDatabase) -> None:
    found = diagnosed(database.migrator_url)
    assert [(row["name"], row["setting"]) for row in found["settings"]["rows"]] == [
        ("track_activities", "on"), ("track_counts", "on"), ("track_io_timing", "on"),
    ]  # fmt: skip
    assert found["settings"]["ok"] is True
    assert found["autovacuum"]["ok"] is True
    execute(database.migrator_url, "ALTER TABLE accounts.transactions RESET (autovacuum_vacuum_scale_factor)")
    try:
        assert diagnosed(database.migrator_url)["autovacuum"]["ok"] is False
    finally:
        execute(database.migrator_url, "ALTER TABLE accounts.transactions SET (autovacuum_vacuum_scale_factor = 0.05)")


@pytest.mark.requirement("DB-62")
def test_a_statement_that_runs_long_is_named_without_its_values(database: OtherDatabase) -> None:
    async def ask() -> dict[str, Any]:
        running = await asyncpg.connect(database.migrator_url)
        sleeping = asyncio.create_task(running.fetchval("SELECT pg_sleep($1)::text", 20.0))
        await asyncio.sleep(1.2)
        found = await asyncio.to_thread(diagnosed, database.migrator_url)
        sleeping.cancel()
        await asyncio.gather(sleeping, return_exceptions=True)
        await running.close()
        return found["long_statements"]

    found = asyncio.run(ask())
    assert found["ok"] is False
    assert [row["statement"] for row in found["rows"]] == ["SELECT pg_sleep($1)::text"]
    assert found["rows"][0]["seconds"] >= 1


def judged(name: str, rows: list[dict[str, Any]]) -> bool | None:
    check: Check = next(check for check in CHECKS if check.name == name)
    return check.judge(rows)


@pytest.mark.requirement("DB-56", "DB-57")
@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("cache_hit_ratio", {"tables": 0.991}, {"tables": 0.98}),
        ("table_scans", {"large": True, "seq_scan": 0}, {"large": True, "seq_scan": 1}),
        ("table_scans", {"large": False, "seq_scan": 9}, {"large": True, "seq_scan": 9}),
        ("unused_indexes", {"flagged": False}, {"flagged": True}),
        ("connections", {"connections": 10, "most": 100}, {"connections": 80, "most": 100}),
        ("partitions", {"months": 5, "ahead": 2}, {"months": 5, "ahead": 1}),
        ("settings", {"setting": "on"}, {"setting": "off"}),
    ],
)
def test_each_answer_is_judged_by_its_target(name: str, good: dict[str, Any], bad: dict[str, Any]) -> None:
    assert (judged(name, [good]), judged(name, [bad])) == (True, False)


@pytest.mark.requirement("DB-59", "OBS-18")
def test_unused_indexes_are_flagged_after_a_week_and_never_unique_ones(database: OtherDatabase) -> None:
    rows = {row["index"]: row for row in diagnosed(database.migrator_url)["unused_indexes"]["rows"]}
    assert "accounts.idx_transactions_user_amount" in rows
    assert "accounts.idx_transactions_user_fingerprint" not in rows
    assert not rows["accounts.idx_transactions_user_amount"]["flagged"]
    assert fetch(database.migrator_url, "SELECT count(*) FROM pg_index WHERE indisvalid")[0][0] > len(rows)


def test_for_people_it_is_tables_and_one_line_on_the_pool(database: OtherDatabase) -> None:
    shown = scale("diagnose", "--database", database.migrator_url)
    assert all(check.title in shown for check in CHECKS)
    assert "at most 63 of 200 connections" in shown


@pytest.mark.requirement("DB-70", "PERF-06")
def test_generated_users_have_a_ledger_that_the_service_reads(database: OtherDatabase) -> None:
    url = database.migrator_url
    shown = scale("generate", "--users", "2", "--rows", "300", "--years", "2", "--yes", "--database", url)
    assert "600 transactions of 2 users" in shown
    users = [row[0] for row in fetch(url, "SELECT user_id FROM accounts.profiles WHERE display_name = 'Generated'")]
    assert len(users) == 2
    for user_id in users:
        assert str(user_id) in shown

    async def as_service() -> tuple[Any, ...]:
        connection = await asyncpg.connect(database.service_url("accounts"))
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.user_id', $1, true)", str(users[0]))
            found = await connection.fetchrow("""
                SELECT count(*), count(DISTINCT description), count(*) FILTER (WHERE amount > 0),
                       bool_and(transaction_date <= current_date), bool_or(category IS NOT NULL),
                       count(DISTINCT to_char(transaction_date, 'YYYY-MM')) >= 24
                  FROM accounts.transactions
            """)
        await connection.close()
        return tuple(found)

    rows, texts, wages, past, categorized, months = asyncio.run(as_service())
    assert (rows, wages, past, categorized, months) == (300, 10, True, True, True)
    assert texts > 200
    noted = fetch(url, "SELECT count(*) FROM accounts.ledger_changes WHERE user_id = ANY($1)", users)
    assert noted[0][0] >= 2


@pytest.mark.requirement("DB-70")
def test_the_same_seed_gives_the_same_rows(database: OtherDatabase) -> None:
    url = database.migrator_url
    for _ in range(2):
        scale("generate", "--users", "1", "--rows", "50", "--seed", "77", "--yes", "--database", url)
    sums = fetch(url, "SELECT sum(hashtext(amount::text || description)), count(*) FROM accounts.transactions GROUP BY user_id")
    assert sorted(sums).count(next(one for one in sums if one[1] == 50)) == 2


def test_it_asks_first_and_writes_nothing_unless_told_to(database: OtherDatabase) -> None:
    done = CliRunner().invoke(app, ["db", "generate", "--users", "1", "--rows", "1", "--database", database.migrator_url], input="n\n")
    assert done.exit_code == 1
    assert "@" not in done.output
    assert f"127.0.0.1:{database.ports.postgres}" in done.output


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://nobody@127.0.0.1:1/scale", "cannot be reached"),
        ("mysql://nobody@127.0.0.1/scale", "refused"),
    ],
)
def test_a_database_that_is_not_there_is_one_sentence(url: str, said: str) -> None:
    assert said in scale("diagnose", "--database", url, code=1)


def test_a_services_own_role_writes_no_test_data(database: OtherDatabase) -> None:
    shown = scale("generate", "--users", "1", "--rows", "1", "--yes", "--database", database.service_url("accounts"), code=1)
    assert "refused" in shown
