"""The rows of one import that did not enter the ledger, kept in about 30 bytes each until they are stored."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from uuid import UUID

from services.ingestion.domain import ImportLine, ImportRow, RowOutcome, SuspectedLine

CHUNK_ROWS = 10_000
_OUTCOMES = (RowOutcome.DUPLICATE, RowOutcome.SUSPECTED_DUPLICATE, RowOutcome.ZERO_AMOUNT, RowOutcome.REJECTED)
_NO_ID = bytes(16)


class RowOutcomes:
    """Collects rows by outcome, counts them, and gives them back in chunks. One outcome a line: the first one stays."""

    def __init__(self) -> None:
        self._lines = array("q")
        self._outcomes = array("b")
        self._transaction_ids = bytearray()
        self._reason_numbers = array("l")
        self._reasons: list[tuple[str, str]] = [("", "")]
        self._number_of: dict[tuple[str, str], int] = {("", ""): 0}
        self._duplicate_of: dict[int, UUID] = {}
        self._counts = dict.fromkeys(_OUTCOMES, 0)

    def count(self, outcome: RowOutcome) -> int:
        """How many rows became this."""
        return self._counts[outcome]

    def _add(self, line: int, outcome: RowOutcome, transaction_id: bytes = _NO_ID, field: str = "", reason: str = "") -> None:
        self._lines.append(line)
        self._outcomes.append(_OUTCOMES.index(outcome))
        self._transaction_ids += transaction_id
        number = self._number_of.setdefault((field, reason), len(self._reasons))
        if number == len(self._reasons):
            self._reasons.append((field, reason))
        self._reason_numbers.append(number)
        self._counts[outcome] += 1

    def zero_amount(self, lines: Iterable[int]) -> None:
        """These lines move no money."""
        for line in lines:
            self._add(line, RowOutcome.ZERO_AMOUNT)

    def duplicates(self, lines: Iterable[ImportLine]) -> None:
        """These lines were in the ledger before, as these transactions."""
        for line, transaction_id in lines:
            self._add(line, RowOutcome.DUPLICATE, transaction_id.bytes)

    def suspected(self, lines: Iterable[SuspectedLine]) -> None:
        """These lines are in the ledger and may repeat the transactions that they name."""
        for line, transaction_id, duplicate_of, reason in lines:
            self._duplicate_of[line] = duplicate_of
            self._add(line, RowOutcome.SUSPECTED_DUPLICATE, transaction_id.bytes, reason=reason)

    def rejected(self, line: int, field: str, reason: str) -> None:
        """This line cannot be taken. A second reason for the line before goes with the first."""
        if self._lines and self._lines[-1] == line and self._outcomes[-1] == _OUTCOMES.index(RowOutcome.REJECTED):
            return
        self._add(line, RowOutcome.REJECTED, field=field, reason=reason.replace("\x00", ""))

    def rows(self, outcome: RowOutcome) -> Iterator[ImportRow]:
        """The rows that became this, in the order in which they were added."""
        wanted = _OUTCOMES.index(outcome)
        return (self._row(index) for index, found in enumerate(self._outcomes) if found == wanted)

    def chunks(self) -> Iterator[list[ImportRow]]:
        """All rows, at most CHUNK_ROWS at a time."""
        for start in range(0, len(self._lines), CHUNK_ROWS):
            yield [self._row(index) for index in range(start, min(start + CHUNK_ROWS, len(self._lines)))]

    def _row(self, index: int) -> ImportRow:
        field, reason = self._reasons[self._reason_numbers[index]]
        found = bytes(self._transaction_ids[16 * index : 16 * index + 16])
        transaction_id = None if found == _NO_ID else UUID(bytes=found)
        line = self._lines[index]
        return ImportRow(line, _OUTCOMES[self._outcomes[index]], field, reason, transaction_id, self._duplicate_of.get(line))
