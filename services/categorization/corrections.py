"""The user's own word on a payment: it stands in the ledger, and counts for the next answer on its merchant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import uuid_utils.compat

from models.hypcd.merchant import merchant_key
from services.categorization.acceptance import Acceptance
from services.categorization.domain import UNCATEGORIZED, Anchor, Classification, Correction, Payment, request_reused
from services.categorization.protocols import CategoryLedger, CategoryLists, WordsRepository
from services.kit.errors import ScaleError, invalid


class Classifies(Protocol):
    """What would be answered without the correction."""

    async def classify(self, user_id: UUID, payments: Sequence[Payment]) -> Sequence[Classification]:
        """In order."""


class Corrections:
    """Every call names the user, from the verified token."""

    def __init__(
        self,
        *,
        repository: WordsRepository,
        ledger: CategoryLedger,
        categories: CategoryLists,
        service: Classifies,
        acceptance: Acceptance,
    ) -> None:
        self._repository = repository
        self._ledger = ledger
        self._categories = categories
        self._service = service
        self._acceptance = acceptance

    async def record_correction(self, user_id: UUID, subject: UUID | Payment, category: str, *, request_id: str) -> Correction:
        """The user says what a transaction, or a payment that is in no ledger, is. The last word on each wins; UNCATEGORIZED takes it back.

        One correction of a user after the other: ledger and anchors get them in one order, and a request id stands for one body. The ledger
        comes first: when what is learned could not be stored, the same request again stores it. Raises InvalidArgument for an unknown
        category, NotFound for an unknown transaction, AlreadyExists for a request id with another body.
        """
        request_hash = _digest([category, str(subject) if isinstance(subject, UUID) else _content(subject)])
        found = await self._repository.find_correction(user_id, request_id)
        if found is None:
            found = await self._record(user_id, subject, category, request_id, request_hash)
        if found.request_hash != request_hash:
            raise request_reused("correction")
        return found

    async def _record(self, user_id: UUID, subject: UUID | Payment, category: str, request_id: str, request_hash: bytes) -> Correction:
        answered = "" if isinstance(subject, UUID) else await self._answered(user_id, subject, category)
        async with self._repository.turn(user_id) as turn:
            found = await turn.find_correction(request_id)
            if found is not None:
                return found
            if isinstance(subject, UUID):
                changed = await self._ledger.set_category(subject, category)
                payment, previous, source = changed.transaction.payment, changed.previous_category, changed.previous_source
            else:
                payment, previous, source = replace(subject, transaction_id=None), answered, ""
            name = str(payment.transaction_id) if payment.transaction_id is not None else _digest(_content(payment)).hex()
            key = merchant_key(payment.merchant, payment.description)
            anchor = Anchor(
                name,
                key,
                category,
                payment.description,
                payment.merchant,
                payment.amount,
                payment.transaction_date,
                datetime.now(UTC),
            )
            new = Correction(uuid_utils.compat.uuid7(), user_id, request_id, request_hash, payment, category, previous, key)
            stored = await turn.record(new, None if category == UNCATEGORIZED else anchor, subject=name)
        self._acceptance.correct(category, previous)
        self._acceptance.put_right(user_id, category, previous, source)
        return stored

    async def _answered(self, user_id: UUID, payment: Payment, category: str) -> str:
        """What would be answered about a payment that is in no ledger."""
        if category != UNCATEGORIZED and category not in await self._categories.of(user_id):
            raise unknown_category(category)
        (answer,) = await self._service.classify(user_id, [payment])
        return "" if answer.abstained else answer.category


def unknown_category(category: str) -> ScaleError:
    """No such slug among the user's."""
    return invalid("category", f"{category[:100]!r} is none of your categories; list them to see which there are")


def _content(payment: Payment) -> list[str]:
    day = payment.transaction_date
    return [payment.description, payment.merchant, f"{payment.amount:f}", payment.currency, day.isoformat() if day else ""]


def _digest(content: object) -> bytes:
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).digest()
