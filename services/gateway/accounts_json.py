"""Between the JSON of accounts, transactions, transfers, profile and categories and the messages of `scale.accounts.v1`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1 import transaction_pb2 as nouns
from services.gateway.schemas import accounts as schemas
from services.gateway.schemas import transfers as transfer_schemas
from services.gateway.wire import day_text, instant_text, timestamp_text
from services.kit.dates import to_date_proto
from services.kit.money import format_money, to_money

MAX_PAGE_SIZE = 1000
CONFIDENCE_DECIMALS = 4
"""What a probability is worth: the rest is noise of the arithmetic."""


def _names(enum: Any, prefix: str) -> dict[int, str | None]:
    return {number: name.removeprefix(prefix).lower() if number else None for name, number in enum.items()}


_TYPES = _names(nouns.TransactionType, "TRANSACTION_TYPE_")
_STATUSES = _names(nouns.TransactionStatus, "TRANSACTION_STATUS_")
_SOURCES = _names(nouns.CategorySource, "CATEGORY_SOURCE_")
_ACCOUNT_TYPES = _names(nouns.AccountType, "ACCOUNT_TYPE_")
_TRANSFER_STATES = _names(nouns.TransferState, "TRANSFER_STATE_")
_TRANSFER_STATE_NUMBERS: dict[str | None, Any] = {name: number for number, name in _TRANSFER_STATES.items()}
_TYPE_NUMBERS: dict[str | None, Any] = {name: number for number, name in _TYPES.items()}
STATUS_NUMBERS: dict[str | None, Any] = {name: number for number, name in _STATUSES.items()}
_ACCOUNT_TYPE_NUMBERS: dict[str | None, Any] = {name: number for number, name in _ACCOUNT_TYPES.items()}


def list_request(filters: schemas.TransactionFilters) -> pb.ListTransactionsRequest:
    """The request for a page of transactions."""
    request = pb.ListTransactionsRequest(
        page_size=min(filters.page_size, MAX_PAGE_SIZE),
        page_token=filters.page_token,
        amount_min=filters.amount_min,
        amount_max=filters.amount_max,
        category=filters.category,
        merchant=filters.merchant,
        type=_TYPE_NUMBERS[filters.type],
        status=STATUS_NUMBERS[filters.status],
        query=filters.q,
        filter=filters.filter,
        suspected_duplicate=filters.suspected_duplicate,
    )
    if filters.date_from is not None:
        request.date_from.CopyFrom(to_date_proto(filters.date_from))
    if filters.date_to is not None:
        request.date_to.CopyFrom(to_date_proto(filters.date_to))
    if filters.account_id is not None:
        request.account_id = str(filters.account_id)
    return request


def page_json(page: pb.ListTransactionsResponse) -> dict[str, Any]:
    """One page of transactions."""
    return {
        "items": list(map(transaction_json, page.transactions)),
        "next_page_token": page.next_page_token or None,
        "corrected_words": [{"word": one.word, "searched_for": list(one.searched_for)} for one in page.corrected_words],
    }


def transaction_json(row: nouns.Transaction) -> dict[str, Any]:
    """One transaction. The hot path: fifty times per request."""
    amount, day, created = row.amount, row.transaction_date, row.create_time
    return {
        "id": row.transaction_id,
        "account_id": row.account_id,
        "transaction_date": day_text(day.year, day.month, day.day),
        "amount": format_money(amount.units, amount.nanos, amount.currency_code),
        "currency": amount.currency_code,
        "type": _TYPES[row.type],
        "description": row.description,
        "merchant": row.merchant or None,
        "category": row.category or None,
        "primary_category": row.primary_category or None,
        "category_source": _SOURCES[row.category_source],
        "confidence": round(row.confidence, CONFIDENCE_DECIMALS) if row.HasField("confidence") else None,
        "status": _STATUSES[row.status],
        "note": row.note or None,
        "suspected_duplicate_of": row.suspected_duplicate_of or None,
        "suspicion": row.suspicion or None,
        "transfer_id": row.transfer_id or None,
        "created_at": instant_text(created.seconds, created.nanos),
    }


def update_transaction_request(transaction_id: UUID, change: schemas.TransactionChange, fields: set[str]) -> pb.UpdateTransactionRequest:
    """The request for a change of these fields of one transaction."""
    return pb.UpdateTransactionRequest(
        transaction_id=str(transaction_id),
        note=change.note,
        category=change.category,
        update_mask=FieldMask(paths=sorted(fields)),
    )


def list_transfers_request(filters: transfer_schemas.TransferFilters) -> pb.ListTransfersRequest:
    """The request for a page of transfers."""
    return pb.ListTransfersRequest(
        page_size=min(filters.page_size, MAX_PAGE_SIZE), page_token=filters.page_token, state=_TRANSFER_STATE_NUMBERS[filters.state]
    )


def transfer_json(transfer: nouns.Transfer) -> dict[str, Any]:
    """One transfer."""
    return {
        "id": transfer.transfer_id,
        "state": _TRANSFER_STATES[transfer.state],
        "reason": transfer.reason,
        "outgoing": transaction_json(transfer.outgoing),
        "incoming": transaction_json(transfer.incoming),
        "created_at": timestamp_text(transfer.create_time),
        "decided_at": timestamp_text(transfer.decide_time) if transfer.HasField("decide_time") else None,
    }


def account_json(account: nouns.Account) -> dict[str, Any]:
    """One account."""
    balance = account.opening_balance
    return {
        "id": account.account_id,
        "name": account.name,
        "type": _ACCOUNT_TYPES[account.type],
        "currency": account.currency,
        "identifier": account.identifier or None,
        "opening_balance": {
            "amount": format_money(balance.units, balance.nanos, balance.currency_code or account.currency),
            "currency": balance.currency_code or account.currency,
        },
        "active": account.active,
        "created_at": timestamp_text(account.create_time),
    }


def create_account_request(account: schemas.NewAccount, request_id: str) -> pb.CreateAccountRequest:
    """The request to open an account."""
    return pb.CreateAccountRequest(
        request_id=request_id,
        name=account.name,
        type=_ACCOUNT_TYPE_NUMBERS[account.type],
        currency=account.currency,
        identifier=account.identifier,
        opening_balance=_money(account.opening_balance),
    )


def update_account_request(account_id: UUID, change: schemas.AccountChange) -> pb.UpdateAccountRequest:
    """The request for a change of one account."""
    account = nouns.Account(
        account_id=str(account_id),
        name=change.name,
        type=_ACCOUNT_TYPE_NUMBERS[change.type],
        active=change.active,
        opening_balance=_money(change.opening_balance),
    )
    return pb.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=sorted(change.model_fields_set)))


def _money(balance: schemas.Balance | None) -> Any:
    return None if balance is None else to_money(Decimal(balance.amount), balance.currency)


def profile_json(profile: nouns.Profile) -> dict[str, Any]:
    """The profile."""
    return {
        "user_id": profile.user_id,
        "display_name": profile.display_name or None,
        "default_currency": profile.default_currency,
        "locale": profile.locale,
        "time_zone": profile.time_zone,
        "transfer_suggestions": profile.transfer_suggestions,
        "created_at": timestamp_text(profile.create_time),
        "updated_at": timestamp_text(profile.update_time),
    }


def update_profile_request(change: schemas.ProfileChange) -> pb.UpdateProfileRequest:
    """The request for a change of the profile."""
    profile = nouns.Profile(
        display_name=change.display_name,
        default_currency=change.default_currency,
        locale=change.locale,
        time_zone=change.time_zone,
        transfer_suggestions=change.transfer_suggestions,
    )
    return pb.UpdateProfileRequest(profile=profile, update_mask=FieldMask(paths=sorted(change.model_fields_set)))


def category_json(category: nouns.Category) -> dict[str, Any]:
    """One category."""
    return {"slug": category.slug, "name": category.name, "primary_slug": category.primary_slug, "custom": category.custom}
