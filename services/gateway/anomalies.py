"""REST routes of anomalies: what is odd in the ledger, and why."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from scale.anomaly.v1 import anomaly_service_pb2 as pb
from services.gateway import anomalies_json as shape
from services.gateway.accounts import IdempotencyKey
from services.gateway.answers import Cache, json_answer
from services.gateway.idempotency import short_idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import anomalies as schemas
from services.gateway.schemas.fields import Identifier
from services.gateway.upstreams import upstreams

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

AnomalyId = Annotated[Identifier, Path(description="The anomaly.")]
ScanId = Annotated[Identifier, Path(description="The scan.")]

_POLL_AFTER_S = 1
_STARTED: dict[int | str, dict[str, Any]] = {
    202: {"model": schemas.Scan, "description": "Begun, or at it already; the scan is at the address in Location."},
}


@router.get(
    "/anomalies",
    tags=["anomalies"],
    response_model=schemas.AnomalyPage,
    openapi_extra=query_parameters(schemas.AnomalyFilters),
)
async def list_anomalies(request: Request) -> Response:
    """What is odd in your ledger, the latest day first: each with its reason, and what that goes by."""
    filters = read_query(request, schemas.AnomalyFilters)
    page = await upstreams(request).anomalies.unary("ListAnomalies", shape.list_request(filters))
    return json_answer(request, shape.page_json(page), Cache.REVALIDATE)


@router.post("/anomalies/scans", tags=["anomalies"], status_code=202, response_model=schemas.Scan, responses=_STARTED | CONFLICT)
async def start_scan(request: Request, key: IdempotencyKey = None) -> Response:
    """Looks through your ledger, in the background. An import does so by itself, and so does the clock once a day."""
    answer = await upstreams(request).anomalies.unary("StartScan", pb.StartScanRequest(request_id=short_idempotency_key(request)))
    headers = {"Location": f"/api/v1/anomalies/scans/{answer.scan.scan_id}", "Retry-After": str(_POLL_AFTER_S)}
    return json_answer(request, shape.scan_json(answer.scan), status=202, headers=headers)


@router.get("/anomalies/scans/{scan_id}", tags=["anomalies"], response_model=schemas.Scan, responses=NOT_FOUND)
async def get_scan(request: Request, scan_id: ScanId) -> Response:
    """Where a scan stands."""
    answer = await upstreams(request).anomalies.unary("GetScan", pb.GetScanRequest(scan_id=str(scan_id)))
    return json_answer(request, shape.scan_json(answer.scan))


# Its path says :uuid, so that /anomalies/scans, which is begun and not read, is never taken for an id.
@router.get("/anomalies/{anomaly_id:uuid}", tags=["anomalies"], response_model=schemas.Anomaly, responses=NOT_FOUND)
async def get_anomaly(request: Request, anomaly_id: AnomalyId) -> Response:
    """One anomaly."""
    answer = await upstreams(request).anomalies.unary("GetAnomaly", pb.GetAnomalyRequest(anomaly_id=str(anomaly_id)))
    return json_answer(request, shape.anomaly_json(answer.anomaly), Cache.REVALIDATE)


@router.post("/anomalies/{anomaly_id}/dismiss", tags=["anomalies"], response_model=schemas.Anomaly, responses=NOT_FOUND | CONFLICT)
async def dismiss_anomaly(request: Request, anomaly_id: AnomalyId) -> Response:
    """Says that it is no news to you: the like of it is not told again. Harmless to repeat."""
    answer = await upstreams(request).anomalies.unary("DismissAnomaly", pb.DismissAnomalyRequest(anomaly_id=str(anomaly_id)))
    return json_answer(request, shape.anomaly_json(answer.anomaly))


@router.post("/anomalies/{anomaly_id}/reopen", tags=["anomalies"], response_model=schemas.Anomaly, responses=NOT_FOUND | CONFLICT)
async def reopen_anomaly(request: Request, anomaly_id: AnomalyId) -> Response:
    """Takes a dismissal back, and what was learned from it. Harmless to repeat."""
    answer = await upstreams(request).anomalies.unary("ReopenAnomaly", pb.ReopenAnomalyRequest(anomaly_id=str(anomaly_id)))
    return json_answer(request, shape.anomaly_json(answer.anomaly))
