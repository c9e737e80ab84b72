"""What runs in a worker's child, without the child: one event loop, opened once, and a context of its own for each task."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from services.kit import background, context
from services.kit.background import _Background, _finished, _PlacesRegained
from services.kit.errors import Unauthenticated
from tests.support.service_keys import service_tokens


class Resource:
    """Something that is opened and closed on the loop, and may be away at first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.events: list[str] = []
        self.loops: set[asyncio.AbstractEventLoop] = set()

    async def open(self) -> None:
        self.loops.add(asyncio.get_running_loop())
        if self.failures:
            self.failures -= 1
            raise OSError("away")
        self.events.append("opened")

    async def close(self) -> None:
        self.loops.add(asyncio.get_running_loop())
        self.events.append("closed")

    async def use(self) -> str:
        self.loops.add(asyncio.get_running_loop())
        self.events.append("used")
        return context.request_id()


def made(resource: Resource) -> _Background:
    subject = _Background()
    subject.on_start, subject.on_stop = resource.open, resource.close
    return subject


def test_one_loop_from_the_first_task_to_the_end() -> None:
    resource = Resource()
    subject = made(resource)
    subject.start()
    first, second = subject.run(resource.use()), subject.run(resource.use())
    subject.stop()
    subject.stop()
    assert resource.events == ["opened", "used", "used", "closed"]
    assert len(resource.loops) == 1
    assert first
    assert second != first, "each task has a request id of its own, by which its log lines are found"


def test_what_was_away_is_opened_for_the_next_task() -> None:
    resource = Resource(failures=2)
    subject = made(resource)
    with pytest.raises(OSError, match="away"):
        subject.start()
    with pytest.raises(OSError, match="away"):
        subject.run(resource.use())
    subject.run(resource.use())
    subject.stop()
    assert resource.events == ["opened", "used", "closed"]


def test_what_was_never_opened_is_not_closed() -> None:
    resource = Resource(failures=1)
    subject = made(resource)
    with pytest.raises(OSError, match="away"):
        subject.start()
    subject.stop()
    assert resource.events == []


def test_the_user_of_one_task_is_nobody_to_the_next() -> None:
    async def act() -> None:
        context.bind_background(uuid4(), service_tokens())
        assert context.token_for("accounts")

    async def look() -> Any:
        with pytest.raises(Unauthenticated):
            context.identity()
        return context.token_for("accounts")

    subject = _Background()
    subject.run(act())
    assert subject.run(look()) is None
    subject.stop()


def test_a_task_that_raises_leaves_the_loop_whole() -> None:
    async def fail() -> None:
        raise ValueError("mine")

    subject = _Background()
    for _ in range(2):
        with pytest.raises(ValueError, match="mine"):
            subject.run(fail())
    subject.stop()


def test_the_loop_runs_between_tasks() -> None:
    """What began with a connection goes on: reconnecting, keeping alive, noticing that the other side is gone."""
    noticed = threading.Event()
    tasks: list[asyncio.Task[None]] = []

    async def reconnect() -> None:
        await asyncio.sleep(0.01)
        noticed.set()

    async def on_start() -> None:
        tasks.append(asyncio.create_task(reconnect()))

    subject = _Background()
    subject.on_start = on_start
    subject.start()
    assert noticed.wait(5)
    subject.stop()


def test_an_interrupted_task_is_cancelled() -> None:
    """As by the signal that ends a worker's child."""
    ended = threading.Event()
    began = threading.Event()

    async def wait() -> None:
        try:
            began.set()
            await asyncio.sleep(30)
        finally:
            ended.set()

    def interrupt(*_: Any) -> None:
        raise SystemExit(3)

    before = signal.signal(signal.SIGUSR2, interrupt)
    subject = _Background()
    main = threading.main_thread().ident
    assert main is not None

    def send() -> None:
        began.wait(5)
        signal.pthread_kill(main, signal.SIGUSR2)

    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(SystemExit):
        subject.run(wait())
    sender.join()
    signal.signal(signal.SIGUSR2, before)
    assert ended.wait(5)
    subject.stop()


def test_a_task_that_exits_leaves_the_loop_running() -> None:
    async def leave() -> None:
        raise SystemExit(3)

    resource = Resource()
    subject = made(resource)
    with pytest.raises(SystemExit):
        subject.run(leave())
    subject.run(resource.use())
    subject.stop()
    assert resource.events == ["opened", "used", "closed"]


def test_what_still_runs_at_the_end_is_cancelled() -> None:
    ended: list[str] = []
    tasks: list[asyncio.Task[None]] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cancelled")

    async def begin() -> None:
        tasks.append(asyncio.create_task(wait()))
        await asyncio.sleep(0)

    subject = _Background()
    subject.run(begin())
    subject.stop()
    assert ended == ["cancelled"]


def test_run_in_background_uses_the_loop_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = Resource()
    monkeypatch.setattr(background, "_background", made(resource))
    assert background.run_in_background(resource.use())
    background._child_stops()
    assert resource.events == ["opened", "used", "closed"]


# A worker that goes on taking tasks


class Hub:
    """Celery's loop, as far as it is asked."""

    def call_repeatedly(self, every_s: float, look: Any) -> None:
        self.look = look


@pytest.fixture
def hub() -> Iterator[Hub]:
    made = Hub()
    _PlacesRegained(SimpleNamespace()).register_with_event_loop(None, made)
    yield made
    _finished.clear()


def test_an_acknowledgement_has_a_second_to_arrive(hub: Hub) -> None:
    message = SimpleNamespace(acknowledged=False)
    _finished.append(message)
    hub.look()
    message.acknowledged = True
    for _ in range(3):
        hub.look()


def test_one_that_failed_connects_anew(hub: Hub) -> None:
    _finished.append(SimpleNamespace(acknowledged=False))
    hub.look()
    with pytest.raises(ConnectionResetError):
        hub.look()
    fresh = Hub()
    _PlacesRegained(SimpleNamespace()).register_with_event_loop(None, fresh)
    fresh.look()
    fresh.look()
