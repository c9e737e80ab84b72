"""How long it takes to ask where a training job stands: from its copy in Redis, and beside it in the same run from PostgreSQL.

    python -m benchmarks.training_status [--reads 1000]

One job that waits, in a whole system without workers. Asked three ways, a read from the copy and one without it in turn: through the
service's own code, which is the read itself; over gRPC; and through REST. Beside the last two stands what their way costs without any read
(the service refuses a page token), and `net_ratio` is of what is left of both without it: the read again. Only a machine that does nothing
else gives figures worth reporting.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import httpx
from redis.asyncio import Redis

from benchmarks.running import new_user, note, running_system, token_for
from scale.training.v1 import training_service_pb2 as pb
from scale.training.v1.training_service_pb2_grpc import TrainingServiceStub
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local.home import LOOPBACK
from services.local.system import LocalSystem
from services.training.domain import Caller
from services.training.repository import PostgresJobsRepository
from services.training.service import TrainingService
from services.training.status_cache import StatusCache

SERVICES = ("accounts", "categorization", "federation", "forecasting", "ingestion", "training", "gateway")
"""No worker: the job waits for as long as it is asked for."""
WARM_UP = 50
WANTED_RATIO = 0.25
WANTED_CACHED_MS = 5
WANTED_UNCACHED_MS = 50
_NO_TOKEN = "none"

Read = Callable[[], Awaitable[Any]]


def start_job(system: LocalSystem, token: str) -> UUID:
    """One, through REST."""
    url = f"{system.gateway_url}/api/v1/training/jobs"
    answer = httpx.post(url, json={"model": "categorizer"}, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    answer.raise_for_status()
    return UUID(answer.json()["job_id"])


async def measure(redis: Redis, job_id: UUID, reads: int, read: Read, nothing: Read | None = None) -> dict[str, float]:
    """Cached, uncached and, where the way there costs something, nothing read at all, in turn."""
    cached: list[float] = []
    uncached: list[float] = []
    way: list[float] = []
    for number in range(WARM_UP + reads):
        # The one before has put the copy there anew: it is believed for five seconds.
        await redis.delete(f"job:{job_id}")
        uncached.append(await _timed(read))
        cached.append(await _timed(read))
        if nothing is not None:
            way.append(await _timed(nothing))
        if number < WARM_UP:
            for several in (uncached, cached, way):
                several.clear()
    found = {**_figures("cached", cached), **_figures("uncached", uncached)}
    found["ratio"] = round(statistics.median(cached) / statistics.median(uncached), 3)
    if way:
        lost = statistics.median(way)
        found["way_p50_ms"] = round(lost * 1000, 3)
        found["net_ratio"] = round((statistics.median(cached) - lost) / (statistics.median(uncached) - lost), 3)
    return found


async def _timed(read: Read) -> float:
    started = time.perf_counter()
    await read()
    return time.perf_counter() - started


def _figures(name: str, seconds: list[float]) -> dict[str, float]:
    p95 = statistics.quantiles(seconds, n=20)[-1]
    return {f"{name}_p50_ms": round(statistics.median(seconds) * 1000, 3), f"{name}_p95_ms": round(p95 * 1000, 3)}


async def read_itself(system: LocalSystem, redis: Redis, user_id: UUID, job_id: UUID, reads: int) -> dict[str, float]:
    """The service's own code, in this process."""
    database = Database(system.service_url("training"), DatabaseSettings())
    statuses = StatusCache(system.redis_url)
    service = TrainingService(
        PostgresJobsRepository(database), None, lock=None, events=None, statuses=statuses, max_queued=1, message_lease_s=60
    )
    await database.open()
    try:
        return await measure(redis, job_id, reads, lambda: service.get_training_job(Caller(user_id), job_id))
    finally:
        await statuses.close()
        await database.close()


async def over_grpc(system: LocalSystem, redis: Redis, token: str, job_id: UUID, reads: int) -> dict[str, float]:
    """The service in its process."""
    metadata = (("authorization", f"Bearer {token}"),)
    async with grpc.aio.insecure_channel(f"{LOOPBACK}:{system.ports.service('training')}") as channel:
        stub = TrainingServiceStub(channel)

        async def read() -> None:
            await stub.GetTrainingJob(pb.GetTrainingJobRequest(job_id=str(job_id)), metadata=metadata, timeout=10)

        async def nothing() -> None:
            try:
                await stub.ListTrainingJobs(pb.ListTrainingJobsRequest(page_token=_NO_TOKEN), metadata=metadata, timeout=10)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
                    raise

        return await measure(redis, job_id, reads, read, nothing)


async def through_rest(system: LocalSystem, redis: Redis, token: str, job_id: UUID, reads: int) -> dict[str, float]:
    """The gateway before it, over one connection that is kept open."""
    connection = http.client.HTTPConnection(LOOPBACK, int(system.gateway_url.rpartition(":")[2]))
    headers = {"Authorization": f"Bearer {token}"}

    async def ask(path: str, wanted: int) -> None:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != wanted:
            raise SystemExit(f"{path} answered {response.status}: {content.decode()}")

    try:
        return await measure(
            redis,
            job_id,
            reads,
            lambda: ask(f"/api/v1/training/status/{job_id}", 200),
            lambda: ask(f"/api/v1/training/jobs?page_token={_NO_TOKEN}", 422),
        )
    finally:
        connection.close()


async def run(system: LocalSystem, reads: int) -> dict[str, Any]:
    """All three."""
    user_id = new_user()
    token = token_for(system, user_id)
    job_id = start_job(system, token)
    redis: Redis = Redis.from_url(system.redis_url)
    try:
        found: dict[str, Any] = {}
        for name, measured in (
            ("read", read_itself(system, redis, user_id, job_id, reads)),
            ("grpc", over_grpc(system, redis, token, job_id, reads)),
            ("rest", through_rest(system, redis, token, job_id, reads)),
        ):
            found[name] = await measured
            note(f"{name}: {found[name]}")
        return found
    finally:
        await redis.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reads", type=int, default=1000)
    options = parser.parse_args()
    with running_system(SERVICES) as system:
        found = asyncio.run(run(system, options.reads))
    met = (
        found["read"]["ratio"] < WANTED_RATIO
        and found["rest"]["cached_p95_ms"] < WANTED_CACHED_MS
        and found["rest"]["uncached_p95_ms"] < WANTED_UNCACHED_MS
    )
    wanted = {"ratio": WANTED_RATIO, "cached_ms": WANTED_CACHED_MS, "uncached_ms": WANTED_UNCACHED_MS}
    print(json.dumps({"benchmark": "training_status", **found, "wanted": wanted, "met": met, "cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
