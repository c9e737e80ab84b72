"""REST routes of figures made ahead: category statistics and monthly summaries."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from services.gateway import analytics_json as shape
from services.gateway.answers import Cache, json_answer
from services.gateway.exchange import exchange_of
from services.gateway.problems import EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import analytics as schemas
from services.gateway.schemas.fields import Identifier
from services.gateway.upstreams import upstreams
from services.kit.errors import NotFound

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

UserId = Annotated[Identifier, Path(description="Yourself.")]


async def list_category_statistics(request: Request) -> Response:
    """What went to and came from each category, all time: from figures made ahead, with their age, or with `fresh` made now.

    Posted transactions count; sides of confirmed transfers between your own accounts do not.
    """
    filters = read_query(request, schemas.StatisticsFilters)
    page = await upstreams(request).analytics.unary("ListCategoryStatistics", shape.statistics_request(filters))
    return json_answer(request, shape.page_json(page, list(map(shape.statistics_json, page.statistics))), Cache.REVALIDATE)


async def list_monthly_summaries(request: Request) -> Response:
    """What was spent per month and category, the latest month first: from figures made ahead, with their age, or with `fresh` made now.

    Posted debits count, as positive amounts; sides of confirmed transfers between your own accounts do not.
    """
    filters = read_query(request, schemas.SummaryFilters)
    page = await upstreams(request).analytics.unary("ListMonthlySummaries", shape.summaries_request(filters))
    return json_answer(request, shape.page_json(page, list(map(shape.summary_json, page.summaries))), Cache.REVALIDATE)


async def list_own_monthly_summaries(request: Request, user_id: UserId) -> Response:
    """As GET /api/v1/summaries/monthly. Another user's id is not found."""
    identity = exchange_of(request.scope).identity
    if identity is None or identity.user_id != user_id:
        raise NotFound(f"There is no user {user_id} that you may see.", reason="USER_NOT_FOUND")
    return await list_monthly_summaries(request)


_statistics: dict[str, Any] = {
    "response_model": schemas.StatisticsPage,
    "openapi_extra": query_parameters(schemas.StatisticsFilters),
}
_summaries: dict[str, Any] = {"response_model": schemas.SummaryPage, "openapi_extra": query_parameters(schemas.SummaryFilters)}
_alias: dict[str, Any] = {"tags": ["aliases"], "summary": "Alias of GET /api/v1/summaries/monthly"}

router.get("/transactions/stats", tags=["analytics"], operation_id="list_category_statistics", **_statistics)(list_category_statistics)
router.get(
    "/accounts/stats/categories",
    tags=["aliases"],
    operation_id="list_category_statistics_alias",
    summary="Alias of GET /api/v1/transactions/stats",
    **_statistics,
)(list_category_statistics)
router.get("/summaries/monthly", tags=["analytics"], operation_id="list_monthly_summaries", **_summaries)(list_monthly_summaries)
router.get("/accounts/summary/monthly", operation_id="list_monthly_summaries_alias", **_alias, **_summaries)(list_monthly_summaries)
router.get(
    "/users/{user_id}/monthly-summary", operation_id="list_own_monthly_summaries_alias", responses=NOT_FOUND, **_alias, **_summaries
)(list_own_monthly_summaries)
