"""What a device has spent, on the device: a file that outlives its process, and that never says less than what was given away.

A round is written down, and on the disk, before anything of it is uploaded. Who dies in between has paid for nothing; nobody has ever given
something away without having paid. A file that is damaged or gone says that everything is spent: what was given away cannot be known.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from models.federated.privacy import BUDGET_EPSILON, DELTA, Spending
from models.folders import write_whole

FORMAT = 1
_MAX_BYTES = 16 * 1024 * 1024

ExampleSteps = tuple[tuple[float, float, int], ...]
"""Steps of training by DP-SGD: noise multiplier, share of the examples in each, how many such steps; as Opacus' accountants keep them."""


class LedgerDamaged(Exception):
    """Nobody knows what this device has spent; the text says where and what to do."""


class BudgetSpent(Exception):
    """One more round would be more than the budget."""


class AlreadyCharged(Exception):
    """The round was paid for before: something of it may have been given away, and something else of it may not."""


@dataclass(frozen=True, slots=True)
class Charge:
    """One round that was paid for."""

    round_id: UUID
    noise_multiplier: float
    """In the sum, in clip norms, as `privacy.as_gaussian` says it."""
    example_steps: ExampleSteps = ()


class PrivacyLedgerFile:
    """The charges of one device. Several processes may have the same file open."""

    def __init__(self, path: Path, *, budget_epsilon: float = BUDGET_EPSILON, delta: float = DELTA) -> None:
        """Reads a file that `create` wrote. Raises LedgerDamaged, OSError."""
        self._path = path
        self._budget = budget_epsilon
        self._delta = delta
        self._charges = _read(path)

    @classmethod
    def create(cls, path: Path, *, budget_epsilon: float = BUDGET_EPSILON, delta: float = DELTA) -> PrivacyLedgerFile:
        """An empty one, for a device that is new. Raises FileExistsError where there is one: it is never begun anew."""
        with _locked(path):
            if path.exists():
                raise FileExistsError(f"{path} is there; what a device has spent is not forgotten")
            _write(path, [])
        return cls(path, budget_epsilon=budget_epsilon, delta=delta)

    @property
    def charges(self) -> Sequence[Charge]:
        """All, the oldest first."""
        return tuple(self._charges)

    @property
    def spending(self) -> Spending:
        """What they add up to."""
        return Spending(tuple(one.noise_multiplier for one in self._charges))

    @property
    def epsilon(self) -> float:
        """Spent so far, without amplification."""
        return self.spending.epsilon(self._delta)

    @property
    def example_epsilon(self) -> float:
        """Of a single example on this device, against whoever saw its updates before noise was added: by Opacus' accountant."""
        from opacus.accountants import RDPAccountant

        accountant = RDPAccountant()
        accountant.history = [step for one in self._charges for step in one.example_steps]
        return float(accountant.get_epsilon(self._delta)) if accountant.history else 0.0

    def would_exceed(self, noise_multiplier: float) -> bool:
        """Whether one more round is more than the budget."""
        return not self.spending.plus(noise_multiplier).epsilon(self._delta) <= self._budget

    def charge(self, round_id: UUID, noise_multiplier: float, example_steps: ExampleSteps = ()) -> None:
        """Pays for a round, before anything of it is uploaded; when this returns, it is on the disk.

        Raises BudgetSpent, AlreadyCharged, LedgerDamaged, and OSError where it cannot be written; then nothing may be uploaded.
        """
        with _locked(self._path):
            known = _read(self._path)
            if any(before not in known for before in self._charges):
                raise LedgerDamaged(f"{self._path} has lost what this device has spent; enrol it as a new device")
            self._charges = known
            if any(before.round_id == round_id for before in known):
                raise AlreadyCharged(f"round {round_id} was paid for before; wait for the next one")
            if self.would_exceed(noise_multiplier):
                would = self.spending.plus(noise_multiplier).epsilon(self._delta)
                raise BudgetSpent(f"one more round would bring this device to an epsilon of {would:.2f}; it may spend {self._budget:.2f}")
            charges = [*known, Charge(round_id, noise_multiplier, example_steps)]
            _write(self._path, charges)
            self._charges = charges


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time."""
    with path.with_name(path.name + ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _digest(rounds: list[Any]) -> str:
    return hashlib.sha256(json.dumps(rounds, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _write(path: Path, charges: Sequence[Charge]) -> None:
    rounds = [
        {
            "round_id": str(one.round_id),
            "noise_multiplier": one.noise_multiplier,
            "example_steps": [list(step) for step in one.example_steps],
        }
        for one in charges
    ]
    content = {"format": FORMAT, "rounds": rounds, "sha256": _digest(rounds)}
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())
    # The file's name is the folder's: without this, a machine that loses power may come back with the file before.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> list[Charge]:
    advice = "nobody knows what this device has spent, so it takes part no more; enrol it as a new device"
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise LedgerDamaged(f"{path} is gone: {advice}") from error
    try:
        if len(content) > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES} bytes")
        stored = json.loads(content)
        if stored["format"] != FORMAT:
            raise ValueError(f"format {stored['format']!r}; this version reads format {FORMAT}")
        if stored["sha256"] != _digest(stored["rounds"]):
            raise ValueError("its numbers are not those that were written")
        found = [
            Charge(
                UUID(one["round_id"]),
                float(one["noise_multiplier"]),
                tuple((float(z), float(q), int(n)) for z, q, n in one["example_steps"]),
            )
            for one in stored["rounds"]
        ]
        Spending(tuple(one.noise_multiplier for one in found))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise LedgerDamaged(f"{path} is damaged ({type(error).__name__}: {str(error)[:200]}): {advice}") from error
    return found
