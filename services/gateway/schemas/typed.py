"""The shape of a transaction that is typed in by hand."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from services.gateway.schemas.accounts import Standing
from services.gateway.schemas.fields import Amount, Currency, Day, Identifier, Input, Text


class NewTransaction(Input):
    """The transaction to add."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "account_id": "019b76da-a800-7000-8000-000000000002",
                    "transaction_date": "2026-01-31",
                    "amount": "-3.50",
                    "currency": "EUR",
                    "description": "Coffee",
                    "category": "dining",
                }
            ]
        },
    )

    account_id: Identifier = Field(description="The account that it belongs to.")
    transaction_date: Day = Field(description="Day, YYYY-MM-DD, in the years 1900 to 2100.")
    amount: Amount = Field(description="Signed decimal: negative when money leaves. Not zero.")
    currency: Currency | None = Field(None, description="ISO 4217; absent means the account's.")
    description: Text = Field(min_length=1, max_length=2000, description="What it was.")
    merchant: Text | None = Field(None, min_length=1, max_length=200, description="Shop or counterparty; blank means none.")
    category: Text | None = Field(None, min_length=1, max_length=100, description="A slug that GET /categories knows.")
    payment_method: Text | None = Field(
        None, min_length=1, max_length=100, description="How it was paid; blank means that nothing is said."
    )
    status: Standing = Field("posted", description="Booked, announced or taken back.")
    note: Text | None = Field(None, max_length=2000, description="Your own words.")
    allow_equal: bool = Field(False, strict=True, description="True for another payment that equals one in the ledger.")
