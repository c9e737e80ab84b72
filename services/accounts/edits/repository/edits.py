"""Rows of accounts.edits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.accounts.domain import CategorySource, FirstRequest, request_id_reused, unknown_category
from services.accounts.edits.domain import Edit, EditChanges, Undone, edit_expired, edit_not_found
from services.accounts.edits.repository.changing import (
    EDIT_COLUMNS,
    Arguments,
    Origin,
    RowChanges,
    Target,
    change_rows,
    count_rows,
    restore_rows,
    store_edit,
)
from services.accounts.filters import Expression
from services.accounts.repository.categories import CategoryRows
from services.accounts.repository.conditions import filter_condition
from services.accounts.repository.locking import DECISION_TIMEOUT_S, lock_user
from services.kit.postgres import Connection, Database

_SELECT_ONE = f"SELECT {EDIT_COLUMNS}, is_expired FROM accounts.edits WHERE user_id = $1 AND id = $2"  # nosec B608 - only constants
SELECT_PAGE = f"""
    SELECT {EDIT_COLUMNS} FROM accounts.edits
     WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2)
     ORDER BY id DESC LIMIT $3
"""  # nosec B608
_SELECT_BY_REQUEST = f"""
    SELECT {EDIT_COLUMNS}, request_hash FROM accounts.edits WHERE user_id = $1 AND request_id = $2
"""  # nosec B608


async def repeated_edit(connection: Connection, user_id: UUID, request: FirstRequest) -> Edit | None:
    """The edit that the same request made before. Raises AlreadyExists for another request under the same id."""
    record = await connection.fetchrow(_SELECT_BY_REQUEST, user_id, request.request_id)
    if record is None:
        return None
    *columns, content_hash = record
    if content_hash != request.content_hash:
        raise request_id_reused(request.request_id)
    return Edit(*columns)


class PostgresEditsRepository(CategoryRows):
    """Edits of each user. Each public method is one transaction, as the user whose rows it touches."""

    def __init__(
        self, database: Database, *, bulk_statement_timeout_s: float, lifetime: timedelta, lock_timeout_s: float = DECISION_TIMEOUT_S
    ) -> None:
        """`lifetime`: how long an edit can be taken back; timeouts in seconds: for each statement, and for waiting for an import."""
        self._database = database
        self._bulk_statement_timeout_s = bulk_statement_timeout_s
        self._lifetime = lifetime
        self._lock_timeout_s = lock_timeout_s
        self._forget_taxonomy()

    async def edit_transactions(
        self, user_id: UUID, filter_text: str, expression: Expression, changes: EditChanges, request: FirstRequest
    ) -> Edit:
        """Changes what the filter finds, or returns the edit that the same request made before. Raises AlreadyExists, InvalidArgument."""
        async with self._database.transaction(user_id, statement_timeout_s=self._bulk_statement_timeout_s) as connection:
            await lock_user(connection, user_id, timeout_s=self._lock_timeout_s)
            repeated = await repeated_edit(connection, user_id, request)
            if repeated is not None:
                return repeated
            target = await self._target(connection, user_id, expression, changes)
            changed = await change_rows(connection, user_id, _row_changes(changes), target)
            return await store_edit(connection, user_id, changed, Origin(filter_text, self._lifetime, request))

    async def try_edit(self, user_id: UUID, filter_text: str, expression: Expression, changes: EditChanges) -> Edit:
        """What `edit_transactions` would do; nothing is changed. Raises InvalidArgument."""
        async with self._database.transaction(user_id, read_only=True, statement_timeout_s=self._bulk_statement_timeout_s) as connection:
            target = await self._target(connection, user_id, expression, changes)
            matched, changed = await count_rows(connection, _row_changes(changes), target)
        now = datetime.now(UTC)
        return Edit(None, filter_text, matched, changed, now, now + self._lifetime)

    async def get_edit(self, user_id: UUID, edit_id: UUID) -> Edit:
        """One edit. Raises NotFound."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return (await _find(connection, user_id, edit_id))[0]

    async def list_edits(self, user_id: UUID, *, after: UUID | None, limit: int) -> list[Edit]:
        """At most `limit` edits after `after`, the newest first."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return [Edit(*record) for record in await connection.fetch(SELECT_PAGE, user_id, after, limit)]

    async def undo_edit(self, user_id: UUID, edit_id: UUID) -> tuple[Edit, Undone]:
        """Takes an edit back, but for transactions that were changed since. Raises NotFound, and FailedPrecondition when it is too old."""
        async with self._database.transaction(user_id, statement_timeout_s=self._bulk_statement_timeout_s) as connection:
            await lock_user(connection, user_id, timeout_s=self._lock_timeout_s)
            edit, is_expired = await _find(connection, user_id, edit_id)
            if is_expired:
                raise edit_expired(edit_id, edit.expires_at)
            return await restore_rows(connection, user_id, edit)

    async def _target(self, connection: Connection, user_id: UUID, expression: Expression, changes: EditChanges) -> Target:
        if changes.category and not await self._is_known(connection, user_id, changes.category):
            raise unknown_category(changes.category)
        arguments = Arguments(user_id)
        condition = await filter_condition(connection, user_id, expression, arguments.add, table="t")
        return Target(condition, arguments)


async def _find(connection: Connection, user_id: UUID, edit_id: UUID) -> tuple[Edit, bool]:
    record = await connection.fetchrow(_SELECT_ONE, user_id, edit_id)
    if record is None:
        raise edit_not_found(edit_id)
    *columns, is_expired = record
    edit = Edit(*columns)
    return edit, is_expired or edit.expires_at <= datetime.now(UTC)


def _row_changes(changes: EditChanges) -> RowChanges:
    return RowChanges(CategorySource.USER, category=changes.category, note=changes.note, status=changes.status)
