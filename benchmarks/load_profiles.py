"""How many virtual users ask, for how long, and what the answers are held to: the capacity steps p1 to p3, one instance, the k6 script.

A profile's name is the phase whose figures it has (docs/load.md). It says nothing of how the asking is done: tests/performance/
locustfile.py does it with locust, load_test.js beside it with k6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RAMP_S = 10
WAIT_S = (1.0, 3.0)
"""A virtual user waits so long between two requests."""
FAILURES = 0.01
"""The share of failures above which a run has failed, whatever the profile."""
# Of one instance, whatever the phase.
INSTANCE_MS = {"p50": 100.0, "p95": 500.0, "p99": 1000.0}
INSTANCE_PER_SECOND = 100.0


@dataclass(frozen=True)
class Profile:
    """So many users at once, who are to be served so many requests a second with such a 95th percentile."""

    name: str
    users: int
    per_second: float
    p95_ms: float
    kind: str = "Reader"
    """The class of users in locustfile.py."""
    fixed_stages: tuple[tuple[int, int], ...] = ()
    """(seconds, users at the end of them), where the run's length is not free."""

    def stages(self, seconds: int, *, ramp_s: int) -> tuple[tuple[int, int], ...]:
        """(seconds, users at the end of them): up, then steady for `seconds`."""
        return self.fixed_stages or ((ramp_s, self.users), (seconds, self.users))

    @property
    def steady(self) -> bool:
        """Whether only what comes after the ramp counts."""
        return not self.fixed_stages

    @property
    def offered_per_second(self) -> float:
        """The most that these users ask for, were every answer there at once."""
        return self.users / (1.0 if self.kind == "Checker" else sum(WAIT_S) / 2)


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("p1", users=100, per_second=10, p95_ms=500),
        Profile("p2", users=1_000, per_second=100, p95_ms=200),
        Profile("p3", users=10_000, per_second=1_000, p95_ms=100),
        # Enough users for more than a hundred requests a second.
        Profile("instance", users=250, per_second=INSTANCE_PER_SECOND, p95_ms=INSTANCE_MS["p95"]),
        # As load_test.js.
        Profile("k6", users=20, per_second=10, p95_ms=500, kind="Checker", fixed_stages=((30, 20), (60, 20), (10, 0))),
    )
}


def users_at(stages: tuple[tuple[int, int], ...], elapsed_s: float) -> int | None:
    """How many users there are then; None when the run is over."""
    before = 0
    for length, users in stages:
        if elapsed_s < length:
            return max(1, round(before + (users - before) * elapsed_s / length))
        elapsed_s -= length
        before = users
    return None


def percentile(times: Mapping[int, int], share: float) -> float:
    """Of response times in milliseconds, given how often each came. 0 without any."""
    wanted, seen = share * sum(times.values()), 0
    for time_ms in sorted(times):
        seen += times[time_ms]
        if seen >= wanted:
            return float(time_ms)
    return 0.0


def judged(profile: Profile, figures: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Each requirement that the run says something of: what was wanted, what was found, their ratio, and whether it is met.

    `figures`: p50_ms, p95_ms, p99_ms, per_second, failed_share. A rate that the users did not even ask for is not judged (`met` null).
    """
    found = {
        "PERF-01 p95_ms": _below(figures["p95_ms"], profile.p95_ms),
        "PERF-05 per_second": _rate(profile, figures["per_second"], profile.per_second),
        "PERF-07 p95_ms": _below(figures["p95_ms"], 500.0),
        "PERF-07 failed_share": _below(figures["failed_share"], FAILURES),
    }
    found |= {f"PERF-09 {name}_ms": _below(figures[f"{name}_ms"], limit) for name, limit in INSTANCE_MS.items()}
    return found | {"PERF-09 per_second": _rate(profile, figures["per_second"], INSTANCE_PER_SECOND)}


def _below(value: float, limit: float) -> dict[str, Any]:
    return {"wanted": limit, "found": round(value, 4), "ratio": round(value / limit, 3), "met": value < limit}


def _rate(profile: Profile, value: float, wanted: float) -> dict[str, Any]:
    # Answers that take their time slow those down who wait for them: nine tenths are asked for in earnest.
    asked = profile.offered_per_second * 0.9 >= wanted
    return {"wanted": wanted, "found": round(value, 1), "ratio": round(value / wanted, 3), "met": value >= wanted if asked else None}
