"""Between the JSON of balances and the messages of `scale.accounts.v1`."""

from __future__ import annotations

from typing import Any

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1 import transaction_pb2 as nouns
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas import balances as schemas
from services.gateway.wire import day_text
from services.kit.dates import to_date_proto
from services.kit.money import format_money


def list_balances_request(filters: schemas.BalanceFilters) -> pb.ListBalancesRequest:
    """The request for a page of balances."""
    return pb.ListBalancesRequest(
        page_size=min(filters.page_size, MAX_PAGE_SIZE),
        page_token=filters.page_token,
        on_date=to_date_proto(filters.date) if filters.date else None,
        account_id=str(filters.account_id) if filters.account_id else None,
        include_inactive=filters.include_inactive,
    )


def balance_json(balance: nouns.Balance) -> dict[str, Any]:
    """One account's balance in one currency."""
    money, day = balance.balance, balance.last_date
    return {
        "account_id": balance.account_id,
        "account_name": balance.account_name,
        "balance": {"amount": format_money(money.units, money.nanos, money.currency_code), "currency": money.currency_code},
        "transaction_count": balance.transaction_count,
        "last_date": day_text(day.year, day.month, day.day) if balance.HasField("last_date") else None,
    }
