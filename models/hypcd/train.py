"""Makes the artefacts of the global model: `python -m models.hypcd.train` (three minutes on one core).

It learns from the tables that ship with the repository (`corpus.py`; `collect.py` and `models.knowledge.build` make those from public
data): first twice with one of the two cities left out, to see on that one how sure it may be of a city that it does not know, then from
everything.
The same tables, torch and processor make the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.artifact import save
from models.hypcd.ball import pairwise_distance
from models.hypcd.classifier import ANCHORS_FILE, MODEL_FILE, Classifier, Heads, packed
from models.hypcd.corpus import CITIES, DATA, KNOWLEDGE, Corpus, Taxonomy, city_rows, corpus, taxonomy
from models.hypcd.features import Features, extract
from models.hypcd.fit import Fitted, Options, Rows, fit
from models.hypcd.network import Config, Encoder

Seen = tuple[Tensor, NDArray[np.int64], NDArray[np.float32]]
"""Of rows that a model has not learned from: logits [n, detailed], true primary categories [n], weights [n]."""

Row = tuple[str, float, str, float]
"""Text, amount, label and weight."""

VERSION = "hypcd-1"

CONFIG = Config()
OPTIONS = Options(epochs=8, draws=64_000)
_TEMPERATURES = np.geomspace(0.5, 3.0, 41)
_WANTED_RIGHT = 0.9  # of the answers that are given
_AMOUNTS_MADE_UP = 0.7  # of rows without one


def training_rows(found: Corpus, kinds: Taxonomy, seed: int = 1) -> Rows:
    """A corpus as features and labels. Days, and most amounts that a source lacks, are made up: they say nothing but in or out."""
    chance = np.random.default_rng(seed)
    amounts, count = np.array(found.amounts), len(found.texts)
    made_up = np.isnan(amounts) & (chance.random(count) < _AMOUNTS_MADE_UP)
    places = {slug: place for place, slug in enumerate(kinds.slugs)}
    labels = np.array([places[label] for label in found.labels])
    earned = np.append(kinds.credit, [primary == "income" for primary in kinds.primaries])[labels]
    amounts = np.where(made_up, np.where(earned, np.exp(chance.uniform(3, 9, count)), -np.exp(chance.uniform(0, 6, count))), amounts)
    return Rows(
        extract(found.texts, [""] * count, amounts, chance.integers(-1, 7, count)),
        labels,
        np.array(found.weights, dtype=np.float32),
        kinds.members,
        np.append(kinds.parent, np.arange(len(kinds.primaries))),
    )


@torch.inference_mode()
def detailed_logits(fitted: Fitted, features: Features) -> Tensor:
    """-distance / temperature [n, detailed]."""
    points = fitted.encoder.points(features)
    return -pairwise_distance(points, fitted.anchors, fitted.encoder.config.curvature) / fitted.temperature


def primary_probabilities(logits: Tensor, kinds: Taxonomy, temperature: float) -> NDArray[np.float32]:
    """[n, primaries], summed over their details."""
    members = torch.from_numpy(kinds.members[len(kinds.detailed) :].T.astype(np.float32))
    return (torch.softmax(logits / temperature, dim=1) @ members).numpy()


def calibrate(parts: Sequence[Seen], kinds: Taxonomy) -> tuple[float, float]:
    """Temperature and threshold for rows of logits, primary categories and weights, each part of a model that has not seen it.

    The temperature is that of the least surprise; from the threshold on, so many answers are right as wanted.
    """

    def surprise(temperature: float) -> float:
        total = 0.0
        for logits, truth, weights in parts:
            probabilities = primary_probabilities(logits, kinds, temperature)[np.arange(len(truth)), truth]
            total += float(np.average(-np.log(probabilities.clip(1e-9)), weights=weights))
        return total

    temperature = float(min(_TEMPERATURES, key=surprise))
    confidence, right, weight = [], [], []
    for logits, truth, weights in parts:
        probabilities = primary_probabilities(logits, kinds, temperature)
        confidence.append(probabilities.max(axis=1))
        right.append(probabilities.argmax(axis=1) == truth)
        weight.append(weights / weights.sum())
    order = np.argsort(-np.concatenate(confidence), kind="stable")
    weights = np.concatenate(weight)[order]
    share_right = np.cumsum(np.concatenate(right)[order] * weights) / np.cumsum(weights)
    enough = np.flatnonzero(share_right >= _WANTED_RIGHT)
    threshold = float(np.concatenate(confidence)[order][enough[-1]]) if len(enough) else 1.0
    return temperature, threshold


def write(folder: Path, version: str, encoder: Encoder, heads: Heads, facts: dict[str, Any]) -> None:
    """The artefacts of a model, in the precision in which they ship."""
    model = {"config": asdict(encoder.config), "state": packed(encoder.state_dict())}
    save(folder, version, {MODEL_FILE: model, ANCHORS_FILE: heads.content()}, {"training": facts})


def unseen_city(city: str, kinds: Taxonomy) -> Seen:
    """A city's rows as seen by a model that learned without it."""
    others = [other for other in CITIES if other != city]
    return asked(fit(training_rows(corpus(others), kinds), CONFIG, OPTIONS), city_rows(city), kinds)


def asked(fitted: Fitted, rows: Sequence[Row], kinds: Taxonomy) -> Seen:
    """Rows of text, amount, label and weight as a network that has not learned from them sees them."""
    features = extract([row[0] for row in rows], [""] * len(rows), [row[1] for row in rows], [-1] * len(rows))
    places = {slug: place for place, slug in enumerate(kinds.slugs)}
    families = np.append(kinds.parent, np.arange(len(kinds.primaries)))
    truth = families[[places[row[2]] for row in rows]]
    return detailed_logits(fitted, features), truth, np.array([row[3] for row in rows], dtype=np.float32)


def main() -> int:
    """Trains, calibrates, writes the artefacts, and reads them again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="where to write (default: beside the code)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    kinds = taxonomy()
    temperature, threshold = calibrate([unseen_city(city, kinds) for city in CITIES], kinds)
    fitted = fit(training_rows(corpus(CITIES), kinds), CONFIG, OPTIONS)
    heads = Heads(
        kinds.detailed,
        kinds.primaries,
        torch.from_numpy(kinds.parent),
        torch.from_numpy(kinds.credit),
        fitted.anchors,
        fitted.temperature * temperature,
        threshold,
    )
    write(options.out, VERSION, fitted.encoder, heads, facts())
    classifier = Classifier.load(options.out)
    result = {"version": classifier.version, "categories": len(classifier.categories), "temperature": temperature, "threshold": threshold}
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


def facts() -> dict[str, Any]:
    """What it was made from."""
    tables = [*sorted(DATA.glob("*.csv*")), *sorted(KNOWLEDGE.glob("*.csv.gz"))]
    return {
        "torch": torch.__version__.split("+")[0],
        "options": asdict(OPTIONS),
        "tables": {f"{path.parents[1].name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in tables},
    }


if __name__ == "__main__":
    sys.exit(main())
