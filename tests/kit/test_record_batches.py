"""Arrow batches from the wire: what is not one whole, plain batch is refused before it does harm."""

from __future__ import annotations

import pyarrow as pa
import pytest

from services.kit.errors import InvalidArgument
from services.kit.record_batches import TEXT, check_columns, read_record_batch, write_record_batch

MAX_BYTES = 100_000
BATCH = pa.RecordBatch.from_pydict({"number": list(range(200)), "text": ["x" * 100] * 200})


def stream(*batches: pa.RecordBatch, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, BATCH.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def refused(data: bytes) -> str:
    with pytest.raises(InvalidArgument) as caught:
        read_record_batch(data, max_bytes=MAX_BYTES, field="rows")
    assert [found.field for found in caught.value.fields] == ["rows"]
    return caught.value.message


def test_one_batch_is_read() -> None:
    assert read_record_batch(stream(BATCH), max_bytes=MAX_BYTES).equals(BATCH)


@pytest.mark.parametrize("batch", [BATCH, BATCH.slice(50, 7), BATCH.slice(0, 0)])
def test_what_is_written_is_read(batch: pa.RecordBatch) -> None:
    assert read_record_batch(write_record_batch(batch), max_bytes=MAX_BYTES).equals(batch)


def test_what_is_not_one_whole_batch_is_refused() -> None:
    good = stream(BATCH)
    for data in (b"", b"nonsense", good[: len(good) // 2], bytes(64)):
        assert "is not an Arrow IPC stream" in refused(data) or "holds 0" in refused(data)
    assert "holds 2 record batches" in refused(stream(BATCH, BATCH))
    assert "holds 0 record batches" in refused(stream())
    assert "at most 100000" in refused(bytes(MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("columns", "field", "reason"),
    [
        ([("text", pa.string())], "rows", "has the columns text instead of number, text"),
        ([("text", pa.string()), ("number", pa.int64())], "rows", "has the columns text, number instead of"),
        ([("number", pa.int64()), ("text", pa.string()), ("number", pa.int64())], "rows", "has the columns number, text, number"),
        ([("x" * 1000, pa.int64())], "rows", f"has the columns {'x' * 200} instead"),
        ([("number", pa.float64()), ("text", pa.string())], "rows.number", "is double instead of int64"),
        ([("number", pa.int64()), ("text", pa.binary())], "rows.text", "is binary instead of string"),
    ],
)
def test_other_columns_are_refused_by_name(columns: list[tuple[str, pa.DataType]], field: str, reason: str) -> None:
    types = {"number": (pa.int64(),), "text": TEXT}
    for text in TEXT:
        check_columns(pa.schema([("number", pa.int64()), ("text", text)]), types, field="rows")
    with pytest.raises(InvalidArgument) as caught:
        check_columns(pa.schema(columns), types, field="rows")
    assert [(found.field, reason in found.reason) for found in caught.value.fields] == [(field, True)]


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_compressed_batch_is_refused_before_it_unfolds(codec: str) -> None:
    assert "is compressed" in refused(stream(BATCH, compression=codec))


def test_damaged_bytes_never_crash() -> None:
    good = stream(BATCH)
    for place in range(0, len(good), 11):
        damaged = bytearray(good)
        damaged[place] ^= 0xFF
        try:
            read_record_batch(bytes(damaged), max_bytes=MAX_BYTES)
        except InvalidArgument:
            continue
