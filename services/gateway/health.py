"""Liveness and readiness, each under every name that somebody looks for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import orjson
from fastapi import APIRouter, Request
from grpc_health.v1 import health_pb2, health_pb2_grpc
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.responses import Response

from services.gateway.answers import json_answer
from services.gateway.errors import Problem, problem_response
from services.gateway.problems import NOT_READY
from services.gateway.rungs import degradations
from services.gateway.schemas import health as schemas
from services.gateway.upstreams import ACCOUNTS, CATEGORIZATION, FORECASTING, INGESTION, ROUNDS, TRAINING, Upstreams
from services.kit.client import ServiceClient
from services.kit.presence import at_work
from services.kit.server import FIGURES_KEY

router = APIRouter()

_TIMEOUT_S = 1.0
_KEEP_S = 0.5
# Among a service's figures: what answers, where that is a model or what stands in for it.
_MODEL = "model"
# Services whose work in the background somebody takes, or not.
_WITH_WORKERS = ("accounts", "ingestion", "categorization", "forecasting", "training", "federation")

Report = dict[str, Any]


class NotWell(Exception):
    """A dependency that answered, but not well; or did not answer. The text is shown to everybody: no addresses in it."""

    def __init__(self, message: str, figures: Report | None = None) -> None:
        super().__init__(message)
        self.figures = figures


@dataclass
class Readiness:
    """Asks every dependency at once, at most twice a second however often somebody asks us, and never longer than a second."""

    upstreams: Upstreams
    slow_redis_s: float
    """Nobody waits longer for Redis."""
    _answer: Report = field(default_factory=dict)
    _asked_at: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def report(self) -> Report:
        """The body of the readiness answer."""
        async with self._lock:
            if time.monotonic() - self._asked_at > _KEEP_S:
                workers: dict[str, bool] = {}
                checks = {
                    "redis": _check(lambda: _ask_redis(self.upstreams.redis, workers)),
                    **self._own_cache(),
                    "accounts": _check(lambda: _ask_service(self.upstreams.accounts, ACCOUNTS)),
                    "ingestion": _check(lambda: _ask_service(self.upstreams.ingestion, INGESTION)),
                    "categorization": _check(lambda: _ask_service(self.upstreams.categorization, CATEGORIZATION)),
                    "forecasting": _check(lambda: _ask_service(self.upstreams.forecasting, FORECASTING)),
                    "training": _check(lambda: _ask_service(self.upstreams.training, TRAINING)),
                    "federation": _check(lambda: _ask_service(self.upstreams.rounds, ROUNDS)),
                }
                dependencies = dict(zip(checks, await asyncio.gather(*checks.values()), strict=True))
                for service, works in workers.items():
                    dependencies[service]["worker"] = "up" if works else "down"
                found = degradations(dependencies, slow_redis_s=self.slow_redis_s)
                self._answer = {
                    "state": _state(dependencies),
                    "rung": found[0].rung if found else "full",
                    "degradations": [one.told for one in found],
                    "dependencies": dependencies,
                }
                self._asked_at = time.monotonic()
            return self._answer

    def _own_cache(self) -> dict[str, Coroutine[Any, Any, Report]]:
        cache = self.upstreams.cache
        return {} if cache is self.upstreams.redis else {"cache": _check(lambda: _ask_redis(cache, {}))}


def _state(dependencies: dict[str, Report]) -> str:
    down = {name for name, report in dependencies.items() if report["status"] == "down"}
    if not down:
        return "ready"
    return "unavailable" if "accounts" in down else "degraded"


async def _check(ask: Callable[[], Awaitable[Report | None]]) -> Report:
    started = time.perf_counter()
    error, figures = None, None
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            figures = await ask()
    except NotWell as problem:
        error, figures = str(problem), problem.figures
    except TimeoutError:
        error = f"no answer within {_TIMEOUT_S:g} s"
    report: Report = {"status": "down" if error else "up", "latency_ms": round((time.perf_counter() - started) * 1000, 2)}
    if error:
        report["error"] = error
    if figures is not None:
        if _MODEL in figures:
            report[_MODEL] = figures.pop(_MODEL)
        report["database"] = figures
    return report


async def _ask_redis(redis: Redis | None, workers: dict[str, bool]) -> None:
    """Fills in which services' workers take tasks: one command that says both."""
    if redis is None:
        raise NotWell("not configured: set SCALE_REDIS_URL")
    try:
        found = await at_work(redis, [f"{service}-worker" for service in _WITH_WORKERS])
    except (RedisError, OSError) as error:
        raise NotWell("no answer") from error
    workers.update(zip(_WITH_WORKERS, found.values(), strict=True))


async def _ask_service(client: ServiceClient, service: str) -> Report | None:
    with client.channel.lent() as opened:
        stub = health_pb2_grpc.HealthStub(opened.channel)
        call = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=_TIMEOUT_S)
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            raise NotWell("no answer" if error.code() is grpc.StatusCode.UNAVAILABLE else error.code().name) from error
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    figures: Report | None = None
    for key, value in await call.trailing_metadata() or ():
        if key == FIGURES_KEY:
            figures = {"ok": serving, **orjson.loads(value)}
    if not serving:
        raise NotWell("its database does not answer" if figures else "not serving", figures)
    return figures


async def health(request: Request) -> Response:
    """The process runs. Says nothing about anything else, so that a restart is never the answer to somebody else's outage."""
    return json_answer(request, {"status": "ok"})


async def ready(request: Request) -> Response:
    """Whether everything that the gateway needs is up: 503 with the details when something is not.

    Without Redis requests are still answered, counted per process; do not take the process out of service because of this answer. `rung`
    says how far down the ladder of degradation the system stands, and `degradations` what that means for whoever calls; work in the
    background that waits, and caches that are too slow, are no reason for a 503.
    """
    readiness: Readiness = request.app.state.readiness
    report = await readiness.report()
    if report["state"] == "ready":
        return json_answer(request, report)
    down = [name for name, found in report["dependencies"].items() if found["status"] == "down"]
    problem = Problem(503, "NOT_READY", f"Down: {', '.join(down)}.", headers={"Retry-After": "1"}, extensions=report)
    return problem_response(request.scope, problem)


for _path, _suffix in (("/health", ""), ("/api/v1/health", "_alias")):
    router.get(_path, tags=["health"], operation_id=f"health{_suffix}", response_model=schemas.Health)(health)
for _path, _suffix in (("/ready", ""), ("/health/ready", "_alias"), ("/api/v1/health/ready", "_api_alias")):
    router.get(_path, tags=["health"], operation_id=f"ready{_suffix}", response_model=schemas.Readiness, responses=NOT_READY)(ready)
