"""Which base backup and which log a moment needs, and what is said where one is missing."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from operations.backup.plan import Plan, make_plan
from operations.backup.problem import BackupProblem
from operations.backup.restoring import parse_moment
from operations.backup.wal import Timeline
from tests.operations.backup.bases import NOON, SIZE, base, name

pytestmark = pytest.mark.requirement("DB-67", "DB-68")
HOUR = timedelta(hours=1)
OLD, NEW = base(2, 2, NOON), base(12, 13, NOON + 10 * HOUR)


def log(first: int, last: int, timeline: int = 1, since: datetime = NOON) -> dict[str, datetime]:
    """A segment an hour."""
    return {name(number, timeline): since + (number - first + 1) * HOUR for number in range(first, last + 1)}


def plan(moment: datetime | None, files: dict[str, datetime] | None = None, **options: object) -> Plan:
    return make_plan([OLD, NEW], log(3, 20) if files is None else files, {}, moment, **options)  # type: ignore[arg-type]


def test_a_moment_is_reached_from_the_last_base_backup_before_it() -> None:
    early = plan(NOON + 5.5 * HOUR)
    assert early.base == OLD
    assert early.recovery_settings["recovery_target_time"] == "2026-01-31 17:30:00+00:00"
    late = plan(NOON + 12 * HOUR)
    assert late.base == NEW
    assert late.reach.segments == tuple(name(number) for number in range(14, 21))


def test_the_newest_moment_has_no_target() -> None:
    newest = plan(None)
    assert (newest.base, newest.reach.until) == (NEW, NOON + 18 * HOUR)
    assert "recovery_target_time" not in newest.recovery_settings


def test_a_base_backup_can_be_restored_without_any_log() -> None:
    alone = make_plan([OLD], {}, {}, NOON)
    assert (alone.base, alone.reach.segments, alone.reach.until) == (OLD, (), NOON)


def test_without_a_base_backup_it_says_how_to_make_one() -> None:
    with pytest.raises(BackupProblem, match=r"operations\.backup base"):
        make_plan([], log(1, 5), {}, None)


def test_a_moment_before_the_oldest_base_backup_is_refused_with_the_earliest_that_can_be_had() -> None:
    with pytest.raises(BackupProblem, match=r"before the oldest.*2026-01-31 12:00:00 UTC"):
        plan(NOON - HOUR)


def test_a_moment_after_the_end_of_the_log_is_refused_with_the_latest_that_can_be_had() -> None:
    with pytest.raises(BackupProblem, match=r"after the end of the log.*2026-02-01 06:00:00 UTC.*latest"):
        plan(NOON + 19 * HOUR)


@pytest.mark.parametrize("moment", [None, NOON + 16 * HOUR])
def test_a_gap_is_refused_with_its_first_segment_and_the_moments_around_it(moment: datetime | None) -> None:
    holed = log(3, 20)
    del holed[name(16)]
    with pytest.raises(BackupProblem, match=rf"gap: {name(16)} is missing.*2026-02-01 01:00:00 UTC"):
        plan(moment, holed)
    assert plan(NOON + 12 * HOUR, holed).reach.segments == (name(14), name(15))


def test_a_gap_before_the_base_backup_harms_nothing() -> None:
    holed = log(3, 20)
    del holed[name(9)]
    assert plan(None, holed).base == NEW
    with pytest.raises(BackupProblem, match="gap"):
        plan(NOON + 9 * HOUR, holed)


def test_after_a_restore_the_log_goes_on_with_the_new_timeline() -> None:
    # Restored to the seventh segment: what the old timeline wrote after that is no longer the past.
    second = Timeline(2, ((1, 7 * SIZE + 10),))
    files = log(3, 20) | log(7, 9, timeline=2, since=NOON + 20 * HOUR)
    found = make_plan([OLD, NEW], files, {2: second}, None)
    assert (found.base, found.timeline) == (OLD, second)
    assert found.reach.segments == tuple([name(number) for number in range(3, 7)] + [name(number, 2) for number in range(7, 10)])
    assert found.recovery_settings["recovery_target_timeline"] == "2"
    given_up = make_plan([OLD, NEW], files, {2: second}, None, timeline=1)
    assert (given_up.base, given_up.recovery_settings["recovery_target_timeline"]) == (NEW, "current")


def test_an_older_base_backup_can_be_chosen_and_an_unknown_one_or_timeline_is_refused() -> None:
    assert plan(None, base_id=OLD.id).base == OLD
    with pytest.raises(BackupProblem, match="no good base backup nonsense"):
        plan(None, base_id="nonsense")
    with pytest.raises(BackupProblem, match="no timeline 3 here; there are 1"):
        plan(None, timeline=3)


def test_a_moment_says_its_offset() -> None:
    assert parse_moment("2026-01-31T13:00:00+01:00") == NOON
    assert parse_moment("latest") is None
    for wrong in ("2026-01-31T12:00:00", "yesterday", ""):
        with pytest.raises(BackupProblem, match="--time"):
            parse_moment(wrong)
