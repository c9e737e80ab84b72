"""What the network makes of a payment and what the shipped rules know of its words, as one opinion. Pure: arrays in, arrays out.

Both are evidence for a primary category: the network's probability to a power, times the odds of what a rule names (a logarithmic opinion
pool). So two that agree are surer than either, and two that do not are sure of nothing, or the rule wins: a network that learned from
brands and purchase cards can be sure, and wrong, of words that it has never seen. How much each counts was fitted on two cities' purchases,
each unseen by its network, and on lines of households' statements: `python -m benchmarks.categorization_served --write`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from models.hypcd.corpus import taxonomy
from models.knowledge.brands import DATA
from models.knowledge.opinion import Floats, Opinion
from models.knowledge.rules import THRESHOLD, opine

FILE = DATA / "pooling.json"
LEAST_MASS = 1e-3
"""The network is never surer than this that a rule is wrong."""
MOST_UNCHECKED = 0.9
"""Nothing is surer that no real purchases have confirmed."""
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class PoolWeights:
    """How much counts what."""

    alone: float
    """The network's power where no rule speaks."""
    beside: float
    """Its power where one does."""
    rule: float
    """Added to the log odds of any rule."""
    primaries: Mapping[str, float]
    """Added to those of a rule that names this primary category."""
    unchecked: frozenset[str]
    """Primary categories that hardly any purchase with a label is of: they were seen in made lines alone."""
    threshold: float
    """Below this confidence, better no answer."""

    @classmethod
    def shipped(cls) -> PoolWeights:
        """Those that `benchmarks.categorization_served` made."""
        return _shipped()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ValueError for a file that is none."""
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            alone, beside, rule, threshold = (float(stored[part]) for part in ("alone", "beside", "rule", "threshold"))
            primaries = {str(primary): float(added) for primary, added in stored["primaries"].items()}
            return cls(alone, beside, rule, primaries, frozenset(map(str, stored["unchecked"])), threshold)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} holds no weights: make it again (benchmarks.categorization_served --write)") from error

    def write(self, path: Path) -> None:
        """A text file, so that a change can be read."""
        primaries = {primary: round(added, 3) for primary, added in sorted(self.primaries.items())}
        parts = {"alone": self.alone, "beside": self.beside, "rule": self.rule, "threshold": self.threshold}
        rounded = {name: round(part, 3) for name, part in parts.items()}
        content = {**rounded, "primaries": primaries, "unchecked": sorted(self.unchecked)}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


class Advice(NamedTuple):
    """What rules say of n payments."""

    named: npt.NDArray[np.int64]
    """[n], an index of the categories that were asked about; -1 where no rule knows."""
    confidence: npt.NDArray[np.float64]
    """[n], of the rule; 0 where none knows."""


class Pooled(NamedTuple):
    """One opinion of two."""

    opinion: Opinion
    advised: npt.NDArray[np.int64]
    """[n], the category that is named by a rule alone: the network says something else, or is not sure; -1 where it is not so."""


def pool(opinion: Opinion, rules: Opinion, weights: PoolWeights, *, threshold: float, rules_threshold: float) -> Pooled:
    """`threshold`: how likely a detailed category must be, else its primary one speaks for it. Below `rules_threshold` a rule is none."""
    categories = list(dict.fromkeys([*opinion.categories, *rules.categories]))
    if not categories:
        return Pooled(opinion, np.full(len(opinion.probabilities), -1))
    advice = advice_of(rules, categories, rules_threshold)
    count, places = len(advice.named), np.arange(len(advice.named))
    likely = np.zeros((count, len(categories)), np.float64)
    likely[:, : len(opinion.categories)] = opinion.probabilities
    families, heads, members, names = _families(tuple(categories))
    masses = likely @ members
    family = np.where(advice.named >= 0, families[advice.named], -1)
    pooled = pool_primaries(masses, family, advice.confidence, weights, names)
    shared = likely * np.divide(pooled, masses, out=np.zeros_like(pooled), where=masses > 0)[:, families]
    rows = np.flatnonzero(family >= 0)
    if len(rows):
        shared[rows] = _named_within(shared[rows], advice.named[rows], advice.confidence[rows], pooled[rows, family[rows]], families, heads)
    shared = _said(shared, families, heads, members, threshold)
    said = np.where(family >= 0, np.where(shared[places, advice.named] > 0, advice.named, heads[family]), -1)
    sure = (masses.max(axis=1) >= threshold) & (masses.argmax(axis=1) == family)
    agreed = pooled.argmax(axis=1) == family
    whys = [why if kept else "" for why, kept in zip(rules.whys, agreed.tolist(), strict=True)]
    return Pooled(Opinion(categories, shared.astype(np.float32), opinion.points, whys), np.where(sure, -1, said))


def with_rules(
    categories: Sequence[str],
    probabilities: Floats,
    descriptions: Sequence[str],
    merchants: Sequence[str | None],
    amounts: npt.NDArray[np.float64],
    weights: PoolWeights | None = None,
) -> Floats:
    """What is served to everybody: a network's probabilities [n, k] of `categories`, with the shipped rules beside them (`weights` None:
    as shipped). `amounts` [n] signed. What rules alone know of has no column here."""
    weights = weights or PoolWeights.shipped()
    advised = opine(descriptions, merchants, amounts)
    found = pool(Opinion(categories, probabilities), advised, weights, threshold=weights.threshold, rules_threshold=THRESHOLD)
    return found.opinion.probabilities[:, : len(categories)]


def advice_of(rules: Opinion, categories: Sequence[str], threshold: float) -> Advice:
    """What rules name, as places in `categories`."""
    if not len(rules.categories):
        return Advice(np.full(len(rules.probabilities), -1), np.zeros(len(rules.probabilities)))
    index = {category: place for place, category in enumerate(categories)}
    named = rules.probabilities.argmax(axis=1)
    confidence = rules.probabilities[np.arange(len(named)), named].astype(np.float64)
    knows = confidence >= threshold
    places = np.array([index[category] for category in rules.categories])[named]
    return Advice(np.where(knows, places, -1), np.where(knows, confidence, 0.0))


def pool_primaries(
    masses: npt.NDArray[np.float64],
    named: npt.NDArray[np.int64],
    confidence: npt.NDArray[np.float64],
    weights: PoolWeights,
    names: Sequence[str],
) -> npt.NDArray[np.float64]:
    """Probabilities [n, primaries] of `names`: from the network's, and from which primary category [n] a rule names (-1: none)."""
    rows = np.flatnonzero(named >= 0)
    masses = masses.copy()
    comes_in, leaves = _directions(tuple(names))
    # Rules name income of money that comes alone: what it was spent on, when it left, is no answer then.
    masses[rows] *= ~np.outer(comes_in[named[rows]], leaves)
    masses[rows, named[rows]] = np.maximum(masses[rows, named[rows]], LEAST_MASS)
    power = np.where(named >= 0, weights.beside, weights.alone)
    scores = power[:, None] * np.log(np.maximum(masses, _LEAST))
    added = weights.rule + np.array([weights.primaries.get(name, 0.0) for name in names])
    odds = np.log(confidence[rows] / np.maximum(1 - confidence[rows], _LEAST))
    scores[rows, named[rows]] += odds + added[named[rows]]
    raised = np.exp(scores - scores.max(axis=1, keepdims=True)) * (masses > 0)
    return _not_too_sure(raised / np.maximum(raised.sum(axis=1, keepdims=True), _LEAST), weights, names)


def _not_too_sure(likely: npt.NDArray[np.float64], weights: PoolWeights, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """What is surer of an unchecked category than anything of it may be leaves the rest to the others, as they share what they have."""
    unchecked = np.array([name in weights.unchecked for name in names])
    best, places = likely.argmax(axis=1), np.arange(len(likely))
    rows = np.flatnonzero(unchecked[best] & (likely[places, best] > MOST_UNCHECKED))
    likely[rows] *= ((1 - MOST_UNCHECKED) / np.maximum(1 - likely[rows, best[rows]], _LEAST))[:, None]
    likely[rows, best[rows]] = MOST_UNCHECKED
    return likely


def _named_within(
    likely: npt.NDArray[np.float64],
    named: npt.NDArray[np.int64],
    confidence: npt.NDArray[np.float64],
    mass: npt.NDArray[np.float64],
    families: npt.NDArray[np.int64],
    heads: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Within the primary category that a rule names: its detail has what the network left open, and of the rest its share."""
    places = np.arange(len(named))
    inside = families == families[named][:, None]
    head = heads[families[named]]
    within = np.where(inside, likely, 0.0)
    has_head = head >= 0
    left_open = np.where(has_head, within[places, head], 0.0)
    within[places[has_head], head[has_head]] = 0.0
    within[places, named] += left_open
    within *= (1 - confidence)[:, None]
    within[places, named] += mass - within.sum(axis=1)
    return np.where(inside, within, likely)


def _said(
    likely: npt.NDArray[np.float64],
    families: npt.NDArray[np.int64],
    heads: npt.NDArray[np.int64],
    members: npt.NDArray[np.float64],
    threshold: float,
) -> npt.NDArray[np.float64]:
    """Where no detail of a primary category is likely enough to be said, all of it stands under the primary one."""
    said = np.zeros((len(likely), len(heads)), np.bool_)
    rows, places = np.nonzero(likely >= threshold)
    said[rows, families[places]] = True
    said[:, heads < 0] = True
    masses = np.where(said, 0.0, likely @ members)
    likely = likely * said[:, families]
    likely[:, heads[heads >= 0]] += masses[:, heads >= 0]
    return likely


@lru_cache(maxsize=64)
def _families(
    categories: tuple[str, ...],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64], tuple[str, ...]]:
    """Which primary category each belongs to [categories], where that one stands itself (-1: nowhere), ones where the first says so
    [categories, primaries], and the names of these."""
    parents = _parents()
    primaries = [parents.get(category, category) for category in categories]
    names = tuple(dict.fromkeys(primaries))
    index = {name: place for place, name in enumerate(names)}
    places = {category: place for place, category in enumerate(categories)}
    families = np.array([index[primary] for primary in primaries])
    return families, np.array([places.get(name, -1) for name in names]), np.eye(len(names))[families], names


@lru_cache(maxsize=64)
def _directions(names: tuple[str, ...]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which of these primary categories [names] are of money that comes in, and which of money that leaves, with all their details."""
    kinds = taxonomy()
    coming = {name for place, name in enumerate(kinds.primaries) if kinds.credit[kinds.parent == place].all()}
    leaving = {name for place, name in enumerate(kinds.primaries) if kinds.debit[kinds.parent == place].all()}
    return np.array([name in coming for name in names], np.bool_), np.array([name in leaving for name in names], np.bool_)


@lru_cache(maxsize=1)
def _parents() -> Mapping[str, str]:
    kinds = taxonomy()
    return {detailed: kinds.primaries[parent] for detailed, parent in zip(kinds.detailed, kinds.parent.tolist(), strict=True)}


@lru_cache(maxsize=1)
def _shipped() -> PoolWeights:
    return PoolWeights.read(FILE)
