"""`make run` as people meet it: the whole system, its output, its restarts and its end."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest

from services.local.home import REPOSITORY, LocalHome, Ports, free_port_base, is_free
from services.local.readiness import service_is_ready, worker_is_ready
from services.local.supervise import Supervisor
from services.local.system import SERVICES

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.alone]

PROCESSES = ("postgres", "redis", "accounts", "accounts-worker", "ingestion", "ingestion-worker", "beat", "gateway")


class MakeRun:
    """`python -m services.local`, which is all that `make run` does once the packages are there."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = LocalHome(home)
        self.ports = Ports(port)
        self.url = f"http://127.0.0.1:{port}"
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  closed with the object
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "services.local"],
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"], "SCALE_HOME": str(home), "SCALE_GATEWAY_PORT": str(port)} | coverage_settings(),
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def output(self) -> str:
        self._output.seek(0)
        return self._output.read()

    def wait_until_ready(self, seconds: float = 90) -> float:
        """Seconds from the start until it said how to use it."""
        while "Try:" not in self.output():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() - self.started < seconds, self.output()
            time.sleep(0.05)
        return time.monotonic() - self.started

    def pid(self, name: str) -> int:
        return int(Supervisor(self.home).processes()[name]["pid"])

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def client(self, token: str | None = None) -> httpx.Client:
        token = token or self.home.token_file.read_text().strip()
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=20, trust_env=False)

    def token_of(self, user: str) -> str:
        command = [sys.executable, "-m", "clients.cli", "token", "--user", user]
        environment = {"PATH": os.environ["PATH"], "SCALE_HOME": str(self.home.path)}
        return subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    def press_ctrl_c(self) -> None:
        """To the whole group, as a terminal does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


def coverage_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


def all_gone(processes: list[psutil.Process]) -> bool:
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def wait_for(condition: Callable[[], object], seconds: float) -> float:
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - started


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    # As `mktemp -d` makes it: closed to everybody else, which is where root's PostgreSQL needs help.
    folder = Path(tempfile.mkdtemp(prefix="scale-e2e-"))
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def system(home: Path) -> Iterator[MakeRun]:
    run = MakeRun(home, free_port_base())
    try:
        run.wait_until_ready()
        yield run
    finally:
        run.end()


def test_it_says_how_to_use_it(system: MakeRun) -> None:
    output = system.output()
    assert system.url in output
    assert system.home.token_file.read_text().strip() in output
    assert len(re.findall(r"^  curl ", output, re.MULTILINE)) == 3
    assert re.search(r"\d\.\d s  Migrate the database", output)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_printed_commands_work(system: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "statement.csv").write_text("Date,Description,Amount\n2026-03-31,TEA HOUSE,-4.20\n")
    for command in re.findall(r"^  (curl .*)$", system.output(), re.MULTILINE):
        done = subprocess.run(command + " --fail", shell=True, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert done.stdout.startswith("{")


def test_the_demo_user_has_the_sample_and_nobody_else_has(system: MakeRun) -> None:
    with system.client() as demo, system.client(system.token_of(str(uuid4()))) as other:
        page = demo.get("/api/v1/transactions", params={"page_size": 1000}).json()["items"]
        assert len(page) >= 202
        assert {"RENT FLAT 14 LINDENSTRASSE HOUSING CO-OP"} <= {item["description"] for item in page}
        assert [item["amount"] for item in page if item["description"].startswith("ELECTRONICS WORLD LAPTOP")] == ["-1149.00"]
        # Two equal coffees on one day are two coffees.
        assert len([item for item in page if item["description"].startswith("COFFEE KIOSK")]) == 2
        assert other.get("/api/v1/transactions").json()["items"] == []


def test_the_scale_command_imports_and_lists(system: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "konto.csv").write_text("Buchungstag;Text;Betrag\n31.03.2026;Teehaus;-1.004,20\n32.03.2026;Nie;1,00\n", encoding="utf-8")
    token = system.token_of(str(uuid4()))

    def scale(*arguments: str) -> str:
        command = [sys.executable, "-m", "clients.cli", *arguments]
        environment = {"PATH": os.environ["PATH"], "SCALE_URL": system.url, "SCALE_TOKEN": token}
        done = subprocess.run(command, cwd=REPOSITORY, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    imported = scale("import", str(tmp_path / "konto.csv"), "--columns", "description=Text")
    assert "2 rows, 1 inserted" in imported
    assert "line 3: " in imported
    assert "-1004.20" in scale("transactions", "--date-from", "2026-03-01", "--amount-max", "-1000", "-q", "teehaus")
    assert scale("transactions", "--type", "credit") == "No transactions.\n"
    assert "konto.csv" in scale("imports")
    assert "Imported" in scale("accounts")


def test_all_state_is_private(system: MakeRun) -> None:
    assert system.home.path.stat().st_mode & 0o077 == 0
    for name in ("dev-token", "secrets.json", "run/accounts.json", "run/supervisord.conf"):
        assert (system.home.path / name).stat().st_mode & 0o077 == 0, name


def test_it_listens_on_loopback_only(system: MakeRun) -> None:
    addresses = {
        connection.laddr.ip
        for process in system.family()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN and connection.laddr
    }
    # gRPC listens on the same address, written the IPv6 way.
    assert {address.removeprefix("::ffff:") for address in addresses} == {"127.0.0.1"}


def test_no_process_holds_anothers_password(system: MakeRun) -> None:
    own = {"accounts": "SCALE_ACCOUNTS_DATABASE_URL", "ingestion": "SCALE_INGESTION_DATABASE_URL"}
    own |= {f"{service}-worker": variable for service, variable in own.items()}
    for name in SERVICES:
        environment = psutil.Process(system.pid(name)).environ()
        assert {variable for variable in environment if variable.endswith("DATABASE_URL")} == ({own[name]} if name in own else set())
        assert ("SCALE_INGESTION_SERVICE_KEY" in environment) == (name == "ingestion-worker")
    for process in system.family():
        line = " ".join(process.cmdline())
        assert not any(system.home.secret(name) in line for name in ("jwt", "redis", "postgres:scale_migrator", "service:ingestion"))


@pytest.mark.chaos
@pytest.mark.parametrize("name", PROCESSES)
def test_a_killed_process_is_back_within_five_seconds(system: MakeRun, name: str) -> None:
    killed = system.pid(name)
    os.kill(killed, signal.SIGKILL)

    def is_back() -> bool:
        return system.pid(name) not in (0, killed) and ledger_answers(system)

    wait_for(is_back, 5)
    for service in ("accounts", "ingestion", "gateway"):
        wait_for(partial(service_is_ready, service, system.ports), 5)
    for worker in ("accounts-worker", "ingestion-worker", "beat"):
        started = float(Supervisor(system.home).processes()[worker]["start"])
        wait_for(partial(worker_is_ready, system.home.heartbeat(worker), started), 15)


@pytest.mark.chaos
@pytest.mark.parametrize("name", ["postgres", "accounts"])
async def test_requests_meanwhile_get_503_and_none_hangs(system: MakeRun, name: str) -> None:
    token = system.home.token_file.read_text().strip()
    seen: list[tuple[int, str | None]] = []

    async def ask_for(seconds: float, client: httpx.AsyncClient) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = await client.get("/api/v1/transactions", params={"page_size": 1})
            seen.append((answer.status_code, answer.headers.get("Retry-After")))
            await asyncio.sleep(0.02)

    headers = {"Authorization": f"Bearer {token}"}
    # A request that hangs ends this test with a ReadTimeout.
    async with httpx.AsyncClient(base_url=system.url, headers=headers, timeout=5, trust_env=False) as client:
        callers = [asyncio.create_task(ask_for(6, client)) for _ in range(4)]
        await asyncio.sleep(0.5)
        os.kill(system.pid(name), signal.SIGKILL)
        await asyncio.gather(*callers)
    assert {status for status, _ in seen} <= {200, 503}
    assert all(retry_after for status, retry_after in seen if status == 503)
    assert seen[-1][0] == 200


def ledger_answers(system: MakeRun) -> bool:
    try:
        with system.client() as client:
            return client.get("/api/v1/transactions", params={"page_size": 1}).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_second_make_run_on_the_same_home_is_told_so(system: MakeRun) -> None:
    second = MakeRun(system.home.path, system.ports.base)
    assert second.process.wait(20) == 1
    assert "SCALE already runs from" in second.output()
    assert ledger_answers(system)


def test_a_taken_port_is_named(system: MakeRun, tmp_path: Path) -> None:
    second = MakeRun(tmp_path / "other", system.ports.base)
    assert second.process.wait(20) == 1
    assert f"port {system.ports.base} (gateway" in second.output()
    assert "SCALE_GATEWAY_PORT" in second.output()


def test_ctrl_c_leaves_no_process_and_a_second_run_is_ready_in_fifteen_seconds(home: Path) -> None:
    first = MakeRun(home.with_name("again"), free_port_base())
    try:
        first.wait_until_ready()
        family = first.family()
        first.press_ctrl_c()
        time.sleep(0.2)
        first.press_ctrl_c()
        assert first.process.wait(30) == 0, first.output()
        assert all_gone(family)
        assert all(is_free(first.ports.base + offset) for offset in (0, 1, 2, 10, 11, 20, 21, 22, 32))
        second = MakeRun(first.home.path, first.ports.base)
        try:
            assert second.wait_until_ready() < 15
            assert "sample statement" not in second.output()
            family = second.family()
            second.process.kill()
            wait_for(lambda: all_gone(family), 20)
        finally:
            second.end()
    finally:
        first.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stop_in_the_middle_of_the_start_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    run = MakeRun(tmp_path, free_port_base())
    wait_for(lambda: "Start the supervisor" in run.output(), 30)
    family = run.family()
    run.process.send_signal(number)
    assert run.process.wait(30) == 0, run.output()
    assert all_gone(family)
