"""Record batches from outside: what is not exactly the contract is refused, with column and line."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from services.accounts.batches import MAX_BATCH_BYTES, read_batch
from services.kit.errors import InvalidArgument
from tests.support.ledger_rows import SCHEMA, UNPREDICTED, predicted, record_batch, row

ACCOUNT = "01980000-0000-7000-8000-000000000001"


def refused(data: bytes, after_line: int = 0) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        read_batch(data, after_line=after_line)
    return caught.value


def test_a_good_batch() -> None:
    rows = [row(ACCOUNT, 3), row(ACCOUNT, 4, merchant=None, category="Food", raw_data='{"ä": "\U0001f600"}')]
    assert read_batch(record_batch(rows), after_line=2).to_dicts() == [{name: one[name] for name in SCHEMA.names} for one in rows]


def test_a_batch_without_predictions() -> None:
    rows = [row(ACCOUNT, 3), row(ACCOUNT, 4)]
    assert read_batch(record_batch(rows, UNPREDICTED), after_line=2).equals(read_batch(record_batch(rows), after_line=2))
    for some in (SCHEMA.remove(15), SCHEMA.remove(17), UNPREDICTED.remove(14)):
        assert [one.field for one in refused(record_batch(rows, some)).fields] == ["record_batch"]


def test_an_empty_batch() -> None:
    assert read_batch(record_batch([]), after_line=7).height == 0


@pytest.mark.parametrize("text", [pa.large_string(), pa.string_view()])
def test_all_layouts_of_text_are_one(text: pa.DataType) -> None:
    schema = pa.schema([(field.name, text if field.type == pa.string() else field.type) for field in SCHEMA])
    rows = [row(ACCOUNT, 1, merchant=None)]
    assert read_batch(record_batch(rows, schema), after_line=0).equals(read_batch(record_batch(rows), after_line=0))


@pytest.mark.requirement("DB-35")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("line", 0),
        ("line", None),
        ("account_id", None),
        ("account_id", "x"),
        ("account_id", ACCOUNT.upper().replace("0198", "019A")),
        ("account_id", "{" + ACCOUNT + "}"),
        ("transaction_date", None),
        ("transaction_date", date(1, 1, 1).toordinal() - 719163 - 1),
        ("transaction_date", date(9999, 12, 31).toordinal() - 719163 + 1),
        ("amount", None),
        ("amount", Decimal(0)),
        ("amount", Decimal("922337203685477.5808")),
        ("amount", Decimal("-922337203685477.5808")),
        ("currency", "eur"),
        ("currency", ""),
        ("description", None),
        ("description", "x" * 10_001),
        ("description", "a\x00b"),
        ("merchant", "x" * 501),
        ("merchant", "\x00"),
        ("category", "x" * 501),
        ("payment_method", "x" * 101),
        ("status", "POSTED"),
        ("status", ""),
        ("fingerprint", ""),
        ("fingerprint", "x" * 201),
        ("raw_data", ""),
        ("raw_data", "[]"),
        ("raw_data", None),
        ("predicted_category", "x" * 101),
        ("predicted_category", "a\x00b"),
        ("confidence", None),
        ("confidence", -0.01),
        ("confidence", 1.01),
        ("confidence", float("nan")),
        ("prediction_source", None),
        ("prediction_source", "rule"),
        ("prediction_source", ""),
    ],
)
def test_wrong_values_name_column_and_line(column: str, value: Any) -> None:
    rows = [row(ACCOUNT, 1), {**row(ACCOUNT, 2, **predicted("travel")), column: value}, row(ACCOUNT, 30)]
    error = refused(record_batch(rows)).fields[0]
    assert error.field == f"record_batch.{column}"
    if column != "line":
        assert error.line == 2


def test_lines_must_rise() -> None:
    for lines, after in (((1, 1), 0), ((2, 1), 0), ((5, 6), 5), ((-1, 1), -5)):
        error = refused(record_batch([row(ACCOUNT, line) for line in lines]), after_line=after)
        assert error.fields[0].field == "record_batch.line"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (lambda fields: fields[1:], "record_batch", "has the columns account_id"),
        (lambda fields: [*fields, pa.field("extra", pa.int8())], "record_batch", "has the columns line"),
        (lambda fields: [fields[1], fields[0], *fields[2:]], "record_batch", "has the columns account_id, line"),
        (lambda fields: [pa.field("line", pa.int32()), *fields[1:]], "record_batch.line", "is int32 instead of int64"),
        (lambda fields: [*fields[:3], pa.field("amount", pa.float64()), *fields[4:]], "record_batch.amount", "double"),
        (lambda fields: [*fields[:3], pa.field("amount", pa.decimal128(20, 4)), *fields[4:]], "record_batch.amount",
         "decimal128"),
    ],
)  # fmt: skip
def test_another_schema_is_refused(change: Any, field: str, message: str) -> None:
    error = refused(record_batch([], pa.schema(change(list(SCHEMA)))))
    assert error.fields[0].field == field
    assert message in error.message


def test_what_is_no_arrow_stream_is_refused() -> None:
    good = record_batch([row(ACCOUNT, 1)])
    for data in (b"", b"nonsense", good[:-200], good[: len(good) // 2], bytes(64)):
        assert refused(data).fields[0].field == "record_batch"
    assert "at most" in refused(bytes(MAX_BATCH_BYTES + 1)).message


def test_two_batches_in_one_message_are_refused() -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        for line in (1, 2):
            writer.write_batch(pa.RecordBatch.from_pylist([row(ACCOUNT, line)], schema=SCHEMA))
    assert "holds 2 record batches" in refused(sink.getvalue().to_pybytes()).message


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_compressed_batch_is_refused_before_it_unfolds(codec: str) -> None:
    bomb = [row(ACCOUNT, line, description="x" * 10_000) for line in range(1, 2000)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist(bomb, schema=SCHEMA))
    data = sink.getvalue().to_pybytes()
    assert len(data) < MAX_BATCH_BYTES
    assert "is compressed" in refused(data).message


def test_damaged_bytes_never_crash() -> None:
    good = bytearray(record_batch([row(ACCOUNT, line) for line in range(1, 40)]))
    for place in range(0, len(good), 7):
        damaged = bytearray(good)
        damaged[place] ^= 0xFF
        try:
            read_batch(bytes(damaged), after_line=0)
        except InvalidArgument:
            continue
