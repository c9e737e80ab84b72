"""Keeps the log: each finished segment goes to the vault before PostgreSQL may forget it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from operations.backup import wal
from operations.backup.problem import BackupProblem
from operations.backup.vault import Vault

log = structlog.get_logger()

_LOOK_S = 1.0


async def archive(vault: Vault, path: Path, *, max_waiting_bytes: int = 0) -> bool:
    """PostgreSQL's archive_command for one file of pg_wal: returns once the file lies safe, whether it does.

    A file that is there already with this content is no mistake: PostgreSQL asks again where it died in between. Raises BackupProblem, and
    PostgreSQL will ask again, until more than `max_waiting_bytes` wait (0: for ever): then it is False, the file is given up, and the next
    restore past it needs a newer base backup. A disk that is full of what waits would stop PostgreSQL.
    """
    try:
        content = await asyncio.to_thread(path.read_bytes)
        await vault.put_log(_cluster_of(path, content), path.name, content)
    except OSError as error:
        raise BackupProblem(f"{path} cannot be read: {error.strerror}.") from error
    except BackupProblem as problem:
        waiting = _waiting(path.parent)
        if not max_waiting_bytes or waiting <= max_waiting_bytes:
            raise
        log.error("segment given up", segment=path.name, waiting_bytes=waiting, reason=str(problem))
        return False
    return True


async def archive_folder(vault: Vault, folder: Path, cluster: str) -> int:
    """Moves every finished file of a folder, which pg_receivewal or another archive_command fills, to the vault; how many.

    A file leaves the folder once it lies safe. Raises BackupProblem with the rest left where it is.
    """
    moved = 0
    with _readable(folder):
        finished = _finished(folder)
    for path in finished:
        with _readable(folder):
            content = await asyncio.to_thread(path.read_bytes)
        if wal.SEGMENT.fullmatch(path.name) and (found := wal.read_header(path.name, content).cluster) != cluster:
            raise BackupProblem(f"{path} is of the database {found}, not of {cluster}: nothing was archived.")
        await vault.put_log(cluster, path.name, content)
        with _readable(folder):
            path.unlink()
        moved += 1
    return moved


async def follow_folder(vault: Vault, folder: Path, url: str, *, once: bool) -> None:
    """`archive_folder` for the database at `url`, again and again until stopped; what goes wrong is said and tried again, a database
    that is only starting too."""
    from operations.backup.database import cluster_of, connection

    cluster = ""
    while True:
        try:
            if not cluster:
                async with connection(url) as database:
                    cluster = await cluster_of(database)
            await archive_folder(vault, folder, cluster)
        except BackupProblem as problem:
            if once:
                raise
            log.error("log not archived", folder=str(folder), reason=str(problem))
        if once:
            return
        await asyncio.sleep(_LOOK_S)


async def fetch(vault: Vault, cluster: str, name: str, path: Path) -> bool:
    """One file of the log to where PostgreSQL wants it; False where there is none. Raises BackupProblem where it cannot be told."""
    content = await vault.read_log(cluster, name)
    if content is None:
        if not await vault.base_folders(cluster):
            # PostgreSQL would take it for the end of the log, and open with what it has.
            raise BackupProblem(f"{vault.url} holds nothing of the database {cluster}, which is being restored from there: is it mounted?")
        return False
    if wal.SEGMENT.fullmatch(name):
        wal.read_header(name, content)
    await asyncio.to_thread(path.write_bytes, content)
    return True


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupProblem(f"{error.filename or folder} cannot be read and taken away: {error.strerror or error}.") from error


def _finished(folder: Path) -> Iterable[Path]:
    # Histories first: a segment of a new timeline is of no use without.
    found = [path for path in folder.iterdir() if wal.ARCHIVED.fullmatch(path.name) and not path.name.endswith(".partial")]
    return sorted(found, key=lambda path: (not path.name.endswith(".history"), path.name))


def _cluster_of(path: Path, content: bytes) -> str:
    """The system identifier: a segment says its own, for anything else the cluster that it lies in."""
    if wal.SEGMENT.fullmatch(path.name):
        return wal.read_header(path.name, content).cluster
    if not wal.ARCHIVED.fullmatch(path.name):
        raise BackupProblem(f"{path.name} is no file of PostgreSQL's log.")
    return str(struct.unpack_from("=Q", (path.parent.parent / "global" / "pg_control").read_bytes())[0])


def _waiting(folder: Path) -> int:
    """Bytes of the log that wait to be archived."""
    marked = (mark.name.removesuffix(".ready") for mark in (folder / "archive_status").glob("*.ready"))
    return sum((folder / name).stat().st_size for name in marked if (folder / name).exists())
