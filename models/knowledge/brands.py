"""Brands and operators of the world by the name that stands in a payment. The table is made by `models.knowledge.build`."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent / "data"
MAX_WORDS = 6
"""As many as a merchant's key has."""


@dataclass(frozen=True, slots=True)
class Brand:
    """A name that says what was bought."""

    name: str
    """As it writes itself."""
    category: str
    """A slug of the taxonomy: detailed where all that bears the name agrees, else primary."""
    whole: bool
    """Whether nothing stands behind the name: what does may be a town, or make it another shop."""
    words: int
    """Of the key."""


class _Known(NamedTuple):
    name: str
    category: str
    leads: bool
    """Whether other words may follow; a short or common name must stand alone."""


def match_brand(merchant_key: str) -> Brand | None:
    """The brand that a key of `models.hypcd.merchant.merchant_key` is, or begins with; the longest that fits. None is the usual answer."""
    known = _by_key()
    words = merchant_key.split(" ")[:MAX_WORDS]
    for count in range(len(words), 0, -1):
        found = known.get(" ".join(words[:count]))
        # Two letters with more behind them are somebody's initials.
        if found and (count == len(words) or (found.leads and any(len(word) > 1 for word in words[:count]))):
            return Brand(found.name, found.category, count == len(words), count)
    # Names of the web are written in one word: sportsdirect.com.
    joined = _by_joined_key().get(words[0]) if len(words) == 1 else None
    return Brand(joined.name, joined.category, True, 1) if joined else None


@lru_cache(maxsize=1)
def _by_key() -> Mapping[str, _Known]:
    with gzip.open(DATA / "brands.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return {row["key"]: _Known(row["name"] or row["key"].title(), row["category"], row["leads"] == "1") for row in csv.DictReader(file)}


@lru_cache(maxsize=1)
def _by_joined_key() -> Mapping[str, _Known]:
    """Names of several words, written as one; only where long enough to be no accident."""
    joined = {key.replace(" ", ""): known for key, known in _by_key().items() if " " in key}
    return {key: known for key, known in joined.items() if len(key) >= 7 and key not in _by_key()}
