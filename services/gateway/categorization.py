"""REST routes of categorization: what payments were for, and why; corrections; suggested categories; the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import Response

from scale.categorization.v1 import categorization_service_pb2 as pb
from services.gateway import categorization_json as shape
from services.gateway.accounts import IdempotencyKey
from services.gateway.answers import Cache, json_answer
from services.gateway.errors import is_json
from services.gateway.idempotency import short_idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import categorization as schemas
from services.gateway.schemas.fields import Identifier, PageQuery
from services.gateway.upstreams import upstreams
from services.kit.errors import FieldError, InvalidArgument, invalid
from services.kit.server import MAX_MESSAGE_BYTES

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

JobId = Annotated[Identifier, Path(description="The job.")]
SuggestionId = Annotated[Identifier, Path(description="The suggestion.")]

BATCH_PATH = "/api/v1/classify/batch"
_POLL_AFTER_S = 1
# Larger bodies are read beside the event loop, which others wait for.
_READ_AT_ONCE_BYTES = 64 * 1024
# Room for the rest of a message.
_MAX_INPUT_BYTES = MAX_MESSAGE_BYTES - 64 * 1024
_AROUND_INPUT_BYTES = 8
_STARTED: dict[int | str, dict[str, Any]] = {
    202: {"model": schemas.Job, "description": "Begun; the job is at the address in Location."},
}
_batch_documented: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    key: value
                    for key, value in schemas.Batch.model_json_schema(ref_template="#/components/schemas/{model}").items()
                    if key != "$defs"
                }
            }
        },
    }
}


@router.post("/classify", tags=["categorization"], response_model=schemas.Classification)
async def classify(request: Request, payment: schemas.Payment) -> Response:
    """Says what one payment was for, how likely that is, and why.

    Who decides, the first that has a word: your correction of this transaction, a rule of yours, what you said of this merchant before, the
    model, the rules that ship with SCALE.
    """
    answer = await upstreams(request).categorization.unary("Classify", pb.ClassifyRequest(input=shape.classify_input(payment)))
    return json_answer(request, shape.classification_json(answer.classification), Cache.PREDICTION)


@router.post(
    "/classify/batch",
    tags=["categorization"],
    response_model=schemas.BatchResult,
    responses=_STARTED | CONFLICT,
    openapi_extra=_batch_documented,
)
async def classify_batch(request: Request, key: IdempotencyKey = None) -> Response:
    """Says what many payments were for, in one pass: answers come in the order of the items, and one item that is wrong fails the call.

    More than 1,000 items are answered with 202 and classified in the background: the job's `/results` has the answers by pages.
    """
    if not is_json(request):
        raise HTTPException(415, "Send JSON, with Content-Type: application/json.")
    request_id = short_idempotency_key(request)
    body = await request.body()
    inputs = _read_batch(body) if len(body) <= _READ_AT_ONCE_BYTES else await asyncio.to_thread(_read_batch, body)
    services, settings = upstreams(request), request.app.state.settings
    if len(inputs) > schemas.MAX_SYNCHRONOUS:
        started = await services.categorization.stream_unary(
            "StartClassificationStream", _messages(request_id, inputs), timeout_s=settings.import_timeout_s
        )
        return _started(request, started.job)
    answers = [
        await services.classifying_batches.unary("ClassifyBatch", pb.ClassifyBatchRequest(inputs=part), timeout_s=settings.timeout_s)
        for part in _parts(inputs)
    ]
    content = {"items": [shape.classification_json(one) for answer in answers for one in answer.classifications]}
    return json_answer(request, content, Cache.PREDICTION)


async def _messages(request_id: str, inputs: Sequence[pb.ClassifyInput]) -> AsyncIterator[pb.StartClassificationStreamRequest]:
    yield pb.StartClassificationStreamRequest(request_id=request_id)
    for part in _parts(inputs):
        yield pb.StartClassificationStreamRequest(inputs=pb.ClassifyInputs(inputs=part))
    yield pb.StartClassificationStreamRequest(end=pb.ClassifyStreamEnd(input_count=len(inputs)))


def _parts(inputs: Sequence[pb.ClassifyInput]) -> Iterator[Sequence[pb.ClassifyInput]]:
    """As many at a time as one message may hold."""
    start, size = 0, 0
    for place, one in enumerate(inputs):
        more = one.ByteSize() + _AROUND_INPUT_BYTES
        if place > start and (place - start == schemas.MAX_SYNCHRONOUS or size + more > _MAX_INPUT_BYTES):
            yield inputs[start:place]
            start, size = place, 0
        size += more
    yield inputs[start:]


def _read_batch(body: bytes) -> list[pb.ClassifyInput]:
    """The payments in a body. Not by FastAPI, which would read fifty thousand of them on the event loop."""
    try:
        batch = schemas.Batch.model_validate_json(body)
    except ValidationError as error:
        failures = error.errors(include_url=False, include_input=False)
        if failures[0]["type"] == "json_invalid":
            raise invalid("body", f"is not JSON: {failures[0]['ctx']['error']}") from None
        raise RequestValidationError([{**failure, "loc": ("body", *failure["loc"])} for failure in failures]) from None
    return list(map(shape.classify_input, batch.items))


def _started(request: Request, job: pb.CategorizationJob) -> Response:
    headers = {"Location": f"/api/v1/classify/jobs/{job.job_id}", "Retry-After": str(_POLL_AFTER_S)}
    return json_answer(request, shape.job_json(job), status=202, headers=headers)


@router.post(
    "/classify/feedback", tags=["categorization"], status_code=201, response_model=schemas.Correction, responses=NOT_FOUND | CONFLICT
)
async def record_correction(request: Request, feedback: schemas.Feedback, key: IdempotencyKey = None) -> Response:
    """Takes your word on what a payment was: a transaction has that category from now on, and the next payment at its merchant gets it.

    Nobody else's answers change. The last word wins.
    """
    answer = await upstreams(request).categorization.unary(
        "RecordCorrection", shape.correction_request(feedback, short_idempotency_key(request))
    )
    return json_answer(request, shape.correction_json(answer.correction), Cache.PREDICTION, status=201)


@router.post("/classify/recategorize", tags=["categorization"], status_code=202, response_model=schemas.Job, responses=CONFLICT)
async def start_recategorization(request: Request, key: IdempotencyKey = None) -> Response:
    """Classifies your whole ledger anew, in the background. What you, a rule of yours or the bank's file said stays as it is.

    409 with `job_id` while another one is at it.
    """
    started = await upstreams(request).categorization.unary(
        "StartRecategorization", pb.StartRecategorizationRequest(request_id=short_idempotency_key(request))
    )
    return _started(request, started.job)


@router.get("/classify/jobs/{job_id}", tags=["categorization"], response_model=schemas.Job, responses=NOT_FOUND)
async def get_job(request: Request, job_id: JobId) -> Response:
    """How far a job is."""
    answer = await upstreams(request).categorization.unary("GetJob", pb.GetJobRequest(job_id=str(job_id)))
    return json_answer(request, shape.job_json(answer.job))


@router.get(
    "/classify/jobs/{job_id}/results",
    tags=["categorization"],
    response_model=schemas.ClassificationPage,
    responses=NOT_FOUND | CONFLICT,
    openapi_extra=query_parameters(PageQuery),
)
async def list_job_results(request: Request, job_id: JobId) -> Response:
    """The answers of a classification that has succeeded, in the order of its items; 409 before."""
    page = await upstreams(request).categorization.unary(
        "ListJobResults", shape.job_results_request(job_id, read_query(request, PageQuery))
    )
    content = {"items": list(map(shape.classification_json, page.classifications)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.PREDICTION)


@router.get("/classify/model", tags=["categorization"], response_model=schemas.Model)
async def get_model_info(request: Request) -> Response:
    """What answers now: the model and its version, or the rules in its place."""
    answer = await upstreams(request).categorization.unary("GetModelInfo", pb.GetModelInfoRequest())
    return json_answer(request, shape.model_json(answer.model), Cache.REVALIDATE)


@router.get(
    "/categories/suggestions",
    tags=["categories"],
    response_model=schemas.SuggestionPage,
    openapi_extra=query_parameters(schemas.SuggestionQuery),
)
async def list_suggestions(request: Request) -> Response:
    """Categories that your payments suggest and nobody has named yet, newest first."""
    query = read_query(request, schemas.SuggestionQuery)
    page = await upstreams(request).categorization.unary("ListSuggestions", shape.list_suggestions_request(query))
    content = {"items": list(map(shape.suggestion_json, page.suggestions)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.REVALIDATE)


@router.post("/categories/suggestions", tags=["categories"], status_code=202, response_model=schemas.Job, responses=CONFLICT)
async def start_discovery(request: Request, key: IdempotencyKey = None) -> Response:
    """Looks through your ledger for payments that belong together and to no category, in the background.

    409 with `job_id` while another search is at it.
    """
    started = await upstreams(request).categorization.unary(
        "StartDiscovery", pb.StartDiscoveryRequest(request_id=short_idempotency_key(request))
    )
    return _started(request, started.job)


@router.post(
    "/categories/suggestions/{suggestion_id}/accept",
    tags=["categories"],
    response_model=schemas.Suggestion,
    responses=NOT_FOUND | CONFLICT,
)
async def accept_suggestion(request: Request, suggestion_id: SuggestionId, acceptance: schemas.Acceptance | None = None) -> Response:
    """Makes a suggestion a category of your own, with its transactions in it. Harmless to repeat."""
    asked = shape.accept_suggestion_request(suggestion_id, acceptance or schemas.Acceptance())
    try:
        answer = await upstreams(request).categorization.unary("AcceptSuggestion", asked)
    except InvalidArgument as error:
        # It passes on what the ledger says of the category, which has this field under another name.
        raise InvalidArgument(
            error.message.replace("primary_slug", "primary_category"),
            reason=error.reason,
            fields=[FieldError(one.field.replace("primary_slug", "primary_category"), one.reason) for one in error.fields],
        ) from None
    return json_answer(request, shape.suggestion_json(answer.suggestion))


@router.post(
    "/categories/suggestions/{suggestion_id}/dismiss",
    tags=["categories"],
    response_model=schemas.Suggestion,
    responses=NOT_FOUND | CONFLICT,
)
async def dismiss_suggestion(request: Request, suggestion_id: SuggestionId) -> Response:
    """Puts a suggestion aside: the like of it is not suggested again. Harmless to repeat."""
    answer = await upstreams(request).categorization.unary(
        "DismissSuggestion", pb.DismissSuggestionRequest(suggestion_id=str(suggestion_id))
    )
    return json_answer(request, shape.suggestion_json(answer.suggestion))
