"""The columns of the contract, and how PostgreSQL's CSV becomes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import csv

Sink = Callable[[pa.RecordBatch], Awaitable[None]]
"""Takes the next batch."""

DAILY_SUMS = pa.schema([
    ("date", pa.date32()), ("account_id", pa.string()), ("category", pa.string()), ("primary_category", pa.string()),
    ("currency", pa.string()), ("received", pa.decimal128(38, 4)), ("spent", pa.decimal128(38, 4)), ("transaction_count", pa.int64()),
])  # fmt: skip
TRANSACTIONS = pa.schema([
    ("transaction_id", pa.string()), ("account_id", pa.string()), ("date", pa.date32()), ("amount", pa.decimal128(19, 4)),
    ("currency", pa.string()), ("description", pa.string()), ("merchant", pa.string()), ("category", pa.string()),
    ("primary_category", pa.string()), ("status", pa.string()), ("create_time", pa.timestamp("us", "UTC")),
])  # fmt: skip

_MADE_HERE = "primary_category"


def read_rows(schema: pa.Schema, primaries: Mapping[str, str], text: bytes) -> pa.RecordBatch:
    """The rows of a CSV with every column of the schema but the primary category, in that order; days and instants as ISO 8601. Texts that
    are NULL become empty. `primaries`: the primary slug of each category that may come."""
    if not text:
        return pa.RecordBatch.from_pylist([], schema=schema)
    given = [field for field in schema if field.name != _MADE_HERE]
    rows = csv.read_csv(
        pa.py_buffer(text),
        # In one block, so that no row is too long for one; and in the thread of the caller.
        read_options=csv.ReadOptions(column_names=[field.name for field in given], block_size=len(text) + 1, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(column_types=pa.schema(given)),
    ).combine_chunks()
    places = pc.index_in(rows["category"], value_set=pa.array(list(primaries), pa.string()))
    primary = pc.fill_null(pa.array(list(primaries.values()), pa.string()).take(places), "")
    return rows.append_column(_MADE_HERE, primary).select(schema.names).to_batches()[0]
