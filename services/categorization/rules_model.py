"""The rules that ship with the service, in the form of a model: what answers while there is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.categorization.columns import Columns, Floats
from services.categorization.fallback import VERSION, classify_many
from services.categorization.protocols import Group, Opinion


class RulesModel:
    """`Model` on the shipped rules. What they do not know has no likely category."""

    version = VERSION
    degraded = True
    threshold = 0.5

    def opine(self, columns: Columns) -> Opinion:
        """See `Model`."""
        answers = classify_many(columns.descriptions, columns.merchants, columns.amounts.tolist())
        categories = sorted({answer.category for answer in answers} - {""})
        places = {category: place for place, category in enumerate(categories)}
        probabilities = np.zeros((len(answers), len(categories)), np.float32)
        known = [row for row, answer in enumerate(answers) if answer.category]
        probabilities[known, [places[answers[row].category] for row in known]] = [answers[row].confidence for row in known]
        whys = [f"{answer.reason[:1].upper()}{answer.reason[1:]}." if answer.reason else "" for answer in answers]
        return Opinion(categories, probabilities, None, whys)

    def place(self, columns: Columns) -> Floats | None:
        """See `Model`."""
        return None

    def groups(self, points: Floats, taken: Floats | None, *, least_members: int) -> Sequence[Group]:
        """See `Model`."""
        return []
