"""Rows of accounts.categories, the taxonomy, and of accounts.user_categories."""

from __future__ import annotations

import time
from collections.abc import Iterable
from uuid import UUID

import asyncpg

from services.accounts.domain import (
    Category,
    FirstRequest,
    category_exists,
    request_id_reused,
    unknown_category,
)
from services.kit.postgres import Connection, Database

# The taxonomy changes only with an upgrade; a process that outlives one sees it after this many seconds.
_TAXONOMY_LIFETIME_S = 300.0

_SELECT_TAXONOMY = "SELECT slug, primary_slug FROM accounts.categories"
_SELECT_OWN_PRIMARIES = "SELECT slug, primary_slug FROM accounts.user_categories WHERE user_id = $1 AND slug = ANY($2)"
_SELECT_OWN_BELOW = "SELECT slug FROM accounts.user_categories WHERE user_id = $1 AND primary_slug = $2"
_SELECT_PAGE = """
    SELECT slug, name, primary_slug, custom
      FROM (SELECT slug, name, primary_slug, false AS custom FROM accounts.categories
            UNION ALL
            SELECT slug, name, primary_slug, true FROM accounts.user_categories WHERE user_id = $1) AS known
     WHERE $2::boolean IS NULL OR (custom, slug) > ($2, $3)
     ORDER BY custom, slug LIMIT $4
"""
IS_KNOWN = """
    SELECT EXISTS (SELECT FROM accounts.categories WHERE slug = $2)
        OR EXISTS (SELECT FROM accounts.user_categories WHERE user_id = $1 AND slug = $2)
"""
_INSERT = """
    INSERT INTO accounts.user_categories (user_id, slug, name, primary_slug, request_id, request_hash)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (user_id, request_id) DO NOTHING RETURNING slug
"""
_SELECT_BY_REQUEST = """
    SELECT slug, name, primary_slug, request_hash FROM accounts.user_categories WHERE user_id = $1 AND request_id = $2
"""


class CategoryRows:
    """The taxonomy, the same for all, and each user's own categories."""

    _database: Database

    async def list_categories(self, user_id: UUID, *, after: tuple[bool, str] | None, limit: int) -> list[Category]:
        """The taxonomy by slug, then the user's own by slug; `after` is (custom, slug) of the last one seen."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return await self._categories(connection, user_id, after, limit)

    async def create_category(self, user_id: UUID, category: Category, request: FirstRequest) -> Category:
        """Adds one of the user's own, or returns the one that the same request added before.

        Raises AlreadyExists for a taken slug and for another request under the same id, InvalidArgument for an unknown primary slug.
        """
        async with self._database.transaction(user_id) as connection:
            taxonomy = await self._taxonomy(connection)
            if taxonomy.get(category.primary_slug) != category.primary_slug:
                raise unknown_category(category.primary_slug, "primary_slug")
            if category.slug in taxonomy:
                raise category_exists(category.slug)
            try:
                added = await connection.fetchval(
                    _INSERT,
                    user_id,
                    category.slug,
                    category.name,
                    category.primary_slug,
                    request.request_id,
                    request.content_hash,
                )
            except asyncpg.UniqueViolationError:
                raise category_exists(category.slug) from None
            if added is None:
                before = await connection.fetchrow(_SELECT_BY_REQUEST, user_id, request.request_id)
                if before["request_hash"] != request.content_hash:
                    raise request_id_reused(request.request_id)
                return Category(before["slug"], before["name"], before["primary_slug"], custom=True)
            return category

    def _forget_taxonomy(self) -> None:
        self._primaries: dict[str, str] = {}
        self._primaries_read_at = 0.0

    async def _taxonomy(self, connection: Connection) -> dict[str, str]:
        """Slug to primary slug of the whole taxonomy."""
        now = time.monotonic()
        if not self._primaries or now - self._primaries_read_at > _TAXONOMY_LIFETIME_S:
            self._primaries = dict(await connection.fetch(_SELECT_TAXONOMY))
            self._primaries_read_at = now
        return self._primaries

    async def _primary_slugs(self, connection: Connection, user_id: UUID, slugs: Iterable[str]) -> dict[str, str]:
        """Slug to primary slug for at least `slugs`; asks only for those that the taxonomy lacks."""
        taxonomy = await self._taxonomy(connection)
        own = [slug for slug in set(slugs) if slug not in taxonomy]
        if not own:
            return taxonomy
        return {**taxonomy, **dict(await connection.fetch(_SELECT_OWN_PRIMARIES, user_id, own))}

    async def _slugs_below(self, connection: Connection, user_id: UUID, slug: str) -> list[str]:
        """The slug, and for a primary one all below it, the user's own included."""
        taxonomy = await self._taxonomy(connection)
        if taxonomy.get(slug) != slug:
            return [slug]
        own = await connection.fetch(_SELECT_OWN_BELOW, user_id, slug)
        return [known for known, primary in taxonomy.items() if primary == slug] + [record["slug"] for record in own]

    async def _categories(self, connection: Connection, user_id: UUID, after: tuple[bool, str] | None, limit: int) -> list[Category]:
        custom, slug = after or (None, None)
        records = await connection.fetch(_SELECT_PAGE, user_id, custom, slug, limit)
        return [Category(*record) for record in records]

    async def _is_known(self, connection: Connection, user_id: UUID, slug: str) -> bool:
        known: bool = await connection.fetchval(IS_KNOWN, user_id, slug)
        return known
