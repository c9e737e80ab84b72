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
from services.categorization.suggestions.protocols import Decision, SuggestionsRepository

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
        """Makes it a category of the user's own, and puts its transactions into it, but for those of which the user has said something
        else; empty texts take what was proposed. Of two at once the first counts, and the other gets what became of it.

        The ledger comes first, and every step is harmless to repeat: what a crash leaves undone, the same call does. Raises NotFound, and
        what the ledger says of name and primary slug.
        """
        async with self._repository.decision(user_id, suggestion_id) as decision:
            found = decision.suggestion
            if found is None:
                raise suggestion_not_found(suggestion_id)
            if found.state is not SuggestionState.ACCEPTED:
                await self._accept(decision, suggestion_id, name.strip() or found.name, primary_slug or found.primary_slug)
        return await self._get(user_id, suggestion_id)

    async def _accept(self, decision: Decision, suggestion_id: UUID, name: str, primary_slug: str) -> None:
        request_id = str(uuid5(suggestion_id, f"{primary_slug} {name}"))
        category = await self._ledger.create_category(name, primary_slug, request_id=request_id)
        members = await decision.member_ids()
        await self._ledger.set_categories([WorkedOut(member, category.slug, None, Source.USER) for member in members])
        await decision.take_turn()
        typical = members[:_MOST_ANCHORS]
        said = await self._ledger.user_categories(typical)
        in_it = [member for member in typical if said.get(member) == category.slug]
        await decision.accept(in_it, name=name, primary_slug=primary_slug, category=category.slug)

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
