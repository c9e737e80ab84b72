"""The records of a QIF file: which lines belong together, in which section and account they stand. No meaning yet.

A QIF file is a list of lines, each a letter and a text, in records that end with a line "^"; lines that start with "!" say what follows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from services.ingestion.readers.amounts import looks_like_amount
from services.ingestion.readers.dates import looks_like_date
from services.ingestion.readers.qif_dates import is_bare_date, normal_date
from services.ingestion.readers.statement import RowError, UnreadableStatement

CASH = frozenset({"bank", "cash", "ccard", "otha", "othl", "invoice"})
INVESTMENT = frozenset({"invst", "port", "401(k)/403(b)", "mutual"})
LISTS = frozenset({"cat", "class", "memorized", "security", "prices", "budget", "tax", "payee", "bill", "template", "account", "tag"})
MAX_RECORD_LINES = 10_000
MAX_RECORD_CHARS = 1024 * 1024
MAX_IDLE_LINES = 5_000_000  # without a record
_HEADER = re.compile(r"!\s*(Type\s*:)?\s*([^:\n]*)", re.IGNORECASE)
_CODES = frozenset("DTUCNPMALFSE$%XYIQOBGKRVW#123456789")


@dataclass
class Section:
    """A run of records under one header line. `kind` is folded: "bank", "invst", "cat"; "" for records before any header."""

    kind: str
    name: str  # as printed
    line: int
    account: str | None


@dataclass(slots=True)
class Record:
    """One record: its lines by letter; of a letter that is there several times the lines are joined with newlines.

    `closed` is False for a last record that the file ends without "^"; `merged` is True for one with the dates of two: its end is missing.
    """

    line: int
    fields: dict[str, str]
    section: Section
    splits: tuple[dict[str, str], ...] = ()
    closed: bool = True
    merged: bool = False


@dataclass
class Records:
    """Reads lines block by block. After the last block call `end`."""

    sections: list[Section] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)  # kind -> records
    accounts: list[dict[str, str]] = field(default_factory=list)  # of !Account, at most 1,000
    date_order: str = ""  # what !Option:MDY says
    strangers: int = 0  # lines that no QIF has
    first_stranger: int = 0
    _section: Section = field(default_factory=lambda: Section("", "", 1, None))
    _account: str | None = None
    _held: list[str] = field(default_factory=list)
    _held_line: int = 1
    _idle: int = 0

    def read(self, line: int, lines: list[str]) -> list[Record]:
        """The cash and investment records that end within these lines, of which the first has this number.

        Raises UnreadableStatement for a record without end.
        """
        start, found = 0, []
        known = sum(self.counts.values())
        for at, text in enumerate(lines):
            if text[:1] == "^" or (text[:1] in " \t" and text.lstrip(" \t")[:1] == "^"):
                if self._held:
                    found.append(self._record(self._held_line, self._held + lines[start:at], closed=True))
                    self._held = []
                elif at > start:
                    while not lines[start]:  # blank lines between records
                        start += 1
                    found.append(self._record(line + start, lines[start:at], closed=True))
                start = at + 1
        if start < len(lines):
            if not self._held:
                self._held_line = line + start
            self._held += lines[start:]
            if len(self._held) > MAX_RECORD_LINES or sum(map(len, self._held)) > MAX_RECORD_CHARS:
                raise _endless(self._held_line, f"the record on line {self._held_line} does not end")
        self._idle = 0 if sum(self.counts.values()) > known else self._idle + len(lines)
        if self._idle > MAX_IDLE_LINES:
            raise _endless(line, f"{MAX_IDLE_LINES} lines before line {line} hold no record")
        return [record for record in found if record is not None]

    def end(self) -> list[Record]:
        """The last record, where the file ends without closing it."""
        held, self._held = self._held, []
        record = self._record(self._held_line, held, closed=False)
        return [record] if record else []

    def _record(self, line: int, lines: list[str], *, closed: bool) -> Record | None:
        fields = {text[0]: text[1:] for text in lines if text}
        if "!" in fields or " " in fields or "\t" in fields:
            line, lines = self._headers(line, lines)
            fields = {text[0]: text[1:] for text in lines if text}
        if not any(fields.values()):
            return None
        kind = self._section.kind
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == "account":
            self._take_account(fields)
            return None
        if not fields.keys() <= _CODES:
            self.strangers += 1
            self.first_stranger = self.first_stranger or line
        if kind in LISTS:
            return None
        record = Record(line, fields, self._section, closed=closed)
        if "S" in fields or "$" in fields or len(fields) != len(lines):
            _take_apart(record, lines)
        return record

    def _headers(self, line: int, lines: list[str]) -> tuple[int, list[str]]:
        """Act on the header lines before a record; give the record's own lines, without blanks before the letter."""
        own: list[str] = []
        first = line
        for at, text in enumerate(lines):
            bare = text.lstrip(" \t")
            if not bare.startswith("!"):
                own.append(bare)
                continue
            own, first = [], line + at + 1
            self._header(bare, line + at)
        while own and not own[0]:
            own.pop(0)
            first += 1
        return first, own

    def _header(self, text: str, line: int) -> None:
        match = _HEADER.match(text)
        name = match.group(2).strip() if match else ""
        kind = re.sub(r"\s+", "", name).casefold()
        if match and not match.group(1) and kind != "account":
            option = text.partition(":")[2].strip().lower()
            if kind == "option" and option in ("dmy", "mdy", "ymd"):
                self.date_order = option
            if kind == "clear":  # !Clear:AutoSwitch ends a list of accounts, which names nobody's transactions
                self._account = None
            return
        self._section = Section(kind, name, line, None if kind in LISTS else self._account)
        if len(self.sections) < 10_000:
            self.sections.append(self._section)

    def _take_account(self, fields: dict[str, str]) -> None:
        """!Account names the account of what follows; several in a row are only a list of accounts, of which the last holds."""
        self._account = fields.get("N", "").strip() or None
        if len(self.accounts) < 1_000:
            self.accounts.append({letter: text.strip() for letter, text in fields.items()})


def _endless(line: int, reason: str) -> UnreadableStatement:
    return UnreadableStatement(f"{reason}: this is not a QIF file", [RowError(line, "file", reason)])


def _take_apart(record: Record, lines: list[str]) -> None:
    """Keep lines that share a letter: the splits (S, E, $, %) each as a dict, the lines of an address joined."""
    fields: dict[str, list[str]] = {}
    splits: list[dict[str, str]] = []
    dates: list[str] = []
    amounts: list[str] = []
    for text in lines:
        letter, rest = text[:1], text[1:]
        if letter == "D":
            dates.append(rest)
        elif letter in ("T", "U") and looks_like_amount(rest):
            amounts.append(letter)
        if letter in "DTU" and letter in fields:  # a text that lost its letter: "Transaction 7"
            letter, rest = "?", text
        if letter == "S":
            splits.append({"S": rest.strip()})
        elif letter in ("E", "$", "%") and splits:
            splits[-1][letter] = rest.strip()
        elif letter:
            fields.setdefault(letter, []).append(rest)
    record.merged = _is_merged(dates, repeats_amount=len(set(amounts)) < len(amounts))
    record.fields, record.splits = {letter: "\n".join(rests) for letter, rests in fields.items()}, tuple(splits)


def _is_merged(dates: list[str], *, repeats_amount: bool) -> bool:
    """Whether the D lines are those of two records. The same date again is not, nor a memo that begins so, but for another amount."""
    if repeats_amount:
        return sum(looks_like_date(normal_date(text)) for text in dates) > 1
    return len({normal_date(text) for text in dates if is_bare_date(text)}) > 1
