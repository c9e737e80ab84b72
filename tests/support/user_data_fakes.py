"""A service that holds a user's data, with canned files, for the gateway's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message_factory import GetMessageClass

from services.kit.errors import ScaleError
from tests.support.upstream_fakes import FakeSubject

_CHUNK_BYTES = 50_000


class FakeUserData(FakeSubject):
    """A `UserDataService`. `error` is raised at once, `broken_off` after the first chunk of an export."""

    def __init__(self, service: Any) -> None:
        super().__init__(service)
        self.files: dict[str, bytes] = {"notes.jsonl": b"{}\n"}
        self.broken_off: ScaleError | None = None
        self.endless = False
        self.restored: dict[str, bytes] = {}
        self.ended = False

    @property
    def package(self) -> str:
        """Such as scale.accounts.v1."""
        return str(self._service.file.package)

    def register(self, server: grpc.aio.Server) -> None:
        """Adds its methods: the two that stream, and the others as of any service."""
        streams = {
            "ExportUser": (grpc.unary_stream_rpc_method_handler, self._export),
            "RestoreUser": (grpc.stream_unary_rpc_method_handler, self._restore),
        }
        handlers = {
            name: handler(
                behaviour,
                request_deserializer=GetMessageClass(self._service.methods_by_name[name].input_type).FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for name, (handler, behaviour) in streams.items()
        }
        # The first handler of a method counts.
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self._service.full_name, handlers),))
        super().register(server)

    def _message(self, name: str) -> Any:
        return GetMessageClass(self._service.file.message_types_by_name[name])

    async def _export(self, request: Any, call: Any) -> AsyncIterator[Any]:
        await self._enter(request, call)
        response, file = self._message("ExportUserResponse"), self._message("ExportedFile")
        try:
            for name, content in self.files.items():
                yield response(file_name=name)
                for start in range(0, len(content), _CHUNK_BYTES):
                    yield response(chunk=content[start : start + _CHUNK_BYTES])
                    if self.broken_off is not None:
                        raise self.broken_off
                while self.endless:
                    yield response(chunk=bytes(_CHUNK_BYTES))
                    await asyncio.sleep(0)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.set()
            raise
        files = [file(file_name=name, row_count=content.count(b"\n")) for name, content in self.files.items()]
        yield response(end=self._message("ExportUserEnd")(files=files))

    async def _restore(self, parts: AsyncIterator[Any], call: Any) -> Any:
        await self._enter(None, call)
        self.restored, name = {}, ""
        async for part in parts:
            match part.WhichOneof("payload"):
                case "file_name":
                    name = part.file_name
                    self.restored[name] = b""
                case "chunk":
                    self.restored[name] += part.chunk
                case "end":
                    self.ended = part.end.file_count == len(self.restored)
        table = self._message("RestoredTable")
        tables = [table(table=one.partition(".")[0], row_count=3, restored_count=2) for one in self.restored]
        return self._message("RestoreUserResponse")(tables=tables)
