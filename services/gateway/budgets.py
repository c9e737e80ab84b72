"""REST routes of budgets."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from scale.accounts.v1 import budgets_service_pb2 as pb
from services.gateway import budgets_json as shape
from services.gateway.accounts import IdempotencyKey
from services.gateway.answers import Cache, json_answer
from services.gateway.idempotency import short_idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import budgets as schemas
from services.gateway.schemas.fields import Identifier
from services.gateway.upstreams import upstreams
from services.gateway.wire import timestamp_text

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

# Its paths say :uuid, so that /budgets/utilization is never taken for an id.
BudgetId = Annotated[Identifier, Path(description="The budget.")]


async def list_budgets(request: Request) -> Response:
    """Your budgets, the latest period first."""
    filters = read_query(request, schemas.BudgetFilters)
    page = await upstreams(request).budgets.unary("ListBudgets", shape.list_budgets_request(filters))
    content = {"items": list(map(shape.budget_json, page.budgets)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.REVALIDATE)


async def create_budget(request: Request, budget: schemas.NewBudget, key: IdempotencyKey = None) -> Response:
    """Adds a budget. 409 when an active one of the same category and currency shares a day with it."""
    answer = await upstreams(request).budgets.unary("CreateBudget", shape.create_budget_request(budget, short_idempotency_key(request)))
    content = shape.budget_json(answer.budget)
    return json_answer(request, content, status=201, headers={"Location": f"/api/v1/budgets/{content['id']}"})


_listed: dict[str, Any] = {"response_model": schemas.BudgetPage, "openapi_extra": query_parameters(schemas.BudgetFilters)}
_created: dict[str, Any] = {"status_code": 201, "response_model": schemas.Budget, "responses": CONFLICT}
router.get("/budgets", tags=["budgets"], operation_id="list_budgets", **_listed)(list_budgets)
router.post("/budgets", tags=["budgets"], operation_id="create_budget", **_created)(create_budget)
router.get("/accounts/budgets", tags=["aliases"], operation_id="list_budgets_alias", summary="Alias of GET /api/v1/budgets", **_listed)(
    list_budgets
)
router.post("/accounts/budgets", tags=["aliases"], operation_id="create_budget_alias", summary="Alias of POST /api/v1/budgets", **_created)(
    create_budget
)


@router.get(
    "/budgets/utilization",
    tags=["budgets"],
    response_model=schemas.UtilizationPage,
    openapi_extra=query_parameters(schemas.UtilizationFilters),
)
async def list_budget_utilizations(request: Request) -> Response:
    """How far your active budgets are used, the latest period first: from figures made ahead, with their age, or with `fresh` made now."""
    filters = read_query(request, schemas.UtilizationFilters)
    page = await upstreams(request).budgets.unary("ListBudgetUtilizations", shape.list_utilizations_request(filters))
    content = {
        "items": [shape.budget_with_utilization_json(one.budget, one) for one in page.utilizations],
        "next_page_token": page.next_page_token or None,
        "figures_time": timestamp_text(page.figures_time) if page.HasField("figures_time") else None,
        "outdated": page.outdated,
    }
    return json_answer(request, content, Cache.REVALIDATE)


@router.get("/budgets/{budget_id:uuid}", tags=["budgets"], response_model=schemas.BudgetWithUtilization, responses=NOT_FOUND)
async def get_budget(request: Request, budget_id: BudgetId) -> Response:
    """One budget and, made now, how far it is used."""
    answer = await upstreams(request).budgets.unary("GetBudget", pb.GetBudgetRequest(budget_id=str(budget_id)))
    used = answer.utilization if answer.HasField("utilization") else None
    return json_answer(request, shape.budget_with_utilization_json(answer.budget, used), Cache.REVALIDATE)


@router.patch("/budgets/{budget_id:uuid}", tags=["budgets"], response_model=schemas.Budget, responses=NOT_FOUND | CONFLICT)
async def update_budget(request: Request, budget_id: BudgetId, change: schemas.BudgetChange) -> Response:
    """Changes amount, period or roll-over, or switches the budget off."""
    answer = await upstreams(request).budgets.unary("UpdateBudget", shape.update_budget_request(budget_id, change))
    return json_answer(request, shape.budget_json(answer.budget))


@router.delete("/budgets/{budget_id:uuid}", tags=["budgets"], status_code=204, response_model=None, responses=NOT_FOUND)
async def delete_budget(request: Request, budget_id: BudgetId) -> Response:
    """Takes a budget away. Harmless to repeat. To keep it as it was, switch it off instead."""
    await upstreams(request).budgets.unary("DeleteBudget", pb.DeleteBudgetRequest(budget_id=str(budget_id)))
    return Response(status_code=204)
