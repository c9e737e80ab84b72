"""How right the product is where the network alone is not: network, brands and words together, as `services.categorization` serves them.

    python -m benchmarks.categorization_served            # what the shipped model says of households' statements: one JSON line
    python -m benchmarks.categorization_served --write    # fits how much counts what, and writes it where the service reads it

`models/federated/data/statements.csv` holds made lines of statements in six languages with their primary category: `fitted` helped to weigh
the evidence and to choose words; `kept` was looked at for figures alone; `later` was written when words and weights stood. Words and lines
come from the same hand: figures on them say what a household may expect whose bank writes as these lines do, not more.

The weights are fitted on what a network has not seen, a merchant counting once however often it was paid (another city has other
merchants), and on the statements, which count a third: no card of a council shows a salary, a rent or a meal. What no purchase with a label
has confirmed is never surer than nine in ten.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

import models.hypcd
from benchmarks.running import note
from models.federated.holdout import STATEMENTS
from models.hypcd import train
from models.hypcd.corpus import CITIES, Taxonomy, city_rows, corpus, held_out, read_table, taxonomy
from models.hypcd.fit import Fitted, fit
from models.hypcd.merchant import merchant_key
from models.hypcd.train import CONFIG, OPTIONS, calibrate, primary_probabilities, training_rows
from models.knowledge import pooling, rules
from models.knowledge.pooling import PoolWeights, advice_of, pool_primaries
from services.categorization.columns import NO_DAY, Columns
from services.categorization.decide import Decided, decide
from services.categorization.predictor import load_hypcd
from services.categorization.rules_model import RulesModel

Row = tuple[str, float, str, float]
"""Text, amount, category, weight."""

PARTS = ("fitted", "kept", "later")
_STATEMENTS_SHARE = 1 / 3
_WANTED_RIGHT = 0.9  # of the answers that are given
_LEAST_THRESHOLD = 0.6
_CHECKED_ROWS = 100
_RIDGE = 0.003  # on what is added for one primary category
_START = (0.0, 0.0, 1.0)


class Asked(NamedTuple):
    """What network and rules say of n rows, and what is right."""

    masses: NDArray[np.float64]
    """[n, primaries], of the network."""
    named: NDArray[np.int64]
    """[n], what a rule names, a place in the primaries; -1 for nothing."""
    confidence: NDArray[np.float64]
    """[n], of the rule."""
    truth: NDArray[np.int64]
    """[n], a place in the primaries."""
    weights: NDArray[np.float64]
    """[n], together 1."""


def statements(part: str) -> list[Row]:
    """Lines of households' statements: one of PARTS."""
    return [(row["description"], float(row["amount"]), row["category"], 1.0) for row in read_table(STATEMENTS) if row["part"] == part]


def ask(fitted: Fitted, temperature: float, rows: Sequence[Row], kinds: Taxonomy) -> Asked:
    """Network and rules, about rows that the network has not seen."""
    logits, truth, weights = train.asked(fitted, rows, kinds)
    return beside_rules(logits, truth, weights, temperature, rows, kinds)


def beside_rules(
    logits: Tensor, truth: NDArray[np.int64], weights: NDArray[np.floating], temperature: float, rows: Sequence[Row], kinds: Taxonomy
) -> Asked:
    """What the rules say of rows for which a network has logits [n, detailed]."""
    amounts = np.array([row[1] for row in rows])
    # Nobody earns by paying.
    logits = logits.masked_fill(torch.from_numpy(np.outer(amounts < 0, kinds.credit)), float("-inf"))
    masses = primary_probabilities(logits, kinds, temperature).astype(np.float64)
    named, confidence = advise([row[0] for row in rows], amounts, kinds)
    return Asked(masses, named, confidence, truth, weights / weights.sum())


def advise(texts: Sequence[str], amounts: NDArray[np.float64], kinds: Taxonomy) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The primary category [n] that the shipped rules name (-1: none), and how sure they are."""
    advice = advice_of(rules.opine(texts, [""] * len(texts), amounts), kinds.slugs, rules.THRESHOLD)
    families = np.append(kinds.parent, np.arange(len(kinds.primaries)))
    return np.where(advice.named >= 0, families[advice.named], -1), advice.confidence


def checked(city: str, kinds: Taxonomy) -> NDArray[np.bool_]:
    """Which primary categories [primaries] enough of a city's purchases are of."""
    families, counts = dict(zip(kinds.detailed, kinds.parent.tolist(), strict=True)), np.zeros(len(kinds.primaries))
    for _, _, slug, count in city_rows(city):
        counts[families[slug] if slug in families else kinds.primaries.index(slug)] += count
    return counts >= _CHECKED_ROWS


def knowable(asked: Asked, known: NDArray[np.bool_]) -> Asked:
    """Without rows of which a rule names a category that the city's accounts do not know: to a council a meal is food, which says nothing
    against the rule."""
    weights = np.where((asked.named >= 0) & ~known[asked.named], 0.0, asked.weights)
    return asked._replace(weights=weights / weights.sum())


def by_merchant(asked: Asked, rows: Sequence[Row]) -> Asked:
    """Each merchant as much as any other."""
    keys = [merchant_key(row[0]) for row in rows]
    total: defaultdict[str, float] = defaultdict(float)
    for key, weight in zip(keys, asked.weights.tolist(), strict=True):
        total[key] += weight
    weights = asked.weights / np.array([total[key] or 1.0 for key in keys])
    return asked._replace(weights=weights / weights.sum())


def fit_weights(
    parts: Sequence[tuple[float, Asked]], asked_by_rows: Sequence[Asked], known: NDArray[np.bool_], kinds: Taxonomy
) -> PoolWeights:
    """Those of the least surprise, each part counting its share; and the threshold from which on enough is right of each set of rows."""

    def weights_of(found: NDArray[np.float64]) -> PoolWeights:
        added = dict(zip(kinds.primaries, found[3:].tolist(), strict=True))
        return PoolWeights(float(np.exp(found[0])), float(np.exp(found[1])), float(found[2]), added, frozenset(), 0.0)

    def surprise(found: NDArray[np.float64]) -> float:
        total, weights = _RIDGE * float((found[3:] ** 2).sum()), weights_of(found)
        for share, asked in parts:
            right = pooled(asked, weights, kinds)[np.arange(len(asked.truth)), asked.truth]
            total -= share * float(np.average(np.log(right.clip(1e-9)), weights=asked.weights))
        return total

    weights = weights_of(minimize(surprise, np.append(_START, np.zeros(len(kinds.primaries))), method="L-BFGS-B").x)
    weights = replace(weights, unchecked=frozenset(name for name, enough in zip(kinds.primaries, known, strict=True) if not enough))
    return replace(weights, threshold=max(_threshold(pooled(asked, weights, kinds), asked) for asked in asked_by_rows))


def _threshold(probabilities: NDArray[np.float64], asked: Asked) -> float:
    """The lowest confidence from which on so many answers are right as wanted; what is hardly likelier than not is no answer."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == asked.truth
    order = np.argsort(-confidence, kind="stable")
    order = order[asked.weights[order] > 0]
    share = np.cumsum((right * asked.weights)[order]) / np.cumsum(asked.weights[order])
    enough = np.flatnonzero(share >= _WANTED_RIGHT)
    return max(_LEAST_THRESHOLD, float(confidence[order][enough[-1]])) if len(enough) else 1.0


def pooled(asked: Asked, weights: PoolWeights, kinds: Taxonomy) -> NDArray[np.float64]:
    """Probabilities [n, primaries] as served."""
    return pool_primaries(asked.masses, asked.named, asked.confidence, weights, kinds.primaries)


def calibrated_on(city: str, kinds: Taxonomy) -> tuple[float, float, PoolWeights]:
    """Temperature and threshold of the network alone, and how much counts what: by one city's merchants that its network has not seen, and
    by statements. Nothing of another city."""
    fitted = fit(training_rows(corpus([city], leave_out=held_out), kinds), CONFIG, OPTIONS)
    rows = [row for row in city_rows(city) if held_out(row[0])]
    temperature, threshold = calibrate([train.asked(fitted, rows, kinds)], kinds)
    known, lines = checked(city, kinds), ask(fitted, temperature, statements("fitted"), kinds)
    asked = knowable(ask(fitted, temperature, rows, kinds), known)
    parts = [(1 - _STATEMENTS_SHARE, by_merchant(asked, rows)), (_STATEMENTS_SHARE, lines)]
    return temperature, threshold, fit_weights(parts, [asked, lines], known, kinds)


def shipped_weights(kinds: Taxonomy) -> PoolWeights:
    """By both cities, each as a network sees it that learned without, and by statements."""
    fits = {city: fit(training_rows(corpus([other for other in CITIES if other != city]), kinds), CONFIG, OPTIONS) for city in CITIES}
    temperature, _ = calibrate([train.asked(fits[city], city_rows(city), kinds) for city in CITIES], kinds)
    parts, by_rows = [], []
    for city, fitted in fits.items():
        rows, lines = city_rows(city), ask(fitted, temperature, statements("fitted"), kinds)
        asked = knowable(ask(fitted, temperature, rows, kinds), checked(city, kinds))
        merchants = by_merchant(asked, rows)
        parts += [((1 - _STATEMENTS_SHARE) / len(CITIES), merchants), (_STATEMENTS_SHARE / len(CITIES), lines)]
        by_rows += [asked, lines]
    return fit_weights(parts, by_rows, np.any([checked(city, kinds) for city in CITIES], axis=0), kinds)


def serve(rows: Sequence[Row], folder: Path | None = None) -> Decided:
    """What the service answers to a user who never corrected anything."""
    model = load_hypcd(folder or Path(models.hypcd.__file__).parent).model
    columns = _columns([row[0] for row in rows], np.array([row[1] for row in rows]))
    return decide(model, columns, None, rules=RulesModel(), known=None, today=date(2026, 1, 1))


def household(part: str) -> dict[str, Any]:
    """What the shipped model says of the statements of one part."""
    rows, kinds = statements(part), taxonomy()
    decided, primaries = serve(rows), dict(zip(kinds.detailed, [kinds.primaries[place] for place in kinds.parent], strict=True))
    said = [decided.categories[best] for best in decided.best]
    right = np.array([primaries.get(slug, slug) == row[2] for slug, row in zip(said, rows, strict=True)])
    given, sure = ~decided.abstained, decided.confidence > 0.9
    return {
        "rows": len(rows),
        "accuracy": round(float(right.mean()), 4),
        "coverage": round(float(given.mean()), 4),
        "accuracy_answered": round(float(right[given].mean()), 4),
        "share_above_0.9": round(float(sure.mean()), 4),
        "wrong_above_0.9": int((sure & ~right).sum()),
        "wrong": [f"{row[0]}: {slug}" for row, slug, bad in zip(rows, said, given & ~right, strict=True) if bad],
    }


def _columns(texts: Sequence[str], amounts: NDArray[np.float64]) -> Columns:
    return Columns(texts, [""] * len(texts), amounts, np.full(len(texts), NO_DAY, np.int32))


def main() -> int:
    """Prints one line; with --write, fits and writes the weights first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="fit the weights of evidence anew (two minutes on one core)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if options.write:
        weights = shipped_weights(taxonomy())
        note(f"weights: {weights}")
        weights.write(pooling.FILE)
    sys.stdout.write(json.dumps({part: household(part) for part in PARTS}, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
