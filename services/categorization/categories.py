"""A user's categories, kept for an hour (`cat:{user_id}`) so that no answer waits for the ledger's list."""

from __future__ import annotations

from uuid import UUID

from services.categorization.domain import Categories, Category
from services.categorization.protocols import CategoryLedger
from services.kit.cache import Cache

CACHE_NAME = "cat"
"""In Redis the key is cache:cat:<pseudonym of the user>. The ledger drops it as it takes in a new category."""


class UserCategories:
    """The taxonomy and the user's own, as the ledger lists them. The caller's token says whose."""

    def __init__(self, ledger: CategoryLedger, cache: Cache) -> None:
        """`cache` has the name CACHE_NAME, and the key that hides users' ids in the ledger's, too."""

        async def listed(user_id: UUID) -> dict[str, Category]:
            return {category.slug: category for category in await ledger.list_categories()}

        self._listed = cache.cached()(listed)

    async def of(self, user_id: UUID) -> Categories:
        """By slug."""
        found: dict[str, Category] = await self._listed(user_id)
        return found
