"""Use-cases of history, for the verified user who asks or for whom a service does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import pyarrow as pa

from services.accounts.history.columns import Sink
from services.accounts.history.domain import DailySumsFilters, HistoryFilters
from services.kit.errors import invalid

_MOST_DAYS = 36_500


class HistoryRepository(Protocol):
    """Where rows and sums come from. Each method is one transaction; a stream hands over all batches but the last, and returns that."""

    async def stream_daily_sums(self, user_id: UUID, filters: DailySumsFilters, sink: Sink) -> pa.RecordBatch: ...

    async def stream_transactions(self, user_id: UUID, filters: HistoryFilters, sink: Sink) -> pa.RecordBatch: ...

    async def long_histories(self, *, least_days: int, limit: int, after: UUID) -> Sequence[UUID]: ...


class HistoryService:
    """The user's whole ledger, batch by batch."""

    def __init__(self, repository: HistoryRepository) -> None:
        self._repository = repository

    async def stream_daily_sums(self, user_id: UUID, filters: DailySumsFilters, sink: Sink) -> pa.RecordBatch:
        """Sums of what is posted, by day. Without transfers they are those of cash flow, with them what balances are made of."""
        _check_days(filters)
        return await self._repository.stream_daily_sums(user_id, filters, sink)

    async def stream_transactions(self, user_id: UUID, filters: HistoryFilters, sink: Sink) -> pa.RecordBatch:
        """What is posted or pending, the oldest first."""
        _check_days(filters)
        return await self._repository.stream_transactions(user_id, filters, sink)

    async def list_long_histories(self, *, least_days: int, limit: int, after: UUID | None) -> tuple[Sequence[UUID], bool]:
        """Users whose posted transactions span so many days, by id, and whether there are more. Which of them: for training alone, which
        the wire sees to."""
        if not 1 <= least_days <= _MOST_DAYS:
            raise invalid("minimum_day_count", f"is {least_days}; 1 to {_MOST_DAYS} days are possible")
        found = await self._repository.long_histories(least_days=least_days, limit=limit + 1, after=after or UUID(int=0))
        return found[:limit], len(found) > limit


def _check_days(filters: HistoryFilters) -> None:
    if filters.date_from and filters.date_to and filters.date_from > filters.date_to:
        raise invalid("date_from", "lies after date_to")
