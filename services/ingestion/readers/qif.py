"""The QIF reader: bank, card, cash, asset and liability sections; investments are refused or left out with a note.

A first pass tells the order of day and month and the number format by the whole file, as for CSV; the second yields the rows, one for
each record, splits and all. QIF knows no currency, no ids and no booking state.

Written here, because quiffen (MIT) needs to be told the order of day and month, drops decimal commas ("12,50" is read as 1250), counts no
lines, stops at the first odd record, and holds the whole file as pydantic objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from services.ingestion.readers.amounts import AmountFormat, decide_marks
from services.ingestion.readers.balances import Balances, Section
from services.ingestion.readers.date_order import DateColumn, DecidedDate, Hints, UndecidedDate, dates_in, decide_format
from services.ingestion.readers.dates import DateFormat, numeric_format
from services.ingestion.readers.encoding import BLOCK_BYTES, TextFile
from services.ingestion.readers.qif_dates import date_text, given_format, has_three_digit_year, normal_date, short_date
from services.ingestion.readers.qif_records import CASH, INVESTMENT, LISTS, Record, Records
from services.ingestion.readers.qif_rows import QifRows, account_identifier, amount_of, value_of
from services.ingestion.readers.record_rows import (
    BATCH_CHARS,
    BATCH_ROWS,
    MAX_BAD_ROWS,
    add_up,
    batch_of,
    blocks,
    checked,
    count_shapes,
    ends_whole,
    given_currency,
    open_lines,
    with_a_row,
)
from services.ingestion.readers.statement import Batch, ReadOptions, RowError, Statement, UnreadableStatement

_WHAT = "a QIF file"
_FORMATS = ["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d"]


def read_qif(path: Path, options: ReadOptions) -> Statement:
    """Read a QIF file.

    Raises UnreadableStatement when it holds no cash section (naming line and reason), when nothing tells day from month (asking for
    `date_format`), or when no record can be read. Sections without records give no batches and a note.
    """
    currency = given_currency(options)
    wanted = _wanted_format(options)
    text = open_lines(path, _WHAT)
    survey = _survey(text)
    _refuse_without_cash(survey)
    notes = list(text.notes)
    detected: dict[str, Any] = {
        "format_version": None, "encoding": text.encoding, "accounts": survey.accounts, "balances": [], "notes": notes,
    }  # fmt: skip
    if not survey.records:
        notes.append("a QIF file without any transaction")
        return Statement("qif", detected, survey.only_account, iter(()))
    form = decide_marks(survey.amounts, survey.others, currency)
    decided = DecidedDate(wanted, "given") if wanted else _decide_date(survey, options)
    detected |= {
        "date_format": decided.format.text, "date_evidence": decided.evidence,
        "decimal_mark": form.decimal, "thousands_mark": form.thousands,
    }  # fmt: skip
    notes += survey.notes()
    if "assumed" in form.evidence:
        notes.append(f"numbers: {form.evidence}")
    reading = _Reading(text, decided.format, form, currency, detected)
    batches = with_a_row(checked(reading.batches()))
    return Statement("qif", detected, survey.only_account, batches or iter(()))


def _wanted_format(options: ReadOptions) -> DateFormat | None:
    if not options.date_format:
        return None
    try:
        return given_format(options.date_format)
    except ValueError as wrong:
        raise UnreadableStatement(str(wrong), [RowError(0, "date_format", str(wrong))], {"date_format": _FORMATS}) from wrong


@dataclass
class _Survey:
    """What the first pass over the file finds."""

    structure: Records
    dates: DateColumn = field(default_factory=DateColumn)
    short_dates: DateColumn = field(default_factory=DateColumn)
    only_short: bool = True  # no date tells by its year's digits or an apostrophe that the year comes last
    amounts: Counter[str] = field(default_factory=Counter)  # shapes
    others: Counter[str] = field(default_factory=Counter)
    records: int = 0
    complete: int = 0  # with a date and an amount
    investments: int = 0
    short_years: bool = False
    named: dict[str | None, None] = field(default_factory=dict)  # accounts of records, as identifiers

    @property
    def accounts(self) -> list[str]:
        return [name for name in self.named if name][:100]

    @property
    def only_account(self) -> str | None:
        return next(iter(self.named)) if len(self.named) == 1 else None

    def add(self, records: list[Record]) -> None:
        """Take in a block's records."""
        cash = [record for record in records if record.section.kind not in INVESTMENT]
        self.investments += len(records) - len(cash)
        self.records += len(cash)
        dates = [normal_date(record.fields.get("D", "")) for record in cash]
        amounts = [amount_of(record.fields) for record in cash]
        self.complete += sum(bool(day and amount) for day, amount in zip(dates, amounts, strict=True))
        lines = pl.Series([record.line for record in cash], dtype=pl.Int64)
        self.dates.add(pl.Series(dates, dtype=pl.String), lines)
        if self.only_short:
            short = [short_date(record.fields.get("D", "")) for record in cash]
            self.short_dates.add(pl.Series(short, dtype=pl.String), lines)
            self.only_short = all(text or not day for text, day in zip(short, dates, strict=True))
        count_shapes(self.amounts, amounts)
        count_shapes(self.others, [split.get("$", "") for record in cash for split in record.splits])
        self.short_years = self.short_years or any(has_three_digit_year(record.fields.get("D", "")) for record in cash[:1000])
        if len(self.named) < 1_000:
            self.named.update(dict.fromkeys(account_identifier(name) for name in dict.fromkeys(record.section.account for record in cash)))

    def notes(self) -> list[str]:
        """What was left out, and what a person should know."""
        notes = []
        if self.investments:
            notes.append(f"{self.investments} investment records are left out: only cash sections are read")
        if self.short_years:
            notes.append("years of three digits are read as years since 1900")
        unknown = {section.name for section in self.structure.sections if section.kind not in CASH | INVESTMENT | LISTS}
        notes += [f"section !Type:{name} is read like a bank account's" for name in sorted(unknown)[:10]]
        lists = {kind: count for kind, count in self.structure.counts.items() if kind in LISTS - {"account"}}
        if lists:
            notes.append("lists are passed over: " + ", ".join(f"{kind} ({count})" for kind, count in sorted(lists.items())))
        if not self.structure.sections:
            notes.append("no line such as !Type:Bank says what the file is: read like a bank account's")
        return notes


def _survey(text: TextFile) -> _Survey:
    survey = _Survey(Records())
    for line, lines in blocks(text, _WHAT):
        survey.add(survey.structure.read(line, lines))
        if survey.records - survey.complete > MAX_BAD_ROWS:
            reason = f"more than {MAX_BAD_ROWS} records by line {line} have no date or no amount"
            raise UnreadableStatement(reason, [RowError(line, "file", reason)])
    survey.add(survey.structure.end())
    return survey


def _refuse_without_cash(survey: _Survey) -> None:
    structure = survey.structure
    if survey.complete or (survey.records and structure.sections):
        return
    if survey.investments or any(s.kind in INVESTMENT for s in structure.sections):
        found = next(s for s in structure.sections if s.kind in INVESTMENT)
        reason = (
            f"an investment account (!Type:{found.name}, {survey.investments} records) without a cash section: there is nothing to import"
        )
        line = found.line
    elif any(s.kind in CASH for s in structure.sections):
        return
    elif structure.counts or structure.sections:
        what = ", ".join(sorted({s.name for s in structure.sections})[:5])
        line = structure.sections[0].line if structure.sections else structure.first_stranger or 1
        reason = (
            f"a QIF file of lists only ({what}), without transactions" if what else "this is not a QIF file: no line such as !Type:Bank"
        )
    else:
        line, reason = 1, "this is not a QIF file: no line such as !Type:Bank, and no record that ends with ^"
    raise UnreadableStatement(f"line {line}: {reason}", [RowError(line, "file", reason)])


def _decide_date(survey: _Survey, options: ReadOptions) -> DecidedDate:
    hints = Hints(around=tuple(dates_in(options.file_name)), today=options.today or date.today())  # noqa: DTZ011 - civil dates have no zone
    try:
        decided = _short_year_first(survey, hints) or decide_format(survey.dates, hints)
    except UndecidedDate as open_question:
        if survey.structure.date_order in ("dmy", "mdy"):
            return DecidedDate(open_question.formats[survey.structure.date_order == "mdy"], "the file's !Option line")
        first, second = (form.parse(open_question.example) for form in open_question.formats)
        reason = f"{open_question.example!r} may be {_spoken(first)} or {_spoken(second)}, and nothing in the file tells which"
        formats = [form.text for form in open_question.formats]
        raise UnreadableStatement(
            f"line {open_question.line}: {reason}; send `date_format` as {formats[0]!r} or {formats[1]!r}",
            [RowError(open_question.line, "date", reason)],
            {"date_format": formats},
        ) from open_question
    if decided is None:
        line = next(iter(survey.dates.distinct.values()), 1)
        reason = "no D line is a date in a format that is known"
        raise UnreadableStatement(
            f"line {line}: {reason}; send `date_format`, as in %d/%m/%Y", [RowError(line, "date", reason)], {"date_format": _FORMATS}
        )
    return decided


def _short_year_first(survey: _Survey, hints: Hints) -> DecidedDate | None:
    """YY-MM-DD, where every year has two digits and the !Option line or the dates themselves say that it comes first.

    Raises UndecidedDate where it may come first or last.
    """
    texts = survey.short_dates.distinct
    if not survey.only_short or not texts:
        return None
    if order := survey.structure.date_order:
        form = numeric_format(order, next(iter(texts))[2], 2)
        if all(map(form.parse, texts)):
            return DecidedDate(form, "the file's !Option line") if order == "ymd" else None
    try:
        decided = decide_format(survey.short_dates, hints)
    except UndecidedDate as open_question:
        if open_question.formats[1].text.startswith("%y") and not order:
            raise
        return None
    return decided if decided and decided.format.text.startswith("%y") else None


def _spoken(day: date | None) -> str:
    return f"{day.day} {day:%B %Y}" if day else "no date"


class _Reading:
    """The second pass. `detected` is complete when `batches` is exhausted."""

    def __init__(self, text: TextFile, date_format: DateFormat, form: AmountFormat, currency: str | None, detected: dict[str, Any]) -> None:
        self._text = text
        self._date_format = date_format
        self._form = form
        self._currency = currency
        self._detected = detected
        self._sums: dict[str, Section] = {}
        self._uneven = 0

    def batches(self) -> Iterator[Batch]:
        """The rows, in file order. Raises UnreadableStatement."""
        structure = Records()
        rows = QifRows(ends_whole=ends_whole(self._text))
        held = 0
        for records in _cash(self._text, structure):
            rows.records += records
            held += 1
            while len(rows.records) >= BATCH_ROWS or held * BLOCK_BYTES > BATCH_CHARS:
                yield self._flush(rows.take(BATCH_ROWS))
                held = 0
        if rows.records:
            yield self._flush(rows)
        self._finish(structure)

    def _flush(self, rows: QifRows) -> Batch:
        frame = rows.frame(self._date_format, self._form, self._currency)
        self._uneven += rows.uneven_splits(self._form)
        names = [account or "" for account in rows.accounts]
        add_up(frame, {number: self._sums.setdefault(name, Section(name, self._currency or "")) for number, name in enumerate(names)})
        return batch_of(frame)

    def _finish(self, structure: Records) -> None:
        balances = Balances()
        for found in structure.accounts:
            section = self._sums.pop(account_identifier(found.get("N")) or "", None)
            if section is not None:
                section.closing = value_of(found.get("$", ""), self._form)
                section.closing_date = self._date_format.parse(date_text(found.get("/", ""), self._date_format))
                balances.add(section)
        self._detected["balances"] = balances.report()
        if self._uneven:
            self._detected["notes"].append(f"the splits of {self._uneven} records do not add up to the amount, which counts")


def _cash(text: TextFile, structure: Records) -> Iterator[list[Record]]:
    for line, lines in blocks(text, _WHAT):
        yield [record for record in structure.read(line, lines) if record.section.kind not in INVESTMENT]
    yield [record for record in structure.end() if record.section.kind not in INVESTMENT]
