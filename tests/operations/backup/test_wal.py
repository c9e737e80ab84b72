"""Names and places of the log, held against PostgreSQL's own rules."""

from __future__ import annotations

import pytest

from operations.backup import wal
from operations.backup.problem import BackupProblem
from operations.backup.wal import Segment, Timeline
from tests.operations.backup.bases import CLUSTER, SIZE, name, segment

MIB16 = 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("file", "size", "expected"),
    [
        ("000000010000000000000001", MIB16, Segment(1, 1)),
        ("0000000100000000000000FF", MIB16, Segment(1, 255)),
        ("000000020000000100000000", MIB16, Segment(2, 256)),
        ("0000000A0000000100000003", 1024**3, Segment(10, 7)),
    ],
)
def test_a_name_counts_segments_as_postgresql_does(file: str, size: int, expected: Segment) -> None:
    assert wal.parse_segment(file, size) == expected
    assert expected.name(size) == file


def test_a_segment_says_whose_it_is() -> None:
    assert wal.read_header(name(5), segment(5)) == wal.SegmentHeader(CLUSTER, 1, SIZE, 5)
    # The first segment of a timeline may begin with a page of the one before.
    assert wal.read_header(name(5, timeline=2), segment(5, timeline=1)).timeline == 1


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (name(5), b""),
        (name(5), b"\0" * SIZE),
        (name(5), segment(5)[:-1]),
        (name(6), segment(5)),
        (name(5, timeline=1), segment(5, timeline=2)),
    ],
    ids=["empty", "zeros", "cut", "another number", "of a later timeline"],
)
def test_what_is_no_segment_of_its_name_is_refused(file: str, content: bytes) -> None:
    with pytest.raises(BackupProblem, match=file):
        wal.read_header(file, content)


def test_a_timeline_takes_each_segment_from_the_parent_that_it_belongs_to() -> None:
    # Left timeline 1 in the middle of segment 5, and timeline 2 at the start of segment 8.
    text = f"1\t0/{5 * SIZE + 100:X}\tbefore 2026-01-31\n2\t0/{8 * SIZE:X}\tno recovery target specified\n"
    timeline = wal.parse_history(3, text)
    assert timeline == Timeline(3, ((1, 5 * SIZE + 100), (2, 8 * SIZE)))
    assert [timeline.at(number, SIZE).timeline for number in range(3, 10)] == [1, 1, 2, 2, 2, 3, 3]
    assert timeline.holds(1, 5 * SIZE)
    assert not timeline.holds(1, 6 * SIZE)
    assert not timeline.holds(4, 0)


def test_a_damaged_history_is_refused() -> None:
    with pytest.raises(BackupProblem, match="timeline 2 is damaged"):
        wal.parse_history(2, "1 zero\n")
