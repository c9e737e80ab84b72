"""What learning needs from around it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol
from uuid import UUID

from services.categorization.domain import Anchor, UserModel
from services.categorization.learning.domain import (
    AcceptanceFigures,
    AgreedCorrection,
    CorrectionPosition,
    MerchantPosition,
    Tally,
    UserAcceptance,
)


class LearningRepository(Protocol):
    """What users have said, and what was made of it."""

    async def corrections(self, user_id: UUID, *, limit: int, after: CorrectionPosition | None) -> Sequence[Anchor]:
        """The user's last words, the latest first."""

    async def agreed_corrections(
        self, *, least_users: int, slugs: Sequence[str], limit: int, after: MerchantPosition
    ) -> Sequence[AgreedCorrection]:
        """By merchant, money that leaves before money that comes in; only categories among `slugs`."""

    async def low_acceptance(self, *, since: date, ratio: float, least: int, limit: int, after: UUID) -> Sequence[UserAcceptance]:
        """Users with at least `least` categories since that day, of which fewer than `ratio` were left as they are; by id."""

    async def total_acceptance(self, *, since: date) -> AcceptanceFigures:
        """Of all users."""

    async def set_model(self, user_id: UUID, model: UserModel | None) -> None:
        """What answers the user from the next call on, in every process; None: nothing of the user's own."""


class AcceptanceRepository(Protocol):
    """How many categories were given and put right, of all users."""

    async def add_acceptance(self, tallies: Sequence[Tally], *, age_s: float) -> None:
        """Adds counts, of which the oldest is so old; but not for users who have erased everything since."""

    async def expire_acceptance(self, *, before: date, limit: int) -> int:
        """Removes what is older; how many rows."""
