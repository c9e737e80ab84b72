"""The global model with one user's own head on it."""

from __future__ import annotations

from collections.abc import Sequence

from services.categorization.columns import Columns, Floats
from services.categorization.protocols import Group, Head, Model, Opinion

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
        self.threshold = base.threshold

    def opine(self, columns: Columns, head: Head | None = None) -> Opinion:
        """See `Model`."""
        return self._base.opine(columns, head or self._head)

    def place(self, columns: Columns) -> Floats | None:
        """See `Model`."""
        return self._base.place(columns)

    def groups(self, points: Floats, taken: Floats | None, *, least_members: int) -> Sequence[Group]:
        """See `Model`."""
        return self._base.groups(points, taken, least_members=least_members)
