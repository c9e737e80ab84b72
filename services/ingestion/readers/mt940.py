"""The MT940 and MT942 reader: statements of one or many accounts, with pages, wrappers and every bank's way to fill :86:.

The transaction date is the entry date, else the value date. The interim entries of an MT942 are pending: they come again, booked, in the
MT940. A first pass finds the file's accounts and currencies, and the bank references that stand on several lines and so are no ids.

Written here, because mt-940 (BSD) keeps no line numbers, raises for the whole file at the first odd line, gives the value date, reads a
reversed credit (RC) as money in unless told, and takes 150 us a line with the whole file in memory: minutes for 100 MB.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from services.ingestion.readers.balances import Balances
from services.ingestion.readers.encoding import TextFile
from services.ingestion.readers.mt940_fields import Field, Fields
from services.ingestion.readers.mt940_messages import Message, account_identifier, currency_of
from services.ingestion.readers.mt940_rows import Entry, frame_of
from services.ingestion.readers.record_rows import (
    BATCH_CHARS,
    BATCH_ROWS,
    add_up,
    batch_of,
    blocks,
    checked,
    ends_whole,
    given_currency,
    open_lines,
    repeats,
    with_a_row,
)
from services.ingestion.readers.statement import Batch, ReadOptions, RowError, Statement, UnreadableStatement

_WHAT = "an MT940 file"
MAX_SHOWN = 100
MAX_LOOSE_FIELDS = 200_000
MAX_UNSETTLED = 10_000
_SURVEYED = re.compile(r"\n:(61|25P?|60[FM]|62[FM]|34F|90[CD]):([^\n]*)")


def read_mt940(path: Path, options: ReadOptions) -> Statement:
    """Read an MT940 or MT942 file; `file_format` says which.

    Raises UnreadableStatement when it has no statement (naming the line and what it holds), or no line that can be read. A statement
    without transactions gives no batches and a note.
    """
    currency = given_currency(options)
    text = open_lines(path, _WHAT)
    survey = _survey(text)
    reading = _Reading(text, survey, currency)
    batches = with_a_row(checked(reading.batches()))
    if batches is None:
        reading.refuse_fragment()
        reading.detected["notes"].append("a statement without any transaction")
    file_format = "mt942" if survey.is_interim else "mt940"
    only = next(iter(survey.accounts)) if len(survey.accounts) == 1 else None
    return Statement(file_format, reading.detected, only, batches or iter(()))


@dataclass(frozen=True)
class _Survey:
    """What the first pass finds."""

    accounts: dict[str, None]
    currency: str | None  # the only one of the file; for messages that name none
    is_interim: bool
    repeated: pl.Series  # hashes of bank references

    def is_repeated(self, references: pl.Series) -> pl.Series:
        """Which of the references stand on several lines of the file."""
        return references.hash().is_in(self.repeated.implode())


def _survey(text: TextFile) -> _Survey:
    accounts: dict[str, None] = {}
    currencies: set[str] = set()
    tags: set[str] = set()
    hashes = []
    for _, lines in blocks(text, _WHAT):
        references = []
        for tag, content in _SURVEYED.findall("\n" + "\n".join(lines)):
            if tag == "61":
                reference = content.partition("//")[2].strip()
                if reference:
                    references.append(reference)
                continue
            tags.add(tag[:2])
            if tag in ("25", "25P") and len(accounts) < MAX_SHOWN and (account := account_identifier(content)):
                accounts[account] = None
            if len(currencies) < 2 and (found := currency_of(tag, content)):
                currencies.add(found)
        hashes.append(pl.Series(references, dtype=pl.String).hash())
    return _Survey(accounts, currencies.pop() if len(currencies) == 1 else None, "34" in tags and "60" not in tags, repeats(hashes))


class _Reading:
    """The second pass. `detected` is complete when `batches` is exhausted."""

    def __init__(self, text: TextFile, survey: _Survey, currency: str | None) -> None:
        self._text = text
        self._survey = survey
        self._currency = currency
        self._fields = Fields()
        self._messages = 0
        self._message: Message | None = None
        self._waiting: dict[int, Message] = {}  # messages with rows that are not yet in a batch
        self._unsettled: deque[Message] = deque()  # messages whose balances are not yet checked, in file order
        self._balances = Balances()
        self._entries: list[Entry] = []
        self._chars = 0  # of the texts in _entries
        self._loose = 0  # fields since the last statement line
        self._in_row = False
        self._first_line = 0
        self._statements = 0  # messages with a floor limit, or an opening balance and an account or a closing one
        self._open = 0
        self._unnamed = self._pending = 0
        self._odd: list[str] = []
        self.detected: dict[str, Any] = {
            "format_version": "MT942" if survey.is_interim else "MT940",
            "encoding": text.encoding, "accounts": list(survey.accounts), "balances": [], "notes": list(text.notes),
        }  # fmt: skip

    def batches(self) -> Iterator[Batch]:
        """The rows, in file order. Raises UnreadableStatement."""
        for found in self._all_fields():
            if found.tag == "61" and self._is_full():
                yield self._flush()
            self._take(found)
        if self._entries:
            last = self._entries[-1]
            last.cut_off = self._in_row and not last.details and not ends_whole(self._text)
            yield self._flush()
        self._finish()

    def _is_full(self) -> bool:
        return len(self._entries) >= BATCH_ROWS or self._chars > BATCH_CHARS or len(self._unsettled) > MAX_UNSETTLED

    def _all_fields(self) -> Iterator[Field]:
        for line, lines in blocks(self._text, _WHAT):
            yield from self._fields.read(line, lines)
        yield from self._fields.end()

    def _take(self, found: Field) -> None:
        """Act on one field."""
        tag = found.tag
        self._loose = 0 if tag == "61" else self._loose + 1
        if self._loose > MAX_LOOSE_FIELDS:
            reason = (
                f"more than {MAX_LOOSE_FIELDS} fields before line {found.line} without a statement line (:61:): this is not a statement"
            )
            raise UnreadableStatement(reason, [RowError(found.line, "file", reason)])
        self._first_line = self._first_line or found.line
        in_row, self._in_row = self._in_row, tag == "61" or (self._in_row and tag in ("86", "NS"))
        if tag == "20":
            self._close_message()
        message = self._current(found.line)
        if tag in ("25", "25P"):
            if message.has_opening or message.rows:  # a bank that starts its next statement without :20:
                message = self._next_message(found.line)
            message.account = account_identifier(found.text)
        elif tag in ("60F", "60M"):
            self._open_balance(message, found)
        elif tag == "61":
            message.rows += 1
            self._waiting[message.number] = message
            self._entries.append(Entry(found.line, found.lines, message))
        elif tag == "86" and in_row:
            self._entries[-1].details += found.lines
            self._chars += sum(map(len, found.lines))
        elif tag == "NS" and in_row:
            self._entries[-1].numbered += found.lines
            self._chars += sum(map(len, found.lines))
        elif tag in ("62F", "62M"):
            self._expect(message.close_with(found.text), found)
        elif tag == "34F" and not message.has_opening:
            message.is_interim = True
        if tag in ("34F", "90C", "90D"):
            message.currency = message.currency or currency_of(tag, found.text)

    def _current(self, line: int) -> Message:
        if self._message is None:
            self._messages += 1
            self._message = Message(self._messages, line, currency=self._survey.currency)
            self._unsettled.append(self._message)
        return self._message

    def _next_message(self, line: int) -> Message:
        self._close_message()
        return self._current(line)

    def _open_balance(self, message: Message, found: Field) -> None:
        if message.has_opening or message.has_closing:
            account, message = message.account, self._next_message(found.line)
            message.account = account
        self._expect(message.open_with(found.text), found)

    def _expect(self, is_read: bool, found: Field) -> None:
        if not is_read and len(self._odd) < MAX_SHOWN:
            self._odd.append(f"line {found.line}: the balance {found.text[:40]!r} cannot be read")

    def _close_message(self) -> None:
        """The message is over: count it, and check it as soon as its rows and those before it are in."""
        message, self._message = self._message, None
        if message is None:
            return
        self._statements += message.is_interim or (message.has_opening and (message.has_closing or message.account is not None))
        self._open += message.has_opening and not message.has_closing
        self._pending += message.rows * message.is_interim
        self._unnamed += message.rows * (not (message.currency or self._currency))
        self._settle()

    def _settle(self) -> None:
        while self._unsettled and self._unsettled[0] is not self._message and self._unsettled[0].number not in self._waiting:
            message = self._unsettled.popleft()
            if not message.is_interim:
                self._balances.add(message.complete())

    def _flush(self) -> Batch:
        entries, self._entries, self._chars = self._entries, [], 0
        frame = frame_of(entries, self._currency, self._survey.is_repeated)
        add_up(frame, {number: message.section for number, message in self._waiting.items()})
        self._waiting = {}
        self._settle()
        return batch_of(frame)

    def _finish(self) -> None:
        self._close_message()
        self.detected["balances"] = self._balances.report()
        notes: list[str] = self.detected["notes"]
        notes += [*self._balances.notes(), *self._odd]
        if self._unnamed:
            notes.append(f"rows without a currency, as no balance names one: {self._unnamed}; send `currency`")
        if self._pending:
            notes.append(f"rows of interim reports (MT942) are pending: {self._pending}; the MT940 brings them booked")
        if self._open:
            notes.append(f"statements without a closing balance: {self._open}; the file may be cut off")

    def refuse_fragment(self) -> None:
        """Raise UnreadableStatement, unless the file holds a statement that is merely empty."""
        if self._statements:
            return
        if self._first_line:
            line, reason = (
                self._first_line,
                "a fragment of an MT940 file: it has neither a statement line (:61:) nor the balances of an account (:25:, :60F:, :62F:)",
            )
        else:
            line, reason = 1, "this is not an MT940 file: no line starts with a field such as :20: or :61:"
        raise UnreadableStatement(f"line {line}: {reason}", [RowError(line, "file", reason)])
