"""What training reads of users' words, and where users' own models are kept, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from services.categorization.domain import Anchor, UserModel
from services.categorization.learning.domain import (
    AcceptanceFigures,
    AgreedCorrection,
    CorrectionPosition,
    MerchantPosition,
    Tally,
    UserAcceptance,
)
from services.categorization.repository.words import ANCHOR, anchor_of, revise
from services.kit.postgres import Database

SELECT_CORRECTIONS = f"""
    SELECT {ANCHOR} FROM categorization.anchors
     WHERE user_id = $1 AND ($3::timestamptz IS NULL OR (said_at <= $3 AND (said_at < $3 OR subject > $4::text)))
     ORDER BY said_at DESC, subject LIMIT $2
"""  # nosec B608
_AGREED = "SELECT merchant_key, credit, category, user_count FROM categorization.agreed_corrections($1, $2, $3, $4, $5)"
_LOW = "SELECT user_id, classified, corrected FROM categorization.low_acceptance($1, $2, $3, $4, $5)"
_TOTAL = "SELECT classified, corrected FROM categorization.total_acceptance($1)"
_ADD = "SELECT categorization.add_acceptance($1, $2, $3, $4, $5)"
_EXPIRE = "SELECT categorization.expire_acceptance($1, $2)"
_SET_MODEL = """
    INSERT INTO categorization.user_models (user_id, version, base_version, content_hash, artifact)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (user_id) DO UPDATE
       SET version = excluded.version, base_version = excluded.base_version, content_hash = excluded.content_hash,
           artifact = excluded.artifact, created_at = now()
"""
_REMOVE_MODEL = "DELETE FROM categorization.user_models WHERE user_id = $1"
_NOBODY = UUID(int=0)
_ACROSS_USERS_TIMEOUT_S = 60.0


class PostgresLearningRepository:
    """`LearningRepository` and `AcceptanceRepository` on PostgreSQL, schema `categorization`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def corrections(self, user_id: UUID, *, limit: int, after: CorrectionPosition | None) -> Sequence[Anchor]:
        """See `LearningRepository`."""
        said_at, subject = after or (None, None)
        async with self._database.transaction(user_id, read_only=True) as connection:
            return [anchor_of(record) for record in await connection.fetch(SELECT_CORRECTIONS, user_id, limit, said_at, subject)]

    async def agreed_corrections(
        self, *, least_users: int, slugs: Sequence[str], limit: int, after: MerchantPosition
    ) -> Sequence[AgreedCorrection]:
        """See `LearningRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True, statement_timeout_s=_ACROSS_USERS_TIMEOUT_S) as connection:
            found = await connection.fetch(_AGREED, least_users, list(slugs), after.merchant_key, after.credit, limit)
        return [AgreedCorrection(*record) for record in found]

    async def low_acceptance(self, *, since: date, ratio: float, least: int, limit: int, after: UUID) -> Sequence[UserAcceptance]:
        """See `LearningRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True, statement_timeout_s=_ACROSS_USERS_TIMEOUT_S) as connection:
            found = await connection.fetch(_LOW, since, ratio, least, after, limit)
        return [UserAcceptance(record["user_id"], AcceptanceFigures(record["classified"], record["corrected"])) for record in found]

    async def total_acceptance(self, *, since: date) -> AcceptanceFigures:
        """See `LearningRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True, statement_timeout_s=_ACROSS_USERS_TIMEOUT_S) as connection:
            return AcceptanceFigures(*await connection.fetchrow(_TOTAL, since))

    async def set_model(self, user_id: UUID, model: UserModel | None) -> None:
        """See `LearningRepository`."""
        async with self._database.transaction(user_id) as connection:
            await revise(connection, user_id)
            if model is None:
                await connection.execute(_REMOVE_MODEL, user_id)
            else:
                await connection.execute(_SET_MODEL, user_id, *model)

    async def add_acceptance(self, tallies: Sequence[Tally], *, age_s: float) -> None:
        """See `AcceptanceRepository`."""
        async with self._database.transaction(_NOBODY) as connection:
            await connection.execute(_ADD, *(list(column) for column in zip(*tallies, strict=True)), age_s)

    async def expire_acceptance(self, *, before: date, limit: int) -> int:
        """See `AcceptanceRepository`."""
        async with self._database.transaction(_NOBODY) as connection:
            return int(await connection.fetchval(_EXPIRE, before, limit))
