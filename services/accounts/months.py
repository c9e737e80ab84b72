"""Months of a partitioned ledger are made before their first day."""

from __future__ import annotations

from typing import Protocol

import structlog

from services.kit.errors import DeadlineExceeded

MONTHS_AHEAD = 2

log = structlog.get_logger()


class PartitionsRepository(Protocol):
    """Where the months are."""

    async def create_monthly_partitions(self, months_ahead: int) -> int: ...


class MonthsAhead:
    """Asked by the clock, again and again; there are two months for one of its calls to find the ledger at rest."""

    def __init__(self, repository: PartitionsRepository) -> None:
        self._repository = repository

    async def create_partitions(self) -> None:
        """Makes what is due, unless the ledger is busy now."""
        try:
            made = await self._repository.create_monthly_partitions(MONTHS_AHEAD)
        except DeadlineExceeded:
            log.info("the ledger is busy, its months are made later")
            return
        if made:
            log.info("months made ahead", months=made)
