"""Each attempt to restore is on record: with the backups, and in `operations.recovery_log` of every database that is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import structlog
import uuid_utils.compat

from operations.backup.database import connection
from operations.backup.problem import BackupProblem
from operations.backup.vault import Vault

log = structlog.get_logger()

_WRITE = """
    INSERT INTO operations.recovery_log (id, time, target_time, status, notes) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO UPDATE SET status = excluded.status, notes = excluded.notes
"""


@dataclass
class Attempt:
    """One attempt; `target_time` None is the newest moment."""

    target_time: datetime | None
    notes: str
    status: str = "started"
    id: UUID = field(default_factory=uuid_utils.compat.uuid7)
    time: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def write(self, database: asyncpg.Connection) -> None:
        """Into the table; over what an earlier call wrote of it."""
        await database.execute(_WRITE, self.id, self.time, self.target_time, self.status, self.notes[:4000])


@asynccontextmanager
async def on_record(vault: Vault, attempt: Attempt, database_url: str | None) -> AsyncIterator[Attempt]:
    """Records an attempt as started, and how it ended: succeeded, or failed with the problem.

    A database that is not there, which is why one restores, and a vault that cannot be written keep nobody from restoring.
    """
    await _record(vault, attempt, database_url)
    try:
        yield attempt
    except BaseException as error:
        attempt.status, attempt.notes = "failed", f"{attempt.notes}: {str(error) or type(error).__name__}"
        raise
    else:
        attempt.status = "succeeded"
    finally:
        await _record(vault, attempt, database_url)


async def _record(vault: Vault, attempt: Attempt, database_url: str | None) -> None:
    target = attempt.target_time.isoformat() if attempt.target_time else None
    values = {"time": attempt.time.isoformat(), "target_time": target, "status": attempt.status, "notes": attempt.notes}
    try:
        await vault.put_attempt(str(attempt.id), values)
    except BackupProblem as problem:
        log.warning("attempt to restore not recorded with the backups", error=str(problem))
    if database_url is None:
        return
    try:
        async with connection(database_url) as database:
            await attempt.write(database)
    except BackupProblem as problem:
        log.warning("attempt to restore not recorded in the database", error=str(problem))
