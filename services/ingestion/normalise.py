"""From a reader's batches to what the ledger takes: which account and currency, which rows count, their fingerprints, as Arrow.

Columnar and free of any waiting, so that it runs on a thread; the accounts that a batch needs are found in between by the caller.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from services.ingestion.arrow import Message, messages
from services.ingestion.domain import AccountRef, ImportOptions
from services.ingestion.fingerprint import VERSION, canonical_description, generate_fingerprint
from services.ingestion.occurrences import Occurrences
from services.ingestion.outcomes import RowOutcomes
from services.ingestion.readers.statement import Batch, Statement
from services.kit.errors import InvalidArgument, invalid

MAX_ROW_BYTES = 256 * 1024
MAX_DESCRIPTION_CHARS = 10_000
_CUT_AT_CHARS = {"merchant": 200, "category": 200, "payment_method": 100}
"""What labels may have; the original stays in raw_data."""
MAX_IDENTIFIER_CHARS = 64
MAX_SOURCE_ID_CHARS = 255
MAX_ACCOUNTS = 100
"""More than a person has: then the column is somebody else's account."""

LEDGER_SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("account_id", pa.utf8()),
        ("transaction_date", pa.date32()),
        ("amount", pa.decimal128(19, 4)),
        ("currency", pa.utf8()),
        ("description", pa.utf8()),
        ("merchant", pa.utf8()),
        ("category", pa.utf8()),
        ("payment_method", pa.utf8()),
        ("status", pa.utf8()),
        ("fingerprint", pa.utf8()),
        ("raw_data", pa.utf8()),
        ("description_key", pa.utf8()),
        ("occurrence", pa.int32()),
        ("source_id", pa.utf8()),
    ]
)
"""As accounts_service.proto fixes it."""
PREDICTED_SCHEMA = pa.schema(
    [*LEDGER_SCHEMA, ("predicted_category", pa.utf8()), ("confidence", pa.float64()), ("prediction_source", pa.utf8())]
)
"""The same with what categorization says."""

_DIGEST = slice(len(VERSION) + 1, len(VERSION) + 1 + 16)
"""64 bits of a fingerprint."""


class AccountKey(NamedTuple):
    """How rows name their account: its identifier and the currency, "" for what the file does not say."""

    identifier: str
    currency: str


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """Rows that only lack their accounts, and the accounts that they need. `account_key` numbers those per row."""

    rows: pl.DataFrame
    keys: list[AccountKey]


class Normaliser:
    """One pass over one statement. Call `read`, find the accounts, call `encode`, until `read` gives None. Not for two threads at once."""

    def __init__(self, statement: Statement, options: ImportOptions, outcomes: RowOutcomes) -> None:
        self._statement = statement
        self._currency = options.currency or ""
        # An account given by the caller is the account of all rows.
        self._ignore_identifiers = options.account_id is not None
        self._outcomes = outcomes
        self._occurrences = Occurrences()
        self._keys: set[AccountKey] = set()
        self.rows_sent = 0
        self.rows_read = 0
        self.last_line = 0

    def read(self) -> OpenBatch | None:
        """The next rows for the ledger, perhaps none; None at the end of the file. Rows that are not for the ledger get their outcome.

        Raises what the reader raises.
        """
        batch = next(self._statement.batches, None)
        if batch is None:
            return None
        self._note(batch)
        self._reject(batch)
        rows = self._without_zero_amounts(batch.rows)
        rows = self._without_oversized(rows)
        return self._with_keys(rows)

    def close(self) -> None:
        """Lets the reader close its file."""
        if isinstance(self._statement.batches, Iterator) and hasattr(self._statement.batches, "close"):
            self._statement.batches.close()

    def _note(self, batch: Batch) -> None:
        self.rows_read += batch.rows.height + len(batch.errors)
        lines = [batch.rows["line"][-1]] if batch.rows.height else []
        self.last_line = max([self.last_line, *lines, *(error.line for error in batch.errors[-1:])])

    def _reject(self, batch: Batch) -> None:
        for error in batch.errors:
            self._outcomes.rejected(max(error.line, 1), error.field, error.reason)

    def _without_zero_amounts(self, rows: pl.DataFrame) -> pl.DataFrame:
        zero = rows["amount"] == 0
        if not zero.any():
            return rows
        self._outcomes.zero_amount(rows.filter(zero)["line"].to_list())
        return rows.filter(~zero)

    def _without_oversized(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Keeps out what no index and no message could hold."""
        rows = rows.with_columns(pl.col(name).str.slice(0, longest) for name, longest in _CUT_AT_CHARS.items())
        text = pl.sum_horizontal(pl.col("description", "category", "payment_method", "raw_data").str.len_bytes().fill_null(0))
        wide = rows.select(
            pl.col("line"),
            (pl.col("description").str.len_chars() > MAX_DESCRIPTION_CHARS).alias("description"),
            (text > MAX_ROW_BYTES).alias("row"),
        ).filter(pl.col("description") | pl.col("row"))
        if wide.is_empty():
            return rows
        for line, description, _ in wide.iter_rows():
            if description:
                self._outcomes.rejected(line, "description", f"has more than {MAX_DESCRIPTION_CHARS} characters")
            else:
                self._outcomes.rejected(line, "row", f"has more than {MAX_ROW_BYTES} bytes")
        return rows.filter(~pl.col("line").is_in(wide["line"].to_list()))

    def _with_keys(self, rows: pl.DataFrame) -> OpenBatch:
        currency = pl.lit(self._currency) if self._currency else pl.col("currency").fill_null("")
        identifier = pl.lit("") if self._ignore_identifiers else self._identifier()
        rows = rows.with_columns(identifier.alias("identifier"), currency.alias("currency"))
        keys = rows.select("identifier", "currency").unique(maintain_order=True).with_row_index("account_key")
        if keys.height == 1:
            rows = rows.with_columns(pl.lit(0, pl.UInt32).alias("account_key"))
        else:
            rows = rows.join(keys, on=["identifier", "currency"], how="left", maintain_order="left")
        found = [AccountKey(*row) for row in keys.select("identifier", "currency").iter_rows()]
        self._keys.update(found)
        if len(self._keys) > MAX_ACCOUNTS:
            raise self._too_many_accounts()
        return OpenBatch(rows, found)

    def _identifier(self) -> pl.Expr:
        named = pl.col("account").str.strip_chars()
        usable = pl.when((named != "") & (named.str.len_chars() <= MAX_IDENTIFIER_CHARS)).then(named)
        return usable.fill_null(pl.lit((self._statement.account or "")[:MAX_IDENTIFIER_CHARS]))

    def _too_many_accounts(self) -> InvalidArgument:
        column = self._statement.detected.get("columns", {}).get("account", "account")
        return invalid(
            "columns",
            f"column {column!r} names more than {MAX_ACCOUNTS} accounts, so it is hardly your own; name your account with account_id",
        )

    def encode(self, batch: OpenBatch, accounts: Mapping[AccountKey, AccountRef], predicted: pl.DataFrame | None = None) -> list[Message]:
        """The rows as messages for the ledger, with account, currency and fingerprint, and the columns of `predicted` where there are
        any."""
        if batch.rows.is_empty():
            return []
        found = [accounts[key] for key in batch.keys]
        ids = pl.Series([str(account.id) for account in found], dtype=pl.String)
        currencies = pl.Series([key.currency or account.currency for key, account in zip(batch.keys, found, strict=True)], dtype=pl.String)
        index = batch.rows["account_key"]
        rows = batch.rows.with_columns(ids.gather(index).alias("account_id"), currencies.gather(index).alias("currency"))
        fingerprints, occurrences = self._fingerprints(rows)
        keys = [canonical_description(text) for text in rows["description"].to_list()]
        source_id = pl.col("source_id").str.strip_chars().str.slice(0, MAX_SOURCE_ID_CHARS)
        rows = rows.with_columns(
            pl.Series("fingerprint", fingerprints, dtype=pl.String),
            pl.Series("occurrence", occurrences, dtype=pl.Int32),
            pl.Series("description_key", keys, dtype=pl.String),
            pl.when(source_id != "").then(source_id).alias("source_id"),
        )
        self.rows_sent += rows.height
        if predicted is None:
            return list(messages(rows, LEDGER_SCHEMA))
        return list(messages(rows.with_columns(predicted.get_columns()), PREDICTED_SCHEMA))

    def _fingerprints(self, rows: pl.DataFrame) -> tuple[list[str], list[int]]:
        names = ("account_id", "transaction_date", "amount", "currency", "description")
        fields = list(zip(*(rows[name].to_list() for name in names), strict=True))
        result = [_fingerprint(row, 1) for row in fields]
        # The fingerprint of a first occurrence stands for the five-field row itself: equal rows are counted by it.
        numbers = self._occurrences.number([int(fingerprint[_DIGEST], 16) for fingerprint in result])
        for index, number in enumerate(numbers):
            if number > 1:
                result[index] = _fingerprint(fields[index], number)
        return result, numbers


def _fingerprint(row: tuple[str, date, Decimal, str, str], occurrence: int) -> str:
    account_id, day, amount, currency, description = row
    return generate_fingerprint(
        account_id=account_id, transaction_date=day, amount=amount, currency=currency, description=description, occurrence=occurrence
    )


def layout_hash(statement: Statement) -> str:
    """What tells one bank's table from another's: its header, or without one what was found in which column."""
    detected = statement.detected
    names = list(detected.get("header", ()))
    if not detected.get("header_line", names):
        names += [f"{field}={name}" for field, name in sorted(detected.get("columns", {}).items())]
    table = [statement.file_format, *(" ".join(str(name).casefold().split()) for name in names)]
    return hashlib.sha256(json.dumps(table).encode()).hexdigest()
