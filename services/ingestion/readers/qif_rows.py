"""Records of a QIF file as columns: letters to ledger rows, with reasons for those that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import orjson
import polars as pl

from services.ingestion.readers.amounts import AmountFormat, parse_amount
from services.ingestion.readers.dates import DateFormat
from services.ingestion.readers.qif_dates import date_text
from services.ingestion.readers.qif_records import Record
from services.ingestion.readers.record_rows import Checks, mapped, shown, signed_amounts

_SPLIT = ("--split--", "|split|", "-split-", "split")
CUT_OFF = "the file ends inside this record"
MERGED = "the record has two dates: is the line ^ between two records missing?"


def amount_of(fields: dict[str, str]) -> str:
    """A record's amount as printed: T, or U, which newer writers put beside it."""
    return fields.get("T", "").strip() or fields.get("U", "").strip()


def value_of(cell: str, form: AmountFormat) -> Decimal | None:
    """A signed amount; None where the cell is none."""
    value, affix, _ = parse_amount(cell.strip(), form)
    return -value if value is not None and affix.sign < 0 else value


def account_identifier(name: str | None) -> str | None:
    """The account's name without blanks, in upper case; QIF knows no number."""
    return "".join(name.split()).upper() or None if name else None


@dataclass
class QifRows:
    """Records that wait to become a batch. `ends_whole`: the file's last line has a line end."""

    ends_whole: bool
    records: list[Record] = field(default_factory=list)

    def take(self, count: int) -> QifRows:
        """Part with the first records."""
        taken, self.records = self.records[:count], self.records[count:]
        return QifRows(self.ends_whole, taken)

    @property
    def accounts(self) -> list[str | None]:
        """The accounts of the records, each once; a frame's `section` counts them."""
        return list(dict.fromkeys(account_identifier(name) for name in dict.fromkeys(record.section.account for record in self.records)))

    def frame(self, date_format: DateFormat, form: AmountFormat, currency: str | None) -> pl.DataFrame:
        """BATCH_SCHEMA's columns, `section`, `field` and `reason` (null on good rows)."""
        frame = self._texts(date_format)
        amounts, in_cell, amount_reason = signed_amounts(frame["amount_text"], form)
        frame = frame.with_columns(
            mapped(frame["date_text"], date_format.parse, pl.Date()).alias("transaction_date"),
            amounts.alias("amount"),
            amount_reason.alias("amount_reason"),
            (pl.lit(currency, dtype=pl.String) if currency else in_cell).alias("currency"),
        )
        checks = Checks(frame)
        checks.refuse(pl.col("cut_off"), "row", CUT_OFF)
        checks.refuse(pl.col("merged"), "row", MERGED)
        checks.refuse(pl.col("date_text") == "", "date", "the record has no date (a line D)")
        reason = pl.concat_str(
            shown("D"), pl.lit(f" is not a day of the calendar between 1900 and 2100 in the file's format {date_format.text}")
        )
        checks.refuse(pl.col("transaction_date").is_null(), "date", reason)
        checks.refuse(pl.col("amount_text") == "", "amount", "the record has no amount (a line T)")
        checks.refuse(pl.col("amount").is_null(), "amount", pl.col("amount_reason").fill_null("is not an amount"))
        return checks.frame.with_columns(
            description=_description(),
            merchant="P",
            category=_category(),
            payment_method=_method(),
            status=pl.lit("posted"),
            source_id=pl.lit(None, dtype=pl.String),
        )

    def _texts(self, date_format: DateFormat) -> pl.DataFrame:
        all_fields = [record.fields for record in self.records]
        numbers = {account: number for number, account in enumerate(self.accounts)}
        known = {name: account_identifier(name) for name in {record.section.account for record in self.records}}
        accounts = [known[record.section.account] for record in self.records]
        columns = [
            pl.Series(letter, [found.get(letter) for found in all_fields], dtype=pl.String).str.strip_chars().replace("", None)
            for letter in "DPMLN"
        ]
        return pl.DataFrame(columns).with_columns(
            pl.Series("line", [record.line for record in self.records], dtype=pl.Int64),
            pl.Series("date_text", [date_text(found.get("D", ""), date_format) for found in all_fields], dtype=pl.String),
            pl.Series("amount_text", [amount_of(found) for found in all_fields], dtype=pl.String),
            pl.Series("account", accounts, dtype=pl.String),
            pl.Series("section", [numbers[account] for account in accounts], dtype=pl.Int64),
            pl.Series("cut_off", [self._is_cut_off(record) for record in self.records], dtype=pl.Boolean),
            pl.Series("merged", [record.merged for record in self.records], dtype=pl.Boolean),
            pl.Series("raw_data", [_json(record) for record in self.records], dtype=pl.String),
        )

    def _is_cut_off(self, record: Record) -> bool:
        """A last line without its end may lack digits of a date or an amount; other lines lack words at worst."""
        if record.closed or self.ends_whole:
            return False
        return not amount_of(record.fields) or next(reversed(record.fields)) in "DTU$"

    def uneven_splits(self, form: AmountFormat) -> int:
        """How many records have splits that do not add up to the amount."""
        count = 0
        for record in self.records:
            if record.splits:
                parts = [value_of(split.get("$", ""), form) for split in record.splits]
                whole = value_of(amount_of(record.fields), form)
                known = [part for part in parts if part is not None]
                count += len(known) == len(parts) and whole is not None and sum(known) != whole
        return count


def _description() -> pl.Expr:
    """Payee and memo; only one of them where it contains the other."""
    payee, memo = pl.col("P").fill_null(""), pl.col("M").fill_null("")
    return (
        pl.when(memo.str.contains(payee, literal=True))
        .then(memo)
        .when(payee.str.contains(memo, literal=True))
        .then(payee)
        .otherwise(pl.concat_str(payee, memo, separator=" "))
    )


def _category() -> pl.Expr:
    """The file's own category; an account in brackets is a transfer, and a word for splits is none."""
    label = pl.col("L")
    is_none = label.str.starts_with("[") | label.str.to_lowercase().is_in(_SPLIT)
    return pl.when(~is_none).then(label)


def _method() -> pl.Expr:
    """The kind of booking (ATM, DEP, EFT), "Check" for a cheque number, "Transfer" where the category names another account."""
    number = pl.col("N")
    return (
        pl.when(number.str.contains(r"^\d{1,7}$"))
        .then(pl.lit("Check"))
        .when(number.str.contains(r"^\d+$"))  # some write a date or an id here
        .then(None)
        .when(number.is_null() & pl.col("L").str.starts_with("["))
        .then(pl.lit("Transfer"))
        .otherwise(number)
    )


def _json(record: Record) -> str:
    fields: dict[str, object] = {letter: bare for letter, text in record.fields.items() if (bare := text.strip())}
    if record.splits:
        fields["splits"] = record.splits
    return orjson.dumps(fields).decode()
