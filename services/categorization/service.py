"""Rules of categorization: who decides on a payment's category, and what is learned when the user does.

The first that has a word decides: the user's correction of this transaction, a rule of the user's, what the user's corrections say of the
merchant, the global model, the rules that ship with the service (docs/adr/0020-who-decides-on-a-category.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import NamedTuple, TypeVar
from uuid import UUID

import structlog

from services.categorization import reasons
from services.categorization.acceptance import Acceptance
from services.categorization.catching_up import CatchingUp, stale
from services.categorization.columns import Columns
from services.categorization.decide import Decided, decide
from services.categorization.domain import (
    UNCATEGORIZED,
    Alternative,
    Anchor,
    Categories,
    Classification,
    ModelInfo,
    Payment,
    Source,
    Verdict,
)
from services.categorization.learned import Learned, LearnedUsers
from services.categorization.metrics import CLASSIFY_DURATION
from services.categorization.protocols import CategoryLedger, CategoryLists, Model, Predictor
from services.kit.errors import DeadlineExceeded, PermissionDenied, ScaleError, Unauthenticated, Unavailable

log = structlog.get_logger()

Answer = TypeVar("Answer")

_RULES_NOT_ASKED = "Your rules could not be asked just now."


def today() -> date:
    """For payments that name no day."""
    return datetime.now(UTC).date()


class CategorizationService:
    """Every call names the user, from the verified token."""

    def __init__(
        self,
        *,
        predictor: Predictor,
        rules: Model,
        learned: LearnedUsers,
        categories: CategoryLists,
        ledger: CategoryLedger,
        acceptance: Acceptance,
        catching_up: CatchingUp,
    ) -> None:
        """`rules` are asked where the model is not sure."""
        self._predictor = predictor
        self._rules = rules
        self._learned = learned
        self._categories = categories
        self._ledger = ledger
        self._acceptance = acceptance
        self._catching_up = catching_up

    def model_info(self) -> ModelInfo:
        """What answers everybody now."""
        return self._predictor.info()

    async def get_model_info(self, user_id: UUID) -> ModelInfo:
        """What answers the user now. Raises Unavailable."""
        _, learned = await self._learned.ask(user_id)
        base, version = await self._predictor.run(lambda model: (model.version, learned.model(model).version))
        return self._predictor.info()._replace(own_version=version if version != base else "")

    async def classify(self, user_id: UUID, payments: Sequence[Payment], *, ask_rules: bool = True) -> list[Classification]:
        """What each is, in order: one pass of the model, one look at what the user has said, one question to the user's rules."""
        subjects = [str(payment.transaction_id) for payment in payments if payment.transaction_id is not None]
        (words, learned), categories, verdicts, said = await asyncio.gather(
            self._learned.ask(user_id, subjects),
            self._categories.of(user_id),
            self._verdicts(payments, ask_rules),
            self._said(payments, ask_rules),
        )
        own = [_own_word(payment, words.by_subject, said) for payment in payments]
        answers = await self._predictor.run(partial(_answer, payments, own, learned, self._rules, categories, verdicts))
        if stale(words.by_subject, said):
            await self._catch_up(user_id, said)
        for payment, answer in zip(payments, answers, strict=True):
            self._acceptance.count(None if answer.abstained else answer.source)
            if payment.transaction_id is not None and not answer.abstained:
                self._acceptance.give(user_id, answer.source)
        return answers

    async def _verdicts(self, payments: Sequence[Payment], ask: bool) -> Sequence[Verdict | None] | None:
        """None: they could not be asked."""
        if not ask:
            return [None] * len(payments)
        return await _or_none(self._ledger.evaluate_rules(payments), "the user's rules could not be asked")

    async def _said(self, payments: Sequence[Payment], ask: bool) -> Mapping[UUID, str]:
        """What the user says of these very transactions, as it stands in the ledger: it may have got there by another way than a
        correction. Nothing where it could not be asked."""
        transaction_ids = {payment.transaction_id for payment in payments if payment.transaction_id is not None}
        if not ask or not transaction_ids:
            return {}
        return await _or_none(self._ledger.user_categories(transaction_ids), "the user's words could not be asked") or {}

    async def _catch_up(self, user_id: UUID, said: Mapping[UUID, str]) -> None:
        """The answer is right without: it need not fail with this."""
        try:
            await self._catching_up.catch_up(user_id, said)
        except ScaleError as error:
            log.warning("anchors could not catch up with the ledger", reason=error.reason, error=error.message)

    async def open_stream(self, user_id: UUID) -> PaymentStream:
        """For many payments of the user: what the user has said is read once."""
        (_, learned), categories = await asyncio.gather(self._learned.ask(user_id), self._known(user_id))
        return PaymentStream(user_id, self._predictor, self._rules, learned, categories, self._acceptance)

    async def _known(self, user_id: UUID) -> Categories | None:
        """Without the ledger any category may be one: it looks for itself at what it takes in. A worker's token opens this service alone,
        so that for a worker there is only what is kept."""
        try:
            return await self._categories.of(user_id)
        except (Unavailable, DeadlineExceeded) as error:
            log.warning("the user's categories could not be listed", error=error.message)
        except (Unauthenticated, PermissionDenied) as error:
            log.debug("the user's categories are not for this caller to list", error=error.message)
        return None


class PaymentStream:
    """Answers batch after batch, as columns. The user's rules are not asked: the ledger judges them as the rows come in."""

    def __init__(
        self,
        user_id: UUID,
        predictor: Predictor,
        rules: Model,
        learned: Learned,
        categories: Categories | None,
        acceptance: Acceptance,
    ) -> None:
        self._user_id = user_id
        self._predictor = predictor
        self._rules = rules
        self._learned = learned
        self._known = categories
        self._acceptance = acceptance
        self.model_version = ""
        """Of what answered last."""

    async def decide(self, columns: Columns) -> Decided:
        """What each payment is. Tell `give` of what becomes of it in the ledger."""
        decided = await self._predictor.run(partial(_decide_columns, columns, self._learned, self._rules, self._known))
        self.model_version = decided.model_version
        given, personal = ~decided.abstained, decided.personal
        self._acceptance.count(None, int((~given).sum()))
        self._acceptance.count(Source.USER, int((given & personal).sum()))
        self._acceptance.count(Source.FALLBACK, int((given & ~personal & decided.by_rules).sum()))
        self._acceptance.count(Source.MODEL, int((given & ~personal & ~decided.by_rules).sum()))
        return decided

    def give(self, source: Source, transactions: int) -> None:
        """So many transactions were given a category, or are about to be."""
        self._acceptance.give(self._user_id, source, transactions)


class _OwnWord(NamedTuple):
    """The user's own on a transaction."""

    category: str
    said_at: datetime | None
    """None where it is not known."""


def _own_word(payment: Payment, anchors: Mapping[str, Anchor], said: Mapping[UUID, str]) -> _OwnWord | None:
    """As the ledger has it; as the anchor has it where the ledger could not be asked, or does not know the transaction."""
    if payment.transaction_id is None:
        return None
    anchor = anchors.get(str(payment.transaction_id))
    category = said.get(payment.transaction_id, anchor.category if anchor is not None else "")
    if not category:
        return None
    return _OwnWord(category, anchor.said_at if anchor is not None and anchor.category == category else None)


async def _or_none(answer: Awaitable[Answer], what: str) -> Answer | None:
    """None where the ledger cannot say. An answer without is better than none."""
    try:
        return await answer
    except (Unavailable, DeadlineExceeded) as error:
        log.warning(what, error=error.message)
    except ScaleError as error:
        if type(error) is not ScaleError:
            raise
        log.error(what, error=error.message)
    return None


def _decide_columns(columns: Columns, learned: Learned, rules: Model, known: Categories | None, model: Model) -> Decided:
    started = time.perf_counter()
    decided = decide(learned.model(model), columns, learned.anchors(model), rules=rules, known=known, today=today())
    CLASSIFY_DURATION.observe(time.perf_counter() - started)
    return decided


def _answer(
    payments: Sequence[Payment],
    own: Sequence[_OwnWord | None],
    learned: Learned,
    rules: Model,
    categories: Categories,
    verdicts: Sequence[Verdict | None] | None,
    model: Model,
) -> list[Classification]:
    decided = _decide_columns(Columns.of(payments), learned, rules, categories, model)
    model = learned.model(model)
    answers = []
    for row, payment in enumerate(payments):
        word = own[row]
        verdict = verdicts[row] if verdicts is not None else None
        if word is not None and word.category in categories:
            why = reasons.of_correction(word.category, word.said_at, categories)
            answers.append(_certain(word.category, Source.USER, why, categories, model))
        elif verdict is not None:
            answers.append(_certain(verdict.category, Source.RULE, reasons.of_rule(verdict, categories), categories, model))
        else:
            answers.append(_worked_out(decided, row, payment, categories, model, [] if verdicts is not None else [_RULES_NOT_ASKED]))
    return answers


def _certain(slug: str, source: Source, why: Sequence[str], categories: Categories, model: Model) -> Classification:
    """The user's own word on it."""
    return Classification(slug, _primary(slug, categories), 1.0, source, why, model.version, degraded=model.degraded)


def _worked_out(decided: Decided, row: int, payment: Payment, categories: Categories, model: Model, also: Sequence[str]) -> Classification:
    abstained = bool(decided.abstained[row])
    slug = UNCATEGORIZED if abstained else decided.categories[decided.best[row]]
    return Classification(
        slug,
        _primary(slug, categories),
        float(decided.confidence[row]),
        decided.source(row),
        [*reasons.of_decision(decided, row, payment, categories, model), *also],
        model.version,
        abstained,
        [Alternative(other, _primary(other, categories), likelihood) for other, likelihood in decided.others(row)],
        model.degraded,
    )


def _primary(slug: str, categories: Categories) -> str:
    found = categories.get(slug)
    return found.primary_slug if found is not None else UNCATEGORIZED
