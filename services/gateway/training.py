"""REST routes of training: jobs, how far they are, and the stream of what they tell."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from scale.training.v1 import training_service_pb2 as pb
from services.gateway import training_json as shape
from services.gateway.accounts import IdempotencyKey
from services.gateway.answers import json_answer
from services.gateway.event_streams import SEEN_ALL, EventStreams, LastEventId, stream_content
from services.gateway.exchange import exchange_of
from services.gateway.idempotency import short_idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import training as schemas
from services.gateway.schemas.fields import Identifier
from services.gateway.settings import GatewaySettings
from services.gateway.upstreams import upstreams

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

JobId = Annotated[Identifier, Path(description="The job.")]

_POLL_AFTER_S = 1
_STARTED: dict[int | str, dict[str, Any]] = {
    202: {"model": schemas.TrainingJob, "description": "Begun; the job is at the address in Location."},
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `progress` (`step`, `total`, `loss`, and as `status` what the job does) until one `complete` (`metrics`, "
        "`model_version`, `published`) or `failed` (`error`; null for a job that was cancelled). "
        "Lines that begin with a colon keep the connection alive; after five minutes without a step it is closed. "
        "A stream that ends without `complete` or `failed` goes on when you come back with Last-Event-ID.",
        "content": stream_content(
            "progress",
            "complete",
            "failed",
            data='{"job_id":"019b76da-a800-7000-8000-0000000000d0","status":"training","step":120,"total":400,"loss":0.41}',
        ),
    },
}


@router.post("/training/jobs", tags=["training"], status_code=202, response_model=schemas.TrainingJob, responses=_STARTED | CONFLICT)
async def start_training_job(request: Request, wanted: schemas.NewTrainingJob, key: IdempotencyKey = None) -> Response:
    """Begins to train a model, in the background. It answers for you once it is better, on a part held out, than what answers now.

    409 with `job_id` while another job of yours is at it. Follow it at `/training/stream/{job_id}`, or poll it.
    """
    answer = await upstreams(request).training.unary(
        "StartTrainingJob", pb.StartTrainingJobRequest(request_id=short_idempotency_key(request), model=wanted.model)
    )
    headers = {"Location": f"/api/v1/training/jobs/{answer.job.job_id}", "Retry-After": str(_POLL_AFTER_S)}
    return json_answer(request, shape.job_json(answer.job), status=202, headers=headers)


@router.get(
    "/training/jobs",
    tags=["training"],
    response_model=schemas.TrainingJobPage,
    openapi_extra=query_parameters(schemas.TrainingJobQuery),
)
async def list_training_jobs(request: Request) -> Response:
    """Your jobs, newest first."""
    query = read_query(request, schemas.TrainingJobQuery)
    page = await upstreams(request).training.unary("ListTrainingJobs", shape.list_jobs_request(query))
    content = {"items": list(map(shape.job_json, page.jobs)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content)


async def get_training_job(request: Request, job_id: JobId) -> Response:
    """Where a job stands; while it is open, at most five seconds behind."""
    answer = await upstreams(request).training.unary("GetTrainingJob", pb.GetTrainingJobRequest(job_id=str(job_id)))
    return json_answer(request, shape.job_json(answer.job))


async def cancel_training_job(request: Request, job_id: JobId) -> Response:
    """Gives a job up: at once while it waits, at its next step while it runs. Nothing of it is published.

    Harmless to repeat; 409 for a job that has ended otherwise.
    """
    answer = await upstreams(request).training.unary("CancelTrainingJob", pb.CancelTrainingJobRequest(job_id=str(job_id)))
    return json_answer(request, shape.job_json(answer.job))


_found: dict[str, Any] = {"response_model": schemas.TrainingJob, "responses": NOT_FOUND}
_cancelled: dict[str, Any] = {"response_model": schemas.TrainingJob, "responses": NOT_FOUND | CONFLICT}
router.get("/training/jobs/{job_id}", tags=["training"], operation_id="get_training_job", **_found)(get_training_job)
router.get(
    "/training/status/{job_id}",
    tags=["aliases"],
    operation_id="get_training_job_alias",
    summary="Alias of GET /api/v1/training/jobs/{job_id}",
    **_found,
)(get_training_job)
router.post("/training/jobs/{job_id}/cancel", tags=["training"], operation_id="cancel_training_job", **_cancelled)(cancel_training_job)
router.delete(
    "/training/jobs/{job_id}",
    tags=["aliases"],
    operation_id="cancel_training_job_alias",
    summary="Alias of POST /api/v1/training/jobs/{job_id}/cancel",
    **_cancelled,
)(cancel_training_job)


@router.get(
    "/training/stream/{job_id}",
    tags=["training"],
    response_class=EventSourceResponse,
    responses=NOT_FOUND | SEEN_ALL | _STREAM,
)
async def watch_training_job(request: Request, job_id: JobId, last_event_id: LastEventId = "") -> Response:
    """What a job has told so far, and each further step until it has ended, as server-sent events."""
    settings: GatewaySettings = request.app.state.settings
    streams: EventStreams = request.app.state.streams
    training = upstreams(request).training
    # First, because a stream that has begun can no longer become a 404.
    found = await training.unary("GetTrainingJob", pb.GetTrainingJobRequest(job_id=str(job_id)))
    if exchange_of(request.scope).head_only:
        return EventSourceResponse(iter(()))
    steps = training.unary_stream(
        "WatchTrainingJob",
        pb.WatchTrainingJobRequest(job_id=str(job_id), after_event_id=last_event_id),
        timeout_s=settings.stream_timeout_s,
    )
    ended = found.job.status not in shape.OPEN
    return await streams.follow(request, steps, shape.job_event, last_event_id=last_event_id, ended=ended)
