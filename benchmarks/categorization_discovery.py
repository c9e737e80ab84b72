"""How well categories without a label are found: BANKING77 with the published split, beside the published methods.

`python -m benchmarks.categorization_discovery [--data ../shared/data/gcd] [--seeds 0 1 2]`, one JSON line. Of 77 intents 58 are known,
with a tenth of their training texts labelled; 19 are novel. The seed draws both as the published code does. Scored are the 3,080 texts of
the test set, as in the published tables: clusters are matched to intents one to one, and the H-score is the harmonic mean of the accuracy
on known and on novel ones. Labels of the test set and of novel intents are used for nothing else.

`--validate` is for choosing settings, inside the known classes: 14 of the 58 are hidden, and scored are the development set's texts of the
58 and those training texts of the 14 whose labels were hidden.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional

from benchmarks.running import note
from benchmarks.sentence_encoder import EncoderMissing, LastLayers, Texts, load_sentence_encoder, read
from models.hypcd.discovery import Geometry, estimate_cluster_count, semi_supervised_kmeans
from models.hypcd.kmeans import UNLABELLED, Space
from models.hypcd.losses import clip, distance_share, expmap0, hybrid_contrastive_loss

PUBLISHED = {"TAN": 66.70, "LOOP without an LLM": 70.02, "GCD": 55.78}
_CLASSES = 77
_HIDDEN = 14
Part = Literal["train", "dev", "test"]
_PARTS: tuple[Part, ...] = ("train", "dev", "test")


@dataclass(frozen=True)
class Settings:
    """How the last layers learn. Chosen by `--validate`, the same for both geometries but for what only one of them has."""

    geometry: Geometry = "hyperbolic"
    steps: int = 240
    learning_rate: float = 1e-4
    groups: int = 32  # in a batch, each of a text and its neighbours
    group: int = 4
    labelled: int = 64  # in a batch
    neighbours: int = 10  # of each text that may count as its like
    refresh: int = 80  # steps, after which neighbours are sought anew
    temperature: float = 0.07
    token_drop: float = 0.1
    scale: float = 0.12  # of the encoder's vectors, which are about 5 long, to tangent vectors
    radius: float = 1.0  # that tangent vectors are clipped to
    c: float = 1.0
    distance: float = 0.5  # share of the loss by distance in the second half of training


@dataclass(frozen=True)
class Split:
    """Who is known and labelled: by the seed, as the published code draws it."""

    known: NDArray[np.int64]  # classes
    labelled: NDArray[np.int64]  # rows of the training texts


class Banking:
    """The texts and intents of BANKING77's published cut into train, dev and test."""

    def __init__(self, folder: Path) -> None:
        rows = {part: _rows(folder / f"{part}.tsv") for part in _PARTS}
        intents = sorted({intent for _, intent in rows["train"]})
        number = {intent: place for place, intent in enumerate(intents)}
        self.texts = {part: [text for text, _ in rows[part]] for part in _PARTS}
        self.classes = {part: np.array([number[intent] for _, intent in rows[part]]) for part in _PARTS}
        self._intents = intents

    def split(self, seed: int) -> Split:
        """58 known classes, and a tenth of the training texts of each."""
        known = np.random.RandomState(seed).choice(np.array(self._intents), round(len(self._intents) * 0.75), replace=False)
        classes = np.searchsorted(np.array(self._intents), known)
        chance = random.Random(seed)
        labelled: list[int] = []
        for label in classes:
            rows = np.flatnonzero(self.classes["train"] == label).tolist()
            labelled += chance.sample(rows, round(len(rows) * 0.1))
        return Split(classes, np.sort(np.array(labelled)))


def _rows(path: Path) -> list[tuple[str, str]]:
    """Text and intent of each line; the published code reads without quotes and drops the few lines that this breaks."""
    lines = path.read_text(encoding="utf-8").split("\n")[1:]
    return [(fields[0].lower(), fields[1].lower()) for line in lines if len(fields := line.split("\t")) == 2]


def h_score(truth: NDArray[np.int64], clusters: NDArray[np.int64], known: NDArray[np.int64]) -> dict[str, float]:
    """Accuracy in percent on known and on novel classes under one matching of clusters to classes, and their harmonic mean."""
    counts = np.zeros((max(truth.max(), clusters.max()) + 1,) * 2, np.int64)
    np.add.at(counts, (clusters, truth), 1)
    matched, classes = linear_sum_assignment(counts, maximize=True)
    right = dict(zip(classes.tolist(), counts[matched, classes].tolist(), strict=True))
    is_known = np.isin(truth, known)

    def accuracy(chosen: NDArray[np.bool_]) -> float:
        return 100 * float(sum(right[label] for label in np.unique(truth[chosen]))) / max(int(chosen.sum()), 1)

    old, new = accuracy(is_known), accuracy(~is_known)
    return {"h_score": 2 * old * new / max(old + new, 1e-9), "known_score": old, "novel_score": new}


def points_of(vectors: Tensor, settings: Settings) -> Tensor:
    """Where the encoder's vectors lie: on the ball, or as directions."""
    if settings.geometry == "euclidean":
        return functional.normalize(vectors, dim=-1)
    return expmap0(clip(vectors * settings.scale, settings.radius), settings.c)


def neighbours_of(vectors: NDArray[np.float32], count: int) -> Tensor:
    """The rows nearest to each by angle [n, count], itself left out."""
    directions = functional.normalize(torch.from_numpy(vectors), dim=-1)
    found = []
    for start in range(0, len(directions), 1_000):
        similarity = directions[start : start + 1_000] @ directions.T
        similarity[torch.arange(len(similarity)), start + torch.arange(len(similarity))] = float("-inf")
        found.append(similarity.topk(count, dim=1).indices)
    return torch.cat(found)


def learn(network: Any, texts: Texts, labels: NDArray[np.int64], settings: Settings, seed: int) -> LastLayers:
    """Trains the last layers: texts of a class attract each other, and so do neighbours unless their labels say otherwise."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    layers = LastLayers(network)
    known, labelled = torch.from_numpy(labels), torch.from_numpy(np.flatnonzero(labels >= 0))
    optimiser = torch.optim.AdamW(layers.parameters(), lr=settings.learning_rate)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min((step + 1) / 20, 1 - step / settings.steps))
    order = torch.empty(0, dtype=torch.int64)
    for step in range(settings.steps):
        if step % settings.refresh == 0:
            near = neighbours_of(within_class(layers.embed(texts), labels), settings.neighbours)
        if len(order) < settings.groups:
            order = torch.randperm(len(labels), generator=generator)
        first, order = order[: settings.groups], order[settings.groups :]
        chosen = torch.rand(near[first].shape, generator=generator).argsort(1)[:, : settings.group - 1]
        some = labelled[torch.randint(len(labelled), (settings.labelled,), generator=generator)]
        rows = torch.cat([first, near[first].gather(1, chosen).flatten(), some])
        with torch.autocast("cpu", torch.bfloat16):
            vectors = layers(*texts.batch(rows, drop=settings.token_drop, generator=generator))
        hyperbolic = settings.geometry == "hyperbolic"
        share = distance_share(step, 0, settings.steps // 2, settings.distance) if hyperbolic else 0.0
        loss = hybrid_contrastive_loss(
            points_of(vectors, settings), _alike(rows, near, known), c=settings.c, temperature=settings.temperature, share=share
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(layers.parameters(), 1.0)
        optimiser.step()
        rate.step()
    return layers


def _alike(rows: Tensor, near: Tensor, labels: Tensor) -> Tensor:
    """Which rows of a batch belong together [b, b]: by label where both have one, else as neighbours of each other or one of the other."""
    neighbour = (near[rows].unsqueeze(2) == rows).any(1)
    mine, other = labels[rows].unsqueeze(1), labels[rows].unsqueeze(0)
    both = (mine >= 0) & (other >= 0)
    return torch.where(both, mine == other, neighbour | neighbour.T | (rows.unsqueeze(1) == rows))


def within_class(vectors: NDArray[np.float32], labels: NDArray[np.int64], shrinkage: float = 0.5) -> NDArray[np.float32]:
    """Directions of the vectors after making those alike in which texts of one class differ: what tells no classes apart counts less."""
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = labels >= 0
    means = np.stack([directions[labels == label].mean(0) for label in range(labels.max() + 1)])
    apart = directions[chosen] - means[labels[chosen]]
    spread = apart.T @ apart / len(apart)
    spread = (1 - shrinkage) * spread + shrinkage * np.trace(spread) / len(spread) * np.eye(len(spread))
    values, axes = np.linalg.eigh(spread)
    made: NDArray[np.float32] = ((directions - directions.mean(0)) @ (axes / np.sqrt(values))).astype(np.float32)
    return made


@dataclass(frozen=True)
class Trial:
    """What is known in one run, and what it is scored on."""

    labels: NDArray[np.int64]  # of the training texts, -1 where hidden
    known: NDArray[np.int64]  # classes
    scored: dict[Part, NDArray[np.int64]]  # rows

    @classmethod
    def published(cls, banking: Banking, seed: int) -> Trial:
        """Scored on the test set."""
        split = banking.split(seed)
        return cls(_labels(banking, split.labelled, split.known), split.known, {"test": np.arange(len(banking.texts["test"]))})

    @classmethod
    def validation(cls, banking: Banking, seed: int) -> Trial:
        """Some of the known classes are hidden, and nothing is scored but texts of known classes outside the test set."""
        split = banking.split(seed)
        hidden = np.random.RandomState(1000).choice(split.known, _HIDDEN, replace=False)
        known = split.known[~np.isin(split.known, hidden)]
        is_hidden = np.isin(banking.classes["train"][split.labelled], hidden)
        labels = _labels(banking, split.labelled[~is_hidden], known)
        scored: dict[Part, NDArray[np.int64]] = {
            "dev": np.flatnonzero(np.isin(banking.classes["dev"], split.known)),
            "train": split.labelled[is_hidden],
        }
        return cls(labels, known, scored)


def _labels(banking: Banking, rows: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """The known classes numbered from 0, in the rows that are labelled."""
    place = {label: number for number, label in enumerate(known.tolist())}
    labels = np.full(len(banking.texts["train"]), UNLABELLED)
    labels[rows] = [place[label] for label in banking.classes["train"][rows].tolist()]
    return labels


def score(
    banking: Banking, trial: Trial, points: dict[Part, NDArray[np.float32]], geometry: Geometry, c: float, seed: int, count: int | None
) -> dict[str, float]:
    """Clusters the training points, `count` clusters or as many as are estimated, and scores what the others are nearest to."""
    if count is None:
        candidates = range(len(trial.known), 2 * len(trial.known) + 1, 4)
        count = estimate_cluster_count(points["train"], trial.labels, candidates=candidates, geometry=geometry, c=c, seed=seed)
    made = semi_supervised_kmeans(points["train"], trial.labels, count, geometry=geometry, c=c, seed=seed)
    space, centres = Space(geometry, c), torch.from_numpy(made.centres)
    clusters = {part: space.divergence(torch.from_numpy(points[part]), centres).argmin(1).numpy() for part in trial.scored}
    truth = np.concatenate([banking.classes[part][rows] for part, rows in trial.scored.items()])
    found = np.concatenate([clusters[part][rows] for part, rows in trial.scored.items()])
    return h_score(truth, found, trial.known) | {"clusters": float(count)}


def run(
    banking: Banking, texts: dict[Part, Texts], network: Any, trial: Trial, settings: Settings, seed: int
) -> dict[str, dict[str, float]]:
    """One training; scored with the number of clusters given, and with the number estimated."""
    started = time.process_time()
    layers = learn(network, texts["train"], trial.labels, settings, seed)
    points = {part: points_of(torch.from_numpy(layers.embed(read_texts)), settings).numpy() for part, read_texts in texts.items()}
    found = {
        "given": score(banking, trial, points, settings.geometry, settings.c, seed, _CLASSES),
        "estimated": score(banking, trial, points, settings.geometry, settings.c, seed, None),
    }
    note(f"seed {seed}, {settings.geometry}: {_rounded(found)}, {time.process_time() - started:.0f} s of processor time")
    return found


def frozen(banking: Banking, texts: dict[Part, Texts], network: Any, trial: Trial, seed: int) -> dict[str, float]:
    """The encoder as it comes, and plain semi-supervised k-means."""
    layers, plain = LastLayers(network), Settings(geometry="euclidean")
    points = {part: points_of(torch.from_numpy(layers.embed(read_texts)), plain).numpy() for part, read_texts in texts.items()}
    return score(banking, trial, points, "euclidean", 1.0, seed, _CLASSES)


def measure(data: Path, *, seeds: Sequence[int] = (0, 1, 2), validate: bool = False, settings: Settings | None = None) -> dict[str, Any]:
    """Means over the seeds: hyperbolic, Euclidean and the encoder as it comes; `skipped` with a reason where it cannot run."""
    folder = data / "splits" / "banking"
    if not (folder / "train.tsv").is_file():
        return {"skipped": f"no BANKING77 split in {folder}"}
    try:
        tokenizer, network = load_sentence_encoder()
    except EncoderMissing as missing:
        return {"skipped": str(missing)}
    banking = Banking(folder)
    make: Callable[[Banking, int], Trial] = Trial.validation if validate else Trial.published
    texts: dict[Part, Texts] = {part: read(banking.texts[part], tokenizer, network) for part in _PARTS}
    settings = settings or Settings()
    result: dict[str, Any] = {"scored_on": "validation" if validate else "test", "seeds": list(seeds), "settings": asdict(settings)}
    result["frozen"] = _mean([frozen(banking, texts, network, make(banking, seed), seed) for seed in seeds])
    for geometry in ("hyperbolic", "euclidean"):
        own = replace(settings, geometry=geometry)
        runs = [run(banking, texts, network, make(banking, seed), own, seed) for seed in seeds]
        result[geometry] = {count: _mean([found[count] for found in runs]) for count in ("given", "estimated")}
    return result | {"published": PUBLISHED}


def _mean(scores: Sequence[dict[str, float]]) -> dict[str, Any]:
    means = {name: round(float(np.mean([found[name] for found in scores])), 2) for name in scores[0]}
    return means | {"h_scores": [round(found["h_score"], 2) for found in scores]}


def _rounded(found: dict[str, dict[str, float]]) -> dict[str, list[float]]:
    return {count: [round(value, 1) for value in scores.values()] for count, scores in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/gcd"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--validate", action="store_true", help="score inside the known classes, to choose settings")
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.data, seeds=chosen.seeds, validate=chosen.validate)))


if __name__ == "__main__":
    main()
