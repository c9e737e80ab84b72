"""The use-cases and rules of saved filters."""

from __future__ import annotations

import hashlib
from typing import Protocol
from uuid import UUID

from services.accounts.domain import FirstRequest
from services.accounts.filters import parse
from services.accounts.saved_filters.domain import NewSavedFilter, SavedFilter, SavedFilterChanges
from services.kit.pagination import PageTokens, page_size


class SavedFiltersRepository(Protocol):
    """What the service stores. Each method is one transaction and touches only rows of `user_id`."""

    async def create_saved_filter(self, user_id: UUID, new: NewSavedFilter, request: FirstRequest) -> SavedFilter: ...

    async def get_saved_filter(self, user_id: UUID, saved_filter_id: UUID) -> SavedFilter: ...

    async def list_saved_filters(self, user_id: UUID, *, after: str, limit: int) -> list[SavedFilter]: ...

    async def update_saved_filter(self, user_id: UUID, saved_filter_id: UUID, changes: SavedFilterChanges) -> SavedFilter: ...

    async def delete_saved_filter(self, user_id: UUID, saved_filter_id: UUID) -> None: ...


class SavedFiltersService:
    """Saved filters of the verified user who asks."""

    def __init__(self, repository: SavedFiltersRepository, page_tokens: PageTokens) -> None:
        self._repository = repository
        self._page_tokens = page_tokens

    async def create_saved_filter(self, user_id: UUID, new: NewSavedFilter, request_id: str) -> SavedFilter:
        """Keeps a filter that has no mistake; the same request again returns the same one. Raises AlreadyExists, InvalidArgument."""
        parse(new.filter)
        request = FirstRequest(request_id, hashlib.sha256(repr(new).encode()).digest())
        return await self._repository.create_saved_filter(user_id, new, request)

    async def get_saved_filter(self, user_id: UUID, saved_filter_id: UUID) -> SavedFilter:
        """One saved filter. Raises NotFound."""
        return await self._repository.get_saved_filter(user_id, saved_filter_id)

    async def list_saved_filters(self, user_id: UUID, *, requested_size: int, token: str) -> tuple[list[SavedFilter], str]:
        """One page, by name, and the token of the next one; empty on the last page."""
        size, bound = page_size(requested_size), "saved filters"
        after = self._page_tokens.decode(token, user_id=user_id, filters=bound)[0] if token else ""
        found = await self._repository.list_saved_filters(user_id, after=after, limit=size + 1)
        if len(found) <= size:
            return found, ""
        return found[:size], self._page_tokens.encode(user_id=user_id, filters=bound, position=(found[size - 1].name,))

    async def update_saved_filter(self, user_id: UUID, saved_filter_id: UUID, changes: SavedFilterChanges) -> SavedFilter:
        """Changes name or filter. Raises NotFound, AlreadyExists, InvalidArgument."""
        if changes == SavedFilterChanges():
            return await self._repository.get_saved_filter(user_id, saved_filter_id)
        if changes.filter is not None:
            parse(changes.filter, "saved_filter.filter")
        return await self._repository.update_saved_filter(user_id, saved_filter_id, changes)

    async def delete_saved_filter(self, user_id: UUID, saved_filter_id: UUID) -> None:
        """Takes one away. Harmless to repeat."""
        await self._repository.delete_saved_filter(user_id, saved_filter_id)
