"""Categorization over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from scale.categorization.v1 import categorization_service_pb2 as pb
from scale.categorization.v1.categorization_service_pb2_grpc import CategorizationServiceStub
from services.kit.client import ServiceClient
from services.kit.errors import ScaleError

_SERVICE = "scale.categorization.v1.CategorizationService"
_END_TIMEOUT_S = 1.0
"""Every answer is in; only the stream's end is still on its way."""


class GrpcCategorizer:
    """`Categorizer` on the categorization service. The caller's token and request id go with every stream."""

    def __init__(self, address: str, *, stream_timeout_s: float) -> None:
        """`stream_timeout_s`: how long an import can last."""
        self._client = ServiceClient(CategorizationServiceStub, address, service=_SERVICE)
        self._stream_timeout_s = stream_timeout_s

    def open(self) -> _Stream:
        """See `Categorizer`."""
        return _Stream(self._client, timeout_s=self._stream_timeout_s)

    async def close(self) -> None:
        """Closes the channel."""
        await self._client.close()


class _Stream:
    """`CategorizerStream`. Opened with the first question."""

    def __init__(self, client: ServiceClient, *, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._questions: asyncio.Queue[pb.ClassifyStreamRequest | None] = asyncio.Queue()
        self._answers: asyncio.Queue[bytes | ScaleError] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None
        self._asked_count = 0

    def ask(self, row_count: int, record_batch: bytes) -> None:
        """See `CategorizerStream`."""
        self._asked_count += row_count
        self._questions.put_nowait(pb.ClassifyStreamRequest(record_batch=record_batch))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())

    async def answer(self) -> bytes:
        """See `CategorizerStream`."""
        answer = await self._answers.get()
        if isinstance(answer, ScaleError):
            raise answer
        return answer

    async def close(self, *, complete: bool) -> None:
        """See `CategorizerStream`."""
        if self._reading is None:
            return
        if complete:
            self._questions.put_nowait(pb.ClassifyStreamRequest(end=pb.ClassifyStreamEnd(input_count=self._asked_count)))
            self._questions.put_nowait(None)
            await asyncio.wait([self._reading], timeout=_END_TIMEOUT_S)
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def _read(self) -> None:
        try:
            async with aclosing(self._client.stream_stream("ClassifyStream", self._requests(), timeout_s=self._timeout_s)) as responses:
                async for response in responses:
                    self._answers.put_nowait(response.record_batch)
            self._answers.put_nowait(ScaleError("the stream ended early"))
        except ScaleError as error:
            self._answers.put_nowait(error)

    async def _requests(self) -> AsyncGenerator[pb.ClassifyStreamRequest, None]:
        while (question := await self._questions.get()) is not None:
            yield question
