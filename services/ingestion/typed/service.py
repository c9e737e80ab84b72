"""A transaction that a user types in: once in the ledger, whatever is sent twice, at once, or dies half way."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Protocol
from uuid import UUID

import polars as pl
import structlog
import uuid_utils.compat

from services.ingestion.domain import AccountRef
from services.ingestion.predictions import Predictions
from services.ingestion.protocols import Categorizer, LedgerWatcher
from services.ingestion.typed.domain import NewTransaction, TypedRequest, request_id_reused, transaction_exists
from services.ingestion.typed.row import as_question, encode_row
from services.kit.errors import AlreadyExists, InvalidArgument, NotFound

log = structlog.get_logger()

_CLASSIFY_TIMEOUT_S = 2.0
"""A person waits."""


class TypedRequests(Protocol):
    """Where requests are kept. Each method is one transaction of one user."""

    async def begin_typed(self, user_id: UUID, new: TypedRequest) -> TypedRequest:
        """Records the request; the one that has its request id when there is one."""

    async def finish_typed(self, user_id: UUID, request_id: str) -> None:
        """Notes that the ledger has taken the transaction."""

    async def forget_typed(self, user_id: UUID, request_id: str) -> None:
        """Frees the id of a request that came to nothing."""


class TypedLedger(Protocol):
    """What is asked of the service that owns the transactions. The caller's token says whose they are."""

    async def get_account(self, account_id: UUID) -> AccountRef:
        """Raises NotFound."""

    async def append_typed_transaction(
        self, transaction_id: UUID, row: bytes, *, category: str | None, note: str, allow_equal: bool
    ) -> UUID | None:
        """Adds the row under this id, once; or gives the id of the equal transaction that the ledger holds."""


class TypedTransactions:
    """Use-cases of what users type in. Every call names the user, from the verified token."""

    def __init__(
        self, requests: TypedRequests, ledger: TypedLedger, categorizer: Categorizer | None = None, watcher: LedgerWatcher | None = None
    ) -> None:
        """`categorizer` says what a payment is for, where the user does not. `watcher` hears of each one that is new."""
        self._requests = requests
        self._ledger = ledger
        self._categorizer = categorizer
        self._watcher = watcher

    async def create_transaction(self, user_id: UUID, new: NewTransaction, *, request_id: str) -> tuple[UUID, bool]:
        """The transaction's id, and whether this is an earlier answer again.

        Raises AlreadyExists when the ledger holds an equal transaction, or when the request id was used for another one, NotFound for an
        account that is not the user's, InvalidArgument for a category that the user does not have, and what the ledger raises.
        """
        hashed = hashlib.sha256(repr(new).encode()).digest()
        # The name is kept before the ledger hears it: whoever comes back after a crash asks for the same transaction.
        request = await self._requests.begin_typed(user_id, TypedRequest(request_id, hashed, uuid_utils.compat.uuid7()))
        if request.request_hash != hashed:
            raise request_id_reused()
        if request.is_done:
            return request.transaction_id, True
        try:
            await self._append(new, request.transaction_id)
        except (InvalidArgument, NotFound, AlreadyExists):
            await self._requests.forget_typed(user_id, request_id)
            raise
        await self._requests.finish_typed(user_id, request_id)
        log.info("transaction typed in", transaction_id=str(request.transaction_id))
        if self._watcher is not None:
            self._watcher.ledger_changed(request.transaction_id)
        return request.transaction_id, False

    async def _append(self, new: NewTransaction, transaction_id: UUID) -> None:
        if not new.currency:
            account = await self._ledger.get_account(new.account_id)
            new = dataclasses.replace(new, currency=account.currency)
        row = encode_row(new, await self._predicted(new))
        held = await self._ledger.append_typed_transaction(
            transaction_id, row, category=new.category, note=new.note, allow_equal=new.allow_equal
        )
        if held is not None:
            raise transaction_exists(held)

    async def _predicted(self, new: NewTransaction) -> pl.DataFrame | None:
        if new.category is not None:
            return None
        predictions = Predictions(self._categorizer, executor=None, timeout_s=_CLASSIFY_TIMEOUT_S)
        try:
            return await predictions.answer(await predictions.ask(as_question(new)))
        finally:
            await predictions.close()
