"""A service that holds a user's data, with canned files, for the gateway's tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from scale.accounts.v1 import user_data_service_pb2 as accounts_pb
from scale.accounts.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server as add_to_accounts
from scale.ingestion.v1 import user_data_service_pb2 as ingestion_pb
from scale.ingestion.v1.user_data_service_pb2_grpc import add_UserDataServiceServicer_to_server as add_to_ingestion
from services.kit.errors import ScaleError


class FakeUserData:
    """`scale.<name>.v1.UserDataService`. `error` is raised at once, `broken_off` after the first chunk."""

    def __init__(self, name: str, files: dict[str, bytes]) -> None:
        self._pb: Any = {"accounts": accounts_pb, "ingestion": ingestion_pb}[name]
        self._add: Any = {"accounts": add_to_accounts, "ingestion": add_to_ingestion}[name]
        self.files = files
        self.error: ScaleError | None = None
        self.broken_off: ScaleError | None = None
        self.endless = False
        self.cancelled = asyncio.Event()
        self.restored: dict[str, bytes] = {}
        self.ended = False

    def register(self, server: grpc.aio.Server) -> None:
        """Adds its methods."""
        self._add(self, server)

    async def ExportUser(self, request: Any, call: Any) -> AsyncIterator[Any]:
        """The files, in chunks of 50,000 bytes."""
        if self.error is not None:
            raise self.error
        try:
            for name, content in self.files.items():
                yield self._pb.ExportUserResponse(file_name=name)
                for start in range(0, len(content), 50_000):
                    yield self._pb.ExportUserResponse(chunk=content[start : start + 50_000])
                    if self.broken_off is not None:
                        raise self.broken_off
                while self.endless:
                    yield self._pb.ExportUserResponse(chunk=b"x" * 65_536)
                    await asyncio.sleep(0)
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.set()
            raise
        files = [self._pb.ExportedFile(file_name=name, row_count=content.count(b"\n")) for name, content in self.files.items()]
        yield self._pb.ExportUserResponse(end=self._pb.ExportUserEnd(files=files))

    async def RestoreUser(self, request: AsyncIterator[Any], call: Any) -> Any:
        """Keeps the files."""
        if self.error is not None:
            raise self.error
        self.restored, name = {}, ""
        async for part in request:
            match part.WhichOneof("payload"):
                case "file_name":
                    name = part.file_name
                    self.restored[name] = b""
                case "chunk":
                    self.restored[name] += part.chunk
                case "end":
                    self.ended = part.end.file_count == len(self.restored)
        tables = [self._pb.RestoredTable(table=one.partition(".")[0], row_count=3, restored_count=2) for one in self.restored]
        return self._pb.RestoreUserResponse(tables=tables)

    async def EraseUser(self, request: Any, call: Any) -> Any:
        """Nothing to erase."""
        return self._pb.EraseUserResponse()
