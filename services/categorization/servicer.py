"""The wire of categorization: protobuf to domain and back, and the checks that need nothing but the request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

import grpc.aio

from scale.categorization.v1 import categorization_service_pb2 as pb
from scale.categorization.v1.categorization_service_pb2_grpc import CategorizationServiceServicer
from services.categorization.arrow import read_batch, write_batch
from services.categorization.corrections import Corrections
from services.categorization.domain import Payment, Source
from services.categorization.jobs.domain import MOST_JOB_BYTES, MOST_JOB_INPUTS, job_too_large
from services.categorization.jobs.service import JobsService
from services.categorization.messages import (
    MAX_REQUEST_ID_CHARS,
    classification_message,
    correction_message,
    job_message,
    model_message,
    payment_of,
    payments_of,
)
from services.categorization.service import CategorizationService
from services.categorization.suggestions.service import SuggestionsService
from services.categorization.suggestions.servicer import SuggestionMethods
from services.kit import context
from services.kit.errors import Aborted, DeadlineExceeded, invalid
from services.kit.fields import text_of, uuid_of
from services.kit.pagination import PageTokens, page_size

Part = TypeVar("Part")

_MAX_SLUG_CHARS = 100


class CategorizationServicer(SuggestionMethods, CategorizationServiceServicer):
    """`scale.categorization.v1.CategorizationService`. Whose corrections count is said by the verified token alone."""

    def __init__(
        self,
        service: CategorizationService,
        *,
        corrections: Corrections,
        jobs: JobsService,
        suggestions: SuggestionsService,
        page_tokens: PageTokens,
        idle_timeout_s: float,
    ) -> None:
        """`idle_timeout_s`: seconds to wait for the next part of a stream before it is given up."""
        self._service = service
        self._corrections = corrections
        self._jobs = jobs
        self._suggestions = suggestions
        self._page_tokens = page_tokens
        self._idle_timeout_s = idle_timeout_s

    async def Classify(self, request: pb.ClassifyRequest, _: grpc.aio.ServicerContext) -> pb.ClassifyResponse:
        """One payment."""
        if not request.HasField("input"):
            raise invalid("input", "is required")
        (answer,) = await self._service.classify(context.identity().user_id, [payment_of(request.input)])
        return pb.ClassifyResponse(classification=classification_message(answer))

    async def ClassifyBatch(self, request: pb.ClassifyBatchRequest, _: grpc.aio.ServicerContext) -> pb.ClassifyBatchResponse:
        """Up to a thousand, in one pass of the model."""
        answers = await self._service.classify(context.identity().user_id, payments_of(request.inputs))
        return pb.ClassifyBatchResponse(classifications=map(classification_message, answers))

    async def ClassifyStream(
        self, request: AsyncIterator[pb.ClassifyStreamRequest], _: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.ClassifyStreamResponse]:
        """One answer for each message, in its form."""
        user_id = context.identity().user_id
        stream = await self._service.open_stream(user_id)
        parts, count = aiter(request), 0
        while (part := await self._next(parts)) is not None:
            match part.WhichOneof("payload"):
                case "record_batch":
                    columns = read_batch(part.record_batch)
                    count += len(columns)
                    decided = await stream.decide(columns)
                    stream.give(Source.MODEL, decided.predicted_count)
                    yield pb.ClassifyStreamResponse(record_batch=write_batch(decided))
                case "inputs":
                    payments = payments_of(part.inputs.inputs)
                    count += len(payments)
                    answers = await self._service.classify(user_id, payments, ask_rules=False)
                    yield pb.ClassifyStreamResponse(
                        classifications=pb.Classifications(classifications=map(classification_message, answers))
                    )
                case "end":
                    if part.end.input_count != count:
                        raise _incomplete(f"{count} of {part.end.input_count} payments arrived")
                    return
                case _:
                    raise invalid("payload", "is required")
        # A caller that died looks like one that has finished: only `end` tells them apart.
        raise _incomplete("The stream stopped before its end")

    async def _next(self, parts: AsyncIterator[Part]) -> Part | None:
        try:
            async with asyncio.timeout(self._idle_timeout_s):
                return await anext(parts, None)
        except TimeoutError:
            raise DeadlineExceeded(f"Nothing of the stream came for {self._idle_timeout_s:g} s.", reason="STREAM_STALLED") from None

    async def RecordCorrection(self, request: pb.RecordCorrectionRequest, _: grpc.aio.ServicerContext) -> pb.RecordCorrectionResponse:
        """The caller's own word."""
        request_id = _request_id(request.request_id)
        category = text_of("category", request.category, _MAX_SLUG_CHARS, required=True)
        correction = await self._corrections.record_correction(
            context.identity().user_id, _subject(request), category, request_id=request_id
        )
        return pb.RecordCorrectionResponse(correction=correction_message(correction))

    async def StartClassification(
        self, request: pb.StartClassificationRequest, _: grpc.aio.ServicerContext
    ) -> pb.StartClassificationResponse:
        """In the background."""
        request_id = _request_id(request.request_id)
        payments = payments_of(request.inputs, most=MOST_JOB_INPUTS)
        job = await self._jobs.start_classification(context.identity().user_id, payments, request_id=request_id)
        return pb.StartClassificationResponse(job=job_message(job))

    async def StartClassificationStream(
        self, request: AsyncIterator[pb.StartClassificationStreamRequest], _: grpc.aio.ServicerContext
    ) -> pb.StartClassificationStreamResponse:
        """In the background, from several messages."""
        request_id, payments = await self._read_payments(aiter(request))
        job = await self._jobs.start_classification(context.identity().user_id, payments, request_id=request_id)
        return pb.StartClassificationStreamResponse(job=job_message(job))

    async def _read_payments(self, parts: AsyncIterator[pb.StartClassificationStreamRequest]) -> tuple[str, list[Payment]]:
        first = await self._next(parts)
        if first is None or first.WhichOneof("payload") != "request_id":
            raise invalid("request_id", "is required, in the first message")
        request_id, payments, size = _request_id(first.request_id), list[Payment](), 0
        while (part := await self._next(parts)) is not None:
            match part.WhichOneof("payload"):
                case "inputs":
                    size += part.ByteSize()
                    if size > MOST_JOB_BYTES:
                        raise job_too_large()
                    payments += payments_of(part.inputs.inputs, first=len(payments))
                    if len(payments) > MOST_JOB_INPUTS:
                        raise invalid("inputs", f"has more than {MOST_JOB_INPUTS} entries")
                case "end":
                    if part.end.input_count != len(payments):
                        raise _incomplete(f"The stream had {len(payments)} payments, and its end says {part.end.input_count}")
                    if not payments:
                        raise invalid("inputs", f"has 0 entries, 1 to {MOST_JOB_INPUTS} are allowed")
                    return request_id, payments
                case _:
                    raise invalid("payload", "must be inputs or end, after the first message")
        raise _incomplete("The stream stopped without its end")

    async def StartRecategorization(
        self, request: pb.StartRecategorizationRequest, _: grpc.aio.ServicerContext
    ) -> pb.StartRecategorizationResponse:
        """The caller's ledger anew."""
        job = await self._jobs.start_recategorization(context.identity().user_id, request_id=_request_id(request.request_id))
        return pb.StartRecategorizationResponse(job=job_message(job))

    async def StartDiscovery(self, request: pb.StartDiscoveryRequest, _: grpc.aio.ServicerContext) -> pb.StartDiscoveryResponse:
        """New categories."""
        job = await self._jobs.start_discovery(context.identity().user_id, request_id=_request_id(request.request_id))
        return pb.StartDiscoveryResponse(job=job_message(job))

    async def GetJob(self, request: pb.GetJobRequest, _: grpc.aio.ServicerContext) -> pb.GetJobResponse:
        """One job."""
        job = await self._jobs.get_job(context.identity().user_id, uuid_of("job_id", request.job_id))
        return pb.GetJobResponse(job=job_message(job))

    async def ListJobResults(self, request: pb.ListJobResultsRequest, _: grpc.aio.ServicerContext) -> pb.ListJobResultsResponse:
        """A page of a job's answers."""
        user_id, job_id = context.identity().user_id, uuid_of("job_id", request.job_id)
        limit, filters, after = page_size(request.page_size), f"results {job_id}", 0
        if request.page_token:
            after = int(self._page_tokens.decode(request.page_token, user_id=user_id, filters=filters)[0])
        answers, more = await self._jobs.list_job_results(user_id, job_id, after=after, limit=limit)
        response = pb.ListJobResultsResponse(classifications=map(classification_message, answers))
        if more:
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=filters, position=(str(after + len(answers)),))
        return response

    async def GetModelInfo(self, _request: pb.GetModelInfoRequest, _: grpc.aio.ServicerContext) -> pb.GetModelInfoResponse:
        """What answers now."""
        return pb.GetModelInfoResponse(model=model_message(await self._service.get_model_info(context.identity().user_id)))


def _request_id(value: str) -> str:
    return text_of("request_id", value, MAX_REQUEST_ID_CHARS, required=True)


def _subject(request: pb.RecordCorrectionRequest) -> UUID | Payment:
    match request.WhichOneof("subject"):
        case "transaction_id":
            return uuid_of("transaction_id", request.transaction_id)
        case "input":
            payment = payment_of(request.input)
            return payment.transaction_id or replace(payment, transaction_id=None)
    raise invalid("subject", "is required: a transaction_id, or a payment as input")


def _incomplete(what: str) -> Aborted:
    return Aborted(f"{what}; classify again.", reason="STREAM_INCOMPLETE")
