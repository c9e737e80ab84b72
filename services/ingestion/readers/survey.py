"""The first pass: what the whole file tells about dates, numbers and signs, and the decisions that follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from services.ingestion.readers.amounts import AmountFormat, decide_marks, shapes_of
from services.ingestion.readers.balance_proof import fee_way, pending_counted, printed_or_inverted, refuse_hidden_signs
from services.ingestion.readers.columns import Columns, languages_of, name_rank
from services.ingestion.readers.currencies import SHARED_SIGNS, SHARERS, code_of
from services.ingestion.readers.date_order import DateColumn, DecidedDate, Hints, UndecidedDate, dates_in, decide_format
from services.ingestion.readers.dates import DateFormat, looks_like_date
from services.ingestion.readers.layout import Table, currency_in, wrong_date_format
from services.ingestion.readers.signs import SignRule, SignTally, decide_pair, decide_sign
from services.ingestion.readers.statement import ReadOptions, RowError, UnreadableStatement
from services.ingestion.readers.words import BALANCE_ENTRIES, names_balance

MAX_SHAPES = 20_000
_BALANCE_WORD = r"(?i)sald|s a l d|solde|balance|forward|kontostand|zůstatek|egyenleg|likut|atlikum|остаток|turnover|käive|apgroz|apyvart"


@dataclass(frozen=True)
class Reading:
    """Everything decided: how the second pass reads each row."""

    table: Table
    date_format: DateFormat
    date_evidence: str
    amount_format: AmountFormat
    sign: SignRule
    currency: str | None  # of rows that say none themselves
    currency_given: bool  # by the caller: it wins over the rows' own
    stands_for: dict[str, str]  # what a sign of several currencies is read as -> what the file says that it means
    pending_counted: bool
    fee_way: int  # what a fee counts beside the amount: 0, as printed (1) or the opposite (-1)
    continued: bool
    closed: bool  # a dated line repeats the closing balance
    notes: list[str]


@dataclass
class Survey:
    """Evidence gathered chunk by chunk, in bounded memory."""

    table: Table
    dates: DateColumn = field(default_factory=DateColumn)
    other_dates: list[DateColumn] = field(default_factory=list)
    money: Counter[str] = field(default_factory=Counter)
    elsewhere: Counter[str] = field(default_factory=Counter)
    signs: SignTally = field(default_factory=SignTally)
    continued: bool = False
    closed: bool = False
    rows: int = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Take in a chunk of cells (columns "line", "c0", "c1", ...)."""
        columns = self.table.columns
        self.rows += len(frame)
        lines = frame["line"]
        days = cells_of(frame, columns.date)
        self.dates.add(day_part(days), lines)
        self.other_dates = self.other_dates or [DateColumn() for _ in columns.other_dates]
        for at, column in zip(columns.other_dates, self.other_dates, strict=True):
            column.add(day_part(cells_of(frame, at)), lines)
        money = {at: cells_of(frame, at) for at in columns.money()}
        for cells in money.values():
            _count(self.money, cells)
        if columns.balance is not None:
            _count(self.elsewhere, cells_of(frame, columns.balance))
        if columns.amount is not None:
            self.signs.add(
                money[columns.amount], directions(frame, columns), _words(frame, columns.payment_method),
                _words(frame, columns.description[0] if columns.description else columns.merchant), _words(frame, columns.category),
            )  # fmt: skip
        else:
            self.signs.add_pair(
                money.get(columns.debit) if columns.debit is not None else None,
                money.get(columns.credit) if columns.credit is not None else None,
            )
        if not self.continued:
            self.continued = bool(is_continuation(frame, columns).any())
        if not self.closed:
            self.closed = bool((balance_entries(frame, columns, BALANCE_ENTRIES) & (days != "")).any())

    def decide(self, options: ReadOptions, given_format: DateFormat | None) -> Reading:
        """Draw the conclusions. Raises UnreadableStatement when the date order stays open."""
        table, columns = self.table, self.table.columns
        notes: list[str] = []
        currency = _currency(table, options)
        stands_for = _shared_signs(self.money, currency, notes)
        decided = self._given(given_format, options) if given_format else self._date_format(options)
        form = decide_marks(self.money, self.elsewhere, currency or _currency_of_rows(table))
        if columns.amount is not None:
            of_card = table.header is not None and any(name_rank(n, "card") is not None for n in table.header)
            # The balance of a card may be what is owed, which grows with every charge: it proves nothing.
            proved = None if of_card else printed_or_inverted(table, decided.format)
            is_card = columns.balance is None and of_card
            of_kinds = columns.direction in (columns.payment_method, columns.category, columns.status)
            sign = decide_sign(self.signs, has_direction=columns.direction is not None, of_kinds=of_kinds, is_card=is_card, proved=proved)
        else:
            sign = decide_pair(self.signs, has_debit=columns.debit is not None)
        if sign.kind == "printed" and "no amount is negative" in sign.text:
            refuse_hidden_signs(table)
            notes.append("no amount is negative and nothing says which way the money went: all rows are read as money in")
        fees = fee_way(table, sign, decided.format)
        if fees is None:
            notes.append("there are fees, and no running balance tells whether the amounts include them: they are left out")
        return Reading(
            table, decided.format, decided.evidence, form, sign, currency, currency_given=bool(options.currency), stands_for=stands_for,
            pending_counted=pending_counted(table), fee_way=fees or 0, continued=self.continued, closed=self.closed,
            notes=notes,
        )  # fmt: skip

    def _given(self, given: DateFormat, options: ReadOptions) -> DecidedDate:
        """The caller's format, which must read some cell. One given for an earlier file must read as many as what the column tells."""
        distinct = self.dates.distinct
        if distinct and not any(given.parse(text) for text in distinct):
            first = next((text for text in distinct if looks_like_date(text)), next(iter(distinct)))
            raise wrong_date_format(distinct[first], first, self.table.names[self.table.columns.date], given)
        if not options.date_format_taught:
            return DecidedDate(given, "given")
        try:
            told = decide_format(self.dates, self._hints(options))
        except UndecidedDate:
            told = None
        if told is not None:
            missed = [text for text in distinct if given.parse(text) is None and told.format.parse(text)]
            gained = sum(given.parse(text) is not None and told.format.parse(text) is None for text in distinct)
            if len(missed) > gained:
                reason = f"{missed[0]!r} is a day as {told.format.text}, but not as {given.text}"
                raise UnreadableStatement(reason, [RowError(distinct[missed[0]], "date_format", reason)])
        return DecidedDate(given, "given for an earlier file with this header")

    def _hints(self, options: ReadOptions) -> Hints:
        table = self.table
        return Hints(
            others=tuple(self.other_dates),
            around=tuple(dates_in(options.file_name) + [day for row in table.preamble for day in dates_in(" ; ".join(row))]),
            day_first_language=bool(table.header) and languages_of(table.header or []),
            today=options.today or date.today(),  # noqa: DTZ011 - civil dates have no zone
        )

    def _date_format(self, options: ReadOptions) -> DecidedDate:
        table = self.table
        name = table.names[table.columns.date]
        try:
            decided = decide_format(self.dates, self._hints(options))
        except UndecidedDate as open_question:
            first, second = (f.parse(open_question.example) for f in open_question.formats)
            reason = f"{open_question.example!r} may be {_spoken(first)} or {_spoken(second)}, and nothing in the file tells which"
            formats = [f.text for f in open_question.formats]
            raise UnreadableStatement(
                f"line {open_question.line}: {reason}; send `date_format` as {formats[0]!r} or {formats[1]!r}",
                [RowError(open_question.line, "date", reason)],
                {"date_format": formats},
            ) from open_question
        if decided is None:
            line = table.first_line
            reason = f"no cell of the column {name!r} is a date in a format that is known"
            raise UnreadableStatement(
                f"line {line}: {reason}; send `date_format`, as in %d/%m/%Y, or `columns` with another date column",
                [RowError(line, "date", reason)],
                {"date_format": ["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d"], "columns": table.names},
            )
        return decided


def _spoken(day: date | None) -> str:
    return f"{day.day} {day:%B %Y}" if day else "no date"


def cells_of(frame: pl.DataFrame, at: int) -> pl.Series:
    """A column's cells, trimmed, without the invisible marks that right-to-left text carries."""
    return frame[f"c{at}"].str.strip_chars(" \t\u00a0\u200e\u200f\u202a\u202b\u202c\ufeff\x0b\x0c\r\n")


def day_part(cells: pl.Series) -> pl.Series:
    """Dates without the time of day, so that few distinct ones remain."""
    return cells.str.replace(r"^(.{6,}?)[\sT,]+\d{1,2}[:.]\d{2}.*$", "${1}")


def directions(frame: pl.DataFrame, columns: Columns) -> pl.Series:
    """The words that may say which way the money went: a column's, or those of the headings above the rows."""
    return frame["section_way"] if columns.direction is None else cells_of(frame, columns.direction)


def _words(frame: pl.DataFrame, at: int | None) -> pl.Series | None:
    return None if at is None else cells_of(frame, at)


def _count(total: Counter[str], cells: pl.Series) -> None:
    for shape, count in shapes_of(cells.filter(cells != "")).items():
        if shape in total or len(total) < MAX_SHAPES:
            total[shape] += count


def balance_entries(frame: pl.DataFrame, columns: Columns, known: frozenset[str]) -> pl.Series:
    """Rows that only repeat a balance: their text is one of the `known` words, perhaps with a date, and no merchant is named.

    Where description and merchant are both blank, the word may stand in any other column. An amount other than the balance beside it is
    a booking, and so is what was paid at New Balance.
    """
    texts = columns.texts()
    found = pl.Series([False] * len(frame), dtype=pl.Boolean)
    if not texts:
        return found
    text = cells_of(frame, texts[0])
    found = _are_balances(text, known)
    if columns.merchant is not None and columns.merchant != texts[0]:
        found = found & (cells_of(frame, columns.merchant) == "")
    blank = frame.select(pl.all_horizontal(pl.col(f"c{at}").str.strip_chars() == "" for at in texts)).to_series()
    if blank.any():
        others = set(range(_width(frame))) - {columns.date, *texts, *columns.money()}
        for at in sorted(others):
            found = found | (blank & _are_balances(cells_of(frame, at), known))
    return found & ~_is_booked(frame, columns, text) if found.any() else found


def _is_booked(frame: pl.DataFrame, columns: Columns, text: pl.Series) -> pl.Series:
    """Rows whose amount differs from their balance, or that leave money at a shop whose name is a word for a balance."""
    cells = [cells_of(frame, at) for at in columns.money()]
    money = pl.concat_str(pl.when(cell.str.contains("[1-9]")).then(cell).otherwise(pl.lit("")) for cell in cells)
    figure = money.str.replace_all(r"\D", "").str.strip_chars_start("0")
    at_shop = (text.str.to_lowercase().str.starts_with("new balance")) & money.str.contains(r"^[-\u2212(]|-$|(?i)dr$")
    if columns.balance is None:
        return frame.select(at_shop).to_series()
    balance = cells_of(frame, columns.balance).str.replace_all(r"\D", "").str.strip_chars_start("0")
    return frame.select(at_shop | ((figure != "") & (balance != "") & (figure != balance))).to_series()


def _width(frame: pl.DataFrame) -> int:
    return sum(name.startswith("c") for name in frame.columns)


def _are_balances(texts: pl.Series, known: frozenset[str]) -> pl.Series:
    likely = texts.filter(texts.str.contains(_BALANCE_WORD) & (texts.str.len_chars() < 40)).unique()
    return texts.is_in([text for text in likely if names_balance(text, known)])


def is_continuation(frame: pl.DataFrame, columns: Columns) -> pl.Series:
    """Rows that only go on with the text of the row before: no date, no amount, nothing outside the text columns."""
    texts = columns.texts()
    if not texts:
        return pl.Series([False] * len(frame), dtype=pl.Boolean)
    days = cells_of(frame, columns.date)
    blank = days == ""
    if not blank.any():
        return blank
    width = _width(frame)
    others = [at for at in range(width) if at not in texts]
    trimmed = frame.select(f"c{at}" for at in range(width)).with_columns(pl.all().str.strip_chars())
    return trimmed.select(
        pl.all_horizontal(pl.col(f"c{at}") == "" for at in others) & pl.any_horizontal(pl.col(f"c{at}") != "" for at in texts)
    ).to_series()


def _currency(table: Table, options: ReadOptions) -> str | None:
    """The currency of rows without one of their own: the caller's, the header's, or that of the lines above the table."""
    if options.currency:
        return options.currency.upper()
    if table.header:
        named = {table.header[at].currency for at in table.columns.money()} - {None}
        if len(named) == 1:
            return named.pop()
        balance = table.columns.balance
        if not named and balance is not None and table.header[balance].currency:
            return table.header[balance].currency
    return currency_in(table.preamble)


def _currency_of_rows(table: Table) -> str | None:
    """The one currency that the first rows name in a column of their own."""
    at = table.columns.currency
    codes = {code_of(cell) for cell in table.stats[at].cells if cell} if at is not None else set()
    return codes.pop() if len(codes) == 1 else None


def _shared_signs(money: Iterable[str], currency: str | None, notes: list[str]) -> dict[str, str]:
    """Signs of several currencies: the one that the file names where it has that sign, else the usual one, with a note."""
    present = {part for shape in money for part in _signs_in(shape)}
    stands_for: dict[str, str] = {}
    for sign in sorted(SHARED_SIGNS & present):
        usual = code_of(sign) or ""
        if currency in SHARERS.get(usual, ()) and usual.casefold() not in present:
            stands_for[usual] = str(currency)
        else:
            notes.append(f"the sign {sign!r} is read as {usual}; send `currency` if it stands for another")
    return stands_for


def _signs_in(shape: str) -> list[str]:
    return [part.strip("()+-").casefold() for part in shape.replace("9", " ").replace("Z", " ").split()]
