"""The shapes of balances."""

from __future__ import annotations

import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from services.gateway.schemas.fields import Day, Identifier, Output, PageQuery

_BALANCE: dict[str, Any] = {
    "account_id": "019b76da-a800-7000-8000-000000000002",
    "account_name": "Current account",
    "balance": {"amount": "1234.56", "currency": "EUR"},
    "transaction_count": 42,
    "last_date": "2026-01-31",
}


class BalanceFilters(PageQuery):
    """Which balances."""

    date: Day | None = Field(None, description="As of the end of this day. Absent: all that is posted.", examples=["2026-01-31"])
    account_id: Identifier | None = Field(None, description="One account.")
    include_inactive: bool = Field(False, description="Also accounts that are not active.", examples=[False])


class Total(Output):
    """A sum of money in one currency."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"amount": "1234.56", "currency": "EUR"}]})

    amount: str = Field(
        pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="Signed decimal: the currency's own decimals, more only where they are not zero."
    )
    currency: str = Field(description="ISO 4217.")


class AccountBalance(Output):
    """What an account holds in one currency."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_BALANCE]})

    account_id: UUID = Field(description="The account.")
    account_name: str = Field(description="Its name.")
    balance: Total = Field(description="The opening balance, in the account's own currency, and all that was posted.")
    transaction_count: int = Field(description="Posted transactions counted in.")
    last_date: datetime.date | None = Field(description="Day of the last of them.")


class BalancePage(Output):
    """Balances by account, the oldest first, and by currency."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_BALANCE], "next_page_token": None}]})  # nosec B105

    items: list[AccountBalance] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")
