"""The nouns of learning."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.kit.errors import FieldError, InvalidArgument, ScaleError

MAX_ARTIFACT_BYTES = 1024 * 1024
WINDOW_DAYS = 7
"""How long a category may be put right for before it counts as accepted."""
KEPT_DAYS = 30
"""How long it is known how many categories were given and put right."""


class CorrectionPosition(NamedTuple):
    """Where a page of corrections ends."""

    said_at: datetime
    subject: str


class AgreedCorrection(NamedTuple):
    """What several users say alike of a merchant."""

    merchant_key: str
    credit: bool
    """For money that comes in."""
    category: str
    user_count: int


class MerchantPosition(NamedTuple):
    """Where a page of merchants ends."""

    merchant_key: str
    credit: bool


class Tally(NamedTuple):
    """Categories that a user was given on one day, and put right."""

    user_id: UUID
    day: date
    classified: int
    corrected: int


class AcceptanceFigures(NamedTuple):
    """The same of a week."""

    classified: int
    corrected: int


class UserAcceptance(NamedTuple):
    """Of one user."""

    user_id: UUID
    figures: AcceptanceFigures


def artifact_invalid(why: str) -> ScaleError:
    """The bytes are no model of a user's."""
    return InvalidArgument(f"artifact: {why}", reason="ARTIFACT_INVALID", fields=[FieldError("artifact", why)])
