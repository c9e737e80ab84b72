"""The second pass: chunks of cells to ledger rows, columnar; lines that do not fit are looked at one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from services.ingestion.readers.amounts import ParsedColumn, parse_column
from services.ingestion.readers.currencies import code_of
from services.ingestion.readers.folding import fold
from services.ingestion.readers.headers import is_named_header, same_names
from services.ingestion.readers.layout import Table
from services.ingestion.readers.other_tables import other_table_error
from services.ingestion.readers.statement import BATCH_SCHEMA, Batch, RowError
from services.ingestion.readers.survey import Reading, balance_entries, cells_of, day_part, directions, is_continuation
from services.ingestion.readers.words import BALANCE_ENTRIES, PERIOD_ENTRIES, YES, direction_of, is_balance_line, state_of
from services.ingestion.readers.words import VOID as VOID_WORDS

MAX_ROWS = 8192
MAX_SKIPPED_SHOWN = 100
PENDING = "pending: not booked yet; it will come with a later export"
VOID = "declined, cancelled or reverted: it moved no money"


@dataclass
class Skipped:
    """Lines that are no transactions: totals, balances, remarks. Shown, so that nothing is dropped unseen."""

    count: int = 0
    shown: list[dict[str, Any]] = field(default_factory=list)

    def add(self, line: int, reason: str, cells: list[str]) -> None:
        self.count += 1
        if len(self.shown) < MAX_SKIPPED_SHOWN:
            text = " | ".join(cell for cell in cells if cell)[:200]
            self.shown.append({"line": line, "reason": reason, "text": text})

    def clear(self) -> None:
        """Start counting anew."""
        self.count = 0
        self.shown.clear()


def read_rows(frames: Iterator[pl.DataFrame], reading: Reading, skipped: Skipped) -> Iterator[Batch]:
    """Turn frames of cells (columns "line", "c0", ..., "extra") into batches of at most 8192 rows, in file order."""
    held: pl.DataFrame | None = None
    for frame in frames:
        joined = pl.concat([held, frame]) if held is not None else frame
        held = None
        if reading.continued:
            joined, held = _hold_back(joined, reading)
        yield from _batches(joined, reading, skipped)
    if held is not None:
        yield from _batches(held, reading, skipped)


def _hold_back(frame: pl.DataFrame, reading: Reading) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Keep the last row with its continuation lines for the next chunk, where more of them may follow."""
    starts = (~is_continuation(frame, reading.table.columns)).arg_true()
    last = int(starts[-1]) if len(starts) else 0
    if len(frame) - last > MAX_ROWS:
        return frame, None
    return frame[:last], frame[last:]


def _batches(frame: pl.DataFrame, reading: Reading, skipped: Skipped) -> Iterator[Batch]:
    if reading.continued:
        frame = _join_continuations(frame, reading)
    for part in frame.iter_slices(MAX_ROWS):
        yield _read_part(part, reading, skipped)


def _join_continuations(frame: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Append the text of continuation lines to the description of the row before them."""
    columns = reading.table.columns
    follows = is_continuation(frame, columns) & frame["behind"].is_null()
    if not follows.any():
        return frame
    texts = columns.texts()
    group = (~follows).cum_sum().alias("group")
    target = f"c{texts[0]}"
    pieces = frame.select(group, text=pl.concat_str([pl.col(f"c{at}").str.strip_chars() for at in texts], separator=" ").str.strip_chars())
    tails = pieces.filter(follows & (group > 0)).group_by("group").agg(tail=pl.col("text").str.join(" "))
    frame = frame.with_columns(group).filter(~follows | (group == 0)).join(tails, on="group", how="left", maintain_order="left")
    whole = pl.concat_str([pl.col(target).str.strip_chars(), pl.col("tail")], separator=" ", ignore_nulls=True)
    return frame.with_columns(pl.when(pl.col("tail").is_null()).then(target).otherwise(whole).alias(target)).drop("group", "tail")


def _read_part(frame: pl.DataFrame, reading: Reading, skipped: Skipped) -> Batch:
    columns = reading.table.columns
    days = day_part(cells_of(frame, columns.date))
    dates = _mapped(days, reading.date_format.parse, pl.Date())
    amounts = _amounts(frame, reading)
    state = _states(frame, reading)
    currency, currency_reason = _currencies(frame, reading, amounts.currency)
    entry = balance_entries(frame, columns, BALANCE_ENTRIES | PERIOD_ENTRIES if reading.closed else BALANCE_ENTRIES)
    good = (
        dates.is_not_null() & amounts.value.is_not_null() & amounts.reason.is_null() & frame["extra"].is_null()
        & (state == "posted") & currency_reason.is_null() & ~entry & frame["behind"].is_null()
    )  # fmt: skip
    errors: list[RowError] = []
    if not good.all():
        checked = frame.with_columns(
            dates.alias("date"), amounts.value.alias("value"), amounts.reason.alias("reason"), state.alias("state"),
            currency_reason.alias("currency_reason"), entry.alias("balance_entry"),
        )  # fmt: skip
        for row in checked.filter(~good).iter_rows(named=True):
            error = _judge(row, reading, skipped)
            if error:
                errors.append(error)
    return Batch(_ledger_rows(frame, reading, dates, amounts.value, currency, good), errors)


def _mapped(cells: pl.Series, read: Any, dtype: pl.DataType) -> pl.Series:
    """Apply a function to each distinct cell; null where it gives None."""
    distinct = cells.unique()
    values = [read(cell) if cell else None for cell in distinct]
    table = pl.DataFrame({"cell": distinct, "value": pl.Series(values, dtype=dtype)})
    return cells.alias("cell").to_frame().join(table, on="cell", how="left", maintain_order="left")["value"]


def _amounts(frame: pl.DataFrame, reading: Reading) -> ParsedColumn:
    """The signed amount of each row; null with a reason, or without one where the row has none."""
    columns, rule = reading.table.columns, reading.sign
    if columns.amount is None:
        return _with_fee(_paired(frame, reading), frame, reading)
    cells = cells_of(frame, columns.amount)
    column = parse_column(cells, reading.amount_format)
    sign, reason = column.sign, column.reason
    if columns.rival is not None:
        reason = _unless_elsewhere(cells, cells_of(frame, columns.rival), reason, reading.table.names[columns.rival])
    if rule.kind in ("direction", "direction_only", "kind"):
        kinds = columns.payment_method if rule.kind == "kind" else None
        words = directions(frame, columns) if kinds is None else cells_of(frame, kinds)
        way = _mapped_words(words, rule.words)
        reversal = pl.when(pl.Series(sign) < 0).then(-1).otherwise(1) if rule.kind == "direction" else pl.lit(1)
        unknown = (way == 0) & column.value.is_not_null() & (column.value != 0)
        if unknown.any():
            said = (
                pl.DataFrame({"w": words})
                .select(pl.concat_str(pl.lit("the direction '"), pl.col("w"), pl.lit("' is not known: money in or out?")))
                .to_series()
            )
            reason = pl.select(pl.when(reason.is_null() & unknown).then(said).otherwise(reason)).to_series()
        factor = pl.select(pl.Series(way) * reversal).to_series()
    elif rule.kind == "marked":
        factor = pl.select(pl.when(sign == 1).then(1).otherwise(-1)).to_series()
    else:
        printed = pl.select(pl.when(sign < 0).then(-1).otherwise(1)).to_series()
        factor = printed if rule.kind == "printed" else -printed
    value = _times(column.value, factor)
    return _with_fee(ParsedColumn(value.cast(pl.Decimal(19, 4)), sign, column.currency, reason), frame, reading)


def _unless_elsewhere(cells: pl.Series, others: pl.Series, reason: pl.Series, name: str) -> pl.Series:
    """The reasons, with one where an amount stands under the other currency's name alone."""
    elsewhere = reason.is_null() & ~cells.str.contains("[1-9]") & others.str.contains("[1-9]")
    said = f"the amount stands in {name!r}, which is of another currency: send the file again with `columns` naming that one"
    return pl.select(pl.when(elsewhere).then(pl.lit(said)).otherwise(reason)).to_series()


def _with_fee(column: ParsedColumn, frame: pl.DataFrame, reading: Reading) -> ParsedColumn:
    """The amounts with what was charged besides; a row may be only a fee."""
    at, way = reading.table.columns.fee, reading.fee_way
    if at is None or not way:
        return column
    fees = parse_column(cells_of(frame, at), reading.amount_format, may_lack=True)
    fee = _times(fees.value, pl.select(pl.when(fees.sign < 0).then(-way).otherwise(way)).to_series())
    alone = column.value.is_null() & column.reason.is_null() & (fee != 0)
    value = pl.select(pl.when(alone).then(fee).otherwise(column.value + fee.fill_null(0))).to_series()
    return ParsedColumn(value.cast(pl.Decimal(19, 4)), column.sign, column.currency, column.reason)


def _mapped_words(words: pl.Series, known: dict[str, int]) -> pl.Series:
    distinct = words.unique()
    ways = [known[word] if word in known else direction_of(word) for word in distinct]
    return words.replace_strict(distinct, pl.Series(ways, dtype=pl.Int8), return_dtype=pl.Int8)


def _times(value: pl.Series, factor: pl.Series) -> pl.Series:
    return pl.select(pl.when(factor < 0).then(-value).when(factor > 0).then(value).otherwise(value * 0)).to_series().cast(pl.Decimal(19, 4))


def _paired(frame: pl.DataFrame, reading: Reading) -> ParsedColumn:
    columns, rule = reading.table.columns, reading.sign
    out = _one_side(frame, reading, columns.debit, rule.out)
    into = _one_side(frame, reading, columns.credit, rule.into)
    both = (out.value.fill_null(0) != 0) & (into.value.fill_null(0) != 0)
    blank = out.value.is_null() & into.value.is_null()
    reason = pl.select(
        pl.when(both).then(pl.lit("both the money-out and the money-in column are filled")).otherwise(pl.coalesce(out.reason, into.reason))
    ).to_series()
    value = pl.select(pl.when(blank).then(None).otherwise(out.value.fill_null(0) + into.value.fill_null(0))).to_series()
    return ParsedColumn(value.cast(pl.Decimal(19, 4)), out.sign, pl.select(pl.coalesce(out.currency, into.currency)).to_series(), reason)


def _one_side(frame: pl.DataFrame, reading: Reading, at: int | None, unmarked: int) -> ParsedColumn:
    if at is None:
        nothing = pl.Series([None] * len(frame), dtype=pl.String)
        return ParsedColumn(nothing.cast(pl.Decimal(19, 4)), nothing.cast(pl.Int8), nothing, nothing)
    column = parse_column(cells_of(frame, at), reading.amount_format, may_lack=True)
    factor = pl.select(pl.when(column.sign < 0).then(-unmarked).otherwise(unmarked)).to_series()
    return ParsedColumn(_times(column.value, factor), column.sign, column.currency, column.reason)


def _states(frame: pl.DataFrame, reading: Reading) -> pl.Series:
    """ "posted", "pending" or "void" for each row, by headings, the status column and, for PayPal's memo rows, the direction column."""
    columns = reading.table.columns
    known = {"pending": "posted" if reading.pending_counted else "pending", "void": "void"}
    found = frame["section_state"].replace_strict(known, default="posted")
    if columns.direction is not None:
        moved = _mapped(cells_of(frame, columns.direction), lambda cell: "void" if fold(cell) in VOID_WORDS else None, pl.String())
        found = pl.select(pl.coalesce(moved, found)).to_series()
    if columns.status is not None:
        flag = reading.table.stats[columns.status].is_yes_or_no()
        state = (lambda cell: "pending" if cell.casefold() in YES else "posted") if flag else state_of
        said = _mapped(cells_of(frame, columns.status), lambda cell: known.get(state(cell)), pl.String())
        found = pl.select(pl.coalesce(said, found)).to_series()
    return found


def _currencies(frame: pl.DataFrame, reading: Reading, in_cell: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Currency of each row, and why not where the file's own is no ISO code."""
    fixed = pl.Series([reading.currency] * len(frame), dtype=pl.String)
    nothing = pl.Series([None] * len(frame), dtype=pl.String)
    at = reading.table.columns.currency
    if reading.currency_given:
        return fixed, nothing
    if reading.stands_for:
        in_cell = in_cell.replace(reading.stands_for)
    if at is None:
        return pl.select(pl.coalesce(in_cell, fixed)).to_series(), nothing
    cells = cells_of(frame, at)
    own = _mapped(cells, lambda cell: code_of(cell) or None, pl.String())
    reason = _mapped(
        cells, lambda cell: None if code_of(cell) is not None else f"{cell[:20]!r} is not an ISO 4217 currency code", pl.String()
    )
    return pl.select(pl.coalesce(own, in_cell, fixed)).to_series(), reason


def _remark(row: dict[str, Any], cells: list[str], table: Table) -> str:
    """What a line is that looks like no transaction at all; "" for any other."""
    if same_names(cells, table.header_cells) or same_names(cells, table.second_cells):
        return "the header again"
    if row["behind"] == row["line"]:
        return "the header of another table"
    if table.header_cells and is_named_header(cells):
        return "the header again"
    if not row["extra"] and not any(letter.isalnum() for cell in cells for letter in cell):
        return "a line of marks"
    return "a balance" if row["balance_entry"] else ""


def _judge(row: dict[str, Any], reading: Reading, skipped: Skipped) -> RowError | None:
    """Why a line gives no row: an error, or None for a line that is no transaction (which is listed as skipped)."""
    table, line = reading.table, int(row["line"])
    cells = [(row[f"c{at}"] or "").strip() for at in range(table.width)]
    if not any(cells) and not row["extra"]:
        return None
    if remark := _remark(row, cells, table):
        skipped.add(line, remark, cells)
        return None
    if row["behind"] is not None:
        error = other_table_error(row, cells)
        if error is None:
            skipped.add(line, "neither a date nor an amount", cells)
        return error
    return _fault(row, cells, reading, skipped)


def _fault(row: dict[str, Any], cells: list[str], reading: Reading, skipped: Skipped) -> RowError | None:
    """What keeps a line of the table itself from being read; None where it is no transaction."""
    table = reading.table
    columns, line = table.columns, int(row["line"])
    day = cells[columns.date]
    money = [cells[at] for at in columns.money() if cells[at]]
    alone = sum(map(bool, cells)) == 1 and not money and not row["extra"]  # a heading or a remark
    if row["state"] == "void" and not alone:
        return RowError(line, "status", VOID)
    if (row["state"] == "pending" or state_of(day) == "pending") and not alone:
        return RowError(line, "status", PENDING)
    if row["date"] is None or row["value"] is None:
        if any(is_balance_line(cell) for cell in cells if cell):
            skipped.add(line, "a total or a balance", cells)
            return None
        if row["date"] is None and not money and not (day and reading.date_format.has_form(day)):
            skipped.add(line, "neither a date nor an amount", cells)
            return None
    if row["extra"]:
        wide = f"the row has more cells than the {table.width} columns (beyond them: {str(row['extra'])[:60]!r}); is a cell not quoted?"
        return RowError(line, "row", wide)
    if row["date"] is None:
        return RowError(line, "date", _date_reason(day, reading))
    if row["reason"]:
        return RowError(line, "amount", str(row["reason"]))
    if row["value"] is None:
        return RowError(line, "amount", "is empty")
    return RowError(line, "currency", str(row["currency_reason"]))


def _date_reason(day: str, reading: Reading) -> str:
    return f"{day[:40]!r} {reading.date_format.fault(day)}" if day else "is empty"


def _ledger_rows(
    frame: pl.DataFrame, reading: Reading, dates: pl.Series, value: pl.Series, currency: pl.Series, good: pl.Series
) -> pl.DataFrame:
    table = reading.table
    columns = table.columns
    described = [_text(at) for at in columns.description]
    merchant, category, method = (_text(at) for at in (columns.merchant, columns.category, columns.payment_method))
    text = pl.concat_str(described, separator=" ", ignore_nulls=True) if described else pl.lit(None, dtype=pl.String)
    text = pl.when(text == "").then(None).otherwise(text)
    raw = pl.struct([pl.col(f"c{at}").alias(name) for at, name in enumerate(table.names)])
    source = frame.with_columns(dates.alias("transaction_date"), value.alias("amount"), currency.alias("currency")).filter(good)
    return source.select(
        "line",
        "transaction_date",
        pl.col("amount").cast(pl.Decimal(19, 4)),
        "currency",
        description=pl.coalesce(text, merchant, method, category, pl.lit("")),
        merchant=merchant,
        category=category,
        payment_method=method,
        account=_identifier(columns.account),
        status=pl.lit("posted"),
        source_id=_identifier(columns.source_id),
        raw_data=raw.struct.json_encode(),
    ).cast(BATCH_SCHEMA)  # type: ignore[arg-type]


def _text(at: int | None) -> pl.Expr:
    """A text cell for people: control characters and runs of white space are single blanks; null where nothing is left."""
    if at is None:
        return pl.lit(None, dtype=pl.String)
    clean = pl.col(f"c{at}").str.replace_all(r"[\p{Cc}\s]+", " ").str.strip_chars(" \u200e\u200f\ufeff")
    return pl.when(clean == "").then(None).otherwise(clean)


def _identifier(at: int | None) -> pl.Expr:
    """An account or an id: without the quotes and the = that some banks put around it to keep spreadsheets from rounding it."""
    clean = _text(at).str.strip_chars(" '\"=")
    return pl.when(clean == "").then(None).otherwise(clean)
