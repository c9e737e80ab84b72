"""Rules of anomalies as callers see them: what was found, what is no news to them, and when their ledger is looked through."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

import structlog
import uuid_utils.compat

from services.forecasting.anomaly.domain import (
    Anomaly,
    AnomalyFilter,
    AnomalyPosition,
    AnomalyState,
    Scan,
    anomaly_not_found,
    anomaly_resolved,
    scan_not_found,
)
from services.forecasting.anomaly.protocols import AnomaliesRepository
from services.forecasting.jobs.domain import JobKind, NewJob
from services.forecasting.jobs.service import JobsService
from services.kit.errors import ERASED, ResourceExhausted, ScaleError, Unavailable

log = structlog.get_logger()

_DUE_AT_ONCE = 500


class AnomaliesService:
    """Every call names the user, from the verified token."""

    def __init__(self, repository: AnomaliesRepository, jobs: JobsService, *, delay_s: float) -> None:
        """`delay_s`: how long a scan waits when the ledger has just changed."""
        self._repository = repository
        self._jobs = jobs
        self._delay_s = delay_s

    async def list_anomalies(
        self, user_id: UUID, *, where: AnomalyFilter, limit: int, after: AnomalyPosition | None
    ) -> tuple[Sequence[Anomaly], bool, datetime | None]:
        """A page, the latest day first; whether there are more; and as of when the ledger was last looked through."""
        found, scanned_at = await self._repository.list_anomalies(user_id, where=where, limit=limit + 1, after=after)
        return found[:limit], len(found) > limit, scanned_at

    async def get_anomaly(self, user_id: UUID, anomaly_id: UUID) -> Anomaly:
        """One anomaly. Raises NotFound."""
        return _there(anomaly_id, await self._repository.get(user_id, anomaly_id))

    async def dismiss_anomaly(self, user_id: UUID, anomaly_id: UUID) -> Anomaly:
        """It is no news: later scans tell less of the like. Harmless to repeat. Raises NotFound."""
        changed = await self._repository.change_state(user_id, anomaly_id, before=None, after=AnomalyState.DISMISSED)
        return _there(anomaly_id, changed)

    async def reopen_anomaly(self, user_id: UUID, anomaly_id: UUID) -> Anomaly:
        """Takes a dismissal back; scans learn nothing from it any more. Harmless to repeat. Raises NotFound, and FailedPrecondition for one
        that is settled."""
        changed = await self._repository.change_state(user_id, anomaly_id, before=AnomalyState.DISMISSED, after=AnomalyState.OPEN)
        found = _there(anomaly_id, changed)
        if found.state is AnomalyState.RESOLVED:
            raise anomaly_resolved(anomaly_id)
        return found

    async def start_scan(self, user_id: UUID, *, request_id: str, ledger_changed: bool = False) -> Scan:
        """Looks through the ledger in the background, once per request id. While a scan is open it is the answer; if the ledger has
        changed since that one read it, another one follows. Raises what `JobsService.start` raises."""
        delay_s = 0.0
        if ledger_changed:
            # Before anything that may fail: what is noted here is due, whatever becomes of this call.
            await self._repository.note_change(user_id)
            delay_s = self._delay_s
        return await self._start(user_id, request_id, delay_s)

    async def _start(self, user_id: UUID, request_id: str, delay_s: float, *, behind: bool = False) -> Scan:
        request_hash = hashlib.sha256(JobKind.SCAN.value.encode()).digest()
        new = NewJob(uuid_utils.compat.uuid7(), user_id, JobKind.SCAN, request_id, request_hash)
        job = await self._jobs.start(new, partial(self._repository.record_scan, delay_s=delay_s), behind=behind)
        return await self.get_scan(user_id, job.id)

    async def get_scan(self, user_id: UUID, scan_id: UUID) -> Scan:
        """One scan. Raises NotFound."""
        found = await self._repository.get_scan(user_id, scan_id)
        if found is None:
            raise scan_not_found(scan_id)
        return found

    async def scan_again(self, user_id: UUID) -> None:
        """The ledger has changed while it was looked through. Raises what `start_scan` raises."""
        await self._start(user_id, str(uuid_utils.compat.uuid7()), self._delay_s)

    async def start_due_scans(self, act_as: Callable[[UUID], None]) -> int:
        """Begins a scan of each ledger that is due, behind all that people wait for; returns how many. `act_as`: for whom what comes next
        is done."""
        begun = 0
        while users := await self._repository.due(_DUE_AT_ONCE):
            put_off = 0
            for user_id in users:
                act_as(user_id)
                try:
                    begun += await self._start_due(user_id)
                    await self._repository.put_off(user_id)
                except (ResourceExhausted, Unavailable) as error:
                    log.info("ledgers that are due wait", reason=error.reason)
                    return begun
                except ScaleError as error:
                    if error.reason not in ERASED:
                        raise
                    continue
                put_off += 1
            if len(users) < _DUE_AT_ONCE or not put_off:
                break
        return begun

    async def _start_due(self, user_id: UUID) -> int:
        try:
            await self._start(user_id, str(uuid_utils.compat.uuid7()), 0, behind=True)
        except (ResourceExhausted, Unavailable):
            raise
        except ScaleError as error:
            if error.reason in ERASED:
                raise
            # One ledger must not keep all those behind it from being looked through.
            log.error("a ledger that is due could not be looked through", reason=error.reason, error=error.message)
            return 0
        return 1


def _there(anomaly_id: UUID, found: Anomaly | None) -> Anomaly:
    if found is None:
        raise anomaly_not_found(anomaly_id)
    return found
