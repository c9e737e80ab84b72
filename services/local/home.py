"""SCALE_HOME: the folder that holds all state of one local system, its secrets, and the ports that go with it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from services.local.problem import LocalProblem

REPOSITORY = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8080

# Offset of each service's port from the gateway's, and of each process's metrics: a service's own + 20, its worker's + 30.
SERVICE_OFFSETS = {"gateway": 0, "accounts": 1, "ingestion": 2, "categorization": 3, "forecasting": 4, "training": 5, "federation": 6}
METRICS_OFFSETS = {name: 20 + offset for name, offset in SERVICE_OFFSETS.items()} | {
    "beat" if name == "gateway" else f"{name}-worker": 30 + offset for name, offset in SERVICE_OFFSETS.items()
}
POSTGRES_OFFSET = 10
REDIS_OFFSET = 11
PGBOUNCER_OFFSET = 12
# How many ports free_port_base hands out together.
PORT_FAMILY = 50

# A unix socket's path may have about 100 bytes; a deep SCALE_HOME has more.
_LONGEST_SOCKET_PATH = 100


def default_home(environment: Mapping[str, str] = os.environ) -> Path:
    """SCALE_HOME, else `.scale` in the repository (in the current folder, where SCALE is an installed package)."""
    if given := environment.get("SCALE_HOME"):
        return Path(given).expanduser().resolve()
    root = REPOSITORY if (REPOSITORY / "pyproject.toml").exists() else Path.cwd()
    return root / ".scale"


def port_base(environment: Mapping[str, str] = os.environ) -> int:
    """The gateway's port, from which all others follow: SCALE_GATEWAY_PORT, else 8080."""
    given = environment.get("SCALE_GATEWAY_PORT") or str(DEFAULT_PORT)
    if not given.isdecimal() or not 1024 <= int(given) <= 65500:
        raise LocalProblem(f"SCALE_GATEWAY_PORT is {given!r}; it must be a number from 1024 to 65500.")
    return int(given)


@dataclass(frozen=True)
class Ports:
    """Every port of one local system, all on 127.0.0.1."""

    base: int

    @property
    def postgres(self) -> int:
        return self.base + POSTGRES_OFFSET

    @property
    def redis(self) -> int:
        return self.base + REDIS_OFFSET

    @property
    def pgbouncer(self) -> int:
        return self.base + PGBOUNCER_OFFSET

    def service(self, name: str) -> int:
        return self.base + SERVICE_OFFSETS[name]

    def metrics(self, process: str) -> int:
        return self.base + METRICS_OFFSETS[process]


def is_free(port: int) -> bool:
    """Whether 127.0.0.1:port can be bound now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


# While this process lives, no other one is given the same ports, though nothing listens there yet.
_guards: list[socket.socket] = []


def free_port_base() -> int:
    """A gateway port whose whole family of ports is free now, and this process's alone; for tests and benchmarks."""
    for _ in range(200):
        # Below 32768, where the kernel's own choice for outgoing connections begins.
        base = 20000 + PORT_FAMILY * secrets.randbelow(12000 // PORT_FAMILY)
        guard = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            guard.bind((LOOPBACK, base + PORT_FAMILY - 1))
        except OSError:
            guard.close()
            continue
        if all(is_free(base + offset) for offset in range(PORT_FAMILY - 1)):
            _guards.append(guard)
            return base
        guard.close()
    raise LocalProblem("No free block of ports was found between 20000 and 32000 on 127.0.0.1.")


class LocalHome:
    """Paths and secrets inside one SCALE_HOME. The folder is mode 0700, each secret 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.postgres = self.path / "postgres"
        self.redis = self.path / "redis"
        self.run = self.path / "run"
        self.logs = self.path / "logs"
        self.objects = self.path / "objects"
        self.models = self.path / "models"
        self.checkpoints = self.path / "checkpoints"
        self.temporary = self.path / "tmp"
        self.token_file = self.path / "dev-token"
        self._secrets_file = self.path / "secrets.json"
        self._lock: IO[str] | None = None

    def create(self) -> None:
        """Makes the folders, or tightens the modes of folders that are there."""
        for folder in (self.path, self.redis, self.run, self.logs, self.objects, self.models, self.checkpoints, self.temporary):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                folder.chmod(0o700)
            except OSError as error:
                raise LocalProblem(
                    f"SCALE_HOME {self.path} cannot be used: {error.strerror} ({error.filename}). Set SCALE_HOME to a folder of your own."
                ) from error

    def clear_temporary(self) -> None:
        """Removes what killed services left half written. Call it only while none runs."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(mode=0o700)

    def lock(self, owner: str) -> None:
        """Takes the home for this process; raises LocalProblem with the owner's own words when another holds it.

        The kernel drops the lock when the process ends, however it ends.
        """
        handle = (self.run / "lock").open("a+", encoding="utf-8")
        os.fchmod(handle.fileno(), 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            holder = handle.read().strip() or "another process"
            handle.close()
            raise LocalProblem(
                f"SCALE already runs from {self.path} ({holder}). Stop it with Ctrl-C there, "
                "or set SCALE_HOME and SCALE_GATEWAY_PORT to run a second copy."
            ) from None
        handle.truncate(0)
        handle.write(owner)
        handle.flush()
        self._lock = handle

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def secret(self, name: str) -> str:
        """The secret of that name, made on first use: 32 random bytes as hex."""
        known = self._read_secrets()
        if name not in known:
            known[name] = secrets.token_hex(32)
            write_private(self._secrets_file, json.dumps(known, indent=2) + "\n")
        return known[name]

    def known_secret(self, name: str) -> str | None:
        """The secret of that name, or None where this home has none yet."""
        return self._read_secrets().get(name)

    def _read_secrets(self) -> dict[str, str]:
        try:
            found = json.loads(self._secrets_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise LocalProblem(f"{self._secrets_file} is not readable as JSON ({error}); restore it from a backup.") from error
        return {str(name): str(value) for name, value in found.items()}

    def heartbeat(self, process: str) -> Path:
        """What a worker, or beat, touches while it is at work."""
        return self.run / f"{process}.alive"

    def metrics_of(self, process: str) -> Path:
        """Where the children of a worker count what its metrics say."""
        folder = self.run / f"{process}.metrics"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def control_socket(self) -> Path:
        """Where the supervisor listens: in the home, or in a private temporary folder where that path is too long."""
        inside = self.run / "supervisor.sock"
        if _is_short(inside):
            return inside
        # The temporary folder may lie deep itself, as on a Mac.
        folder = Path(tempfile.mkdtemp(prefix="scale-"))
        if not _is_short(folder / inside.name):
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix="scale-", dir="/tmp"))  # nosec B108  # mkdtemp makes it for its owner alone
        return folder / inside.name


def _is_short(socket: Path) -> bool:
    return len(os.fsencode(socket)) <= _LONGEST_SOCKET_PATH


def write_private(path: Path, content: str) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)
