"""Transactions of an OFX file as columns: elements of STMTTRN to ledger rows with reasons for those that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date

import orjson
import polars as pl

from services.ingestion.readers.amounts import AmountFormat
from services.ingestion.readers.ofx_markup import fields_of, unescape
from services.ingestion.readers.ofx_statements import AccountStatement
from services.ingestion.readers.record_rows import Checks, iso_currencies, mapped, shown, signed_amounts

_NO_ID = ("", "NONE", "NULL", "N/A", "NA", "NONREF", "NOTPROVIDED", "UNKNOWN")
_DATES = ("DTPOSTED", "DTTRAN", "DTUSER")
_TEXTS = (*_DATES, "TRNAMT", "TRNTYPE", "FITID", "CHECKNUM", "NAME", "MEMO", "EXTDNAME")
_DAY = re.compile(r"(\d{4})(\d\d)(\d\d)(?:\D|\d\d|$)|(\d{4})-(\d\d)-(\d\d)$|(\d{4})/(\d\d)/(\d\d)$", re.ASCII)
CUT_OFF = "the file ends inside this transaction"


@dataclass
class Records:
    """Transactions that wait to become a batch, as parallel lists."""

    lines: list[int] = field(default_factory=list)
    fields: list[dict[str, str]] = field(default_factory=list)
    owners: list[AccountStatement] = field(default_factory=list)
    currencies: list[str | None] = field(default_factory=list)  # the rows' own, where they have one
    places: list[int] = field(default_factory=list)  # running number within the statement, from 1
    pending: list[bool] = field(default_factory=list)
    cut_off: list[bool] = field(default_factory=list)

    def add(self, line: int, found: list[tuple[str, str]], owner: AccountStatement, *, pending: bool, cut_off: bool) -> None:
        """Keep one transaction, given its elements."""
        owner.rows += 1
        fields = fields_of(found)
        self.lines.append(line)
        self.fields.append(fields)
        self.currencies.append(_own_currency(found) if "CURSYM" in fields else fields.get("CURRENCY"))
        self.owners.append(owner)
        self.places.append(owner.rows)
        self.pending.append(pending)
        self.cut_off.append(cut_off)

    def frame(self, form: AmountFormat, given_currency: str | None, reused_ids: Collection[str] = ()) -> pl.DataFrame:
        """BATCH_SCHEMA's columns, `section` (the statement's number), `field` and `reason` (null on good rows).

        `reused_ids`: FITIDs that are no ids.
        """
        frame = self._texts()
        amounts, in_cell, amount_reason = signed_amounts(frame["TRNAMT"].fill_null("").str.strip_chars_end(".,"), form)
        codes, currency_reason = self._codes(in_cell, given_currency)
        days = [mapped(frame[name].str.slice(0, 10), _day, pl.Date()) for name in _DATES if frame[name].count()]
        frame = frame.with_columns(
            codes.alias("currency"),
            currency_reason.alias("currency_reason"),
            amounts.alias("amount"),
            amount_reason.alias("amount_reason"),
            pl.coalesce(*days, pl.lit(None, dtype=pl.Date)).alias("transaction_date"),
        )
        checks = Checks(frame)
        checks.refuse(pl.col("cut_off"), "row", CUT_OFF)
        no_date = pl.coalesce(*_DATES).is_null()
        checks.refuse(no_date, "date", "DTPOSTED is missing")
        reason = pl.concat_str(
            pl.coalesce(*map(shown, _DATES)), pl.lit(" is not a day of the calendar between 1900 and 2100 written as YYYYMMDD")
        )
        checks.refuse(pl.col("transaction_date").is_null(), "date", reason)
        checks.refuse(pl.col("TRNAMT").is_null(), "amount", "TRNAMT is missing")
        checks.refuse(pl.col("amount").is_null(), "amount", pl.col("amount_reason").fill_null("TRNAMT is not an amount"))
        checks.refuse(pl.col("currency_reason").is_not_null(), "currency", pl.col("currency_reason"))
        return checks.frame.with_columns(
            description=_description(),
            merchant=pl.coalesce("NAME", "EXTDNAME"),
            category=pl.lit(None, dtype=pl.String),
            payment_method="TRNTYPE",
            source_id=_source_id(reused_ids),
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
            pl.Series("account", self._of_owner(lambda owner: owner.account), dtype=pl.String),
            pl.Series("place", self.places, dtype=pl.Int64),
            pl.Series("cut_off", self.cut_off, dtype=pl.Boolean),
            pl.Series("status", ["pending" if waits else "posted" for waits in self.pending], dtype=pl.String),
            pl.Series("raw_data", [orjson.dumps(found).decode() for found in self.fields], dtype=pl.String),
        )

    def _of_owner(self, read: Callable[[AccountStatement], str | None]) -> list[str | None]:
        """What `read` says of each row's statement, asked once for each statement."""
        known = {number: read(owner) for number, owner in {owner.number: owner for owner in self.owners}.items()}
        return [known[owner.number] for owner in self.owners]

    def _codes(self, in_cell: pl.Series, given: str | None) -> tuple[pl.Series, pl.Series]:
        """Currency of each row, and why not where it is no ISO code."""
        if given:
            return pl.Series([given] * len(self.lines), dtype=pl.String), pl.Series([None] * len(self.lines), dtype=pl.String)
        own = pl.Series(self.currencies, dtype=pl.String)
        of_statement = pl.Series(self._of_owner(lambda owner: owner.currency), dtype=pl.String)
        codes, reasons = iso_currencies(pl.select(pl.coalesce(own, of_statement)).to_series())
        return pl.select(pl.coalesce(codes, in_cell)).to_series(), reasons


def _own_currency(found: list[tuple[str, str]]) -> str | None:
    """A row's own currency: with CURRENCY the amount is in it, with ORIGCURRENCY it has been converted to the statement's."""
    aggregate = ""
    for name, text in found:
        if name in ("CURRENCY", "ORIGCURRENCY"):
            aggregate = name
        elif name == "CURSYM" and aggregate == "CURRENCY":
            return text.strip() or None
    return None


def _day(text: str) -> date | None:
    """The civil day of a DTPOSTED's first ten characters; the time of day and the zone after it do not move it."""
    match = _DAY.match(text)
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups() if part)
    try:
        return date(year, month, day) if 1900 <= year <= 2100 else None
    except ValueError:
        return None


def _description() -> pl.Expr:
    """Name and memo; only one of them where it contains the other, as banks repeat themselves."""
    name, memo = pl.coalesce("EXTDNAME", "NAME").fill_null(""), pl.col("MEMO").fill_null("")
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


def _source_id(reused: Collection[str]) -> pl.Expr:
    """The FITID, unless it is a stopgap, or reused, or only numbers the rows of this very file, which changes from export to export."""
    bare = pl.col("FITID").fill_null("").str.strip_chars()
    number = pl.when(bare.str.contains(r"^\d{1,7}$")).then(bare).cast(pl.Int64, strict=False)
    stopgap = bare.str.to_uppercase().is_in(_NO_ID) | (bare.str.strip_chars("0") == "") | (number == pl.col("place")).fill_null(False)
    if reused:
        stopgap |= bare.is_in(list(reused))
    return pl.when(~stopgap).then(bare)
