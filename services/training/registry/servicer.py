"""`scale.training.v1.ModelRegistryService` on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc.aio

from scale.training.v1 import model_registry_service_pb2 as pb
from scale.training.v1.model_registry_service_pb2_grpc import ModelRegistryServiceServicer as Servicer
from services.kit import context
from services.kit.errors import invalid
from services.kit.pagination import PageTokens, page_size
from services.training.domain import ModelVersion
from services.training.registry.domain import owner_of
from services.training.registry.incoming import read_header, read_made
from services.training.registry.made import MadeVersions, check_may_register
from services.training.registry.messages import version_message
from services.training.registry.service import ModelRegistryService

SERVICE = "scale.training.v1.ModelRegistryService"
BACKGROUND_METHODS = frozenset({f"/{SERVICE}/GetLiveModelVersion", f"/{SERVICE}/RegisterModelVersion"})
"""What a service asks that answers with a global model, and what one says that makes them."""
OPEN_METHODS = frozenset({f"/{SERVICE}/ReadArtifact"})
"""A signature is the permission."""
_CHUNK_BYTES = 64 * 1024
_MAX_CHARS = {"version": 200, "path": 500, "signature": 200}


class ModelRegistryServicer(Servicer):
    """Messages in, messages out."""

    def __init__(self, service: ModelRegistryService, made: MadeVersions, page_tokens: PageTokens) -> None:
        self._service = service
        self._made = made
        self._page_tokens = page_tokens

    async def ListModelVersions(self, request: pb.ListModelVersionsRequest, _: grpc.aio.ServicerContext) -> pb.ListModelVersionsResponse:
        """A page, the newest first."""
        user_id, limit = context.identity().user_id, page_size(request.page_size)
        filters, below = f"model versions {owner_of(request.model, user_id)} {request.model}", None
        if request.page_token:
            (number,) = self._page_tokens.decode(request.page_token, user_id=user_id, filters=filters)
            below = int(number)
        found, more = await self._service.list_versions(user_id, request.model, limit=limit, below=below)
        response = pb.ListModelVersionsResponse(model_versions=map(version_message, found))
        if more:
            position = (str(found[-1].number),)
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=filters, position=position)
        return response

    async def GetModelVersion(self, request: pb.GetModelVersionRequest, _: grpc.aio.ServicerContext) -> pb.GetModelVersionResponse:
        """One, with an address of its artefact."""
        found = await self._service.get_version(context.identity().user_id, request.model, _text("version", request.version))
        return pb.GetModelVersionResponse(model_version=await self._message(found))

    async def GetLiveModelVersion(
        self, request: pb.GetLiveModelVersionRequest, _: grpc.aio.ServicerContext
    ) -> pb.GetLiveModelVersionResponse:
        """What answers."""
        found = await self._service.get_live_version(context.identity().user_id, request.model)
        return pb.GetLiveModelVersionResponse(model_version=await self._message(found))

    async def PromoteModelVersion(
        self, request: pb.PromoteModelVersionRequest, _: grpc.aio.ServicerContext
    ) -> pb.PromoteModelVersionResponse:
        """It answers from now on."""
        caller = context.identity()
        version = _text("version", request.version)
        found = await self._service.promote_version(caller.user_id, request.model, version, administrator=caller.role == "admin")
        return pb.PromoteModelVersionResponse(model_version=await self._message(found))

    async def RollBackModel(self, request: pb.RollBackModelRequest, _: grpc.aio.ServicerContext) -> pb.RollBackModelResponse:
        """What was there before answers from now on."""
        caller = context.identity()
        version = _text("version", request.version) if request.version else ""
        found = await self._service.roll_back(caller.user_id, request.model, version, administrator=caller.role == "admin")
        return pb.RollBackModelResponse(model_version=await self._message(found) if found is not None else None)

    async def ReadArtifact(self, request: pb.ReadArtifactRequest, _: grpc.aio.ServicerContext) -> AsyncIterator[pb.ReadArtifactResponse]:
        """Its bytes. They were looked at as a whole before the first of them goes out."""
        found, content = await self._service.read_artifact(
            _text("path", request.path), request.expires, _text("signature", request.signature)
        )
        yield pb.ReadArtifactResponse(chunk=content[:_CHUNK_BYTES], content_hash=found.content_hash, size_bytes=found.size_bytes)
        for start in range(_CHUNK_BYTES, len(content), _CHUNK_BYTES):
            yield pb.ReadArtifactResponse(chunk=content[start : start + _CHUNK_BYTES])

    async def RegisterModelVersion(
        self, requests: AsyncIterator[pb.RegisterModelVersionRequest], _: grpc.aio.ServicerContext
    ) -> pb.RegisterModelVersionResponse:
        """What another service has made. Whether it may is known before the artefact is taken."""
        header = await read_header(requests)
        check_may_register(context.identity().service, header.model)
        found = await self._made.register(await read_made(header, requests))
        return pb.RegisterModelVersionResponse(model_version=await self._message(found))

    async def _message(self, found: ModelVersion) -> pb.ModelVersion:
        for_service = context.identity().role == "service"
        return version_message(found, await self._service.download_of(found, for_service=for_service))


def _text(field: str, value: str) -> str:
    """A text that can be looked for. Raises InvalidArgument."""
    if not value:
        raise invalid(field, "is required")
    if len(value) > _MAX_CHARS[field] or "\x00" in value:
        raise invalid(field, "is not one that was handed out")
    return value
