"""Analytics on the wire: checks the shape of requests, calls the service, puts answers into messages."""

from __future__ import annotations

from typing import TypeAlias

import grpc.aio

from scale.accounts.v1 import analytics_service_pb2 as pb
from scale.accounts.v1.analytics_service_pb2_grpc import AnalyticsServiceServicer
from services.accounts.analytics.domain import CashFlowFilters, CategoryStatisticsFilters, Granularity, MonthlySummaryFilters
from services.accounts.analytics.messages import (
    GRANULARITIES,
    RECURRENCE_STATUSES,
    to_cash_flow,
    to_category_statistics,
    to_monthly_summary,
    to_recurring_payment,
)
from services.accounts.analytics.service import AnalyticsService
from services.accounts.domain import TransactionType
from services.accounts.fields import currency_field, text_field, uuid_field
from services.accounts.messages import TRANSACTION_TYPES, from_enum
from services.kit.context import identity
from services.kit.dates import from_date_proto, to_date_proto, to_timestamp

Context: TypeAlias = grpc.aio.ServicerContext


class AnalyticsServicer(AnalyticsServiceServicer):
    """`scale.accounts.v1.AnalyticsService`. Whose figures are meant is said by the verified token alone."""

    def __init__(self, service: AnalyticsService) -> None:
        self._service = service

    async def ListCashFlow(self, request: pb.ListCashFlowRequest, context: Context) -> pb.ListCashFlowResponse:
        """One page of periods, the earliest first."""
        filters = CashFlowFilters(
            granularity=from_enum(request.granularity, GRANULARITIES, "granularity") or Granularity.MONTH,
            date_from=from_date_proto(request.date_from, "date_from"),
            date_to=from_date_proto(request.date_to, "date_to"),
            account_id=uuid_field(request.account_id, "account_id") if request.account_id else None,
            currency=currency_field(request.currency, "currency") or None,
        )
        periods, token = await self._service.list_cash_flow(
            identity().user_id, filters, requested_size=request.page_size, token=request.page_token
        )
        return pb.ListCashFlowResponse(periods=map(to_cash_flow, periods), next_page_token=token)

    async def ListRecurringPayments(self, request: pb.ListRecurringPaymentsRequest, context: Context) -> pb.ListRecurringPaymentsResponse:
        """One page of recurring payments, the next expected first."""
        kind = from_enum(request.type, TRANSACTION_TYPES, "type")
        payments, as_of, token = await self._service.list_recurring_payments(
            identity().user_id,
            is_debit=kind is TransactionType.DEBIT if kind else None,
            status=from_enum(request.status, RECURRENCE_STATUSES, "status"),
            requested_size=request.page_size,
            token=request.page_token,
        )
        return pb.ListRecurringPaymentsResponse(
            payments=map(to_recurring_payment, payments), next_page_token=token, as_of_date=to_date_proto(as_of) if as_of else None
        )

    async def ListCategoryStatistics(
        self, request: pb.ListCategoryStatisticsRequest, context: Context
    ) -> pb.ListCategoryStatisticsResponse:
        """One page of categories, by slug and currency."""
        page, token = await self._service.list_category_statistics(
            identity().user_id,
            CategoryStatisticsFilters(currency=currency_field(request.currency, "currency") or None),
            fresh=request.fresh,
            requested_size=request.page_size,
            token=request.page_token,
        )
        return pb.ListCategoryStatisticsResponse(
            statistics=map(to_category_statistics, page.statistics),
            next_page_token=token,
            figures_time=to_timestamp(page.made_at) if page.made_at else None,
            outdated=page.outdated,
        )

    async def ListMonthlySummaries(self, request: pb.ListMonthlySummariesRequest, context: Context) -> pb.ListMonthlySummariesResponse:
        """One page of months, the latest first."""
        filters = MonthlySummaryFilters(
            month_from=from_date_proto(request.month_from, "month_from"),
            month_to=from_date_proto(request.month_to, "month_to"),
            category=text_field(request.category, "category", at_most=100) or None,
            currency=currency_field(request.currency, "currency") or None,
        )
        page, token = await self._service.list_monthly_summaries(
            identity().user_id, filters, fresh=request.fresh, requested_size=request.page_size, token=request.page_token
        )
        return pb.ListMonthlySummariesResponse(
            summaries=map(to_monthly_summary, page.summaries),
            next_page_token=token,
            figures_time=to_timestamp(page.made_at) if page.made_at else None,
            outdated=page.outdated,
        )
