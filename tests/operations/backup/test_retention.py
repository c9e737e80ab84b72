"""What pruning takes and leaves, also where it dies half way."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from operations.backup.plan import make_plan
from operations.backup.problem import BackupProblem
from operations.backup.retention import needed, prune
from operations.backup.sealing import Sealing
from operations.backup.settings import BackupSettings
from operations.backup.vault import Base, Vault
from tests.operations.backup.bases import CLUSTER, NOON, base, memory, name, segment, store

pytestmark = pytest.mark.requirement("DB-67", "C-31", "Q-26")
DAY = timedelta(days=1)


def daily(count: int) -> list[Base]:
    """One base backup a day, ten segments apart, the last at NOON."""
    return [base(10 * number + 2, 10 * number + 2, NOON - (count - 1 - number) * DAY) for number in range(count)]


def test_the_window_keeps_the_base_backup_before_it_as_well() -> None:
    bases = daily(40)
    kept = needed(bases, NOON - 7.5 * DAY)
    assert kept == bases[-9:]
    assert kept[0].finished_at <= NOON - 7.5 * DAY < kept[1].finished_at


def test_the_last_good_one_stays_however_old_it_is() -> None:
    assert needed(daily(2), NOON + 365 * DAY) == daily(2)[-1:]
    assert needed([], NOON) == []


def test_thirty_days_are_the_default() -> None:
    assert BackupSettings().retention_days == 30


async def filled(vault: Vault, days: int) -> list[Base]:
    bases = [await store(vault, each) for each in daily(days)]
    for number in range(1, 10 * days + 5, 5):
        await vault.put_log(CLUSTER, name(number), segment(number))
    await vault.put_log(CLUSTER, "00000002.history", b"1\t0/0\n")
    return bases


async def test_what_no_kept_base_backup_reads_goes_and_histories_stay() -> None:
    vault = memory()
    bases = await filled(vault, 5)
    pruned = await prune(vault, CLUSTER, days=2, now=NOON)
    assert (pruned.bases_removed, pruned.bases_kept) == (2, 3)
    assert await vault.bases(CLUSTER) == bases[2:]
    left = set(await vault.log(CLUSTER))
    assert left == {"00000002.history"} | {name(number) for number in range(26, 55, 5)}
    assert pruned.segments_removed == 5
    again = await prune(vault, CLUSTER, days=2, now=NOON)
    assert (again.bases_removed, again.segments_removed) == (0, 0)


async def test_without_a_good_base_backup_nothing_goes() -> None:
    vault = memory()
    await vault.put_log(CLUSTER, name(1), segment(1))
    await vault.put_part(CLUSTER, "unfinished", 0, b"piece")
    pruned = await prune(vault, CLUSTER, days=1, now=datetime.now(NOON.tzinfo))
    assert (pruned.segments_removed, pruned.unfinished_removed, pruned.bases_kept) == (0, 0, 0)
    assert name(1) in await vault.log(CLUSTER)


async def test_an_unfinished_base_backup_goes_after_a_day_and_a_damaged_one_counts_for_nothing(tmp_path: Path) -> None:
    vault = Vault((tmp_path / "vault").as_uri(), Sealing())
    good, damaged = [await store(vault, each) for each in daily(2)]
    await vault.put_part(CLUSTER, "unfinished", 0, b"piece")
    folder = tmp_path / "vault" / "bases" / CLUSTER
    (folder / damaged.id / "part-00001").unlink()
    assert await vault.bases(CLUSTER) == [good]
    now = datetime.now(NOON.tzinfo)
    assert (await prune(vault, CLUSTER, days=1, now=now)).unfinished_removed == 0
    for path in (*folder.glob("unfinished/*"), *folder.glob(f"{damaged.id}/*")):
        os.utime(path, (0, (now - 1.1 * DAY).timestamp()))
    pruned = await prune(vault, CLUSTER, days=1, now=now)
    assert (pruned.unfinished_removed, pruned.bases_kept) == (2, 1)
    assert list(await vault.base_folders(CLUSTER)) == [good.id]


class Dying(Vault):
    """Dies after so many removals, as under kill -9."""

    def __init__(self, url: str, removals: int) -> None:
        super().__init__(url, Sealing())
        self.left = removals

    async def _delete(self, key: str) -> None:
        if self.left == 0:
            raise BackupProblem("killed")
        self.left -= 1
        await super()._delete(key)


async def test_wherever_pruning_dies_what_counts_can_be_restored_and_the_next_one_ends_it(tmp_path: Path) -> None:
    url = (tmp_path / "vault").as_uri()
    await filled(Vault(url, Sealing()), 3)
    deaths = 0
    for _ in range(30):
        vault = Dying(url, removals=1)
        try:
            await prune(vault, CLUSTER, days=1, now=NOON)
        except BackupProblem:
            deaths += 1
        # Whatever is listed as good has all its pieces, and the log since its first segment.
        bases, log = await vault.bases(CLUSTER), await vault.archived(CLUSTER)
        assert bases[-1].id == daily(3)[-1].id
        first = min(each.first_segment for each in bases)
        assert {name(number) for number in range(1, 35, 5) if number >= first} <= set(log)
        assert make_plan(bases, log, {}, bases[-1].finished_at).base == bases[-1]
        if vault.left:
            break
    assert deaths >= 3
    assert len(await vault.bases(CLUSTER)) == 2
