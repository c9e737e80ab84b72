"""The rows of imports that did not enter the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.ingestion.domain import Import, ImportRow, RowOutcome
from services.kit.postgres import Connection, Database

_ADD_ROWS = """
    INSERT INTO ingestion.import_rows (user_id, import_id, line, outcome, field, reason, transaction_id, duplicate_of)
    SELECT $1, $2, line, outcome, field, reason, transaction_id, duplicate_of
    FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::uuid[])
         AS rows (line, outcome, field, reason, transaction_id, duplicate_of)
"""
_LIST_ROWS = """
    SELECT line, outcome, field, reason, transaction_id, duplicate_of FROM ingestion.import_rows
    WHERE user_id = $1 AND import_id = $2 AND line > $3 ORDER BY line LIMIT $4
"""
_LIST_ROWS_BY_OUTCOME = """
    SELECT line, outcome, field, reason, transaction_id, duplicate_of FROM ingestion.import_rows
    WHERE user_id = $1 AND import_id = $2 AND outcome = $5 AND line > $3 ORDER BY line LIMIT $4
"""


class RowRecords:
    """One record for each row that was not inserted."""

    _database: Database

    async def list_rows(
        self, user_id: UUID, import_id: UUID, *, outcome: RowOutcome | None, after_line: int, limit: int
    ) -> list[ImportRow]:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            if outcome is None:
                found = await connection.fetch(_LIST_ROWS, user_id, import_id, after_line, limit)
            else:
                found = await connection.fetch(_LIST_ROWS_BY_OUTCOME, user_id, import_id, after_line, limit, outcome.value)
        return [
            ImportRow(line, RowOutcome(outcome_text), field, reason, transaction_id, duplicate_of)
            for line, outcome_text, field, reason, transaction_id, duplicate_of in found
        ]


async def add_rows(connection: Connection, running: Import, rows: Sequence[ImportRow]) -> None:
    """Stores the rows of an import within the transaction that stores its outcome."""
    await connection.execute(
        _ADD_ROWS,
        running.user_id,
        running.id,
        [row.line for row in rows],
        [row.outcome.value for row in rows],
        [row.field for row in rows],
        [row.reason for row in rows],
        [row.transaction_id for row in rows],
        [row.duplicate_of for row in rows],
    )
