"""Batches of a stream in Arrow: payments in, categories out, without a Python object for each row where there need be none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.categorization.columns import NO_DAY, Columns
from services.categorization.decide import Decided
from services.categorization.domain import Source
from services.kit.errors import invalid

MAX_BATCH_BYTES = 3 * 1024 * 1024
MAX_BATCH_ROWS = 100_000
_COLUMNS = {
    "description": (pa.string(), pa.large_string(), pa.string_view()),
    "merchant": (pa.string(), pa.large_string(), pa.string_view()),
    "amount": (pa.decimal128(19, 4),),
    "transaction_date": (pa.date32(),),
}
_ANSWER = pa.schema([("category", pa.string()), ("confidence", pa.float64()), ("source", pa.string())])


def read_batch(message: bytes) -> Columns:
    """The payments of one Arrow IPC stream. Raises InvalidArgument, naming the column."""
    if len(message) > MAX_BATCH_BYTES:
        raise invalid("record_batch", f"has {len(message)} bytes, at most {MAX_BATCH_BYTES} are allowed")
    try:
        table = pa.ipc.open_stream(message).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise invalid("record_batch", f"is no Arrow IPC stream: {str(error)[:200]}") from error
    if not 1 <= table.num_rows <= MAX_BATCH_ROWS:
        raise invalid("record_batch", f"has {table.num_rows} rows, 1 to {MAX_BATCH_ROWS} are allowed")
    if table.schema.names != list(_COLUMNS):
        raise invalid("record_batch", f"has the columns {', '.join(table.schema.names)[:200]}, not {', '.join(_COLUMNS)}")
    for name, types in _COLUMNS.items():
        if table.schema.field(name).type not in types:
            raise invalid(name, f"is {table.schema.field(name).type}, not {types[0]}")
    for name in ("description", "amount"):
        if table.column(name).null_count:
            raise invalid(name, "must not be null")
    merchants = table.column("merchant").combine_chunks()
    days = pc.cast(table.column("transaction_date"), pa.int32()).fill_null(NO_DAY)
    return Columns(
        table.column("description").to_pylist(),
        [""] * table.num_rows if merchants.null_count == len(merchants) else pc.fill_null(merchants, "").to_pylist(),
        pc.cast(table.column("amount"), pa.float64()).to_numpy(),
        days.to_numpy(),
    )


def write_batch(decided: Decided) -> bytes:
    """The answers as one Arrow IPC stream: category (null: abstained), confidence, and who says so."""
    slugs = pa.array(decided.categories, pa.string()) if decided.categories else pa.array([""], pa.string())
    chosen = pa.array(decided.best, pa.int64(), mask=decided.abstained)
    sources = pa.array([Source.MODEL.value, Source.FALLBACK.value, Source.USER.value], pa.string())
    by = pa.array(np.where(decided.personal & ~decided.abstained, 2, decided.by_rules.astype(np.int64)))
    columns = [slugs.take(chosen), pa.array(decided.confidence, pa.float64()), sources.take(by)]
    batch = pa.RecordBatch.from_arrays(columns, schema=_ANSWER)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _ANSWER) as writer:
        writer.write_batch(batch)
    answer: bytes = sink.getvalue().to_pybytes()
    return answer
