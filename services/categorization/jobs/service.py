"""Rules of jobs as callers see them: begun once per request id, told how far they are, their answers by pages."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

import structlog
import uuid_utils.compat

from services.categorization.domain import MOST_INPUTS, Classification, Payment, queue_missing, request_reused
from services.categorization.jobs.domain import (
    Begun,
    Job,
    JobKind,
    JobState,
    NewJob,
    job_not_found,
    job_open,
    no_results,
    queue_full,
    results_expired,
    too_many_open,
)
from services.categorization.jobs.protocols import JobQueue, JobsRepository
from services.categorization.metrics import JOBS
from services.kit.errors import Unavailable

log = structlog.get_logger()


class JobsService:
    """Every call names the user, from the verified token."""

    def __init__(
        self, repository: JobsRepository, queue: JobQueue | None, *, max_queued: int, max_open: int, message_lease_s: float
    ) -> None:
        """Without a queue no job is begun. `max_open` of one user go on at the same time. `message_lease_s`: after how long a message is
        looked for."""
        self._repository = repository
        self._queue = queue
        self._max_queued = max_queued
        self._max_open = max_open
        self._message_lease_s = message_lease_s

    async def start_classification(self, user_id: UUID, payments: Sequence[Payment], *, request_id: str) -> Job:
        """Classifies in the background. Raises AlreadyExists for a request id with other payments, ResourceExhausted when too many wait,
        or are the user's and open."""
        chunks = [payments[start : start + MOST_INPUTS] for start in range(0, len(payments), MOST_INPUTS)]
        return await self._start(user_id, JobKind.CLASSIFICATION, _digest(payments), request_id, chunks)

    async def start_recategorization(self, user_id: UUID, *, request_id: str) -> Job:
        """Classifies the ledger anew. Raises FailedPrecondition while another one is open, and what `start_classification` does."""
        return await self._start(user_id, JobKind.RECATEGORIZATION, b"", request_id, [])

    async def start_discovery(self, user_id: UUID, *, request_id: str) -> Job:
        """Looks for new categories. Raises what `start_recategorization` does."""
        return await self._start(user_id, JobKind.DISCOVERY, b"", request_id, [])

    async def _start(self, user_id: UUID, kind: JobKind, content: bytes, request_id: str, chunks: Sequence[Sequence[Payment]]) -> Job:
        if self._queue is None:
            raise queue_missing()
        request_hash = hashlib.sha256(kind.value.encode() + b"\x00" + content).digest()
        found = await self._repository.find(user_id, request_id)
        if found is None:
            await self._check_room(self._queue)
            new = NewJob(uuid_utils.compat.uuid7(), user_id, kind, request_id, request_hash, sum(map(len, chunks)))
            found, begun = await self._repository.begin(new, chunks, lease_s=self._message_lease_s, most_open=self._max_open)
            if begun is Begun.ANOTHER_OPEN:
                raise job_open(found)
            if begun is Begun.TOO_MANY_OPEN:
                raise too_many_open(found, self._max_open)
            if begun is not Begun.REPEATED:
                JOBS.labels(kind.value, "queued").inc()
                # The first jobs of all users come before the second one of any.
                await self._send(found, self._queue, behind=begun is Begun.NEW_BEHIND)
        if found.request_hash != request_hash:
            raise request_reused("job")
        return found

    async def _check_room(self, queue: JobQueue) -> None:
        try:
            waiting = await queue.length()
        except Unavailable:
            # The job is recorded, and its message is sent when the queue is back.
            return
        if waiting >= self._max_queued:
            raise queue_full()

    async def _send(self, job: Job, queue: JobQueue, *, behind: bool) -> None:
        try:
            await queue.enqueue(job.user_id, job.id, job.kind, behind=behind)
        except Unavailable as error:
            log.warning("a job waits for the queue", job_id=str(job.id), reason=error.reason)

    async def get_job(self, user_id: UUID, job_id: UUID) -> Job:
        """One job. Raises NotFound."""
        found = await self._repository.get(user_id, job_id)
        if found is None:
            raise job_not_found(job_id)
        return found

    async def list_job_results(self, user_id: UUID, job_id: UUID, *, after: int, limit: int) -> tuple[Sequence[Classification], bool]:
        """Answers of a classification that has succeeded, from the one with the number `after` on, and whether there are more."""
        job = await self.get_job(user_id, job_id)
        if job.kind is not JobKind.CLASSIFICATION or job.state is not JobState.SUCCEEDED:
            raise no_results(job)
        page: list[Classification] = []
        while len(page) < limit and after + len(page) < job.input_count:
            number, first = divmod(after + len(page), MOST_INPUTS)
            chunk = await self._repository.results(user_id, job_id, number)
            if chunk is None:
                raise results_expired(job)
            page += chunk[first : first + limit - len(page)]
        return page, after + len(page) < job.input_count


def _digest(payments: Sequence[Payment]) -> bytes:
    digest = hashlib.sha256()
    for payment in payments:
        digest.update(repr((payment.description, payment.merchant, f"{payment.amount:f}", payment.currency)).encode())
        digest.update(f"{payment.transaction_date} {payment.transaction_id}\n".encode())
    return digest.digest()
