"""Edits: their use-cases and rules."""

from __future__ import annotations

import hashlib
from typing import Protocol
from uuid import UUID

from services.accounts.domain import FirstRequest
from services.accounts.edits.domain import Edit, EditChanges, Undone
from services.accounts.filters import Expression, parse
from services.kit.errors import invalid
from services.kit.pagination import PageTokens, page_size


class EditsRepository(Protocol):
    """What the service stores. Each method is one transaction and touches only rows of `user_id`."""

    async def edit_transactions(
        self, user_id: UUID, filter_text: str, expression: Expression, changes: EditChanges, request: FirstRequest
    ) -> Edit: ...

    async def try_edit(self, user_id: UUID, filter_text: str, expression: Expression, changes: EditChanges) -> Edit: ...

    async def get_edit(self, user_id: UUID, edit_id: UUID) -> Edit: ...

    async def list_edits(self, user_id: UUID, *, after: UUID | None, limit: int) -> list[Edit]: ...

    async def undo_edit(self, user_id: UUID, edit_id: UUID) -> tuple[Edit, Undone]: ...


class EditsService:
    """Use-cases of edits, for the verified user who asks."""

    def __init__(self, repository: EditsRepository, page_tokens: PageTokens) -> None:
        self._repository = repository
        self._page_tokens = page_tokens

    async def edit_transactions(
        self, user_id: UUID, filter_text: str, changes: EditChanges, request_id: str, *, dry_run: bool = False
    ) -> Edit:
        """Changes all transactions that the filter finds; the user's own word. The same request again returns the same edit.

        Raises InvalidArgument and AlreadyExists.
        """
        if changes == EditChanges():
            raise invalid("category", "at least one of category, note and status must be there")
        expression = parse(filter_text)
        if dry_run:
            return await self._repository.try_edit(user_id, filter_text, expression, changes)
        content_hash = hashlib.sha256(repr((filter_text, changes)).encode()).digest()
        request = FirstRequest(request_id, content_hash)
        return await self._repository.edit_transactions(user_id, filter_text, expression, changes, request)

    async def get_edit(self, user_id: UUID, edit_id: UUID) -> Edit:
        """One edit. Raises NotFound."""
        return await self._repository.get_edit(user_id, edit_id)

    async def list_edits(self, user_id: UUID, *, requested_size: int, token: str) -> tuple[list[Edit], str]:
        """One page, the newest first, and the token of the next one; empty on the last page."""
        size = page_size(requested_size)
        after = UUID(self._page_tokens.decode(token, user_id=user_id, filters="edits")[0]) if token else None
        found = await self._repository.list_edits(user_id, after=after, limit=size + 1)
        if len(found) <= size:
            return found, ""
        return found[:size], self._page_tokens.encode(user_id=user_id, filters="edits", position=(str(found[size - 1].id),))

    async def undo_edit(self, user_id: UUID, edit_id: UUID) -> tuple[Edit, Undone]:
        """Takes an edit back, but for transactions that were changed since. Harmless to repeat. Raises NotFound, FailedPrecondition."""
        return await self._repository.undo_edit(user_id, edit_id)
