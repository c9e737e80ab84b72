"""Compares the index table of docs/database.md with the indexes that the database really has."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg

from migrations.runner import MigrationError, asyncpg_dsn

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "database.md"

# A table row such as: | `idx_transactions_pagination` | `accounts.transactions` | … |
ROW = re.compile(r"^\|\s*`(?P<index>\w+)`\s*\|\s*`(?P<table>\w+\.\w+)`\s*\|")

# Primary keys follow from the tables and are not listed.
INDEXES = """
    SELECT index.relname AS index, schema.nspname || '.' || "table".relname AS table
      FROM pg_index
      JOIN pg_class AS index ON index.oid = pg_index.indexrelid
      JOIN pg_class AS "table" ON "table".oid = pg_index.indrelid
      JOIN pg_namespace AS schema ON schema.oid = "table".relnamespace
     WHERE schema.nspname = ANY($1::text[]) AND NOT pg_index.indisprimary
"""


def documented_indexes(document: Path) -> dict[str, str]:
    """Index name to schema-qualified table, as the document lists them. Raises MigrationError."""
    try:
        lines = document.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise MigrationError(f"Cannot read the documented index list {document}: {error}") from error
    found = {match["index"]: match["table"] for line in lines if (match := ROW.match(line))}
    if not found:
        raise MigrationError(f"{document} lists no index: expected rows such as | `idx_name` | `schema.table` | … |.")
    return found


async def compare_indexes(url: str, document: Path = DOCUMENT) -> list[str]:
    """One sentence for each index that only one side knows; empty when both agree. Raises MigrationError."""
    documented = documented_indexes(document)
    schemas = sorted({table.partition(".")[0] for table in documented.values()})
    try:
        connection = await asyncpg.connect(asyncpg_dsn(url), statement_cache_size=0)
        try:
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
