"""REST routes of balances."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.gateway import balances_json as shape
from services.gateway.answers import json_answer
from services.gateway.problems import EVERYWHERE
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import balances as schemas
from services.gateway.upstreams import upstreams

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)


async def list_balances(request: Request) -> Response:
    """What your accounts hold, per currency, as of any day: never kept, and true to the last import that was answered."""
    filters = read_query(request, schemas.BalanceFilters)
    page = await upstreams(request).accounts.unary("ListBalances", shape.list_balances_request(filters))
    content = {"items": list(map(shape.balance_json, page.balances)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content)


_documented: dict[str, Any] = {"response_model": schemas.BalancePage, "openapi_extra": query_parameters(schemas.BalanceFilters)}
router.get("/balance", tags=["accounts"], operation_id="list_balances", **_documented)(list_balances)
router.get(
    "/accounts/balance",
    tags=["aliases"],
    operation_id="list_balances_alias",
    summary="Alias of GET /api/v1/balance",
    **_documented,
)(list_balances)
