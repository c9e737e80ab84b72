"""How long one classification takes: through the gateway, and over gRPC alone beside it in the same run.

    python -m benchmarks.classify [--calls 2000]

One user with rules and corrections of their own asks for one payment at a time: first alone, a call through REST and a call over gRPC in
turn, then over eight connections at once. The gateway's figure includes the token check, the rate limiter and the access log, both include
the user's rules, which the ledger judges. Only a machine that does nothing else gives figures worth reporting.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx

from benchmarks.running import new_user, note, running_system, token_for
from scale.categorization.v1 import categorization_service_pb2 as pb
from scale.categorization.v1.categorization_service_pb2_grpc import CategorizationServiceStub
from services.local.home import LOOPBACK
from services.local.system import LocalSystem

CONNECTIONS = 8
CORRECTIONS = 50
RULES = 5
WARM_UP = 100
WANTED_P95_MS = 15
_SHOPS = (
    "REWE",
    "ALDI",
    "SHELL",
    "COSTA COFFEE",
    "NETFLIX",
    "IKEA",
    "UBER TRIP",
    "LIDL",
    "SPOTIFY",
    "DEUTSCHE BAHN",
    "KLETTERHALLE",
    "APOTHEKE",
)
_CATEGORIES = ("groceries", "transport", "dining", "entertainment", "housing")

Call = Callable[[], float]
"""One call; how many seconds it took."""


def payment(chance: random.Random) -> dict[str, Any]:
    """One that no cache has seen."""
    cents = chance.randint(100, 20_000)
    description = f"{chance.choice(_SHOPS)} SAGT DANKE {chance.randint(0, 99_999):05d}"
    return {"description": description, "amount": f"-{cents // 100}.{cents % 100:02d}", "currency": "EUR", "date": "2026-01-31"}


def prepare(system: LocalSystem, token: str) -> None:
    """Rules and corrections, as a user has them after a few weeks."""
    chance = random.Random(7)
    with httpx.Client(base_url=f"{system.gateway_url}/api/v1", headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
        for number in range(RULES):
            rule = {"name": f"Rule {number}", "filter": f'text:"landlord {number}" AND amount < -{number}00', "category": "housing"}
            client.post("/rules", json=rule).raise_for_status()
        for _ in range(CORRECTIONS):
            correction = payment(chance) | {"category": chance.choice(_CATEGORIES)}
            client.post("/classify/feedback", json=correction).raise_for_status()


def through_gateway(system: LocalSystem, token: str, seed: int) -> Call:
    """Over a connection of its own, which is kept open."""
    chance = random.Random(seed)
    port = int(system.gateway_url.rpartition(":")[2])
    connection = http.client.HTTPConnection(LOOPBACK, port)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call() -> float:
        body = json.dumps(payment(chance))
        started = time.perf_counter()
        connection.request("POST", "/api/v1/classify", body, headers)
        response = connection.getresponse()
        content = response.read()
        took = time.perf_counter() - started
        if response.status != 200:
            raise SystemExit(f"classify answered {response.status}: {content.decode()}")
        return took

    return call


def over_grpc(system: LocalSystem, token: str, seed: int) -> Call:
    """The service itself, without the gateway."""
    chance = random.Random(seed)
    stub = CategorizationServiceStub(grpc.insecure_channel(f"{LOOPBACK}:{system.ports.service('categorization')}"))
    metadata = (("authorization", f"Bearer {token}"),)

    def call() -> float:
        one = payment(chance)
        units, _, cents = one["amount"].lstrip("-").partition(".")
        request = pb.ClassifyRequest(input=pb.ClassifyInput(description=one["description"]))
        request.input.amount.currency_code = "EUR"
        request.input.amount.units, request.input.amount.nanos = -int(units), -int(cents) * 10_000_000
        started = time.perf_counter()
        stub.Classify(request, metadata=metadata, timeout=10)
        return time.perf_counter() - started

    return call


def figures(seconds: list[float]) -> dict[str, float]:
    """Median and 95th percentile, in milliseconds."""
    return {
        "p50_ms": round(statistics.median(seconds) * 1000, 2),
        "p95_ms": round(statistics.quantiles(seconds, n=20)[-1] * 1000, 2),
    }


def at_once(calls: list[Call], each: int) -> dict[str, float]:
    """Every one from a thread of its own."""
    started = time.perf_counter()
    with ThreadPoolExecutor(len(calls)) as threads:
        taken = list(threads.map(lambda call: [call() for _ in range(each)], calls))
    rate = len(calls) * each / (time.perf_counter() - started)
    return figures([one for several in taken for one in several]) | {"calls_per_second": round(rate)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=2000)
    options = parser.parse_args()
    with running_system() as system:
        token = token_for(system, new_user())
        prepare(system, token)
        rest, wire = through_gateway(system, token, 1), over_grpc(system, token, 2)
        for _ in range(WARM_UP):
            rest(), wire()
        alone: list[float] = []
        wired: list[float] = []
        for _ in range(options.calls):
            alone.append(rest())
            wired.append(wire())
        note(f"one at a time: {figures(alone)}, over gRPC {figures(wired)}")
        many = at_once([through_gateway(system, token, 10 + number) for number in range(CONNECTIONS)], options.calls // CONNECTIONS)
        model = httpx.get(
            f"{system.gateway_url}/api/v1/classify/model", headers={"Authorization": f"Bearer {token}"}, trust_env=False
        ).json()
    result = {
        "benchmark": "classify",
        **figures(alone),
        "grpc": figures(wired),
        f"connections_{CONNECTIONS}": many,
        "wanted_p95_ms": WANTED_P95_MS,
        "met": figures(alone)["p95_ms"] < WANTED_P95_MS,
        "rules": RULES,
        "corrections": CORRECTIONS,
        "model_version": model["version"],
        "degraded": model["degraded"],
        "cores": os.cpu_count(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
