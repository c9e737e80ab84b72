"""Between the nouns of analytics and the contract's messages."""

from __future__ import annotations

from typing import Any

from scale.accounts.v1 import analytics_service_pb2 as pb
from scale.accounts.v1 import transaction_pb2 as nouns
from services.accounts.analytics.domain import (
    CashFlow,
    CategoryStatistics,
    Granularity,
    MonthlySummary,
    RecurrencePeriod,
    RecurrenceStatus,
    RecurringPayment,
)
from services.kit.dates import to_date_proto
from services.kit.money import to_money

GRANULARITIES: dict[int, Granularity] = {pb.Granularity.Value(f"GRANULARITY_{one.name}"): one for one in Granularity}
RECURRENCE_STATUSES: dict[int, RecurrenceStatus] = {
    pb.RecurrenceStatus.Value(f"RECURRENCE_STATUS_{one.name}"): one for one in RecurrenceStatus
}
_STATUS_NUMBERS: dict[RecurrenceStatus, Any] = {noun: number for number, noun in RECURRENCE_STATUSES.items()}
_PERIOD_NUMBERS: dict[RecurrencePeriod, Any] = {one: pb.RecurrencePeriod.Value(f"RECURRENCE_PERIOD_{one.name}") for one in RecurrencePeriod}


def to_recurring_payment(found: RecurringPayment) -> pb.RecurringPayment:
    """A payment, or income, that comes again and again."""
    return pb.RecurringPayment(
        recurring_payment_id=str(found.id),
        merchant=found.merchant,
        type=nouns.TRANSACTION_TYPE_DEBIT if found.is_debit else nouns.TRANSACTION_TYPE_CREDIT,
        period=_PERIOD_NUMBERS[found.period],
        amount_min=to_money(found.amount_min, found.currency),
        amount_max=to_money(found.amount_max, found.currency),
        last_amount=to_money(found.last_amount, found.currency),
        first_date=to_date_proto(found.first_date),
        last_date=to_date_proto(found.last_date),
        next_date=to_date_proto(found.next_date) if found.next_date else None,
        status=_STATUS_NUMBERS[found.status],
        occurrence_count=found.occurrence_count,
        category=found.category or "",
        transaction_ids=map(str, found.transaction_ids),
        account_id=str(found.account_id),
    )


def to_cash_flow(period: CashFlow) -> pb.CashFlow:
    """Money in and out in one period and currency."""
    return pb.CashFlow(
        period_start=to_date_proto(period.period_start),
        period_end=to_date_proto(period.period_end),
        received=to_money(period.received, period.currency),
        spent=to_money(period.spent, period.currency),
        net=to_money(period.net, period.currency),
        transaction_count=period.transaction_count,
    )


def to_category_statistics(found: CategoryStatistics) -> pb.CategoryStatistics:
    """Figures of one category in one currency."""
    return pb.CategoryStatistics(
        category=found.category,
        primary_category=found.primary_category or "",
        transaction_count=found.transaction_count,
        total=to_money(found.total, found.currency),
        spent=to_money(found.spent, found.currency),
        received=to_money(found.received, found.currency),
        first_date=to_date_proto(found.first_date),
        last_date=to_date_proto(found.last_date),
    )


def to_monthly_summary(found: MonthlySummary) -> pb.MonthlySummary:
    """What was spent on one category in one month and currency."""
    return pb.MonthlySummary(
        month_start=to_date_proto(found.month),
        category=found.category,
        primary_category=found.primary_category or "",
        transaction_count=found.transaction_count,
        total=to_money(found.total, found.currency),
        average=to_money(found.average, found.currency),
        minimum=to_money(found.minimum, found.currency),
        maximum=to_money(found.maximum, found.currency),
    )
