"""Server-sent events: what keeps a stream alive, when it ends, and how many one user may have open."""

from __future__ import annotations

import asyncio
import weakref
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import Header, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.gateway.exchange import exchange_of
from services.kit import context
from services.kit.errors import ResourceExhausted, ScaleError

log = structlog.get_logger()

Events = AsyncGenerator[ServerSentEvent, None]
LastEventId = Annotated[
    str,
    Header(
        alias="Last-Event-ID",
        pattern="^([0-9]{1,20}-[0-9]{1,20})?$",
        description="The `id` of the last event that you have seen: only what came after it is sent. Browsers send it by themselves.",
    ),
]
SEEN_ALL: dict[int | str, dict[str, Any]] = {204: {"description": "You have seen the last event; there is nothing to come back for."}}

# How long a client waits before it comes back; browsers differ where nobody says.
_COME_BACK_AFTER_MS = 1000


def stream_content(*names: str, data: str) -> dict[str, Any]:
    """A stream in the OpenAPI document: the names of its events, and such data as one of them may have."""
    event = {
        "type": "object",
        "description": "One event.",
        "required": ["event", "data"],
        "properties": {
            "id": {"type": "string", "description": "For Last-Event-ID; absent where there is nothing to come back to."},
            "event": {"type": "string", "enum": list(names), "description": "What it tells."},
            "data": {"type": "string", "contentMediaType": "application/json", "description": "What it is about, on one line."},
        },
    }
    example = {"id": "1770000000000-0", "event": names[0], "data": data}
    return {"text/event-stream": {"schema": event, "example": example}}


class _Stream(EventSourceResponse):
    """A stream that holds a place among its user's. `give_back` is called once: when the stream ends in whatever way, or, where it
    was never begun, when nobody can begin it any more."""

    def __init__(self, events: AsyncIterator[ServerSentEvent], *, heartbeat_s: float, give_back: Callable[[], None]) -> None:
        super().__init__(events, ping=heartbeat_s, ping_message_factory=lambda: ServerSentEvent(comment="still here"))
        self._give_back = weakref.finalize(self, give_back)
        self._give_back.atexit = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._give_back()


class EventStreams:
    """The streams that are open in this process.

    All of them end when the process is about to stop: clients come back elsewhere with their Last-Event-ID and miss nothing.
    """

    def __init__(self, *, per_user: int, heartbeat_s: float) -> None:
        self._per_user = per_user
        self._heartbeat_s = heartbeat_s
        self._open: Counter[UUID] = Counter()
        self._draining = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()

    def answer(self, request: Request, events: Events) -> EventSourceResponse:
        """`events` as a stream. An error within it ends the stream; the client comes back. Raises ResourceExhausted for one too many."""
        user_id = context.identity().user_id
        if self._open[user_id] >= self._per_user:
            raise ResourceExhausted(
                f"{self._per_user} streams of yours are open; close one, or ask from time to time instead.",
                reason="TOO_MANY_STREAMS",
                retry_after_s=10,
            )
        exchange_of(request.scope).streaming = True
        # Here and not at the first event: those who ask at the same time must see each other.
        self._open[user_id] += 1
        return _Stream(self._until_draining(events), heartbeat_s=self._heartbeat_s, give_back=lambda: self._ended(user_id))

    async def follow(
        self,
        request: Request,
        steps: AsyncIterator[Any],
        event_of: Callable[[Any], ServerSentEvent],
        *,
        last_event_id: str,
        ended: bool,
    ) -> Response:
        """The steps of a service as a stream; each has an `event_id`. 204 where whoever comes back has seen the last one of what has
        `ended`: a browser comes back after every end, but for this one."""
        first = None
        if last_event_id and ended:
            first = await anext(steps, None)
            if first is None or first.event_id == last_event_id:
                return Response(status_code=204)
        return self.answer(request, _events(first, steps, event_of))

    def end_all(self) -> None:
        """Ends every stream, also those that are still to be opened."""
        self._draining.set()

    def _ended(self, user_id: UUID) -> None:
        self._open[user_id] -= 1
        if not self._open[user_id]:
            del self._open[user_id]

    async def _until_draining(self, events: Events) -> AsyncIterator[ServerSentEvent]:
        draining = asyncio.ensure_future(self._draining.wait())
        step: asyncio.Future[ServerSentEvent | None] | None = None
        try:
            yield ServerSentEvent(retry=_COME_BACK_AFTER_MS)
            while not self._draining.is_set():
                step = asyncio.ensure_future(_next(events))
                await asyncio.wait({step, draining}, return_when=asyncio.FIRST_COMPLETED)
                event = step.result() if step.done() else None
                if event is None:
                    return
                yield event
        except ScaleError as error:
            log.info("stream cut short", reason=error.reason)
        finally:
            draining.cancel()
            # In a task of its own: after a hang-up nothing can be awaited here any more.
            closing = asyncio.create_task(_close(step, events))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


async def _events(first: Any, steps: AsyncIterator[Any], event_of: Callable[[Any], ServerSentEvent]) -> Events:
    if first is not None:
        yield event_of(first)
    async for step in steps:
        yield event_of(step)


async def _next(events: Events) -> ServerSentEvent | None:
    return await anext(events, None)


async def _close(step: asyncio.Future[ServerSentEvent | None] | None, events: Events) -> None:
    if step is not None:
        step.cancel()
        await asyncio.wait({step})
    await events.aclose()
