"""Money in and out per period, added up where the rows are."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from services.accounts.analytics.domain import CashFlow, CashFlowFilters, CashFlowPosition
from services.kit.postgres import Database

# Before all others: no currency is as small as none.
_FIRST = CashFlowPosition(date.min, "")

# Weeks of PostgreSQL begin on Monday, as ISO 8601 has it; the last one of all ends within the calendar.
_SELECT = """
    SELECT period_start, LEAST((period_start + ('1 ' || $2)::interval - interval '1 day')::date, '9999-12-31'::date), currency,
           COALESCE(sum(amount) FILTER (WHERE amount > 0), 0), COALESCE(-sum(amount) FILTER (WHERE amount < 0), 0), count(*)
      FROM (SELECT date_trunc($2, transaction_date::timestamp)::date AS period_start, currency, amount
              FROM accounts.counted_transactions
             WHERE user_id = $1 AND transaction_date BETWEEN $3 AND $4
               AND ($5::uuid IS NULL OR account_id = $5) AND ($6::text IS NULL OR currency = $6)) AS moved
     WHERE (period_start, currency) > ($7::text::date, $8)
     GROUP BY period_start, currency ORDER BY period_start, currency LIMIT $9
"""


def cash_flow_statement(
    user_id: UUID, filters: CashFlowFilters, *, after: CashFlowPosition | None, limit: int
) -> tuple[str, tuple[object, ...]]:
    """The statement of one page and its arguments."""
    after = after or _FIRST
    # A page reads no row of the periods before it.
    date_from = max(filters.date_from or date.min, after.period_start)
    date_to = filters.date_to or date.max
    # As text, because the driver takes the calendar's first and last day for endless past and future.
    position = (after.period_start.isoformat(), after.currency)
    return _SELECT, (user_id, filters.granularity, date_from, date_to, filters.account_id, filters.currency, *position, limit)


class CashFlowRows:
    """The ledger's days, added up."""

    _database: Database

    async def list_cash_flow(
        self, user_id: UUID, filters: CashFlowFilters, *, after: CashFlowPosition | None, limit: int
    ) -> list[CashFlow]:
        """At most `limit` periods after `after`, the earliest first; those in which nothing moved are left out."""
        statement, arguments = cash_flow_statement(user_id, filters, after=after, limit=limit)
        async with self._database.transaction(user_id, read_only=True, replica=True) as connection:
            return [CashFlow(*record) for record in await connection.fetch(statement, *arguments)]
