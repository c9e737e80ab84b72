"""What one person's corrections say of that person's next payments, on top of what the global model says. Pure: arrays in, arrays out.

Nothing is trained when somebody corrects: the corrections themselves are the anchors, so that the next answer knows them, and nobody
else's does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Days = npt.NDArray[np.int32]
"""Days since 1970-01-01."""

_GLOBAL_STRENGTH = 0.5
"""Corrections of a merchant that the global model's opinion is worth."""
_HALF_LIFE_DAYS = 60.0


class Basis(StrEnum):
    """What an answer rests on."""

    MERCHANT = "merchant"
    """The user's own corrections of this merchant."""
    SIMILAR = "similar"
    """The user's corrections of merchants that lie near."""
    HABIT = "habit"
    """What the user's payments mostly are."""
    GLOBAL = "global"
    """The model that everybody shares."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a category was chosen: on which basis, and for the first two how often the user said so, of which merchant, and last when."""

    basis: Basis
    count: int = 0
    merchant_key: str = ""
    last_day: int | None = None
    """Days since 1970-01-01."""


@dataclass(frozen=True, slots=True)
class Payments:
    """What is to be classified; parallel, one entry each."""

    keys: Sequence[str]
    """From `merchant.merchant_key`."""
    amounts: npt.NDArray[np.float64]
    """Signed; for the band only, never used as money."""
    days: Days
    probabilities: Floats
    """[n, k], the global model's, over its categories; [n, 0] without one."""
    points: Floats | None = None
    """[n, d], on the ball."""


@dataclass(frozen=True, slots=True)
class PersonalPredictions:
    """One user's answers: the global model's categories and behind them the user's own."""

    categories: tuple[str, ...]
    probabilities: Floats
    """[n, len(categories)], rows sum to 1; zero throughout where neither the user nor a model says anything."""
    evidence: list[Evidence]
    """Of the most probable category of each."""


@dataclass(frozen=True, slots=True)
class PersonalAnchors:
    """Everything that one user has said so far, oldest first."""

    keys: Sequence[str]
    categories: Sequence[str]
    amounts: npt.NDArray[np.float64]
    days: Days
    points: Floats | None = None

    @classmethod
    def from_rows(
        cls, keys: Sequence[str], categories: Sequence[str], amounts: Sequence[float], days: Sequence[int], points: Floats | None = None
    ) -> Self:
        """One row per corrected payment: its merchant's key, the category that the user gave, its amount and day, and its point.

        Oldest first, by when the user said it. `points` come from the model that is asked now; without them nothing carries over to
        merchants that lie near.
        """
        lengths = {len(keys), len(categories), len(amounts), len(days)} | ({len(points)} if points is not None else set())
        if len(lengths) > 1:
            raise ValueError(f"columns of {sorted(lengths)} rows: one entry for each correction in every column")
        return cls(keys, categories, np.asarray(amounts, np.float64), np.asarray(days, np.int32), points)

    def apply(self, payments: Payments, categories: Sequence[str]) -> PersonalPredictions:
        """The user's answers; `categories` are those of `payments.probabilities`. The order of the payments does not matter."""
        index = {category: number for number, category in enumerate(categories)}
        for category in self.categories:
            index.setdefault(category, len(index))
        rows: dict[str, list[int]] = {}
        for row, key in enumerate(self.keys):
            rows.setdefault(key, []).append(row)
        codes = np.array([index[category] for category in self.categories], np.int64)
        known = len(categories)
        probabilities = np.zeros((len(payments.keys), len(index)), np.float32)
        probabilities[:, :known] = payments.probabilities
        evidence = []
        for item, key in enumerate(payments.keys):
            same = rows.get(key, ()) if key else ()
            if not same:
                evidence.append(Evidence(Basis.GLOBAL))
                continue
            age = np.abs(payments.days[item] - self.days[same])
            weights = np.exp2(-age / _HALF_LIFE_DAYS) * np.arange(1, len(same) + 1)
            said = np.bincount(codes[same], weights, len(index)) / weights.sum() * len(same)
            probabilities[item] = (said + _GLOBAL_STRENGTH * probabilities[item]) / (len(same) + _GLOBAL_STRENGTH)
            best = int(probabilities[item].argmax())
            agreeing = [row for row in same if codes[row] == best]
            evidence.append(
                Evidence(Basis.MERCHANT, len(agreeing), key, int(self.days[agreeing].max())) if agreeing else Evidence(Basis.GLOBAL)
            )
        return PersonalPredictions(tuple(index), probabilities, evidence)
