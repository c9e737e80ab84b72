"""The global model with one user's own head on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.knowledge.opinion import Opinion
from services.categorization.columns import Columns, Floats
from services.categorization.protocols import Group, Head, Model

_LEAST = np.float32(1e-9)
PREFIX = "categorizer/"
"""Before the version, in answers: which model of the registry it is."""


class PersonalModel:
    """`Model` for one user. The ball, and with it where payments lie on it, is the global model's."""

    degraded = False

    def __init__(self, base: Model, head: Head, version: str) -> None:
        """`head` was trained on the ball of `base`; `version` is the registry's."""
        self._base = base
        self._head = head
        self.version = f"{PREFIX}{version}"
        self.ball = base.ball
        self.threshold = base.threshold

    def opine(self, columns: Columns) -> Opinion:
        """See `Model`. What everybody is told; `moved` says what this user is."""
        return self._base.opine(columns)

    def moved(self, opinion: Opinion, known: int, columns: Columns) -> Opinion:
        """What the head makes of an opinion of `opine`, and of the shipped rules, whose further categories stand behind the `known` ones of
        the model. The user's own are the last."""
        if opinion.points is None:
            return opinion
        said = self._head.probabilities(opinion.points, columns.amounts, opinion.probabilities[:, :known])
        index = {category: place for place, category in enumerate(opinion.categories)}
        places = [index.setdefault(category, len(index)) for category in self._head.categories]
        probabilities = np.zeros((len(columns), len(index)), np.float32)
        # Of what rules alone name, the head knows nothing: it leaves them what it leaves the others.
        others = opinion.probabilities[:, known:]
        left = np.maximum(1 - said.sum(axis=1, keepdims=True), 0) / np.maximum(others.sum(axis=1, keepdims=True), _LEAST)
        probabilities[:, known : len(opinion.categories)] = others * left
        probabilities[:, places] += said
        # What there was to say for another answer is none for this one.
        same = (probabilities.argmax(axis=1) == opinion.probabilities.argmax(axis=1)).tolist()
        whys = [why if kept else "" for why, kept in zip(opinion.whys, same, strict=True)] if opinion.whys else opinion.whys
        return Opinion(list(index), probabilities, opinion.points, whys)

    def place(self, columns: Columns) -> Floats | None:
        """See `Model`."""
        return self._base.place(columns)

    def has_ball(self, name: str) -> bool:
        """See `Model`."""
        return self._base.has_ball(name)

    def groups(self, points: Floats, taken: Floats | None, *, least_members: int) -> Sequence[Group]:
        """See `Model`."""
        return self._base.groups(points, taken, least_members=least_members)
