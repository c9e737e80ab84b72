"""What is no longer needed: base backups older than the window, and the log that only they read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from operations.backup import wal
from operations.backup.vault import Base, Vault

# A base backup without a manifest may still be under way.
_ABANDONED_AFTER = timedelta(hours=24)


@dataclass(frozen=True)
class Pruned:
    """What a pruning removed and left."""

    bases_removed: int
    unfinished_removed: int
    segments_removed: int
    bases_kept: int


def needed(bases: list[Base], cut: datetime) -> list[Base]:
    """Of good base backups, oldest first: all since `cut`, and the last one before it, without which the days after `cut` could not be
    restored. So the last good one stays however old it is."""
    before = [base for base in bases if base.finished_at <= cut]
    return before[-1:] + [base for base in bases if base.finished_at > cut]


async def prune(vault: Vault, cluster: str, *, days: int, now: datetime) -> Pruned:
    """Makes room at the vault; a moment within the last `days` can be restored as before. May be killed and repeated.

    Nothing goes where there is no good base backup. Histories of timelines stay: they are small, and say which log belongs to what.
    """
    good = await vault.bases(cluster)
    kept = needed(good, now - timedelta(days=days))
    finished = {base.id for base in good}
    # Base backups first, then the log: nothing that counts ever lacks its log.
    old = finished - {base.id for base in kept}
    for name in sorted(old):
        await vault.delete_base(cluster, name)
    unfinished = 0
    for name, objects in (await vault.base_folders(cluster)).items():
        if name not in finished and now - max(found.modified_at for found in objects) > _ABANDONED_AFTER:
            await vault.delete_base(cluster, name)
            unfinished += 1
    segments = 0
    if kept:
        first = min(base.first_segment for base in kept)
        size = kept[0].segment_bytes
        for name in sorted(await vault.log(cluster)):
            if not wal.HISTORY.fullmatch(name) and wal.parse_segment(name[:24], size).number < first:
                await vault.delete_log(cluster, name)
                segments += 1
    return Pruned(len(old), unfinished, segments, len(kept))
