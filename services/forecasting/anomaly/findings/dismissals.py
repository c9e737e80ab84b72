"""What the user has said is no news, and what follows from it.

The same thing is never told again. The same kind about the same counterparty is told again only where it is clearly more: half as much
again in money, a tenth for a price, which rises in small steps. Of something without a counterparty the category takes its place. And
who has dismissed a kind more than once hears of it only where it is rarer: each further dismissal divides how often it may come along.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from models.hypcd.merchant import merchant_key
from services.forecasting.anomaly.domain import AnomalyKind, Dismissed
from services.forecasting.anomaly.findings.candidates import Candidate

_MORE = Decimal("1.5")
_MORE_OF_A_PRICE = Decimal("1.1")
_STRICTER = 1.5
_STRICTEST = 4.0


class Dismissals:
    """All that a user has dismissed."""

    def __init__(self, dismissed: Sequence[Dismissed]) -> None:
        self._keys = {one.key for one in dismissed}
        self._counts = Counter(one.kind for one in dismissed)
        self._most: dict[tuple[AnomalyKind, str, str], Decimal | None] = {}
        for one in dismissed:
            about = _about(one.kind, merchant_key(one.merchant), one.category, one.currency)
            amount = abs(one.amount) if one.amount is not None else None
            known = self._most.get(about)
            self._most[about] = amount if known is None or amount is None else max(known, amount)

    def strictness(self, kind: AnomalyKind) -> float:
        """By what the limit of a kind is divided: 1 up to the first dismissal."""
        return min(_STRICTER ** max(self._counts[kind] - 1, 0), _STRICTEST)

    def silence(self, one: Candidate) -> bool:
        """Whether this is no news."""
        found = one.finding
        if found.key in self._keys:
            return True
        about = _about(found.kind, one.payee, found.category, found.currency)
        if about not in self._most:
            return False
        most = self._most[about]
        if most is None or found.amount is None:
            return True
        more = _MORE_OF_A_PRICE if found.kind is AnomalyKind.PRICE_RISE else _MORE
        return abs(found.amount) < more * most


def _about(kind: AnomalyKind, payee: str, category: str, currency: str) -> tuple[AnomalyKind, str, str]:
    return kind, f"merchant {payee}" if payee else f"category {category}", currency
