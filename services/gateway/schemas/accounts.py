"""The shapes of accounts, transactions, profile and categories."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from services.gateway.schemas.fields import ABSENT, Amount, ChangesSomething, Currency, Day, Identifier, Input, Output, PageQuery, Text

AccountKind = Literal["checking", "savings", "credit_card", "cash", "loan", "investment", "other"]
Direction = Literal["credit", "debit"]
Standing = Literal["posted", "pending", "void"]

TRANSACTION_EXAMPLE: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-000000000001",
    "account_id": "019b76da-a800-7000-8000-000000000002",
    "transaction_date": "2026-01-31",
    "amount": "-12.34",
    "currency": "EUR",
    "type": "debit",
    "description": "CARD PAYMENT REWE BERLIN",
    "merchant": "REWE",
    "category": "groceries_supermarket",
    "primary_category": "groceries",
    "category_source": "user",
    "confidence": None,
    "status": "posted",
    "note": None,
    "suspected_duplicate_of": None,
    "suspicion": None,
    "transfer_id": None,
    "created_at": "2026-02-01T08:00:00.000000Z",
}
_ACCOUNT: dict[str, Any] = {
    "id": "019b76da-a800-7000-8000-000000000002",
    "name": "Current account",
    "type": "checking",
    "currency": "EUR",
    "identifier": "DE02120300000000202051",
    "opening_balance": {"amount": "100.00", "currency": "EUR"},
    "active": True,
    "created_at": "2026-02-01T08:00:00.000000Z",
}
_PROFILE: dict[str, Any] = {
    "user_id": "00000000-0000-7000-8000-000000000001",
    "display_name": "Ada",
    "default_currency": "EUR",
    "locale": "en-GB",
    "time_zone": "Europe/Berlin",
    "transfer_suggestions": True,
    "created_at": "2026-02-01T08:00:00.000000Z",
    "updated_at": "2026-02-01T08:00:00.000000Z",
}
_CATEGORY: dict[str, Any] = {"slug": "groceries_supermarket", "name": "Supermarket", "primary_slug": "groceries", "custom": False}


class TransactionFilters(PageQuery):
    """Filters narrow; absent means any. Days and amounts are inclusive."""

    date_from: Day | None = Field(None, description="First day.", examples=["2026-01-01"])
    date_to: Day | None = Field(None, description="Last day.", examples=["2026-12-31"])
    amount_min: Amount | None = Field(None, description="Smallest signed amount: money that left is negative.", examples=["-100.00"])
    amount_max: Amount | None = Field(None, description="Largest signed amount.", examples=["-10"])
    category: Text | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="A detailed slug, a primary slug with all details below it, or one of your own; `uncategorized` for none.",
        examples=["groceries"],
    )
    merchant: Text | None = Field(None, min_length=1, max_length=500, description="Exact, whatever the case.", examples=["REWE"])
    type: Direction | None = Field(None, description="Money in (credit) or out (debit).", examples=["debit"])
    status: Standing | None = Field(None, description="Booked, announced or taken back.", examples=["posted"])
    account_id: Identifier | None = Field(None, description="One account.")
    q: Text | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Words in description or merchant, in any inflection; mistyped ones are corrected where nothing holds them.",
        examples=["berlin"],
    )
    filter: Text | None = Field(
        None,
        min_length=1,
        max_length=4000,
        description="A filter expression with AND, OR and NOT: fields, words and lists as docs/filters.md has them.",
        examples=["category = groceries AND (amount < -50 OR merchant:rewe)"],
    )
    saved_filter: Identifier | None = Field(None, description="One of your saved filters, in place of `filter`.")
    suspected_duplicate: bool | None = Field(
        None, description="True for what may repeat an earlier transaction and waits for you, false for all others.", examples=[True]
    )

    @field_validator("saved_filter")
    @classmethod
    def _instead_of_filter(cls, value: UUID | None, given: ValidationInfo) -> UUID | None:
        if value is not None and given.data.get("filter") is not None:
            raise ValueError("stands for a `filter`; send one of the two")
        return value


class Transaction(Output):
    """One row of the ledger."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [TRANSACTION_EXAMPLE]})

    id: UUID = Field(description="The transaction.")
    account_id: UUID = Field(description="The account that it belongs to.")
    transaction_date: date = Field(description="Day, in the statement's own calendar.")
    amount: str = Field(
        pattern=r"^-?[0-9]+(\.[0-9]+)?$",
        description="Signed decimal: negative when money leaves. The currency's own decimals, more only where not zero.",
    )
    currency: str = Field(description="ISO 4217.")
    type: Direction = Field(description="Always agrees with the sign of the amount.")
    description: str = Field(description="As the bank wrote it.")
    merchant: str | None = Field(description="Shop or counterparty, where the file names one.")
    category: str | None = Field(description="A detailed slug, a primary slug when no more is known, or one of your own.")
    primary_category: str | None = Field(description="The primary slug above `category`.")
    category_source: Literal["user", "rule", "model", "file", "fallback"] | None = Field(description="Who set the category.")
    confidence: float | None = Field(
        description="How likely the category is right, 0 to 1; null when somebody said so. With source `user` it was worked out from what "
        "you said of like payments."
    )
    status: Standing = Field(description="Booked, announced or taken back.")
    note: str | None = Field(description="Your own words.")
    suspected_duplicate_of: UUID | None = Field(description="The earlier transaction that this one may repeat, until you merge or keep it.")
    suspicion: str | None = Field(description="Why it may repeat that one.")
    transfer_id: UUID | None = Field(description="The transfer that it is one side of, suggested or confirmed.")
    created_at: datetime = Field(description="When it entered the ledger, UTC.")


class CorrectedWord(Output):
    """A word of a search that nothing holds, taken for a mistyped one."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"word": "paymnet", "searched_for": ["payment"]}]})

    word: str = Field(description="As you wrote it.")
    searched_for: list[str] = Field(description="What was searched for instead: any of these.")


class TransactionPage(Output):
    """Transactions, newest first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"items": [TRANSACTION_EXAMPLE], "next_page_token": None, "corrected_words": []}]},  # nosec B105
    )

    items: list[Transaction] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")
    corrected_words: list[CorrectedWord] = Field(description="Words of `q` that were taken for mistyped; mostly empty.")


class TransactionChange(ChangesSomething):
    """What to change; fields that are absent stay."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"note": "Birthday dinner", "category": "groceries"}], "minProperties": 1}
    )

    note: Text | None = Field(None, max_length=2000, description="Your own words; null takes them away.")
    category: Text | None = Field(
        None, min_length=1, max_length=100, description="A slug that GET /categories knows; null takes the category away."
    )


class Balance(Output):
    """An amount of money."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"amount": "100.00", "currency": "EUR"}]})

    amount: Amount = Field(description="Signed decimal.")
    currency: Currency = Field(description="ISO 4217.")


class Account(Output):
    """A place where you keep money."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_ACCOUNT]})

    id: UUID = Field(description="The account.")
    name: str = Field(description="Shown to people.")
    type: AccountKind = Field(description="What kind of account.")
    currency: str = Field(description="ISO 4217.")
    identifier: str | None = Field(description="IBAN or account number, where known.")
    opening_balance: Balance = Field(description="What it held before its first transaction.")
    active: bool = Field(description="False hides it from lists.")
    created_at: datetime = Field(description="When it was opened here, UTC.")


class AccountPage(Output):
    """Accounts, oldest first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_ACCOUNT], "next_page_token": None}]})  # nosec B105

    items: list[Account] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class AccountFilters(PageQuery):
    """Which accounts."""

    include_inactive: bool = Field(False, description="Also accounts that are not active.", examples=[False])


class NewAccount(Input):
    """The account to open."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "Savings", "type": "savings", "currency": "EUR", "identifier": "DE02120300000000202051"}]},
    )

    name: Text = Field(min_length=1, max_length=200, description="Shown to people.")
    type: AccountKind = Field("checking", description="What kind of account.")
    currency: Currency | None = Field(None, description="ISO 4217; absent means the profile's default.")
    identifier: Text | None = Field(None, min_length=1, max_length=64, description="IBAN or account number as the bank prints it.")
    opening_balance: Balance | None = Field(None, description="What it held before its first transaction.")


class AccountChange(ChangesSomething):
    """What to change; fields that are absent stay."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Household", "active": True}], "minProperties": 1})

    name: Text = Field(ABSENT, min_length=1, max_length=200, description="Shown to people.")
    type: AccountKind = Field(ABSENT, description="What kind of account.")
    active: bool = Field(ABSENT, strict=True, description="False hides it from lists.")
    opening_balance: Balance = Field(ABSENT, description="What it held before its first transaction, in the account's currency.")


class Profile(Output):
    """Your settings."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_PROFILE]})

    user_id: UUID = Field(description="You, from the token.")
    display_name: str | None = Field(description="Shown to people.")
    default_currency: str = Field(description="ISO 4217, for files and accounts that name none.")
    locale: str = Field(description="BCP 47, such as en-GB.")
    time_zone: str = Field(description="IANA name, such as Europe/Berlin.")
    transfer_suggestions: bool = Field(description="Whether transfers between your accounts are suggested.")
    created_at: datetime = Field(description="When you were first seen, UTC.")
    updated_at: datetime = Field(description="Last change, UTC.")


class ProfileChange(ChangesSomething):
    """What to change; fields that are absent stay."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"display_name": "Ada", "default_currency": "EUR"}], "minProperties": 1}
    )

    display_name: Text | None = Field(None, max_length=100, description="Shown to people; null takes it away.")
    default_currency: Currency = Field(ABSENT, description="ISO 4217, for files and accounts that name none.")
    locale: Text = Field(ABSENT, max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="BCP 47, such as en-GB.")
    time_zone: Text = Field(
        ABSENT, max_length=64, pattern=r"^[A-Za-z_]+(/[A-Za-z0-9_+-]+)*$", description="IANA name, such as Europe/Berlin."
    )
    transfer_suggestions: bool = Field(
        ABSENT, strict=True, description="False takes open suggestions away and makes no new ones; true starts with the next import."
    )


class Category(Output):
    """One entry of the taxonomy, or one of your own."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_CATEGORY]})

    slug: str = Field(description="Stable name, used in filters and changes.")
    name: str = Field(description="Shown to people.")
    primary_slug: str = Field(description="The primary category that it belongs to; equal to `slug` for a primary one.")
    custom: bool = Field(description="True for one of your own.")


class CategoryPage(Output):
    """The taxonomy by slug, then your own."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"items": [_CATEGORY], "next_page_token": None}]})  # nosec B105

    items: list[Category] = Field(description="This page.")
    next_page_token: str | None = Field(description="For the next page; null on the last one.")


class CategoryQuery(PageQuery):
    """Which page of the categories."""

    page_size: int = Field(0, ge=0, le=2_147_483_647, description="Items per page. 0 means all, up to 1000.", examples=[0])


class NewCategory(Input):
    """The category to add."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Climbing", "primary_slug": "entertainment"}]})

    name: Text = Field(min_length=1, max_length=100, description="Shown to people; its slug is made from it.")
    primary_slug: Text = Field(min_length=1, max_length=100, description="One of the taxonomy's primary slugs.")
