"""Answers kept in Redis: who gets them, for how long, when they go, and that nothing depends on Redis."""

from __future__ import annotations

import asyncio
import enum
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from redis import Redis
from structlog.testing import capture_logs

from services.kit import cache
from services.kit.cache import LIFETIME_S, MAX_ANSWERS, Cache, digest
from services.kit.redis import pseudonym
from services.local import LocalSystem
from tests.support.gateway_app import RedisProcess
from tests.support.ports import free_port

KEY = b"a key of these tests"


class Kind(enum.StrEnum):
    GOOD = "good"


class Point(NamedTuple):
    day: date
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Answer:
    """Of every type that our answers have."""

    id: UUID
    points: tuple[Point, ...]
    made_at: datetime | None
    kind: Kind
    text: str


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Asked:
    """A function, and how often it really ran."""

    def __init__(self, own: Cache, *, ttl_s: float = LIFETIME_S, keep: Callable[[Answer], bool] | None = None) -> None:
        self.count = 0

        @own.cached(ttl_s=ttl_s, keep=keep)
        async def ask(user_id: UUID, text: str, *, day: date | None = None) -> Answer:
            self.count += 1
            points = (Point(date(2026, 1, 31), Decimal("922337203685477.5807")), Point(date.max, Decimal("-0.0001")))
            return Answer(user_id, points, datetime(2026, 1, 1, 12, 0, 0, 123456, UTC), Kind.GOOD, text)

        self.ask = ask


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def own(servers: LocalSystem, clock: Clock) -> AsyncIterator[Cache]:
    made = Cache(servers.redis_url, name="probe", key=KEY, clock=clock)
    yield made
    await made.close()


async def test_an_answer_comes_back_as_it_was(own: Cache, user_id: UUID) -> None:
    asked = Asked(own)
    first = await asked.ask(user_id, "ß\n", day=date(2026, 2, 1))
    assert await asked.ask(user_id, "ß\n", day=date(2026, 2, 1)) == first
    assert asked.count == 1
    assert isinstance(first.points[0], Point)


@pytest.mark.requirement("CACHE-09")
async def test_other_arguments_another_user_and_another_function_have_answers_of_their_own(
    own: Cache, user_id: UUID, other_user_id: UUID
) -> None:
    asked = Asked(own)

    @own.cached()
    async def another(user_id: UUID, text: str, *, day: date | None = None) -> str:
        return "another"

    for user in (user_id, other_user_id):
        for text in ("a", "b"):
            for day in (None, date(2026, 1, 1)):
                answer = await asked.ask(user, text, day=day)
                assert (answer.id, answer.text) == (user, text)
                assert await another(user, text, day=day) == "another"
    assert asked.count == 8


async def test_a_drop_takes_all_of_one_user_and_nothing_else(own: Cache, user_id: UUID, other_user_id: UUID) -> None:
    asked = Asked(own)
    for user in (user_id, other_user_id):
        await asked.ask(user, "a")
        await asked.ask(user, "b")
    await own.drop(user_id)
    await asked.ask(user_id, "a")
    await asked.ask(user_id, "b")
    await asked.ask(other_user_id, "a")
    assert asked.count == 6
    await own.drop_all([user_id, other_user_id])
    await asked.ask(other_user_id, "a")
    assert asked.count == 7


async def test_what_was_computed_before_a_drop_and_comes_after_it_is_no_answer(own: Cache, user_id: UUID) -> None:
    data, going, go = ["old"], asyncio.Event(), asyncio.Event()

    @own.cached()
    async def ask(user_id: UUID) -> str:
        found = data[0]
        going.set()
        await go.wait()
        return found

    late = asyncio.create_task(ask(user_id))
    await going.wait()
    data[0] = "new"
    await own.drop(user_id)
    go.set()
    assert await late == "old"
    assert await ask(user_id) == "new"


@pytest.mark.requirement("CACHE-09")
async def test_an_answer_ends_after_its_time(own: Cache, clock: Clock, servers: LocalSystem, user_id: UUID) -> None:
    short, long = Asked(own, ttl_s=1800), Asked(own)
    for asked in (short, long):
        await asked.ask(user_id, str(id(asked)))
    clock.now += 1799
    for asked in (short, long):
        await asked.ask(user_id, str(id(asked)))
    assert (short.count, long.count) == (1, 1)
    clock.now += 2
    for asked in (short, long):
        await asked.ask(user_id, str(id(asked)))
    assert (short.count, long.count) == (2, 1)
    clock.now += 1800
    await long.ask(user_id, str(id(long)))
    assert long.count == 2
    with Redis.from_url(servers.redis_url) as redis:
        assert LIFETIME_S - 60 < redis.ttl(f"cache:probe:{pseudonym(str(user_id), KEY)}") <= LIFETIME_S
    with pytest.raises(ValueError, match="at most 3600 s"):
        own.cached(ttl_s=LIFETIME_S + 1)


async def test_only_what_is_worth_it_is_kept(own: Cache, user_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    picky = Asked(own, keep=lambda answer: answer.text == "good")
    for text in ("good", "good", "bad", "bad"):
        await picky.ask(user_id, text)
    assert picky.count == 3
    monkeypatch.setattr(cache, "MAX_ANSWER_BYTES", 10)
    asked = Asked(own)
    for _ in range(2):
        await asked.ask(user_id, "large")
    assert asked.count == 2


async def test_a_user_who_asks_for_everything_fills_no_memory(own: Cache, servers: LocalSystem, user_id: UUID) -> None:
    asked = Asked(own)
    with Redis.from_url(servers.redis_url) as redis:
        for number in range(MAX_ANSWERS + 50):
            await asked.ask(user_id, str(number))
            if number % 50 == 0:
                assert redis.hlen(f"cache:probe:{pseudonym(str(user_id), KEY)}") <= MAX_ANSWERS + 1


async def test_no_users_id_lies_in_a_key(own: Cache, servers: LocalSystem, user_id: UUID) -> None:
    @own.cached()
    async def ask(user_id: UUID) -> int:
        return 1

    await ask(user_id)
    with Redis.from_url(servers.redis_url) as redis:
        assert not [key for key in redis.scan_iter() if str(user_id).encode() in key or user_id.hex.encode() in key]
        before = redis.hkeys(f"cache:probe:{pseudonym(str(user_id), KEY)}")
        assert len(before) == 1
        await own.drop(user_id)
        assert redis.hkeys(f"cache:probe:{pseudonym(str(user_id), KEY)}") == [b"generation"]


@pytest.mark.requirement("DB-35")
async def test_an_answer_of_another_form_is_asked_again(own: Cache, user_id: UUID) -> None:
    async def earlier(user_id: UUID) -> str:
        return "text"

    async def later(user_id: UUID) -> int:
        return 7

    later.__qualname__ = earlier.__qualname__  # as after an upgrade
    assert await own.cached()(earlier)(user_id) == "text"
    assert await own.cached()(later)(user_id) == 7


@pytest.mark.requirement("CACHE-09", "CACHE-10")
async def test_without_redis_functions_run(user_id: UUID) -> None:
    none, absent = Cache(None, name="probe"), Cache(f"redis://127.0.0.1:{free_port()}", name="probe")
    for away in (none, absent):
        asked = Asked(away)
        started = time.monotonic()
        with capture_logs() as logs:
            for _ in range(20):
                assert (await asked.ask(user_id, "a")).text == "a"
            await away.drop(user_id)
        assert asked.count == 20
        # Found out once, not with every call.
        assert time.monotonic() - started < 2
        assert len(logs) == (away is absent)
        await away.close()


@pytest.mark.requirement("CACHE-10")
async def test_a_redis_that_hangs_costs_a_moment_once(user_id: UUID) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    hanging = Cache(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", name="probe")
    asked = Asked(hanging)
    started = time.monotonic()
    for _ in range(20):
        await asked.ask(user_id, "a")
    assert asked.count == 20
    assert time.monotonic() - started < 2
    await hanging.close()
    server.close()


async def test_a_drop_that_redis_missed_is_made_up_for(user_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_PAUSE_S", 0.05)
    monkeypatch.setattr(cache, "_TIMEOUT_S", 2.0)  # a loaded machine is slow, not away
    redis = RedisProcess()
    redis.start()
    own = Cache(redis.url, name="probe")
    asked = Asked(own)
    try:
        await asked.ask(user_id, "a")
        place = own._place(user_id)
        with Redis.from_url(redis.url) as client:
            kept = client.hgetall(place)
        redis.kill()
        await own.drop(user_id)
        redis.start()
        with Redis.from_url(redis.url) as client:
            client.hset(place, mapping=kept)
        await asyncio.sleep(0.1)
        await asked.ask(user_id, "a")
        assert asked.count == 2
        await asked.ask(user_id, "a")
        assert asked.count == 2
    finally:
        redis.kill()
        await own.close()


ARGUMENTS = """
import enum, uuid, datetime, decimal, dataclasses
from services.kit.cache import digest

class Kind(enum.StrEnum):
    GOOD = "good"

@dataclasses.dataclass
class Filters:
    day: datetime.date
    amount: decimal.Decimal
    slugs: frozenset
    user: uuid.UUID
    kind: Kind

found = Filters(datetime.date(2026, 1, 2), decimal.Decimal("1.50"), frozenset(map(str, range(20))), uuid.UUID(int=7), Kind.GOOD)
print(digest(((found, None, 3, "ä"), {"b": True, "a": {"z": 1, "y": 2}})))
"""


@pytest.mark.requirement("CACHE-09")
def test_equal_arguments_have_one_digest_in_every_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", ARGUMENTS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


def test_the_digest_tells_arguments_apart() -> None:
    different = [((), {}), (("a",), {}), (("a", None), {}), ((), {"text": "a"}), (("a", date(2026, 1, 1)), {}), (({"a"},), {})]
    assert len({digest(one) for one in different}) == len(different)
    assert digest(({"b", "a", "c"},)) == digest(({"c", "b", "a"},))
    assert digest((Point(date.min, Decimal("1.0")),)) != digest((Point(date.min, Decimal("1.00")),))
    with pytest.raises(TypeError):
        digest((object(),))


def test_the_key_hides_the_user() -> None:
    user = str(uuid4())
    assert len({pseudonym(user), pseudonym(user, b"one"), pseudonym(user, b"two" * 100), pseudonym(str(uuid4()), b"one")}) == 4
    assert pseudonym(user, b"one") == pseudonym(user, b"one")
