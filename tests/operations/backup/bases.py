"""Base backups and logs as they lie in a vault, without a database."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

from operations.backup.sealing import Sealing
from operations.backup.vault import Base, Vault
from operations.backup.wal import Segment

CLUSTER = "7000000000000000001"
SIZE = 64 * 1024
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def lsn(number: int, offset: int = 40) -> str:
    """A position in the segment of that number."""
    position = number * SIZE + offset
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def name(number: int, timeline: int = 1) -> str:
    """A segment's file."""
    return Segment(timeline, number).name(SIZE)


def segment(number: int, timeline: int = 1, cluster: str = CLUSTER) -> bytes:
    """A segment's content, of which only the first page's header is real."""
    header = struct.pack("=HHIQIxxxxQII", 0xD118, 0x0002, timeline, number * SIZE, 0, int(cluster), SIZE, 8192)
    return header + bytes([number % 256]) * (SIZE - len(header))


def base(first: int, last: int, finished: datetime, *, timeline: int = 1, id: str | None = None) -> Base:
    """A base backup that brings the segments from `first` to `last`."""
    return Base(
        cluster=CLUSTER,
        id=id or f"{finished:%Y%m%dT%H%M%S}Z",
        started_at=finished - timedelta(seconds=10),
        finished_at=finished,
        timeline=timeline,
        start_lsn=lsn(first),
        stop_lsn=lsn(last),
        segment_bytes=SIZE,
        postgres_version="18.4",
        content_bytes=1,
        content_sha256="",
        key_id=None,
        parts=(),
    )


async def store(vault: Vault, made: Base, *, pieces: int = 2) -> Base:
    """Puts a base backup there, with so many pieces."""
    parts = tuple([await vault.put_part(made.cluster, made.id, number, b"piece") for number in range(pieces)])
    stored = Base(**{**vars(made), "parts": parts})
    await vault.finish_base(stored)
    return stored


def memory() -> Vault:
    """A vault that is gone with the test."""
    return Vault("memory:///", Sealing())
