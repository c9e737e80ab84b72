"""What stands behind typed transactions, in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pyarrow as pa

from services.ingestion.domain import AccountRef
from services.ingestion.typed.domain import TypedRequest
from services.kit.errors import NotFound, ScaleError


class FakeTypedRequests:
    """`TypedRequests` in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[UUID, str], TypedRequest] = {}

    async def begin_typed(self, user_id: UUID, new: TypedRequest) -> TypedRequest:
        return self.kept.setdefault((user_id, new.request_id), new)

    async def finish_typed(self, user_id: UUID, request_id: str) -> None:
        self.kept[user_id, request_id] = replace(self.kept[user_id, request_id], is_done=True)

    async def forget_typed(self, user_id: UUID, request_id: str) -> None:
        self.kept.pop((user_id, request_id), None)


class FakeTypedLedger:
    """`TypedLedger` of one user, in memory. `broken` is raised once, after the row is in when `breaks_late`."""

    def __init__(self) -> None:
        self.accounts: dict[UUID, str] = {}
        """Id to currency."""
        self.rows: dict[UUID, dict[str, Any]] = {}
        self.broken: ScaleError | None = None
        self.breaks_late = False

    async def get_account(self, account_id: UUID) -> AccountRef:
        if account_id not in self.accounts:
            raise NotFound("no such account")
        return AccountRef(account_id, self.accounts[account_id])

    async def append_typed_transaction(
        self, transaction_id: UUID, row: bytes, *, category: str | None, note: str, allow_equal: bool
    ) -> UUID | None:
        (values,) = pa.ipc.open_stream(row).read_all().to_pylist()
        broken, self.broken = self.broken, None
        if broken and not self.breaks_late:
            raise broken
        equal = (held for held, one in self.rows.items() if one["fingerprint"] == values["fingerprint"])
        if transaction_id not in self.rows and not allow_equal and (held := next(equal, None)):
            return held
        self.rows[transaction_id] = {**values, "category": category, "note": note}
        if broken:
            raise broken
        return None
