"""What is known of each import, from its request to its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from services.ingestion.domain import Failure, Import, ImportPosition, ImportRow, NewImport, Progress, Success
from services.ingestion.repository.csv_profiles import learn, unlearn
from services.ingestion.repository.records import COLUMNS, failure_of, import_of, json_of, options_of, progress_of
from services.ingestion.repository.rows import add_rows
from services.kit.postgres import Database, affected

_GET = f"SELECT {COLUMNS} FROM ingestion.imports WHERE user_id = $1 AND id = $2"  # nosec B608
_GET_BY_REQUEST = f"SELECT {COLUMNS} FROM ingestion.imports WHERE user_id = $1 AND request_id = $2"  # nosec B608
_ADD_FILE = """
    INSERT INTO ingestion.uploaded_files (user_id, id, file_hash, filename, upload_type, size_bytes)
    VALUES ($1, $2, $3, $4, 'statement', $5)
"""
_ADD = f"""
    INSERT INTO ingestion.imports (
        user_id, id, request_id, request_hash, file_id, account_id, state, file_name, file_hash, currency, options, lease_expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, 'running', $7, $8, $9, $10::jsonb, now() + $11::float8 * interval '1 second')
    ON CONFLICT (user_id, request_id) DO NOTHING
    RETURNING {COLUMNS}
"""  # nosec B608
_DROP_FILE = "DELETE FROM ingestion.uploaded_files WHERE user_id = $1 AND id = $2"
_CLAIM = f"""
    UPDATE ingestion.imports
    SET state = 'running', attempt = attempt + 1, lease_expires_at = now() + $4::float8 * interval '1 second',
        failure = NULL, failure_reason = '', completed_at = NULL, object_key = '', in_queue = false, begun = 0, tries = 0,
        progress = '{{}}'
    WHERE user_id = $1 AND id = $2 AND attempt = $3
      AND ((state = 'failed' AND (failure ->> 'retryable')::boolean)
           OR (state IN ('pending', 'running') AND lease_expires_at < now() AND object_key = ''))
    RETURNING {COLUMNS}
"""  # nosec B608
_RENEW = """
    UPDATE ingestion.imports SET lease_expires_at = now() + $4::float8 * interval '1 second', progress = $5::jsonb
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
    RETURNING {COLUMNS}
"""  # nosec B608
_FAIL = f"""
    UPDATE ingestion.imports
    SET state = 'failed', lease_expires_at = NULL, completed_at = now(), failure = $4::jsonb, failure_reason = $5
    WHERE user_id = $1 AND id = $2 AND attempt = $3 AND state = 'running'
    RETURNING {COLUMNS}
"""  # nosec B608
# A second undo finds it undone and says the same.
_UNDO = f"""
    UPDATE ingestion.imports SET state = 'undone'
    WHERE user_id = $1 AND id = $2 AND state IN ('succeeded', 'undone')
    RETURNING {COLUMNS}
"""  # nosec B608
_LIST = f"""
    SELECT {COLUMNS} FROM ingestion.imports WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2
"""  # nosec B608
_LIST_AFTER = f"""
    SELECT {COLUMNS} FROM ingestion.imports WHERE user_id = $1 AND (created_at, id) < ($3, $4)
    ORDER BY created_at DESC, id DESC LIMIT $2
"""  # nosec B608


class ImportRecords:
    """One record for each import."""

    _database: Database
    _bulk_statement_timeout_s: float

    async def begin(self, new: NewImport, *, lease_s: float) -> tuple[Import, bool]:
        """See `ImportsRepository`."""
        user_id, file = new.user_id, new.file
        async with self._database.transaction(user_id) as connection:
            if found := await connection.fetchrow(_GET_BY_REQUEST, user_id, new.request_id):
                return import_of(found), False
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
                json_of(options_of(new.options)),
                lease_s,
            )
            if added:
                return import_of(added), True
            # The same request came twice within this moment, and the other one was first.
            await connection.execute(_DROP_FILE, user_id, new.file_id)
            return import_of(await connection.fetchrow(_GET_BY_REQUEST, user_id, new.request_id)), False

    async def get(self, user_id: UUID, import_id: UUID) -> Import | None:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetchrow(_GET, user_id, import_id)
        return import_of(found) if found else None

    async def claim(self, taken: Import, *, lease_s: float) -> Import | None:
        """See `ImportsRepository`."""
        async with self._database.transaction(taken.user_id) as connection:
            found = await connection.fetchrow(_CLAIM, taken.user_id, taken.id, taken.attempt, lease_s)
        return import_of(found) if found else None

    async def find_request(self, user_id: UUID, request_id: str) -> Import | None:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetchrow(_GET_BY_REQUEST, user_id, request_id)
        return import_of(found) if found else None

    async def renew(self, running: Import, *, lease_s: float, progress: Progress) -> bool:
        """See `ImportsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            done = await connection.execute(_RENEW, running.user_id, running.id, running.attempt, lease_s, json_of(progress_of(progress)))
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
                json_of(success.detected),
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
                await add_rows(connection, running, chunk)
            if success.taught is not None:
                await learn(connection, running, success.taught)
        return import_of(found)

    async def fail(self, running: Import, failure: Failure) -> Import | None:
        """See `ImportsRepository`."""
        async with self._database.transaction(running.user_id) as connection:
            found = await connection.fetchrow(
                _FAIL, running.user_id, running.id, running.attempt, json_of(failure_of(failure)), failure.message.replace("\x00", "")
            )
        return import_of(found) if found else None

    async def undone(self, user_id: UUID, import_id: UUID) -> Import | None:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id) as connection:
            record = await connection.fetchrow(_UNDO, user_id, import_id)
            await unlearn(connection, user_id, import_id)
        return import_of(record) if record else None

    async def list_imports(self, user_id: UUID, *, limit: int, after: ImportPosition | None) -> list[Import]:
        """See `ImportsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            if after is None:
                found = await connection.fetch(_LIST, user_id, limit)
            else:
                found = await connection.fetch(_LIST_AFTER, user_id, limit, after.created_at, after.id)
        return [import_of(record) for record in found]
