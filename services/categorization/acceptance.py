"""How many of the categories that were given are left as they are: the accuracy objective, as users see it."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from services.categorization.domain import Source
from services.categorization.metrics import ACCEPTED_RATIO, CLASSIFICATIONS, CORRECTIONS

WINDOW_S = 24 * 3600.0
_STEP_S = 900.0
_PREDICTED = (Source.MODEL, Source.FALLBACK)
"""Whose categories are predictions: what the user said, or a rule of the user's, proves nothing of a model."""


def accepted_ratio(classified: int, corrected: int) -> float | None:
    """The share of categories that no user has put right, 0 to 1; None without any. More corrections than categories, which were given
    before the window, make 0."""
    if classified <= 0:
        return None
    return max(0.0, 1.0 - corrected / classified)


class Tallies(Protocol):
    """What is counted for each user, and kept."""

    def add(self, user_id: UUID, *, classified: int = 0, corrected: int = 0) -> None:
        """Counts for today."""


class Acceptance:
    """What this process has counted in the last 24 hours; and, into `tallies`, what decides on training: categories that a model, or the
    shipped rules, gave to transactions."""

    def __init__(self, tallies: Tallies | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tallies = tallies
        self._clock = clock
        self._steps: deque[list[float]] = deque()

    def count(self, source: Source | None, payments: int = 1) -> None:
        """Payments were classified; None: as nothing."""
        if payments:
            CLASSIFICATIONS.labels(source.value if source is not None else "abstained").inc(payments)
            if source is not None:
                self._add(payments, 0)

    def give(self, user_id: UUID, source: Source, transactions: int = 1) -> None:
        """Transactions of the user were given a category."""
        if source in _PREDICTED and self._tallies is not None:
            self._tallies.add(user_id, classified=transactions)

    def correct(self, category: str, previous: str) -> None:
        """A user has said what a payment is, of which something (or, empty, nothing) had been said before."""
        CORRECTIONS.labels("nothing" if not previous else "same" if previous == category else "another").inc()
        if previous and previous != category:
            self._add(0, 1)

    def put_right(self, user_id: UUID, category: str, previous: str, source: str) -> None:
        """A transaction of the user was in `previous`, by `source` (as the ledger names them), and is what the user says."""
        if self._tallies is not None and source in _PREDICTED and previous != category:
            self._tallies.add(user_id, corrected=1)

    def ratio(self) -> float | None:
        """See `accepted_ratio`."""
        self._forget()
        return accepted_ratio(int(sum(step[1] for step in self._steps)), int(sum(step[2] for step in self._steps)))

    def _add(self, classified: int, corrected: int) -> None:
        now = self._clock()
        if not self._steps or now - self._steps[-1][0] >= _STEP_S:
            self._steps.append([now, 0, 0])
        self._steps[-1][1] += classified
        self._steps[-1][2] += corrected
        ratio = self.ratio()
        ACCEPTED_RATIO.set(math.nan if ratio is None else ratio)

    def _forget(self) -> None:
        while self._steps and self._clock() - self._steps[0][0] > WINDOW_S:
            self._steps.popleft()
