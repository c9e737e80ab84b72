"""Backups of a real PostgreSQL: archived by its own archive_command, killed half way, destroyed, and restored."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import asyncpg
import pytest
import uuid_utils.compat

from operations.backup import wal
from operations.backup.archive import archive, archive_folder
from operations.backup.base import take_base, verify_base
from operations.backup.drill import Drill, Outcome
from operations.backup.figures import read_figures, users_apart
from operations.backup.problem import BackupProblem
from operations.backup.restore import read_plan, restore, unpack
from operations.backup.sealing import read_sealing
from operations.backup.status import read_status
from operations.backup.vault import Vault
from services.local import LocalSystem, free_port_base
from services.local.postgres import BACKUP_ROLE
from tests.conftest import unmeasured_environment

pytestmark = [pytest.mark.requirement("DB-66", "DB-67", "DB-68", "SEC-22"), pytest.mark.chaos]

ROWS = 300
_OPEN = "INSERT INTO accounts.accounts (user_id, id, name, account_type, currency) VALUES ($1, $2, 'Everyday', 'checking', 'EUR')"
_FILL = """
    INSERT INTO accounts.transactions (user_id, id, account_id, transaction_date, amount, currency, description, fingerprint)
    SELECT $1, gen_random_uuid(), $2, '2026-01-31', 0.0001 * n, 'EUR', 'ROW ' || n, n::text FROM generate_series(1, $3::int) AS n
"""


class Backed:
    """A local system whose backups are on, and two users with a ledger each."""

    def __init__(self, folder: Path, home: str = "home") -> None:
        self.folder = folder
        self.key_file = folder / "keys"
        self.url = (folder / "vault").as_uri()
        self.settings = {"SCALE_BACKUP_URL": self.url, "SCALE_BACKUP_KEY_FILE": str(self.key_file)}
        passed = unmeasured_environment()
        self.system = LocalSystem(folder / home, free_port_base(), durable=False, environment=passed | self.settings)
        place = {"SCALE_HOME": str(folder / home), "SCALE_GATEWAY_PORT": str(self.system.ports.base)}
        self.environment = passed | self.settings | place
        self.users = [uuid_utils.compat.uuid7(), uuid_utils.compat.uuid7()]

    @property
    def vault(self) -> Vault:
        return Vault(self.url, read_sealing(self.key_file))

    @property
    def backup_url(self) -> str:
        assert self.system.postgres is not None
        return self.system.postgres.url(BACKUP_ROLE)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncpg.Connection]:
        """As the superuser."""
        connection = await asyncpg.connect(self.system.superuser_url)
        try:
            yield connection
        finally:
            await connection.close()

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "operations.backup", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), env=self.environment, capture_output=True, text=True, check=False)

    async def new_segment(self) -> Path:
        """A segment that PostgreSQL has just finished; it archives it by itself."""
        async with self.connect() as connection:
            name = await connection.fetchval("SELECT pg_walfile_name(pg_current_wal_lsn())")
            await connection.execute("SELECT pg_logical_emit_message(false, 'test', 'something'), pg_switch_wal()")
        return self.system.home.postgres / "pg_wal" / str(name)


@pytest.fixture(scope="module")
def backed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backed]:
    folder = tmp_path_factory.mktemp("backup 100% 'of' it")
    backed = Backed(folder)
    backed.key_file.write_text(os.urandom(32).hex(), encoding="ascii")

    async def fill() -> None:
        async with backed.connect() as connection:
            for user in backed.users:
                account = uuid_utils.compat.uuid7()
                await connection.execute(_OPEN, user, account)
                await connection.execute(_FILL, user, account, ROWS)
        await take_base(backed.vault, backed.backup_url)

    with backed.system:
        backed.system.start(services=())
        asyncio.run(fill())
        yield backed


async def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if await found if asyncio.iscoroutine(found) else found:
            return
        assert time.monotonic() < deadline, "not within the time"
        await asyncio.sleep(0.05)


async def test_the_role_for_backups_reads_no_table(backed: Backed) -> None:
    connection = await asyncpg.connect(backed.backup_url)
    try:
        flags = await connection.fetchrow(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = current_user"
        )
        assert tuple(flags) == (False, False, False, True)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM accounts.transactions")
    finally:
        await connection.close()


async def test_a_base_backup_is_read_back_whole_and_nothing_in_it_is_readable(backed: Backed) -> None:
    (base,) = await backed.vault.bases()
    await verify_base(backed.vault, base)
    stored = sorted((backed.folder / "vault" / "bases").rglob("part-*"))
    assert [path.stat().st_size for path in stored] == [part.size_bytes for part in base.parts]
    assert all(b"PG_VERSION" not in path.read_bytes() and path.stat().st_mode & 0o077 == 0 for path in stored)
    with pytest.raises(BackupProblem, match=f"key {base.key_id}"):
        await verify_base(Vault(backed.url, read_sealing(None)), base)


async def test_a_base_backup_that_was_damaged_is_found_and_named(backed: Backed, tmp_path: Path) -> None:
    copy = tmp_path / "vault"
    shutil.copytree(backed.folder / "vault", copy)
    part = sorted(copy.rglob("part-*"))[-1]
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    vault = Vault(copy.as_uri(), read_sealing(backed.key_file))
    (base,) = await vault.bases()
    with pytest.raises(BackupProblem, match="damaged"):
        await verify_base(vault, base)
    # The tar that ends there is what follows from it, and is not what is said.
    with pytest.raises(BackupProblem, match="damaged"):
        await unpack(vault, base, tmp_path / "laid out")


def test_a_restore_into_the_home_of_a_running_system_is_refused_in_words(backed: Backed) -> None:
    done = backed.run("restore", "--home", str(backed.system.home.path))
    assert done.returncode == 1
    assert "already runs" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_killed_base_backup_counts_for_nothing(backed: Backed) -> None:
    before = [base.id for base in await backed.vault.bases()]
    process = subprocess.Popen(backed.command("base"), env=backed.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    bases = backed.folder / "vault" / "bases"
    await until(lambda: len(list(bases.glob("*/*"))) > len(before) and any(bases.glob("*/*/part-00000*")))
    process.kill()
    process.wait()
    assert [base.id for base in await backed.vault.bases()] == before
    # What dies with the client is not waited for: PostgreSQL ends the backup by itself, and the next one goes well.
    done = backed.run("base")
    assert done.returncode == 0, done.stderr
    assert len(await backed.vault.bases()) == len(before) + 1


async def test_a_segment_is_archived_once_whatever_is_killed(backed: Backed, tmp_path: Path) -> None:
    path = await backed.new_segment()
    vault = Vault((tmp_path / "vault").as_uri(), read_sealing(backed.key_file))
    environment = backed.environment | {"SCALE_BACKUP_URL": vault.url}
    for delay in (0.15, 0.3):
        process = subprocess.Popen(backed.command("archive", str(path)), env=environment)
        await asyncio.sleep(delay)
        process.kill()
        process.wait()
    assert await archive(vault, path)
    assert await archive(vault, path)  # asked again, as PostgreSQL does
    (cluster,) = await vault.clusters()
    assert list(await vault.log(cluster)) == [path.name]
    assert await vault.read_log(cluster, path.name) == path.read_bytes()


async def test_another_content_is_never_written_over_a_segment(backed: Backed, tmp_path: Path) -> None:
    path = await backed.new_segment()
    vault = Vault((tmp_path / "vault").as_uri(), read_sealing(backed.key_file))
    await archive(vault, path)
    other = tmp_path / path.name
    other.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(BackupProblem, match="two databases write one log"):
        await archive(vault, other)
    (cluster,) = await vault.clusters()
    assert await vault.read_log(cluster, path.name) == path.read_bytes()


async def test_a_folder_that_another_program_fills_is_emptied_into_the_vault(backed: Backed, tmp_path: Path) -> None:
    path = await backed.new_segment()
    spool = tmp_path / "spool"
    spool.mkdir()
    shutil.copy(path, spool)
    (spool / f"{path.name}.partial").write_bytes(b"still being received")
    vault = Vault((tmp_path / "vault").as_uri(), read_sealing(None))
    with pytest.raises(BackupProblem, match="nothing was archived"):
        await archive_folder(vault, spool, "another")
    (cluster,) = await backed.vault.clusters()
    assert await archive_folder(vault, spool, cluster) == 1
    assert [left.name for left in spool.iterdir()] == [f"{path.name}.partial"]


FULL = """
import resource, signal, sys
from operations.backup.commands import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
sys.exit(main(sys.argv[1:]))
"""


async def test_a_full_disk_is_said_and_above_a_limit_segments_are_given_up(backed: Backed, tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    source = await backed.new_segment()
    folder = tmp_path / "pg_wal"
    (folder / "archive_status").mkdir(parents=True)
    (folder / "archive_status" / f"{source.name}.ready").touch()
    path = shutil.copy(source, folder)
    environment = backed.environment | {"SCALE_BACKUP_URL": (tmp_path / "vault").as_uri()}
    command = [sys.executable, "-c", FULL, "archive", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "There is no room" in done.stderr
    assert [left for left in (tmp_path / "vault").rglob("*") if left.is_file()] == []
    limit = {"SCALE_BACKUP_MAX_WAITING_BYTES": "1000000"}
    done = subprocess.run(command, env=environment | limit, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "segment given up" in done.stdout + done.stderr


async def test_while_the_archive_takes_nothing_the_database_goes_on_and_afterwards_nothing_is_missing(backed: Backed) -> None:
    (cluster,) = await backed.vault.clusters()
    log = backed.folder / "vault" / "wal" / cluster
    away = log.with_name("away")
    await until(log.exists)
    log.rename(away)
    log.write_text("in the way", encoding="ascii")
    first = await backed.new_segment()
    status = await read_status(backed.vault, backed.backup_url)

    async def failing() -> bool:
        nonlocal status
        status = await read_status(backed.vault, backed.backup_url)
        return bool(status.archive_failing)

    await until(failing)
    assert status.waiting_bytes
    async with backed.connect() as connection:
        assert await connection.fetchval("SELECT count(*) FROM accounts.transactions") == 2 * ROWS
    log.unlink()
    away.rename(log)
    second = await backed.new_segment()  # wakes the archiver, which would come back by itself within a minute

    async def archived() -> bool:
        return {first.name, second.name} <= set(await backed.vault.log(cluster))

    await until(archived, 70)
    status = await read_status(backed.vault, backed.backup_url)
    assert (status.archive_failing, status.missing_segment) == (False, None)


@pytest.mark.requirement("DB-66", "DB-67", "DOC-17")
async def test_a_drill_destroys_a_copy_and_brings_every_row_back(backed: Backed, tmp_path: Path) -> None:
    outcome = Outcome(archive_timeout_s=1)
    before = sorted(path for path in (backed.folder / "vault" / "bases").rglob("*") if path.is_file())
    await Drill(backed.vault, tmp_path, backed.key_file, outcome, writing_s=1.5, durable=False).run()
    values = outcome.as_json()
    assert values["problems"] == []
    assert (values["rows"], values["users"], values["passed"]) == (2 * ROWS, 2, True)
    assert 0 < values["lost_s"] < 60
    assert values["restore_s"] > 0 < values["replay_s"]
    assert values["replayed_segments"] > 0
    # The real backups were only read.
    assert before == sorted(path for path in (backed.folder / "vault" / "bases").rglob("*") if path.is_file())
    missed = Outcome(lost_s=301)
    assert (missed.as_json()["rpo_passed"], missed.as_json()["passed"]) == (False, False)


async def test_a_restore_that_ends_before_the_last_segment_is_put_nowhere(backed: Backed, tmp_path: Path) -> None:
    """Also by one, where the one before was switched away from: as on a system with little to do."""
    finished = await backed.new_segment()

    async def archived() -> bool:
        return finished.name in (await read_plan(backed.vault, None)).reach.segments

    await until(archived)
    plan = await read_plan(backed.vault, None)
    size = plan.base.segment_bytes
    beyond = wal.Segment(plan.timeline.number, wal.parse_segment(plan.reach.segments[-1], size).number + 1).name(size)
    hoped = replace(plan, reach=replace(plan.reach, segments=(*plan.reach.segments, beyond)))
    with pytest.raises(BackupProblem, match=f"and {beyond} was archived"):
        await restore(backed.vault, hoped, tmp_path / "new", key_file=backed.key_file, durable=False)
    assert not (tmp_path / "new").exists()
    await restore(backed.vault, plan, tmp_path / "new", key_file=backed.key_file, durable=False)
    assert (tmp_path / "new" / "PG_VERSION").exists()


async def test_a_drill_sees_an_amount_that_changed_and_users_who_are_no_longer_apart(backed: Backed) -> None:
    async with backed.connect() as connection:
        before = await read_figures(connection)
        assert before.money[backed.users[0], "EUR"] == (ROWS, Decimal("0.0001") * (ROWS * (ROWS + 1) // 2))
        assert await users_apart(connection, before) == []
        transaction = connection.transaction()
        await transaction.start()
        one = "UPDATE accounts.transactions SET amount = amount + 0.0001 WHERE (user_id, fingerprint) = ($1, '7')"
        await connection.execute(one, backed.users[0])
        await connection.execute("ALTER TABLE accounts.transactions NO FORCE ROW LEVEL SECURITY")
        await connection.execute("CREATE POLICY everybody ON accounts.transactions TO scale_accounts USING (true)")
        await connection.execute("DROP TABLE IF EXISTS figures")
        after_apart = await users_apart(connection, before)
        await transaction.rollback()
    assert any("does not force" in problem for problem in after_apart)
    assert any("nobody sees" in problem for problem in after_apart)


@pytest.mark.requirement("DB-09", "DB-67", "DB-68")
async def test_a_new_home_is_restored_to_a_moment_after_a_killed_try_and_starts(backed: Backed) -> None:
    user = backed.users[0]
    async with backed.connect() as connection:
        moment = await connection.fetchval("SELECT clock_timestamp()")
        await asyncio.sleep(0.05)
        await connection.execute("DELETE FROM accounts.transactions WHERE user_id = $1", user)
    path = await backed.new_segment()
    (cluster,) = await backed.vault.clusters()

    async def archived() -> bool:
        return path.name in await backed.vault.log(cluster)

    await until(archived, 70)
    new = Backed(backed.folder, home="new home")
    words = ("restore", "--home", str(new.system.home.path), "--time", moment.isoformat())
    building = new.system.home.path / "postgres.restoring"
    process = subprocess.Popen(backed.command(*words), env=backed.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await until(lambda: (building / "global").exists() or process.poll() is not None)
    process.kill()
    process.wait()
    assert not new.system.home.postgres.exists()
    done = backed.run(*words)
    assert done.returncode == 0, done.stderr
    assert "make run" in done.stdout
    assert not building.exists()
    again = backed.run(*words)
    assert again.returncode == 1
    assert "not an empty folder" in again.stderr
    statuses = [attempt["status"] for attempt in await backed.vault.attempts()][-3:]
    assert statuses == ["started", "succeeded", "failed"]
    with new.system:
        new.system.start(services=())
        connection = await asyncpg.connect(new.system.service_url("accounts"))
        try:
            await connection.execute("SELECT set_config('app.user_id', $1, false)", str(user))
            assert await connection.fetchval("SELECT count(*) FROM accounts.transactions") == ROWS
        finally:
            await connection.close()
        async with new.connect() as connection:
            (row,) = await connection.fetch("SELECT target_time, status, notes FROM operations.recovery_log")
            assert (row["target_time"], row["status"]) == (moment, "succeeded")
        # The new timeline tells the archive where it began, so that the next restore finds its way.
        await until(lambda: any((backed.folder / "vault" / "wal" / cluster).rglob("00000002.history")))
    assert (await read_plan(backed.vault, None)).timeline.number == 2
