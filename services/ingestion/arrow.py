"""Record batches as other services take them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from services.kit.record_batches import write_record_batch

MAX_MESSAGE_BYTES = 3 * 1024 * 1024
"""Of one Arrow message; no service takes a larger one."""
Message = tuple[int, bytes]
"""Row count, Arrow IPC stream."""


def messages(rows: pl.DataFrame, schema: pa.Schema) -> Iterator[Message]:
    """The columns of the schema, in messages of at most MAX_MESSAGE_BYTES, but for a single row that is larger."""
    arrow = rows.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    table = arrow.cast(schema).combine_chunks()
    for batch in table.to_batches():
        yield from _split(batch)


def _split(batch: pa.RecordBatch) -> Iterator[Message]:
    message = write_record_batch(batch)
    if len(message) <= MAX_MESSAGE_BYTES or batch.num_rows == 1:
        yield batch.num_rows, message
        return
    half = batch.num_rows // 2
    yield from _split(batch.slice(0, half))
    yield from _split(batch.slice(half))
