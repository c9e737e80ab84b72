"""The wire of forecasts: protobuf to domain and back, and the checks that need nothing but the request."""

from __future__ import annotations

from uuid import UUID

import grpc.aio

from scale.forecasting.v1 import forecasting_service_pb2 as pb
from scale.forecasting.v1.forecasting_service_pb2_grpc import ForecastingServiceServicer
from services.forecasting.messages import MAX_REQUEST_ID_CHARS, forecast_message, question_of, state_of
from services.forecasting.service import ForecastingService
from services.kit import context
from services.kit.fields import text_of, uuid_of
from services.kit.pagination import PageTokens, page_size


class ForecastingServicer(ForecastingServiceServicer):
    """`scale.forecasting.v1.ForecastingService`. Whose money it is about is said by the verified token alone."""

    def __init__(self, service: ForecastingService, *, page_tokens: PageTokens) -> None:
        self._service = service
        self._page_tokens = page_tokens

    async def CreateForecast(self, request: pb.CreateForecastRequest, _: grpc.aio.ServicerContext) -> pb.CreateForecastResponse:
        """In the background, or at once."""
        request_id = text_of("request_id", request.request_id, MAX_REQUEST_ID_CHARS, required=True)
        found = await self._service.create_forecast(
            context.identity().user_id, question_of(request), request_id=request_id, wait_s=request.wait_s
        )
        return pb.CreateForecastResponse(forecast=forecast_message(found))

    async def GetForecast(self, request: pb.GetForecastRequest, _: grpc.aio.ServicerContext) -> pb.GetForecastResponse:
        """One."""
        found = await self._service.get_forecast(context.identity().user_id, uuid_of("forecast_id", request.forecast_id))
        return pb.GetForecastResponse(forecast=forecast_message(found))

    async def ListForecasts(self, request: pb.ListForecastsRequest, _: grpc.aio.ServicerContext) -> pb.ListForecastsResponse:
        """A page."""
        user_id, state, limit = context.identity().user_id, state_of(request.state), page_size(request.page_size)
        filters, before = f"forecasts {state or ''}", None
        if request.page_token:
            before = UUID(self._page_tokens.decode(request.page_token, user_id=user_id, filters=filters)[0])
        found = await self._service.list_forecasts(user_id, state=state, before=before, limit=limit + 1)
        response = pb.ListForecastsResponse(forecasts=map(forecast_message, found[:limit]))
        if len(found) > limit:
            response.next_page_token = self._page_tokens.encode(
                user_id=user_id, filters=filters, position=(str(found[limit - 1].asked.id),)
            )
        return response

    async def GetModelInfo(self, _request: pb.GetModelInfoRequest, _: grpc.aio.ServicerContext) -> pb.GetModelInfoResponse:
        """What answers now."""
        info = self._service.model_info()
        return pb.GetModelInfoResponse(
            model_version=info.version, degraded=info.degraded, degraded_reason=info.reason, candidates=info.candidates
        )
