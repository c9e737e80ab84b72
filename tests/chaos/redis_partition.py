"""Redis is behind a network that swallows everything: connections are open, and nobody answers. Each request waits for it for a moment at
most; when the network is whole again, so is everything."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.chaos.experiment import Findings, command, started
from tests.chaos.proxies import proxied
from tests.chaos.redis_unreachable import QUEUE_ABOVE_BYTES, back, classified, pids_of, statement
from tests.chaos.requests import Requests
from tests.support.gateway_app import RedisProcess
from tests.support.rest import RestUser

AWAY_S = 20.0
ADDED_S = 1.0
"""A request waits for Redis 0.1 s at the gateway and 0.2 s in each service, and only until the circuit opens."""


def redis_partition(findings: Findings, folder: Path) -> None:
    """A proxy that goes on accepting, and carries nothing."""
    redis = RedisProcess()
    redis.start()
    try:
        with (
            proxied(redis.port) as proxy,
            started(
                folder, SCALE_REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0", SCALE_INGESTION_QUEUE_ABOVE_BYTES=QUEUE_ABOVE_BYTES
            ) as system,
        ):
            user = RestUser(system, timeout_s=30)
            user.imported(statement(0, 40))
            with Requests(lambda: user.http.get("/transactions")) as before:
                time.sleep(3)
            pids = pids_of(system)
            proxy.carries = False
            with Requests(lambda: user.http.get("/transactions")) as lists, Requests(lambda: classified(user)) as classify:
                told = user.http.post("/imports", files={"file": ("bank.csv", statement(1, 40), "text/csv")})
                findings.expect(told.status_code == 201, f"an import behind the partition: {told.status_code} {told.text[:200]}")
                ready = user.http.get("/health/ready")
                findings.expect(ready.json().get("rung") == "unlimited", f"readiness behind the partition: {ready.text[:300]}")
                time.sleep(AWAY_S)
            proxy.carries = True
            findings.measured("lists_median_s_before", before.median_s)
            for name, requests in (("lists", lists), ("classified", classify)):
                findings.told(**{f"{name}_behind_the_partition": dict(requests.answers)})
                findings.measured(f"{name}_failed", requests.failed, at_most=0)
                findings.measured(f"{name}_median_s", requests.median_s, at_most=before.median_s + ADDED_S)
                findings.measured(f"{name}_slowest_s", requests.slowest_s)
                findings.failures += requests.wrong
            back(findings, system, user, pids)
    finally:
        redis.kill()


if __name__ == "__main__":
    sys.exit(command("redis_partition", ["REL-07"], redis_partition))
