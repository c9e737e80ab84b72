"""The commands of `python -m operations.backup`. Each loads only what it needs: PostgreSQL runs two of them for every segment."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from operations.backup.problem import BackupProblem
from operations.backup.sealing import read_sealing
from operations.backup.settings import BackupSettings, load_settings
from operations.backup.vault import Vault

Command = Callable[[argparse.Namespace, BackupSettings, Vault], Coroutine[Any, Any, int]]

# What restore_command ends with where PostgreSQL must not go on as if the log ended there.
BROKEN = 255
_SEVERAL = "which database, where several are backed up there (PostgreSQL's system identifier)"


def build_parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    parser = argparse.ArgumentParser(prog="python -m operations.backup", description="Backups of the database (docs/backup-restore.md).")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("base", help="make a base backup").set_defaults(run=_base)
    archiving = commands.add_parser("archive", help="PostgreSQL's archive_command: store one file of the log, or all of a folder")
    archiving.add_argument("path", type=Path, help="the file, %%p of archive_command; or a folder that another program fills")
    archiving.add_argument("--follow", action="store_true", help="of a folder: go on until stopped")
    archiving.set_defaults(run=_archive)
    listing = commands.add_parser("list", help="the good base backups, and how far the log reaches from the newest")
    listing.add_argument("--verify", action="store_true", help="read each base backup whole and compare its checksums")
    listing.set_defaults(run=_list)
    pruning = commands.add_parser("prune", help="remove what no restore within SCALE_BACKUP_RETENTION_DAYS needs")
    pruning.set_defaults(run=_prune)
    restoring = commands.add_parser("restore", help="bring the database back to a moment, in a new folder")
    _describe_restore(restoring)
    drill = commands.add_parser("drill", help="destroy a copy of the database and restore it; one JSON line, exit 1 when it fails")
    _describe_drill(drill)
    asking = commands.add_parser("status", help="how the backups are, as JSON; with metrics for Prometheus")
    asking.add_argument("--listen", type=int, metavar="PORT", help="serve the metrics there, until stopped")
    asking.add_argument("--offline", action="store_true", help="without asking the database")
    asking.set_defaults(run=_status)
    fetching = commands.add_parser("fetch", help="PostgreSQL's restore_command: one file of the log")
    fetching.add_argument("name", help="%%f of restore_command")
    fetching.add_argument("path", type=Path, help="where PostgreSQL wants it: %%p")
    fetching.set_defaults(run=_fetch)
    for each in (listing, pruning, restoring, drill, asking):
        each.add_argument("--cluster", metavar="ID", help=_SEVERAL)
    fetching.add_argument("--cluster", metavar="ID", required=True, help="PostgreSQL's system identifier")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    options = build_parser().parse_args(arguments)
    try:
        settings = load_settings()
        vault = Vault(settings.target(), read_sealing(settings.key_file))
        command: Command = options.run
        return asyncio.run(command(options, settings, vault))
    except BackupProblem as problem:
        sys.stderr.write(f"backup: {problem}\n")
        return BROKEN if options.command == "fetch" else 1
    except KeyboardInterrupt:
        return 130


def _describe_restore(parser: argparse.ArgumentParser) -> None:
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--into", type=Path, metavar="FOLDER", help="the new data folder: not there yet, or empty")
    place.add_argument("--home", type=Path, metavar="SCALE_HOME", help="the local system of this folder, which is stopped: its data folder")
    parser.add_argument("--time", default="latest", metavar="WHEN", help="2026-01-31T14:05:00Z, or latest (the default)")
    parser.add_argument("--timeline", type=int, help="default: the newest, which the last restore began")
    parser.add_argument("--base", metavar="ID", help="start from this base backup, where a newer one is damaged")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done, with PostgreSQL's own settings for it")
    parser.set_defaults(run=_restore)


def _describe_drill(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fresh", action="store_true", help="make a base backup of the running database first")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="where the copy is made; it takes three times the database's size")
    parser.add_argument("--archive-timeout", type=int, default=60, metavar="SECONDS", help="of the copy, as the real database has it")
    parser.add_argument(
        "--writing", type=float, default=90, metavar="SECONDS", help="for how long the copy is written to before it is lost"
    )
    parser.add_argument("--rpo", type=float, default=300, metavar="SECONDS", help="how much may be lost")
    parser.add_argument("--rto", type=float, default=900, metavar="SECONDS", help="how long the restore may take")
    parser.set_defaults(run=_drill)


async def _base(options: argparse.Namespace, settings: BackupSettings, vault: Vault) -> int:
    from operations.backup.base import describe, take_base

    sys.stdout.write(f"{describe(await take_base(vault, settings.database()))}\n")
    await _publish(settings, vault)
    return 0


async def _archive(options: argparse.Namespace, settings: BackupSettings, vault: Vault) -> int:
    from operations.backup.archive import archive, follow_folder

    if options.path.is_dir():
        await follow_folder(vault, options.path, settings.database(), once=not options.follow)
    else:
        await archive(vault, options.path, max_waiting_bytes=settings.max_waiting_bytes)
    return 0


async def _list(options: argparse.Namespace, settings: BackupSettings, vault: Vault) -> int:
    from operations.backup.base import describe, verify_base
    from operations.backup.plan import newest_reach

    for cluster in [options.cluster] if options.cluster else await vault.clusters():
        sys.stdout.write(f"database {cluster}\n")
        bases = await vault.bases(cluster)
        for base in bases:
            if options.verify:
                await verify_base(vault, base)
            sys.stdout.write(f"  {describe(base)}{', read and right' if options.verify else ''}\n")
        if bases:
            reach = newest_reach(bases, await vault.archived(cluster))
            gap = f"; {reach.missing} IS MISSING" if reach.missing else ""
            sys.stdout.write(f"  {len(reach.segments)} segments of log after the newest, until {reach.until:%Y-%m-%d %H:%M:%S %Z}{gap}\n")
    return 0


async def _prune(options: argparse.Namespace, settings: BackupSettings, vault: Vault) -> int:
    from datetime import UTC, datetime

    from operations.backup.retention import prune

    for cluster in [options.cluster] if options.cluster else await vault.clusters():
        pruned = await prune(vault, cluster, days=settings.retention_days, now=datetime.now(UTC))
        sys.stdout.write(json.dumps({"cluster": cluster, **vars(pruned)}) + "\n")
    return 0


async def _restore(options: argparse.Namespace, settings: BackupSettings, vault: Vault) -> int:
    from operations.backup import restoring

    return await restoring.run(options, settings, vault)


async def _drill(options: argparse.Namespace, settings: BackupSettings, vault: Vault) -> int:
    from operations.backup import drill

    return await drill.run(options, settings, vault)


async def _status(options: argparse.Namespace, settings: BackupSettings, vault: Vault) -> int:
    from operations.backup.status import read_status, serve, write_metrics

    url = None if options.offline else settings.database()
    found = await read_status(vault, url, cluster=options.cluster, log_here=settings.log_here)
    sys.stdout.write(json.dumps(found.as_json()) + "\n")
    sys.stdout.flush()
    if settings.metrics_file:
        write_metrics(found, settings.metrics_file)
    if options.listen:
        await serve(vault, url, options.listen, cluster=options.cluster, log_here=settings.log_here)
    return 0


async def _fetch(options: argparse.Namespace, settings: BackupSettings, vault: Vault) -> int:
    from operations.backup.archive import fetch

    return 0 if await fetch(vault, options.cluster, options.name, options.path) else 1


async def _publish(settings: BackupSettings, vault: Vault) -> None:
    """What has changed is seen without waiting for the next status."""
    if settings.metrics_file:
        from operations.backup.status import read_status, write_metrics

        write_metrics(await read_status(vault, settings.database(), log_here=settings.log_here), settings.metrics_file)
