"""The wire of training: protobuf to domain and back, and the checks that need nothing but the request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import grpc.aio

from scale.training.v1 import training_service_pb2 as pb
from scale.training.v1.training_service_pb2_grpc import TrainingServiceServicer
from services.kit import context
from services.kit.fields import text_of, uuid_of
from services.kit.pagination import PageTokens, page_size
from services.training.domain import Caller, JobPosition
from services.training.messages import event_message, job_message, model_of, request_id_of, status_of
from services.training.service import TrainingService

_MAX_EVENT_ID_CHARS = 64


class TrainingServicer(TrainingServiceServicer):
    """`scale.training.v1.TrainingService`. Whose jobs they are is said by the verified token alone."""

    def __init__(self, service: TrainingService, page_tokens: PageTokens) -> None:
        self._service = service
        self._page_tokens = page_tokens

    async def StartTrainingJob(self, request: pb.StartTrainingJobRequest, _: grpc.aio.ServicerContext) -> pb.StartTrainingJobResponse:
        """In the background."""
        request_id, model = request_id_of(request.request_id), model_of(request.model)
        job = await self._service.start_training_job(_caller(), model, request_id=request_id)
        return pb.StartTrainingJobResponse(job=job_message(job))

    async def GetTrainingJob(self, request: pb.GetTrainingJobRequest, _: grpc.aio.ServicerContext) -> pb.GetTrainingJobResponse:
        """One job."""
        job = await self._service.get_training_job(_caller(), uuid_of("job_id", request.job_id))
        return pb.GetTrainingJobResponse(job=job_message(job))

    async def ListTrainingJobs(self, request: pb.ListTrainingJobsRequest, _: grpc.aio.ServicerContext) -> pb.ListTrainingJobsResponse:
        """A page, the newest first."""
        caller, limit = _caller(), page_size(request.page_size)
        status, model = status_of(request.status), model_of(request.model, required=False)
        filters, after = f"training jobs {status} {model}", None
        if request.page_token:
            created_at, last_id = self._page_tokens.decode(request.page_token, user_id=caller.user_id, filters=filters)
            after = JobPosition(datetime.fromisoformat(created_at), UUID(last_id))
        found, more = await self._service.list_training_jobs(caller, status=status, model=model, limit=limit, after=after)
        response = pb.ListTrainingJobsResponse(jobs=map(job_message, found))
        if more:
            position = (found[-1].created_at.isoformat(), str(found[-1].id))
            response.next_page_token = self._page_tokens.encode(user_id=caller.user_id, filters=filters, position=position)
        return response

    async def CancelTrainingJob(self, request: pb.CancelTrainingJobRequest, _: grpc.aio.ServicerContext) -> pb.CancelTrainingJobResponse:
        """Gives it up."""
        job = await self._service.cancel_training_job(_caller(), uuid_of("job_id", request.job_id))
        return pb.CancelTrainingJobResponse(job=job_message(job))

    async def WatchTrainingJob(
        self, request: pb.WatchTrainingJobRequest, _: grpc.aio.ServicerContext
    ) -> AsyncIterator[pb.WatchTrainingJobResponse]:
        """Step by step."""
        after = text_of("after_event_id", request.after_event_id, _MAX_EVENT_ID_CHARS)
        async for event in self._service.watch_training_job(_caller(), uuid_of("job_id", request.job_id), after=after):
            yield event_message(event)


def _caller() -> Caller:
    identity = context.identity()
    return Caller(identity.user_id, admin=identity.role == "admin")
