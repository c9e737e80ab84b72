"""`Registry` over gRPC: the training service's."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar
from uuid import UUID

from scale.training.v1 import model_registry_service_pb2 as pb
from scale.training.v1.model_registry_service_pb2_grpc import ModelRegistryServiceStub
from services.federation.versions.domain import Answering, ToRegister
from services.kit import context, model_registry
from services.kit.dates import to_timestamp
from services.kit.errors import Unavailable

MODEL = "categorizer-global"
CALLER = "federation_models"
_CHUNK_BYTES = 1024 * 1024
_REGISTER_TIMEOUT_S = 120.0
_NOBODY = UUID(int=0)

Result = TypeVar("Result")


class GrpcModelRegistry(model_registry.GrpcModelRegistry):
    """Asks and registers in nobody's name, with a key of its own; promotes in the caller's, who must be an administrator."""

    messages = pb
    stub = ModelRegistryServiceStub
    model = MODEL
    caller = CALLER

    def __init__(self, address: str, key: str, *, code_version: str) -> None:
        """`key`: base64url of an Ed25519 seed; `code_version` is told of each version."""
        super().__init__(address, key)
        self._code_version = code_version

    async def answering(self) -> Answering | None:
        """See `Registry`."""

        async def fetch() -> Answering | None:
            live = await self.live()
            if live is None:
                return None
            content = await self.read(live)
            if hashlib.sha256(content).hexdigest() != live.content_hash:
                raise Unavailable("The model that answers came damaged; try again.", reason="ARTIFACT_INCOMPLETE", retry_after_s=5)
            return Answering(live.version, content)

        return await self._as_nobody(fetch())

    async def live_version(self) -> str:
        """See `Registry`."""
        live = await self._as_nobody(self.live())
        return live.version if live is not None else ""

    async def register(self, new: ToRegister) -> str:
        """See `Registry`."""

        async def send() -> str:
            context.bind_background(_NOBODY, self._tokens)
            response = await self._client.stream_unary("RegisterModelVersion", self._messages(new), timeout_s=_REGISTER_TIMEOUT_S)
            return str(response.model_version.version)

        return await self._as_nobody(send())

    async def promote(self, registry_version: str) -> None:
        """See `Registry`."""
        await self._client.unary("PromoteModelVersion", pb.PromoteModelVersionRequest(model=MODEL, version=registry_version))

    async def _messages(self, new: ToRegister) -> AsyncIterator[pb.RegisterModelVersionRequest]:
        header = pb.NewModelVersion(
            model=MODEL,
            job_id=str(new.job_id),
            content_hash=hashlib.sha256(new.artifact).hexdigest(),
            size_bytes=len(new.artifact),
            parent_version=new.parent_version,
            data_cutoff_time=to_timestamp(new.made_at),
            code_version=self._code_version,
            live=new.live,
        )
        header.metrics.update(new.metrics)
        yield pb.RegisterModelVersionRequest(header=header)
        for start in range(0, len(new.artifact), _CHUNK_BYTES):
            yield pb.RegisterModelVersionRequest(chunk=new.artifact[start : start + _CHUNK_BYTES])

    async def _as_nobody(self, asking: Awaitable[Result]) -> Result:
        """In a task of its own, so that whoever called remains who asks for the rest."""

        async def ask() -> Result:
            return await asking

        return await asyncio.create_task(ask())
