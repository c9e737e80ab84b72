"""The shapes of transfers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from services.gateway.schemas.accounts import TRANSACTION_EXAMPLE, Transaction
from services.gateway.schemas.fields import Output, PageQuery

State = Literal["suggested", "confirmed", "undone"]

_ID = "019b76da-a800-7000-8000-0000000000f0"
_OUTGOING = TRANSACTION_EXAMPLE | {"amount": "-500.00", "description": "Savings plan DE02500105170137075030", "transfer_id": _ID}
_INCOMING = _OUTGOING | {
    "id": "019b76da-a800-7000-8000-000000000003",
    "account_id": "019b76da-a800-7000-8000-000000000004",
    "transaction_date": "2026-02-01",
    "amount": "500.00",
    "type": "credit",
    "description": "Credit",
}
_TRANSFER: dict[str, Any] = {
    "id": _ID,
    "state": "suggested",
    "reason": "500.00 EUR left Giro on 31 January 2026 and reached Savings a day later; the text names the other account's number",
    "outgoing": _OUTGOING,
    "incoming": _INCOMING,
    "created_at": "2026-02-01T08:00:00.000000Z",
    "decided_at": None,
}


class TransferFilters(PageQuery):
    """Which transfers."""

    state: State | None = Field(None, description="Absent: suggested and confirmed ones.", examples=["suggested"])


class Transfer(Output):
    """Money that went from one of your accounts to another."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_TRANSFER]})

    id: UUID = Field(description="The transfer.")
    state: State = Field(description="Suggested until you confirm or undo it.")
    reason: str = Field(description="Why the two belong together.")
    outgoing: Transaction = Field(description="The side that money left.")
    incoming: Transaction = Field(description="The side that it reached.")
    created_at: datetime = Field(description="When it was suggested, UTC.")
    decided_at: datetime | None = Field(description="When you decided, UTC.")


class TransferPage(Output):
    """Transfers, the newest suggestion first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_TRANSFER], "next_page_token": None}]})  # nosec B105

    items: list[Transfer] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")
