"""Answers kept in Redis for a while, apart for each user: a decorator for async functions whose first argument is the user's id.

All that is kept of a user is one hash, so that one command reads an answer and one drops all of them. Without Redis, and whenever it fails
or is slow, functions simply run.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol, TypeVar, cast, get_type_hints
from uuid import UUID

import orjson
import structlog
from pydantic import TypeAdapter, ValidationError

from services.kit.errors import Unavailable
from services.kit.redis import connect_redis, pseudonym, within
from services.kit.telemetry import CACHE_READS

log = structlog.get_logger()

Function = TypeVar("Function", bound=Callable[..., Awaitable[Any]])

LIFETIME_S = 3600.0
"""Seconds that an answer is kept, unless its function says otherwise; at most."""
MAX_ANSWERS = 200
"""Of one user; with more, all are dropped."""
MAX_ANSWER_BYTES = 512 * 1024
"""A larger one is not kept."""
_TIMEOUT_S = 0.2
_PAUSE_S = 5.0
_MAX_OWED = 100_000
_USERS_AT_ONCE = 500
# The field that changes with each drop: what was computed from before it and comes late is no answer any more.
_GENERATION = b"generation"


class Decorator(Protocol):
    """Takes and gives an async function whose first argument is the user's id, by position."""

    def __call__(self, function: Function, /) -> Function: ...


class Cache:
    """The answers of one service. `key` hides the users' ids; all processes of the service have the same."""

    def __init__(self, cache_url: str | None, *, name: str, key: bytes = b"", clock: Callable[[], float] = time.time) -> None:
        self._redis = connect_redis(cache_url) if cache_url else None
        self._name = name
        self._key = key
        self._clock = clock
        self._paused_until = 0.0
        self._owed: set[str] = set()

    def cached(self, *, ttl_s: float = LIFETIME_S, keep: Callable[[Any], bool] | None = None) -> Decorator:
        """Keeps what the function answers for `ttl_s` seconds, or until the user's answers are dropped; only what `keep` says yes to. The
        answer's type, as annotated, must survive JSON; arguments are plain values, dataclasses, enums, dates, decimals and ids."""
        if not 0 < ttl_s <= LIFETIME_S:
            raise ValueError(f"an answer is kept for at most {LIFETIME_S:g} s")

        def decorate(function: Function, /) -> Function:
            name = f"{function.__module__}.{function.__qualname__}"
            adapter: TypeAdapter[Any] = TypeAdapter(get_type_hints(function)["return"])
            reads = functools.partial(CACHE_READS.labels, function.__qualname__)

            @functools.wraps(function)
            async def answer(user_id: UUID, /, *args: Any, **kwargs: Any) -> Any:
                if self._redis is None:
                    return await function(user_id, *args, **kwargs)
                place = self._place(user_id)
                field = f"{name}:{digest((args, kwargs))}"
                found = await self._read(place, field)
                if found is None:  # Redis is away
                    reads("unavailable").inc()
                    return await function(user_id, *args, **kwargs)
                generation, kept = found
                if kept is not None:
                    try:
                        result = adapter.validate_json(kept)
                    except ValidationError:  # of a version with another type
                        log.info("a kept answer is of another form", function=name)
                    else:
                        reads("hit").inc()
                        return result
                reads("miss").inc()
                result = await function(user_id, *args, **kwargs)
                if keep is None or keep(result):
                    await self._keep(place, field, generation, ttl_s, adapter.dump_json(result, fallback=str))
                return result

            return cast("Function", answer)

        return decorate

    async def drop(self, user_id: UUID) -> None:
        """Drops all that is kept of a user. If Redis fails, this process does so before it reads any of it again."""
        await self.drop_all([user_id])

    async def drop_all(self, user_ids: Collection[UUID]) -> None:
        """The same for many."""
        if self._redis is None:
            return
        places = [self._place(user_id) for user_id in user_ids]
        for start in range(0, len(places), _USERS_AT_ONCE):
            await self._drop(places[start : start + _USERS_AT_ONCE])

    async def close(self) -> None:
        """Closes all connections."""
        if self._redis is not None:
            await self._redis.aclose()

    def _place(self, user_id: UUID) -> str:
        return f"cache:{self._name}:{pseudonym(str(user_id), self._key)}"

    async def _read(self, place: str, field: str) -> tuple[bytes, bytes | None] | None:
        """The user's generation, and the answer if a good one is kept; None when Redis does not say."""
        if place in self._owed:
            await self._drop([place])
            if place in self._owed:
                return None
        found = await self._ask(lambda redis: redis.hmget(place, [_GENERATION, field]))
        if found is None:
            return None
        generation, kept = found[0] or b"", found[1]
        if kept is None:
            return generation, None
        head, _, answer = kept.partition(b"\n")
        made_in, _, until = head.partition(b" ")
        return generation, answer if made_in == generation and float(until) > self._clock() else None

    async def _keep(self, place: str, field: str, generation: bytes, ttl_s: float, answer: bytes) -> None:
        if len(answer) > MAX_ANSWER_BYTES:
            return
        kept = b"%s %.3f\n%s" % (generation, self._clock() + ttl_s, answer)

        async def write(redis: Any) -> Any:
            async with redis.pipeline(transaction=True) as pipeline:
                pipeline.hset(place, field, kept)
                pipeline.expire(place, int(LIFETIME_S))
                pipeline.hlen(place)
                return await pipeline.execute()

        done = await self._ask(write)
        if done is not None and done[-1] > MAX_ANSWERS:
            await self._drop([place])

    async def _drop(self, places: Collection[str]) -> None:
        async def write(redis: Any) -> Any:
            async with redis.pipeline(transaction=True) as pipeline:
                for place in places:
                    pipeline.unlink(place)
                    pipeline.hset(place, _GENERATION, secrets.token_hex(8))
                    pipeline.expire(place, int(LIFETIME_S))
                return await pipeline.execute()

        # Owed before it is tried: a read meanwhile shall not find what is about to go.
        if len(self._owed) + len(places) <= _MAX_OWED:
            self._owed.update(places)
        if await self._ask(write) is not None:
            self._owed.difference_update(places)

    async def _ask(self, command: Callable[[Any], Awaitable[Any]]) -> Any:
        """What Redis answers; None when it fails, takes too long, or did so a moment ago."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            async with within(_TIMEOUT_S, reason="CACHE_UNAVAILABLE"):
                answer = await command(self._redis)
        except Unavailable as error:
            if not self._paused_until:
                log.warning("the cache does not answer", error=str(error.__cause__) or type(error.__cause__).__name__)
            self._paused_until = time.monotonic() + _PAUSE_S
            return None
        if self._paused_until:
            log.info("the cache answers again")
            self._paused_until = 0.0
        return answer


def digest(arguments: object) -> str:
    """SHA-256 of canonical JSON: equal arguments have the same in every process. Raises TypeError for what has no stable text."""
    return hashlib.sha256(orjson.dumps(arguments, default=_canonical, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)).hexdigest()


def _canonical(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, tuple):  # a named one
        return list(value)
    if type(value).__str__ is object.__str__:  # its address: another one in every process
        raise TypeError(f"{type(value).__name__} has no text that is the same in every process")
    return str(value)
