import asyncio
from collections.abc import Callable

import pytest

from services.federation.leadership import Leadership
from services.local import LocalSystem


class Turns:
    """Counts who is told what, and raises what it is given, first to last, when the lead is gained."""

    def __init__(self, *raises: Exception) -> None:
        self.gains = 0
        self.losses = 0
        self._raises = list(raises)

    async def gained(self) -> None:
        self.gains += 1
        if self._raises:
            raise self._raises.pop(0)

    async def lost(self) -> None:
        self.losses += 1


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("error", [ValueError("a bug"), RuntimeError("the driver's own confusion"), OSError("gone")])
async def test_whatever_went_wrong_it_tries_again(servers: LocalSystem, error: Exception) -> None:
    turns = Turns(error)
    leadership = Leadership(servers.service_url("federation"), gained=turns.gained, lost=turns.lost, every_s=0.02)
    leadership.start()
    try:
        await until(lambda: turns.gains == 2)
    finally:
        await leadership.close()
    assert (turns.gains, turns.losses) == (2, 2)
