"""`scale.anomaly.v1.AnomalyService`: the wire of anomalies, and nothing else."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import grpc.aio

from scale.anomaly.v1 import anomaly_service_pb2 as pb
from scale.anomaly.v1.anomaly_service_pb2_grpc import AnomalyServiceServicer
from services.forecasting.anomaly.domain import AnomalyPosition
from services.forecasting.anomaly.messages import anomaly_message, filter_of, scan_message
from services.forecasting.anomaly.service import AnomaliesService
from services.kit import context
from services.kit.dates import to_timestamp
from services.kit.fields import text_of, uuid_of
from services.kit.pagination import PageTokens, page_size

SERVICE = "scale.anomaly.v1.AnomalyService"
BACKGROUND_METHODS = frozenset({f"/{SERVICE}/StartScan"})
"""What a worker may ask for a user who is not there: that a ledger be looked through which an import has changed."""
_MAX_REQUEST_ID_CHARS = 36


class AnomalyServicer(AnomalyServiceServicer):
    """Checks what needs nothing but the request, and translates."""

    def __init__(self, service: AnomaliesService, page_tokens: PageTokens) -> None:
        self._service = service
        self._page_tokens = page_tokens

    async def StartScan(self, request: pb.StartScanRequest, _: grpc.aio.ServicerContext) -> pb.StartScanResponse:
        """In the background."""
        request_id = text_of("request_id", request.request_id, _MAX_REQUEST_ID_CHARS, required=True)
        scan = await self._service.start_scan(context.identity().user_id, request_id=request_id, ledger_changed=request.ledger_changed)
        return pb.StartScanResponse(scan=scan_message(scan))

    async def GetScan(self, request: pb.GetScanRequest, _: grpc.aio.ServicerContext) -> pb.GetScanResponse:
        """As far as it is."""
        scan = await self._service.get_scan(context.identity().user_id, uuid_of("scan_id", request.scan_id))
        return pb.GetScanResponse(scan=scan_message(scan))

    async def ListAnomalies(self, request: pb.ListAnomaliesRequest, _: grpc.aio.ServicerContext) -> pb.ListAnomaliesResponse:
        """A page, the latest day first."""
        user_id, limit, where = context.identity().user_id, page_size(request.page_size), filter_of(request)
        filters, after = f"anomalies {where}", None
        if request.page_token:
            day, last_id = self._page_tokens.decode(request.page_token, user_id=user_id, filters=filters)
            after = AnomalyPosition(date.fromisoformat(day), UUID(last_id))
        found, more, scanned_at = await self._service.list_anomalies(user_id, where=where, limit=limit, after=after)
        response = pb.ListAnomaliesResponse(anomalies=map(anomaly_message, found))
        if scanned_at is not None:
            response.scan_time.CopyFrom(to_timestamp(scanned_at))
        if more:
            position = (found[-1].occurred_on.isoformat(), str(found[-1].id))
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=filters, position=position)
        return response

    async def GetAnomaly(self, request: pb.GetAnomalyRequest, _: grpc.aio.ServicerContext) -> pb.GetAnomalyResponse:
        """One."""
        found = await self._service.get_anomaly(context.identity().user_id, uuid_of("anomaly_id", request.anomaly_id))
        return pb.GetAnomalyResponse(anomaly=anomaly_message(found))

    async def DismissAnomaly(self, request: pb.DismissAnomalyRequest, _: grpc.aio.ServicerContext) -> pb.DismissAnomalyResponse:
        """It is no news."""
        found = await self._service.dismiss_anomaly(context.identity().user_id, uuid_of("anomaly_id", request.anomaly_id))
        return pb.DismissAnomalyResponse(anomaly=anomaly_message(found))

    async def ReopenAnomaly(self, request: pb.ReopenAnomalyRequest, _: grpc.aio.ServicerContext) -> pb.ReopenAnomalyResponse:
        """It is, after all."""
        found = await self._service.reopen_anomaly(context.identity().user_id, uuid_of("anomaly_id", request.anomaly_id))
        return pb.ReopenAnomalyResponse(anomaly=anomaly_message(found))
