"""What suggestions need from what lies around them: their records, and what is alike."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from services.categorization.jobs.domain import Job
from services.categorization.suggestions.domain import EarlierSuggestion, NewSuggestion, Suggestion, SuggestionPosition, SuggestionState


class SuggestionsRepository(Protocol):
    """Where suggestions are kept. Each method is one transaction of one user."""

    async def get(self, user_id: UUID, suggestion_id: UUID) -> Suggestion | None:
        """One suggestion."""

    async def list_suggestions(
        self, user_id: UUID, *, state: SuggestionState, limit: int, after: SuggestionPosition | None
    ) -> Sequence[Suggestion]:
        """The newest first."""

    async def earlier(self, running: Job) -> Sequence[EarlierSuggestion]:
        """Each suggestion, whatever became of it, that other jobs made."""

    async def add(self, running: Job, found: Sequence[NewSuggestion]) -> bool:
        """Stores what a job has found, in the place of what an earlier attempt had; False when the attempt is over."""

    def decision(self, user_id: UUID, suggestion_id: UUID) -> AbstractAsyncContextManager[Decision]:
        """For who decides on a suggestion: others who would wait until it is over. What is stored in it stands when it ends, or, where it
        raises, not at all."""

    async def dismiss(self, user_id: UUID, suggestion_id: UUID) -> None:
        """It is put aside, unless it was accepted. Harmless to repeat."""


class Decision(Protocol):
    """A suggestion that nobody else decides on meanwhile. All of it is one transaction."""

    @property
    def suggestion(self) -> Suggestion | None:
        """As it stands."""

    async def member_ids(self) -> Sequence[UUID]:
        """All transactions of it, the most typical first."""

    async def take_turn(self) -> None:
        """From here on the user says nothing else (`WordsRepository.turn`)."""

    async def accept(self, typical: Collection[UUID], *, name: str, primary_slug: str, category: str) -> None:
        """It is the category from now on, and those of its payments that are `typical` are the user's word on it. After `take_turn`."""
