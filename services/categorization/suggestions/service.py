"""Rules of suggested categories as callers see them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid5

from services.categorization.domain import Source, WorkedOut
from services.categorization.protocols import CategoryLedger
from services.categorization.suggestions.domain import (
    Suggestion,
    SuggestionPosition,
    SuggestionState,
    already_accepted,
    suggestion_not_found,
)
from services.categorization.suggestions.protocols import SuggestionsRepository

_MOST_ANCHORS = 200
"""Payments of an accepted suggestion that count as the user's word: of so many alike, more say nothing new."""


class SuggestionsService:
    """Every call names the user, from the verified token."""

    def __init__(self, repository: SuggestionsRepository, ledger: CategoryLedger) -> None:
        self._repository = repository
        self._ledger = ledger

    async def list_suggestions(
        self, user_id: UUID, *, state: SuggestionState, limit: int, after: SuggestionPosition | None
    ) -> tuple[Sequence[Suggestion], bool]:
        """A page, the newest first, and whether there are more."""
        found = await self._repository.list_suggestions(user_id, state=state, limit=limit + 1, after=after)
        return found[:limit], len(found) > limit

    async def accept_suggestion(self, user_id: UUID, suggestion_id: UUID, *, name: str, primary_slug: str) -> Suggestion:
        """Makes it a category of the user's own, and puts its transactions into it; empty texts take what was proposed.

        The ledger comes first, and every step is harmless to repeat: what a crash leaves undone, the same call does. Raises NotFound, and
        what the ledger says of name and primary slug.
        """
        found = await self._get(user_id, suggestion_id)
        if found.state is SuggestionState.ACCEPTED:
            return found
        name, primary_slug = name.strip() or found.name, primary_slug or found.primary_slug
        request_id = str(uuid5(suggestion_id, f"{primary_slug} {name}"))
        category = await self._ledger.create_category(name, primary_slug, request_id=request_id)
        members = await self._repository.member_ids(user_id, suggestion_id)
        await self._ledger.set_categories([WorkedOut(member, category.slug, None, Source.USER) for member in members])
        await self._repository.accept(
            user_id, suggestion_id, name=name, primary_slug=primary_slug, category=category.slug, most_anchors=_MOST_ANCHORS
        )
        return await self._get(user_id, suggestion_id)

    async def dismiss_suggestion(self, user_id: UUID, suggestion_id: UUID) -> Suggestion:
        """Puts it aside: the like of it is not suggested again. Raises NotFound; FailedPrecondition once it was accepted."""
        await self._repository.dismiss(user_id, suggestion_id)
        found = await self._get(user_id, suggestion_id)
        if found.state is SuggestionState.ACCEPTED:
            raise already_accepted(found)
        return found

    async def _get(self, user_id: UUID, suggestion_id: UUID) -> Suggestion:
        found = await self._repository.get(user_id, suggestion_id)
        if found is None:
            raise suggestion_not_found(suggestion_id)
        return found
