"""A user's own data on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import grpc.aio

from services.kit.context import identity
from services.kit.user_data.service import UserDataService
from services.kit.user_files import ResponseSink, incoming_files


class UserDataServicer:
    """The UserDataService of every contract. Whose data is meant is said by the verified token alone."""

    messages: ModuleType
    """The contract's, which have the same form everywhere."""

    def __init__(self, service: UserDataService, *, idle_timeout_s: float) -> None:
        """`idle_timeout_s`: seconds to wait for the next part of a file before a restore is given up."""
        self._service = service
        self._idle_timeout_s = idle_timeout_s

    async def ExportUser(self, _: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
        """Every table, file by file."""
        pb = self.messages
        files = await self._service.export_user(identity().user_id, ResponseSink(context, pb.ExportUserResponse))
        exported = [pb.ExportedFile(file_name=one.file_name, row_count=one.row_count) for one in files]
        yield pb.ExportUserResponse(end=pb.ExportUserEnd(files=exported))

    async def RestoreUser(self, request: AsyncIterator[Any], _: grpc.aio.ServicerContext) -> Any:
        """All files, or nothing."""
        pb = self.messages
        files = incoming_files(request, idle_timeout_s=self._idle_timeout_s)
        restored = await self._service.restore_user(identity().user_id, files)
        tables = [pb.RestoredTable(table=one.table, row_count=one.row_count, restored_count=one.restored_count) for one in restored]
        return pb.RestoreUserResponse(tables=tables)

    async def EraseUser(self, request: Any, _: grpc.aio.ServicerContext) -> Any:
        """Every table, or how much is in each."""
        pb = self.messages
        user_id = identity().user_id
        erased = await (self._service.count_user(user_id) if request.validate_only else self._service.erase_user(user_id))
        return pb.EraseUserResponse(tables=[pb.ErasedTable(table=one.table, row_count=one.row_count) for one in erased])
