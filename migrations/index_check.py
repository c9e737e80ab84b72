"""Compares the index table of docs/database.md with the indexes that the database really has."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import asyncpg

from migrations.runner import MigrationError, asyncpg_dsn

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "database.md"

# A table row such as: | `idx_transactions_pagination` | `accounts.transactions` | … |
ROW = re.compile(r"^\|\s*`(?P<index>\w+)`\s*\|\s*`(?P<table>\w+\.\w+)`(?P<partitioned>, where partitioned)?\s*\|")

# Primary keys follow from the tables and are not listed; nor are those of partitions, which follow from their parent's.
INDEXES = """
    SELECT index.relname AS index, schema.nspname || '.' || "table".relname AS table
      FROM pg_index
      JOIN pg_class AS index ON index.oid = pg_index.indexrelid
      JOIN pg_class AS "table" ON "table".oid = pg_index.indrelid
      JOIN pg_namespace AS schema ON schema.oid = "table".relnamespace
     WHERE schema.nspname = ANY($1::text[]) AND NOT pg_index.indisprimary AND NOT "table".relispartition
"""
PARTITIONED = "SELECT array_agg(oid::regclass::text) FROM pg_class WHERE relkind = 'p'"


def documented_indexes(document: Path, partitioned: Collection[str] = ()) -> dict[str, str]:
    """Index name to schema-qualified table, as the document lists them for a database in which these tables are partitioned.

    Raises MigrationError.
    """
    try:
        lines = document.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise MigrationError(f"Cannot read the documented index list {document}: {error}") from error
    rows = [match for line in lines if (match := ROW.match(line))]
    found = {match["index"]: match["table"] for match in rows if not match["partitioned"] or match["table"] in partitioned}
    if not found:
        raise MigrationError(f"{document} lists no index: expected rows such as | `idx_name` | `schema.table` | … |.")
    return found


async def compare_indexes(url: str, document: Path = DOCUMENT) -> list[str]:
    """One sentence for each index that only one side knows; empty when both agree. Raises MigrationError."""
    schemas = sorted({table.partition(".")[0] for table in documented_indexes(document).values()})
    try:
        connection = await asyncpg.connect(asyncpg_dsn(url), statement_cache_size=0)
        try:
            documented = documented_indexes(document, await connection.fetchval(PARTITIONED) or ())
            present = {row["index"]: row["table"] for row in await connection.fetch(INDEXES, schemas)}
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError) as error:
        raise MigrationError(f"Cannot read the database's indexes: {error}") from error
    missing = [
        f"{name} on {table} is documented, but not in the database." for name, table in documented.items() if present.get(name) != table
    ]
    unknown = [
        f"{name} on {table} is in the database, but not in {document.name}."
        for name, table in present.items()
        if documented.get(name) != table
    ]
    return sorted(missing) + sorted(unknown)
