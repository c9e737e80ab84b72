"""What every statement reader takes and gives: options in, a `Statement` of columnar batches out.

Imports only the standard library and polars, so that readers stay pure and can be tried on their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

MAX_ERRORS_SHOWN = 100

BATCH_SCHEMA: dict[str, pl.DataType] = {
    "line": pl.Int64(),  # physical line, counted from 1, on which the record starts
    "transaction_date": pl.Date(),
    "amount": pl.Decimal(19, 4),  # signed: negative when money leaves the account
    "currency": pl.String(),  # ISO 4217, null where the file does not say
    "description": pl.String(),
    "merchant": pl.String(),  # the other party, where the file has a column for it
    "category": pl.String(),  # the file's own label
    "payment_method": pl.String(),  # the bank's kind of booking: "Card payment", "FOLGELASTSCHRIFT"
    "account": pl.String(),  # the user's own account, where rows name it; never the other party's
    "status": pl.String(),  # "posted", "pending" or "void"
    "source_id": pl.String(),  # the bank's own id of the transaction
    "raw_data": pl.String(),  # JSON object: header -> the cell's text
}


@dataclass(frozen=True)
class Taught:
    """What the user said of an earlier file: how to know its header again (`taught.header_hash`), the options as they were given, and
    the import that they came with."""

    header_hash: str
    columns: Mapping[str, str]
    date_format: str | None
    import_id: str


@dataclass(frozen=True)
class ReadOptions:
    """What the caller knows about a file. Everything may be left to detection.

    `date_format` is strptime-like ("%d/%m/%Y") or friendly ("DD/MM/YYYY", "dmy", "mdy", "ymd").
    `columns` maps a field (date, amount, debit, credit, direction, description, merchant, category, payment_method,
    currency, account, status, balance, source_id) to a header name or a column number counted from 1, as text.
    `currency` (ISO 4217) wins over what the file says. `today` bounds which dates can be meant (default: the system's).
    `password` opens an encrypted workbook; no reader keeps it. `profiles` holds, by header hash, what earlier files taught; they serve
    for what the caller leaves out. `date_format_taught`: the date format comes from there, and must not contradict the file.
    """

    date_format: str | None = None
    columns: Mapping[str, str] | None = None
    currency: str | None = None
    file_name: str = ""
    today: date | None = None
    password: str | None = field(default=None, repr=False)
    profiles: Mapping[str, Taught] = field(default_factory=dict)
    date_format_taught: bool = False


@dataclass(frozen=True)
class RowError:
    """Why one record was left out: its line (from 1; 0 for the whole file), the field, and the reason."""

    line: int
    field: str
    reason: str


@dataclass
class Batch:
    """Good rows (`BATCH_SCHEMA`, in file order) and the errors of the lines between them."""

    rows: pl.DataFrame
    errors: list[RowError] = field(default_factory=list)


@dataclass
class Statement:
    """A readable file. `batches` can be iterated once; `detected` is complete when it is exhausted."""

    file_format: str
    detected: dict[str, Any]  # JSON-able: how the file was read, for a person to check
    account: str | None  # the account that the file names once, e.g. in the lines above the table
    batches: Iterator[Batch]
    header_hash: str | None = None  # of the header of a table of text; None without one


class UnreadableStatement(Exception):
    """The file cannot be read as a statement, or not without an answer from the caller.

    `errors` says where and why (at most `MAX_ERRORS_SHOWN`); `needs` maps an option to the values to choose from, e.g.
    {"date_format": ["%d/%m/%Y", "%m/%d/%Y"]} or {"columns": ["Date", "Text", ...]}.
    """

    def __init__(self, message: str, errors: list[RowError] | None = None, needs: dict[str, list[str]] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.errors = (errors or [RowError(0, "file", message)])[:MAX_ERRORS_SHOWN]
        self.needs = needs or {}
