"""`drill`: destroys a copy of the database, brings it back, and says how long it took and what was lost."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from operations.backup import wal
from operations.backup.base import take_base
from operations.backup.figures import Figures, read_figures, users_apart
from operations.backup.problem import BackupProblem
from operations.backup.recovery_log import Attempt, on_record
from operations.backup.restore import Restored, read_plan, restore
from operations.backup.scratch import ScratchServer
from operations.backup.settings import BackupSettings
from operations.backup.vault import Vault
from services.local.postgres import DATABASE, archive_command, make_archive_folder

_BEAT_S = 0.1
_PREPARE = """
    CREATE SCHEMA drill;
    CREATE TABLE drill.beats (at timestamptz NOT NULL DEFAULT clock_timestamp());
"""
# Some of what a day writes between a base backup and an accident: rows and their indexes.
_DAY = """
    UPDATE accounts.transactions SET updated_at = updated_at
     WHERE (user_id, id) IN (SELECT user_id, id FROM accounts.transactions ORDER BY user_id, id LIMIT 50000)
"""
_ACCIDENT = "TRUNCATE accounts.transactions CASCADE"


@dataclass
class Outcome:
    """What one drill measured. Seconds, and what they are held to."""

    rows: int = 0
    users: int = 0
    base_bytes: int = 0
    backup_s: float = 0
    restore_s: float = 0
    replay_s: float = 0
    replayed_segments: int = 0
    lost_s: float = 0
    archive_timeout_s: int = 0
    rpo_s: float = 300
    rto_s: float = 900
    log_until: str = ""
    """Up to when the real backups reach, which the copy was made from."""
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        flags = {
            "rpo_passed": self.lost_s <= self.rpo_s,
            "rto_passed": self.restore_s + self.replay_s <= self.rto_s,
            "figures_passed": not self.problems,
        }
        values = {name: round(value, 2) if isinstance(value, float) else value for name, value in vars(self).items()}
        return values | flags | {"passed": all(flags.values())}


async def run(options: argparse.Namespace, settings: BackupSettings, vault: Vault) -> int:
    """The whole command."""
    attempt = Attempt(None, notes="drill")
    outcome = Outcome(archive_timeout_s=options.archive_timeout, rpo_s=options.rpo, rto_s=options.rto)
    with tempfile.TemporaryDirectory(prefix="scale-drill-", dir=options.work) as work:
        async with on_record(vault, attempt, settings.database()):
            if options.fresh:
                await take_base(vault, settings.database())
            await Drill(vault, Path(work), settings.key_file, outcome, writing_s=options.writing, cluster=options.cluster).run()
            values = outcome.as_json()
            attempt.notes = f"drill {json.dumps(values)}"
            sys.stdout.write(json.dumps(values) + "\n")
            if not values["passed"]:
                raise BackupProblem("The drill failed: the line above says what was missed.")
    return 0


class Drill:
    """One drill in a folder of its own: nothing in it touches the running database, and the real backups are only read."""

    def __init__(
        self,
        vault: Vault,
        work: Path,
        key_file: Path | None,
        outcome: Outcome,
        *,
        writing_s: float,
        cluster: str | None = None,
        durable: bool = True,
    ) -> None:
        self._vault = vault
        self._work = work
        self._key_file = key_file
        self._outcome = outcome
        self._writing_s = writing_s
        self._cluster = cluster
        self._durable = durable
        self._own = Vault((work / "archive").as_uri(), vault.sealing)

    async def run(self) -> None:
        """Fills the outcome. Raises BackupProblem where a step could not be done at all."""
        plan = await read_plan(self._vault, None, cluster=self._cluster)
        self._outcome.log_until = plan.reach.until.isoformat()
        copy = self._work / "copy"
        await restore(self._vault, plan, copy, key_file=self._key_file, durable=self._durable)
        before, moment, lost_at = await self._live_and_die(copy)
        shutil.rmtree(copy)
        restored = await self._restore(moment, lambda server: self._compare(server, before))
        self._outcome.restore_s, self._outcome.replay_s = restored.unpack_s, restored.replay_s
        await self._restore(None, lambda server: self._measure_loss(server, lost_at))

    async def _live_and_die(self, copy: Path) -> tuple[Figures, datetime, datetime]:
        """The copy is backed up, worked with, suffers an accident, goes on, and loses its disk."""
        make_archive_folder(self._own.url)
        settings = {
            "archive_mode": "on",
            "archive_timeout": str(self._outcome.archive_timeout_s),
            "archive_command": archive_command(copy),
            "wal_keep_size": "1GB",
        }
        environment = {"SCALE_BACKUP_URL": self._own.url}
        if self._key_file:
            environment["SCALE_BACKUP_KEY_FILE"] = str(self._key_file)
        with ScratchServer(copy, settings, environment, durable=self._durable) as server:
            await server.wait_until_open()
            async with server.connect(DATABASE) as database:
                await database.execute(_PREPARE)
            started = time.monotonic()
            base = await take_base(self._own, server.replication_url())
            self._outcome.backup_s, self._outcome.base_bytes = time.monotonic() - started, base.content_bytes
            async with server.connect(DATABASE) as database:
                await database.execute(_DAY)
                before = await read_figures(database)
                moment = await database.fetchval("SELECT clock_timestamp()")
                await asyncio.sleep(_BEAT_S)
                await database.execute(_ACCIDENT)
                accident = wal.parse_lsn(await database.fetchval("SELECT pg_current_wal_lsn()::text")) // base.segment_bytes
                async with _beating(server):
                    await self._wait_until_archived(accident)
                    await asyncio.sleep(self._writing_s)
                    lost_at = datetime.now(UTC)
                    server.kill()
        self._outcome.rows, self._outcome.users = before.transactions, before.users
        return before, moment, lost_at

    async def _wait_until_archived(self, segment: int) -> None:
        """Until the log holds what came after the moment to which the copy shall be restored."""
        started = time.monotonic()
        while (plan := await read_plan(self._own, None)).base.last_segment + len(plan.reach.segments) < segment:
            if time.monotonic() - started > self._outcome.rpo_s:
                raise BackupProblem(f"The log was not archived within {self._outcome.rpo_s:g} s: so much would be lost.")
            await asyncio.sleep(_BEAT_S)

    async def _restore(self, moment: datetime | None, look: Any) -> Restored:
        plan = await read_plan(self._own, moment)
        self._outcome.replayed_segments = self._outcome.replayed_segments or len(plan.reach.segments)
        into = self._work / "restored"
        try:
            return await restore(self._own, plan, into, key_file=self._key_file, finish=look, durable=self._durable)
        finally:
            shutil.rmtree(into, ignore_errors=True)

    async def _compare(self, server: ScratchServer, before: Figures) -> None:
        async with server.connect(DATABASE) as database:
            after = await read_figures(database)
            self._outcome.problems += before.differences(after)[:20]
            self._outcome.problems += await users_apart(database, before)

    async def _measure_loss(self, server: ScratchServer, lost_at: datetime) -> None:
        async with server.connect(DATABASE) as database:
            last = await database.fetchval("SELECT max(at) FROM drill.beats")
            left = await database.fetchval("SELECT count(*) FROM accounts.transactions")
        if left:
            self._outcome.problems.append("the newest state does not have the accident in it")
        if last is None:
            self._outcome.problems.append("nothing of what was written after the accident came back")
        self._outcome.lost_s = (lost_at - last).total_seconds() if last else self._writing_s


@asynccontextmanager
async def _beating(server: ScratchServer) -> AsyncIterator[None]:
    """Meanwhile a row is written ten times a second."""

    async def beat() -> None:
        async with server.connect(DATABASE) as database:
            while True:
                await database.execute("INSERT INTO drill.beats DEFAULT VALUES")
                await asyncio.sleep(_BEAT_S)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        # Cancelled, or cut off by the end of its server: both are meant.
        await asyncio.gather(task, return_exceptions=True)
