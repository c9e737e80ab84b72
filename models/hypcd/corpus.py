"""What the global model learns from, out of the tables that ship with it: merchants of two cities' purchase cards, brands, codes, words.

A label is a detailed category where the source says so much, else a primary one.
"""

from __future__ import annotations

import csv
import gzip
import io
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

_SHARES = {"merchants": 0.5, "brands": 0.3, "codes": 0.05, "taxonomy": 0.05, "words": 0.05, "phrases": 0.05}
"""Of all that the model sees, by source."""


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Detailed categories in the order of their primary ones, without the one that says nothing."""

    detailed: tuple[str, ...]
    primaries: tuple[str, ...]
    parent: NDArray[np.int64]  # [detailed], a place in `primaries`
    credit: NDArray[np.bool_]  # [detailed], money that comes in only

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
    return Taxonomy(tuple(row["detailed"] for row in rows), primaries, parent, np.array([row["sign"] == "credit" for row in rows]))


def held_out(merchant: str) -> bool:
    """A fifth of all merchants, whatever numbers stand behind their names."""
    return zlib.crc32("".join(filter(str.isalpha, merchant.lower())).encode()) % 5 == 0


def corpus(cities: Sequence[str], *, leave_out: Callable[[str], bool] = lambda merchant: False) -> Corpus:
    """Everything, with the purchase cards of these cities only, and of these without some merchants."""
    found = Corpus()
    for source, share in _SHARES.items():
        rows = [row for row in _merchants(cities) if not leave_out(row[0])] if source == "merchants" else list(_SOURCES[source]())
        if rows:
            found.add(rows, share)
    return found


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
        yield row["key"], float("nan"), row["category"], 1.0


def _codes() -> Iterator[tuple[str, float, str, float]]:
    for row in read_table(KNOWLEDGE / "mcc.csv.gz"):
        yield row["description"], float("nan"), row["category"], 1.0


def _taxonomy_texts() -> Iterator[tuple[str, float, str, float]]:
    for row in read_table(DATA / "taxonomy.csv"):
        if row["detailed"] == "other_uncategorized":
            continue
        amount = 1000.0 if row["sign"] == "credit" else float("nan")
        for text in [row["name"], row["description"], *row["examples"].split(";")]:
            yield text.strip(), amount, row["detailed"], 1.0


def _words() -> Iterator[tuple[str, float, str, float]]:
    for row in read_table(DATA / "words.csv"):
        yield row["words"], float("nan"), row["category"], 1.0


def _phrases() -> Iterator[tuple[str, float, str, float]]:
    for row in read_table(DATA / "phrases.csv"):
        for text in row["phrases"].split(";"):
            yield text.strip(), 1000.0 if row["category"].startswith("income") else float("nan"), row["category"], 1.0


_SOURCES = {"brands": _brands, "codes": _codes, "taxonomy": _taxonomy_texts, "words": _words, "phrases": _phrases}
