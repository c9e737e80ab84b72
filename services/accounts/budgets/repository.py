"""Rows of accounts.budgets, and the figures about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from services.accounts.budgets.domain import (
    Budget,
    BudgetFilters,
    BudgetPosition,
    BudgetUtilization,
    NewBudget,
    Utilizations,
    budget_not_found,
    budget_overlaps,
)
from services.accounts.domain import FirstRequest, request_id_reused, unknown_category
from services.accounts.repository.categories import IS_KNOWN
from services.kit.postgres import Connection, Database

_COLUMNS = "id, category, amount, currency, period_start, period_end, roll_over, is_active, created_at, updated_at"
_COLUMN_COUNT = len(_COLUMNS.split(", "))
_SELECT = f"SELECT {_COLUMNS} FROM accounts.budgets WHERE user_id = $1 AND id = $2"  # nosec B608
_SELECT_FOR_UPDATE = f"{_SELECT} FOR UPDATE"  # nosec B608
_SELECT_BY_REQUEST = f"SELECT {_COLUMNS}, request_hash FROM accounts.budgets WHERE user_id = $1 AND request_id = $2"  # nosec B608
# The same lock as the trigger's that refuses overlaps: a repeated request waits here and finds the first one's row, not an overlap with it.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('accounts.budgets ' || $1, 0))"
_INSERT = f"""
    INSERT INTO accounts.budgets (user_id, id, category, amount, currency, period_start, period_end, roll_over, request_id, request_hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {_COLUMNS}
"""  # nosec B608
_UPDATE = f"""
    UPDATE accounts.budgets SET amount = $3, period_start = $4, period_end = $5, roll_over = $6, is_active = $7, updated_at = now()
     WHERE user_id = $1 AND id = $2
    RETURNING {_COLUMNS}
"""  # nosec B608
_DELETE = "DELETE FROM accounts.budgets WHERE user_id = $1 AND id = $2"
SELECT_PAGE = f"""
    SELECT {_COLUMNS} FROM accounts.budgets
     WHERE user_id = $1 AND (is_active OR $2) AND ($3::text IS NULL OR category = $3)
       AND ($4::date IS NULL OR $4 BETWEEN period_start AND period_end)
       AND (period_start, id) < (COALESCE($5::date, 'infinity'), COALESCE($6::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
     ORDER BY period_start DESC, id DESC LIMIT $7
"""  # nosec B608

# Active budgets only. Once from what was made ahead, once made now; both views give the same columns.
_USE_COLUMNS = (
    "budget_id, category, amount, currency, period_start, period_end, roll_over, true, created_at, updated_at, "
    "carried_over, spent, remaining, utilization_percent"
)
_USE_PAGE = """
     WHERE user_id = $1 AND ($2::date IS NULL OR $2 BETWEEN period_start AND period_end)
       AND (period_start, budget_id) < (COALESCE($3::date, 'infinity'), COALESCE($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
     ORDER BY period_start DESC, budget_id DESC LIMIT $5
"""
SELECT_KEPT_PAGE = f"SELECT {_USE_COLUMNS} FROM accounts.budget_use {_USE_PAGE}"  # nosec B608
SELECT_PAGE_NOW = f"SELECT {_USE_COLUMNS} FROM accounts.budget_use_now {_USE_PAGE}"  # nosec B608
# Category and currency say which chain: the others are not summed up.
SELECT_ONE_NOW = f"""
    SELECT {_USE_COLUMNS} FROM accounts.budget_use_now WHERE user_id = $1 AND category = $2 AND currency = $3 AND budget_id = $4
"""  # nosec B608
_SELECT_AGE = """
    SELECT (SELECT made_at FROM accounts.figures WHERE name = 'budget_utilization'),
           EXISTS (SELECT FROM accounts.ledger_changes WHERE user_id = $1)
"""
_NOW = "SELECT now(), false"


class PostgresBudgetsRepository:
    """Each user's budgets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_budget(self, user_id: UUID, new: NewBudget, request: FirstRequest) -> Budget:
        """Adds a budget, or returns the one that the same request added before.

        Raises AlreadyExists for days that another one has and for another request under the same id, and InvalidArgument for a category
        that the user does not have.
        """
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_LOCK, str(user_id))
            before = await connection.fetchrow(_SELECT_BY_REQUEST, user_id, request.request_id)
            if before is not None:
                if before["request_hash"] != request.content_hash:
                    raise request_id_reused(request.request_id)
                return _budget(before)
            if not await connection.fetchval(IS_KNOWN, user_id, new.category):
                raise unknown_category(new.category)
            values = (new.category, new.amount, new.currency, new.period_start, new.period_end, new.roll_over)
            return await _write(connection, _INSERT, user_id, uuid7(), *values, request.request_id, request.content_hash)

    async def get_budget(self, user_id: UUID, budget_id: UUID) -> tuple[Budget, BudgetUtilization | None]:
        """One budget and how far it is used by now; None for one that is switched off. Raises NotFound."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            record = await connection.fetchrow(_SELECT, user_id, budget_id)
            if record is None:
                raise budget_not_found(budget_id)
            budget = _budget(record)
            used = await connection.fetchrow(SELECT_ONE_NOW, user_id, budget.category, budget.currency, budget_id)
        return budget, _utilization(used) if used is not None else None

    async def list_budgets(self, user_id: UUID, filters: BudgetFilters, *, after: BudgetPosition | None, limit: int) -> list[Budget]:
        """At most `limit` budgets after `after`, the latest period first."""
        arguments = (user_id, filters.include_inactive, filters.category, filters.on_date, *(after or (None, None)), limit)
        async with self._database.transaction(user_id, read_only=True) as connection:
            records = await connection.fetch(SELECT_PAGE, *arguments)
        return [_budget(record) for record in records]

    async def change_budget(self, user_id: UUID, budget_id: UUID, change: Callable[[Budget], Budget]) -> Budget:
        """Stores what `change` makes of the budget. Raises NotFound, AlreadyExists for another one's days, and what `change` raises."""
        async with self._database.transaction(user_id) as connection:
            record = await connection.fetchrow(_SELECT_FOR_UPDATE, user_id, budget_id)
            if record is None:
                raise budget_not_found(budget_id)
            new = change(_budget(record))
            return await _write(
                connection, _UPDATE, user_id, budget_id, new.amount, new.period_start, new.period_end, new.roll_over, new.active
            )

    async def delete_budget(self, user_id: UUID, budget_id: UUID) -> None:
        """Takes a budget away, if it is there."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_DELETE, user_id, budget_id)

    async def list_utilizations(
        self, user_id: UUID, on_date: date | None, *, fresh: bool, after: BudgetPosition | None, limit: int
    ) -> Utilizations:
        """At most `limit` active budgets after `after`, the latest period first, with how far they are used: by now, or as made ahead."""
        arguments = (user_id, on_date, *(after or (None, None)), limit)
        async with self._database.transaction(user_id, read_only=True) as connection:
            # The age first: figures that are made anew in between are younger than they say, never older.
            made_at, outdated = await (connection.fetchrow(_NOW) if fresh else connection.fetchrow(_SELECT_AGE, user_id))
            records = await connection.fetch(SELECT_PAGE_NOW if fresh else SELECT_KEPT_PAGE, *arguments)
        return Utilizations([_utilization(record) for record in records], made_at, outdated)


async def _write(connection: Connection, statement: str, *values: object) -> Budget:
    try:
        return _budget(await connection.fetchrow(statement, *values))
    except asyncpg.ExclusionViolationError as error:
        raise budget_overlaps(error.detail or "") from None


def _budget(record: Sequence[Any]) -> Budget:
    return Budget(*tuple(record)[:_COLUMN_COUNT])


def _utilization(record: Sequence[Any]) -> BudgetUtilization:
    values = tuple(record)
    return BudgetUtilization(Budget(*values[:_COLUMN_COUNT]), *values[_COLUMN_COUNT:])
