"""Anomalies in memory: their records, a ledger to look through, and findings by the dozen."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import polars as pl
import uuid_utils.compat

from services.forecasting.anomaly.domain import (
    Anomaly,
    AnomalyFilter,
    AnomalyKind,
    AnomalyPosition,
    AnomalyState,
    Finding,
    Outcome,
    Scan,
    ScanState,
    Severity,
)
from services.forecasting.anomaly.findings.columns import HISTORY
from services.forecasting.anomaly.findings.wording import key_of
from services.forecasting.domain import Recurring
from services.forecasting.jobs.domain import Begun, Job, JobKind, NewJob
from tests.support.forecasting_job_fakes import FakeJobsRepository

_LEVELS = list(Severity)


def finding(about: str = "a", **more: object) -> Finding:
    """One odd payment."""
    transaction_id = uuid_utils.compat.uuid7()
    kind = more.get("kind", AnomalyKind.UNUSUAL_AMOUNT)
    assert isinstance(kind, AnomalyKind)
    usual = Finding(
        kind=kind,
        severity=Severity.MEDIUM,
        score=0.9,
        reason=f"{about} took 80.00 EUR: 4.0 times the usual 20.00",
        evidence={"usual_amount": "20.00", "payments_before": 12, "earlier_dates": ["2026-02-01", "2026-02-08"]},
        transaction_ids=(transaction_id,),
        account_id=uuid_utils.compat.uuid7(),
        category="dining",
        merchant=about,
        amount=Decimal("-80.0000"),
        currency="EUR",
        occurred_on=date(2026, 3, 1),
        key=key_of(kind, about),
    )
    return dataclasses.replace(usual, **more)  # type: ignore[arg-type]


def kept(one: Finding, state: AnomalyState = AnomalyState.OPEN) -> Anomaly:
    """As it is known later."""
    now = datetime.now(UTC)
    known = {name.name: getattr(one, name.name) for name in dataclasses.fields(Finding)}
    closed_at = now if state is not AnomalyState.OPEN else None
    return Anomaly(id=uuid_utils.compat.uuid7(), state=state, created_at=now, closed_at=closed_at, **known)


@dataclass
class _Ledger:
    changed_at: datetime
    due_at: datetime
    scanned_at: datetime | None = None


@dataclass
class FakeAnomalies:
    """`AnomaliesRepository`."""

    jobs: FakeJobsRepository = field(default_factory=FakeJobsRepository)
    rows: dict[tuple[UUID, UUID], Anomaly] = field(default_factory=dict)
    scans: dict[tuple[UUID, UUID], tuple[int, int, int]] = field(default_factory=dict)
    ledgers: dict[UUID, _Ledger] = field(default_factory=dict)
    _told: datetime = field(default=datetime(2000, 1, 1, tzinfo=UTC))

    async def get(self, user_id: UUID, anomaly_id: UUID) -> Anomaly | None:
        """See `AnomaliesRepository`."""
        return self.rows.get((user_id, anomaly_id))

    async def list_anomalies(
        self, user_id: UUID, *, where: AnomalyFilter, limit: int, after: AnomalyPosition | None
    ) -> tuple[Sequence[Anomaly], datetime | None]:
        """See `AnomaliesRepository`."""
        found = [
            one
            for (owner, _), one in self.rows.items()
            if owner == user_id
            and where.state in (None, one.state)
            and where.kind in (None, one.kind)
            and (where.minimum_severity is None or _LEVELS.index(one.severity) >= _LEVELS.index(where.minimum_severity))
            and where.account_id in (None, one.account_id)
            and (where.date_from is None or one.occurred_on >= where.date_from)
            and (where.date_to is None or one.occurred_on <= where.date_to)
            and (after is None or (one.occurred_on, one.id) < (after.occurred_on, after.id))
        ]
        found.sort(key=lambda one: (one.occurred_on, one.id), reverse=True)
        ledger = self.ledgers.get(user_id)
        return found[:limit], ledger.scanned_at if ledger is not None else None

    async def change_state(self, user_id: UUID, anomaly_id: UUID, *, before: AnomalyState | None, after: AnomalyState) -> Anomaly | None:
        """See `AnomaliesRepository`."""
        one = self.rows.get((user_id, anomaly_id))
        if one is not None and one.state is not after and before in (None, one.state):
            self._put(user_id, one, after)
        return self.rows.get((user_id, anomaly_id))

    def _put(self, user_id: UUID, one: Anomaly, state: AnomalyState) -> None:
        closed_at = self._now() if state is not AnomalyState.OPEN else None
        self.rows[user_id, one.id] = dataclasses.replace(one, state=state, closed_at=closed_at)

    def _now(self) -> datetime:
        """Never the same moment twice."""
        self._told = max(datetime.now(UTC), self._told + timedelta(microseconds=1))
        return self._told

    async def note_change(self, user_id: UUID) -> None:
        """See `AnomaliesRepository`."""
        now = self._now()
        ledger = self.ledgers.setdefault(user_id, _Ledger(now, now))
        ledger.changed_at, ledger.due_at = now, min(ledger.due_at, now)

    async def record_scan(self, new: NewJob, *, lease_s: float, most_open: int, delay_s: float = 0) -> tuple[Job, Begun]:
        """See `AnomaliesRepository`."""
        return await self.jobs.begin(new, lease_s=lease_s, most_open=most_open, delay_s=delay_s)

    async def get_scan(self, user_id: UUID, scan_id: UUID) -> Scan | None:
        """See `AnomaliesRepository`."""
        job = await self.jobs.get(user_id, scan_id)
        if job is None or job.kind is not JobKind.SCAN:
            return None
        counts = self.scans.get((user_id, scan_id), (0, 0, 0))
        return Scan(scan_id, ScanState(job.state), *counts, job.error_message, job.error_reason, job.created_at, job.completed_at)

    async def now(self) -> datetime:
        """See `AnomaliesRepository`."""
        return self._now()

    async def known(self, user_id: UUID) -> Sequence[Anomaly]:
        """See `AnomaliesRepository`."""
        return [one for (owner, _), one in self.rows.items() if owner == user_id]

    async def conclude(self, running: Job, outcome: Outcome, *, cutoff: datetime) -> bool | None:
        """See `AnomaliesRepository`."""
        if not await self.jobs.succeed(running):
            return None
        user_id, found, resolved = running.user_id, 0, 0
        keys = {one.key for one in await self.known(user_id)}
        for new in outcome.added:
            if new.key not in keys:
                one = kept(dataclasses.replace(new, evidence=json.loads(json.dumps(dict(new.evidence)))))
                self.rows[user_id, one.id], found = one, found + 1
        for settled, before, after in (
            (outcome.resolved, AnomalyState.OPEN, AnomalyState.RESOLVED),
            (outcome.reopened, AnomalyState.RESOLVED, AnomalyState.OPEN),
        ):
            for one in [self.rows[user_id, anomaly_id] for anomaly_id in settled if (user_id, anomaly_id) in self.rows]:
                if one.state is before:
                    self._put(user_id, one, after)
                    resolved += after is AnomalyState.RESOLVED
        self.scans[user_id, running.id] = (outcome.transaction_count, found, resolved)
        ledger = self.ledgers.setdefault(user_id, _Ledger(cutoff, cutoff))
        changed = ledger.changed_at > cutoff
        ledger.scanned_at, ledger.due_at = cutoff, self._now() + timedelta(hours=0 if changed else 24)
        return changed

    async def due(self, limit: int) -> Sequence[UUID]:
        """See `AnomaliesRepository`."""
        now = self._now()
        found = sorted((ledger.due_at, user_id) for user_id, ledger in self.ledgers.items() if ledger.due_at <= now)
        return [user_id for _, user_id in found[:limit]]

    async def put_off(self, user_id: UUID) -> None:
        """See `AnomaliesRepository`."""
        ledger, now = self.ledgers.get(user_id), self._now()
        if ledger is not None and ledger.due_at <= now:
            ledger.due_at = now + timedelta(hours=6)


@dataclass
class FakeLedger:
    """What a scan reads. `error` is raised while it is set."""

    rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=HISTORY))
    recurring: Sequence[Recurring] = ()
    error: Exception | None = None
    reads: int = 0

    async def transactions(self) -> pl.DataFrame:
        """See `Ledger`."""
        self.reads += 1
        if self.error is not None:
            raise self.error
        return self.rows

    async def recurring_payments(self) -> Sequence[Recurring]:
        """See `Ledger`."""
        return self.recurring
