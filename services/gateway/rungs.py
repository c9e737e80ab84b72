"""The ladder of degradation: what still works while something does not, said by whoever asks whether all is ready (REL-11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Degradation:
    """A rung below full service, and in one sentence what that means."""

    rung: str
    told: str


def degradations(dependencies: Mapping[str, Mapping[str, Any]], *, slow_redis_s: float) -> list[Degradation]:
    """Every rung that is reached, the lowest first; none: full service. `dependencies` as readiness reports them; `slow_redis_s` is how
    long anybody waits for Redis."""
    queue, cache = dependencies["redis"], dependencies.get("cache", dependencies["redis"])
    services = {name: report for name, report in dependencies.items() if name not in ("redis", "cache")}
    down = [name for name, report in services.items() if report["status"] == "down"]
    paused = [name for name, report in services.items() if report.get("worker") == "down"]
    found: list[Degradation] = []
    if len(down) == len(services):
        found.append(Degradation("maintenance", "No service answers: every call is answered with 503 and Retry-After."))
    elif down:
        found.append(Degradation("errors", f"Calls that need {_listed(down)} are answered with 503 and Retry-After; all others work."))
    if cache["status"] == "down":
        found.append(Degradation("unlimited", "Without Redis nothing is cached, and requests are counted in each process by itself."))
    if queue["status"] == "down":
        found.append(Degradation("paused", "The queue is not reached: work in the background waits, or is done within its request."))
    elif paused:
        told = f"No worker takes the work of {_listed(paused)} in the background: it is accepted, and waits."
        found.append(Degradation("paused", told))
    if cache["status"] == "up" and cache["latency_ms"] > slow_redis_s * 1000:
        told = "Redis is slower than anybody waits for it: answers come from the database, right and slower."
        found.append(Degradation("uncached", told))
    return found


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
