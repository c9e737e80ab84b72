"""What a restore to a moment needs: which base backup, which timeline, and whether the log reaches that far. No file is touched here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from operations.backup import wal
from operations.backup.problem import BackupProblem
from operations.backup.vault import Base


@dataclass(frozen=True)
class Reach:
    """How far the log goes on from a base backup without a gap."""

    segments: tuple[str, ...]
    """Names, in order, that a restore reads beyond what the base backup brings itself."""
    until: datetime
    """When the last of them was archived: no later moment can be had."""
    missing: str | None
    """The first segment that is not there though later ones are."""


@dataclass(frozen=True)
class Plan:
    """One restore: `target` None is the newest moment that there is."""

    base: Base
    timeline: wal.Timeline
    target: datetime | None
    reach: Reach

    @property
    def recovery_settings(self) -> dict[str, str]:
        """PostgreSQL's own words for it, but for restore_command."""
        known = self.timeline.number == self.base.timeline
        settings = {"recovery_target_timeline": "current" if known else str(self.timeline.number), "recovery_target_action": "promote"}
        if self.target is not None:
            settings["recovery_target_time"] = self.target.astimezone(UTC).isoformat(sep=" ")
        return settings


def make_plan(
    bases: Sequence[Base],
    log: Mapping[str, datetime],
    timelines: Mapping[int, wal.Timeline],
    target: datetime | None,
    *,
    timeline: int | None = None,
    base_id: str | None = None,
) -> Plan:
    """The plan for one cluster. Raises BackupProblem, with what can be had instead.

    `log`: when each file of the log was archived, by its name. `timelines`: those whose history is known. `timeline`: None is the newest.
    `base_id`: None is the last one that was finished by then.
    """
    if not bases:
        raise BackupProblem("There is no good base backup here: python -m operations.backup base makes one.")
    chosen = _timeline(bases, timelines, timeline)
    mine = [base for base in bases if chosen.holds(base.timeline, wal.parse_lsn(base.stop_lsn))]
    if not mine:
        raise BackupProblem(f"No base backup lies in the past of timeline {chosen.number}: --timeline chooses another.")
    if base_id is not None:
        mine = [base for base in mine if base.id == base_id]
        if not mine:
            raise BackupProblem(f"There is no good base backup {base_id} in the past of timeline {chosen.number}: list names them.")
    early = [base for base in mine if target is None or base.finished_at <= target]
    if not early:
        raise BackupProblem(
            f"{_text(target)} is before the oldest base backup that serves, {mine[0].id}: the earliest moment that can be restored is its "
            f"end, {_text(mine[0].finished_at)}."
        )
    base = early[-1]
    reach = find_reach(base, log, chosen)
    if reach.missing is not None and (target is None or target > reach.until):
        raise BackupProblem(
            f"The log has a gap: {reach.missing} is missing, and later segments are there. From the base backup {base.id}, moments up to "
            f"{_text(reach.until)} can be restored (--time), and those after the next base backup."
        )
    if target is not None and target > reach.until:
        raise BackupProblem(
            f"{_text(target)} is after the end of the log, which was archived until {_text(reach.until)}: "
            "--time latest restores all there is."
        )
    return Plan(base, chosen, target, reach)


def find_reach(base: Base, log: Mapping[str, datetime], timeline: wal.Timeline) -> Reach:
    """How far the log goes on from that base backup on that timeline."""
    size = base.segment_bytes
    present = _on(timeline, log, size)
    segments: list[str] = []
    number = base.last_segment + 1
    while number in present:
        segments.append(timeline.at(number, size).name(size))
        number += 1
    until = log[segments[-1]] if segments else base.finished_at
    behind_gap = any(later > number for later in present)
    return Reach(tuple(segments), max(until, base.finished_at), timeline.at(number, size).name(size) if behind_gap else None)


def newest_reach(bases: Sequence[Base], log: Mapping[str, datetime]) -> Reach:
    """How far the log goes on from the newest of these base backups."""
    return find_reach(bases[-1], log, wal.Timeline(bases[-1].timeline))


def _on(timeline: wal.Timeline, log: Collection[str], segment_bytes: int) -> set[int]:
    """The numbers of the segments that are there and belong to that timeline's past."""
    found = (wal.parse_segment(name, segment_bytes) for name in log if wal.SEGMENT.fullmatch(name))
    return {segment.number for segment in found if timeline.at(segment.number, segment_bytes) == segment}


def _timeline(bases: Sequence[Base], timelines: Mapping[int, wal.Timeline], wanted: int | None) -> wal.Timeline:
    known = {base.timeline: wal.Timeline(base.timeline) for base in bases} | dict(timelines)
    if wanted is not None and wanted not in known:
        raise BackupProblem(f"There is no timeline {wanted} here; there are {', '.join(map(str, sorted(known)))}.")
    return known[max(known) if wanted is None else wanted]


def _text(moment: datetime | None) -> str:
    return "the newest moment" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
