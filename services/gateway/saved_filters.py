"""REST routes of saved filters."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from scale.accounts.v1 import saved_filters_service_pb2 as pb
from services.gateway import saved_filters_json as shape
from services.gateway.accounts import IdempotencyKey
from services.gateway.answers import Cache, json_answer
from services.gateway.idempotency import short_idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import saved_filters as schemas
from services.gateway.schemas.fields import Identifier
from services.gateway.upstreams import upstreams

router = APIRouter(prefix="/api/v1", tags=["saved filters"], responses=EVERYWHERE)

SavedFilterId = Annotated[Identifier, Path(description="The saved filter.")]


@router.get("/saved-filters", response_model=schemas.SavedFilterPage, openapi_extra=query_parameters(schemas.SavedFilterQuery))
async def list_saved_filters(request: Request) -> Response:
    """Your saved filters, by name. GET /transactions takes the id of one as `saved_filter`."""
    query = read_query(request, schemas.SavedFilterQuery)
    page = await upstreams(request).saved_filters.unary("ListSavedFilters", shape.list_saved_filters_request(query))
    content = {"items": list(map(shape.saved_filter_json, page.saved_filters)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.REVALIDATE)


@router.post("/saved-filters", status_code=201, response_model=schemas.SavedFilter, responses=CONFLICT)
async def create_saved_filter(request: Request, saved_filter: schemas.NewSavedFilter, key: IdempotencyKey = None) -> Response:
    """Keeps a filter expression by name. 422 says where in it a mistake is."""
    asked = shape.create_saved_filter_request(saved_filter, short_idempotency_key(request))
    content = shape.saved_filter_json((await upstreams(request).saved_filters.unary("CreateSavedFilter", asked)).saved_filter)
    return json_answer(request, content, status=201, headers={"Location": f"/api/v1/saved-filters/{content['id']}"})


@router.get("/saved-filters/{saved_filter_id}", response_model=schemas.SavedFilter, responses=NOT_FOUND)
async def get_saved_filter(request: Request, saved_filter_id: SavedFilterId) -> Response:
    """One saved filter."""
    asked = pb.GetSavedFilterRequest(saved_filter_id=str(saved_filter_id))
    answer = await upstreams(request).saved_filters.unary("GetSavedFilter", asked)
    return json_answer(request, shape.saved_filter_json(answer.saved_filter), Cache.REVALIDATE)


@router.patch("/saved-filters/{saved_filter_id}", response_model=schemas.SavedFilter, responses=NOT_FOUND | CONFLICT)
async def update_saved_filter(request: Request, saved_filter_id: SavedFilterId, change: schemas.SavedFilterChange) -> Response:
    """Changes name or filter."""
    asked = shape.update_saved_filter_request(saved_filter_id, change)
    answer = await upstreams(request).saved_filters.unary("UpdateSavedFilter", asked)
    return json_answer(request, shape.saved_filter_json(answer.saved_filter))


@router.delete("/saved-filters/{saved_filter_id}", status_code=204, response_model=None)
async def delete_saved_filter(request: Request, saved_filter_id: SavedFilterId) -> Response:
    """Takes one away. Harmless to repeat."""
    asked = pb.DeleteSavedFilterRequest(saved_filter_id=str(saved_filter_id))
    await upstreams(request).saved_filters.unary("DeleteSavedFilter", asked)
    return Response(status_code=204)
