"""What there is to learn from: a user's payments, and what several users say alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Protocol

UNCATEGORIZED = "uncategorized"


@dataclass(frozen=True, slots=True)
class TrainingPayment:
    """One payment of a user."""

    transaction_id: str
    """Empty for one that is in no ledger."""
    description: str
    merchant: str
    amount: Decimal
    day: date | None
    category: str = ""
    """What it is, where the user, a rule of the user's, or the bank's file says so; empty where nobody does."""
    corrected: bool = False
    """The user's own word, by which the next answers go at once."""


class AgreedCorrection(NamedTuple):
    """What several users say of a merchant."""

    merchant_key: str
    category: str
    user_count: int
    credit: bool
    """Money comes in from it."""


class UserPayments(Protocol):
    """The payments of the user for whom the job is done."""

    def corrections(self) -> AsyncIterator[TrainingPayment]:
        """Those that the user has put right, each with the last word on it; the latest first."""

    def transactions(self) -> AsyncIterator[TrainingPayment]:
        """The ledger, the newest first."""


class AgreedCorrections(Protocol):
    """Merchants that users agree about."""

    def agreed(self, *, least_users: int) -> AsyncIterator[AgreedCorrection]:
        """By merchant."""


async def collect(source: UserPayments, *, most: int) -> Sequence[TrainingPayment]:
    """What a user's model is trained on, the oldest first: the newest `most` transactions, and all corrections of others. A correction
    outweighs what the ledger says of its transaction, which may have been set before it."""
    corrected: dict[str, TrainingPayment] = {}
    elsewhere: list[TrainingPayment] = []
    async for one in source.corrections():
        if len(corrected) + len(elsewhere) == most:
            break
        if one.transaction_id:
            corrected.setdefault(one.transaction_id, one)
        else:
            elsewhere.append(one)
    found: list[TrainingPayment] = []
    async for one in source.transactions():
        if len(found) == most:
            break
        found.append(_with_correction(one, corrected))
    rows = [*found, *corrected.values(), *elsewhere]
    return sorted(rows, key=lambda row: row.day or date.min)


def _with_correction(row: TrainingPayment, corrected: dict[str, TrainingPayment]) -> TrainingPayment:
    said = corrected.pop(row.transaction_id, None)
    return replace(row, category=said.category, corrected=True) if said is not None else row


def counts(rows: Sequence[TrainingPayment]) -> Mapping[str, int]:
    """For a job's metrics."""
    return {
        "payments": len(rows),
        "labelled": sum(bool(row.category) for row in rows),
        "corrections": sum(row.corrected for row in rows),
        "categories": len({row.category for row in rows if row.category}),
    }
