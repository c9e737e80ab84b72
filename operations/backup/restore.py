"""Brings the database back to one moment: a base backup, and the log replayed until then."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shlex
import shutil
import sys
import tarfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from operations.backup import wal
from operations.backup.plan import Plan, make_plan
from operations.backup.problem import BackupProblem
from operations.backup.scratch import ScratchServer
from operations.backup.vault import Base, Vault
from services.local.home import REPOSITORY
from services.local.launch import end_orphans
from services.local.postgres import server_user

# What PostgreSQL puts in; no path holds such characters.
_NAME, _PATH = "\x01", "\x02"
Finish = Callable[[ScratchServer], Awaitable[None]]


@dataclass(frozen=True)
class Restored:
    """How long a restore took: until the base backup lay on the disk, and until the log was replayed."""

    base: str
    unpack_s: float
    replay_s: float


async def read_plan(
    vault: Vault, target: datetime | None, *, cluster: str | None = None, timeline: int | None = None, base_id: str | None = None
) -> Plan:
    """What a restore would do. `cluster`: needed where several databases are backed up at one place. Raises BackupProblem."""
    clusters = [cluster] if cluster else await vault.clusters()
    if len(clusters) > 1:
        raise BackupProblem(f"{vault.url} holds backups of several databases: --cluster chooses one of {', '.join(clusters)}.")
    bases = await vault.bases(clusters[0]) if clusters else []
    archived = await vault.archived(clusters[0]) if clusters else {}
    timelines = {}
    for name in filter(wal.HISTORY.fullmatch, archived):
        number, text = int(name[:8], 16), await vault.read_log(clusters[0], name)
        timelines[number] = wal.parse_history(number, (text or b"").decode())
    return make_plan(bases, archived, timelines, target, timeline=timeline, base_id=base_id)


async def restore(
    vault: Vault, plan: Plan, into: Path, *, key_file: Path | None, finish: Finish | None = None, durable: bool = True
) -> Restored:
    """Restores into a folder that is not there, or is empty; it appears whole, shut down in order, or not at all.

    `finish` may look at the database, or change it, before that. `durable=False` is for tests. Raises BackupProblem.
    """
    _check_empty(into)
    with alone(into) as building:
        started = time.monotonic()
        await unpack(vault, plan.base, building)
        unpacked = time.monotonic()
        environment = {"SCALE_BACKUP_URL": vault.url} | ({"SCALE_BACKUP_KEY_FILE": str(key_file)} if key_file else {})
        environment |= {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))}
        with ScratchServer(building, replay_settings(vault, plan), environment, durable=durable) as server:
            await server.wait_until_open()
            replayed = time.monotonic()
            check_replayed(building, plan)
            if finish is not None:
                await finish(server)
        _put_in_place(building, into)
    return Restored(plan.base.id, unpacked - started, replayed - unpacked)


async def unpack(vault: Vault, base: Base, folder: Path) -> None:
    """Lays a base backup out in a new folder, whole by PostgreSQL's own manifest. Raises BackupProblem."""
    await asyncio.to_thread(folder.mkdir, 0o700)
    reading, writing = os.pipe()
    extraction = asyncio.create_task(asyncio.to_thread(_extract, reading, folder))
    try:
        with os.fdopen(writing, "wb") as pipe:
            for part in base.parts:
                content = await vault.read_part(base, part)
                # A broken pipe is the extraction's own failure, which says more.
                await asyncio.to_thread(_write, pipe.fileno(), content)
    except BrokenPipeError:
        pass
    except BaseException:
        # Why a piece cannot be read says more than that the tar ends there.
        await asyncio.gather(extraction, return_exceptions=True)
        raise
    try:
        await extraction
    except (OSError, tarfile.TarError) as error:
        raise BackupProblem(f"The base backup cannot be laid out in {folder}: {error}") from error
    await asyncio.to_thread(_check_laid_out, base, folder)
    (folder / "recovery.signal").touch(mode=0o600)
    _hand_over(folder)


def replay_settings(vault: Vault, plan: Plan) -> dict[str, str]:
    """With what PostgreSQL replays. Its archive is asked through us; what it makes itself waits until it serves again."""
    # The history of the timeline that begins here must reach the archive: archiving is on, and without a command it waits.
    return plan.recovery_settings | {
        "restore_command": restore_command(plan.base.cluster, vault.log_folder(plan.base.cluster)),
        "archive_mode": "on",
        "archive_command": "",
        "hot_standby": "off",
    }


def restore_command(cluster: str, folder: Path | None) -> str:
    """What PostgreSQL runs for each file of the log. `folder`: where a cluster's log is, for a vault that is a folder."""
    words = [sys.executable, "-m", "operations.backup", "fetch", "--cluster", cluster]
    # In the folder of the data, %p is a path from there.
    script = f'data="$PWD"; cd {shlex.quote(str(REPOSITORY))} && get() {{ {shlex.join(words)} "$@"; }}; '
    if folder is not None:
        # Most of what is asked for is not there, such as timelines that may have been: that needs no process of ours.
        place = shlex.quote(str(folder))
        script = f'log={place}; name={_NAME}; [ -d "$log" ] && [ ! -e "$log/$(printf %.8s "$name")/$name" ] && exit 1; {script}'
    # Whatever is not "there is none" (1) would end the recovery: once more.
    script += f'{{ get {_NAME} "$data/{_PATH}" || {{ code=$?; [ $code -le 125 ] && exit $code; sleep 1; get {_NAME} "$data/{_PATH}"; }}; }}'
    return script.replace("%", "%%").replace(_NAME, "%f").replace(_PATH, "%p")


def check_replayed(folder: Path, plan: Plan) -> None:
    """PostgreSQL takes a segment that it cannot get for the end of the log: where every one is wanted, it must have read a record of the
    last that was there. Raises BackupProblem. Damage within that last one shows as an earlier end, and passes."""
    if plan.target is not None or not plan.reach.segments:
        return  # that it came to a moment PostgreSQL checks itself
    opened = max(path.name for path in (folder / "pg_wal").glob("*.history"))
    ended = wal.parse_history(int(opened[:8], 16), (folder / "pg_wal" / opened).read_text("ascii")).parents[-1][1]
    last = plan.reach.segments[-1]
    size = plan.base.segment_bytes
    # A segment that was switched away from ends the log at the next one's beginning.
    if ended <= wal.parse_segment(last, size).number * size:
        stopped = plan.timeline.at((ended - 1) // size, size).name(size)
        raise BackupProblem(
            f"The log was replayed only to the end of {stopped}, and {last} was archived: what follows could not be had, or is damaged. "
            "Nothing was put in place; see that the vault answers, and restore again, or up to a moment (--time)."
        )


def _put_in_place(building: Path, into: Path) -> None:
    if into.exists():
        into.rmdir()
    building.rename(into)


def _check_empty(into: Path) -> None:
    if into.is_symlink() or (into.exists() and (not into.is_dir() or any(into.iterdir()))):
        raise BackupProblem(f"{into} is not an empty folder: nothing is restored over data. Move it away (mv {into} {into}.old) first.")
    if not into.parent.is_dir():
        raise BackupProblem(f"{into.parent} is no folder: make it first.")


@contextmanager
def alone(into: Path) -> Iterator[Path]:
    """A folder beside `into` that is only ours; what a killed restore left there is taken away."""
    building = into.with_name(f"{into.name}.restoring")
    with into.with_name(f"{into.name}.restoring.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BackupProblem(f"Another restore into {into} goes on.") from None
        if not _is_at(lock.fileno(), Path(lock.name)):
            # The one before took its file away between the two lines above: a lock on that would keep nobody out.
            raise BackupProblem(f"Another restore into {into} has just ended: look at what it left, then start again.")
        if building.exists():
            end_orphans(str(building))
            shutil.rmtree(building)
        try:
            yield building
        finally:
            shutil.rmtree(building, ignore_errors=True)
            Path(lock.name).unlink(missing_ok=True)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _extract(descriptor: int, folder: Path) -> None:
    with os.fdopen(descriptor, "rb") as stream:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                member.mode = 0o700 if member.isdir() else 0o600
                archive.extract(member, folder, filter="data")
        # PostgreSQL pads the end of the tar: whoever writes must be able to.
        while stream.read(1024 * 1024):
            pass


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _check_laid_out(base: Base, folder: Path) -> None:
    """Every file is there that PostgreSQL sent, at its size; the pieces that they came in were compared by checksum."""
    manifest = json.loads((folder / "backup_manifest").read_bytes())
    for entry in manifest["Files"]:
        name = entry.get("Path") or os.fsdecode(bytes.fromhex(entry["Encoded-Path"]))
        try:
            size = (folder / name).stat().st_size
        except FileNotFoundError:
            size = None
        if size != entry["Size"]:
            raise BackupProblem(
                f"The base backup {base.id} is damaged, restore from another (--base): {name} has {size} bytes, not {entry['Size']}."
            )


def _hand_over(folder: Path) -> None:
    """To the user that PostgreSQL runs as, for its eyes only."""
    user = server_user()
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o700)
        if user is not None:
            os.chown(path, user, user, follow_symlinks=False)
