"""What categorization needs from what lies around it: its database, the ledger, a model, a queue."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

from models.knowledge.opinion import Opinion
from services.categorization.columns import Amounts, Columns, Floats
from services.categorization.domain import (
    Anchor,
    Categories,
    Category,
    CategorySet,
    Correction,
    LedgerPage,
    ModelInfo,
    Payment,
    Said,
    Verdict,
    Words,
    WorkedOut,
)

Result = TypeVar("Result")


class Group(NamedTuple):
    """Points that lie together, and far from all that is known."""

    members: Sequence[int]
    """Rows, the most typical first."""
    score: float
    """How much nearer they are to each other than to anything else: 0 to 1."""


class Head(Protocol):
    """What was trained for one user, on top of the global model. Holds no state of a question."""

    @property
    def base_version(self) -> str:
        """The ball on which it was trained, or a global model that has it; on another one it means nothing."""

    @property
    def categories(self) -> Sequence[str]:
        """Those of the global model, and the user's own."""

    def probabilities(self, points: Floats, amounts: Amounts, likely: Floats) -> Floats:
        """[n, k] over `categories`, calibrated, from what the global model says, `points` [n, d] and `likely` [n, j], and from signed
        `amounts` [n]."""


HeadLoader = Callable[[bytes], Head]
"""Reads an artefact. Raises ValueError for one that cannot be read, and ImportError where torch is missing."""


class Model(Protocol):
    """What answers for everybody: the global model, or the rules in its place."""

    @property
    def version(self) -> str:
        """As answers name it."""

    @property
    def ball(self) -> str:
        """Where `place` puts payments: what was placed by one model lies right for another one with the same. Empty without one."""

    @property
    def degraded(self) -> bool:
        """Whether it stands in for the model."""

    @property
    def threshold(self) -> float:
        """Below this confidence there is no answer."""

    def opine(self, columns: Columns) -> Opinion:
        """One forward pass. Call it where `Predictor.run` does."""

    def place(self, columns: Columns) -> Floats | None:
        """Where payments lie on the ball, [n, d]; None without one."""

    def has_ball(self, name: str) -> bool:
        """Whether a user's head that names this ball, or this model, goes with it."""

    def groups(self, points: Floats, taken: Floats | None, *, least_members: int) -> Sequence[Group]:
        """Groups among points [n, d] that belong to no category, and to none of the places [m, d] that are taken; the largest first."""


class Predictor(Protocol):
    """Holds the model of this process."""

    def info(self) -> ModelInfo:
        """What answers now."""

    async def run(self, work: Callable[[Model], Result]) -> Result:
        """What `work` makes of the model that answers now, off the event loop."""


class WordsRepository(Protocol):
    """What users have said. Each method is one transaction of one user."""

    async def words(self, user_id: UUID, subjects: Sequence[str]) -> Words:
        """The user's revision, and the words on these payments."""

    async def said(self, user_id: UUID, *, limit: int, known_hash: str = "") -> Said:
        """The revision, the latest anchors, and the user's own model; its artefact only if it is not the one with `known_hash`."""

    async def find_correction(self, user_id: UUID, request_id: str) -> Correction | None:
        """The one that has the request id."""

    async def follow(self, user_id: UUID, revision: UUID, said: Mapping[str, str]) -> bool:
        """Puts anchors where the ledger has their payments by now, by subject; empty: nothing is said of it any more. Only if nothing was
        said since `revision`."""

    def turn(self, user_id: UUID) -> AbstractAsyncContextManager[WordsTurn]:
        """The user's turn to say something: others of the same user wait until it is over. What is said in it is stored when it ends, or,
        where it raises, not at all."""


class WordsTurn(Protocol):
    """Nobody else changes what the user has said. All of it is one transaction."""

    async def find_correction(self, request_id: str) -> Correction | None:
        """The one that has the request id."""

    async def record(self, correction: Correction, anchor: Anchor | None, *, subject: str) -> Correction:
        """Stores one whose request id is new, and puts `anchor` (None: nothing) in the place of what was said of `subject` before."""


class CategoryLists(Protocol):
    """What a user's payments may be."""

    async def of(self, user_id: UUID) -> Categories:
        """By slug; of the user whose token it is."""


class CategoryLedger(Protocol):
    """What categorization asks of the service that owns the transactions. The caller's token says whose they are."""

    async def list_categories(self) -> Sequence[Category]:
        """The taxonomy and the user's own."""

    async def evaluate_rules(self, payments: Sequence[Payment]) -> Sequence[Verdict | None]:
        """What the user's rules say of each."""

    async def set_category(self, transaction_id: UUID, category: str) -> CategorySet:
        """The user's own word. Raises NotFound, InvalidArgument."""

    async def set_categories(self, worked_out: Sequence[WorkedOut]) -> int:
        """At most 1000; how many have another category now."""

    async def user_categories(self, transaction_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """What the user has said of these transactions by hand, empty for nothing; what is in no ledger of the user's is left out."""

    async def list_transactions(self, *, page_size: int, page_token: str, date_from: date | None = None) -> LedgerPage:
        """The newest first."""

    async def create_category(self, name: str, primary_slug: str, *, request_id: str) -> Category:
        """A category of the user's own; the same request id gives the same one."""
