"""From what a model says and what the user has said to one answer for each payment. Pure: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from models.hypcd.merchant import merchant_keys
from models.hypcd.personal import Basis, Evidence, Payments, PersonalAnchors
from models.knowledge.pooling import PoolWeights, pool
from services.categorization.columns import NO_DAY, Columns, Floats, day_number
from services.categorization.domain import Source
from services.categorization.personal_model import PersonalModel
from services.categorization.protocols import Model

MOST_ALTERNATIVES = 5
_LEAST_ALTERNATIVE = 0.01
"""Less likely than this is not worth naming."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What n payments are, and why."""

    categories: Sequence[str]
    probabilities: Floats
    """[n, len(categories)]"""
    best: npt.NDArray[np.int64]
    """[n], the likeliest: an index of `categories`."""
    confidence: npt.NDArray[np.float64]
    """[n], of it."""
    abstained: npt.NDArray[np.bool_]
    """[n], it is not likely enough."""
    personal: npt.NDArray[np.bool_]
    """[n], the user's own corrections say so."""
    evidence: Sequence[Evidence]
    whys: Sequence[str]
    """What there is to say for it beyond the figures; empty where nothing is."""
    by_rules: npt.NDArray[np.bool_]
    """[n], the shipped rules say so: the model says something else or is not sure, or there is none."""
    points: Floats | None
    """[n, d], on the ball."""
    degraded: bool
    """There is no model."""
    model_version: str
    """Of the model that was asked: the user's own, where there is one."""

    @property
    def predicted_count(self) -> int:
        """How many have a category that the model, or the shipped rules, gave them."""
        return int((~self.abstained & ~self.personal).sum())

    def source(self, row: int) -> Source:
        """Who says so."""
        if self.personal[row] and not self.abstained[row]:
            return Source.USER
        return Source.FALLBACK if self.by_rules[row] else Source.MODEL

    def others(self, row: int) -> list[tuple[str, float]]:
        """What else it may be, the likeliest first; what is likeliest itself first of all, where that is not likely enough."""
        likely = self.probabilities[row]
        count = min(MOST_ALTERNATIVES + 1, len(likely))
        order = np.argpartition(-likely, count - 1)[:count] if count else np.empty(0, np.int64)
        ranked = sorted(((float(likely[place]), self.categories[place]) for place in order), reverse=True)
        chosen = "" if self.abstained[row] else self.categories[self.best[row]]
        return [(slug, likelihood) for likelihood, slug in ranked if slug != chosen and likelihood >= _LEAST_ALTERNATIVE][
            :MOST_ALTERNATIVES
        ]


def decide(
    model: Model, columns: Columns, anchors: PersonalAnchors | None, *, rules: Model, known: Collection[str] | None, today: date
) -> Decided:
    """One pass of the model, the shipped `rules` beside it, and the user's own head and anchors on top of both. What is not among the
    `known` slugs (None: all are) is no answer. A payment without a day is one of `today`."""
    opinion, advised = model.opine(columns), np.full(len(columns), -1)
    known_to_model = len(opinion.categories)
    if not model.degraded:
        opinion, advised = pool(
            opinion, rules.opine(columns), PoolWeights.shipped(), threshold=model.threshold, rules_threshold=rules.threshold
        )
    if isinstance(model, PersonalModel):
        before, opinion = opinion, model.moved(opinion, known_to_model, columns)
        # Where the head says something else, it is the head that says so, also if a rule had named it.
        advised = np.where(opinion.probabilities.argmax(axis=1) == before.probabilities.argmax(axis=1), advised, -1)
    categories, probabilities, evidence = opinion.categories, opinion.probabilities, None
    if anchors is not None:
        keys = merchant_keys(columns.merchants, columns.descriptions)
        days = np.where(columns.days == NO_DAY, day_number(today), columns.days).astype(np.int32)
        found = anchors.apply(Payments(keys, columns.amounts, days, probabilities, opinion.points), tuple(categories))
        categories, probabilities, evidence = found.categories, found.probabilities, found.evidence
    if known is not None and not all(category in known for category in categories):
        probabilities = np.where([category in known for category in categories], probabilities, np.float32(0))
    rows = np.arange(len(columns))
    if len(categories):
        best = probabilities.argmax(axis=1)
        confidence = probabilities[rows, best].astype(np.float64)
    else:
        best, confidence = np.zeros(len(columns), np.int64), np.zeros(len(columns), np.float64)
    bases = [one.basis for one in evidence] if evidence is not None else []
    personal = np.array([basis is not Basis.GLOBAL for basis in bases], np.bool_) if bases else np.zeros(len(columns), np.bool_)
    # What the user has said of this very merchant is never too unlikely to be said again.
    said = np.array([basis is Basis.MERCHANT for basis in bases], np.bool_) if bases else personal
    return Decided(
        categories,
        probabilities,
        best,
        np.clip(confidence, 0.0, 1.0),
        (confidence <= 0) | (confidence < model.threshold) & ~said,
        personal,
        evidence if evidence is not None else [Evidence(Basis.GLOBAL)] * len(columns),
        opinion.whys,
        (advised == best) | model.degraded,
        opinion.points,
        model.degraded,
        model.version,
    )
