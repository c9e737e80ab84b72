"""What may be a finding, how strong each is, and how findings are put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import polars as pl

from services.forecasting.anomaly.domain import AnomalyKind, Evidence, Finding, Severity
from services.forecasting.anomaly.findings.wording import key_of

Row = dict[str, Any]
"""One row of a frame by its columns."""


class Told(NamedTuple):
    """What a rule says of one of its candidates; the rest of the finding is the row's own."""

    reason: str
    evidence: Evidence
    transaction_ids: Sequence[str]
    about: Sequence[str]
    """What its key is made of."""
    amount: Decimal | None
    occurred_on: date


@dataclass(frozen=True, slots=True)
class Candidate:
    """A finding, unless it says what another one says better, or the user what is no news."""

    finding: Finding
    payee: str
    """The name under which payments of its counterparty meet."""
    expected: float
    """How many as odd come along in a month although nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Rarity:
    """How often a candidate of some strength comes along although nothing is wrong, and from when on it is told."""

    weights: Mapping[str, float]
    """The strength is the sum of these columns so weighted."""
    level: float
    slope: float
    """Of the natural logarithm of how many at least as strong a month of `USUAL_PACE` payments brings: level - slope * strength."""
    limit: float
    """At most so many a month, for this user, for it to be told."""
    volume: float = 0.3
    """By which power of their number more payments bring more of them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of finding. `candidates` takes what `spent` makes, and adds the columns that `rarity` weighs."""

    kind: AnomalyKind
    candidates: Callable[[pl.DataFrame], pl.DataFrame]
    tell: Callable[[Row], Told]
    rarity: Rarity


def candidate(kind: AnomalyKind, row: Row, told: Told, *, score: float, severity: Severity, expected: float = 0.0) -> Candidate:
    """The one about a row."""
    found = Finding(
        kind=kind,
        severity=severity,
        score=round(score, 4),
        reason=told.reason,
        evidence=told.evidence,
        transaction_ids=tuple(map(UUID, told.transaction_ids)),
        account_id=UUID(row["account_id"]),
        category=row["category"],
        merchant=row["name"],
        amount=told.amount,
        currency=row["currency"],
        occurred_on=told.occurred_on,
        key=key_of(kind, *told.about),
    )
    return Candidate(found, row["payee"], expected)
