"""What one person's corrections say of that person's next payments, on top of what the global model says. Pure: arrays in, arrays out.

Nothing is trained when somebody corrects: the corrections themselves are the anchors, so that the next answer knows them, and nobody
else's does. How much to make of which evidence was learned once (personal_fit.py) and is the same for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
import numpy.typing as npt

from models.hypcd.personal_evidence import SAME_AMOUNT, Doubles, Floats, History, Ints, candidates, features, magnitude
from models.hypcd.personal_weights import Weights

Days = npt.NDArray[np.int32]
"""Days since 1970-01-01."""

_SAID_SO = 0.75
"""How likely an answer is at least that does what the user said of the merchant."""
_STEADY = 3
"""The latest corrections of a merchant that settle what it is when they agree."""
_OTHER_AMOUNT = 0.15
"""Powers of ten by which another correction's amount must be nearer than the latest one's to be followed instead."""
_UNSURE, _SURE = 0.7, 0.75
"""How likely the global model's answer for a merchant new to the user is when habits count in full, and when not at all."""
_OWN_WAY, _USUAL_WAY = 0.7, 0.35
"""Which share of the user's merchants must be in categories that the global model does not know for its being sure to mean nothing, and up
to which it means all."""
_DOUBT = 10.0
"""What speaks for the usual way, in merchants."""
_MOST_PAIRS = 500_000
"""Payments times categories that are weighed at once."""
_FAR = 1.0
"""Distance on the ball beyond which no merchant resembles another."""


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
    amounts: Doubles
    """Signed; for the band only, never used as money."""
    days: Days
    probabilities: Floats
    """[n, k], the global model's, over its categories; [n, 0] without one. Rows may sum to less than 1: nobody knows the rest."""
    points: Floats | None = None
    """[n, d], on the ball."""


@dataclass(frozen=True, slots=True)
class PersonalPredictions:
    """One user's answers: the global model's categories and behind them the user's own."""

    categories: tuple[str, ...]
    probabilities: Floats
    """[n, len(categories)]. Rows sum to 1, or to what the global model's did where the user has said nothing of the merchant."""
    evidence: list[Evidence]
    """Of the most probable category of each."""


class PersonalAnchors:
    """Everything that one user has said so far. Holds no state of a question: many threads may ask at once."""

    def __init__(self, keys: Sequence[str], categories: Sequence[str], amounts: Doubles, days: Days, points: Floats | None) -> None:
        """See `from_rows`."""
        self._keys = keys
        own = {category: number for number, category in enumerate(dict.fromkeys(categories))}
        self._own = tuple(own)
        self._merchants = dict(zip(keys, categories, strict=True))
        self._history = History(keys, np.array([own[category] for category in categories], np.int64), amounts, days, points)

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

    def apply(self, payments: Payments, categories: Sequence[str], weights: Weights | None = None) -> PersonalPredictions:
        """The user's answers; `categories` are those of `payments.probabilities`. What else is asked at the same time does not matter.

        Where the user's corrections say nothing at all of a payment, the answer is the global model's, to the digit; so it is where the
        merchant is new to the user, resembles none that is not, and the global model is sure: what a user mostly pays for says little of
        a shop that everybody knows. Without `weights` that can be read, what the user said of the very merchant counts, and nothing else.
        """
        index = {category: number for number, category in enumerate(categories)}
        places = np.array([index.setdefault(category, len(index)) for category in self._own], np.int64)
        likely = np.zeros((len(payments.keys), len(index)), np.float32)
        likely[:, : len(categories)] = payments.probabilities
        if not self._history.size or not len(likely):
            return PersonalPredictions(tuple(index), likely, [Evidence(Basis.GLOBAL)] * len(likely))
        # A user with thousands of own categories asks for few payments at a time: evidence is a number for each pair of the two.
        step = max(_MOST_PAIRS // len(index), 1)
        weighed, why = weights or Weights.shipped(), list[Evidence]()
        trust = self._trust(categories)
        probabilities = np.empty_like(likely)
        for start in range(0, len(likely), step):
            part = slice(start, start + step)
            some = _part(payments, part)
            probabilities[part] = self._weigh(some, likely[part], places, weighed, trust) if weighed is not None else likely[part]
            self._follow(some, places, probabilities[part])
            why.extend(self._why(some, places, likely[part], probabilities[part]))
        return PersonalPredictions(tuple(index), probabilities, why)

    def _trust(self, categories: Sequence[str]) -> float:
        """How much the global model's being sure means for this user, 0 to 1: little to one who has categories of the own for most of what
        there is, which the model cannot name."""
        known = set(categories)
        own = sum(category not in known for category in self._merchants.values()) / (len(self._merchants) + _DOUBT)
        return float(np.clip((_OWN_WAY - own) / (_OWN_WAY - _USUAL_WAY), 0.0, 1.0))

    def _weigh(self, payments: Payments, likely: Floats, places: Ints, weights: Weights, trust: float) -> Floats:
        found = features(self._history, payments.keys, payments.amounts, payments.days, likely, places, payments.points)
        probabilities = weights.probabilities(found.columns, candidates(likely, places))
        probabilities *= np.where(found.seen, 1.0, np.minimum(likely.sum(1), 1.0))[:, None].astype(np.float32)
        probabilities = np.where(found.speaks[:, None], probabilities, likely)
        sure = np.clip((likely.max(axis=1) - _UNSURE) / (_SURE - _UNSURE), 0.0, 1.0)
        heard = np.where(found.seen, 0.0, trust * sure * (1.0 - found.nearness)).astype(np.float32)[:, None]
        return np.where(heard < 1, heard * likely + (1 - heard) * probabilities, likely)

    def _follow(self, payments: Payments, places: Ints, probabilities: Floats) -> None:
        """One correction is enough for its merchant, whatever was said before, unless that was of amounts more like this one."""
        items, rows, back = self._history.rows_of(payments.keys)
        codes = self._history.codes[rows]
        size = len(probabilities)
        counts = np.bincount(items, minlength=size)
        latest, before = np.full(size, -1), np.full(size, -1)
        latest[items[back == 0]], before[items[back == 1]] = codes[back == 0], codes[back == 1]
        gap = np.abs(magnitude(payments.amounts)[items] - self._history.logs[rows])
        gap_latest, gap_before = np.full(size, np.inf), np.full(size, np.inf)
        gap_latest[items[back == 0]] = gap[back == 0]
        np.minimum.at(gap_before, items[back > 0], gap[back > 0])
        agreed = (counts > 0) & (np.bincount(items, codes != latest[items], size) == 0)
        turned = (latest != before) & (np.bincount(items, codes == before[items], size) == counts - 1)
        steady = np.bincount(items, (back < _STEADY) & (codes == latest[items]), size) == _STEADY
        nearer = gap_before + _OTHER_AMOUNT < gap_latest
        followed = np.where(agreed | ((turned | steady) & ~nearer), latest, np.where(turned & (counts == 2), before, -1))
        # A subscription beside other purchases of the same merchant: always the same amount, always the same category.
        same = np.flatnonzero(np.abs(payments.amounts[items] - self._history.amounts[rows]) < SAME_AMOUNT)
        exactly = np.full(size, -1)
        exactly[items[same]] = codes[same]
        repeated = np.bincount(items[same], minlength=size) >= 2
        repeated &= np.bincount(items[same], codes[same] != exactly[items[same]], size) == 0
        _raise(probabilities, places, np.where(repeated, exactly, followed))

    def _why(self, payments: Payments, places: Ints, likely: Floats, probabilities: Floats) -> list[Evidence]:
        """What the most probable category of each rests on."""
        best, general = probabilities.argmax(1), likely.argmax(1)
        items, rows, _ = self._history.rows_of(payments.keys)
        agree = places[self._history.codes[rows]] == best[items]
        counts = np.bincount(items[agree], minlength=len(best))
        latest = np.full(len(best), np.iinfo(np.int32).min)
        np.maximum.at(latest, items[agree], self._history.days[rows[agree]].astype(np.int64))
        own = {place: code for code, place in enumerate(places.tolist())}
        reasons = []
        for item, count in enumerate(counts.tolist()):
            if count:
                reasons.append(Evidence(Basis.MERCHANT, count, payments.keys[item], int(latest[item])))
            elif (best[item] == general[item] and likely[item, best[item]] > 0) or best[item] not in own:
                reasons.append(Evidence(Basis.GLOBAL))
            else:
                reasons.append(self._resemblance(payments, item, own[best[item]]))
        return reasons

    def _resemblance(self, payments: Payments, item: int, code: int) -> Evidence:
        """The nearest merchant that the user put into that category."""
        history = self._history
        if payments.points is None or history.points is None:
            return Evidence(Basis.HABIT)
        same = np.flatnonzero(history.codes == code)
        distance = history.distance(payments.points[item : item + 1], same)[0]
        nearest = same[distance.argmin()]
        if distance.min() > _FAR or self._keys[nearest] == payments.keys[item]:
            return Evidence(Basis.HABIT)
        alike = [row for row in same.tolist() if self._keys[row] == self._keys[nearest]]
        return Evidence(Basis.SIMILAR, len(alike), self._keys[nearest], int(history.days[alike].max()))


def _part(payments: Payments, part: slice) -> Payments:
    points = payments.points[part] if payments.points is not None else None
    return Payments(payments.keys[part], payments.amounts[part], payments.days[part], payments.probabilities[part], points)


def _raise(probabilities: Floats, places: Ints, codes: Ints) -> None:
    """Makes the user's category `codes` [n] at least as likely as what the user said must be, in place; -1 leaves a row alone."""
    rows = np.flatnonzero(codes >= 0)
    rows = rows[probabilities[rows, places[codes[rows]]] < _SAID_SO]
    chosen = places[codes[rows]]
    rest = probabilities[rows]
    rest[np.arange(len(rows)), chosen] = 0
    rest *= ((1 - _SAID_SO) / np.maximum(rest.sum(1), 1 - _SAID_SO))[:, None]
    rest[np.arange(len(rows)), chosen] = 1 - rest.sum(1)
    probabilities[rows] = rest
