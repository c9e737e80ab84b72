"""Each service is told to end under load, as a rolling release does: two replicas of each, one after the other. No call is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import httpx
import psutil

from services.local import LocalSystem, free_port_base
from services.local.home import LOOPBACK, REPOSITORY, Ports
from services.local.readiness import service_is_ready
from tests.chaos.experiment import Findings, command, user_environment, wait_until
from tests.chaos.processes import answers, wait_until_ready, wait_until_started
from tests.chaos.redis_unreachable import classified, statement
from tests.support.rest import RestUser

SERVICES = ("accounts", "categorization", "ingestion", "forecasting", "training", "federation", "gateway")
# The coordinator of rounds has one active replica by design; a gateway's clients choose another one themselves.
_REPLICATED = ("accounts", "categorization", "ingestion", "forecasting", "training")
ENDED_WITHIN_S = 40.0
_FOUND_S = 5.0
"""After which every channel has found a new replica."""


class Replica:
    """A second process of a service, with the first one's environment and ports of its own."""

    def __init__(self, service: str, ports: Ports, environment: Mapping[str, str]) -> None:
        self.service = service
        self._ports = ports
        mine = f"SCALE_{service.upper()}_"
        own = {f"{mine}PORT": str(ports.service(service)), f"{mine}METRICS_PORT": str(ports.metrics(service))}
        self._environment = {**environment, **own}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"services.{self.service}"],
            cwd=REPOSITORY,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: service_is_ready(self.service, self._ports), 120, f"the second {self.service} is not ready")

    def end(self) -> float:
        """SIGTERM; seconds until it has ended. Raises where that is not its own doing."""
        assert self._process is not None
        begun = time.monotonic()
        self._process.terminate()
        status = self._process.wait(ENDED_WITHIN_S)
        if status != 0:
            raise RuntimeError(f"{self.service} has ended with {status}")
        return time.monotonic() - begun

    def kill(self) -> None:
        """At the end of the experiment."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Caller(threading.Thread):
    """Calls one after the other. Where the one gateway takes no connection, it takes the other, as a balancer does: a call that was taken
    must be answered."""

    def __init__(self, system: LocalSystem, other_url: str) -> None:
        super().__init__(daemon=True)
        self.user = RestUser(system, timeout_s=60)
        self.other = httpx.Client(
            base_url=f"{other_url}/api/v1", headers=self.user.http.headers, timeout=60, trust_env=False, transport=httpx.HTTPTransport()
        )
        self.answers: Counter[str] = Counter()
        self.lost: list[str] = []
        self.imports = 0
        self._stopping = threading.Event()

    def stop(self) -> None:
        """After the call in hand."""
        self._stopping.set()
        self.join(90)

    def run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            number += 1
            for http in (self.user.http, self.other):
                try:
                    self._note(self._call(http, number))
                    break
                except httpx.ConnectError:
                    continue
                except httpx.TransportError as error:
                    self.lost.append(f"{type(error).__name__}: {error}")
                    break
            else:
                self.lost.append("no gateway takes connections")
            time.sleep(0.02)

    def _call(self, http: httpx.Client, number: int) -> httpx.Response:
        if number % 20 == 0:
            files = {"file": ("bank.csv", statement(number, 20), "text/csv")}
            response = http.post("/imports", files=files)
            self.imports += response.status_code == 201
            return response
        if number % 4 == 0:
            return http.post("/classify", json={"description": "REWE SAGT DANKE", "amount": "-12.30", "currency": "EUR"})
        return http.get(("/transactions", "/training/jobs", "/forecasts")[number % 3])

    def _note(self, response: httpx.Response) -> None:
        self.answers[str(response.status_code)] += 1
        if response.status_code >= 400:
            self.lost.append(f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text[:300]}")


def graceful_restart(findings: Findings, folder: Path) -> None:
    """SIGTERM to each replica, the other one meanwhile there."""
    first, second = Ports(free_port_base()), Ports(free_port_base())
    addresses = {
        f"SCALE_{service.upper()}_ADDRESS": f"ipv4:{LOOPBACK}:{first.service(service)},{LOOPBACK}:{second.service(service)}"
        for service in _REPLICATED
    }
    system = LocalSystem(folder / "home", first.base, environment=user_environment(**addresses))
    with system:
        system.start(SERVICES, deadline_s=240)
        replicas = {name: Replica(name, second, psutil.Process(system.pid(name)).environ()) for name in (*_REPLICATED, "gateway")}
        try:
            for replica in replicas.values():
                replica.start()
            time.sleep(_FOUND_S)
            _restart_each(findings, system, replicas, f"http://{LOOPBACK}:{second.service('gateway')}")
        finally:
            for replica in replicas.values():
                replica.kill()


def _restart_each(findings: Findings, system: LocalSystem, replicas: Mapping[str, Replica], other_url: str) -> None:
    wait_until(lambda: classified(RestUser(system)).status_code == 200, 60, "nothing is classified")
    callers = [Caller(system, other_url) for _ in range(4)]
    for caller in callers:
        caller.start()
    ended: dict[str, float] = {}
    for name, replica in replicas.items():
        begun, pid = time.monotonic(), system.pid(name)
        os.kill(pid, signal.SIGTERM)
        wait_until_started(system, name, but=pid)
        ended[name] = time.monotonic() - begun
        wait_until_ready(system, name)
        time.sleep(_FOUND_S)
        ended[name] = max(ended[name], replica.end())
        replica.start()
        time.sleep(_FOUND_S)
    for caller in callers:
        caller.stop()
    lost = [one for caller in callers for one in caller.lost]
    for caller in callers:
        findings.expect(sum(caller.answers.values()) > 2 * len(replicas), "a caller made fewer calls than there were restarts")
    findings.told(answers=dict(sum((caller.answers for caller in callers), Counter[str]())), restarts=2 * len(replicas))
    findings.measured("calls_lost", len(lost), at_most=0)
    findings.failures += lost[:5]
    findings.measured("slowest_end_s", max(ended.values()), at_most=ENDED_WITHIN_S)
    for caller in callers:
        rows = len(caller.user.transactions())
        findings.expect(rows == 20 * caller.imports, f"{caller.imports} imports of 20 rows were answered, and {rows} rows are held")
    findings.expect(answers(system, "/health"), "the gateway does not answer at the end")


if __name__ == "__main__":
    sys.exit(command("graceful_restart", ["REL-25"], graceful_restart))
