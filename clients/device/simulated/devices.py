"""One process of a simulation: some devices in it, each with a channel, a key, a ledger and a privacy ledger of its own."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from multiprocessing.connection import Connection
from pathlib import Path

from clients.device.device import DeviceClient, Done, Outcome
from clients.device.ledger_export import LabelledRow, read_ledger
from clients.device.policy import Policy
from clients.device.problem import CoordinatorRefused, DeviceProblem
from clients.device.protection import Poison, Protection
from clients.device.trainer import HeadTrainer, Trainer
from clients.device.transport import Tls

_LONGEST_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Begin:
    """The simulation to its processes: where the coordinator is, and each device's token."""

    address: str
    tls: Tls | None
    policy: Policy
    tokens: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class NextRound:
    """Which devices will be lost in it, and before which stage. What was lost before is back."""

    lost: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wake:
    """A round is open: whoever pauses asks at once, as after a push notification."""


@dataclass(frozen=True, slots=True)
class End:
    """That is all."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A device is ready."""

    device: int
    device_id: str


@dataclass(frozen=True, slots=True)
class Said:
    """What came of a device's round."""

    device: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Troubled:
    """A device cannot go on, or must try again."""

    device: int
    message: str


class Lost(Exception):
    """The battery of a device is empty."""


def serve(
    connection: Connection, folder: Path, ledgers: Mapping[int, Path], poisoned: Sequence[int], trainer: Trainer | None = None
) -> None:
    """The whole life of one process. `ledgers`: of its devices, by number. `trainer`: of all of them; None: the reference device's."""
    # Ctrl-C is the simulation's to hear; it ends its processes itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError):
        asyncio.run(_Devices(connection, folder, ledgers, frozenset(poisoned), trainer or HeadTrainer()).live())


class _Devices:
    def __init__(
        self, connection: Connection, folder: Path, ledgers: Mapping[int, Path], poisoned: frozenset[int], trainer: Trainer
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._ledgers = ledgers
        self._poisoned = poisoned
        self._lost: Mapping[int, str] = {}
        self._round = asyncio.Event()
        self._woken = asyncio.Event()
        # One at a time: the devices of a process share its core.
        self._executor = ThreadPoolExecutor(1)
        self._trainer = trainer

    async def live(self) -> None:
        loop = asyncio.get_running_loop()
        begin = await loop.run_in_executor(None, self._connection.recv)
        if not isinstance(begin, Begin):
            return
        tasks = [asyncio.create_task(self._device(number, begin)) for number in self._ledgers]
        try:
            while not isinstance(command := await loop.run_in_executor(None, self._connection.recv), End):
                if isinstance(command, Wake):
                    self._woken.set()
                    self._woken = asyncio.Event()
                    continue
                self._lost = command.lost
                self._round.set()
                self._round = asyncio.Event()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._executor.shutdown(cancel_futures=True)

    async def _device(self, number: int, begin: Begin) -> None:
        async with DeviceClient(
            self._folder / f"device-{number}",
            begin.address,
            cache(partial(_rows, self._ledgers[number])),
            tls=begin.tls,
            policy=begin.policy,
            trainer=self._trainer,
            protection=Poison() if number in self._poisoned else Protection(),
            models_folder=self._folder / f"model-{min(self._ledgers)}",
            executor=self._executor,
            before=partial(self._reach, number),
        ) as device:
            try:
                enrolled = await device.enroll(begin.tokens[number], display_name=f"simulated {number}", platform="simulation")
            except (CoordinatorRefused, DeviceProblem) as error:
                self._connection.send(Troubled(number, f"It was not enrolled: {error}"))
                return
            self._connection.send(Enrolled(number, enrolled.device_id))
            while True:
                await self._once(number, device)

    async def _once(self, number: int, device: DeviceClient) -> None:
        ended = self._round
        try:
            outcome = await device.run_once()
        except Lost:
            await ended.wait()
            return
        except (CoordinatorRefused, DeviceProblem) as error:
            self._connection.send(Troubled(number, str(error)))
            await asyncio.sleep(_LONGEST_PAUSE_S)
            return
        if outcome.done != Done.WAIT:
            self._connection.send(Said(number, outcome))
        if outcome.retry_after_seconds:
            # Real devices wait for work as long as they are told; here people look on.
            longest = _LONGEST_PAUSE_S if outcome.done == Done.WAIT else outcome.retry_after_seconds
            await self._pause(min(outcome.retry_after_seconds, longest) * random.uniform(0.5, 1))  # nosec B311  # spreads them

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _reach(self, number: int, stage: str) -> None:
        if self._lost.get(number) == stage:
            raise Lost


def _rows(ledger: Path) -> Sequence[LabelledRow]:
    return read_ledger(ledger)
