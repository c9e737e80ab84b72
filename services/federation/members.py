"""Devices of an open round, and how they hear of each other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from services.federation.domain import DeviceIdentity, RoundStage
from services.federation.sums import Sums
from services.kit.errors import ResourceExhausted

_MOST_UPLOADS = 2


class Signal:
    """Wakes all that wait at this moment."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def fire(self) -> None:
        """Now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Returns when it fires, or after that time."""
        event = self._event
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, 0)):
                await event.wait()


@dataclass(slots=True, eq=False)
class Member:
    """A device in the round."""

    device: DeviceIdentity
    node_id: int
    seen: float
    polls: int = 0
    """Open ones: while it waits for an answer it is there."""
    said: dict[RoundStage, bytes] = field(default_factory=dict)
    """Digest of what it said in each stage: the same again gets the same answer."""
    dropped: RoundStage | None = None
    group: Group | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    uploads: int = 0
    """That are on their way."""

    @contextmanager
    def uploading(self) -> Iterator[None]:
        """One of few at once: a second one may be what a broken connection has left. Raises ResourceExhausted."""
        if self.uploads >= _MOST_UPLOADS:
            raise ResourceExhausted("This device is uploading already.", reason="UPLOADS_OPEN", retry_after_s=1)
        self.uploads += 1
        try:
            yield
        finally:
            self.uploads -= 1


@dataclass(slots=True, eq=False)
class Group:
    """Devices that are summed together."""

    members: list[Member]
    sums: Sums
    failed: bool = False

    @property
    def present(self) -> list[Member]:
        """Those that have not left."""
        return [member for member in self.members if member.dropped is None]
