"""A version that comes in over the wire: its header, then its artefact."""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID

from google.protobuf import struct_pb2, timestamp_pb2

from scale.training.v1 import model_registry_service_pb2 as pb
from services.kit.errors import invalid
from services.training.domain import Metrics
from services.training.registry.domain import MAX_ARTIFACT_BYTES, Made, artifact_incomplete, artifact_too_large

MAX_CHUNK_BYTES = 1024 * 1024
_MAX_METRICS_BYTES = 8 * 1024
_MAX_CHARS = 200
_LARGEST_INTEGER = 2**53


async def read_header(parts: AsyncIterator[pb.RegisterModelVersionRequest]) -> pb.NewModelVersion:
    """The first message. Raises InvalidArgument, and ResourceExhausted for one that announces too much."""
    first = await anext(parts, None)
    if first is None or first.WhichOneof("payload") != "header":
        raise invalid("header", "must be in the first message")
    header = first.header
    for field in ("model", "parent_version", "code_version"):
        value = getattr(header, field)
        if not value or len(value) > _MAX_CHARS or "\x00" in value:
            raise invalid(field, f"is required, with at most {_MAX_CHARS} characters")
    if not header.HasField("data_cutoff_time"):
        raise invalid("data_cutoff_time", "is required")
    if header.size_bytes < 1:
        raise invalid("size_bytes", "is required")
    if header.size_bytes > MAX_ARTIFACT_BYTES:
        raise artifact_too_large(header.size_bytes)
    return header


async def read_made(header: pb.NewModelVersion, parts: AsyncIterator[pb.RegisterModelVersionRequest]) -> Made:
    """The rest. Raises InvalidArgument, with reason ARTIFACT_INCOMPLETE where it is not what the header says."""
    try:
        job_id = UUID(header.job_id)
    except ValueError:
        raise invalid("job_id", "is not a UUID") from None
    metrics, cutoff = _metrics(header.metrics), _instant(header.data_cutoff_time)
    content = bytearray()
    async for part in parts:
        if part.WhichOneof("payload") != "chunk":
            raise invalid("chunk", "must be in every message after the first")
        if len(part.chunk) > MAX_CHUNK_BYTES:
            raise invalid("chunk", f"has more than {MAX_CHUNK_BYTES} bytes")
        content += part.chunk
        if len(content) > header.size_bytes:
            raise artifact_incomplete(f"it has more than {header.size_bytes} bytes")
    if len(content) < header.size_bytes:
        raise artifact_incomplete(f"it has {len(content)} bytes instead of {header.size_bytes}")
    found = hashlib.sha256(content).hexdigest()
    if found != header.content_hash:
        raise artifact_incomplete(f"its SHA-256 is {found}, not {header.content_hash[:64]!r}")
    return Made(header.model, job_id, bytes(content), metrics, header.parent_version, cutoff, header.code_version, header.live)


def _instant(moment: timestamp_pb2.Timestamp) -> datetime:
    try:
        return moment.ToDatetime(tzinfo=UTC)
    except ValueError:
        raise invalid("data_cutoff_time", "is no instant") from None


def _metrics(struct: struct_pb2.Struct) -> Metrics:
    if struct.ByteSize() > _MAX_METRICS_BYTES:
        raise invalid("metrics", f"has more than {_MAX_METRICS_BYTES} bytes")
    found: dict[str, float | int | str | bool] = {}
    for name, value in struct.items():
        if not isinstance(value, bool | float | str):
            raise invalid("metrics", f"{name[:63]!r} is neither a number, a text nor a truth value")
        if isinstance(value, float) and not math.isfinite(value):
            raise invalid("metrics", f"{name[:63]!r} is not finite")
        # A Struct knows no integers.
        whole = isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_INTEGER
        found[name] = int(value) if whole else value
    return found
