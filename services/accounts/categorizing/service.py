"""Categories of transactions that are in the ledger: use-cases and rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from services.accounts.categorizing.domain import SetByUser, WorkedOut, WorkedOutCategory
from services.accounts.domain import CategorySource
from services.kit.errors import invalid

MAX_CATEGORIES = 1000
"""In one request."""
_SOURCES = (CategorySource.USER, CategorySource.MODEL, CategorySource.FALLBACK)


class CategorizingRepository(Protocol):
    """What the service stores. Each method is one transaction and touches only rows of `user_id`."""

    async def set_category(self, user_id: UUID, transaction_id: UUID, category: str | None) -> SetByUser: ...

    async def set_categories(self, user_id: UUID, categories: Sequence[WorkedOutCategory]) -> WorkedOut: ...

    async def user_categories(self, user_id: UUID, transaction_ids: Sequence[UUID]) -> Mapping[UUID, str | None]: ...


class CategorizingService:
    """Sets categories, for the verified user who asks."""

    def __init__(self, repository: CategorizingRepository) -> None:
        self._repository = repository

    async def set_category(self, user_id: UUID, transaction_id: UUID, category: str | None) -> SetByUser:
        """The user's own word; None takes the category away. Raises NotFound, and InvalidArgument for one that the user does not have."""
        return await self._repository.set_category(user_id, transaction_id, category)

    async def set_categories(self, user_id: UUID, categories: Sequence[WorkedOutCategory]) -> WorkedOut:
        """What was worked out, where nobody with more to say has spoken. Raises InvalidArgument, and Unavailable while an import of the
        user is being written."""
        if not 1 <= len(categories) <= MAX_CATEGORIES:
            raise invalid("categories", f"has {len(categories)} entries, 1 to {MAX_CATEGORIES} are allowed")
        seen: set[UUID] = set()
        for place, one in enumerate(categories):
            _check(one, f"categories[{place}]")
            if one.transaction_id in seen:
                raise invalid(f"categories[{place}].transaction_id", f"{one.transaction_id} is there twice")
            seen.add(one.transaction_id)
        return await self._repository.set_categories(user_id, categories)

    async def user_categories(self, user_id: UUID, transaction_ids: Sequence[UUID]) -> Mapping[UUID, str | None]:
        """What the user has said of transactions by hand, None for nothing; those that are not in the ledger are left out."""
        if not 1 <= len(transaction_ids) <= MAX_CATEGORIES:
            raise invalid("transaction_ids", f"has {len(transaction_ids)} entries, 1 to {MAX_CATEGORIES} are allowed")
        return await self._repository.user_categories(user_id, transaction_ids)


def _check(one: WorkedOutCategory, field: str) -> None:
    if one.source not in _SOURCES:
        raise invalid(f"{field}.source", "must be USER, MODEL or FALLBACK")
    if one.confidence is None and one.source is not CategorySource.USER and one.category:
        raise invalid(f"{field}.confidence", "is required")
    if one.confidence is not None and not 0 <= one.confidence <= 1:
        raise invalid(f"{field}.confidence", "must lie between 0 and 1")
    if one.source is CategorySource.USER and not one.category:
        raise invalid(f"{field}.category", "is required with source USER")
