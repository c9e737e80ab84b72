"""Use-cases of analytics, for the verified user who asks."""

from __future__ import annotations

from datetime import date
from typing import Protocol
from uuid import UUID

from services.accounts.analytics.domain import CashFlow, CashFlowFilters, CashFlowPosition
from services.kit.errors import invalid
from services.kit.pagination import PageTokens, page_size


class AnalyticsRepository(Protocol):
    """What figures are made from. Each method is one transaction and touches only rows of `user_id`."""

    async def list_cash_flow(
        self, user_id: UUID, filters: CashFlowFilters, *, after: CashFlowPosition | None, limit: int
    ) -> list[CashFlow]: ...


class AnalyticsService:
    """Figures about the user's ledger."""

    def __init__(self, repository: AnalyticsRepository, page_tokens: PageTokens) -> None:
        self._repository = repository
        self._page_tokens = page_tokens

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
