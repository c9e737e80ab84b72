"""A scan: reads the ledger once, finds what is odd, and stores what that changes in what is known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Protocol
from uuid import UUID

import polars as pl
import structlog

from services.forecasting.anomaly.domain import Anomaly, Dismissed, Finding, Outcome
from services.forecasting.anomaly.findings import find_anomalies
from services.forecasting.anomaly.merging import dismissed_of, merge
from services.forecasting.anomaly.protocols import AnomaliesRepository
from services.forecasting.anomaly.regimes import find_regime_changes
from services.forecasting.domain import Recurring
from services.forecasting.jobs.domain import Job
from services.kit.errors import ScaleError
from services.kit.job_runs import attempt_over

log = structlog.get_logger()


class LedgerReads(Protocol):
    """What a scan reads: `Ledger`."""

    async def transactions(self) -> pl.DataFrame:
        """See there."""

    async def recurring_payments(self) -> Sequence[Recurring]:
        """See there."""


class ScansAgain(Protocol):
    """Who begins scans: `AnomaliesService`."""

    async def scan_again(self, user_id: UUID) -> None:
        """See there."""


class Finds(Protocol):
    """What finds odd payments: `find_anomalies`."""

    def __call__(
        self, history: pl.DataFrame, *, today: date, recurring: Sequence[Recurring], dismissed: Sequence[Dismissed]
    ) -> list[Finding]:
        """See there."""


def today() -> date:
    """What comes later has not happened."""
    return datetime.now(UTC).date()


class ScanWork:
    """`JobWork` of scans. It begins anew each time, which takes seconds; what it comes to is stored all at once."""

    def __init__(self, repository: AnomaliesRepository, ledger: LedgerReads, scans: ScansAgain, find: Finds = find_anomalies) -> None:
        self._repository = repository
        self._find = find
        self._ledger = ledger
        self._scans = scans

    async def carry_out(self, running: Job) -> None:
        """See `JobWork`."""
        # Before the ledger is read: what changes from here on may not be in what is read.
        cutoff = await self._repository.now()
        history = await self._ledger.transactions()
        recurring = await self._ledger.recurring_payments()
        known = await self._repository.known(running.user_id)
        outcome = await asyncio.to_thread(look_through, history, recurring, known, today(), self._find)
        changed = await self._repository.conclude(running, outcome, cutoff=cutoff)
        if changed is None:
            raise attempt_over(running.id)
        log.info("a ledger was looked through", rows=history.height, found=len(outcome.added), resolved=len(outcome.resolved))
        if changed:
            await self._follow(running.user_id)

    async def _follow(self, user_id: UUID) -> None:
        try:
            await self._scans.scan_again(user_id)
        except ScaleError as error:
            # The ledger is due: the clock finds it.
            log.warning("a ledger that has changed is looked through later", reason=error.reason)


def look_through(history: pl.DataFrame, recurring: Sequence[Recurring], known: Sequence[Anomaly], now: date, find: Finds) -> Outcome:
    """What a user's `history` changes in what is `known` of it.

    As of its last day, not of today: nobody knows what came since, and a payment that is not in it yet was not missed.
    """
    last = history["date"].max()
    if not isinstance(last, date):
        return merge(known, [], history, today=now)
    as_of = min(last, now)
    found = find(history, today=as_of, recurring=recurring, dismissed=dismissed_of(known))
    found += find_regime_changes(history, today=as_of)
    return merge(known, found, history, today=as_of)
