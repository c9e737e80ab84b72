"""Batches of a stream in Arrow: payments in, categories out, without a Python object for each row where there need be none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from services.categorization.columns import NO_DAY, Columns
from services.categorization.decide import Decided
from services.categorization.domain import Source
from services.kit.errors import invalid
from services.kit.record_batches import TEXT, check_columns, read_record_batch, write_record_batch

MAX_BATCH_BYTES = 3 * 1024 * 1024
MAX_BATCH_ROWS = 100_000
_COLUMNS = {
    "description": TEXT,
    "merchant": TEXT,
    "amount": (pa.decimal128(19, 4),),
    "transaction_date": (pa.date32(),),
}
_ANSWER = pa.schema([("category", pa.string()), ("confidence", pa.float64()), ("source", pa.string())])


def read_batch(message: bytes) -> Columns:
    """The payments of one Arrow IPC stream. Raises InvalidArgument, naming the column."""
    batch = read_record_batch(message, max_bytes=MAX_BATCH_BYTES)
    if not 1 <= batch.num_rows <= MAX_BATCH_ROWS:
        raise invalid("record_batch", f"has {batch.num_rows} rows, 1 to {MAX_BATCH_ROWS} are allowed")
    check_columns(batch.schema, _COLUMNS)
    for name in ("description", "amount"):
        if batch.column(name).null_count:
            raise invalid(f"record_batch.{name}", "must not be null")
    frame = pl.DataFrame(batch)
    # Views of one text many times over take little room in the message.
    if sum(int(frame[name].str.len_bytes().sum()) for name in ("description", "merchant")) > MAX_BATCH_BYTES:
        raise invalid("record_batch", f"has more than {MAX_BATCH_BYTES} bytes of text")
    merchants = frame["merchant"]
    return Columns(
        frame["description"].to_list(),
        [""] * frame.height if merchants.null_count() == frame.height else merchants.fill_null("").to_list(),
        frame["amount"].cast(pl.Float64).to_numpy(),
        frame["transaction_date"].cast(pl.Int32).fill_null(NO_DAY).to_numpy(),
    )


def write_batch(decided: Decided) -> bytes:
    """The answers as one Arrow IPC stream: category (null: abstained), confidence, and who says so."""
    slugs = pa.array(decided.categories, pa.string()) if decided.categories else pa.array([""], pa.string())
    chosen = pa.array(decided.best, pa.int64(), mask=decided.abstained)
    sources = pa.array([Source.MODEL.value, Source.FALLBACK.value, Source.USER.value], pa.string())
    by = pa.array(np.where(decided.personal & ~decided.abstained, 2, decided.by_rules.astype(np.int64)))
    columns = [slugs.take(chosen), pa.array(decided.confidence, pa.float64()), sources.take(by)]
    return write_record_batch(pa.RecordBatch.from_arrays(columns, schema=_ANSWER))
