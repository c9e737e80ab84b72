"""Counts how often each row has been seen in one file, in about eight bytes a row."""

from __future__ import annotations

import polars as pl

_RECENT_ROWS = 100_000
"""Kept in a set, which is fast but large; older ones are merged into one sorted column."""


class Occurrences:
    """Numbers equal rows from 1, over a whole file. Rows are told apart by a 64-bit digest, given in batches.

    Among four million rows the chance that two digests meet is below one in a million.
    """

    def __init__(self) -> None:
        self._old = pl.Series(dtype=pl.UInt64)
        self._recent: set[int] = set()
        self._repeated: dict[int, int] = {}
        """How often, for what was seen more than once."""

    def number(self, digests: list[int]) -> list[int]:
        """The running number of each row among its equals."""
        seen_before = self._in_old(digests)
        numbers = []
        for digest, old in zip(digests, seen_before, strict=True):
            if old or digest in self._recent:
                number = self._repeated.get(digest, 1) + 1
                self._repeated[digest] = number
            else:
                number = 1
                self._recent.add(digest)
            numbers.append(number)
        if len(self._recent) > _RECENT_ROWS:
            self._old = self._old.append(pl.Series(list(self._recent), dtype=pl.UInt64)).sort()
            self._recent.clear()
        return numbers

    def _in_old(self, digests: list[int]) -> list[bool]:
        if self._old.is_empty() or not digests:
            return [False] * len(digests)
        wanted = pl.Series(digests, dtype=pl.UInt64)
        places = self._old.search_sorted(wanted).clip(0, len(self._old) - 1)
        return (self._old.gather(places) == wanted).to_list()
