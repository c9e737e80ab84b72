"""What anomalies need from what lies around them: their records, and who begins a scan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.forecasting.anomaly.domain import Anomaly, AnomalyFilter, AnomalyPosition, AnomalyState, Outcome, Scan
from services.forecasting.jobs.domain import Begun, Job, NewJob


class AnomaliesRepository(Protocol):
    """Where anomalies, and looks for them, are kept. Each method is one transaction of one user, unless it says otherwise."""

    async def get(self, user_id: UUID, anomaly_id: UUID) -> Anomaly | None:
        """One anomaly."""

    async def list_anomalies(
        self, user_id: UUID, *, where: AnomalyFilter, limit: int, after: AnomalyPosition | None
    ) -> tuple[Sequence[Anomaly], datetime | None]:
        """The latest day first; and as of when the ledger was last looked through."""

    async def change_state(self, user_id: UUID, anomaly_id: UUID, *, before: AnomalyState | None, after: AnomalyState) -> Anomaly | None:
        """As it stands now; None when there is none. It is put `after` only from the state `before`; None: from any."""

    async def note_change(self, user_id: UUID) -> None:
        """The ledger has changed just now, and is due."""

    async def record_scan(self, new: NewJob, *, lease_s: float, most_open: int, delay_s: float = 0) -> tuple[Job, Begun]:
        """See `jobs.protocols.Record`. With `delay_s` nobody takes it up before, unless it is asked for again without."""

    async def get_scan(self, user_id: UUID, scan_id: UUID) -> Scan | None:
        """One scan."""

    async def now(self) -> datetime:
        """By the clock that says when a ledger has changed. As nobody."""

    async def known(self, user_id: UUID) -> Sequence[Anomaly]:
        """All, whatever became of them."""

    async def conclude(self, running: Job, outcome: Outcome, *, cutoff: datetime) -> bool | None:
        """Stores what a scan came to, with its success; whether the ledger has changed since `cutoff`, so that it is due again. None, and
        nothing is stored, when the attempt is over."""

    async def due(self, limit: int) -> Sequence[UUID]:
        """Users of whom the ledger is to be looked through, the longest due first. As nobody."""

    async def put_off(self, user_id: UUID) -> None:
        """Begun: should it come to nothing, it is due again in some hours."""
