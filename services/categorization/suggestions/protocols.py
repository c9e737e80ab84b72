"""What suggestions need from what lies around them: their records, and what is alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from services.categorization.jobs.domain import Job
from services.categorization.suggestions.domain import NewSuggestion, Suggestion, SuggestionPosition, SuggestionState


class SuggestionsRepository(Protocol):
    """Where suggestions are kept. Each method is one transaction of one user."""

    async def get(self, user_id: UUID, suggestion_id: UUID) -> Suggestion | None:
        """One suggestion."""

    async def list_suggestions(
        self, user_id: UUID, *, state: SuggestionState, limit: int, after: SuggestionPosition | None
    ) -> Sequence[Suggestion]:
        """The newest first."""

    async def known_merchants(self, running: Job) -> Sequence[Sequence[str]]:
        """The merchants of each suggestion, whatever became of it, that other jobs made."""

    async def add(self, running: Job, found: Sequence[NewSuggestion]) -> bool:
        """Stores what a job has found, in the place of what an earlier attempt had; False when the attempt is over."""

    async def member_ids(self, user_id: UUID, suggestion_id: UUID) -> Sequence[UUID]:
        """All transactions of it, the most typical first."""

    async def accept(self, user_id: UUID, suggestion_id: UUID, *, name: str, primary_slug: str, category: str, most_anchors: int) -> None:
        """It is the category from now on, and the most typical payments are the user's word on it. Harmless to repeat."""

    async def dismiss(self, user_id: UUID, suggestion_id: UUID) -> None:
        """It is put aside, unless it was accepted. Harmless to repeat."""
