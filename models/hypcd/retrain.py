"""Learns the global model anew, with what users agree about beside what ships. Pure but for the checkpoints: tables in, a folder out.

What several users say alike of a merchant joins the tables of `corpus.py`. Whether that helps is seen on merchants that were held out of
both: a fit with the users' words is compared with one without. Then everything is learned, the merchants held out included, and the
result is asked what the present model is asked. Temperature and threshold stay the present ones: they were measured on a city that the
model had never seen, and the way it learns is the same.

Three fits take minutes. After each epoch, how far it is can be kept in a folder, and a process that comes later goes on from there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.folders import write_whole
from models.hypcd.checkpoints import FitCheckpoints
from models.hypcd.classifier import Classifier, Heads, Items
from models.hypcd.corpus import CITIES, Corpus, Taxonomy, city_rows, corpus, held_out, printed, taxonomy
from models.hypcd.fit import Fitted, Options, fit
from models.hypcd.network import Config
from models.hypcd.train import CONFIG, OPTIONS, Row, asked, facts, primary_probabilities, training_rows, write

LEAST_AGREED = 10

_DRAWS_EACH = 20
"""How often an epoch shows what is said of one merchant."""
_MOST_SHARE = 0.15
"""Of all that the model sees."""
_TOLERANCE = 0.005
"""Two fits of the same rows differ by as much of the accuracy by chance."""
_AMOUNT = 20.0
_RESULTS = "results.json"

Step = Callable[[str, int, int, float], None]
"""Told of each step: `training` or `evaluating`, its number, how many there are, and the loss. What it raises ends the work."""


class TooFewAgree(Exception):
    """There is nothing new to learn from."""


class Agreed(NamedTuple):
    """What several users say of a merchant, without who they are."""

    merchant_key: str
    category: str
    """A slug of the taxonomy."""
    credit: bool
    """Money comes in from it."""


@dataclass(frozen=True, slots=True)
class Retrained:
    """What came of it. The folder holds the artefacts."""

    better: bool
    metrics: dict[str, float | int]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is learned from, and how."""

    config: Config = CONFIG
    options: Options = OPTIONS
    tables: Callable[[Callable[[str], bool]], Corpus] = lambda leave_out: corpus(CITIES, leave_out=leave_out)
    """All that ships, without the merchants that are left out."""
    cities: Callable[[], Sequence[Row]] = lambda: [row for city in CITIES for row in city_rows(city)]
    """Merchants to be asked about."""


def retrain(
    said: Sequence[Agreed],
    present: Classifier,
    folder: Path,
    version: str,
    *,
    checkpoints: Path | None = None,
    recipe: Recipe | None = None,
    step: Step = lambda phase, number, total, loss: None,
) -> Retrained:
    """Writes a new model into `folder`. Better is one that answers merchants held out no worse, and those that users agree about better
    than the present one does. Raises TooFewAgree, in words for people, and OSError where there is no room for checkpoints."""
    kinds, recipe = taxonomy(), recipe or Recipe()
    said = sorted({one for one in said if one.category in kinds.slugs})
    if len(said) < LEAST_AGREED:
        raise TooFewAgree(f"Users agree about {len(said)} merchants; it takes {LEAST_AGREED} to learn from")
    work = _Work(recipe, kinds, checkpoints, _fingerprint(said, recipe), step)
    unseen = [row for row in recipe.cities() if held_out(row[0])]
    unseen_said = [one for one in said if held_out(one.merchant_key)]
    seen_said = [one for one in said if not held_out(one.merchant_key)]

    def figures(fitted: Fitted) -> dict[str, float]:
        return {"cities": _right(asked(fitted, unseen, kinds), kinds), "said": _said_right(fitted, unseen_said, kinds)}

    without = work.result("without", [], held_out, figures)
    with_said = work.result("with", seen_said, held_out, figures)
    fitted = work.fit("all", said, lambda merchant: False)
    work.evaluating()
    write(folder, version, fitted.encoder, _heads(fitted, present, kinds), {**facts(), "agreed_merchants": len(said)})
    new = Classifier.load(folder)
    # Both have seen all of these: what was known is not forgotten.
    cities, cities_present = (_answers_right(model, recipe.cities()) for model in (new, present))
    agreed, agreed_present = (_answers_right(model, _rows(said)) for model in (new, present))
    better = (
        with_said["cities"] >= without["cities"] - _TOLERANCE
        and with_said["said"] >= without["said"]
        and cities >= cities_present - _TOLERANCE
        and agreed > agreed_present
    )
    metrics: dict[str, float | int] = {
        "agreed_merchants": len(said),
        "agreed_held_out": len(unseen_said),
        "accuracy": round(with_said["cities"], 4),
        "accuracy_without": round(without["cities"], 4),
        "agreed_accuracy_held_out": round(with_said["said"], 4),
        "agreed_accuracy_held_out_without": round(without["said"], 4),
        "known_accuracy": round(cities, 4),
        "present_known_accuracy": round(cities_present, 4),
        "agreed_accuracy": round(agreed, 4),
        "present_agreed_accuracy": round(agreed_present, 4),
    }
    return Retrained(better, metrics)


class _Work:
    """Three fits, their steps counted together, each kept as far as it is."""

    def __init__(self, recipe: Recipe, kinds: Taxonomy, folder: Path | None, fingerprint: str, step: Step) -> None:
        self._recipe = recipe
        self._kinds = kinds
        self._folder = folder
        self._fingerprint = fingerprint
        self._step = step
        self._fits = 0
        self._steps = max(recipe.options.draws // recipe.options.batch, 1) * recipe.options.epochs
        self._loss = 0.0

    def result(
        self, name: str, said: Sequence[Agreed], leave_out: Callable[[str], bool], figures: Callable[[Fitted], dict[str, float]]
    ) -> dict[str, float]:
        """What `figures` says of a fit; where it has said so before, the fit is not made again."""
        known = self._results()
        if name in known:
            self._fits += 1
            return known[name]
        found = figures(self.fit(name, said, leave_out))
        if self._folder is not None:
            content = {"fingerprint": self._fingerprint, "results": {**known, name: found}}
            write_whole(self._folder / _RESULTS, json.dumps(content).encode())
            self._keeper(name).remove()
        return found

    def fit(self, name: str, said: Sequence[Agreed], leave_out: Callable[[str], bool]) -> Fitted:
        """A model of the tables, and of what users say."""
        options, before = self._recipe.options, self._fits * self._steps
        found = self._recipe.tables(leave_out)
        if said:
            found.add(list(printed(_rows(said))), min(_MOST_SHARE, len(said) * _DRAWS_EACH / options.draws))

        def tell(number: int, _: int, loss: float) -> None:
            self._loss = loss
            self._step("training", before + number, 3 * self._steps, loss)

        keeper = self._keeper(name) if self._folder is not None else None
        fitted = fit(training_rows(found, self._kinds), self._recipe.config, options, keeper=keeper, step=tell)
        self._fits += 1
        return fitted

    def evaluating(self) -> None:
        """What follows is no fit."""
        self._step("evaluating", 3 * self._steps, 3 * self._steps, self._loss)

    def _keeper(self, name: str) -> FitCheckpoints:
        assert self._folder is not None  # nosec B101
        return FitCheckpoints(self._folder, name, fingerprint=self._fingerprint)

    def _results(self) -> dict[str, dict[str, float]]:
        try:
            content = json.loads((self._folder / _RESULTS).read_bytes()) if self._folder is not None else {}
        except (FileNotFoundError, ValueError):
            return {}
        return dict(content["results"]) if content.get("fingerprint") == self._fingerprint else {}


def _fingerprint(said: Sequence[Agreed], recipe: Recipe) -> str:
    content = [said, asdict(recipe.config), asdict(recipe.options), facts()]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _rows(said: Sequence[Agreed]) -> list[Row]:
    """An amount says no more than which way the money goes."""
    return [(one.merchant_key, _AMOUNT if one.credit else -_AMOUNT, one.category, 1.0) for one in said]


def _heads(fitted: Fitted, present: Classifier, kinds: Taxonomy) -> Heads:
    known = present.heads
    if (known.detailed, known.primaries) != (kinds.detailed, kinds.primaries):
        raise ValueError("the present model has other categories than the tables: train it with models.hypcd.train")
    return replace(known, anchors=fitted.anchors)


def _right(seen: tuple[Any, NDArray[np.int64], NDArray[np.float32]], kinds: Taxonomy) -> float:
    logits, truth, weights = seen
    return float(np.average(primary_probabilities(logits, kinds, 1.0).argmax(axis=1) == truth, weights=weights))


def _said_right(fitted: Fitted, said: Sequence[Agreed], kinds: Taxonomy) -> float:
    return _right(asked(fitted, _rows(said), kinds), kinds) if said else 0.0


def _answers_right(model: Classifier, rows: Sequence[Row]) -> float:
    """The share, by weight, of rows whose primary category a model answers right."""
    detailed, heads = len(model.heads.detailed), model.heads
    amounts = np.array([row[1] for row in rows], np.float64)
    found = model.predict(Items([row[0] for row in rows], [""] * len(rows), amounts, [-1] * len(rows))).probabilities
    primaries = found[:, :detailed] @ heads.members.numpy() + found[:, detailed:]
    families = np.append(heads.parent.numpy(), np.arange(len(heads.primaries)))
    truth = families[[model.categories.index(row[2]) for row in rows]]
    return float(np.average(primaries.argmax(axis=1) == truth, weights=[row[3] for row in rows]))
