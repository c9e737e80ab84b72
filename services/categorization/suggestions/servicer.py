"""Suggested categories on the wire: methods of `scale.categorization.v1.CategorizationService`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import grpc.aio

from scale.categorization.v1 import categorization_service_pb2 as pb
from services.categorization.suggestions.domain import MAX_NAME_CHARS, Suggestion, SuggestionPosition, SuggestionState
from services.categorization.suggestions.service import SuggestionsService
from services.kit import context
from services.kit.dates import to_timestamp
from services.kit.errors import invalid
from services.kit.fields import text_of, uuid_of
from services.kit.pagination import PageTokens, page_size

_STATES: dict[SuggestionState, Any] = {one: pb.SuggestionState.Value(f"SUGGESTION_STATE_{one.name}") for one in SuggestionState}
_NOUNS = {number: one for one, number in _STATES.items()}


class SuggestionMethods:
    """What CategorizationServicer answers about suggestions."""

    _suggestions: SuggestionsService
    _page_tokens: PageTokens

    async def ListSuggestions(self, request: pb.ListSuggestionsRequest, _: grpc.aio.ServicerContext) -> pb.ListSuggestionsResponse:
        """A page, the newest first."""
        user_id, limit = context.identity().user_id, page_size(request.page_size)
        state = _NOUNS.get(request.state or pb.SUGGESTION_STATE_OPEN)
        if state is None:
            raise invalid("state", f"{request.state} is not a value of this enum")
        filters, after = f"suggestions {state.value}", None
        if request.page_token:
            created_at, last_id = self._page_tokens.decode(request.page_token, user_id=user_id, filters=filters)
            after = SuggestionPosition(datetime.fromisoformat(created_at), UUID(last_id))
        found, more = await self._suggestions.list_suggestions(user_id, state=state, limit=limit, after=after)
        response = pb.ListSuggestionsResponse(suggestions=map(suggestion_message, found))
        if more:
            position = (found[-1].created_at.isoformat(), str(found[-1].id))
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=filters, position=position)
        return response

    async def AcceptSuggestion(self, request: pb.AcceptSuggestionRequest, _: grpc.aio.ServicerContext) -> pb.AcceptSuggestionResponse:
        """It is a category from now on."""
        accepted = await self._suggestions.accept_suggestion(
            context.identity().user_id,
            uuid_of("suggestion_id", request.suggestion_id),
            name=text_of("name", request.name, MAX_NAME_CHARS),
            primary_slug=text_of("primary_slug", request.primary_slug, 100),
        )
        return pb.AcceptSuggestionResponse(suggestion=suggestion_message(accepted))

    async def DismissSuggestion(self, request: pb.DismissSuggestionRequest, _: grpc.aio.ServicerContext) -> pb.DismissSuggestionResponse:
        """It is put aside."""
        suggestion_id = uuid_of("suggestion_id", request.suggestion_id)
        dismissed = await self._suggestions.dismiss_suggestion(context.identity().user_id, suggestion_id)
        return pb.DismissSuggestionResponse(suggestion=suggestion_message(dismissed))


def suggestion_message(found: Suggestion) -> pb.CategorySuggestion:
    """A suggestion as it stands."""
    return pb.CategorySuggestion(
        suggestion_id=str(found.id),
        state=_STATES[found.state],
        name=found.name,
        primary_slug=found.primary_slug,
        category=found.category,
        score=found.score,
        transaction_count=found.transaction_count,
        transaction_ids=map(str, found.transaction_ids),
        examples=found.examples,
        reason=found.reason,
        create_time=to_timestamp(found.created_at),
    )
