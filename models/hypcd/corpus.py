"""What the global model learns from, out of the tables that ship with it: merchants of two cities' purchase cards, brands, codes, words.

A label is a detailed category where the source says so much, else a primary one.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).with_name("data")
CITIES = ("birmingham", "barnet")
KNOWLEDGE = Path(__file__).parents[1] / "knowledge" / "data"

_SHARES = {"merchants": 0.3, "brands": 0.4, "codes": 0.04, "taxonomy": 0.06, "words": 0.05, "phrases": 0.15}
"""Of all that the model sees, by source."""
_COPIES = 3
"""Of a name or a phrase: as it stands, and as statements print it."""
_BEFORE = (
    "card payment to; pos; pos purchase; visa; visa purchase; direct debit; dd; sepa lastschrift; kartenzahlung; payment to; bill payment;"
    " contactless; paypal; sumup; sq; zettle; www; achat cb; pago en; betaalautomaat; paiement carte; faster payment; bacs; online"
).split(";")
_BEHIND = (
    "ltd; limited; gmbh; plc; stores; store 0; uk; com; co uk; 0; 0 0; ref 0; on 0 mar; sagt danke 0; gb; london; leeds; bristol;"
    " glasgow; cardiff; york; north street; high street; station road; berlin; hamburg; muenchen; koeln; paris; lyon; madrid; amsterdam;"
    " dublin; wien; praha; new york; internet; online; january; mai 0; services; shop; express; direct; europe; sarl; bv; inc"
).split(";")


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Detailed categories in the order of their primary ones, without the one that says nothing."""

    detailed: tuple[str, ...]
    primaries: tuple[str, ...]
    parent: NDArray[np.int64]  # [detailed], a place in `primaries`
    credit: NDArray[np.bool_]  # [detailed], money that comes in only
    debit: NDArray[np.bool_]  # [detailed], money that leaves only

    @property
    def slugs(self) -> tuple[str, ...]:
        """Detailed categories and, behind them, primary ones: what a row may be labelled with."""
        return self.detailed + self.primaries

    @property
    def members(self) -> NDArray[np.bool_]:
        """[slugs, detailed]: which detailed categories a slug stands for."""
        return np.concatenate([np.eye(len(self.detailed), dtype=np.bool_), np.arange(len(self.primaries))[:, None] == self.parent])


@dataclass(slots=True)
class Corpus:
    """Rows to learn from, as columns."""

    texts: list[str] = field(default_factory=list)
    amounts: list[float] = field(default_factory=list)  # NaN where the source has none
    labels: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, rows: Sequence[tuple[str, float, str, float]], share: float) -> None:
        """Rows of text, amount, label and weight, which together count `share`."""
        total = sum(weight for *_, weight in rows)
        for text, amount, label, weight in rows:
            self.texts.append(text)
            self.amounts.append(amount)
            self.labels.append(label)
            self.weights.append(weight * share / total)


def taxonomy() -> Taxonomy:
    """The consumer taxonomy."""
    rows = [row for row in read_table(DATA / "taxonomy.csv") if row["detailed"] != "other_uncategorized"]
    primaries = tuple(dict.fromkeys(row["primary"] for row in rows))
    parent = np.array([primaries.index(row["primary"]) for row in rows])
    credit, debit = (np.array([row["sign"] == sign for row in rows]) for sign in ("credit", "debit"))
    return Taxonomy(tuple(row["detailed"] for row in rows), primaries, parent, credit, debit)


def held_out(merchant: str) -> bool:
    """A fifth of all merchants, whatever numbers stand behind their names."""
    return zlib.crc32("".join(filter(str.isalpha, merchant.lower())).encode()) % 5 == 0


def corpus(cities: Sequence[str], *, leave_out: Callable[[str], bool] = lambda merchant: False) -> Corpus:
    """Everything, with the purchase cards of these cities only, and of these without some merchants."""
    found = Corpus()
    for source, share in _SHARES.items():
        rows = [row for row in _merchants(cities) if not leave_out(row[0])] if source == "merchants" else list(_SOURCES[source]())
        if rows:
            found.add(rows if source == "merchants" else list(printed(rows)), share)
    return found


def printed(rows: Sequence[tuple[str, float, str, float]]) -> Iterator[tuple[str, float, str, float]]:
    """Each text as it stands, and as banks and card networks print it: with what says nothing before or behind it, by chance."""
    chance = random.Random(1)  # nosec B311  # the same texts each time
    for text, amount, label, weight in rows:
        yield text, amount, label, weight
        for _ in range(_COPIES - 1):
            before = chance.choice(_BEFORE) if chance.random() < 0.4 else ""
            behind = chance.choices(_BEHIND, k=chance.choice((0, 1, 1, 2)))
            yield " ".join([before, text, *behind]), amount, label, weight


def city_rows(city: str) -> list[tuple[str, float, str, float]]:
    """Merchant, amount, label and number of rows of one city's purchases."""
    return [
        (row["merchant"], float(row["amount"]), row["category"], float(row["rows"]))
        for row in read_table(DATA / "merchants.csv.gz")
        if row["city"] == city
    ]


def read_table(path: Path, encoding: str = "utf-8") -> Iterator[dict[str, str]]:
    """Rows of a CSV file, which may be compressed."""
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode(encoding)
    yield from csv.DictReader(io.StringIO(text, newline=""))


def _merchants(cities: Sequence[str]) -> Iterator[tuple[str, float, str, float]]:
    for city in cities:
        rows = city_rows(city)
        total = Counter[tuple[str, str]]()
        for merchant, _, label, count in rows:
            total[merchant, label] += int(count)
        # The root of a merchant's rows: one that a council uses daily is still one merchant.
        yield from ((merchant, amount, label, count / total[merchant, label] ** 0.5) for merchant, amount, label, count in rows)


def _brands() -> Iterator[tuple[str, float, str, float]]:
    for row in read_table(KNOWLEDGE / "brands.csv.gz"):
        # The shorter, the better known; most tables of payments are in Latin letters.
        short = len(row["key"].split()) <= 2
        yield row["key"], float("nan"), row["category"], (2.0 if short else 1.0) if row["key"].isascii() else 0.5


def _codes() -> Iterator[tuple[str, float, str, float]]:
    for row in read_table(KNOWLEDGE / "mcc.csv.gz"):
        yield row["description"], float("nan"), row["category"], 1.0


def _taxonomy_texts() -> Iterator[tuple[str, float, str, float]]:
    for row in read_table(DATA / "taxonomy.csv"):
        if row["detailed"] == "other_uncategorized":
            continue
        for text in [row["name"], row["description"], *row["examples"].split(";")]:
            yield text.strip(), float("nan"), row["detailed"], 1.0


def _words() -> Iterator[tuple[str, float, str, float]]:
    for row in read_table(DATA / "words.csv"):
        yield row["words"], float("nan"), row["category"], 1.0


def _phrases() -> Iterator[tuple[str, float, str, float]]:
    for row in read_table(DATA / "phrases.csv"):
        for text in row["phrases"].split(";"):
            yield text.strip(), float("nan"), row["category"], 1.0


_SOURCES = {"brands": _brands, "codes": _codes, "taxonomy": _taxonomy_texts, "words": _words, "phrases": _phrases}
