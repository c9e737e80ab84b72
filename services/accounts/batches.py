"""Reads one record batch of an import: Arrow bytes from the wire to a checked frame."""

from __future__ import annotations

from uuid import UUID

import polars as pl
import pyarrow as pa

from services.accounts.domain import CategorySource, TransactionStatus
from services.kit.errors import InvalidArgument, invalid
from services.kit.money import MAX_AMOUNT, is_currency
from services.kit.record_batches import TEXT, check_columns, read_record_batch

MAX_BATCH_BYTES = 3 * 1024 * 1024

_TYPES: dict[str, tuple[pa.DataType, ...]] = {
    "line": (pa.int64(),),
    "account_id": TEXT,
    "transaction_date": (pa.date32(),),
    "amount": (pa.decimal128(19, 4),),
    "currency": TEXT,
    "description": TEXT,
    "merchant": TEXT,
    "category": TEXT,
    "payment_method": TEXT,
    "status": TEXT,
    "fingerprint": TEXT,
    "raw_data": TEXT,
    "description_key": TEXT,
    "occurrence": (pa.int32(),),
    "source_id": TEXT,
}
_PREDICTED: dict[str, tuple[pa.DataType, ...]] = {
    "predicted_category": TEXT,
    "confidence": (pa.float64(),),
    "prediction_source": TEXT,
}
"""All three or none."""
_NO_PREDICTION = (
    pl.lit(None, pl.String).alias("predicted_category"),
    pl.lit(None, pl.Float64).alias("confidence"),
    pl.lit(None, pl.String).alias("prediction_source"),
)
_NULLABLE = frozenset({"merchant", "category", "payment_method", "source_id"})
_PREDICTION_SOURCES = frozenset({CategorySource.USER.value, CategorySource.MODEL.value, CategorySource.FALLBACK.value})
# In characters. Indexed texts must fit an index page, whatever the script.
MAX_LENGTHS = {
    "description": 10_000,
    "merchant": 500,
    "category": 500,
    "payment_method": 100,
    "fingerprint": 200,
    "raw_data": 1_000_000,
    "description_key": 40_000,  # folding may lengthen a text
    "source_id": 255,
    "predicted_category": 100,
}


def read_batch(data: bytes, *, after_line: int) -> pl.DataFrame:
    """The rows of one Arrow IPC stream, in the columns of the contract, those of predictions null where it has none. `after_line` is the
    last line of the batch before.

    Raises InvalidArgument that names the column and, where there is one, the line.
    """
    frame = _decode(data)
    _check_presence(frame)
    _check_lines(frame, after_line)
    _check_texts(frame)
    _check_values(frame)
    return frame


def _decode(data: bytes) -> pl.DataFrame:
    batch = read_record_batch(data, max_bytes=MAX_BATCH_BYTES)
    predicted = len(batch.schema.names) > len(_TYPES)
    check_columns(batch.schema, _TYPES | _PREDICTED if predicted else _TYPES)
    frame = pl.DataFrame(batch)
    return frame if predicted else frame.with_columns(_NO_PREDICTION)


def _check_presence(frame: pl.DataFrame) -> None:
    for name in _TYPES:
        if name not in _NULLABLE and frame[name].null_count():
            raise _wrong(frame, name, pl.col(name).is_null(), "is required")


def _check_lines(frame: pl.DataFrame, after_line: int) -> None:
    rising = pl.col("line") > pl.col("line").shift(1, fill_value=max(after_line, 0))
    if not frame.select(rising.all()).item():
        raise _wrong(frame, "line", ~rising, "must rise from row to row, over the whole import, from 1")


def _check_texts(frame: pl.DataFrame) -> None:
    for name, at_most in MAX_LENGTHS.items():
        too_long = pl.col(name).str.len_chars() > at_most
        # PostgreSQL's text cannot hold it.
        nul = pl.col(name).str.contains("\x00", literal=True)
        if frame.select((too_long | nul).any()).item():
            raise _wrong(frame, name, too_long | nul, f"must have at most {at_most} characters and no NUL among them")


def _check_values(frame: pl.DataFrame) -> None:
    for name, wanted, is_right in (
        ("account_id", "a UUID in its lower-case form", _is_uuid),
        ("currency", "an ISO 4217 code such as EUR", is_currency),
        ("status", "posted, pending or void", lambda text: text in set(TransactionStatus)),
    ):
        strangers = [text for text in frame[name].unique() if not is_right(text)]
        if strangers:
            raise _wrong(frame, name, pl.col(name) == strangers[0], f"{strangers[0][:40]!r} is not {wanted}")
    predicted = pl.col("predicted_category").is_not_null()
    outside = (pl.col("amount") == 0) | (pl.col("amount").abs() > MAX_AMOUNT)
    for name, wrong, reason in (
        ("amount", outside, f"must not be zero, and at most {MAX_AMOUNT} either way"),
        ("transaction_date", ~pl.col("transaction_date").dt.year().is_between(1, 9999), "must lie in years 1 to 9999"),
        ("fingerprint", pl.col("fingerprint") == "", "is required"),
        ("raw_data", ~pl.col("raw_data").str.starts_with("{"), "must be a JSON object"),
        ("occurrence", pl.col("occurrence") < 1, "counts from 1"),
        ("source_id", pl.col("source_id") == "", "must be null where there is none"),
        ("confidence", ~pl.col("confidence").is_between(0, 1), "must lie between 0 and 1"),
        ("confidence", predicted & pl.col("confidence").is_null(), "is required with a prediction"),
        ("prediction_source", predicted & pl.col("prediction_source").is_null(), "is required with a prediction"),
        ("prediction_source", ~pl.col("prediction_source").is_in(_PREDICTION_SOURCES), "must be user, model or fallback"),
    ):
        if frame.select(wrong.any()).item():
            raise _wrong(frame, name, wrong, reason)


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _wrong(frame: pl.DataFrame, column: str, wrong: pl.Expr, reason: str) -> InvalidArgument:
    return invalid(f"record_batch.{column}", reason, line=frame.filter(wrong)["line"][0])
