"""Category statistics and monthly summaries: pages of the figures made ahead, with their age, or of the same made now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.accounts.analytics.domain import (
    CategoryPosition,
    CategoryStatistics,
    CategoryStatisticsFilters,
    CategoryStatisticsPage,
    MonthlySummary,
    MonthlySummaryFilters,
    MonthlySummaryPage,
    MonthPosition,
)
from services.accounts.domain import UNCATEGORIZED
from services.accounts.repository.categories import CategoryRows
from services.kit.cache import Cache
from services.kit.postgres import Connection

_MONTHS_KEPT_S = 1800

# Rows that wait for the next refresh say that the figures are outdated. What a standby says may be behind already.
_SELECT_AGE = """
    SELECT (SELECT made_at FROM accounts.figures WHERE name = $2), EXISTS (SELECT FROM accounts.ledger_changes WHERE user_id = $1),
           pg_is_in_recovery()
"""
_NOW = "SELECT now(), false, true"

_STATISTICS = "category, currency, transaction_count, total, spent, received, first_date, last_date"
_STATISTICS_PAGE = """
     WHERE user_id = $1 AND ($2::text IS NULL OR currency = $2) AND ($3::text IS NULL OR (category, currency) > ($3, $4::text))
     ORDER BY category, currency LIMIT $5
"""
STATISTICS_KEPT = f"SELECT {_STATISTICS} FROM accounts.category_stats {_STATISTICS_PAGE}"  # nosec B608
STATISTICS_NOW = f"SELECT {_STATISTICS} FROM accounts.category_stats_now {_STATISTICS_PAGE}"  # nosec B608

_MONTHS = "month, category, currency, transaction_count, total, average, minimum, maximum"
# A page reads no month after the one in which the last page ended, and no row beyond its own but of that month.
_MONTHS_PAGE = """
     WHERE user_id = $1 AND month BETWEEN $2::text::date AND $3::text::date
       AND ($4::text[] IS NULL OR category = ANY ($4)) AND ($5::text IS NULL OR currency = $5)
       AND ($6::text IS NULL OR month < $3::text::date OR (category, currency) > ($6, $7::text))
     ORDER BY month DESC, category, currency LIMIT $8
"""
MONTHS_KEPT = f"SELECT {_MONTHS} FROM accounts.monthly_spending {_MONTHS_PAGE}"  # nosec B608
MONTHS_NOW = f"SELECT {_MONTHS} FROM accounts.monthly_spending_now {_MONTHS_PAGE}"  # nosec B608


def months_arguments(
    user_id: UUID, filters: MonthlySummaryFilters, categories: list[str] | None, *, after: MonthPosition | None, limit: int
) -> tuple[object, ...]:
    """What both statements take; `categories` is what the filter's category stands for."""
    last, category, currency = after if after is not None else (filters.month_to or date.max, None, None)
    # As text, because the driver takes the calendar's first and last day for endless past and future.
    months = ((filters.month_from or date.min).isoformat(), last.isoformat())
    return user_id, *months, categories, filters.currency, category, currency, limit


class Age(NamedTuple):
    """Of figures, and whether it says nothing about the next moment."""

    made_at: datetime | None
    outdated: bool
    passing: bool


def _lasts(page: CategoryStatisticsPage | MonthlySummaryPage) -> bool:
    return page.lasting


class FigureRows(CategoryRows):
    """The figures of one user. What is up to date is kept in the cache until the user's next change."""

    def _keep_figures(self, cache: Cache) -> None:
        self._forget_taxonomy()
        self._kept_statistics = cache.cached(keep=_lasts)(self._read_statistics)
        self._kept_months = cache.cached(ttl_s=_MONTHS_KEPT_S, keep=_lasts)(self._read_months)

    async def list_category_statistics(
        self, user_id: UUID, filters: CategoryStatisticsFilters, *, fresh: bool, after: CategoryPosition | None, limit: int
    ) -> CategoryStatisticsPage:
        """At most `limit` after `after`, by category, then by currency."""
        read = self._read_statistics if fresh else self._kept_statistics
        return await read(user_id, filters, fresh, after, limit)

    async def list_monthly_summaries(
        self, user_id: UUID, filters: MonthlySummaryFilters, *, fresh: bool, after: MonthPosition | None, limit: int
    ) -> MonthlySummaryPage:
        """At most `limit` after `after`, the latest month first, then by category and currency."""
        read = self._read_months if fresh else self._kept_months
        return await read(user_id, filters, fresh, after, limit)

    async def _read_statistics(
        self, user_id: UUID, filters: CategoryStatisticsFilters, fresh: bool, after: CategoryPosition | None, limit: int
    ) -> CategoryStatisticsPage:
        arguments = (user_id, filters.currency, *(after or (None, None)), limit)
        async with self._database.transaction(user_id, read_only=True, replica=not fresh) as connection:
            made_at, outdated, passing = await self._age(connection, user_id, fresh, "user_category_stats")
            records = await connection.fetch(STATISTICS_NOW if fresh else STATISTICS_KEPT, *arguments)
            primaries = await self._primaries_of(connection, user_id, (record["category"] for record in records))
        found = tuple(CategoryStatistics(primaries.get(record["category"]), *record) for record in records)
        return CategoryStatisticsPage(found, made_at, outdated, lasting=not (outdated or passing))

    async def _read_months(
        self, user_id: UUID, filters: MonthlySummaryFilters, fresh: bool, after: MonthPosition | None, limit: int
    ) -> MonthlySummaryPage:
        async with self._database.transaction(user_id, read_only=True, replica=not fresh) as connection:
            made_at, outdated, passing = await self._age(connection, user_id, fresh, "monthly_spending_summary")
            categories = await self._slugs_below(connection, user_id, filters.category) if filters.category else None
            arguments = months_arguments(user_id, filters, categories, after=after, limit=limit)
            records = await connection.fetch(MONTHS_NOW if fresh else MONTHS_KEPT, *arguments)
            primaries = await self._primaries_of(connection, user_id, (record["category"] for record in records))
        found = tuple(MonthlySummary(primaries.get(record["category"]), *record) for record in records)
        return MonthlySummaryPage(found, made_at, outdated, lasting=not (outdated or passing))

    async def _primaries_of(self, connection: Connection, user_id: UUID, categories: Iterable[str]) -> dict[str, str]:
        return await self._primary_slugs(connection, user_id, set(categories) - {UNCATEGORIZED})

    async def _age(self, connection: Connection, user_id: UUID, fresh: bool, kept: str) -> Age:
        # Before the figures: those that are made anew in between are younger than they say, never older.
        return Age(*await (connection.fetchrow(_NOW) if fresh else connection.fetchrow(_SELECT_AGE, user_id, kept)))
