"""Where a long fit keeps how far it is: a folder of a few files, so that whoever comes after a process that died goes on.

A file is there whole or not at all. Of one fit the best and the latest three stay.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import torch

from models.folders import write_whole

KEEP_LAST = 3
_NAME = re.compile(r"(?P<fit>[a-z]+)-(?P<epoch>\d{4})-(?P<loss>-?\d+\.\d{6})\.pt")


class Checkpoint(NamedTuple):
    """One file."""

    path: Path
    epoch: int
    loss: float


def surplus(checkpoints: Sequence[Checkpoint], *, keep_last: int = KEEP_LAST) -> list[Checkpoint]:
    """Which of one fit's may go: all but the one with the lowest loss and the latest few."""
    latest = sorted(checkpoints, key=lambda one: one.epoch)[-keep_last:] if keep_last else []
    best = min(checkpoints, key=lambda one: (one.loss, -one.epoch), default=None)
    return [one for one in checkpoints if one not in latest and one is not best]


class FitCheckpoints:
    """`fit.Keeper` of one fit in a folder. `fingerprint` says what is fitted: what was saved of anything else is thrown away."""

    def __init__(self, folder: Path, fit: str, *, fingerprint: str, keep_last: int = KEEP_LAST) -> None:
        """`fit`: a name of small letters."""
        self._folder = folder
        self._fit = fit
        self._fingerprint = fingerprint
        self._keep_last = keep_last

    def latest(self) -> dict[str, Any] | None:
        """The last one that can be read."""
        for checkpoint in sorted(self.all(), key=lambda one: one.epoch, reverse=True):
            # What a crash, a bad disk or another version left: an earlier one, or a new beginning, does as well.
            with suppress(Exception):
                saved = torch.load(checkpoint.path, map_location="cpu", weights_only=True)
                if saved["fingerprint"] == self._fingerprint:
                    return dict(saved["state"])
            checkpoint.path.unlink(missing_ok=True)
        return None

    def save(self, epoch: int, loss: float, state: dict[str, Any]) -> None:
        """Keeps it, then lets go of what is surplus. Raises OSError where there is no room; what was kept before is still there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save({"fingerprint": self._fingerprint, "state": state}, buffer)
        write_whole(self._folder / f"{self._fit}-{epoch:04d}-{loss:.6f}.pt", buffer.getbuffer())
        for gone in surplus(self.all(), keep_last=self._keep_last):
            gone.path.unlink(missing_ok=True)

    def all(self) -> list[Checkpoint]:
        """Those of this fit."""
        found = []
        for path in self._folder.glob(f"{self._fit}-*.pt"):
            name = _NAME.fullmatch(path.name)
            if name is not None and name["fit"] == self._fit:
                found.append(Checkpoint(path, int(name["epoch"]), float(name["loss"])))
        return found

    def remove(self) -> None:
        """Lets go of all of them."""
        for one in self.all():
            one.path.unlink(missing_ok=True)
