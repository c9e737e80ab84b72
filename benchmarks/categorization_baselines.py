"""What others would answer: the merchant's majority label, a linear SVM, GnuCash's naive Bayes, smart_importer; and their score."""

from __future__ import annotations

import importlib.util
import inspect
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.svm import LinearSVC

from models.hypcd.collect import CardRow

_BINS = 15
_GNUCASH_THRESHOLD = 0.90
_SMART_IMPORTER_ROWS = 4_000  # its kernel is quadratic in them


@dataclass(frozen=True)
class Answers:
    """The likeliest label of each row ("" for none), how sure of it (None: says nothing of that), and from when on it is given."""

    labels: Sequence[str]
    confidence: NDArray[np.floating] | None = None
    threshold: float = 0.0


def score(answers: Answers, truth: Sequence[str]) -> dict[str, float | None]:
    """See `benchmarks.categorization`. Macro-F1 is over all labels that stand in the truth or in an answer."""
    found, wanted = np.asarray(answers.labels), np.asarray(truth)
    right = found == wanted
    confidence = answers.confidence
    given = (found != "") if confidence is None else (found != "") & (confidence >= answers.threshold)
    return {
        "accuracy": round(float(right.mean()), 4),
        "macro_f1": round(
            float(f1_score(wanted, found, average="macro", labels=sorted({*truth, *answers.labels} - {""}), zero_division=0)), 4
        ),
        "coverage": round(float(given.mean()), 4),
        "accuracy_answered": round(float(right[given].mean()), 4) if given.any() else None,
        "calibration_error": None if confidence is None else round(calibration_error(confidence, right), 4),
    }


def calibration_error(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """The mean distance of confidence and accuracy in bins of equal width, by their size."""
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return float(sum(abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)))


def majority(train: Sequence[CardRow], labels: Sequence[str], test: Sequence[CardRow]) -> Answers:
    """The label that a merchant had most often, as sure as that was; of a merchant never seen, the commonest of all."""
    seen: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row, label in zip(train, labels, strict=True):
        seen[row.merchant.lower()][label] += 1
    overall = Counter(labels)
    best = [seen.get(row.merchant.lower(), overall) for row in test]
    return Answers(
        [counts.most_common(1)[0][0] for counts in best], np.array([counts.most_common(1)[0][1] / counts.total() for counts in best])
    )


def card_and_merchant(train: Sequence[CardRow], labels: Sequence[str], test: Sequence[CardRow]) -> Answers:
    """No baseline of equal knowledge, but a mark: counting labels by card and merchant, else by merchant, else by card, none revealed after
    the split. Who holds the card is what no global model is told.
    """
    pairs, merchants, cards = (defaultdict[Any, Counter[str]](Counter) for _ in range(3))
    for row, label in zip(train, labels, strict=True):
        for counts, key in ((pairs, (row.card, row.merchant)), (merchants, row.merchant), (cards, row.card)):
            counts[key][label] += 1
    overall = Counter(labels)
    best = [pairs.get((row.card, row.merchant)) or merchants.get(row.merchant) or cards.get(row.card) or overall for row in test]
    return Answers([counts.most_common(1)[0][0] for counts in best])


def linear_svm(train: Sequence[CardRow], labels: Sequence[str], test: Sequence[CardRow]) -> Answers:
    """TF-IDF of character n-grams and a linear support vector machine; equal rows are one with a weight, which is the same to it."""
    counts = Counter((row.merchant.lower(), label) for row, label in zip(train, labels, strict=True))
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True)
    known = vectorizer.fit_transform([text for text, _ in counts])
    # Fewer passes stop before it has converged, which costs it six points of accuracy.
    machine = LinearSVC(C=0.3, max_iter=2_000, random_state=0)
    machine.fit(known, [label for _, label in counts], sample_weight=list(counts.values()))
    asked = sorted({row.merchant.lower() for row in test})
    answers = dict(zip(asked, machine.predict(vectorizer.transform(asked)).tolist(), strict=True))
    return Answers([answers[row.merchant.lower()] for row in test])


def gnucash(train: Sequence[CardRow], labels: Sequence[str], test: Sequence[CardRow]) -> Answers:
    """GnuCash's import matcher: of the words and the weekday, each account's share of a word, multiplied; an answer from 0.90 on."""
    shares: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row, label in zip(train, labels, strict=True):
        for token in _gnucash_tokens(row):
            shares[token][label] += 1
    kept: dict[tuple[str, ...], tuple[str, float]] = {}
    found = []
    for row in test:
        tokens = tuple(sorted(_gnucash_tokens(row)))
        if tokens not in kept:
            kept[tokens] = _gnucash_answer([shares[token] for token in tokens if token in shares])
        found.append(kept[tokens])
    return Answers([label for label, _ in found], np.array([likelihood for _, likelihood in found]), _GNUCASH_THRESHOLD)


def _gnucash_tokens(row: CardRow) -> set[str]:
    return {*row.merchant.lower().split(), *([row.day.strftime("%A")] if row.day else [])}


def _gnucash_answer(tokens: Sequence[Counter[str]]) -> tuple[str, float]:
    """For each account, the product of its shares against the product of what is left, over the words that it has been seen with."""
    likelihoods: defaultdict[str, list[float]] = defaultdict(list)
    for counts in tokens:
        total = counts.total()
        for label, count in counts.items():
            likelihoods[label].append(count / total)
    best = ("", 0.0)
    for label, shares in sorted(likelihoods.items()):
        yes, no = math.prod(shares), math.prod(1 - share for share in shares)
        if yes / (yes + no) > best[1]:
            best = (label, yes / (yes + no))
    return best


def smart_importer(train: Sequence[CardRow], labels: Sequence[str], test: Sequence[CardRow]) -> Answers | str:
    """smart_importer's own pipeline for narrations and its kernel machine, on the latest rows; or why not."""
    if importlib.util.find_spec("smart_importer") is None:
        return "smart_importer is not installed (python -m pip install smart_importer)"
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC
    from smart_importer.pipelines import get_pipeline

    class Narrated:
        def __init__(self, row: CardRow) -> None:
            self.narration, self.date = row.merchant, row.day

    latest = sorted(range(len(train)), key=lambda place: str(train[place].day))[-_SMART_IMPORTER_ROWS:]
    # Its versions differ in whether a tokenizer is to be named.
    wanted = ["narration", None][: len(inspect.signature(get_pipeline).parameters)]
    machine = make_pipeline(get_pipeline(*wanted), SVC(kernel="linear"))
    machine.fit([Narrated(train[place]) for place in latest], [labels[place] for place in latest])
    asked = {row.merchant: row for row in test}
    answers = dict(zip(asked, machine.predict([Narrated(row) for row in asked.values()]).tolist(), strict=True))
    return Answers([answers[row.merchant] for row in test])


BASELINES: dict[str, Callable[[Sequence[CardRow], Sequence[str], Sequence[CardRow]], Answers | str]] = {
    "merchant_majority": majority,
    "linear_svm": linear_svm,
    "naive_bayes_0.90": gnucash,
    "smart_importer": smart_importer,
}
