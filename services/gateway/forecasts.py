"""REST routes of forecasts."""

from __future__ import annotations

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Request
from starlette.responses import Response

from scale.forecasting.v1 import forecasting_service_pb2 as pb
from services.gateway import forecasts_json as shape
from services.gateway.accounts import IdempotencyKey
from services.gateway.answers import Cache, json_answer
from services.gateway.exchange import exchange_of
from services.gateway.idempotency import short_idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import forecasts as schemas
from services.gateway.schemas.fields import Identifier
from services.gateway.upstreams import upstreams
from services.kit.errors import Unauthenticated

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

ForecastId = Annotated[Identifier, Path(description="The forecast.")]
Preference = Annotated[
    str | None,
    Header(
        alias="Prefer",
        max_length=200,
        description="`wait=5`: answer with the forecast itself if it is done within so many seconds, at most 10 (RFC 7240). Default: 2.",
    ),
]

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,9})\"?(?=$|[,;\s])", re.IGNORECASE | re.ASCII)
_MAX_WAIT_S = 10
_DEFAULT_WAIT_S = 2
_ANSWER_S = 5.0
_POLL_AFTER_S = 1
_STARTED: dict[int | str, dict[str, Any]] = {
    202: {"model": schemas.Forecast, "description": "Being made; it is at the address in Location."},
}


async def create_forecast(
    request: Request, wanted: schemas.NewForecast | None = None, prefer: Preference = None, key: IdempotencyKey = None
) -> Response:
    """Says what you are likely to spend, to receive, or to hold: the middle, and the band that holds eight cases of ten.

    200 where one of the same series is fresh, or done within a moment; else 202, and the forecast is at the address in Location. Each names
    the model that was served and how every other one did on the end of your own series.
    """
    wait_s, applied = _wait(prefer)
    answer = await upstreams(request).creating_forecasts.unary(
        "CreateForecast",
        shape.create_request(wanted or schemas.NewForecast(), request_id=short_idempotency_key(request), wait_s=wait_s),
        timeout_s=wait_s + _ANSWER_S,
    )
    forecast = answer.forecast
    headers = {"Location": f"/api/v1/forecasts/{forecast.forecast_id}"} | applied
    if forecast.state in shape.OPEN:
        headers["Retry-After"] = str(_POLL_AFTER_S)
    return json_answer(
        request,
        shape.forecast_json(forecast, _user_id(request)),
        Cache.PREDICTION,
        status=202 if forecast.state in shape.OPEN else 200,
        headers=headers,
    )


def _user_id(request: Request) -> UUID:
    identity = exchange_of(request.scope).identity
    if identity is None:
        raise Unauthenticated("A token is required.", reason="TOKEN_MISSING")
    return identity.user_id


def _wait(prefer: str | None) -> tuple[int, dict[str, str]]:
    """Seconds to wait, and what is told of it. Preferences that are not known are passed over, as RFC 7240 has it."""
    found = _WAIT.search(prefer or "")
    if found is None:
        return _DEFAULT_WAIT_S, {}
    seconds = min(int(found[1]), _MAX_WAIT_S)
    return seconds, {"Preference-Applied": f"wait={seconds}"}


_created: dict[str, Any] = {"response_model": schemas.Forecast, "responses": NOT_FOUND | CONFLICT | _STARTED}
router.post("/forecasts", tags=["forecasts"], operation_id="create_forecast", **_created)(create_forecast)
router.post("/forecast", tags=["aliases"], operation_id="create_forecast_alias", summary="Alias of POST /api/v1/forecasts", **_created)(
    create_forecast
)


@router.get(
    "/forecasts",
    tags=["forecasts"],
    response_model=schemas.ForecastPage,
    openapi_extra=query_parameters(schemas.ForecastQuery),
)
async def list_forecasts(request: Request) -> Response:
    """Your forecasts, the newest first, without their points."""
    query = read_query(request, schemas.ForecastQuery)
    page = await upstreams(request).forecasting.unary("ListForecasts", shape.list_request(query))
    user_id = _user_id(request)
    content = {
        "items": [shape.summary_json(one, user_id) for one in page.forecasts],
        "next_page_token": page.next_page_token or None,
    }
    return json_answer(request, content, Cache.PREDICTION)


@router.get("/forecasts/model", tags=["forecasts"], response_model=schemas.ForecastModel)
async def get_forecast_model(request: Request) -> Response:
    """What forecasts are made with: its version, or why baselines answer in its place."""
    answer = await upstreams(request).forecasting.unary("GetModelInfo", pb.GetModelInfoRequest())
    return json_answer(request, shape.model_json(answer), Cache.REVALIDATE)


@router.get("/forecasts/{forecast_id}", tags=["forecasts"], response_model=schemas.Forecast, responses=NOT_FOUND)
async def get_forecast(request: Request, forecast_id: ForecastId) -> Response:
    """One forecast, as far as it is."""
    answer = await upstreams(request).forecasting.unary("GetForecast", pb.GetForecastRequest(forecast_id=str(forecast_id)))
    return json_answer(request, shape.forecast_json(answer.forecast, _user_id(request)), Cache.PREDICTION)
