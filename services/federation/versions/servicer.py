"""`scale.federation.v1.FederatedModelService` on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc.aio

from scale.federation.v1 import federated_model_service_pb2 as pb
from scale.federation.v1.federated_model_service_pb2_grpc import FederatedModelServiceServicer as Servicer
from services.federation.domain import FederatedVersion
from services.federation.versions.domain import administrators_only
from services.federation.versions.messages import version_message
from services.federation.versions.parts import ModelParts
from services.federation.versions.service import FederatedVersions
from services.kit import context
from services.kit.errors import invalid
from services.kit.pagination import PageTokens, page_size

SERVICE = "scale.federation.v1.FederatedModelService"
OPEN_METHODS = frozenset({f"/{SERVICE}/ReadModelPart"})
"""A signature is the permission."""
_CHUNK_BYTES = 64 * 1024
_MOST_CHARS = 200


class FederatedModelServicer(Servicer):
    """Messages in, messages out."""

    def __init__(self, service: FederatedVersions, parts: ModelParts, page_tokens: PageTokens) -> None:
        self._service = service
        self._parts = parts
        self._page_tokens = page_tokens

    async def GetFederatedModel(self, request: pb.GetFederatedModelRequest, _: grpc.aio.ServicerContext) -> pb.GetFederatedModelResponse:
        """The newest version."""
        return pb.GetFederatedModelResponse(model_version=self._message(await self._service.latest()))

    async def ListFederatedModelVersions(
        self, request: pb.ListFederatedModelVersionsRequest, _: grpc.aio.ServicerContext
    ) -> pb.ListFederatedModelVersionsResponse:
        """A page, the newest first."""
        _check_administrator()
        user_id, limit, below = context.identity().user_id, page_size(request.page_size), None
        if request.page_token:
            (version,) = self._page_tokens.decode(request.page_token, user_id=user_id, filters=_PAGES)
            below = int(version)
        found, more = await self._service.list_versions(limit=limit, below=below)
        response = pb.ListFederatedModelVersionsResponse(model_versions=map(version_message, found))
        if more:
            position = (str(found[-1].version),)
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=_PAGES, position=position)
        return response

    async def PromoteFederatedModel(
        self, request: pb.PromoteFederatedModelRequest, _: grpc.aio.ServicerContext
    ) -> pb.PromoteFederatedModelResponse:
        """It answers in categorization from now on."""
        _check_administrator()
        return pb.PromoteFederatedModelResponse(model_version=self._message(await self._service.promote_version(_version(request.version))))

    async def RollBackFederatedModel(
        self, request: pb.RollBackFederatedModelRequest, _: grpc.aio.ServicerContext
    ) -> pb.RollBackFederatedModelResponse:
        """Rounds go on from an earlier one."""
        _check_administrator()
        return pb.RollBackFederatedModelResponse(model_version=self._message(await self._service.roll_back(_version(request.version))))

    async def ReadModelPart(self, request: pb.ReadModelPartRequest, _: grpc.aio.ServicerContext) -> AsyncIterator[pb.ReadModelPartResponse]:
        """Its bytes. They were looked at as a whole before the first of them goes out."""
        for field in ("name", "signature"):
            value = getattr(request, field)
            if not value or len(value) > _MOST_CHARS:
                raise invalid(field, "is not one that was handed out" if value else "is required")
        part = await self._parts.read_signed(_version(request.version), request.name, request.expires, request.signature)
        content = part.content
        yield pb.ReadModelPartResponse(chunk=content[:_CHUNK_BYTES], content_hash=part.content_hash, size_bytes=len(content))
        for start in range(_CHUNK_BYTES, len(content), _CHUNK_BYTES):
            yield pb.ReadModelPartResponse(chunk=content[start : start + _CHUNK_BYTES])

    def _message(self, found: FederatedVersion) -> pb.FederatedModelVersion:
        return version_message(found, self._parts.addresses(found))


_PAGES = "federated model versions"


def _version(value: int) -> int:
    if value < 1:
        raise invalid("version", "is required: 1, 2, 3 and so on")
    return value


def _check_administrator() -> None:
    if context.identity().role != "admin":
        raise administrators_only()
