"""Events on a real Redis: order, taking up again, waiting, the end that no reader misses; and work that goes on without Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from redis import Redis
from structlog.testing import capture_logs

from services.kit import events
from services.kit.errors import Unavailable
from services.kit.events import KEPT_EVENTS, LIFETIME_S, EventLog
from services.local import LocalSystem
from tests.support.gateway_app import RedisProcess
from tests.support.ports import free_port


@pytest.fixture
async def log(servers: LocalSystem) -> AsyncIterator[EventLog]:
    made = EventLog(servers.redis_url)
    yield made
    await made.close()


@pytest.fixture
def key() -> str:
    return f"probe:{uuid4()}"


async def test_events_are_read_in_order_and_taken_up_again(log: EventLog, key: str) -> None:
    for number in range(3):
        await log.publish(key, {"rows": number, "text": "é"})
    await log.publish(key, {"rows": 3}, final=True)
    found = await log.read(key, after="", wait_s=0)
    assert [(event.payload["rows"], event.final) for event in found] == [(0, False), (1, False), (2, False), (3, True)]
    assert found[0].payload["text"] == "é"
    assert await log.read(key, after=found[1].id, wait_s=0) == found[2:]
    assert await log.read(key, after=found[-1].id, wait_s=0) == []


async def test_what_is_forgotten_is_gone(log: EventLog, key: str) -> None:
    for name in (key, f"{key}0"):
        await log.publish(name, {"rows": 1})
    await log.forget([key, *(f"{key}:{number}" for number in range(1500))])
    await log.forget([])
    assert await log.read(key, after="", wait_s=0) == []
    assert len(await log.read(f"{key}0", after="", wait_s=0)) == 1


async def test_keys_are_apart(log: EventLog, key: str) -> None:
    await log.publish(key, {"mine": True})
    assert await log.read(f"{key}0", after="", wait_s=0) == []


async def test_waiting_ends_with_the_next_event(log: EventLog, key: str) -> None:
    async def publish_later() -> None:
        await asyncio.sleep(0.15)
        await log.publish(key, {"rows": 1})

    started = time.monotonic()
    (event,), _ = await asyncio.gather(log.read(key, after="", wait_s=10), publish_later())
    assert 0.1 < time.monotonic() - started < 2
    assert event.payload == {"rows": 1}
    assert await log.read(key, after=event.id, wait_s=0.05) == []


@pytest.mark.parametrize("after", ["x", "1-2-3", "-1", "1" * 30, "0-0\r\nDEL x", "９", "$", ">"])
async def test_an_id_that_is_none_reads_from_the_start(log: EventLog, key: str, after: str) -> None:
    """It comes from a header that anybody may write."""
    await log.publish(key, {"rows": 1})
    assert len(await log.read(key, after=after, wait_s=0)) == 1


async def test_a_slow_reader_loses_the_oldest_never_the_last(log: EventLog, key: str, servers: LocalSystem) -> None:
    for number in range(KEPT_EVENTS * 3):
        await log.publish(key, {"rows": number})
    await log.publish(key, {"rows": "all"}, final=True)
    with Redis.from_url(servers.redis_url) as redis:
        assert KEPT_EVENTS <= redis.xlen(f"events:{key}") < KEPT_EVENTS * 2
        assert LIFETIME_S - 10 < redis.ttl(f"events:{key}") <= LIFETIME_S
    seen, last = [], "0"
    while page := await log.read(key, after=last, wait_s=0):
        seen += [event.payload["rows"] for event in page]
        last = page[-1].id
    assert seen[-1] == "all"
    assert seen[:-1] == list(range(KEPT_EVENTS * 3))[-len(seen) + 1 :]


async def test_a_reader_that_gives_up_leaves_nothing_behind(log: EventLog, key: str) -> None:
    for _ in range(5):
        waiting = asyncio.create_task(log.read(key, after="", wait_s=30))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await log.publish(key, {"rows": 1})
    assert len(await log.read(key, after="", wait_s=1)) == 1


async def test_more_readers_than_connections_are_refused_at_once(servers: LocalSystem, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_MAX_READERS", 2)
    log = EventLog(servers.redis_url)
    readers = [asyncio.create_task(log.read(key, after="", wait_s=0.5)) for _ in range(2)]
    await asyncio.sleep(0.1)
    with pytest.raises(Unavailable):
        await log.read(key, after="", wait_s=0.5)
    assert await asyncio.gather(*readers) == [[], []]
    await log.close()


# Without Redis


@pytest.fixture
def redis() -> Iterator[RedisProcess]:
    process = RedisProcess()
    process.start()
    yield process
    process.kill()


async def test_redis_goes_and_comes_back(redis: RedisProcess, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PAUSE_S", 0.2)
    log = EventLog(redis.url)
    await log.publish(key, {"rows": 1})
    waiting = asyncio.create_task(log.read(key, after="9999999999999", wait_s=30))
    await asyncio.sleep(0.05)
    redis.kill()
    with pytest.raises(Unavailable) as caught:
        await waiting
    assert (caught.value.reason, caught.value.retry_after_s) == ("EVENTS_UNAVAILABLE", 1)
    with capture_logs() as lines:
        for number in range(5):
            await log.publish(key, {"rows": number})
        await log.publish(key, {"rows": 5}, final=True)
    assert [line["event"] for line in lines] == ["events cannot be published"]
    redis.start()
    await log.publish(key, {"rows": 6}, final=True)  # a last word is tried whatever happened before
    assert [event.payload["rows"] for event in await log.read(key, after="", wait_s=0)] == [6]
    await log.close()


async def test_a_restart_between_two_events_is_not_noticed(redis: RedisProcess, key: str) -> None:
    """Connections that were closed meanwhile are not used: no event is lost, and nothing is silent for seconds."""
    log = EventLog(redis.url)
    readers = [asyncio.create_task(log.read(key, after="", wait_s=0.2)) for _ in range(3)]
    await asyncio.gather(*readers)
    redis.kill()
    redis.start()
    await asyncio.sleep(0.1)
    with capture_logs() as lines:
        for number in range(3):
            await log.publish(key, {"rows": number})
    assert [event.payload["rows"] for event in await log.read(key, after="", wait_s=0)] == [0, 1, 2]
    assert lines == []
    await log.close()


async def test_nobody_waits_for_a_redis_that_never_was() -> None:
    log = EventLog(f"redis://127.0.0.1:{free_port()}/0")
    started = time.monotonic()
    await log.publish("probe", {})
    with pytest.raises(Unavailable):
        await log.read("probe", after="", wait_s=5)
    assert time.monotonic() - started < 1
    await log.close()
