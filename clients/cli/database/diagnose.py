"""Asks the database everything of checks.py, one answer after the other, changing nothing."""

from __future__ import annotations

from typing import Any

import asyncpg

from clients.cli.database.checks import CHECKS, Check

# A question that waits for a lock, or for a huge catalogue, must not hang the command.
_SETTINGS = {"application_name": "scale-db", "default_transaction_read_only": "on", "statement_timeout": "30s", "lock_timeout": "2s"}
_STATISTICS_READABLE = "SELECT to_regclass('pg_stat_statements') IS NOT NULL"
_NO_STATISTICS = "the server has no pg_stat_statements: load it with shared_preload_libraries and CREATE EXTENSION pg_stat_statements"
_INSTANCES = 3


async def diagnose(url: str) -> dict[str, Any]:
    """The server and one entry for each check: name, ok (None where it only informs, or could not be asked), rows, and the reason."""
    connection = await asyncpg.connect(url, server_settings=_SETTINGS, timeout=10, statement_cache_size=0)
    try:
        with_statistics = await connection.fetchval(_STATISTICS_READABLE)
        answers = [await _answer(connection, check, with_statistics) for check in CHECKS]
        most = await connection.fetchval("SELECT current_setting('max_connections')::int")
        version = await connection.fetchval("SELECT current_setting('server_version')")
    finally:
        await connection.close(timeout=10)
    from services.kit.postgres import recommended_pool_size

    pool = {"max_connections": most, "instances": _INSTANCES, "recommended_pool_size": recommended_pool_size(most, _INSTANCES)}
    return {"server_version": version, "pool": pool, "checks": answers}


async def _answer(connection: asyncpg.Connection, check: Check, with_statistics: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"name": check.name, "title": check.title, "target": check.target, "ok": None, "reason": "", "rows": []}
    if check.needs_statistics and not with_statistics:
        return found | {"reason": _NO_STATISTICS}
    try:
        rows = [dict(record) for record in await connection.fetch(check.query)]
    except asyncpg.PostgresError as error:
        return found | {"reason": str(error).splitlines()[0]}
    return found | {"ok": check.judge(rows), "rows": rows}
