"""Which statements are logged, and what of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import structlog

from services.kit.errors import DeadlineExceeded
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem


async def logged(servers: LocalSystem, user_id: UUID, statement: str, *arguments: object, **settings: Any) -> list[dict[str, Any]]:
    """What one transaction with this statement writes about statements."""
    database = Database(servers.migrator_url, DatabaseSettings(DB_POOL_SIZE=1, **settings))
    await database.open()
    with structlog.testing.capture_logs() as lines:
        async with database.transaction(user_id) as connection:
            await connection.fetchval(statement, *arguments)
        await database.close()
    assert str(user_id) not in str(lines)
    return [dict(line) for line in lines if line["event"] in {"slow query", "query"}]


@pytest.mark.requirement("DB-63")
async def test_a_slow_statement_is_one_line_with_its_duration_and_text_and_no_value(servers: LocalSystem, user_id: UUID) -> None:
    statement = "SELECT pg_sleep(0.2),\n       $1::text"
    (line,) = await logged(servers, user_id, statement, "what nobody may read", DB_SLOW_QUERY_THRESHOLD=0.1)
    assert (line["event"], line["log_level"], line["statement"]) == ("slow query", "warning", "SELECT pg_sleep(0.2), $1::text")
    assert 0.2 <= line["duration_s"] < 5
    assert "nobody may read" not in str(line)


async def test_quick_statements_are_not_logged(servers: LocalSystem, user_id: UUID) -> None:
    assert await logged(servers, user_id, "SELECT 1") == []


@pytest.mark.requirement("DB-63")
async def test_switched_off_slow_ones_are_not_logged_either(servers: LocalSystem, user_id: UUID) -> None:
    settings: dict[str, Any] = {"DB_SLOW_QUERY_THRESHOLD": 0.1, "DB_ENABLE_QUERY_LOGGING": False}
    assert await logged(servers, user_id, "SELECT pg_sleep(0.2)", **settings) == []


@pytest.mark.requirement("DB-63")
async def test_echo_logs_every_statement_and_the_user_is_in_none(servers: LocalSystem, user_id: UUID) -> None:
    lines = await logged(servers, user_id, "SELECT $1::int", 7, DB_ECHO=True, DB_ENABLE_QUERY_LOGGING=False)
    assert [(line["event"], line["statement"]) for line in lines][-3:] == [
        ("query", "BEGIN"),
        ("query", "SELECT $1::int"),
        ("query", "COMMIT"),
    ]


async def test_a_statement_that_fails_is_logged_with_the_kind_of_its_failure(servers: LocalSystem, user_id: UUID) -> None:
    database = Database(servers.migrator_url, DatabaseSettings(DB_USE_NULL_POOL=True, DB_SLOW_QUERY_THRESHOLD=0.1))
    await database.open()
    with structlog.testing.capture_logs() as lines, pytest.raises(DeadlineExceeded):
        async with database.transaction(user_id, statement_timeout_s=0.2) as connection:
            await connection.execute("SELECT pg_sleep(5)")
    (line,) = [line for line in lines if line["event"] == "slow query"]
    assert (line["failed"], line["statement"]) == ("QueryCanceledError", "SELECT pg_sleep(5)")


async def test_a_statement_without_end_is_cut(servers: LocalSystem, user_id: UUID) -> None:
    statement = f"SELECT pg_sleep(0.2) {'/* long */' * 1000}"
    (line,) = await logged(servers, user_id, statement, DB_SLOW_QUERY_THRESHOLD=0.1)
    assert len(line["statement"]) < 2010
