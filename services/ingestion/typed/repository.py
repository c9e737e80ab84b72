"""Requests for typed transactions in PostgreSQL. Each method is one transaction as its user."""

from __future__ import annotations

from uuid import UUID

from services.ingestion.typed.domain import TypedRequest
from services.kit.postgres import Database

# The update changes nothing; it makes the statement give the record, whoever made it.
_BEGIN = """
    INSERT INTO ingestion.typed_transactions AS t (user_id, request_id, request_hash, transaction_id) VALUES ($1, $2, $3, $4)
    ON CONFLICT (user_id, request_id) DO UPDATE SET request_hash = t.request_hash
    RETURNING request_id, request_hash, transaction_id, is_done
"""
_FINISH = "UPDATE ingestion.typed_transactions SET is_done = true WHERE user_id = $1 AND request_id = $2"
_FORGET = "DELETE FROM ingestion.typed_transactions WHERE user_id = $1 AND request_id = $2 AND NOT is_done"


class PostgresTypedRequests:
    """`TypedRequests` on PostgreSQL, schema `ingestion`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_typed(self, user_id: UUID, new: TypedRequest) -> TypedRequest:
        """See `TypedRequests`."""
        async with self._database.transaction(user_id) as connection:
            return TypedRequest(*await connection.fetchrow(_BEGIN, user_id, new.request_id, new.request_hash, new.transaction_id))

    async def finish_typed(self, user_id: UUID, request_id: str) -> None:
        """See `TypedRequests`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_FINISH, user_id, request_id)

    async def forget_typed(self, user_id: UUID, request_id: str) -> None:
        """See `TypedRequests`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_FORGET, user_id, request_id)
