"""`AnsweringService` over gRPC: categorization keeps a user's own model beside the user's corrections."""

from __future__ import annotations

from scale.categorization.v1 import learning_service_pb2 as pb
from scale.categorization.v1.learning_service_pb2_grpc import LearningServiceStub
from services.kit.client import ServiceClient
from services.kit.errors import InvalidArgument
from services.training.registry.domain import VersionRefused

_SERVICE = "scale.categorization.v1.LearningService"


class GrpcCategorization:
    """The caller's token goes with every call: in background work one of the worker's own, for this user."""

    def __init__(self, address: str) -> None:
        self._client = ServiceClient(LearningServiceStub, address, service=_SERVICE, idempotent=("SetUserModel",))

    async def set_user_model(self, version: str, artifact: bytes, content_hash: str) -> None:
        """See `AnsweringService`."""
        request = pb.SetUserModelRequest(version=version, artifact=artifact, content_hash=content_hash)
        try:
            await self._client.unary("SetUserModel", request)
        except InvalidArgument as error:
            raise VersionRefused(error.message, reason=error.reason, metadata=error.metadata, fields=error.fields) from error

    async def close(self) -> None:
        """Closes the channel."""
        await self._client.close()
