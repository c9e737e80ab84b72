"""What jobs do: classify what they were given, or the ledger anew."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from services.categorization.catching_up import CatchingUp
from services.categorization.columns import Columns
from services.categorization.decide import Decided
from services.categorization.domain import MOST_INPUTS, Classification, LedgerPage, LedgerTransaction, Payment, Source, WorkedOut
from services.categorization.jobs.domain import Job, Progress
from services.categorization.jobs.protocols import JobsRepository
from services.categorization.protocols import CategoryLedger
from services.categorization.service import CategorizationService, PaymentStream
from services.kit.errors import InvalidArgument
from services.kit.job_runs import attempt_over

_AS_SURE = 0.05
"""A confidence that moved by less is not worth a write."""


class Done(NamedTuple):
    """`Step` of all jobs."""

    progress: Progress
    model_version: str


class Classifies(Protocol):
    """What answers about single payments."""

    async def classify(self, user_id: UUID, payments: Sequence[Payment]) -> Sequence[Classification]:
        """In order."""


class ClassificationWork:
    """Classifies what it was given, chunk by chunk; a chunk that has its answers keeps them."""

    def __init__(self, repository: JobsRepository, service: Classifies) -> None:
        self._repository = repository
        self._service = service

    async def steps(self, running: Job) -> AsyncIterator[Done]:
        """See `JobWork`. `changed_count`: classified with a category."""
        done, changed = running.done_count, running.changed_count
        while (chunk := await self._repository.next_chunk(running)) is not None:
            number, payments = chunk
            answers = await self._service.classify(running.user_id, payments)
            done, changed = done + len(answers), changed + sum(not answer.abstained for answer in answers)
            progress = Progress(done, changed)
            if not await self._repository.answer_chunk(running, number, answers, progress):
                raise attempt_over(running.id)
            yield Done(progress, answers[0].model_version)


class RecategorizationWork:
    """Classifies the ledger anew, a thousand transactions at a time, the newest first. What the user, a rule or the bank's file said is not
    even asked about, and the ledger keeps it whatever it is told; what was learned from the user's words catches up with them."""

    def __init__(self, repository: JobsRepository, ledger: CategoryLedger, service: CategorizationService, catching_up: CatchingUp) -> None:
        self._repository = repository
        self._ledger = ledger
        self._service = service
        self._catching_up = catching_up

    async def steps(self, running: Job) -> AsyncIterator[Done]:
        """See `JobWork`. `changed_count`: put into another category."""
        stream = await self._service.open_stream(running.user_id)
        progress = Progress(running.done_count, running.changed_count, running.cursor)
        while True:
            page = await self._page(progress.cursor)
            if await self._catching_up.catch_up(running.user_id, _said(page.transactions)):
                stream = await self._service.open_stream(running.user_id)
            changed = await self._recategorize(stream, page.transactions)
            progress = Progress(progress.done_count + len(page.transactions), progress.changed_count + changed, page.next_page_token)
            if not await self._repository.advance(running, progress):
                raise attempt_over(running.id)
            yield Done(progress, stream.model_version or self._service.model_info().version)
            if not page.next_page_token:
                return

    async def _page(self, cursor: str) -> LedgerPage:
        try:
            return await self._ledger.list_transactions(page_size=MOST_INPUTS, page_token=cursor)
        except InvalidArgument:
            # Page tokens are signed, and the ledger has another key by now: once more from the beginning does no harm.
            if not cursor:
                raise
            return await self._ledger.list_transactions(page_size=MOST_INPUTS, page_token="")  # nosec B106

    async def _recategorize(self, stream: PaymentStream, transactions: Sequence[LedgerTransaction]) -> int:
        open_ones = [one for one in transactions if may_be_changed(one)]
        if not open_ones:
            return 0
        decided = await stream.decide(Columns.of([one.payment for one in open_ones]))
        changes = [
            found
            for row, one in enumerate(open_ones)
            if (found := worked_out(decided, row, one)) is not None and _differs(found, one, degraded=decided.degraded)
        ]
        if not changes:
            return 0
        changed = await self._ledger.set_categories(changes)
        stream.give(Source.MODEL, sum(bool(one.category) and one.source is not Source.USER for one in changes))
        return changed


def may_be_changed(found: LedgerTransaction) -> bool:
    """Whether nobody with more to say has set its category. The user's corrections of like payments come with a confidence, the user's word
    on this very one without."""
    return found.source in ("", "model", "fallback") or (found.source == "user" and found.confidence is not None)


def _said(transactions: Sequence[LedgerTransaction]) -> dict[UUID, str]:
    """What the user says of each by hand, empty for nothing."""
    by_hand = (
        (one.payment.transaction_id, one.category if one.source == "user" and one.confidence is None else "") for one in transactions
    )
    return {transaction_id: category for transaction_id, category in by_hand if transaction_id is not None}


def worked_out(decided: Decided, row: int, found: LedgerTransaction) -> WorkedOut | None:
    """What the ledger is told; None for a transaction without an id."""
    if found.payment.transaction_id is None:
        return None
    if decided.abstained[row]:
        return WorkedOut(found.payment.transaction_id, "", None, decided.source(row))
    slug, confidence = decided.categories[decided.best[row]], float(decided.confidence[row])
    return WorkedOut(found.payment.transaction_id, slug, confidence, decided.source(row))


def _differs(new: WorkedOut, found: LedgerTransaction, *, degraded: bool) -> bool:
    if degraded and new.source is not Source.USER and found.source not in ("", "fallback"):
        # The rules that stand in for the model know less than it did.
        return False
    if new.category != found.category:
        return True
    return bool(new.category) and (new.source.value != found.source or abs((new.confidence or 0) - (found.confidence or 0)) >= _AS_SURE)
