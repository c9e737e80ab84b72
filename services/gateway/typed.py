"""REST route of transactions that are typed in by hand."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from services.gateway import typed_json as shape
from services.gateway.accounts import IdempotencyKey
from services.gateway.accounts_json import transaction_json
from services.gateway.answers import json_answer
from services.gateway.idempotency import short_idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.schemas import typed as schemas
from services.gateway.schemas.accounts import Transaction
from services.gateway.upstreams import upstreams

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)


async def create_transaction(request: Request, transaction: schemas.NewTransaction, key: IdempotencyKey = None) -> Response:
    """Adds one transaction that you typed in.

    The bank's own row for it, imported later, is known as the same when its text is equal; one that is near is flagged for you to merge.

    409 with `transaction_id` when an equal one is there: for another, equal payment say `allow_equal` under a new Idempotency-Key.
    """
    made = await upstreams(request).ingestion.unary(
        "CreateTransaction", shape.create_transaction_request(transaction, short_idempotency_key(request))
    )
    answer = await upstreams(request).accounts.unary(
        "GetTransaction", accounts_pb.GetTransactionRequest(transaction_id=made.transaction_id)
    )
    headers = {"Location": f"/api/v1/transactions/{made.transaction_id}"}
    if made.repeated_request:
        headers["Idempotency-Replayed"] = "true"
    return json_answer(request, transaction_json(answer.transaction), status=201, headers=headers)


_documented: dict[str, Any] = {"status_code": 201, "response_model": Transaction, "responses": NOT_FOUND | CONFLICT}
router.post("/transactions", tags=["transactions"], operation_id="create_transaction", **_documented)(create_transaction)
router.post(
    "/accounts/transactions",
    tags=["aliases"],
    operation_id="create_transaction_alias",
    summary="Alias of POST /api/v1/transactions",
    **_documented,
)(create_transaction)
