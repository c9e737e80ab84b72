"""Messages about jobs, on a real Redis."""

from __future__ import annotations

from uuid import UUID

import uuid_utils.compat

from services.forecasting import tasks
from services.forecasting.jobs.domain import JobKind
from services.forecasting.jobs.queue import QUEUE, TASKS, RedisJobQueue
from services.kit.queue import TaskQueue
from tests.support.gateway_app import RedisProcess


async def test_one_message_of_medium_priority_or_behind_all(own_redis: RedisProcess, user_id: UUID, other_user_id: UUID) -> None:
    queue, listening = RedisJobQueue(own_redis.url), TaskQueue(own_redis.url, services=["forecasting", "probe"])
    await listening.enqueue("probe.classify", [str(user_id)], queue="inference-probe")
    for kind in JobKind:
        await queue.enqueue(user_id, uuid_utils.compat.uuid7(), kind)
    await queue.enqueue(other_user_id, uuid_utils.compat.uuid7(), JobKind.SCAN, behind=True)
    assert [await listening._redis.llen(name) for name in (QUEUE, f"{QUEUE}:3", f"{QUEUE}:9")] == [0, 2, 1]
    assert await queue.length() == 3
    await queue.discard(user_id)
    assert await queue.length() == 1
    assert await listening.length("inference-probe") == 1, "what waits for other models is none of ours"
    await queue.close()
    await listening.close()


def test_every_kind_has_its_task() -> None:
    assert set(TASKS) == set(JobKind)
    assert {TASKS[JobKind.FORECAST], TASKS[JobKind.SCAN]} == {tasks.make_forecast.name, tasks.scan_ledger.name}
