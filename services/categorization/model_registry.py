"""The registry of models over gRPC."""

from __future__ import annotations

from contextlib import aclosing
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from scale.training.v1 import model_registry_service_pb2 as pb
from scale.training.v1.model_registry_service_pb2_grpc import ModelRegistryServiceStub
from services.categorization.live_model import LiveVersion
from services.kit import context
from services.kit.client import ServiceClient
from services.kit.errors import NotFound, Unavailable
from services.kit.service_tokens import ServiceTokens

MODEL = "categorizer-global"
CALLER = "categorization_models"
"""Whose tokens these are: a key of its own, with which nothing but this question can be asked."""

_SERVICE = "scale.training.v1.ModelRegistryService"
_ARTIFACTS = "/api/v1/artifacts/"
_NOBODY = UUID(int=0)
_ASK_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 120.0


class GrpcModelRegistry:
    """`ModelRegistry` on the training service. Whoever calls it asks in nobody's name from then on: call it in a task of its own."""

    def __init__(self, address: str, key: str) -> None:
        """`key`: base64url of an Ed25519 seed."""
        self._client = ServiceClient(ModelRegistryServiceStub, address, service=_SERVICE)
        self._tokens = ServiceTokens(CALLER, key)

    async def close(self) -> None:
        """Closes the channel."""
        await self._client.close()

    async def live(self) -> LiveVersion | None:
        """See `ModelRegistry`."""
        context.bind_background(_NOBODY, self._tokens)
        try:
            response = await self._client.unary("GetLiveModelVersion", pb.GetLiveModelVersionRequest(model=MODEL), timeout_s=_ASK_TIMEOUT_S)
        except NotFound as error:
            if error.reason != "NO_LIVE_MODEL":
                raise
            return None
        found = response.model_version
        return LiveVersion(found.version, found.content_hash, found.size_bytes, found.download_url)

    async def read(self, live: LiveVersion) -> bytes:
        """See `ModelRegistry`."""
        content = bytearray()
        async with aclosing(self._client.unary_stream("ReadArtifact", _request(live.download_url), timeout_s=_READ_TIMEOUT_S)) as parts:
            async for part in parts:
                content += part.chunk
                if len(content) > live.size_bytes:
                    break
        return bytes(content)


def _request(download_url: str) -> pb.ReadArtifactRequest:
    """The parts of a signed address."""
    address = urlsplit(download_url)
    query = parse_qs(address.query)
    try:
        path, expires, signature = unquote(address.path.removeprefix(_ARTIFACTS)), int(query["expires"][0]), query["signature"][0]
    except (KeyError, ValueError):
        path = ""
    if not path or not address.path.startswith(_ARTIFACTS):
        raise Unavailable("The registry names an address that this version does not know.", reason="REGISTRY_UNKNOWN")
    return pb.ReadArtifactRequest(path=path, expires=expires, signature=signature)
