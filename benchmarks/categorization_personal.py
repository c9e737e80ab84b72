"""How right the categories are for a user who corrects: a city's card purchases lived through in date order, the masked card as the user.

    python -m benchmarks.categorization personal                   # as a part of the whole
    python -m benchmarks.categorization_personal [--data ../shared/data/categorization] [--weights models/hypcd/personal.json]

Every purchase from 2016-10 on is predicted by what its card's holder has said before, on top of a global model that was fitted to the
purchases before 2016-10 and calibrated as the one that is served; then its label is revealed to that holder. `each` reveals it at once,
as the published reference does, so that a second purchase on one day knows the first; `day` when the day is over. No label of one card
reaches another: what the holders of others said counts by the global model alone, and that stands still. `references` count labels by
card and merchant, and where a card has none of a merchant, by merchant of all cards, else by card: there, labels of others do count.

`--weights` makes the weights of evidence anew, from purchases before 2016-10: a model of those before 2016-04, and the half year after.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.categorization_baselines import Answers, score
from benchmarks.running import note
from models.hypcd.collect import CardRow, card_rows
from models.hypcd.fit import Fitted
from models.hypcd.merchant import merchant_keys
from models.hypcd.personal import Payments, PersonalAnchors
from models.hypcd.personal_fit import Purchases, fit_weights, live_through, turns
from models.hypcd.personal_weights import FILE

_EPOCH = date(1970, 1, 1).toordinal()
_LABELS = ("merchant", "similar", "habit", "global")


@dataclass(frozen=True, slots=True)
class Lived:
    """What was answered to the purchases that were lived through, in their order."""

    labels: list[str]
    confidence: NDArray[np.float64]
    bases: list[str]


def measure(data: Path) -> dict[str, Any]:
    """The part `personal` of `benchmarks.categorization`."""
    from benchmarks.categorization import SPLIT, calibrate_accounts, fit_accounts

    rows = _ordered(data)
    first = _first_from(rows, SPLIT)
    truth = [row.label for row in rows[first:]]
    note(f"personal: {first} purchases before {SPLIT}, {len(truth)} after")
    temperature, _ = calibrate_accounts(rows[:first])
    fitted, names = fit_accounts(rows[:first], SPLIT)
    purchases, names = _as_purchases(rows, fitted, names, temperature)
    result: dict[str, Any] = {"rows": len(truth), "cards": len(np.unique(purchases.users[first:]))}
    for name, by_day in (("each", False), ("day", True)):
        lived = live(purchases, names, first, by_day=by_day)
        found = score(Answers(lived.labels, lived.confidence, 0.5), truth)
        right = np.array(lived.labels) == np.array(truth)
        bases = np.array(lived.bases)
        shares = {
            basis: {"share": round(float((bases == basis).mean()), 4), "accuracy": round(float(right[bases == basis].mean()), 4)}
            for basis in _LABELS
            if (bases == basis).any()
        }
        result[name] = {"scale": found, "by_basis": shares, "references": references(rows, first, truth, by_day=by_day)}
        note(f"    {name}: {json.dumps(result[name])}")
    return result


def live(purchases: Purchases, names: Sequence[str], first: int, *, by_day: bool) -> Lived:
    """Predict, then reveal, by the code that answers in production."""
    count = len(purchases.keys) - first
    labels, confidence, bases = [""] * count, np.zeros(count), [""] * count
    for known, asked in turns(purchases.users, purchases.days, first, by_day=by_day):
        anchors = PersonalAnchors.from_rows(
            [purchases.keys[row] for row in known],
            [names[label] for label in purchases.labels[known]],
            purchases.amounts[known].tolist(),
            purchases.days[known].tolist(),
            purchases.points[known],
        )
        keys = [purchases.keys[row] for row in asked]
        payments = Payments(keys, purchases.amounts[asked], purchases.days[asked], purchases.probabilities[asked], purchases.points[asked])
        answer = anchors.apply(payments, names)
        best = answer.probabilities.argmax(axis=1)
        for place, row in enumerate((asked - first).tolist()):
            labels[row] = answer.categories[best[place]]
            confidence[row] = answer.probabilities[place, best[place]]
            bases[row] = answer.evidence[place].basis.value
    return Lived(labels, confidence, bases)


def references(rows: Sequence[CardRow], first: int, truth: Sequence[str], *, by_day: bool) -> dict[str, Any]:
    """Counting, and the last label instead of the commonest."""
    pairs, merchants, cards = (defaultdict[Any, Counter[str]](Counter) for _ in range(3))
    last: dict[tuple[str, str], str] = {}
    counted: list[str] = []
    latest: list[str] = []
    waiting: list[CardRow] = []
    for place, row in enumerate(rows):
        if waiting and not (by_day and place > first and row.day == waiting[0].day):
            for known in waiting:
                pairs[known.card, known.merchant][known.label] += 1
                merchants[known.merchant][known.label] += 1
                cards[known.card][known.label] += 1
                last[known.card, known.merchant] = known.label
            waiting = []
        if place >= first:
            counts = pairs.get((row.card, row.merchant)) or merchants.get(row.merchant) or cards.get(row.card)
            counted.append(counts.most_common(1)[0][0] if counts else "")
            latest.append(last.get((row.card, row.merchant), counted[-1]))
        waiting.append(row)
    return {"counts": score(Answers(counted), truth), "last_label": score(Answers(latest), truth)}


def make_weights(data: Path, path: Path) -> None:
    """See the module."""
    from benchmarks.categorization import SPLIT, VALIDATION, fit_accounts

    rows = [row for row in _ordered(data) if row.day and row.day < SPLIT]
    first = _first_from(rows, VALIDATION)
    fitted, names = fit_accounts(rows[:first], VALIDATION)
    purchases, _ = _as_purchases(rows, fitted, names, 1.0)
    fit_weights(live_through(purchases, first, by_day=False)).write(path)


def _ordered(data: Path) -> list[CardRow]:
    """By day; rows of one day as they stand in the file."""
    return sorted((row for row in card_rows(data, "birmingham") if row.label and row.day), key=lambda row: row.day or date.min)


def _first_from(rows: Sequence[CardRow], day: date) -> int:
    return next(place for place, row in enumerate(rows) if row.day and row.day >= day)


@torch.inference_mode()
def _as_purchases(rows: Sequence[CardRow], fitted: Fitted, known: Sequence[str], temperature: float) -> tuple[Purchases, list[str]]:
    """With what the model says of each; labels that it never saw stand behind those that it knows."""
    from benchmarks.categorization import account_logits, features_of, softmax

    names = list(dict.fromkeys([*known, *(row.label for row in rows)]))
    places = {name: place for place, name in enumerate(names)}
    probabilities = np.zeros((len(rows), len(names)), np.float32)
    points = []
    for start in range(0, len(rows), 4096):
        part = rows[start : start + 4096]
        probabilities[start : start + len(part), : len(known)] = softmax(account_logits(fitted, part), temperature)
        points.append(fitted.encoder.points(features_of(part)).numpy())
    users = {card: number for number, card in enumerate(dict.fromkeys(row.card for row in rows))}
    return Purchases(
        np.array([users[row.card] for row in rows]),
        merchant_keys([row.merchant for row in rows], [""] * len(rows)),
        np.array([places[row.label] for row in rows]),
        np.array([row.amount for row in rows]),
        np.array([row.day.toordinal() - _EPOCH if row.day else 0 for row in rows], np.int32),
        probabilities,
        np.concatenate(points),
    ), names


def main() -> int:
    """Measures, or makes the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/categorization"))
    parser.add_argument(
        "--weights", type=Path, help=f"write them to this file, such as {FILE.relative_to(FILE.parents[2])}, and measure nothing"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.weights:
        make_weights(options.data, options.weights)
    else:
        sys.stdout.write(json.dumps(measure(options.data)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
