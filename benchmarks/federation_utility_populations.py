"""Users for `benchmarks.federation_utility`, out of public rows: questions of bank customers, and a city's purchase cards."""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import date
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.federation_utility_rounds import Judge, Population, joined
from models.federated.fit import Examples
from models.federated.head import Floats, Head
from models.hypcd.ball import logmap0
from models.hypcd.collect import clear_rows
from models.hypcd.corpus import corpus, taxonomy
from models.hypcd.features import Features, extract
from models.hypcd.fit import Options, Rows, fit
from models.hypcd.network import Config
from models.hypcd.train import CONFIG, OPTIONS, training_rows

PUBLIC_ROWS = 2_000
"""Of BANKING77: what the encoder and the first head learn from, before anybody federates."""
USERS = 400
_DIRICHLET = 0.5
_GATE_ROWS = 500
_SPLIT = date(2016, 10, 1)
_BANKING_CONFIG = Config(bucket_bits=15)
_BANKING_OPTIONS = Options(epochs=12, draws=10_000, batch=256, dropped_grams=0.4)


def banking(data: Path) -> Population | str:
    """BANKING77: 400 users with 20 questions each, of few of the 77 intents (Dirichlet 0.5); a reason where the rows are absent.

    Encoder and first head learn from 2,000 public rows. The published test set judges, but for 500 rows by which the gate does.
    """
    folder = data / "gcd" / "banking77"
    if not (folder / "train.csv").is_file():
        return f"no BANKING77 in {folder}"
    train, test = (_questions(folder / name) for name in ("train.csv", "test.csv"))
    intents = sorted({intent for _, intent in train})
    labels, truth = (np.array([intents.index(intent) for _, intent in rows]) for rows in (train, test))
    chance = np.random.default_rng(1)
    order = chance.permutation(len(train))
    public, rest = order[:PUBLIC_ROWS], order[PUBLIC_ROWS:]
    known = Rows(
        _features([train[row][0] for row in public]),
        labels[public],
        np.ones(len(public), np.float32),
        np.eye(len(intents), dtype=np.bool_),
        np.arange(len(intents)),
    )
    fitted = fit(known, _BANKING_CONFIG, _BANKING_OPTIONS)
    with torch.inference_mode():
        points, asked = (fitted.encoder.points(_features([text for text, _ in rows])).numpy() for rows in (train, test))
    head = Head(
        logmap0(fitted.anchors, _BANKING_CONFIG.curvature).numpy().ravel().astype(np.float32),
        tuple(intents),
        tuple(f"all of {intent}" for intent in intents),
        np.arange(len(intents)),
        np.zeros(len(intents), np.bool_),
        _BANKING_CONFIG.dimension,
        _BANKING_CONFIG.curvature,
        fitted.temperature,
        0.5,
    )
    users = [_examples(points, labels, np.ones(len(labels), np.bool_), rows) for rows in _dirichlet(rest, labels, USERS, chance)]
    judged = chance.permutation(len(test))
    everything = _examples(asked, truth, np.ones(len(truth), np.bool_), judged)
    return Population(head, users, _judge(everything, slice(_GATE_ROWS, None)), _judge(everything, slice(_GATE_ROWS)))


def cards(data: Path) -> Population | str:
    """Birmingham: its 400 busiest purchase cards as users, what their accounts clearly say before 2016-10 as examples; all cards' purchases
    after it judge. A reason where the rows are absent.

    The encoder and the first head are made as the shipped ones, from all tables but Birmingham's: those that ship have learned the city's
    rows, and would have nothing left to learn.
    """
    folder = data / "categorization"
    if not (folder / "birmingham_2014-04_2017-06.csv.gz").is_file():
        return f"no purchase cards in {folder}"
    kinds = taxonomy()
    fitted = fit(training_rows(corpus(["barnet"]), kinds), CONFIG, OPTIONS)
    head = Head(
        logmap0(fitted.anchors, CONFIG.curvature).numpy().ravel().astype(np.float32),
        kinds.detailed,
        kinds.primaries,
        kinds.parent,
        kinds.credit,
        CONFIG.dimension,
        CONFIG.curvature,
        fitted.temperature,
        0.5,
    )
    rows = [(row, slug) for row, slug in clear_rows(folder, "birmingham") if row.day and row.card]
    amounts = np.array([row.amount for row, _ in rows])
    features = extract(
        [row.merchant for row, _ in rows], [""] * len(rows), amounts, [row.day.weekday() if row.day else -1 for row, _ in rows]
    )
    with torch.inference_mode():
        points = fitted.encoder.points(features).numpy()
    labels = np.array([head.slugs.index(slug) for _, slug in rows])
    before: dict[str, list[int]] = defaultdict(list)
    for place, (row, _) in enumerate(rows):
        if row.day and row.day < _SPLIT:
            before[row.card].append(place)
    busiest = sorted(before.values(), key=lambda places: (-len(places), places))[:USERS]
    users = [_examples(points, labels, amounts < 0, np.array(places)) for places in busiest]
    after = np.array([place for place, (row, _) in enumerate(rows) if row.day and row.day >= _SPLIT])
    return Population(head, users, _judge(_examples(points, labels, amounts < 0, after), slice(None)))


def merged(population: Population, devices: int) -> Population:
    """The same rows on so many devices."""
    users = [joined(population.users[first::devices]) for first in range(devices)]
    return Population(population.head, users, population.accuracy, population.gate)


def _questions(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["text"], row["category"]) for row in csv.DictReader(file)]


def _features(texts: list[str]) -> Features:
    return extract(texts, [""] * len(texts), [float("nan")] * len(texts), [-1] * len(texts))


def _examples(points: Floats, labels: NDArray[np.int64], spent: NDArray[np.bool_], rows: NDArray[np.int64]) -> Examples:
    return Examples(points[rows], labels[rows], spent[rows])


def _judge(rows: Examples, part: slice) -> Judge:
    """The share of rows whose primary category a head answers right."""
    points, spent, places = rows.points[part], rows.spent[part], rows.categories[part]

    def accuracy(head: Head) -> float:
        truth = np.append(head.parent, np.arange(len(head.primaries)))[places]
        return float((head.primary_probabilities(points, spent).argmax(axis=1) == truth).mean())

    return accuracy


def _dirichlet(rows: NDArray[np.int64], labels: NDArray[np.int64], users: int, chance: np.random.Generator) -> list[NDArray[np.int64]]:
    """Rows for each user, as many for each, by shares of the labels that are the user's own; where a label has run out, of those left."""
    kinds = int(labels.max()) + 1
    left = {label: [row for row in rows.tolist() if labels[row] == label] for label in range(kinds)}
    found = []
    for shares in chance.dirichlet([_DIRICHLET] * kinds, users):
        own: list[int] = []
        for _ in range(len(rows) // users):
            counts = np.array([len(left[label]) for label in range(kinds)])
            wanted = np.where(counts > 0, shares, 0.0)
            wanted = wanted if wanted.sum() > 1e-12 else counts.astype(np.float64)
            own.append(left[int(chance.choice(kinds, p=wanted / wanted.sum()))].pop())
        found.append(np.array(own))
    return found
