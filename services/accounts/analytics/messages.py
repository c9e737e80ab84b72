"""Between the nouns of analytics and the contract's messages."""

from __future__ import annotations

from scale.accounts.v1 import analytics_service_pb2 as pb
from services.accounts.analytics.domain import CashFlow, Granularity
from services.kit.dates import to_date_proto
from services.kit.money import to_money

GRANULARITIES: dict[int, Granularity] = {pb.Granularity.Value(f"GRANULARITY_{one.name}"): one for one in Granularity}


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
