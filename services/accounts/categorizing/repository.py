"""Sets the category of rows of accounts.transactions that are there already.

Who has more to say: the user on this very transaction (source user, without a confidence), then rules and the bank's file, then what was
worked out: from what the user said of like payments (source user, with a confidence), by a model, by the shipped rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.accounts.categorizing.domain import SetByUser, WorkedOut, WorkedOutCategory
from services.accounts.domain import CategorySource, transaction_not_found, unknown_category
from services.accounts.edits.repository.held import hold_category
from services.accounts.repository.filters import columns_of
from services.accounts.repository.locking import DECISION_TIMEOUT_S, lock_user
from services.accounts.repository.suggesting import JOIN_BY_HASH
from services.accounts.repository.transactions import TransactionRows
from services.kit.postgres import Connection, Database

# Locked first: what is answered as the state before is what the user's word took the place of.
SET_BY_USER = f"""
    WITH before AS (
        SELECT id, category, category_source FROM accounts.transactions WHERE user_id = $1 AND id = $2 FOR NO KEY UPDATE
    )
    UPDATE accounts.transactions AS t
       SET category = $3, category_source = CASE WHEN $3::text IS NOT NULL THEN 'user' END, confidence = NULL, updated_at = now()
      FROM before WHERE t.user_id = $1 AND t.id = before.id
    RETURNING before.category, before.category_source, {columns_of("t")}
"""  # nosec B608 - only constants
# What the user has accepted takes the place of what a rule or the file said, too. The ids are there a second time, as one condition: a
# ledger in months is then asked once a month and not once for each id.
SET_WORKED_OUT = """
    WITH found AS MATERIALIZED (
        SELECT t.id, given.category, CASE WHEN given.category IS NOT NULL THEN given.source END AS source,
               CASE WHEN given.category IS NOT NULL THEN given.confidence END AS confidence,
               t.category IS DISTINCT FROM given.category AS is_other,
               CASE t.category_source WHEN 'user' THEN t.confidence IS NULL
                                      WHEN 'rule' THEN NOT given.is_accepted WHEN 'file' THEN NOT given.is_accepted
                                      ELSE false END AS is_kept
          FROM unnest($2::uuid[], $3::text[], $4::text[], $5::double precision[], $6::boolean[])
                   AS given (id, category, source, confidence, is_accepted)
          JOIN accounts.transactions AS t ON t.user_id = $1 AND t.id = given.id AND t.id = ANY ($2::uuid[])
           FOR NO KEY UPDATE OF t
    ), changed AS (
        UPDATE accounts.transactions AS t
           SET category = found.category, category_source = found.source, confidence = found.confidence, updated_at = now()
          FROM found
         WHERE t.user_id = $1 AND t.id = found.id AND t.id = ANY ($2::uuid[]) AND NOT is_kept
           AND (t.category, t.category_source, t.confidence) IS DISTINCT FROM (found.category, found.source, found.confidence)
    )
    SELECT count(*) FILTER (WHERE is_other AND NOT is_kept), count(*) FILTER (WHERE is_kept) FROM found
"""
# Those of the user's ledger, whoever has set them: that the user has said nothing is an answer, too.
SELECT_USER_CATEGORIES = """
    SELECT id, CASE WHEN category_source = 'user' AND confidence IS NULL THEN category END
      FROM accounts.transactions WHERE user_id = $1 AND id = ANY ($2::uuid[])
"""


class PostgresCategorizingRepository(TransactionRows):
    """Categories of each user's transactions. Each public method is one transaction, as the user whose rows it touches."""

    def __init__(self, database: Database, *, lock_timeout_s: float = DECISION_TIMEOUT_S) -> None:
        """`lock_timeout_s`: how long what was worked out waits for an import of the user."""
        self._database = database
        self._lock_timeout_s = lock_timeout_s
        self._forget_taxonomy()

    async def set_category(self, user_id: UUID, transaction_id: UUID, category: str | None) -> SetByUser:
        """What the user says by hand. Raises NotFound, and InvalidArgument for a category that the user does not have."""
        async with self._database.transaction(user_id) as connection:
            if category is not None and not await self._is_known(connection, user_id, category):
                raise unknown_category(category)
            record = await connection.fetchrow(SET_BY_USER, user_id, transaction_id, category)
            if record is None:
                raise transaction_not_found(transaction_id)
            await hold_category(connection, user_id, transaction_id)
            previous_category, previous_source, *columns = record
            (transaction,) = await self._complete(connection, user_id, [columns])
            return SetByUser(transaction, previous_category, previous_source)

    async def set_categories(self, user_id: UUID, categories: Sequence[WorkedOutCategory]) -> WorkedOut:
        """What was worked out. Raises InvalidArgument for a category that the user does not have, and Unavailable."""
        async with self._database.transaction(user_id) as connection:
            await self._check_known(connection, user_id, categories)
            # As edits, rules and imports do, which change the same rows in another order.
            await lock_user(connection, user_id, timeout_s=self._lock_timeout_s)
            await connection.execute(JOIN_BY_HASH)
            return WorkedOut(*await connection.fetchrow(SET_WORKED_OUT, user_id, *worked_out_arguments(categories)))

    async def user_categories(self, user_id: UUID, transaction_ids: Sequence[UUID]) -> dict[UUID, str | None]:
        """What the user has said of those that are there; None for nothing."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return dict(await connection.fetch(SELECT_USER_CATEGORIES, user_id, transaction_ids))

    async def _check_known(self, connection: Connection, user_id: UUID, categories: Sequence[WorkedOutCategory]) -> None:
        known = await self._primary_slugs(connection, user_id, {one.category for one in categories if one.category})
        for place, one in enumerate(categories):
            if one.category and one.category not in known:
                raise unknown_category(one.category, f"categories[{place}].category")


def worked_out_arguments(categories: Sequence[WorkedOutCategory]) -> tuple[list[object], ...]:
    """Those of SET_WORKED_OUT, but for the user."""
    return (
        [one.transaction_id for one in categories],
        [one.category for one in categories],
        [one.source.value for one in categories],
        [one.confidence for one in categories],
        # The user's own word has nothing to be unsure of.
        [one.source is CategorySource.USER and one.confidence is None for one in categories],
    )
