"""The registry of models over gRPC, for a service that answers with a model that everybody has."""

from __future__ import annotations

from contextlib import aclosing
from types import ModuleType
from typing import Any
from uuid import UUID

from services.kit import context
from services.kit.client import ServiceClient
from services.kit.errors import NotFound
from services.kit.live_model import LiveVersion, read_address
from services.kit.service_tokens import ServiceTokens

_NOBODY = UUID(int=0)
_ASK_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 120.0


class GrpcModelRegistry:
    """`ModelRegistry` of `services.kit.live_model`. Whoever calls it asks in nobody's name from then on: call it in a task of its own."""

    messages: ModuleType
    """The registry's contract."""
    stub: Any
    model: str
    caller: str
    """Whose tokens these are: a key of its own, with which nothing but this question can be asked."""

    def __init__(self, address: str, key: str) -> None:
        """`key`: base64url of an Ed25519 seed."""
        service = self.messages.DESCRIPTOR.services_by_name["ModelRegistryService"].full_name
        self._client = ServiceClient(self.stub, address, service=service)
        self._tokens = ServiceTokens(self.caller, key)

    async def close(self) -> None:
        """Closes the channel."""
        await self._client.close()

    async def live(self) -> LiveVersion | None:
        """See `ModelRegistry`."""
        context.bind_background(_NOBODY, self._tokens)
        request = self.messages.GetLiveModelVersionRequest(model=self.model)
        try:
            response = await self._client.unary("GetLiveModelVersion", request, timeout_s=_ASK_TIMEOUT_S)
        except NotFound as error:
            if error.reason != "NO_LIVE_MODEL":
                raise
            return None
        found = response.model_version
        return LiveVersion(found.version, found.content_hash, found.size_bytes, found.download_url)

    async def read(self, live: LiveVersion) -> bytes:
        """See `ModelRegistry`."""
        content, address = bytearray(), read_address(live.download_url)
        request = self.messages.ReadArtifactRequest(path=address.path, expires=address.expires, signature=address.signature)
        async with aclosing(self._client.unary_stream("ReadArtifact", request, timeout_s=_READ_TIMEOUT_S)) as parts:
            async for part in parts:
                content += part.chunk
                if len(content) > live.size_bytes:
                    break
        return bytes(content)
