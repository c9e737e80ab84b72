"""`restore`: plans, says what it will do, does it, and says how it goes into service."""

from __future__ import annotations

import argparse
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

from operations.backup.plan import Plan
from operations.backup.problem import BackupProblem
from operations.backup.recovery_log import Attempt, on_record
from operations.backup.restore import read_plan, replay_settings, restore
from operations.backup.scratch import ScratchServer
from operations.backup.settings import BackupSettings
from operations.backup.vault import Vault
from services.local import LocalHome
from services.local.postgres import DATABASE, SUPERUSER, scram_verifier
from services.local.problem import LocalProblem


def parse_moment(text: str) -> datetime | None:
    """`latest` is None. A moment must say its offset from UTC: an hour off is another database. Raises BackupProblem."""
    if text == "latest":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BackupProblem(f"--time {text!r} is no moment: write it as 2026-01-31T14:05:00Z, or latest.") from None
    if moment.tzinfo is None:
        raise BackupProblem(f"--time {text} does not say its offset: write {text}Z for UTC, or {text}+01:00.")
    return moment.astimezone(UTC)


async def run(options: argparse.Namespace, settings: BackupSettings, vault: Vault) -> int:
    """The whole command."""
    target = parse_moment(options.time)
    home = LocalHome(options.home) if options.home else None
    into: Path = home.postgres if home else options.into.resolve()
    attempt = Attempt(target, notes=f"restore to {options.time} into {into}")
    if options.dry_run:
        plan = await read_plan(vault, target, cluster=options.cluster, timeline=options.timeline, base_id=options.base)
        sys.stdout.write(describe(vault, plan, into))
        return 0
    database_url = settings.database_url.get_secret_value() if settings.database_url else None
    async with on_record(vault, attempt, database_url):
        plan = await read_plan(vault, target, cluster=options.cluster, timeline=options.timeline, base_id=options.base)
        sys.stdout.write(describe(vault, plan, into))
        sys.stdout.flush()
        if home is not None:
            home.run.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                home.lock("a restore of its database")
            except LocalProblem as problem:
                raise BackupProblem(str(problem)) from problem
        try:

            async def finish(server: ScratchServer) -> None:
                await _put_on_record(server, attempt)
                if home is not None:
                    await _give_password(server, home)

            done = await restore(vault, plan, into, key_file=settings.key_file, finish=finish)
        finally:
            if home is not None:
                home.unlock()
    sys.stdout.write(
        f"Restored in {done.unpack_s + done.replay_s:.1f} s: {done.unpack_s:.1f} s for the base backup, {done.replay_s:.1f} s of log.\n"
    )
    start = f"SCALE_HOME={shlex.quote(str(home.path))} make run" if home else f"postgres -D {shlex.quote(str(into))}"
    sys.stdout.write(f"Put it into service: {start}\nThen make a base backup of it: python -m operations.backup base\n")
    return 0


def describe(vault: Vault, plan: Plan, into: Path) -> str:
    """What is going to happen, and the command with which PostgreSQL does the same without us."""
    settings = replay_settings(vault, plan)
    words = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
    return (
        f"Base backup {plan.base.id} of {plan.base.finished_at:%Y-%m-%d %H:%M:%S %Z}, timeline {plan.timeline.number}, and up to "
        f"{len(plan.reach.segments)} segments of log, archived until {plan.reach.until:%Y-%m-%d %H:%M:%S %Z}.\n"
        f"By hand, with the base backup laid out in {into} and a file recovery.signal there:\n"
        f"  postgres -D {shlex.quote(str(into))} {words}\n"
    )


async def _put_on_record(server: ScratchServer, attempt: Attempt) -> None:
    async with server.connect(DATABASE) as database:
        # A moment before the table was made has none.
        if await database.fetchval("SELECT to_regclass('operations.recovery_log') IS NOT NULL"):
            attempt.status = "succeeded"
            await attempt.write(database)
            attempt.status = "started"


async def _give_password(server: ScratchServer, home: LocalHome) -> None:
    """The restored superuser has the password of the home where the backup was made; this one sets up all others by it."""
    verifier = scram_verifier(home.secret(f"postgres:{SUPERUSER}"))
    async with server.connect("postgres") as database:
        await database.execute("SELECT set_config('scale.verifier', $1, false)", verifier)
        await database.execute(
            f"DO $$ BEGIN EXECUTE format('ALTER ROLE {SUPERUSER} PASSWORD %L', current_setting('scale.verifier')); END $$"
        )
