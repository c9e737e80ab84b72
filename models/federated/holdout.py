"""Rows with a known answer that no device trains on: what a new head must answer no worse than the one before.

Half of what counts are made lines of households' statements (`data/statements.csv`), from which the network has not learned; the other half
merchants of the two cities' purchase cards, a fifth of all by the rule of `corpus.held_out`. The shipped encoder has learned from those as
from the rest: a round that forgets them or is poisoned shows on them, one that only knows more does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from models.federated.head import Floats, Head
from models.hypcd.corpus import CITIES, city_rows, held_out, read_table
from models.hypcd.features import extract
from models.hypcd.network import Encoder

STATEMENTS = Path(__file__).with_name("data") / "statements.csv"

Row = tuple[str, float, str, float]
"""Text, signed amount, category, weight."""


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Rows as an encoder sees them. Holds no state of a request."""

    points: Floats
    """[n, dimension]"""
    truth: NDArray[np.int64]
    """[n], places in the primary categories."""
    weights: NDArray[np.float64]
    """[n], together 1."""
    spent: NDArray[np.bool_]
    """[n], money that leaves."""

    @classmethod
    @torch.inference_mode()
    def of(cls, encoder: Encoder, head: Head, parts: tuple[list[Row], ...] | None = None) -> Self:
        """Each of the parts counts the same; without any, those that ship. Rows of categories that the head does not know are left out."""
        families = dict(zip(head.slugs, [*head.parent.tolist(), *range(len(head.primaries))], strict=True))
        rows: list[Row] = []
        for part in (statements(), merchants()) if parts is None else parts:
            known = [row for row in part if row[2] in families]
            total = sum(row[3] for row in known)
            rows += [(text, amount, slug, weight / total) for text, amount, slug, weight in known]
        if not rows:
            raise ValueError("none of the rows held out has a category that the model knows")
        texts, amounts = [row[0] for row in rows], np.array([row[1] for row in rows])
        weights = np.array([row[3] for row in rows])
        points = encoder.points(extract(texts, [""] * len(texts), amounts, [-1] * len(texts))).numpy()
        return cls(points, np.array([families[row[2]] for row in rows]), weights / weights.sum(), amounts < 0)

    def accuracy(self, head: Head) -> float:
        """The share, by weight, of rows whose primary category a head answers right."""
        right = head.primary_probabilities(self.points, self.spent).argmax(axis=1) == self.truth
        return float(self.weights @ right)


def statements() -> list[Row]:
    """Made lines of statements in six languages, each with its primary category."""
    return [(row["description"], float(row["amount"]), row["category"], 1.0) for row in read_table(STATEMENTS)]


def merchants() -> list[Row]:
    """Merchants held out, each as often as the root of its purchases."""
    return [(text, amount, slug, count**0.5) for city in CITIES for text, amount, slug, count in city_rows(city) if held_out(text)]
