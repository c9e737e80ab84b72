"""What PostgreSQL hears when it asks for a file of the log: it is there, there is none, or nobody can tell."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from operations.backup.archive import archive_folder, follow_folder
from operations.backup.problem import BackupProblem
from operations.backup.restore import alone, restore_command
from operations.backup.sealing import Sealing
from operations.backup.status import Status, StatusCollector, write_metrics
from operations.backup.vault import Vault
from services.local.environment import backup_environment, service_environment
from services.local.home import LocalHome, Ports
from tests.operations.backup.bases import CLUSTER, NOON, base, name, segment, store
from tests.support.ports import free_port

pytestmark = pytest.mark.requirement("DB-67", "DB-68")


def ask(command: str, file: str, folder: Path, url: str) -> int:
    """Runs restore_command as PostgreSQL does, in the folder of its data."""
    script = command.replace("%f", file).replace("%p", "RECOVERYXLOG").replace("%%", "%")
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=folder, env=os.environ | {"SCALE_BACKUP_URL": url}, capture_output=True, check=False
    )
    return done.returncode


async def test_a_file_is_fetched_a_missing_one_is_no_mistake_and_a_damaged_one_ends_the_replay(tmp_path: Path) -> None:
    vault = Vault((tmp_path / "vault 100% 'of' it").as_uri(), Sealing())
    await store(vault, base(4, 4, NOON))
    await vault.put_log(CLUSTER, name(5), segment(5))
    command = restore_command(CLUSTER, vault.log_folder(CLUSTER))
    assert ask(command, name(5), tmp_path, vault.url) == 0
    assert (tmp_path / "RECOVERYXLOG").read_bytes() == segment(5)
    assert ask(command, name(6), tmp_path, vault.url) == 1
    assert ask(command, "00000002.history", tmp_path, vault.url) == 1
    (stored,) = (tmp_path / "vault 100% 'of' it").rglob(name(5))
    stored.write_bytes(stored.read_bytes()[:-1])
    # Above 125 PostgreSQL gives up instead of taking it for the end of the log.
    assert ask(command, name(5), tmp_path, vault.url) > 125


@pytest.mark.parametrize("mounted", [False, True])
async def test_a_vault_that_is_away_is_not_taken_for_the_end_of_the_log(tmp_path: Path, mounted: bool) -> None:
    vault = Vault((tmp_path / "vault").as_uri(), Sealing())
    command = restore_command(CLUSTER, vault.log_folder(CLUSTER))
    if mounted:  # an empty folder, as where a disk was mounted
        (tmp_path / "vault").mkdir()
    assert ask(command, name(5), tmp_path, vault.url) > 125


async def test_whoever_follows_a_folder_waits_for_a_database_that_is_only_starting(tmp_path: Path) -> None:
    nobody = f"postgresql://scale_backup:x@127.0.0.1:{free_port()}/scale"
    vault = Vault((tmp_path / "vault").as_uri(), Sealing())
    with pytest.raises(BackupProblem, match="cannot be reached"):
        await follow_folder(vault, tmp_path, nobody, once=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await follow_folder(vault, tmp_path, nobody, once=False)


async def test_a_folder_that_cannot_be_read_is_said_and_tried_again(tmp_path: Path) -> None:
    vault = Vault((tmp_path / "vault").as_uri(), Sealing())
    (tmp_path / "log" / name(5)).mkdir(parents=True)
    with pytest.raises(BackupProblem, match=f"{name(5)} cannot be read and taken away: Is a directory"):
        await archive_folder(vault, tmp_path / "log", CLUSTER)
    with pytest.raises(BackupProblem, match="nowhere cannot be read"):
        await archive_folder(vault, tmp_path / "nowhere", CLUSTER)


@pytest.mark.requirement("SEC-22")
def test_no_service_learns_where_backups_are_and_the_archiver_gets_no_password(tmp_path: Path) -> None:
    outer = {"SCALE_BACKUP_URL": "s3://b", "SCALE_BACKUP_KEY_FILE": "/k", "SCALE_BACKUP_DATABASE_URL": "postgresql://x:y@z/w"}
    outer |= {"AWS_SECRET_ACCESS_KEY": "s", "SCALE_ACCOUNTS_DATABASE_URL": "postgresql://a:b@c/d"}
    home = LocalHome(tmp_path)
    home.create()
    for process in ("gateway", "accounts", "accounts-worker", "ingestion"):
        seen = service_environment(process, home=home, ports=Ports(20000), database_url=None, redis_url="redis://", outer=outer)
        assert not [variable for variable in seen if variable.startswith("SCALE_BACKUP_")]
    seen = backup_environment(outer)
    assert {"SCALE_BACKUP_URL", "SCALE_BACKUP_KEY_FILE", "AWS_SECRET_ACCESS_KEY"} <= seen.keys()
    assert not [variable for variable in seen if "DATABASE_URL" in variable]
    assert backup_environment({"SCALE_BACKUP_KEY_FILE": "/k"}) == {}


def test_what_was_never_done_is_as_old_as_can_be(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    status = Status(CLUSTER, 1, moment, moment, 3.5, 1000, None, name(7), archiving=True, archive_failing=True, waiting_bytes=16)
    registry = CollectorRegistry()
    registry.register(StatusCollector(status))
    text = generate_latest(registry).decode()
    assert f'scale_backup_last_success_timestamp_seconds{{kind="base"}} {moment.timestamp():.6e}'.split()[0] in text
    assert 'scale_backup_last_success_timestamp_seconds{kind="log"} 0.0' in text
    assert 'scale_backup_last_success_timestamp_seconds{kind="drill"} 0.0' in text
    assert "scale_backup_log_gap 1.0" in text
    assert "scale_backup_archive_failing 1.0" in text
    managed = CollectorRegistry()
    managed.register(StatusCollector(replace(status, log_here=False)))
    assert 'kind="log"' not in generate_latest(managed).decode(), "somebody would be woken for what a managed server does itself"
    write_metrics(status, tmp_path / "backup.prom")
    assert (tmp_path / "backup.prom").read_text(encoding="utf-8") == text


def test_a_lock_whose_file_was_taken_away_keeps_nobody_out_and_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into = tmp_path / "data"
    taken = fcntl.flock

    def as_another_restore_ends(descriptor: int, how: int) -> None:
        (tmp_path / "data.restoring.lock").unlink()
        taken(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", as_another_restore_ends)
    with pytest.raises(BackupProblem, match="has just ended"), alone(into):
        raise AssertionError("it went on")
    monkeypatch.setattr(fcntl, "flock", taken)
    with alone(into) as building:
        assert building == tmp_path / "data.restoring"
        with pytest.raises(BackupProblem, match="goes on"), alone(into):
            raise AssertionError("two at once")
