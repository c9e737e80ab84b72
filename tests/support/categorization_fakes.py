"""What categorization needs around it, in memory: a model that knows a few words, and a ledger."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import numpy as np
import uuid_utils.compat

from models.knowledge.opinion import Opinion
from services.categorization.columns import Amounts, Columns, Floats
from services.categorization.domain import (
    Category,
    CategorySet,
    LedgerPage,
    LedgerTransaction,
    ModelInfo,
    Payment,
    Verdict,
    WorkedOut,
)
from services.categorization.predictor import LoadedModel
from services.categorization.protocols import Group, Model
from services.categorization.rules_model import RulesModel
from services.kit.errors import InvalidArgument, NotFound, ScaleError

Result = TypeVar("Result")

TAXONOMY = (
    Category("groceries", "Groceries", "groceries"),
    Category("groceries_supermarket", "Supermarkets", "groceries"),
    Category("dining", "Dining", "dining"),
    Category("dining_cafe", "Cafes", "dining"),
    Category("transport", "Transport", "transport"),
    Category("transport_fuel", "Fuel", "transport"),
    Category("housing", "Housing", "housing"),
    Category("housing_rent", "Rent", "housing"),
)
WORDS = {"rewe": "groceries_supermarket", "cafe": "dining_cafe", "shell": "transport_fuel", "rent": "housing_rent"}
CATEGORIES = ("groceries_supermarket", "dining_cafe", "transport_fuel", "housing_rent")


class WordModel:
    """`Model`: a word that it knows is 0.9 likely, the others share the rest; without one all are equally likely. Counts its passes."""

    degraded = False
    threshold = 0.5

    def __init__(self, version: str = "hypcd-test+1", ball: str = "") -> None:
        """Without `ball` it has one of its own."""
        self.version = version
        self.ball = ball or version
        self.passes: list[int] = []
        self.placed: list[int] = []

    def opine(self, columns: Columns) -> Opinion:
        self.passes.append(len(columns))
        probabilities = np.full((len(columns), len(CATEGORIES)), 0.25, np.float32)
        for row, (description, merchant) in enumerate(zip(columns.descriptions, columns.merchants, strict=True)):
            for word in f"{merchant} {description}".lower().split():
                if word in WORDS:
                    probabilities[row] = 0.1 / 3
                    probabilities[row, CATEGORIES.index(WORDS[word])] = 0.9
        return Opinion(CATEGORIES, probabilities, self._points(columns))

    def place(self, columns: Columns) -> Floats:
        self.placed.append(len(columns))
        return self._points(columns)

    def has_ball(self, name: str) -> bool:
        return name in (self.ball, self.version)

    def groups(self, points: Floats, taken: Floats | None, *, least_members: int) -> Sequence[Group]:
        """Those with the same points, but for what an average leaves of them."""
        places: dict[bytes, list[int]] = {}
        for row, point in enumerate(points):
            places.setdefault(point.round(3).tobytes(), []).append(row)
        found = [Group(rows, 0.8) for rows in places.values() if len(rows) >= least_members]
        return sorted(found, key=lambda group: -len(group.members))

    def _points(self, columns: Columns) -> Floats:
        """What is of one known category lies together, and so does all else that begins with the same word."""
        points = np.zeros((len(columns), 256), np.float32)
        for row, description in enumerate(columns.descriptions):
            known = [CATEGORIES.index(WORDS[word]) for word in description.lower().split() if word in WORDS]
            points[row, known[0] if known else 4 + zlib.crc32(description.partition(" ")[0].encode()) % 252] = 0.9
        return points


@dataclass(frozen=True)
class OneCategoryHead:
    """`Head`: everything is 0.8 one category, whatever it looks like, and the rest is shared."""

    base_version: str
    categories: tuple[str, ...]

    def probabilities(self, points: Floats, amounts: Amounts, likely: Floats) -> Floats:
        found = np.full((len(points), len(self.categories)), 0.2 / (len(self.categories) - 1), np.float32)
        found[:, 0] = 0.8
        return found


def head_artifact(category: str, base_version: str = "hypcd-test+1") -> bytes:
    """What `load_head` reads."""
    return f"head {base_version} {category}".encode()


def load_head(artifact: bytes) -> OneCategoryHead:
    """`HeadLoader` for `head_artifact`."""
    kind, _, rest = artifact.decode().partition(" ")
    if kind != "head":
        raise ValueError("it is no head")
    base_version, category = rest.split()
    others = tuple(one for one in CATEGORIES if one != category)
    return OneCategoryHead(base_version, (category, *others))


class Silent(RulesModel):
    """Rules that know nothing."""

    def opine(self, columns: Columns) -> Opinion:
        return Opinion([], np.zeros((len(columns), 0), np.float32), None, [""] * len(columns))


class StillPredictor:
    """`Predictor` that runs on the event loop."""

    def __init__(self, model: Model | None = None) -> None:
        self.model: Model = model or WordModel()

    def info(self) -> ModelInfo:
        return ModelInfo(self.model.version, self.model.degraded, "", len(CATEGORIES), self.model.threshold, 4, datetime.now(UTC), {})

    async def run(self, work: Callable[[Model], Result]) -> Result:
        return work(self.model)


@dataclass
class Loads:
    """A loader of WordModel that counts its calls. The folder's `version.json` names the version; one that says `broken` does not load."""

    models: list[WordModel] = field(default_factory=list)
    tried: int = 0

    def __call__(self, folder: Path) -> LoadedModel:
        self.tried += 1
        text = (folder / "version.json").read_text(encoding="utf-8")
        if text == "broken":
            raise ValueError("version.json is broken")
        self.models.append(WordModel(text))
        return LoadedModel(
            self.models[-1], len(CATEGORIES), 4, {"version.json": "0" * 64}, np.zeros((len(CATEGORIES), 4), np.float32), CATEGORIES
        )


def packed(version: str) -> bytes:
    """A packed folder for `Loads`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("version.json", version)
        archive.writestr("manifest.json", "{}")
    return buffer.getvalue()


@dataclass
class FakeLedger:
    """`CategoryLedger` of one user. `down` is raised by every method while it is set."""

    transactions: dict[UUID, LedgerTransaction] = field(default_factory=dict)
    categories: dict[str, Category] = field(default_factory=lambda: {one.slug: one for one in TAXONOMY})
    rules: dict[str, Verdict] = field(default_factory=dict)
    """By a word of the description."""
    down: ScaleError | None = None
    asked: list[str] = field(default_factory=list)

    def _note(self, method: str) -> None:
        self.asked.append(method)
        if self.down is not None:
            raise self.down

    async def list_categories(self) -> Sequence[Category]:
        self._note("list_categories")
        return list(self.categories.values())

    async def evaluate_rules(self, payments: Sequence[Payment]) -> Sequence[Verdict | None]:
        self._note("evaluate_rules")
        return [next((rule for word, rule in self.rules.items() if word in one.description), None) for one in payments]

    async def set_category(self, transaction_id: UUID, category: str) -> CategorySet:
        self._note("set_category")
        if category not in self.categories:
            raise InvalidArgument("unknown category")
        if transaction_id not in self.transactions:
            raise NotFound("unknown transaction")
        before = self.transactions[transaction_id]
        self.transactions[transaction_id] = before._replace(category=category, source="user", confidence=None)
        return CategorySet(self.transactions[transaction_id], before.category, before.source)

    async def set_categories(self, worked_out: Sequence[WorkedOut]) -> int:
        self._note("set_categories")
        changed = 0
        for one in worked_out:
            before = self.transactions[one.transaction_id]
            accepted = one.source.value == "user" and one.confidence is None
            kept = before.source == "user" and before.confidence is None
            if kept or (before.source in ("rule", "file") and not accepted):
                continue
            changed += before.category != one.category
            self.transactions[one.transaction_id] = before._replace(
                category=one.category, source=one.source.value if one.category else "", confidence=one.confidence
            )
        return changed

    async def user_categories(self, transaction_ids: Collection[UUID]) -> Mapping[UUID, str]:
        self._note("user_categories")
        found = {one: self.transactions[one] for one in transaction_ids if one in self.transactions}
        return {one: row.category if row.source == "user" and row.confidence is None else "" for one, row in found.items()}

    async def list_transactions(self, *, page_size: int, page_token: str, date_from: date | None = None) -> LedgerPage:
        self._note("list_transactions")
        if page_token == "signed by another key":
            raise InvalidArgument("not one that was handed out")
        start = int(page_token or 0)
        rows = list(self.transactions.values())
        more = str(start + page_size) if start + page_size < len(rows) else ""
        return LedgerPage(rows[start : start + page_size], more)

    async def create_category(self, name: str, primary_slug: str, *, request_id: str) -> Category:
        self._note("create_category")
        slug = name.lower().replace(" ", "_")
        self.categories[slug] = Category(slug, name, primary_slug)
        return self.categories[slug]

    def add(self, payment: Payment, category: str = "", source: str = "", confidence: float | None = None) -> UUID:
        assert payment.transaction_id is not None
        self.transactions[payment.transaction_id] = LedgerTransaction(payment, category, source, confidence)
        return payment.transaction_id


def shop(description: str, *, in_ledger: bool = False, amount: str = "-12.30") -> Payment:
    """A payment, with an id where it is in a ledger."""
    return Payment(description, "", Decimal(amount), "EUR", date(2026, 5, 4), uuid_utils.compat.uuid7() if in_ledger else None)
