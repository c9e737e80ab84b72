"""Imports in PostgreSQL. Each method is one transaction as its user; row level security adds the second lock."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.ingestion.domain import (
    Counts,
    Failure,
    Import,
    ImportOptions,
    ImportPosition,
    ImportRow,
    ImportState,
    LayoutAccount,
    NewImport,
    RowOutcome,
    Success,
)
from services.kit.errors import FieldError
from services.kit.postgres import Connection, Database, affected

_COLUMNS = """
    id, user_id, request_id, request_hash, state, attempt, file_name, file_format, file_hash, account_id, row_count, inserted_count,
    duplicate_count, suspected_duplicate_count, zero_amount_count, rejected_count, detected, same_file_as, failure, created_at,
    completed_at, state IN ('pending', 'running') AND lease_expires_at < now() AS abandoned
"""
_GET = f"SELECT {_COLUMNS} FROM ingestion.imports WHERE user_id = $1 AND id = $2"  # nosec B608
_GET_BY_REQUEST = f"SELECT {_COLUMNS} FROM ingestion.imports WHERE user_id = $1 AND request_id = $2"  # nosec B608
_ADD_FILE = """
    INSERT INTO ingestion.uploaded_files (user_id, id, file_hash, filename, upload_type, size_bytes)
    VALUES ($1, $2, $3, $4, 'statement', $5)
"""
_ADD = f"""
    INSERT INTO ingestion.imports (
        user_id, id, request_id, request_hash, file_id, account_id, state, file_name, file_hash, currency, options, lease_expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, 'running', $7, $8, $9, $10::jsonb, now() + $11::float8 * interval '1 second')
    ON CONFLICT (user_id, request_id) DO NOTHING
    RETURNING {_COLUMNS}
"""  # nosec B608
_DROP_FILE = "DELETE FROM ingestion.uploaded_files WHERE user_id = $1 AND id = $2"
_CLAIM = f"""
    UPDATE ingestion.imports
    SET state = 'running', attempt = attempt + 1, lease_expires_at = now() + $4::float8 * interval '1 second',
        failure = NULL, failure_reason = '', completed_at = NULL
    WHERE user_id = $1 AND id = $2 AND attempt = $3
      AND ((state = 'failed' AND (failure ->> 'retryable')::boolean) OR (state IN ('pending', 'running') AND lease_expires_at < now()))
    RETURNING {_COLUMNS}
"""  # nosec B608
_RENEW = """
    UPDATE ingestion.imports SET lease_expires_at = now() + $4::float8 * interval '1 second'
    WHERE user_id = $1 AND id = $2 AND attempt = $3 AND state = 'running'
"""
# same_file_as: the first import of the same bytes, so that a chain of repeats names one original.
_SUCCEED = f"""
    UPDATE ingestion.imports
    SET state = 'succeeded', lease_expires_at = NULL, completed_at = now(), file_format = $4, detected = $5::jsonb, account_id = $6,
        row_count = $7, inserted_count = $8, duplicate_count = $9, suspected_duplicate_count = $10, zero_amount_count = $11,
        rejected_count = $12,
        same_file_as = (
            SELECT earlier.id FROM ingestion.imports AS earlier
            WHERE earlier.user_id = $1 AND earlier.file_hash = imports.file_hash AND earlier.state = 'succeeded' AND earlier.id <> $2
            ORDER BY earlier.created_at, earlier.id LIMIT 1
        )
    WHERE user_id = $1 AND id = $2 AND attempt = $3 AND state = 'running'
    RETURNING {_COLUMNS}
"""  # nosec B608
_ADD_ROWS = """
    INSERT INTO ingestion.import_rows (user_id, import_id, line, outcome, field, reason, transaction_id, duplicate_of)
    SELECT $1, $2, line, outcome, field, reason, transaction_id, duplicate_of
    FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::uuid[])
         AS rows (line, outcome, field, reason, transaction_id, duplicate_of)
"""
_FAIL = f"""
    UPDATE ingestion.imports
    SET state = 'failed', lease_expires_at = NULL, completed_at = now(), failure = $4::jsonb, failure_reason = $5
    WHERE user_id = $1 AND id = $2 AND attempt = $3 AND state = 'running'
    RETURNING {_COLUMNS}
"""  # nosec B608
# A second undo finds it undone and says the same.
_UNDO = f"""
    UPDATE ingestion.imports SET state = 'undone'
    WHERE user_id = $1 AND id = $2 AND state IN ('succeeded', 'undone')
    RETURNING {_COLUMNS}
"""  # nosec B608
_LIST = f"""
    SELECT {_COLUMNS} FROM ingestion.imports WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
"""  # nosec B608
_LIST_AFTER = f"""
    SELECT {_COLUMNS} FROM ingestion.imports WHERE user_id = $1 AND (created_at, id) < ($3, $4)
    ORDER BY created_at DESC, id DESC LIMIT $2
"""  # nosec B608
_LIST_ROWS = """
    SELECT line, outcome, field, reason, transaction_id, duplicate_of FROM ingestion.import_rows
    WHERE user_id = $1 AND import_id = $2 AND line > $3 ORDER BY line LIMIT $4
"""
_LIST_ROWS_BY_OUTCOME = """
    SELECT line, outcome, field, reason, transaction_id, duplicate_of FROM ingestion.import_rows
    WHERE user_id = $1 AND import_id = $2 AND outcome = $5 AND line > $3 ORDER BY line LIMIT $4
"""
# Two imports of new layouts at once must not take the same number.
_LOCK_LAYOUTS = "SELECT pg_advisory_xact_lock(hashtextextended('layout_accounts' || $1::uuid::text || $2::text, 0))"
_GET_LAYOUT = "SELECT number, account_id FROM ingestion.layout_accounts WHERE user_id = $1 AND currency = $2 AND layout_hash = $3"
_ADD_LAYOUT = """
    INSERT INTO ingestion.layout_accounts (user_id, currency, layout_hash, number)
    SELECT $1, $2, $3, coalesce(max(number), 0) + 1 FROM ingestion.layout_accounts WHERE user_id = $1 AND currency = $2
    RETURNING number, account_id
"""
_REMEMBER_LAYOUT = """
    UPDATE ingestion.layout_accounts SET account_id = $4 WHERE user_id = $1 AND currency = $2 AND layout_hash = $3
"""


class PostgresImportsRepository:
    """`ImportsRepository` on PostgreSQL, schema `ingestion`."""

    def __init__(self, database: Database, *, bulk_statement_timeout_s: float) -> None:
        self._database = database
        self._bulk_statement_timeout_s = bulk_statement_timeout_s

    async def begin(self, new: NewImport, *, lease_s: float) -> tuple[Import, bool]:
        """See `ImportsRepository`."""
        user_id, file = new.user_id, new.file
        async with self._database.transaction(user_id) as connection:
            if found := await connection.fetchrow(_GET_BY_REQUEST, user_id, new.request_id):
                return _import(found), False
            await connection.execute(_ADD_FILE, user_id, new.file_id, file.sha256, file.name, file.size_bytes)
            added = await connection.fetchrow(
                _ADD,
                user_id,
                new.id,
                new.request_id,
                new.request_hash,
                new.file_id,
                new.options.account_id,
                file.name,
                file.sha256,
                new.options.currency,
                _json(_options(new.options)),
                lease_s,
            )
            if added:
                return _import(added), True
            # The same request came twice within this moment, and the other one was first.
            await connection.execute(_DROP_FILE, user_id, new.file_id)
            return _import(await connection.fetchrow(_GET_BY_REQUEST, user_id, new.request_id)), False

    async def get(self, user_id: UUID, import_id: UUID) -> Import | None:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetchrow(_GET, user_id, import_id)
        return _import(found) if found else None

    async def claim(self, taken: Import, *, lease_s: float) -> Import | None:
        """See `ImportsRepository`."""
        async with self._database.transaction(taken.user_id) as connection:
            found = await connection.fetchrow(_CLAIM, taken.user_id, taken.id, taken.attempt, lease_s)
        return _import(found) if found else None

    async def renew(self, running: Import, *, lease_s: float) -> bool:
        """See `ImportsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            done = await connection.execute(_RENEW, running.user_id, running.id, running.attempt, lease_s)
        return affected(done) == 1

    async def succeed(self, running: Import, success: Success, rows: Iterable[Sequence[ImportRow]]) -> Import | None:
        """See `ImportsRepository`."""
        counts = success.counts
        async with self._database.transaction(running.user_id, statement_timeout_s=self._bulk_statement_timeout_s) as connection:
            found = await connection.fetchrow(
                _SUCCEED,
                running.user_id,
                running.id,
                running.attempt,
                success.file_format,
                _json(success.detected),
                success.account_id,
                counts.rows,
                counts.inserted,
                counts.duplicates,
                counts.suspected_duplicates,
                counts.zero_amount,
                counts.rejected,
            )
            if found is None:
                return None
            for chunk in rows:
                await _add_rows(connection, running, chunk)
        return _import(found)

    async def fail(self, running: Import, failure: Failure) -> Import | None:
        """See `ImportsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            found = await connection.fetchrow(
                _FAIL, running.user_id, running.id, running.attempt, _json(_failure(failure)), failure.message.replace("\x00", "")
            )
        return _import(found) if found else None

    async def undone(self, user_id: UUID, import_id: UUID) -> Import | None:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id) as connection:
            record = await connection.fetchrow(_UNDO, user_id, import_id)
        return _import(record) if record else None

    async def list_imports(self, user_id: UUID, *, limit: int, after: ImportPosition | None) -> list[Import]:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            if after is None:
                found = await connection.fetch(_LIST, user_id, limit)
            else:
                found = await connection.fetch(_LIST_AFTER, user_id, limit, after.created_at, after.id)
        return [_import(record) for record in found]

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

    async def layout_account(self, user_id: UUID, layout_hash: str, currency: str) -> LayoutAccount:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id) as connection:
            found = await connection.fetchrow(_GET_LAYOUT, user_id, currency, layout_hash)
            if found is None:
                await connection.execute(_LOCK_LAYOUTS, user_id, currency)
                found = await connection.fetchrow(_GET_LAYOUT, user_id, currency, layout_hash)
            if found is None:
                found = await connection.fetchrow(_ADD_LAYOUT, user_id, currency, layout_hash)
        return LayoutAccount(found["number"], found["account_id"])

    async def remember_layout_account(self, user_id: UUID, layout_hash: str, currency: str, account_id: UUID) -> None:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_REMEMBER_LAYOUT, user_id, currency, layout_hash, account_id)


async def _add_rows(connection: Connection, running: Import, rows: Sequence[ImportRow]) -> None:
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


def _json(value: Mapping[str, Any]) -> str:
    # jsonb knows no NUL.
    return json.dumps(value, ensure_ascii=True, default=str).replace("\\u0000", "\\ufffd")


def _options(options: ImportOptions) -> dict[str, Any]:
    said = {
        "date_format": options.date_format,
        "columns": dict(options.columns) or None,
        "file_format": options.file_format,
    }
    return {name: value for name, value in said.items() if value}


def _failure(failure: Failure) -> dict[str, Any]:
    return {
        "message": failure.message,
        "reason": failure.reason,
        "retryable": failure.retryable,
        "metadata": dict(failure.metadata),
        "fields": [{"field": found.field, "reason": found.reason, "line": found.line} for found in failure.fields],
    }


def _import(record: Mapping[str, Any]) -> Import:
    failure = json.loads(record["failure"]) if record["failure"] else None
    if failure:
        fields = [FieldError(found["field"], found["reason"], found["line"]) for found in failure["fields"]]
        failure = Failure(failure["message"], failure["reason"], failure["retryable"], failure["metadata"], fields)
    return Import(
        id=record["id"],
        user_id=record["user_id"],
        request_id=record["request_id"],
        request_hash=record["request_hash"],
        state=ImportState(record["state"]),
        attempt=record["attempt"],
        abandoned=record["abandoned"] or False,
        file_name=record["file_name"],
        file_format=record["file_format"],
        file_hash=record["file_hash"],
        account_id=record["account_id"],
        counts=Counts(
            rows=record["row_count"],
            inserted=record["inserted_count"],
            duplicates=record["duplicate_count"],
            suspected_duplicates=record["suspected_duplicate_count"],
            zero_amount=record["zero_amount_count"],
            rejected=record["rejected_count"],
        ),
        detected=json.loads(record["detected"]),
        same_file_as=record["same_file_as"],
        failure=failure,
        created_at=record["created_at"],
        completed_at=record["completed_at"],
    )
