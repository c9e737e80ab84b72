"""The CAMT reader: ISO 20022 account reports (camt.052), statements (053) and notifications (054) of every version.

Streams: a file of any size takes the memory of its largest entry. Names are matched without their namespace, and paths as the versions
have them, so that a version to come is read as far as it is alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.ingestion.readers.balances import Balances, Section
from services.ingestion.readers.batching import Batching
from services.ingestion.readers.camt_entry import (
    Account,
    Detail,
    UnreadableEntry,
    canonical,
    first,
    read_amount,
    read_day,
    read_head,
    rows_of,
    signed,
)
from services.ingestion.readers.record_rows import checked, given_currency, with_a_row
from services.ingestion.readers.statement import Batch, ReadOptions, RowError, Statement, UnreadableStatement
from services.ingestion.readers.xml_stream import Element, XmlFile, done, local_name, open_xml

MAX_ENTRY_DETAILS = 50_000
MAX_ACCOUNTS_SHOWN = 100
MAX_DEPTH = 24
MAX_STATEMENTS = 20_000
_MESSAGES = {"BkToCstmrAcctRpt": "camt052", "BkToCstmrStmt": "camt053", "BkToCstmrDbtCdtNtfctn": "camt054"}
_STATEMENTS = ("Rpt", "Stmt", "Ntfctn")
_TAGS = (*(f"{name}{version}" for name in _MESSAGES for version in ("", "V01")), *_STATEMENTS, "Ntry", "TxDtls")


def read_camt(path: Path, options: ReadOptions) -> Statement:
    """Read a CAMT.052, 053 or 054 file.

    Raises UnreadableStatement for what is no such message, for broken XML (also while batches are taken), and when no entry is good.
    A statement without entries is one without batches; the notes say so.
    """
    reader = _Reader(open_xml(path), given_currency(options))
    batches = with_a_row(checked(reader.batches())) or iter(())
    accounts = reader.accounts
    return Statement(reader.file_format, reader.detected, accounts[0] if len(accounts) == 1 else None, batches)


class _Reader:
    """One pass over one file. `detected` is complete, and `file_format` known, when `batches` is exhausted."""

    def __init__(self, xml: XmlFile, currency: str | None) -> None:
        self._xml = xml
        self._currency = currency
        self._rows = Batching()
        self._balances = Balances()
        self._statement: Element | None = None
        self._header_read = False
        self._account = Account()
        self._sections: dict[str, _Balanced] = {}
        self._tally = _Tally()
        self.file_format = ""
        self.accounts: list[str] = []
        self.detected: dict[str, Any] = {
            "format_version": None, "encoding": xml.encoding, "currency": currency,
            "accounts": self.accounts, "balances": [], "notes": [],
        }  # fmt: skip

    def batches(self) -> Iterator[Batch]:
        """Read on; a batch at a time. Raises UnreadableStatement where the XML breaks, and at the end of what is no CAMT message."""
        entry: Element | None = None
        details: list[Detail] = []
        for event, element, line in self._xml.elements(_TAGS):
            name = local_name(element.tag)
            if name == "TxDtls":
                if event == "end" and entry is not None:
                    self._take_detail(line, element, details)
            elif name == "Ntry":
                if event == "start" and entry is None and self._statement is not None and element.getparent() is self._statement:
                    self._read_header(element.itersiblings(preceding=True))
                    entry, details = element, []
                elif event == "end" and element is entry:
                    yield from self._take_entry(line, element, details)
                    entry = None
            elif name in _STATEMENTS:
                self._start_or_end(event, element, line)
            elif event == "start":
                self._tally.messages += 1
                if not self.file_format:
                    self.file_format = _MESSAGES[name.removesuffix("V01")]
                    self.detected["format_version"] = element.tag[1:].rpartition("}")[0].rpartition(":")[2] or None
                _check(self._tally.messages <= MAX_STATEMENTS, line, f"the file holds more than {MAX_STATEMENTS} messages")
            else:
                done(element)
        if not self.file_format:
            raise self._no_message()
        self._describe()
        yield from self._rows.take()

    def _no_message(self) -> UnreadableStatement:
        of = f" of {self._xml.namespace}" if self._xml.namespace else ""
        reason = f"this XML file, whose root element is {self._xml.root[:60]}{of[:120]}, holds no CAMT.052, 053 or 054 message"
        return UnreadableStatement(reason, [RowError(1, "file", reason)])

    def _start_or_end(self, event: str, element: Element, line: int) -> None:
        if event == "start" and self._statement is None:
            message = element.getparent()
            if message is None or local_name(message.tag).removesuffix("V01") not in _MESSAGES:
                return
            self._statement, self._header_read, self._account, self._sections = element, False, Account(), {}
            self._tally.statements += 1
            _check(self._tally.statements <= MAX_STATEMENTS, line, f"the file holds more than {MAX_STATEMENTS} statements")
        elif event == "end" and self._statement is not None and element is self._statement:
            self._read_header(reversed(element))
            self._read_balances(reversed(element))
            for section in self._sections.values():
                self._balances.add(section.settled())
            self._statement = None
            done(element)

    def _read_header(self, elder: Iterator[Element]) -> None:
        """What a statement says before its first entry. `elder`: its children so far, the youngest first."""
        statement = self._statement
        if self._header_read or statement is None:
            return
        self._header_read = True
        fields: dict[str, Any] = {}
        for child in list(elder)[::-1]:
            name = local_name(child.tag)
            if name != "Bal":
                flatten(child, name, fields)
                _add_text(child, name, fields)
        group: dict[str, Any] = {}
        for child in statement.itersiblings(preceding=True):
            if local_name(child.tag) == "GrpHdr":
                flatten(child, "", group)
        days = (fields.get("CreDtTm"), fields.get("FrToDt/ToDtTm"), group.get("CreDtTm"))
        ids = (first(fields, f"Acct/Id/{kind}") for kind in ("IBAN", "Othr/Id", "BBAN", "UPIC", "PrtryAcct/Id"))
        identifier = next((canonical(found) for found in ids if found), None)
        self._account = Account(
            identifier=identifier or None,
            currency=(first(fields, "Acct/Ccy") or "").upper() or None,
            owner=first(fields, "Acct/Ownr/Nm") or first(fields, "Acct/Ownr/Pty/Nm"),
            statement_day=next((day for text in days if text and (day := _day_or_none(str(text)))), None),
        )
        if identifier and identifier not in self.accounts and len(self.accounts) < MAX_ACCOUNTS_SHOWN:
            self.accounts.append(identifier)

    def _read_balances(self, elements: Iterator[Element]) -> None:
        for element in list(elements)[::-1]:
            if local_name(element.tag) != "Bal":
                continue
            fields = flatten(element, "", {})
            code = first(fields, "Tp/CdOrPrtry/Cd") or first(fields, "Tp/Cd") or ""
            try:
                amount = signed(read_amount(first(fields, "Amt")), first(fields, "CdtDbtInd"))
            except UnreadableEntry:
                self._tally.bad_balances += 1
                continue
            said = first(fields, "Dt/Dt") or first(fields, "Dt/DtTm") or first(fields, "Dt")
            self._section(first(fields, "Amt@Ccy") or "").take(code, amount, _day_or_none(said or ""))

    def _section(self, currency: str) -> _Balanced:
        code = currency.upper() or self._account.currency or ""
        if code not in self._sections:
            self._sections[code] = _Balanced(Section(self._account.identifier or "", code))
        return self._sections[code]

    def _take_detail(self, line: int, element: Element, details: list[Detail]) -> None:
        _check(len(details) < MAX_ENTRY_DETAILS, line, f"an entry has more than {MAX_ENTRY_DETAILS} details")
        details.append((line, flatten(element, "", {})))
        done(element, alike=True)

    def _take_entry(self, physical: int, element: Element, details: list[Detail]) -> Iterator[Batch]:
        self._read_balances(element.itersiblings(preceding=True))
        entry = flatten(element, "", {})
        done(element)
        line = self._rows.line(physical)
        tally = self._tally
        tally.entries += 1
        try:
            head = read_head(entry, details, self._account)
        except UnreadableEntry as unreadable:
            self._rows.reject(line, unreadable.field, unreadable.reason)
            for section in self._sections.values():
                section.section.unread += unreadable.field != "status"
            if self._rows.full:
                yield from self._rows.take()
            return
        tally.undated += head.dated_by_statement
        tally.pending += head.status == "pending"
        if head.odd_status and len(tally.odd_statuses) < 5:
            tally.odd_statuses.add(head.odd_status[:35])
        if len(details) > 1:
            details = [(self._rows.line(at), fields) for at, fields in details]
            tally.whole += head.split is None
        if head.status == "posted":
            self._section(head.currency or "").section.add(head.amount)
        for row in rows_of(line, entry, details, head, self._account):
            self._rows.add(row if self._currency is None else replace(row, currency=self._currency))
            if self._rows.full:
                yield from self._rows.take()

    def _describe(self) -> None:
        self.detected["balances"] = self._balances.report()
        self.detected["notes"] = [*self._xml.notes, *self._tally.notes(lines_counted=self._rows.lines_counted), *self._balances.notes()]


@dataclass
class _Balanced:
    """The balances of one statement in one currency. Interim ones stand where a page begins or ends, or where the day is not over."""

    section: Section
    interim: list[tuple[Decimal, date | None]] = field(default_factory=list)
    opened_by: str = ""

    def take(self, code: str, amount: Decimal, day: date | None) -> None:
        section = self.section
        if code == "OPBD" or (code == "PRCD" and self.opened_by != "OPBD"):
            section.opening, section.opening_date, self.opened_by = amount, day, code
        elif code == "CLBD":
            section.closing, section.closing_date = amount, day
        elif code == "ITBD":
            self.interim = [*self.interim[:1], (amount, day)]

    def settled(self) -> Section:
        section, interim = self.section, self.interim
        if interim and section.opening is None and (len(interim) > 1 or section.closing is not None):
            section.opening, section.opening_date = interim.pop(0)
        if interim and section.closing is None:
            section.closing, section.closing_date = interim[-1]
        return section


@dataclass
class _Tally:
    """What the notes are made of."""

    messages: int = 0
    statements: int = 0
    entries: int = 0
    undated: int = 0
    whole: int = 0
    pending: int = 0
    bad_balances: int = 0
    odd_statuses: set[str] = field(default_factory=set)

    def notes(self, *, lines_counted: bool) -> list[str]:
        notes = []
        if not self.entries:
            notes.append("a statement without transactions" if self.statements else "a message without statements")
        if self.statements > 1:
            notes.append(f"{self.statements} statements in one file")
        if self.pending:
            notes.append(f"pending, not booked yet: {self.pending} of {self.entries} entries")
        if self.undated:
            notes.append(f"without booking and value date, so that they got the statement's: {self.undated} of {self.entries} entries")
        if self.whole:
            notes.append(
                f"batches whose details' amounts do not add up to them: {self.whole} of {self.entries} entries; the first row of each "
                "has the whole amount, its other details count as rows of zero"
            )
        if self.odd_statuses:
            notes.append(f"the status {', '.join(sorted(self.odd_statuses))} is read as booked")
        if self.bad_balances:
            notes.append(f"balances that could not be read: {self.bad_balances}")
        if lines_counted:
            notes.append("several entries share a line: such lines are counted on, one an entry")
        return notes


def flatten(element: Element, path: str, fields: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """Add the texts below an element to `fields`, by path; what repeats becomes a list. Returns `fields`."""
    for child in element:
        name = local_name(child.tag)
        below = f"{path}/{name}" if path else name
        if len(child) and depth < MAX_DEPTH:
            flatten(child, below, fields, depth + 1)
        else:
            _add_text(child, below, fields)
    return fields


def _add_text(element: Element, path: str, fields: dict[str, Any]) -> None:
    text = element.text
    if not text or not (text := text.strip()):
        return
    if path not in fields:
        fields[path] = text
        if currency := element.get("Ccy"):
            fields[f"{path}@Ccy"] = currency.strip()
    elif isinstance(known := fields[path], list):
        known.append(text)
    else:
        fields[path] = [known, text]


def _day_or_none(text: str) -> date | None:
    try:
        return read_day(text)
    except UnreadableEntry:
        return None


def _check(holds: bool, line: int, reason: str) -> None:
    if not holds:
        raise UnreadableStatement(f"line {line}: {reason}", [RowError(line, "file", reason)])
