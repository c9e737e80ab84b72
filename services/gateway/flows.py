"""REST routes of what moves: cash flow and recurring payments."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.gateway import flows_json as shape
from services.gateway.answers import Cache, json_answer
from services.gateway.problems import EVERYWHERE
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import flows as schemas
from services.gateway.upstreams import upstreams

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)


@router.get("/cash-flow", tags=["analytics"], response_model=schemas.CashFlowPage, openapi_extra=query_parameters(schemas.CashFlowFilters))
async def list_cash_flow(request: Request) -> Response:
    """Money in and out per day, week or month, one item for each currency, the earliest first.

    Posted transactions count; sides of confirmed transfers between your own accounts do not. Periods in which nothing moved are left out.
    """
    filters = read_query(request, schemas.CashFlowFilters)
    page = await upstreams(request).analytics.unary("ListCashFlow", shape.cash_flow_request(filters))
    content = {"items": list(map(shape.cash_flow_json, page.periods)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.REVALIDATE)


@router.get(
    "/recurring",
    tags=["analytics"],
    response_model=schemas.RecurringPaymentPage,
    openapi_extra=query_parameters(schemas.RecurringPaymentFilters),
)
async def list_recurring_payments(request: Request) -> Response:
    """Payments and income that come again and again, found in your last 25 months: the next expected first, those that have ended last.

    Where they stand is said as of `as_of`, your ledger's latest day. Posted transactions count; sides of confirmed transfers between your
    own accounts do not.
    """
    filters = read_query(request, schemas.RecurringPaymentFilters)
    page = await upstreams(request).analytics.unary("ListRecurringPayments", shape.recurring_request(filters))
    return json_answer(request, shape.recurring_page_json(page), Cache.REVALIDATE)
