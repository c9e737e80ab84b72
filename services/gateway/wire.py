"""Values that many messages share, from the wire to JSON."""

from __future__ import annotations

import datetime
from functools import lru_cache
from typing import Any

from google.protobuf import struct_pb2, timestamp_pb2


@lru_cache(maxsize=4096)
def day_text(year: int, month: int, day: int) -> str:
    """2026-01-31. Kept, because the rows of a page share their days."""
    return f"{year:04d}-{month:02d}-{day:02d}"


@lru_cache(maxsize=1024)
def instant_text(seconds: int, nanos: int) -> str:
    """2026-01-31T12:00:00.000000Z. Kept, because the rows of an import share their instant."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(microsecond=nanos // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def timestamp_text(message: timestamp_pb2.Timestamp) -> str:
    """The same from a message."""
    return instant_text(message.seconds, message.nanos)


def struct_value(value: struct_pb2.Struct) -> dict[str, Any]:
    """A Struct as JSON. Its numbers are doubles on the wire; whole ones become integers again."""
    return {name: _plain(field) for name, field in value.fields.items()}


def _plain(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return struct_value(value.struct_value)
    if kind == "list_value":
        return [_plain(one) for one in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return None if kind in {None, "null_value"} else getattr(value, kind)
