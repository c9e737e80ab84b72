"""What a head of one's own is worth: the busiest cards of a city as users, each trained before a day and asked after it, in one run.

    python -m benchmarks.user_head [--data ../shared/data/categorization] [--cards 50] [--corrected 1 0.3 0.1] [--variants]

The global model has never seen the city: it is fitted to the other city's purchases, brands and codes. A purchase is what its account
clearly says, in the taxonomy; where the account says nothing clear, the account itself is a category of the user's own. So users mean by
part of their payments what everybody means, and by part something that no global model knows.

`corrected`: the share of the earlier payments that the user has put right; of the rest nobody has said what they were. With 1 the user goes
on so, and each day's labels are known when it is over; with less the user says no more, and lives with what was learned. `without` is
what answers a user who has trained nothing: the global model with the shipped rules beside it, and the user's own corrections
(models/hypcd/personal.py) on top. `with` has the head below the same corrections. `published` are the cards whose head was found better on
the latest fifth of what it was trained on.

`--variants` chooses settings: heads that are fitted in other ways, on the half year before.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.categorization_served import calibrated_on
from benchmarks.running import note
from models.hypcd.classifier import Classifier, Heads, Items
from models.hypcd.collect import card_rows
from models.hypcd.corpus import DATA, corpus, read_table, taxonomy
from models.hypcd.fit import fit
from models.hypcd.merchant import merchant_keys
from models.hypcd.personal import Payments, PersonalAnchors
from models.hypcd.personal_fit import turns
from models.hypcd.train import CONFIG, OPTIONS, training_rows
from models.hypcd.user_head import MAX_BYTES, UserHead
from models.hypcd.user_head_fit import UNLABELLED, Examples, Learned, Options, TooFewExamples, learn_head, score
from models.knowledge.pooling import PoolWeights, with_rules

SPLIT, VALIDATION = date(2016, 10, 1), date(2016, 4, 1)
VARIANTS = {
    "as it is": Options(),
    "no adapter": Options(adapter_held=1e4),
    "adapter held less": Options(adapter_held=0.1),
    "anchors held more": Options(anchors_held=0.3),
    "nothing distilled": Options(distilled=0.0),
    "more distilled": Options(distilled=0.5),
    "half the steps": Options(steps=50),
}
_EPOCH = date(1970, 1, 1).toordinal()
_BATCH = 4096
_LEAST_BEFORE, _LEAST_AFTER = 20, 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What one card's later payments were answered, each right or not, and how surprising what was right."""

    learned: Learned
    new: NDArray[np.bool_]
    """The merchant was not among those that the user had corrected."""
    right: dict[str, NDArray[np.bool_]]
    surprise: dict[str, NDArray[np.float64]]


def stranger() -> tuple[Classifier, PoolWeights]:
    """A global model of the other city, brands, codes and words, sure of itself as far as merchants that it did not know say; and how much
    it counts beside the shipped rules, by the same."""
    kinds = taxonomy()
    temperature, threshold, weights = calibrated_on("barnet", kinds)
    fitted = fit(training_rows(corpus(["barnet"]), kinds), CONFIG, OPTIONS)
    parent, credit = torch.from_numpy(kinds.parent), torch.from_numpy(kinds.credit)
    heads = Heads(kinds.detailed, kinds.primaries, parent, credit, fitted.anchors, fitted.temperature * temperature, threshold)
    return Classifier("stranger", fitted.encoder, heads), weights


def cards(model: Classifier, weights: PoolWeights, data: Path, until: date | None, *, clear_only: bool = False) -> dict[str, Examples]:
    """Each card's purchases with all labels, the oldest first."""
    clear = {row["label"]: row["category"] for row in read_table(DATA / "council_label_category.csv") if row["source"] == "birmingham"}
    rows = [row for row in card_rows(data, "birmingham") if row.label and row.day and row.card and (until is None or row.day < until)]
    rows = [row for row in rows if row.label in clear or not clear_only]
    rows.sort(key=lambda row: row.day or date.min)
    keys = merchant_keys([row.merchant for row in rows], [""] * len(rows))
    amounts = np.array([row.amount for row in rows], np.float64)
    points, likely = [], []
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        texts, merchants, money = [row.merchant for row in part], [""] * len(part), amounts[start : start + len(part)]
        found = model.predict(Items(texts, merchants, money, [row.day.weekday() if row.day else -1 for row in part]))
        points.append(found.points)
        likely.append(with_rules(model.categories, found.probabilities, texts, merchants, money, weights))
    days = np.array([row.day.toordinal() - _EPOCH if row.day else 0 for row in rows], np.int32)
    labels = [clear.get(row.label, f"own: {row.label}") for row in rows]
    whole = Examples(np.concatenate(points), np.concatenate(likely), keys, amounts, days, labels, np.ones(len(rows), np.bool_))
    places_of: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places_of[row.card].append(place)
    return {card: whole.take(np.array(found, np.int64)) for card, found in places_of.items()}


def busiest(found: dict[str, Examples], split: date, count: int) -> dict[str, Examples]:
    """Cards with enough payments on both sides of a day, those with most first."""
    day = split.toordinal() - _EPOCH
    enough = {
        card: rows
        for card, rows in found.items()
        if (rows.days < day).sum() >= _LEAST_BEFORE and (rows.days >= day).sum() >= _LEAST_AFTER and len(set(rows.labels)) > 1
    }
    return dict(sorted(enough.items(), key=lambda one: (-len(one[1]), one[0]))[:count])


def ask(model: Classifier, card: str, rows: Examples, split: date, corrected: float, options: Options) -> Asked | None:
    """One card; None where there is too little to train on."""
    first = int(np.searchsorted(rows.days, split.toordinal() - _EPOCH))
    said = np.random.default_rng(zlib.crc32(card.encode())).random(first) < corrected
    known = [label if one else UNLABELLED for label, one in zip(rows.labels[:first], said, strict=True)]
    before = replace(rows.take(np.arange(first)), labels=known, said=said)
    try:
        learned = learn_head(before, model, options=options)
    except TooFewExamples:
        return None
    heads: dict[str, UserHead | None] = {"without": None, "with": learned.head}
    corrections = np.concatenate([np.flatnonzero(said), np.arange(first, len(rows))])
    answers = {name: _live(model, rows.take(corrections), int(said.sum()), head, daily=corrected == 1) for name, head in heads.items()}
    met = {key for key, one in zip(before.keys, said, strict=True) if one}
    return Asked(
        learned,
        np.array([key not in met for key in rows.keys[first:]]),
        {name: answer[0] for name, answer in answers.items()},
        {name: answer[1] for name, answer in answers.items()},
    )


def _live(
    model: Classifier, rows: Examples, first: int, head: UserHead | None, *, daily: bool
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Answers to the rows from `first` on, to a user who has corrected those before, and `daily` those of each day that is over."""
    categories, likely = model.categories, rows.likely
    if head is not None:
        categories, likely = head.categories, head.probabilities(rows.points, rows.amounts, rows.likely)
    everything = np.arange(len(rows))
    parts = turns(np.zeros(len(rows), np.int64), rows.days, first, by_day=True) if daily else [(everything[:first], everything[first:])]
    right, surprise = [], []
    for known, asked in parts:
        said = rows.take(known)
        anchors = PersonalAnchors.from_rows(said.keys, said.labels, said.amounts.tolist(), said.days.tolist(), said.points)
        some = rows.take(asked)
        answer = anchors.apply(Payments(some.keys, some.amounts, some.days, likely[asked], some.points), categories)
        one, other = score(answer.categories, answer.probabilities, some.labels, model)
        right.append(one)
        surprise.append(other)
    return np.concatenate(right), np.concatenate(surprise)


def measure(model: Classifier, users: dict[str, Examples], split: date, corrected: float, options: Options) -> dict[str, Any]:
    """Figures of all cards, and of those whose head was published."""
    started = time.process_time()
    asked = [found for card, rows in users.items() if (found := ask(model, card, rows, split, corrected, options))]
    published = [one for one in asked if one.learned.better]
    return {
        "cards": len(asked),
        "published_share": round(len(published) / max(len(asked), 1), 3),
        "all": _figures(asked),
        "published": _figures(published),
        "not_published": _figures([one for one in asked if not one.learned.better]),
        "largest_head_bytes": max((len(one.learned.head.to_bytes()) for one in asked), default=0),
        "processor_seconds": round(time.process_time() - started, 1),
    }


def _figures(asked: Sequence[Asked]) -> dict[str, Any]:
    if not asked:
        return {"payments": 0}
    new = np.concatenate([one.new for one in asked])
    gains = [int(one.right["with"].sum()) - int(one.right["without"].sum()) for one in asked]
    result: dict[str, Any] = {"payments": len(new), "cards_better": sum(g > 0 for g in gains), "cards_worse": sum(g < 0 for g in gains)}
    for name in ("without", "with"):
        right = np.concatenate([one.right[name] for one in asked])
        result[name] = {
            "accuracy": round(float(right.mean()), 4),
            "accuracy_of_new_merchants": round(float(right[new].mean()), 4) if new.any() else None,
            "log_loss": round(float(np.concatenate([one.surprise[name] for one in asked]).mean()), 4),
        }
    return result


def fit_seconds(model: Classifier, found: Iterable[Examples], count: int = 10_000) -> dict[str, float]:
    """Processor time of one thread to train and judge the head of a user with so many labelled payments."""
    columns: list[Examples] = []
    for rows in found:
        columns.append(rows)
        if sum(map(len, columns)) >= count:
            break
    whole = Examples(
        np.concatenate([rows.points for rows in columns]),
        np.concatenate([rows.likely for rows in columns]),
        [key for rows in columns for key in rows.keys],
        np.concatenate([rows.amounts for rows in columns]),
        np.concatenate([rows.days for rows in columns]),
        [label for rows in columns for label in rows.labels],
        np.concatenate([rows.said for rows in columns]),
    )
    rows = whole.take(np.argsort(whole.days, kind="stable")[:count])
    started = time.process_time()
    head = learn_head(rows, model).head
    return {"payments": len(rows), "processor_seconds": round(time.process_time() - started, 1), "bytes": len(head.to_bytes())}


def main() -> int:
    """Measures, or compares variants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/categorization"))
    parser.add_argument("--cards", type=int, default=50)
    parser.add_argument("--corrected", type=float, nargs="+", default=[1.0, 0.3, 0.1])
    parser.add_argument("--clear", action="store_true", help="only purchases that clearly have a category of the taxonomy")
    parser.add_argument("--variants", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, weights = stranger()
    note("the global model is fitted")
    split = VALIDATION if options.variants else SPLIT
    found = cards(model, weights, options.data, SPLIT if options.variants else None, clear_only=options.clear)
    users = busiest(found, split, options.cards)
    result: dict[str, Any] = {"split": str(split)}
    for corrected in options.corrected:
        for name, one in VARIANTS.items() if options.variants else [("as it is", Options())]:
            figures = measure(model, users, split, corrected, one)
            note(f"    corrected {corrected}, {name}: {json.dumps(figures)}")
            result.setdefault(f"corrected_{corrected:g}", {})[name] = figures
    if not options.variants:
        result = {key: value["as it is"] if isinstance(value, dict) else value for key, value in result.items()}
        result["speed"] = fit_seconds(model, users.values())
        result["most_bytes"] = MAX_BYTES
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
