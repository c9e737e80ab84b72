"""REST routes of edits: changes of many transactions at once, each of which can be taken back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from scale.accounts.v1 import edits_service_pb2 as pb
from services.gateway import edits_json as shape
from services.gateway.accounts import IdempotencyKey
from services.gateway.answers import Cache, json_answer
from services.gateway.idempotency import short_idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import edits as schemas
from services.gateway.schemas.fields import Identifier
from services.gateway.upstreams import upstreams

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

EditId = Annotated[Identifier, Path(description="The edit; its undo token.")]


@router.patch("/transactions", tags=["transactions"], response_model=schemas.Edit, responses=CONFLICT)
async def edit_transactions(request: Request, edit: schemas.TransactionsEdit, key: IdempotencyKey = None) -> Response:
    """Changes all transactions that a filter finds, or with `dry_run` only counts them. Its `undo_token` takes it back."""
    asked = shape.edit_request(edit, short_idempotency_key(request))
    timeout_s = request.app.state.settings.import_timeout_s
    answer = await upstreams(request).edits.unary("EditTransactions", asked, timeout_s=timeout_s)
    return json_answer(request, shape.edit_json(answer.edit))


@router.get("/edits", tags=["edits"], response_model=schemas.EditPage, openapi_extra=query_parameters(schemas.EditQuery))
async def list_edits(request: Request) -> Response:
    """Your edits and what your rules did, the newest first."""
    query = read_query(request, schemas.EditQuery)
    page = await upstreams(request).edits.unary("ListEdits", shape.list_edits_request(query))
    content = {"items": list(map(shape.edit_json, page.edits)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.REVALIDATE)


@router.get("/edits/{edit_id}", tags=["edits"], response_model=schemas.Edit, responses=NOT_FOUND)
async def get_edit(request: Request, edit_id: EditId) -> Response:
    """One edit."""
    answer = await upstreams(request).edits.unary("GetEdit", pb.GetEditRequest(edit_id=str(edit_id)))
    return json_answer(request, shape.edit_json(answer.edit), Cache.REVALIDATE)


@router.post("/edits/{edit_id}/undo", tags=["edits"], response_model=schemas.UndoneEdit, responses=NOT_FOUND | CONFLICT)
async def undo_edit(request: Request, edit_id: EditId) -> Response:
    """Takes an edit back, but for transactions that were changed since. Harmless to repeat; 409 when it is too old."""
    timeout_s = request.app.state.settings.import_timeout_s
    answer = await upstreams(request).edits.unary("UndoEdit", pb.UndoEditRequest(edit_id=str(edit_id)), timeout_s=timeout_s)
    content = shape.edit_json(answer.edit) | {"restored": answer.restored_count, "kept": answer.kept_count}
    return json_answer(request, content)
