"""Columns on the wire: one Arrow record batch a message. What comes is from whoever sent it, and so believed in nothing."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import pyarrow as pa

from services.kit.errors import invalid

TEXT = (pa.string(), pa.large_string(), pa.string_view())
"""Three layouts of the same thing; which one a writer picks is its own business."""

_SHOWN_NAMES = 200


def read_record_batch(data: bytes, *, max_bytes: int, field: str = "record_batch") -> pa.RecordBatch:
    """The one batch of an Arrow IPC stream, whole and sound. Raises InvalidArgument, which names the message's `field`."""
    if len(data) > max_bytes:
        raise invalid(field, f"has {len(data)} bytes, at most {max_bytes} are allowed")
    try:
        if _is_compressed(data):
            raise invalid(field, "is compressed: a few MiB could unfold into any size")
        with pa.ipc.open_stream(data) as reader:
            batches = list(reader)
        if len(batches) != 1:
            raise invalid(field, f"holds {len(batches)} record batches instead of one")
        # The bytes come from outside: names may be none, and offsets that point elsewhere must not be followed.
        _ = batches[0].schema.names
        batches[0].validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError, struct.error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise invalid(field, f"is not an Arrow IPC stream: {reason}") from None
    return batches[0]


def write_record_batch(batch: pa.RecordBatch) -> bytes:
    """The batch as `read_record_batch` takes it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def check_columns(schema: pa.Schema, types: Mapping[str, Sequence[pa.DataType]], *, field: str = "record_batch") -> None:
    """That there are these columns, in this order, each of one of its types. Raises InvalidArgument, which names the column."""
    if schema.names != list(types):
        raise invalid(field, f"has the columns {', '.join(schema.names)[:_SHOWN_NAMES]} instead of {', '.join(types)}")
    for name, allowed in types.items():
        if schema.field(name).type not in allowed:
            raise invalid(f"{field}.{name}", f"is {schema.field(name).type} instead of {allowed[0]}")


def _is_compressed(data: bytes) -> bool:
    """Whether any record batch says so. Asked before decoding, which pyarrow does without a limit."""
    for message in pa.ipc.MessageReader.open_stream(data):
        if message.type == "record batch":
            metadata = message.metadata.to_pybytes()
            # Flatbuffers, by Arrow's Message.fbs: Message.header is field 2, RecordBatch.compression is field 3.
            header = _flatbuffer_field(metadata, struct.unpack_from("<I", metadata, 0)[0], 2)
            if header is not None and _flatbuffer_field(metadata, header, 3) is not None:
                return True
    return False


def _flatbuffer_field(metadata: bytes, table: int, field: int) -> int | None:
    """Where the table that a table's field points to begins; None when the field is not set."""
    vtable = table - struct.unpack_from("<i", metadata, table)[0]
    if struct.unpack_from("<H", metadata, vtable)[0] < 6 + 2 * field:
        return None
    distance = struct.unpack_from("<H", metadata, vtable + 4 + 2 * field)[0]
    if distance == 0:
        return None
    return int(table + distance + struct.unpack_from("<I", metadata, table + distance)[0])
