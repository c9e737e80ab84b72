"""How right the categories are, beside what others would answer on the same rows, in one run: one JSON line.

    python -m benchmarks.categorization [--data ../shared/data] [--only time cities speed personal discovery]

(a) `time`: a city's card purchases booked on 140 accounts, learned before 2016-10 and asked after, by text, amount and day alone.
Settings were chosen, and confidence is calibrated, on April to September 2016 by a model of the rows before. `knowing_the_card`
is told what nobody else is: whose card it is, and what that card's payments were booked on before.
(b) `cities`: primary categories, learned from brands, codes and one city, asked of the other city's rows whose account is clear: network,
brands and words together, as served, and the network alone. Confidence is calibrated on merchants of the known city that were held out, and
on made lines of statements (`categorization_served`).
`speed`: rows a second on one core, in batches of 1,000. `personal` and `discovery`: their own modules say.

Of each, `accuracy` and `macro_f1` count every row with its likeliest answer. `coverage` is the share of rows answered at the threshold,
`accuracy_answered` is theirs, and `calibration_error` compares confidence with accuracy in 15 bins.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import models.hypcd
from benchmarks.categorization_baselines import BASELINES, Answers, card_and_merchant, score
from benchmarks.categorization_served import beside_rules, calibrated_on, pooled
from benchmarks.running import note
from models.hypcd.classifier import Classifier, Items
from models.hypcd.collect import CardRow, card_rows, clear_rows
from models.hypcd.corpus import CITIES, Taxonomy, corpus, taxonomy
from models.hypcd.features import Features, extract
from models.hypcd.fit import Fitted, Options, Rows, fit
from models.hypcd.network import Config
from models.hypcd.train import CONFIG, OPTIONS, detailed_logits, primary_probabilities, training_rows

SPLIT, VALIDATION = date(2016, 10, 1), date(2016, 4, 1)
# Chosen on the validation months.
RECENCY_DAYS = 365.0
OPEN_DAYS = 183  # an account with no row for longer is closed: it is no answer any more
RARE_MERCHANTS = 0.2  # a row counts as its merchant's number of rows to the minus this
TIME_OPTIONS = Options(epochs=8, draws=86_000, dropped_wholes=0.5, temperature=0.15)
TIME_CONFIG = Config()
_TEMPERATURES = np.geomspace(0.5, 3.0, 41)


def features_of(rows: Sequence[CardRow]) -> Features:
    """Of what a statement would hold: text, amount, day."""
    return extract(
        [row.merchant for row in rows],
        [""] * len(rows),
        [row.amount for row in rows],
        [row.day.weekday() if row.day else -1 for row in rows],
    )


def fit_accounts(rows: Sequence[CardRow], end: date) -> tuple[Fitted, list[str]]:
    """The network on the open accounts of one city; rows count less the longer before `end` they are, and the more their merchant has."""
    names = sorted({row.label for row in rows if row.day and (end - row.day).days <= OPEN_DAYS})
    places = {name: place for place, name in enumerate(names)}
    rows = [row for row in rows if row.label in places]
    ages = np.array([(end - row.day).days for row in rows if row.day], dtype=np.float32)
    labels = np.array([places[row.label] for row in rows])
    merchants = Counter(row.merchant.lower() for row in rows)
    weights = (
        np.exp(-ages / RECENCY_DAYS) * np.array([merchants[row.merchant.lower()] for row in rows], dtype=np.float32) ** -RARE_MERCHANTS
    )
    known = Rows(features_of(rows), labels, weights, np.eye(len(names), dtype=np.bool_), np.arange(len(names)))
    return fit(known, TIME_CONFIG, TIME_OPTIONS), names


def account_logits(fitted: Fitted, rows: Sequence[CardRow]) -> NDArray[np.float32]:
    """[n, accounts]"""
    return detailed_logits(fitted, features_of(rows)).numpy()


def softmax(logits: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    return torch.softmax(torch.from_numpy(logits) / temperature, dim=1).numpy()


def split_by_time(data: Path) -> dict[str, Any]:
    """Part (a)."""
    rows = [row for row in card_rows(data, "birmingham") if row.label and row.day]
    train = [row for row in rows if row.day and row.day < SPLIT]
    test = [row for row in rows if row.day and row.day >= SPLIT]
    note(f"(a) {len(train)} rows before {SPLIT}, {len(test)} after")
    temperature, threshold = calibrate_accounts(train)
    fitted, names = fit_accounts(train, SPLIT)
    probabilities = softmax(account_logits(fitted, test), temperature)
    ours = Answers([names[place] for place in probabilities.argmax(axis=1)], probabilities.max(axis=1), threshold)
    truth_names = [row.label for row in test]
    labels = [row.label for row in train]
    return {
        "rows": len(test),
        "labels": len(names),
        **_beside(ours, train, labels, test, truth_names),
        "knowing_the_card": score(card_and_merchant(train, labels, test), truth_names),
    }


def calibrate_accounts(train: Sequence[CardRow]) -> tuple[float, float]:
    """Temperature and threshold for a model of the rows before SPLIT, from one of those before VALIDATION asked about the rest."""
    early = [row for row in train if row.day and row.day < VALIDATION]
    late = [row for row in train if row.day and row.day >= VALIDATION]
    fitted, names = fit_accounts(early, VALIDATION)
    logits = account_logits(fitted, late)
    known = {name: place for place, name in enumerate(names)}
    kept = np.array([place for place, row in enumerate(late) if row.label in known])
    truth = np.array([known[late[place].label] for place in kept])
    temperature = float(min(_TEMPERATURES, key=lambda t: -np.log(softmax(logits[kept], t)[np.arange(len(kept)), truth].clip(1e-9)).mean()))
    confidence = softmax(logits, temperature)
    right = np.array([names[place] == row.label for place, row in zip(confidence.argmax(axis=1), late, strict=True)])
    return temperature, _threshold(confidence.max(axis=1), right)


def _threshold(confidence: NDArray[np.float32], right: NDArray[np.bool_], wanted: float = 0.8) -> float:
    """The lowest confidence from which on so many answers are right."""
    order = np.argsort(-confidence, kind="stable")
    enough = np.flatnonzero(np.cumsum(right[order]) / np.arange(1, len(order) + 1) >= wanted)
    return float(confidence[order][enough[-1]]) if len(enough) else 1.0


def across_cities(data: Path) -> dict[str, Any]:
    """Part (b), in both directions: what is served, and the network alone."""
    kinds, found = taxonomy(), {}
    places = {slug: place for place, slug in enumerate(kinds.slugs)}
    families = np.append(kinds.parent, np.arange(len(kinds.primaries)))
    for known, asked in (CITIES, CITIES[::-1]):
        rows, slugs = zip(*clear_rows(data, asked), strict=True)
        note(f"(b) {known} -> {asked}: {len(rows)} rows")
        truth = families[[places[slug] for slug in slugs]]
        temperature, threshold, weights = calibrated_on(known, kinds)
        logits = detailed_logits(fit(training_rows(corpus([known]), kinds), CONFIG, OPTIONS), features_of(rows))
        texts = [(row.merchant, row.amount, slug, 1.0) for row, slug in zip(rows, slugs, strict=True)]
        served = pooled(beside_rules(logits, truth, np.ones(len(rows)), temperature, texts, kinds), weights, kinds)
        alone = primary_probabilities(logits, kinds, temperature)
        learned, their_slugs = zip(*clear_rows(data, known), strict=True)
        primaries = [kinds.primaries[families[places[slug]]] for slug in their_slugs]
        truth_names = [kinds.primaries[place] for place in truth]
        found[f"{known}_to_{asked}"] = {
            "rows": len(rows),
            "temperature": round(temperature, 3),
            **_by_confidence(served, truth),
            **_beside(_primary_answers(served, weights.threshold, kinds), learned, primaries, rows, truth_names),
            "network_alone": {**score(_primary_answers(alone, threshold, kinds), truth_names), **_by_confidence(alone, truth)},
        }
    return found


def _by_confidence(probabilities: NDArray[np.floating], truth: NDArray[np.int64]) -> dict[str, Any]:
    """How right the surest answers are."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    best, sure = np.argsort(-confidence, kind="stable")[: int(0.8 * len(truth))], confidence > 0.9
    return {
        "accuracy_at_80_percent_coverage": round(float(right[best].mean()), 4),
        "share_above_0.9": round(float(sure.mean()), 4),
        "accuracy_above_0.9": round(float(right[sure].mean()), 4) if sure.any() else None,
    }


def _primary_answers(probabilities: NDArray[np.floating], threshold: float, kinds: Taxonomy) -> Answers:
    return Answers([kinds.primaries[place] for place in probabilities.argmax(axis=1)], probabilities.max(axis=1), threshold)


def _beside(
    ours: Answers, train: Sequence[CardRow], labels: Sequence[str], test: Sequence[CardRow], truth: Sequence[str]
) -> dict[str, Any]:
    """Everybody's figures on the same rows."""
    result: dict[str, Any] = {"scale": score(ours, truth)}
    for name, answer in BASELINES.items():
        started = time.process_time()
        found = answer(train, labels, test)
        result[name] = {"skipped": found} if isinstance(found, str) else score(found, truth)
        note(f"    {name}: {result[name]} ({time.process_time() - started:.0f} s)")
    return result


def predictor_speed(data: Path, batch: int = 1_000, rounds: int = 3) -> dict[str, Any]:
    """Rows a second of processor time, features, network and top answers included, beside TF-IDF and a linear model on the same rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier

    rows = list(card_rows(data, "birmingham"))[: 40 * batch]
    classifier = Classifier.load(Path(models.hypcd.__file__).parent)
    columns = []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        days = [row.day.weekday() if row.day else -1 for row in part]
        columns.append(Items([row.merchant for row in part], [""] * len(part), [row.amount for row in part], days))
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True)
    labels = [row.label for row in rows]
    linear = SGDClassifier(max_iter=3, tol=None).fit(vectorizer.fit_transform([row.merchant for row in rows[:5000]]), labels[:5000])

    def rate(answer: Callable[[Items], object]) -> float:
        fastest = min(_processor_seconds(lambda: [answer(items) for items in columns]) for _ in range(rounds))
        return len(rows) / fastest

    ours = rate(lambda items: np.argpartition(-classifier.predict(items).probabilities, 5, axis=1)[:, :5])
    theirs = rate(lambda items: linear.decision_function(vectorizer.transform(items.descriptions)).argmax(axis=1))
    return {
        "rows": len(rows),
        "batch": batch,
        "scale_rows_per_s": round(ours),
        "tfidf_linear_rows_per_s": round(theirs),
        "ratio": round(ours / theirs, 2),
    }


def _processor_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _module(name: str, data: Path) -> dict[str, Any]:
    """A part that has a module of its own."""
    if importlib.util.find_spec(name) is None:
        return {"skipped": f"{name} is not there"}
    found: dict[str, Any] = importlib.import_module(name).measure(data)
    return found


def main() -> int:
    """Runs the parts and prints one line."""
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {
        "time": lambda data: split_by_time(data / "categorization"),
        "cities": lambda data: across_cities(data / "categorization"),
        "speed": lambda data: predictor_speed(data / "categorization"),
        "personal": lambda data: _module("benchmarks.categorization_personal", data / "categorization"),
        "discovery": lambda data: _module("benchmarks.categorization_discovery", data / "gcd"),
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts))
    options = parser.parse_args()
    torch.set_num_threads(1)
    result = {}
    for name in options.only:
        result[name] = parts[name](options.data)
        note(f"{name}: {json.dumps(result[name])}")
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
