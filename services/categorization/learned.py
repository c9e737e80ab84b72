"""What each user has said, in memory: read again when it has changed, laid out anew when another model answers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import numpy as np

from models.hypcd.personal import PersonalAnchors
from services.categorization.columns import Columns, Floats, day_number
from services.categorization.domain import Anchor, Words
from services.categorization.protocols import Model, WordsRepository

_MOST_KEPT = 500_000
"""Anchors of all users in memory: those who asked longest ago are read again."""


class Learned:
    """One user's anchors as of one revision."""

    def __init__(self, revision: UUID | None, rows: Sequence[Anchor], before: Learned | None = None) -> None:
        """`before`: of an earlier revision, whose points need not be worked out again."""
        self.revision = revision
        self.rows = rows
        self._points: dict[tuple[str, datetime], Floats] = before._points if before is not None else {}
        self._version: str = before._version if before is not None else ""
        self._laid_out: PersonalAnchors | None = None
        self._laid_out_for = ""
        self._places: Floats | None = None

    def anchors(self, model: Model) -> PersonalAnchors | None:
        """Where they lie for this model; None without any. Call it where `Predictor.run` does."""
        if not self.rows:
            return None
        if self._laid_out is None or self._laid_out_for != model.version:
            self._places = self._place(model)
            self._laid_out = PersonalAnchors.from_rows(
                [row.merchant_key for row in self.rows],
                [row.category for row in self.rows],
                [float(row.amount) for row in self.rows],
                [_day(row) for row in self.rows],
                self._places,
            )
            self._laid_out_for = model.version
        return self._laid_out

    def places(self, model: Model) -> Floats | None:
        """Points [rows, d] of the anchors on this model's ball; None without any, or without a ball. Call it where `Predictor.run` does."""
        return self._places if self.anchors(model) is not None else None

    def _place(self, model: Model) -> Floats | None:
        """[rows, d]; only what this model has not placed before is worked out."""
        known = self._points if self._version == model.version else {}
        missing = [row for row in self.rows if _row_key(row) not in known]
        placed = model.place(_columns(missing)) if missing else np.empty((0, 0), np.float32)
        self._version, self._points = model.version, {}
        if placed is None:
            return None
        found = known | dict(zip(map(_row_key, missing), placed, strict=True))
        self._points = {_row_key(row): found[_row_key(row)] for row in self.rows}
        return np.stack(list(self._points.values()))


def _row_key(row: Anchor) -> tuple[str, datetime]:
    return row.subject, row.said_at


def _day(row: Anchor) -> int:
    return day_number(row.transaction_date or row.said_at.astimezone(UTC).date())


def _columns(rows: Sequence[Anchor]) -> Columns:
    return Columns(
        [row.description for row in rows],
        [row.merchant for row in rows],
        np.array([float(row.amount) for row in rows], np.float64),
        np.array([day_number(row.transaction_date) for row in rows], np.int32),
    )


class LearnedUsers:
    """The users who asked last."""

    def __init__(self, repository: WordsRepository, *, most_anchors: int, most_kept: int = _MOST_KEPT) -> None:
        """The latest `most_anchors` of a user count; `most_kept` of all users stay in memory."""
        self._repository = repository
        self._most_anchors = most_anchors
        self._most_kept = most_kept
        self._kept = 0
        self._users: OrderedDict[UUID, Learned] = OrderedDict()

    async def ask(self, user_id: UUID, subjects: Sequence[str] = ()) -> tuple[Words, Learned]:
        """What the user says of these payments, and all that the user has said."""
        words = await self._repository.words(user_id, subjects)
        found = self._users.get(user_id)
        if found is None or found.revision != words.revision:
            if words.revision is None:
                found = Learned(None, ())
            else:
                revision, rows = await self._repository.anchors(user_id, limit=self._most_anchors)
                found = Learned(revision, rows, found)
            self._keep(user_id, found)
        else:
            self._users.move_to_end(user_id)
        return words, found

    def _keep(self, user_id: UUID, found: Learned) -> None:
        before = self._users.pop(user_id, None)
        self._kept -= len(before.rows) + 1 if before is not None else 0
        self._users[user_id] = found
        self._kept += len(found.rows) + 1
        while self._kept > self._most_kept and len(self._users) > 1:
            _, gone = self._users.popitem(last=False)
            self._kept -= len(gone.rows) + 1
