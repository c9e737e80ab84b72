"""Transactions of an OFX file as columns: elements of STMTTRN to ledger rows with reasons for those that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson
import polars as pl

from services.ingestion.readers.amounts import AmountFormat, parse_column
from services.ingestion.readers.ofx_markup import unescape
from services.ingestion.readers.ofx_statements import AccountStatement
from services.ingestion.readers.record_rows import Checks, currencies, shown

_NO_ID = ("", "NONE", "NULL", "N/A", "NA", "NONREF", "NOTPROVIDED", "UNKNOWN")
_DATES = ("DTPOSTED", "DTTRAN", "DTUSER")
_TEXTS = (*_DATES, "TRNAMT", "TRNTYPE", "FITID", "CHECKNUM", "NAME", "MEMO", "EXTDNAME")
CUT_OFF = "the file ends inside this transaction"


@dataclass
class Records:
    """Transactions that wait to become a batch, as parallel lists."""

    lines: list[int] = field(default_factory=list)
    fields: list[dict[str, str]] = field(default_factory=list)
    owners: list[AccountStatement] = field(default_factory=list)
    places: list[int] = field(default_factory=list)  # running number within the statement, from 1
    pending: list[bool] = field(default_factory=list)
    cut_off: list[bool] = field(default_factory=list)

    def add(self, line: int, fields: dict[str, str], owner: AccountStatement, *, pending: bool, cut_off: bool) -> None:
        """Keep one transaction."""
        owner.rows += 1
        self.lines.append(line)
        self.fields.append(fields)
        self.owners.append(owner)
        self.places.append(owner.rows)
        self.pending.append(pending)
        self.cut_off.append(cut_off)

    def frame(self, form: AmountFormat, given_currency: str | None) -> pl.DataFrame:
        """BATCH_SCHEMA's columns, `section` (the statement's number), `field` and `reason` (null on good rows)."""
        frame = self._texts()
        amounts = parse_column(frame["TRNAMT"].fill_null("").str.strip_chars_end(".,"), form)
        codes, currency_reason = self._currencies(amounts.currency, given_currency)
        frame = frame.with_columns(
            codes.alias("currency"),
            currency_reason.alias("currency_reason"),
            amounts.reason.alias("amount_reason"),
            pl.Series("amount", amounts.value * amounts.sign.replace(0, 1).cast(pl.Int64), dtype=pl.Decimal(19, 4)),
            pl.coalesce(_day(name) for name in _DATES).alias("transaction_date"),
        )
        checks = Checks(frame)
        checks.refuse(pl.col("cut_off"), "row", CUT_OFF)
        no_date = pl.coalesce(pl.col(name).replace("", None) for name in _DATES).is_null()
        checks.refuse(no_date, "date", "DTPOSTED is missing")
        reason = pl.concat_str(shown("DTPOSTED"), pl.lit(" is not a day of the calendar written as YYYYMMDD"))
        checks.refuse(pl.col("transaction_date").is_null(), "date", reason)
        checks.refuse(pl.col("TRNAMT").fill_null("") == "", "amount", "TRNAMT is missing")
        checks.refuse(pl.col("amount").is_null(), "amount", pl.col("amount_reason").fill_null("TRNAMT is not an amount"))
        checks.refuse(pl.col("currency_reason").is_not_null(), "currency", pl.col("currency_reason"))
        return checks.frame.with_columns(
            description=_description(),
            merchant=pl.coalesce(pl.col("NAME").replace("", None), "EXTDNAME"),
            category=pl.lit(None, dtype=pl.String),
            payment_method="TRNTYPE",
            source_id=_source_id(),
        )

    def _texts(self) -> pl.DataFrame:
        columns = []
        for name in _TEXTS:
            column = pl.Series(name, [found.get(name) for found in self.fields], dtype=pl.String)
            if column.str.contains("&", literal=True).any():
                column = pl.Series(name, [unescape(text) if text else text for text in column], dtype=pl.String)
            columns.append(column)
        return pl.DataFrame(columns).with_columns(
            pl.Series("line", self.lines, dtype=pl.Int64),
            pl.Series("section", [owner.number for owner in self.owners], dtype=pl.Int64),
            pl.Series("account", self._accounts(), dtype=pl.String),
            pl.Series("place", self.places, dtype=pl.Int64),
            pl.Series("cut_off", self.cut_off, dtype=pl.Boolean),
            pl.Series("status", ["pending" if waits else "posted" for waits in self.pending], dtype=pl.String),
            pl.Series("raw_data", [_json(found) for found in self.fields], dtype=pl.String),
        )

    def _accounts(self) -> list[str | None]:
        known = {owner.number: owner.account for owner in self.owners}
        return [known[owner.number] for owner in self.owners]

    def _currencies(self, in_cell: pl.Series, given: str | None) -> tuple[pl.Series, pl.Series]:
        if given:
            return pl.Series([given] * len(self.lines), dtype=pl.String), pl.Series([None] * len(self.lines), dtype=pl.String)
        said = [_own_currency(found) or owner.currency for found, owner in zip(self.fields, self.owners, strict=True)]
        codes, reasons = currencies(pl.Series(said, dtype=pl.String))
        return pl.select(pl.coalesce(codes, in_cell)).to_series(), reasons


def _own_currency(fields: dict[str, str]) -> str | None:
    """A row's own currency: with CURRENCY the amount is in it, with ORIGCURRENCY it has been converted to the statement's."""
    if "CURSYM" not in fields or "CURRENCY" not in fields:
        return fields.get("CURRENCY") or None
    symbols = fields["CURSYM"].split()
    if "ORIGCURRENCY" not in fields:
        return symbols[0] if symbols else None
    # Both are there: the symbols stand in the order of the aggregates.
    order = [name for name in fields if name in ("CURRENCY", "ORIGCURRENCY")]
    place = order.index("CURRENCY")
    return symbols[place] if place < len(symbols) else symbols[0] if symbols else None


def _day(name: str) -> pl.Expr:
    """The civil day as written; the time of day and the zone after it do not move it."""
    bare = pl.col(name).str.extract(r"^(\d{4}-\d\d-\d\d|\d{4}/\d\d/\d\d|\d{8})(?:\D|\d{2}(?:\d{2}){0,2}(?:\D|$)|$)")
    day = bare.str.replace_all(r"\D", "").str.to_date("%Y%m%d", strict=False)
    return pl.when(day.dt.year().is_between(1900, 2100)).then(day)


def _description() -> pl.Expr:
    """Name and memo; only one of them where it contains the other, as banks repeat themselves."""
    long = pl.col("EXTDNAME").replace("", None)
    name, memo = pl.coalesce(long, "NAME").fill_null(""), pl.col("MEMO").fill_null("")
    both = pl.concat_str(name, memo, separator=" ").str.strip_chars()
    single = (
        pl.when(memo.str.contains(name, literal=True)).then(memo)
        .when(name.str.contains(memo, literal=True)).then(name)
        .otherwise(both)
    )  # fmt: skip
    check = pl.when(pl.col("CHECKNUM").fill_null("").str.strip_chars("0 ") != "").then("CHECKNUM")
    return (
        pl.when(single != "").then(single)
        .otherwise(pl.concat_str(pl.coalesce("TRNTYPE", pl.lit("")), check.fill_null(""), separator=" ").str.strip_chars())
    )  # fmt: skip


def _source_id() -> pl.Expr:
    """The FITID, unless it is a stopgap or only numbers the rows of this very file, which changes from export to export."""
    bare = pl.col("FITID").fill_null("").str.strip_chars()
    number = pl.when(bare.str.contains(r"^\d{1,7}$")).then(bare).cast(pl.Int64, strict=False)
    stopgap = bare.str.to_uppercase().is_in(_NO_ID) | (bare.str.strip_chars("0") == "") | (number == pl.col("place")).fill_null(False)
    return pl.when(~stopgap).then(bare)


def _json(fields: dict[str, str]) -> str:
    """The record's elements with their text; aggregates, which have none, are left out."""
    return orjson.dumps({name: text for name, text in fields.items() if text}).decode()
