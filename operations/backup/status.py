"""How the backups are: for people as JSON, for Prometheus as metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import structlog
from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from operations.backup import wal
from operations.backup.database import cluster_of, connection
from operations.backup.plan import newest_reach
from operations.backup.problem import BackupProblem
from operations.backup.vault import Vault

log = structlog.get_logger()

_ARCHIVER = """
    SELECT last_archived_time, coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS failing,
           current_setting('archive_mode') <> 'off' AS archiving
      FROM pg_stat_archiver
"""
_WAITING = """
    SELECT count(*) * (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size')
      FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'
"""


@dataclass(frozen=True)
class Status:
    """How the backups of one database are. None: unknown, or there is none."""

    cluster: str
    bases: int
    oldest_base_at: datetime | None
    last_base_at: datetime | None
    last_base_s: float | None
    last_base_bytes: int | None
    last_log_at: datetime | None
    missing_segment: str | None
    archiving: bool | None = None
    archive_failing: bool | None = None
    waiting_bytes: int | None = None
    last_drill_at: datetime | None = None
    log_here: bool = True
    """Whether the log is to be there, too."""

    def as_json(self) -> dict[str, Any]:
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in vars(self).items()}


async def read_status(vault: Vault, url: str | None, *, cluster: str | None = None, log_here: bool = True) -> Status:
    """Asks the vault and, at `url`, the database that is backed up. `log_here`: SCALE_BACKUP_LOG_HERE. Raises BackupProblem."""
    live: dict[str, Any] = {}
    if url is not None:
        async with connection(url) as database:
            cluster = await cluster_of(database)
            live = await _ask(database)
    if cluster is None:
        known = await vault.clusters()
        if len(known) != 1:
            raise BackupProblem(
                f"{vault.url} holds backups of {len(known)} databases: --cluster chooses one of {', '.join(known) or 'none'}."
            )
        cluster = known[0]
    bases = await vault.bases(cluster)
    archived = {name: moment for name, moment in (await vault.archived(cluster)).items() if wal.SEGMENT.fullmatch(name)}
    drills = [each for each in await vault.attempts() if each["status"] == "succeeded" and str(each["notes"]).startswith("drill")]
    return Status(
        cluster=cluster,
        bases=len(bases),
        oldest_base_at=bases[0].finished_at if bases else None,
        last_base_at=bases[-1].finished_at if bases else None,
        last_base_s=(bases[-1].finished_at - bases[-1].started_at).total_seconds() if bases else None,
        last_base_bytes=bases[-1].stored_bytes if bases else None,
        last_log_at=max(archived.values(), default=None),
        missing_segment=newest_reach(bases, archived).missing if bases else None,
        last_drill_at=datetime.fromisoformat(drills[-1]["time"]) if drills else None,
        log_here=log_here,
        **live,
    )


class StatusCollector(Collector):
    """What Prometheus reads of a status, which may be replaced by a newer one."""

    def __init__(self, status: Status) -> None:
        self.status = status

    def collect(self) -> Iterable[Metric]:
        status = self.status
        last = GaugeMetricFamily("scale_backup_last_success_timestamp_seconds", "When each kind of backup last succeeded.", labels=["kind"])
        for kind, moment in (("base", status.last_base_at), ("log", status.last_log_at), ("drill", status.last_drill_at)):
            if kind != "log" or status.log_here:
                # 0 rather than nothing: an alert on the age must see what was never done.
                last.add_metric([kind], moment.timestamp() if moment else 0)
        yield last
        yield GaugeMetricFamily("scale_backup_bases", "Good base backups.", value=status.bases)
        yield GaugeMetricFamily(
            "scale_backup_log_gap",
            "1 where the log after the newest base backup has a gap.",
            value=float(status.missing_segment is not None),
        )
        known = {
            "scale_backup_oldest_base_timestamp_seconds": ("From when on a moment can be restored.", _seconds(status.oldest_base_at)),
            "scale_backup_last_base_duration_seconds": ("How long the newest base backup took.", status.last_base_s),
            "scale_backup_last_base_bytes": ("Bytes of the newest base backup as it is stored.", status.last_base_bytes),
            "scale_backup_archive_failing": ("1 where PostgreSQL's last attempt to archive failed.", status.archive_failing),
            "scale_backup_log_waiting_bytes": ("Log that waits to be archived.", status.waiting_bytes),
        }
        for name, (text, value) in known.items():
            if value is not None:
                yield GaugeMetricFamily(name, text, value=float(value))


def write_metrics(status: Status, path: Path) -> None:
    """For node_exporter's textfile collector, whole or not at all."""
    registry = CollectorRegistry()
    registry.register(StatusCollector(status))
    write_to_textfile(str(path), registry)


async def _ask(database: asyncpg.Connection) -> dict[str, Any]:
    row = await database.fetchrow(_ARCHIVER)
    try:
        waiting = await database.fetchval(_WAITING)
    except asyncpg.InsufficientPrivilegeError:
        waiting = None  # without pg_monitor
    return {"archiving": row["archiving"], "archive_failing": row["failing"], "waiting_bytes": waiting}


async def _touch_log(url: str) -> None:
    """Something to archive: of a database that nobody writes to, the age of the log would say nothing."""
    async with connection(url) as database:
        await database.execute("SELECT pg_logical_emit_message(false, 'scale-backup', '')")


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


async def serve(
    vault: Vault, url: str | None, port: int, *, cluster: str | None = None, log_here: bool = True, every_s: float = 60
) -> None:
    """Metrics at that port of every address of this machine, made anew each minute, until stopped."""
    registry = CollectorRegistry()
    current = StatusCollector(await read_status(vault, url, cluster=cluster, log_here=log_here))
    registry.register(current)
    server, _ = start_http_server(port, registry=registry)
    try:
        while True:
            await asyncio.sleep(every_s)
            try:
                if url is not None and log_here:
                    await _touch_log(url)
                current.status = await read_status(vault, url, cluster=cluster, log_here=log_here)
            except BackupProblem as problem:
                # The last that is known ages, and the alert on its age comes.
                log.warning("status of the backups unknown", error=str(problem))
    finally:
        server.shutdown()
