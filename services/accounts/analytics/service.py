"""Use-cases of analytics, for the verified user who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Protocol
from uuid import UUID

import polars as pl

from services.accounts.analytics.domain import (
    CashFlow,
    CashFlowFilters,
    CashFlowPosition,
    CategoryPosition,
    CategoryStatisticsFilters,
    CategoryStatisticsPage,
    MonthlySummaryFilters,
    MonthlySummaryPage,
    MonthPosition,
    RecurrenceStatus,
    RecurringPayment,
    RecurringPayments,
)
from services.accounts.analytics.recurring import find_recurring, order
from services.kit.errors import invalid
from services.kit.pagination import PageTokens, page_size


class AnalyticsRepository(Protocol):
    """What figures are made from. Each method is one transaction and touches only rows of `user_id`."""

    async def list_cash_flow(
        self, user_id: UUID, filters: CashFlowFilters, *, after: CashFlowPosition | None, limit: int
    ) -> list[CashFlow]: ...

    async def list_category_statistics(
        self, user_id: UUID, filters: CategoryStatisticsFilters, *, fresh: bool, after: CategoryPosition | None, limit: int
    ) -> CategoryStatisticsPage: ...

    async def list_monthly_summaries(
        self, user_id: UUID, filters: MonthlySummaryFilters, *, fresh: bool, after: MonthPosition | None, limit: int
    ) -> MonthlySummaryPage: ...

    async def recurring_rows(self, user_id: UUID) -> pl.DataFrame: ...


Find = Callable[[UUID, date], Awaitable[RecurringPayments]]


class AnalyticsService:
    """Figures about the user's ledger."""

    def __init__(
        self, repository: AnalyticsRepository, page_tokens: PageTokens, *, cached: Callable[[Find], Find] = lambda find: find
    ) -> None:
        """`cached` makes a function keep its answers until the user's next change."""
        self._repository = repository
        self._page_tokens = page_tokens
        self._find = cached(self._find_recurring)

    async def list_cash_flow(
        self, user_id: UUID, filters: CashFlowFilters, *, requested_size: int, token: str
    ) -> tuple[list[CashFlow], str]:
        """One page, the earliest first, and the token of the next one; empty on the last page."""
        if filters.date_from and filters.date_to and filters.date_from > filters.date_to:
            raise invalid("date_from", "lies after date_to")
        size = page_size(requested_size)
        bound = f"cash_flow {filters!r}"
        after = None
        if token:
            start, currency = self._page_tokens.decode(token, user_id=user_id, filters=bound)
            after = CashFlowPosition(date.fromisoformat(start), currency)
        found = await self._repository.list_cash_flow(user_id, filters, after=after, limit=size + 1)
        if len(found) <= size:
            return found, ""
        last = found[size - 1]
        position = (last.period_start.isoformat(), last.currency)
        return found[:size], self._page_tokens.encode(user_id=user_id, filters=bound, position=position)

    async def list_category_statistics(
        self, user_id: UUID, filters: CategoryStatisticsFilters, *, fresh: bool, requested_size: int, token: str
    ) -> tuple[CategoryStatisticsPage, str]:
        """One page, by category and currency, and the token of the next one; empty on the last page."""
        size = page_size(requested_size)
        bound = f"category_statistics {filters!r} {fresh}"
        after = CategoryPosition(*self._page_tokens.decode(token, user_id=user_id, filters=bound)) if token else None
        page = await self._repository.list_category_statistics(user_id, filters, fresh=fresh, after=after, limit=size + 1)
        if len(page.statistics) <= size:
            return page, ""
        last = page.statistics[size - 1]
        position = (last.category, last.currency)
        page = replace(page, statistics=page.statistics[:size])
        return page, self._page_tokens.encode(user_id=user_id, filters=bound, position=position)

    async def list_monthly_summaries(
        self, user_id: UUID, filters: MonthlySummaryFilters, *, fresh: bool, requested_size: int, token: str
    ) -> tuple[MonthlySummaryPage, str]:
        """One page, the latest month first, and the token of the next one; empty on the last page. Months may be given by any day."""
        filters = replace(filters, month_from=_first_day(filters.month_from), month_to=_first_day(filters.month_to))
        if filters.month_from and filters.month_to and filters.month_from > filters.month_to:
            raise invalid("month_from", "lies after month_to")
        size = page_size(requested_size)
        bound = f"monthly_summaries {filters!r} {fresh}"
        after = None
        if token:
            month, category, currency = self._page_tokens.decode(token, user_id=user_id, filters=bound)
            after = MonthPosition(date.fromisoformat(month), category, currency)
        page = await self._repository.list_monthly_summaries(user_id, filters, fresh=fresh, after=after, limit=size + 1)
        if len(page.summaries) <= size:
            return page, ""
        last = page.summaries[size - 1]
        position = (last.month.isoformat(), last.category, last.currency)
        page = replace(page, summaries=page.summaries[:size])
        return page, self._page_tokens.encode(user_id=user_id, filters=bound, position=position)

    async def list_recurring_payments(
        self, user_id: UUID, *, is_debit: bool | None, status: RecurrenceStatus | None, requested_size: int, token: str
    ) -> tuple[list[RecurringPayment], date | None, str]:
        """One page, the next expected first; the ledger's latest day; and the token of the next page, empty on the last one."""
        size = page_size(requested_size)
        bound = f"recurring {is_debit} {status}"
        after = self._page_tokens.decode(token, user_id=user_id, filters=bound) if token else ("", "")
        known = await self._find(user_id, datetime.now(UTC).date())
        found = [one for one in known.payments if order(one) > after and is_debit in (None, one.is_debit) and status in (None, one.status)]
        if len(found) <= size:
            return found, known.as_of, ""
        return found[:size], known.as_of, self._page_tokens.encode(user_id=user_id, filters=bound, position=order(found[size - 1]))

    async def _find_recurring(self, user_id: UUID, today: date) -> RecurringPayments:
        rows = await self._repository.recurring_rows(user_id)
        return await asyncio.to_thread(find_recurring, rows, today=today)


def _first_day(month: date | None) -> date | None:
    return month.replace(day=1) if month else None
