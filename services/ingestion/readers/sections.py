"""Headings between the rows of a table: "Pending transactions", "Deposits", "Withdrawals"."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

from services.ingestion.readers.folding import fold
from services.ingestion.readers.layout import Table
from services.ingestion.readers.words import direction_of, is_balance_line, state_of

_MAX_CHARS, _MAX_WORDS = 60, 3
_COUNT = re.compile(r"\s*\(\d{1,4}\)$")
# What a heading may say beside the word that counts.
_NEUTRAL = frozenset(
    "transaction transactions activity items entries bookings and other additions subtractions electronic cash atm your all recent".split()
    + "umsatze buchungen und operations et mouvements movimientos operaciones movimenti operazioni transacties transaktioner".split()
    + "tapahtumat operacje transakcje pohyby".split()
)


class Sections:
    """Says of each row what the headings above it say, frame by frame in file order."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._state = self._way = ""
        for row in table.preamble:
            filled = [cell for cell in row if cell.strip()]
            if len(filled) == 1:
                self._take(filled[0].strip())
            else:  # headings are next to what they head
                self._state = self._way = ""

    def above(self, frame: pl.DataFrame) -> list[pl.Series]:
        """Two columns: "section_state", "pending", "void" or "", and "section_way": "in", "out", another heading's text, or ""."""
        states, ways = [self._state], [self._way]
        starts = [0]
        for at, text in self._headings(frame):
            self._take(text)
            starts.append(at)
            states.append(self._state)
            ways.append(self._way)
        lengths = [end - start for start, end in zip(starts, [*starts[1:], len(frame)], strict=True)]
        runs = pl.DataFrame({"section_state": states, "section_way": ways, "length": lengths}, schema_overrides={"length": pl.UInt32})
        rows = runs.select(pl.all().exclude("length").repeat_by("length").explode()) if len(frame) else runs.clear().drop("length")
        return rows.get_columns()

    def _headings(self, frame: pl.DataFrame) -> list[tuple[int, str]]:
        """Rows of one cell without digits, outside the columns whose texts go on from row to row."""
        columns = self._table.columns
        cells = [f"c{at}" for at in range(self._table.width)]
        day = pl.col(f"c{columns.date}").str.replace(_COUNT.pattern, "")
        if not len(frame) or frame.select(day.str.contains(r"\d").all()).item():
            return []
        texts = {f"c{at}" for at in columns.texts()}
        found = frame.with_row_index("row").filter(~day.str.contains(r"\d") & pl.col("extra").is_null())
        filled = pl.sum_horizontal(pl.col(name).str.strip_chars() != "" for name in cells)
        elsewhere = [name for name in cells if name not in texts]
        text = pl.concat_str(elsewhere).str.strip_chars()
        found = found.filter(filled == 1).select("row", text=text)
        bare = pl.col("text").str.replace(_COUNT.pattern, "")
        found = found.filter((bare != "") & ~bare.str.contains(r"\d") & (bare.str.len_chars() <= _MAX_CHARS))
        return [(int(at), said) for at, said in found.iter_rows()]

    def _take(self, text: str) -> None:
        """What a heading changes. A longer one that says nothing of the state leaves it: it is a remark, and books nothing."""
        text = _COUNT.sub("", text)
        if is_balance_line(text) or not any(map(str.isalpha, text)):
            return
        words = fold(text).split()
        telling = " ".join(word for word in words if word not in _NEUTRAL)
        state = state_of(text) or state_of(telling)
        if state or len(words) <= _MAX_WORDS:
            self._state = state if state in ("pending", "void") else ""
        if state:
            return
        way = _way(telling.split())
        self._way = "" if not telling else text.strip() if not way else "in" if way > 0 else "out"


def _way(words: Sequence[str]) -> int:
    """The direction that all the words have, or that they have together; else 0."""
    ways = {direction_of(word) for word in words}
    return direction_of(" ".join(words)) or (ways.pop() if len(ways) == 1 else 0)
