"""Who is killed, and how long until it is back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil
from redis import Redis

from services.local import LocalSystem
from services.local.home import SERVICE_OFFSETS
from services.local.readiness import gateway_answers, service_is_ready, worker_is_ready
from tests.chaos.experiment import wait_until
from tests.support.stored_files import stored_files

RESTARTED_WITHIN_S = 5.0
"""Whatever dies: the supervisor has started it again."""
SERVED_WITHIN_S = 30.0
"""REL-01: a server answers again."""
WORKS_WITHIN_S = 60.0
"""REL-02: a worker, or the clock, is at work again."""
_GIVEN_UP_S = 120.0


@dataclass(frozen=True)
class Recovery:
    """Of a process that was killed: seconds until there was another, and until that one did its work."""

    name: str
    restarted_s: float
    ready_s: float

    @property
    def target_s(self) -> float:
        """Until it must do its work again."""
        return WORKS_WITHIN_S if is_worker(self.name) else SERVED_WITHIN_S


def is_worker(name: str) -> bool:
    """Nobody calls it: it takes tasks, or tells the time."""
    return name not in SERVICE_OFFSETS and name not in ("postgres", "redis")


def kill(system: LocalSystem, name: str) -> int:
    """SIGKILL to the process and what it has forked; returns its pid. PostgreSQL's own processes are its supervisor's to end."""
    pid = wait_until_started(system, name)
    process = psutil.Process(pid)
    family = [process] if name == "postgres" else [process, *process.children(recursive=True)]
    for one in family:
        try:
            os.kill(one.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return pid


def wait_until_started(system: LocalSystem, name: str, *, but: int = 0) -> int:
    """The pid under which it runs, once that is another than `but`."""
    found: list[int] = []

    def runs() -> bool:
        pid = system.pid(name)
        found[:] = [pid]
        return pid not in (0, but)

    wait_until(runs, _GIVEN_UP_S, f"{name} was not started again")
    return found[0]


def wait_until_ready(system: LocalSystem, name: str) -> None:
    """Until it does its work: answers, or takes tasks."""
    begun = time.time()
    wait_until(lambda: is_ready(system, name, begun), _GIVEN_UP_S, f"{name} is not ready")


def is_ready(system: LocalSystem, name: str, since: float) -> bool:
    """One look. A worker's word counts from `since`, Unix seconds."""
    if name == "postgres":
        assert system.postgres is not None
        return system.postgres.wait_until_ready(time.monotonic() + 0.5)
    if name == "redis":
        assert system.redis is not None
        return system.redis.wait_until_ready(time.monotonic() + 0.5)
    if name == "gateway":
        return answers(system, "/health")
    if name in SERVICE_OFFSETS:
        return service_is_ready(name, system.ports)
    return worker_is_ready(system.home.heartbeat(name), since)


def answers(system: LocalSystem, path: str) -> bool:
    """Whether the gateway answers 200."""
    return gateway_answers(system.ports, path, timeout_s=2)


def left_behind(system: LocalSystem, queues: Iterable[str]) -> list[object]:
    """Those of the queues in which messages wait, and every upload that is still stored."""
    with Redis.from_url(system.redis_url) as redis:
        waiting = [queue for queue in queues if redis.llen(queue)]
    return [*waiting, *stored_files(system.home.objects / "uploads")]


def kill_and_wait(system: LocalSystem, name: str) -> Recovery:
    """Kills it, and waits until another has taken its place and does its work."""
    killed_at = time.monotonic()
    pid = kill(system, name)
    killed_at_wall = time.time()  # what the dead one touched says nothing
    wait_until_started(system, name, but=pid)
    restarted_s = time.monotonic() - killed_at
    wait_until(lambda: is_ready(system, name, killed_at_wall), _GIVEN_UP_S, f"{name} is not ready")
    return Recovery(name, restarted_s, time.monotonic() - killed_at)
