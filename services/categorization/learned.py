"""What each user has said, and what training made of it, in memory: read again when it has changed, laid out anew when a model with
another ball answers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import structlog

from models.hypcd.personal import PersonalAnchors
from services.categorization.columns import NO_DAY, Columns, Floats, day_number
from services.categorization.domain import Anchor, Said, UserModel, Words
from services.categorization.metrics import USER_MODEL_LOADS
from services.categorization.personal_model import PersonalModel
from services.categorization.protocols import Head, HeadLoader, Model, WordsRepository

log = structlog.get_logger()

_MOST_KEPT = 500_000
"""Anchors of all users in memory: those who asked longest ago are read again."""
_ANCHOR_BYTES = 512
"""About as much as an anchor takes: a user's own model counts as so many."""
_NOTHING = Said(None, (), None)
_PROBE = Columns(["PROBE"], [""], np.array([-1.0]), np.array([NO_DAY], np.int32))


class _OwnHead:
    """A user's own model: read when it is first asked, and once."""

    def __init__(self, kept: UserModel, load: HeadLoader) -> None:
        self.content_hash = kept.content_hash
        self.size = len(kept.artifact)
        self._artifact = kept.artifact
        self._load = load
        self._head: Head | None = None

    def on(self, base: Model, version: str) -> Head | None:
        """None for one that cannot be used: it is read no second time. Call it where `Predictor.run` does."""
        if self._artifact:
            artifact, self._artifact = self._artifact, b""
            try:
                self._head = _tried_out(self._load(artifact), base)
            except Exception as error:
                USER_MODEL_LOADS.labels("failed").inc()
                log.error("a user's own model cannot be used: the global one answers", version=version, error=str(error))
            else:
                USER_MODEL_LOADS.labels("loaded").inc()
        return self._head


def _tried_out(head: Head, base: Model) -> Head:
    """The head, if it answers as it should. Raises whatever it raises, and ValueError."""
    if not base.has_ball(head.base_version):
        raise ValueError(f"it was trained on {head.base_version}, not on {base.ball}")
    opinion = base.opine(_PROBE)
    assert opinion.points is not None  # nosec B101  # only a model with a ball has heads on it
    found = head.probabilities(opinion.points, _PROBE.amounts, opinion.probabilities)
    if found.shape != (1, len(head.categories)) or not np.isfinite(found).all():
        raise ValueError(f"it answers {found.shape} for {len(head.categories)} categories, or with something that is no number")
    return head


class Learned:
    """One user's anchors, and own model, as of one revision."""

    def __init__(self, said: Said, load_head: HeadLoader, before: Learned | None = None) -> None:
        """`before`: of an earlier revision, whose points need not be worked out again."""
        self.revision = said.revision
        self.rows = said.anchors
        self._kept = said.model
        self._own: _OwnHead | None = None
        if said.model is not None:
            known = before._own if before is not None else None
            same = known is not None and known.content_hash == said.model.content_hash
            self._own = known if same else _OwnHead(said.model, load_head)
        self._points: dict[tuple[str, datetime], Floats] = before._points if before is not None else {}
        self._ball: str = before._ball if before is not None else ""
        self._laid_out: PersonalAnchors | None = None
        self._laid_out_for = ""
        self._places: Floats | None = None

    @property
    def model_hash(self) -> str:
        """Of the artefact that is in memory; empty for none."""
        return self._own.content_hash if self._own is not None else ""

    @property
    def weight(self) -> int:
        """How much room it takes, in anchors."""
        return 1 + len(self.rows) + (self._own.size // _ANCHOR_BYTES if self._own is not None else 0)

    def model(self, base: Model) -> Model:
        """What answers this user: `base`, with the user's own head where there is one for it. Call it where `Predictor.run` does."""
        if self._kept is None or self._own is None or not base.has_ball(self._kept.base_version):
            return base
        head = self._own.on(base, self._kept.version)
        return PersonalModel(base, head, self._kept.version) if head is not None else base

    def anchors(self, model: Model) -> PersonalAnchors | None:
        """Where they lie on this model's ball; None without any. Call it where `Predictor.run` does."""
        if not self.rows:
            return None
        if self._laid_out is None or self._laid_out_for != model.ball:
            self._places = self._place(model)
            self._laid_out = PersonalAnchors.from_rows(
                [row.merchant_key for row in self.rows],
                [row.category for row in self.rows],
                [float(row.amount) for row in self.rows],
                [_day(row) for row in self.rows],
                self._places,
            )
            self._laid_out_for = model.ball
        return self._laid_out

    def places(self, model: Model) -> Floats | None:
        """Points [rows, d] of the anchors on this model's ball; None without any, or without a ball. Call it where `Predictor.run` does."""
        return self._places if self.anchors(model) is not None else None

    def _place(self, model: Model) -> Floats | None:
        """[rows, d]; only what has not been placed on this ball before is worked out."""
        known = self._points if self._ball == model.ball else {}
        missing = [row for row in self.rows if _row_key(row) not in known]
        placed = model.place(_columns(missing)) if missing else np.empty((0, 0), np.float32)
        self._ball, self._points = model.ball, {}
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

    def __init__(self, repository: WordsRepository, *, load_head: HeadLoader, most_anchors: int, most_kept: int = _MOST_KEPT) -> None:
        """The latest `most_anchors` of a user count; `most_kept` of all users stay in memory."""
        self._repository = repository
        self._load_head = load_head
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
                found = Learned(_NOTHING, self._load_head)
            else:
                known_hash = found.model_hash if found is not None else ""
                said = await self._repository.said(user_id, limit=self._most_anchors, known_hash=known_hash)
                found = Learned(said, self._load_head, found)
            self._keep(user_id, found)
        else:
            self._users.move_to_end(user_id)
        return words, found

    def _keep(self, user_id: UUID, found: Learned) -> None:
        before = self._users.pop(user_id, None)
        self._kept -= before.weight if before is not None else 0
        self._users[user_id] = found
        self._kept += found.weight
        while self._kept > self._most_kept and len(self._users) > 1:
            _, gone = self._users.popitem(last=False)
            self._kept -= gone.weight
