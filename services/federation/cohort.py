"""Which devices are there: those that have asked for work lately."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from services.federation.domain import LEAST_CONTRIBUTORS, DeviceIdentity
from services.federation.metrics import AVAILABLE

_MOST = 100_000
"""More are not counted: they would be asked no sooner."""


def asked_for(target_count: int) -> int:
    """130 % of the devices whose updates shall be in the sum: some will leave."""
    return max(LEAST_CONTRIBUTORS, -(-target_count * 13 // 10))


class Availability:
    """Users with a device that has asked for work lately. A user counts once, however many devices they have: a sum of ten is a sum of ten
    people."""

    def __init__(self, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s = window_s
        self._clock = clock
        self._seen: OrderedDict[UUID, float] = OrderedDict()
        self._spent: set[UUID] = set()

    def note(self, device: DeviceIdentity, *, spent: bool = False) -> None:
        """It asks. `spent`: it has no privacy left for a usual round."""
        self._seen.pop(device.user_id, None)
        self._seen[device.user_id] = self._clock()
        (self._spent.add if spent else self._spent.discard)(device.user_id)
        if len(self._seen) > _MOST:
            self._forget_oldest()
        AVAILABLE.set(self.count)

    def forget(self, user_id: UUID) -> None:
        """Their device is shut out; another one of theirs asks again."""
        self._seen.pop(user_id, None)
        self._spent.discard(user_id)
        AVAILABLE.set(self.count)

    @property
    def count(self) -> int:
        """Those that may have work in a usual round."""
        return self.asking_count - len(self._spent)

    @property
    def asking_count(self) -> int:
        """All."""
        ago = self._clock() - self._window_s
        while self._seen and next(iter(self._seen.values())) < ago:
            self._forget_oldest()
        return len(self._seen)

    def _forget_oldest(self) -> None:
        user_id, _ = self._seen.popitem(last=False)
        self._spent.discard(user_id)
