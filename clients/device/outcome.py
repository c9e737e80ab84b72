"""What came of asking for work once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Done(StrEnum):
    """How it ended."""

    WAIT = "wait"
    """Nothing to do now."""
    PUBLISHED = "published"
    """The device's update is in a new version."""
    FAILED = "failed"
    """The round made no model."""
    LEFT_OUT = "left_out"
    """The round went on, or ended, without this device."""
    REFUSED = "refused"
    """The device does not do what it was asked to."""
    BUDGET_SPENT = "budget_spent"
    """The device has no privacy left to spend."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One try. `reason` is a stable name where there is one, `message` for people."""

    done: Done
    reason: str = ""
    message: str = ""
    retry_after_seconds: int = 0
    round_id: str = ""
    model_version: int = 0
    """That was trained from."""
    example_count: int = 0
    bytes_up: int = 0
    """Of all requests of the round."""
    loss: float = 0.0
    epsilon: float = 0.0
    """What the device has spent in its life, this round included."""
    example_epsilon: float = 0.0
    """Of the device's own training (DP-SGD), for one example in this round."""
