"""Base backups: everything that the database is at one moment, as pg_basebackup hands it out, in sealed pieces."""

from __future__ import annotations

import asyncio
import hashlib
import re
from datetime import datetime
from typing import Any

import asyncpg

from operations.backup import wal
from operations.backup.database import cluster_of, connection, libpq_environment
from operations.backup.problem import BackupProblem
from operations.backup.vault import Base, Part, Vault
from services.local.postgres import binaries

PART_BYTES = 16 * 1024 * 1024
# Pieces that are compressed and sent while the next is read.
_PARALLEL_PARTS = 3
_START = re.compile(r"write-ahead log start point: ([0-9A-F]+/[0-9A-F]+) on timeline (\d+)")
_STOP = re.compile(r"write-ahead log end point: ([0-9A-F]+/[0-9A-F]+)")


async def take_base(vault: Vault, url: str, *, part_bytes: int = PART_BYTES) -> Base:
    """Backs up the database at `url` without stopping anybody. Raises BackupProblem; then, and after a kill, there is no base backup.

    The tar brings the log that it needs, so that it can be restored without the archive, to the moment at which it was finished.
    """
    async with connection(url) as database:
        cluster, version, started = await _describe(database)
        segment_bytes = int(await database.fetchval("SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'"))
        name = f"{started:%Y%m%dT%H%M%S%f}Z"
        try:
            copied = await _copy(vault, url, cluster, name, part_bytes)
            finished = await database.fetchval("SELECT clock_timestamp()")
            base = Base(
                cluster=cluster,
                id=name,
                started_at=started,
                finished_at=finished,
                segment_bytes=segment_bytes,
                postgres_version=version,
                key_id=vault.sealing.key_id,
                **copied,
            )
            await vault.finish_base(base)
        except BackupProblem:
            await vault.delete_base(cluster, name)
            raise
    return base


async def verify_base(vault: Vault, base: Base) -> None:
    """Reads a whole base backup and compares it with its manifest. Raises BackupProblem."""
    whole = hashlib.sha256()
    for part in base.parts:
        whole.update(await vault.read_part(base, part))
    if whole.hexdigest() != base.content_sha256:
        raise BackupProblem(f"The base backup {base.id} is damaged: restore from another.")


async def _describe(database: asyncpg.Connection) -> tuple[str, str, datetime]:
    cluster = await cluster_of(database)
    version, now = await database.fetchrow("SELECT current_setting('server_version'), clock_timestamp()")
    return cluster, version, now


async def _copy(vault: Vault, url: str, cluster: str, name: str, part_bytes: int) -> dict[str, Any]:
    """Runs pg_basebackup into the vault; what the manifest says of it."""
    command = [str(binaries() / "pg_basebackup"), "--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast"]
    command += ["--verbose", "--no-password", f"--label=scale {name}"]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=libpq_environment(url),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1024 * 1024,
    )
    assert process.stdout is not None  # nosec B101  # for types: both are pipes
    assert process.stderr is not None  # nosec B101
    said = asyncio.create_task(process.stderr.read())
    whole, size = hashlib.sha256(), 0
    slots = asyncio.Semaphore(_PARALLEL_PARTS)
    try:
        async with asyncio.TaskGroup() as sending:
            tasks: list[asyncio.Task[Part]] = []
            while content := await _read_up_to(process.stdout, part_bytes):
                size += len(content)
                whole.update(content)
                await slots.acquire()
                tasks.append(sending.create_task(_send(vault, cluster, name, len(tasks), content, slots)))
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        if process.returncode is None and not process.stdout.at_eof():
            process.kill()
        await process.wait()
    words = (await said).decode(errors="replace")
    start, stop = _START.search(words), _STOP.search(words)
    if process.returncode != 0 or start is None or stop is None:
        raise BackupProblem(f"pg_basebackup failed: {words.strip()[-1000:] or process.returncode}")
    return {
        "timeline": int(start[2]),
        "start_lsn": start[1],
        "stop_lsn": stop[1],
        "content_bytes": size,
        "content_sha256": whole.hexdigest(),
        "parts": tuple(task.result() for task in tasks),
    }


async def _send(vault: Vault, cluster: str, name: str, number: int, content: bytes, slots: asyncio.Semaphore) -> Part:
    try:
        return await vault.put_part(cluster, name, number, content)
    finally:
        slots.release()


async def _read_up_to(stream: asyncio.StreamReader, count: int) -> bytes:
    try:
        return await stream.readexactly(count)
    except asyncio.IncompleteReadError as error:
        return error.partial


def describe(base: Base) -> str:
    """One line for people."""
    seconds = (base.finished_at - base.started_at).total_seconds()
    segment = wal.Segment(base.timeline, base.first_segment).name(base.segment_bytes)
    sealed = f"key {base.key_id}" if base.key_id else "not encrypted"
    return (
        f"{base.id}  finished {base.finished_at:%Y-%m-%d %H:%M:%S %Z}  {seconds:.1f} s  {base.content_bytes / 1e6:,.0f} MB "
        f"as {base.stored_bytes / 1e6:,.0f} MB, {sealed}, log from {segment}"
    )
