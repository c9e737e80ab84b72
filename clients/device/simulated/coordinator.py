"""The coordinator of a simulation: the local system's where it is up, else one of its own, on a PostgreSQL of its own, over TLS."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess  # nosec B404  # no shell is ever used
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from clients.device.problem import CoordinatorRefused, DeviceProblem
from clients.device.simulated.certificates import make_certificates
from clients.device.simulated.rounds import Rounds
from clients.device.transport import SCHEME, Tls, is_loopback
from services.local.demo import development_token
from services.local.environment import SIGNING_KEY, service_environment, working_directory
from services.local.home import SERVICE_OFFSETS, LocalHome, default_home, free_port_base, port_base
from services.local.problem import LocalProblem
from services.local.system import LocalSystem

_SERVICE = "federation"
_START_S = 90
_PROBE_S = 15.0
_STOP_S = 20
_LOG_TAIL_BYTES = 4000
_PR_SET_PDEATHSIG = 1
# Of rounds in which nobody waits for people.
_PACE = {"SCALE_FEDERATION_CHECK_IN_S": "1", "SCALE_FEDERATION_SILENCE_S": "12", "SCALE_FEDERATION_INTERVAL_HOURS": "0"}


class NobodyAnswers(DeviceProblem):
    """There is no coordinator where one was named."""


@dataclass(frozen=True, slots=True)
class Running:
    """A coordinator that answers."""

    address: str
    tls: Tls | None
    home: LocalHome
    """Whose key signs the tokens of this simulation."""
    own: bool
    pid: int | None = None
    """Of one of the simulation's own."""


def check_named(address: str | None) -> None:
    """Raises NobodyAnswers where one is named and nobody is there."""
    named = address or os.environ.get("SCALE_FEDERATION_ADDRESS")
    if named and not _listens(named.removeprefix(SCHEME)):
        raise NobodyAnswers(f"Nobody answers at {named}.")


@contextmanager
def coordinator(address: str | None, authority: Path | None, folder: Path, *, budget_epsilon: float) -> Iterator[Running]:
    """The coordinator at `address`, else the local system's, else one that is there for this block. Raises DeviceProblem."""
    named = address or os.environ.get("SCALE_FEDERATION_ADDRESS")
    found = named or f"127.0.0.1:{port_base() + SERVICE_OFFSETS[_SERVICE]}"
    clear = authority is None and not found.startswith(SCHEME)
    found = found.removeprefix(SCHEME)
    running = Running(found, None if clear and is_loopback(found) else Tls(authority), LocalHome(default_home()), own=False)
    if named:
        if not _has_key(running.home):
            raise DeviceProblem(f"{running.home.path} has no signing key: set SCALE_HOME to that of the system at {named}.")
        yield running
    elif _listens(found) and _has_key(running.home) and _is_ours(running):
        yield running
    else:
        try:
            with _own(folder, budget_epsilon) as started:
                yield started
        except LocalProblem as error:
            raise DeviceProblem(str(error)) from error


def _has_key(home: LocalHome) -> bool:
    return home.known_secret(SIGNING_KEY) is not None


def _is_ours(running: Running) -> bool:
    """Whether who listens there is a coordinator that believes this home's tokens, and no other system's."""
    with Rounds(running.address, running.tls, development_token(running.home, uuid4(), role="admin")) as rounds:
        try:
            return rounds.status(timeout_s=_PROBE_S).active
        except CoordinatorRefused:
            return False


@contextmanager
def _own(folder: Path, budget_epsilon: float) -> Iterator[Running]:
    home, port = LocalHome(folder / "home"), free_port_base()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SCALE_")}
    with LocalSystem(home, port, durable=False, environment=environment) as system:
        system.start(services=())
        certificates = make_certificates(folder)
        variables = service_environment(
            _SERVICE,
            home=home,
            ports=system.ports,
            database_url=system.service_url(_SERVICE),
            redis_url=system.redis_url,
            outer=environment,
        )
        # There is no registry: the first version is the model that ships with SCALE.
        variables.pop("SCALE_FEDERATION_REGISTRY_KEY", None)
        variables |= _PACE | {
            "SCALE_FEDERATION_TLS_CERT_FILE": str(certificates.server),
            "SCALE_FEDERATION_TLS_KEY_FILE": str(certificates.server_key),
            "SCALE_FEDERATION_BUDGET_EPSILON": str(budget_epsilon),
        }
        log = folder / "coordinator.log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # nosec B603  # our own interpreter, no shell
                [sys.executable, "-m", f"services.{_SERVICE}"],
                cwd=working_directory(),
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  # before any thread is there
            )
        try:
            address = system.service_address(_SERVICE)
            _wait_until_it_listens(process, address, log)
            yield Running(address, Tls(certificates.authority), home, own=True, pid=process.pid)
        finally:
            _end(process)


def _end_with_parent() -> None:
    """A simulation that is killed leaves nothing behind: the kernel ends this process with its parent."""
    with suppress(OSError, AttributeError):  # on Linux alone
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_until_it_listens(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while not _listens(address):
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
            raise DeviceProblem(f"The coordinator did not start. The end of its log:\n{tail}")
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with suppress(OSError, ValueError), socket.create_connection((host.strip("[]"), int(port)), timeout=2):
        return True
    return False
