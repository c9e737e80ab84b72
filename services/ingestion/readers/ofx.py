"""The OFX reader: OFX 1.x (SGML), 2.x (XML) and QFX, with bank, card and investment statements, in bounded memory.

A first pass over the amounts tells their decimal mark (a comma is allowed), the second yields the rows. The civil date of DTPOSTED counts
as written. Amounts are in the statement's CURDEF unless the row has CURRENCY. Of investment statements the cash rows (INVBANKTRAN) are
read. STMTTRNP are pending.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import polars as pl

from services.ingestion.readers.amounts import AmountFormat, decide_marks
from services.ingestion.readers.balances import Balances
from services.ingestion.readers.ofx_markup import TAG, Markup, elements, fields_of, open_markup
from services.ingestion.readers.ofx_rows import Records
from services.ingestion.readers.ofx_statements import Answer, account_identifier
from services.ingestion.readers.record_rows import (
    BATCH_CHARS,
    BATCH_ROWS,
    add_up,
    batch_of,
    checked,
    count_shapes,
    given_currency,
    repeats,
    with_a_row,
)
from services.ingestion.readers.statement import Batch, ReadOptions, RowError, Statement, UnreadableStatement

MAX_RECORD_CHARS = 1024 * 1024
MAX_GAP_CHARS = 64 * 1024 * 1024
MAX_OWNERS = 10_000
MAX_ACCOUNTS_SHOWN = 100
_OWNER = re.compile(r"<(?:BANK|CC|INV|LOAN)ACCTFROM>")
_OWNER_END = re.compile(r"</(?:BANK|CC|INV|LOAN)ACCTFROM>|<[A-Z]+TRANLIST|<DTASOF")
_FITID = re.compile(r"<FITID>([^<\r\n]*)")
_MONEY = re.compile(r"<(TRNAMT|BALAMT|CURDEF)>\s*([^<\r\n]+)")
_START = re.compile(r"<STMTTRNP?(?:\s[^<>]*)?>")
# Banks forget end tags: whatever can only come after a transaction ends it.
_END = re.compile(
    r"<(?:/?BANKTRANLISTP?|/?(?:CC|INV)?STMTRS|LEDGERBAL|AVAILBAL|/?INVBANKTRAN|/?INVTRANLIST|/?SUBACCTFUND|/OFX"
    r"|/(?:BANK|CREDITCARD|INVSTMT)MSGSRSV1|/(?:CC|INV)?STMTTRNRS)>"
)


def read_ofx(path: Path, options: ReadOptions) -> Statement:
    """Read an OFX or QFX file.

    Raises UnreadableStatement, naming line and reason, when it holds no statement, only investments, or no row that can be read.
    A statement without transactions gives no batches and a note.
    """
    currency = given_currency(options)
    markup = open_markup(path)
    survey = _survey(markup, currency)
    reading = _Reading(markup, survey, currency)
    batches = with_a_row(checked(reading.batches()))
    if batches is None:
        _refuse_without_statement(reading.answer)
        reading.detected["notes"].append("a statement without any transaction")
    account = next(iter(survey.accounts)) if len(survey.accounts) == 1 else None
    return Statement("ofx", reading.detected, account, batches or iter(()))


@dataclass(frozen=True)
class _Survey:
    """What the first pass tells: the decimal mark, by all amounts of the file and its balances, and the accounts."""

    form: AmountFormat
    accounts: set[str]
    reused_ids: frozenset[str]


def _survey(markup: Markup, currency: str | None) -> _Survey:
    amounts: Counter[str] = Counter()
    balances: Counter[str] = Counter()
    accounts: set[str] = set()
    hashes: list[pl.Series] = []
    owners = gap = 0
    for chunk in markup.chunks():
        found = _MONEY.findall(chunk)
        gap = 0 if found else gap + len(chunk)
        if gap > MAX_GAP_CHARS:
            raise UnreadableStatement(f"{MAX_GAP_CHARS // 1024**2} million characters in a row hold no amount: this is not a statement")
        count_shapes(amounts, [text for name, text in found if name == "TRNAMT"])
        count_shapes(balances, [text for name, text in found if name == "BALAMT"])
        currency = currency or next((text.strip().upper() for name, text in found if name == "CURDEF"), None)
        hashes.append(pl.Series(_FITID.findall(chunk), dtype=pl.String).str.strip_chars().hash())
        for owner in islice(_OWNER.finditer(chunk), MAX_OWNERS - owners):
            owners += 1
            body = _OWNER_END.split(chunk[owner.end() : owner.end() + 1000], maxsplit=1)[0]
            if (account := account_identifier(fields_of(elements(body)))) and len(accounts) < 2:
                accounts.add(account)
    repeated = repeats(hashes)
    reused = _reused_ids(markup, repeated) if len(repeated) else frozenset()
    return _Survey(_ofx_form(decide_marks(amounts, balances, currency)), accounts, frozenset(reused))


def _ofx_form(form: AmountFormat) -> AmountFormat:
    """A point before three digits, in a file without other decimals, is a decimal mark: OFX has no thousands mark, and brokers print 3."""
    return AmountFormat(".", "", "as OFX has it") if "assumed" in form.evidence and form.thousands == "." else form


def _reused_ids(markup: Markup, repeated: pl.Series) -> set[str]:
    """The FITIDs that stand on transactions of different days or amounts: some banks give all of them one."""
    seen: dict[str, tuple[str, str]] = {}
    reused: set[str] = set()
    hashes = set(repeated)
    for found in transactions(markup, Answer(AmountFormat(".", "", ""))):
        fields = fields_of(elements(found.body))
        fitid = fields.get("FITID", "")
        what = (fields.get("DTPOSTED", "")[:8], fields.get("TRNAMT", ""))
        if fitid and pl.Series([fitid]).hash()[0] in hashes and seen.setdefault(fitid, what) != what:
            reused.add(fitid)
    return reused


class _Reading:
    """The second pass. `detected` is complete when `batches` is exhausted."""

    def __init__(self, markup: Markup, survey: _Survey, currency: str | None) -> None:
        self._markup = markup
        self._form = form = survey.form
        self._reused_ids = survey.reused_ids
        self._currency = currency
        self.answer = Answer(form)
        self._records = Records()
        self._corrections = 0
        self._lines_counted = False
        self.detected: dict[str, Any] = {
            "format_version": markup.version,
            "encoding": markup.text.encoding,
            "decimal_mark": form.decimal,
            "accounts": [],
            "balances": [],
            "notes": list(markup.text.notes),
        }
        if survey.reused_ids:
            self.detected["notes"].append(f"FITIDs that stand on several transactions are no ids: {len(survey.reused_ids)}")
        if "assumed" in form.evidence:
            self.detected["notes"].append(f"numbers: {form.evidence}")

    def batches(self) -> Iterator[Batch]:
        """The rows, in file order. Raises UnreadableStatement."""
        chars = line = 0
        for found in transactions(self._markup, self.answer):
            self._corrections += "<CORRECTFITID>" in found.body
            owner = self.answer.statement_of_row(found.line)
            line = max(found.line, line + 1)
            self._lines_counted = self._lines_counted or line > found.line
            self._records.add(line, elements(found.body), owner, pending=found.is_pending, cut_off=found.is_cut_off)
            chars += len(found.body)
            if len(self._records.lines) >= BATCH_ROWS or chars > BATCH_CHARS:
                chars = 0
                yield self._flush()
        if self._records.lines:
            yield self._flush()
        self._finish()

    def _flush(self) -> Batch:
        records, self._records = self._records, Records()
        frame = records.frame(self._form, self._currency, self._reused_ids)
        add_up(frame, {owner.number: owner.section for owner in records.owners})
        return batch_of(frame)

    def _finish(self) -> None:
        """What can be said when the whole file has been read."""
        balances = Balances()
        for statement in self.answer.statements:
            balances.add(statement.complete(self._currency))
        self.detected["accounts"] = self.answer.accounts()[:MAX_ACCOUNTS_SHOWN]
        self.detected["balances"] = balances.report()
        notes: list[str] = self.detected["notes"]
        notes += [*balances.notes(), *self.answer.notes()]
        if self._lines_counted:
            notes.append("several transactions share a line: such lines are counted on, one a transaction")
        if self._corrections:
            notes.append(f"{self._corrections} rows correct or delete earlier ones (CORRECTFITID); they are read as rows of their own")


@dataclass(frozen=True, slots=True)
class Transaction:
    """One STMTTRN or, pending, STMTTRNP as text; `is_cut_off` when the file ends inside it."""

    line: int
    body: str
    is_pending: bool
    is_cut_off: bool


def transactions(markup: Markup, answer: Answer) -> Iterator[Transaction]:
    """Yield the transactions in file order; the tags between them go to the answer. Raises UnreadableStatement."""
    rest, line = "", 1
    for chunk in chain(markup.chunks(), (None,)):  # None: the end of the file
        buffer = rest + (chunk or "")
        position = counted = 0
        start = _START.search(buffer)
        while start:
            line += buffer.count("\n", counted, start.start())
            counted = start.start()
            _between(buffer, position, counted, line, answer)
            following = _START.search(buffer, start.end())
            stop, after = _end_of_record(buffer, start.end(), following.start() if following else len(buffer))
            is_cut_off = stop == after == len(buffer) and following is None
            if is_cut_off and chunk is not None:
                position = counted
                break
            yield Transaction(line, buffer[start.end() : stop], start[0].startswith("<STMTTRNP"), is_cut_off)
            position, start = after, following
        else:
            line += buffer.count("\n", counted)
            _between(buffer, position, len(buffer), line, answer)
            position = len(buffer)
        rest = buffer[position:]
        if len(rest) > MAX_RECORD_CHARS:
            reason = f"the transaction on line {line} does not end within {MAX_RECORD_CHARS} characters"
            raise UnreadableStatement(reason, [RowError(line, "file", reason)])


def _between(buffer: str, start: int, stop: int, line_of_stop: int, answer: Answer) -> None:
    """Hand the tags between two transactions to the answer."""
    if stop - start < 80 and buffer[start:stop].isspace():
        return
    line, counted = line_of_stop - buffer.count("\n", start, stop), start
    for tag in TAG.finditer(buffer, start, stop):
        line += buffer.count("\n", counted, tag.start())
        counted = tag.start()
        answer.take(tag[1] == "/", tag[2], tag[3], line)


def _end_of_record(buffer: str, start: int, limit: int) -> tuple[int, int]:
    """Where the text of a record ends and where reading goes on; `limit` twice where nothing ends it."""
    close = buffer.find("</STMTTRN", start, limit)
    if close >= 0:
        after = buffer.find(">", close, limit)
        return close, after + 1 if after >= 0 else limit
    end = _END.search(buffer, start, limit)
    return (end.start(), end.start()) if end else (limit, limit)


def _refuse_without_statement(answer: Answer) -> None:
    """Raise UnreadableStatement, saying what the file holds instead, unless it holds a statement that is merely empty."""
    line, reason = answer.why_not_a_statement()
    if reason:
        where = f"line {line}: " if line else ""
        raise UnreadableStatement(f"{where}{reason}", [RowError(line, "file", reason)])
