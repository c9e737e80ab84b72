"""Names and places of PostgreSQL's write-ahead log: segments, positions, timelines. Nothing here touches a file."""

from __future__ import annotations

import itertools
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from operations.backup.problem import BackupProblem

SEGMENT = re.compile(r"[0-9A-F]{24}")
HISTORY = re.compile(r"[0-9A-F]{8}\.history")
ARCHIVED = re.compile(r"[0-9A-F]{24}(\.[0-9A-F]{8}\.backup|\.partial)?|[0-9A-F]{8}\.history")
"""What PostgreSQL asks to have archived."""

# The first page of a segment: magic, flags, timeline, address, remaining length, padding; then the long header's own fields.
_LONG_HEADER = struct.Struct("=HHIQIxxxxQII")
_LONG_HEADER_FLAG = 0x0002


@dataclass(frozen=True, order=True)
class Segment:
    """One segment by its timeline and its running number in the whole log."""

    timeline: int
    number: int

    def name(self, segment_bytes: int) -> str:
        """Its file's name."""
        high, low = divmod(self.number, _per_id(segment_bytes))
        return f"{self.timeline:08X}{high:08X}{low:08X}"


def parse_segment(name: str, segment_bytes: int) -> Segment:
    """The segment of a file's name of 24 hex digits."""
    timeline, high, low = (int(name[start : start + 8], 16) for start in (0, 8, 16))
    return Segment(timeline, high * _per_id(segment_bytes) + low)


def parse_lsn(text: str) -> int:
    """A position such as 16/B374D848, as a number of bytes."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


@dataclass(frozen=True)
class SegmentHeader:
    """What the first page of a segment says of it."""

    cluster: str
    timeline: int
    segment_bytes: int
    number: int


def read_header(name: str, content: bytes) -> SegmentHeader:
    """Whose segment this is. Raises BackupProblem for what is none, or is not the one that its name says."""
    if len(content) < _LONG_HEADER.size:
        raise BackupProblem(f"{name} is no segment of PostgreSQL's log: it has {len(content)} bytes.")
    _, flags, timeline, address, _, cluster, segment_bytes, _ = _LONG_HEADER.unpack_from(content)
    if not flags & _LONG_HEADER_FLAG or segment_bytes != len(content) or address % segment_bytes:
        raise BackupProblem(f"{name} is no whole segment of PostgreSQL's log ({len(content)} bytes).")
    header = SegmentHeader(str(cluster), timeline, segment_bytes, address // segment_bytes)
    # A segment in which a timeline begins is named after the new one, and its first page may still be of the old.
    named = parse_segment(name[:24], segment_bytes)
    if named.number != header.number or named.timeline < header.timeline:
        raise BackupProblem(f"{name} holds another segment of the log, {Segment(timeline, header.number).name(segment_bytes)}.")
    return header


@dataclass(frozen=True)
class Timeline:
    """Where a timeline left its parents: their numbers, each with the position at which the next one begins, oldest first."""

    number: int
    parents: tuple[tuple[int, int], ...] = ()

    def at(self, number: int, segment_bytes: int) -> Segment:
        """The segment of that running number, on this timeline or the parent that it belongs to."""
        for parent, end in self.parents:
            # The segment in which a timeline begins is the new one's: it repeats what the old one's held until there.
            if number < end // segment_bytes:
                return Segment(parent, number)
        return Segment(self.number, number)

    def holds(self, timeline: int, position: int) -> bool:
        """Whether what `timeline` held up to `position` is part of this one's past."""
        if timeline == self.number:
            return True
        return any(parent == timeline and position <= end for parent, end in self.parents)


def parse_history(number: int, text: str) -> Timeline:
    """A timeline from its history file: lines of parent, position and reason. Raises BackupProblem."""
    parents = []
    for line in text.splitlines():
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        try:
            parents.append((int(fields[0]), parse_lsn(fields[1])))
        except (ValueError, IndexError):
            raise BackupProblem(f"The history of timeline {number} is damaged: {line[:100]!r}.") from None
    return Timeline(number, tuple(parents))


def gaps(present: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last missing number of each hole in rising numbers."""
    for before, after in itertools.pairwise(present):
        if after > before + 1:
            yield before + 1, after - 1


def _per_id(segment_bytes: int) -> int:
    return 0x1_0000_0000 // segment_bytes
