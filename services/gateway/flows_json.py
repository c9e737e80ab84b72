"""Between the JSON of cash flow and recurring payments and the messages of `scale.accounts.v1`."""

from __future__ import annotations

from typing import Any

from google.type import date_pb2, money_pb2

from scale.accounts.v1 import analytics_service_pb2 as pb
from scale.accounts.v1 import transaction_pb2 as nouns
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas import flows as schemas
from services.gateway.wire import day_text
from services.kit.dates import to_date_proto
from services.kit.money import format_money


def cash_flow_request(filters: schemas.CashFlowFilters) -> pb.ListCashFlowRequest:
    """The request for a page of periods."""
    return pb.ListCashFlowRequest(
        page_size=min(filters.page_size, MAX_PAGE_SIZE),
        page_token=filters.page_token,
        granularity=f"GRANULARITY_{filters.granularity.upper()}",
        date_from=to_date_proto(filters.date_from) if filters.date_from else None,
        date_to=to_date_proto(filters.date_to) if filters.date_to else None,
        account_id=str(filters.account_id) if filters.account_id else None,
        currency=filters.currency,
    )


def cash_flow_json(period: pb.CashFlow) -> dict[str, Any]:
    """Money in and out in one period and currency."""
    return {
        "period_start": _day(period.period_start),
        "period_end": _day(period.period_end),
        "currency": period.net.currency_code,
        "received": _amount(period.received),
        "spent": _amount(period.spent),
        "net": _amount(period.net),
        "transaction_count": period.transaction_count,
    }


def recurring_request(filters: schemas.RecurringPaymentFilters) -> pb.ListRecurringPaymentsRequest:
    """The request for a page of recurring payments."""
    return pb.ListRecurringPaymentsRequest(
        page_size=min(filters.page_size, MAX_PAGE_SIZE),
        page_token=filters.page_token,
        type=f"TRANSACTION_TYPE_{filters.type.upper()}" if filters.type else None,
        status=f"RECURRENCE_STATUS_{filters.status.upper()}" if filters.status else None,
    )


def recurring_page_json(page: pb.ListRecurringPaymentsResponse) -> dict[str, Any]:
    """A page of recurring payments."""
    return {
        "items": list(map(_recurring_json, page.payments)),
        "next_page_token": page.next_page_token or None,
        "as_of": _day(page.as_of_date) if page.HasField("as_of_date") else None,
    }


def _recurring_json(payment: pb.RecurringPayment) -> dict[str, Any]:
    return {
        "id": payment.recurring_payment_id,
        "merchant": payment.merchant,
        "type": nouns.TransactionType.Name(payment.type).removeprefix("TRANSACTION_TYPE_").lower(),
        "period": pb.RecurrencePeriod.Name(payment.period).removeprefix("RECURRENCE_PERIOD_").lower(),
        "currency": payment.last_amount.currency_code,
        "amount_min": _amount(payment.amount_min),
        "amount_max": _amount(payment.amount_max),
        "last_amount": _amount(payment.last_amount),
        "first_date": _day(payment.first_date),
        "last_date": _day(payment.last_date),
        "next_date": _day(payment.next_date) if payment.HasField("next_date") else None,
        "status": pb.RecurrenceStatus.Name(payment.status).removeprefix("RECURRENCE_STATUS_").lower(),
        "occurrence_count": payment.occurrence_count,
        "category": payment.category or None,
        "account_id": payment.account_id,
        "transaction_ids": list(payment.transaction_ids),
    }


def _day(day: date_pb2.Date) -> str:
    return day_text(day.year, day.month, day.day)


def _amount(money: money_pb2.Money) -> str:
    return format_money(money.units, money.nanos, money.currency_code)
