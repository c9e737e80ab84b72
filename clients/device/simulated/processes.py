"""The processes of a simulation, forked from one that has imported what they need; commands go to them through pipes, news come back."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any

from clients.device.problem import DeviceProblem
from clients.device.simulated.devices import Begin, End, NextRound, Wake, serve
from clients.device.trainer import Trainer

_END_S = 10

News = Any
"""One of the messages of `devices.py`."""


class Processes:
    """Devices in so many processes. Make it before this process opens a gRPC channel: a forked one does not survive that."""

    def __init__(
        self, ledgers: Sequence[Path], poisoned: Sequence[int], folder: Path, processes: int, trainer: Trainer | None = None
    ) -> None:
        context = multiprocessing.get_context("fork")
        pipes = [context.Pipe() for _ in range(processes)]
        self._ours = [ours for ours, _ in pipes]
        self._devices = [[number for number in range(len(ledgers)) if number % processes == place] for place in range(processes)]
        self._processes: list[BaseProcess] = []
        for place, (_, theirs) in enumerate(pipes):
            mine = {number: ledgers[number] for number in self._devices[place]}
            others = [end for pair in pipes for end in pair if end is not theirs]
            process = context.Process(
                target=_child, args=(theirs, others, folder, mine, poisoned, trainer), daemon=True, name=f"devices-{place}"
            )
            process.start()
            self._processes.append(process)
        for _, theirs in pipes:
            theirs.close()

    @property
    def pids(self) -> list[int]:
        """Of the processes."""
        return [process.pid or 0 for process in self._processes]

    def begin(self, begin: Begin) -> None:
        """Each process gets the tokens of its own devices."""
        for place, ours in enumerate(self._ours):
            tokens = {number: begin.tokens[number] for number in self._devices[place]}
            ours.send(Begin(begin.address, begin.tls, begin.policy, tokens))

    def next_round(self, lost: Mapping[int, str]) -> None:
        """To all."""
        for ours in self._ours:
            ours.send(NextRound(lost))

    def wake(self) -> None:
        """All: a round is open."""
        for ours in self._ours:
            ours.send(Wake())

    def news(self, timeout_s: float) -> Iterator[News]:
        """What has come, after waiting for the first so long. Raises DeviceProblem where a process has died."""
        until = time.monotonic() + timeout_s
        while ready := wait(self._ours, max(0.0, until - time.monotonic())):
            for ours in ready:
                assert isinstance(ours, Connection)  # nosec B101
                try:
                    yield ours.recv()
                except EOFError as error:
                    raise DeviceProblem("A process of the simulation has died.") from error
            until = time.monotonic()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for ours in self._ours:
            try:
                ours.send(End())
            except OSError:
                continue
        for process in self._processes:
            process.join(_END_S)
            if process.is_alive():
                process.kill()
                process.join()


def _child(
    mine: Connection,
    others: Sequence[Connection],
    folder: Path,
    ledgers: Mapping[int, Path],
    poisoned: Sequence[int],
    trainer: Trainer | None,
) -> None:
    # Whoever holds an end of another's pipe keeps that one from hearing that the simulation is gone.
    for end in others:
        end.close()
    serve(mine, folder, ledgers, poisoned, trainer)
