"""The rules that ship with SCALE, in the form of a model: what answers while there is none."""

from __future__ import annotations

from collections.abc import Sequence

from models.knowledge import rules
from models.knowledge.opinion import Opinion
from services.categorization.columns import Columns, Floats
from services.categorization.protocols import Group


class RulesModel:
    """`Model` on the shipped rules. What they do not know has no likely category."""

    version = rules.VERSION
    ball = ""
    degraded = True
    threshold = rules.THRESHOLD

    def opine(self, columns: Columns) -> Opinion:
        """See `Model`."""
        return rules.opine(columns.descriptions, columns.merchants, columns.amounts)

    def place(self, columns: Columns) -> Floats | None:
        """See `Model`."""
        return None

    def has_ball(self, name: str) -> bool:
        """See `Model`."""
        return False

    def groups(self, points: Floats, taken: Floats | None, *, least_members: int) -> Sequence[Group]:
        """See `Model`."""
        return []
