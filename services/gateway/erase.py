"""REST route of a user's right to be forgotten."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from scale.accounts.v1 import user_data_service_pb2 as accounts_pb
from scale.categorization.v1 import user_data_service_pb2 as categorization_pb
from scale.federation.v1 import user_data_service_pb2 as federation_pb
from scale.forecasting.v1 import user_data_service_pb2 as forecasting_pb
from scale.ingestion.v1 import user_data_service_pb2 as ingestion_pb
from scale.training.v1 import user_data_service_pb2 as training_pb
from services.gateway.answers import json_answer
from services.gateway.confirmations import Confirmations
from services.gateway.errors import Problem, problem_response
from services.gateway.problems import EVERYWHERE
from services.gateway.schemas import erase as schemas
from services.gateway.settings import GatewaySettings
from services.gateway.upstreams import upstreams
from services.kit import context
from services.kit.client import ServiceClient
from services.kit.errors import ScaleError, Unauthenticated

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)
log = structlog.get_logger()

_MESSAGES: dict[str, Any] = {
    "accounts": accounts_pb,
    "ingestion": ingestion_pb,
    "categorization": categorization_pb,
    "forecasting": forecasting_pb,
    "training": training_pb,
    "federation": federation_pb,
}
_STEP = "erase"
_RETRY_AFTER_S = 5


@router.post("/erase", tags=["your data"], response_model=schemas.ErasureOffer | schemas.Erased)
async def erase_user(request: Request, order: schemas.Erasure | None = None) -> Response:
    """Erases everything of you, in every service, for good. Two steps: without a body you get a `confirmation`, and what there is; sent
    back, it erases.

    From then on your token, and older ones, can change nothing any more (401, `USER_ERASED`): sign in again to start anew. When not
    all could be erased at once, the answer is 503 with what is `unfinished`: the same request again finishes it.
    """
    confirmations: Confirmations = request.app.state.confirmations
    caller = context.identity()
    if order is None or order.confirmation is None:
        rows = {name: await _erase(request, name, client, validate_only=True) for name, client in _services(request)}
        confirmation, until = confirmations.make(_STEP, caller)
        expires_at = datetime.fromtimestamp(until, UTC).isoformat().replace("+00:00", "Z")
        return json_answer(request, {"confirmation": confirmation, "expires_at": expires_at, "rows": rows})
    confirmations.check(order.confirmation, _STEP, caller)
    erased: schemas.Rows = {}
    unfinished: dict[str, ScaleError] = {}
    for name, client in _services(request):
        try:
            erased[name] = await _erase(request, name, client)
        except Unauthenticated:
            raise
        except ScaleError as error:
            log.warning("a service could not erase a user", service=name, reason=error.reason, error=str(error))
            if error.reason == "USER_BUSY" and not erased:
                # Others would wait for the same.
                raise
            unfinished[name] = error
    if unfinished:
        return problem_response(request.scope, _incomplete(erased, unfinished))
    return json_answer(request, {"erased": erased})


def _services(request: Request) -> list[tuple[str, ServiceClient]]:
    # The ledger last, so that no import that ends meanwhile brings anything back.
    return list(reversed(upstreams(request).user_data().items()))


async def _erase(request: Request, name: str, client: ServiceClient, *, validate_only: bool = False) -> dict[str, int]:
    settings: GatewaySettings = request.app.state.settings
    message = _MESSAGES[name].EraseUserRequest(validate_only=validate_only)
    answer = await client.unary("EraseUser", message, timeout_s=settings.timeout_s if validate_only else settings.import_timeout_s)
    return {one.table: one.row_count for one in answer.tables}


def _incomplete(erased: schemas.Rows, unfinished: dict[str, ScaleError]) -> Problem:
    done = ", ".join(erased) or "nothing"
    detail = f"Erased so far: {done}. Not yet: {', '.join(unfinished)}. Send the same request again in a few seconds to finish it."
    extensions: dict[str, Any] = {"erased": erased, "unfinished": {name: error.reason for name, error in unfinished.items()}}
    return Problem(503, "ERASURE_INCOMPLETE", detail, headers={"Retry-After": str(_RETRY_AFTER_S)}, extensions=extensions)
