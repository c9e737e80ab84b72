"""The wire of ingestion: protobuf to domain and back, and the checks that need nothing but the request."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import PurePath
from uuid import UUID

import grpc.aio

from scale.ingestion.v1 import ingestion_service_pb2 as pb
from scale.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceServicer
from services.ingestion.domain import (
    CsvProfilePosition,
    ImportOptions,
    ImportPosition,
    UploadedFile,
    upload_incomplete,
)
from services.ingestion.formats import choose_format
from services.ingestion.messages import import_message, outcome_of, profile_message, row_message
from services.ingestion.readers.workbook import may_be_encrypted
from services.ingestion.restores import Restores
from services.ingestion.service import IngestionService
from services.ingestion.typed.service import TypedTransactions
from services.ingestion.typed.servicer import TypedMethods
from services.ingestion.upload import UploadSpool
from services.kit import context
from services.kit.errors import invalid
from services.kit.handover import RestoredTable
from services.kit.money import is_currency
from services.kit.pagination import PageTokens, page_size

MAX_CHUNK_BYTES = 64 * 1024
MAX_REQUEST_ID_CHARS = 255
MAX_FILE_NAME_CHARS = 255
MAX_OPTION_CHARS = 200
MAX_COLUMNS = 50
MAX_REASON_CHARS = 1000

_SHA256 = re.compile(r"[0-9a-f]{64}")


class IngestionServicer(TypedMethods, IngestionServiceServicer):
    """`scale.ingestion.v1.IngestionService`."""

    def __init__(
        self, service: IngestionService, spool: UploadSpool, page_tokens: PageTokens, *, restores: Restores, typed: TypedTransactions
    ) -> None:
        self._service = service
        self._restores = restores
        self._typed = typed
        self._spool = spool
        self._page_tokens = page_tokens

    async def ImportStatement(
        self, request: AsyncIterator[pb.ImportStatementRequest], _: grpc.aio.ServicerContext
    ) -> pb.ImportStatementResponse:
        """Takes the file in, then imports it."""
        user_id = context.identity().user_id
        with self._service.admission():
            parts = aiter(request)
            metadata = await _metadata(parts)
            request_id = _text("request_id", metadata.request_id, MAX_REQUEST_ID_CHARS)
            if not request_id:
                raise invalid("request_id", "is required")
            options = _options(metadata)
            name = _file_name(metadata.file_name)

            async def ask_for_room(head: bytes) -> None:
                # What may have a password never waits in the queue, so the first bytes come before the question.
                if metadata.HasField("size_bytes") and not may_be_encrypted(head):
                    await self._service.check_queue(user_id, request_id=request_id, size_bytes=metadata.size_bytes, options=options)

            async with self._spool.receive(_chunks(parts, ask_for_room)) as upload:
                if metadata.HasField("size_bytes") and upload.size_bytes != metadata.size_bytes:
                    raise upload_incomplete(upload.size_bytes, metadata.size_bytes)
                file_format = choose_format(upload.head, options.file_format)
                file = UploadedFile(
                    str(upload.path),
                    name,
                    upload.sha256,
                    upload.size_bytes,
                    # The rows of a workbook are no lines of its file.
                    0 if file_format == "workbook" else upload.line_count,
                    may_be_encrypted(upload.head),
                )
                finished, repeated = await self._service.import_statement(
                    user_id, request_id=request_id, file_format=file_format, options=options, file=file
                )
        return pb.ImportStatementResponse(statement_import=import_message(finished), repeated_request=repeated)

    async def GetImport(self, request: pb.GetImportRequest, _: grpc.aio.ServicerContext) -> pb.GetImportResponse:
        """One import."""
        found = await self._service.get_import(context.identity().user_id, _uuid("import_id", request.import_id))
        return pb.GetImportResponse(statement_import=import_message(found))

    async def WatchImport(self, request: pb.WatchImportRequest, _: grpc.aio.ServicerContext) -> AsyncIterator[pb.WatchImportResponse]:
        """One import, step by step."""
        import_id = _uuid("import_id", request.import_id)
        async for step in self._service.watch_import(context.identity().user_id, import_id, after=request.after_event_id):
            yield pb.WatchImportResponse(event_id=step.event_id, statement_import=import_message(step.found))

    async def ListImports(self, request: pb.ListImportsRequest, _: grpc.aio.ServicerContext) -> pb.ListImportsResponse:
        """A page of imports."""
        user_id = context.identity().user_id
        limit = page_size(request.page_size)
        after = None
        if request.page_token:
            created_at, last_id = self._page_tokens.decode(request.page_token, user_id=user_id, filters="imports")
            after = ImportPosition(datetime.fromisoformat(created_at), UUID(last_id))
        found, more = await self._service.list_imports(user_id, limit=limit, after=after)
        response = pb.ListImportsResponse(imports=[import_message(one) for one in found])
        if more:
            position = (found[-1].created_at.isoformat(), str(found[-1].id))
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters="imports", position=position)
        return response

    async def UndoImport(self, request: pb.UndoImportRequest, _: grpc.aio.ServicerContext) -> pb.UndoImportResponse:
        """Takes an import back."""
        import_id = _uuid("import_id", request.import_id)
        undone, outcome = await self._service.undo_import(context.identity().user_id, import_id)
        return pb.UndoImportResponse(
            statement_import=import_message(undone),
            removed_count=outcome.removed_count,
            kept_count=outcome.kept_count,
            kept_rows=[pb.KeptRow(transaction_id=str(one.transaction_id), reason=one.reason) for one in outcome.kept],
        )

    async def BeginRestore(self, request: pb.BeginRestoreRequest, _: grpc.aio.ServicerContext) -> pb.BeginRestoreResponse:
        """Notes that an export is about to be brought back."""
        request_id = _text("request_id", request.request_id, MAX_REQUEST_ID_CHARS)
        if not request_id:
            raise invalid("request_id", "is required")
        if not _SHA256.fullmatch(request.file_hash):
            raise invalid("file_hash", "is not 64 lower-case hexadecimal digits")
        if request.size_bytes < 0:
            raise invalid("size_bytes", "is below 0")
        begun, repeated = await self._restores.begin_restore(
            context.identity().user_id,
            request_id=request_id,
            file_name=_file_name(request.file_name),
            file_hash=request.file_hash,
            size_bytes=request.size_bytes,
        )
        return pb.BeginRestoreResponse(statement_import=import_message(begun), repeated_request=repeated)

    async def FinishRestore(self, request: pb.FinishRestoreRequest, _: grpc.aio.ServicerContext) -> pb.FinishRestoreResponse:
        """Notes how that went."""
        user_id, import_id = context.identity().user_id, _uuid("import_id", request.import_id)
        match request.WhichOneof("outcome"):
            case "success":
                success = request.success
                tables = {one.table: RestoredTable(one.table, one.row_count, one.restored_count) for one in success.tables}
                if not 0 <= success.inserted_count <= success.row_count:
                    raise invalid("success.inserted_count", "is not between 0 and row_count")
                finished = await self._restores.finish_restore(
                    user_id, import_id, tables=tables, row_count=success.row_count, inserted_count=success.inserted_count
                )
            case "failure_reason":
                finished = await self._restores.fail_restore(user_id, import_id, request.failure_reason[:MAX_REASON_CHARS])
            case _:
                raise invalid("outcome", "is required")
        return pb.FinishRestoreResponse(statement_import=import_message(finished))

    async def ListImportRows(self, request: pb.ListImportRowsRequest, _: grpc.aio.ServicerContext) -> pb.ListImportRowsResponse:
        """A page of rows."""
        user_id = context.identity().user_id
        import_id = _uuid("import_id", request.import_id)
        limit = page_size(request.page_size)
        outcome = outcome_of(request.outcome)
        filters = f"import_rows:{import_id}:{outcome or ''}"
        after_line = 0
        if request.page_token:
            after_line = int(self._page_tokens.decode(request.page_token, user_id=user_id, filters=filters)[0])
        found, next_after = await self._service.list_import_rows(user_id, import_id, outcome=outcome, after_line=after_line, limit=limit)
        response = pb.ListImportRowsResponse(rows=[row_message(row) for row in found])
        if next_after is not None:
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters=filters, position=(str(next_after),))
        return response

    async def ListCsvProfiles(self, request: pb.ListCsvProfilesRequest, _: grpc.aio.ServicerContext) -> pb.ListCsvProfilesResponse:
        """A page of them."""
        user_id = context.identity().user_id
        limit = page_size(request.page_size)
        after = None
        if request.page_token:
            updated_at, last_hash = self._page_tokens.decode(request.page_token, user_id=user_id, filters="csv_profiles")
            after = CsvProfilePosition(datetime.fromisoformat(updated_at), last_hash)
        found, more = await self._service.list_csv_profiles(user_id, limit=limit, after=after)
        response = pb.ListCsvProfilesResponse(profiles=map(profile_message, found))
        if more:
            position = (found[-1].updated_at.isoformat(), found[-1].layout.header_hash)
            response.next_page_token = self._page_tokens.encode(user_id=user_id, filters="csv_profiles", position=position)
        return response

    async def DeleteCsvProfile(self, request: pb.DeleteCsvProfileRequest, _: grpc.aio.ServicerContext) -> pb.DeleteCsvProfileResponse:
        """Forgets one."""
        if not _SHA256.fullmatch(request.header_hash):
            raise invalid("header_hash", f"{request.header_hash[:70]!r} is not 64 lower-case hexadecimal digits")
        await self._service.delete_csv_profile(context.identity().user_id, request.header_hash)
        return pb.DeleteCsvProfileResponse()


async def _metadata(parts: AsyncIterator[pb.ImportStatementRequest]) -> pb.ImportMetadata:
    first = await anext(parts, None)
    if first is None or first.WhichOneof("payload") != "metadata":
        raise invalid("metadata", "must be the first message")
    return first.metadata


async def _chunks(
    parts: AsyncIterator[pb.ImportStatementRequest], ask_for_room: Callable[[bytes], Awaitable[None]]
) -> AsyncIterator[bytes]:
    asked = False
    async for part in parts:
        if part.WhichOneof("payload") != "chunk":
            raise invalid("chunk", "must be in every message after the first")
        if len(part.chunk) > MAX_CHUNK_BYTES:
            raise invalid("chunk", f"has more than {MAX_CHUNK_BYTES} bytes")
        if not asked:
            await ask_for_room(part.chunk)
            asked = True
        yield part.chunk


def _options(metadata: pb.ImportMetadata) -> ImportOptions:
    if len(metadata.columns) > MAX_COLUMNS:
        raise invalid("columns", f"names more than {MAX_COLUMNS} columns")
    columns = {
        _text("columns", field, MAX_OPTION_CHARS): _text(f"columns.{field}", name, MAX_OPTION_CHARS)
        for field, name in metadata.columns.items()
    }
    currency = _text("currency", metadata.currency, MAX_OPTION_CHARS).upper()
    if currency and not is_currency(currency):
        raise invalid("currency", f"{currency[:20]!r} is not an ISO 4217 code such as EUR")
    return ImportOptions(
        account_id=_uuid("account_id", metadata.account_id) if metadata.account_id else None,
        currency=currency or None,
        date_format=_text("date_format", metadata.date_format, MAX_OPTION_CHARS) or None,
        columns=columns,
        file_format=_text("file_format", metadata.file_format, MAX_OPTION_CHARS).lower() or None,
        password=metadata.password or None,
    )


def _text(field: str, value: str, longest: int) -> str:
    value = value.strip()
    if len(value) > longest:
        raise invalid(field, f"has more than {longest} characters")
    if "\x00" in value:
        raise invalid(field, "holds a NUL character")
    return value


def _file_name(name: str) -> str:
    """What the user sees: the last part, without the folders of their machine."""
    last = PurePath(_text("file_name", name.replace("\\", "/"), 4096)).name
    return "".join(character for character in last if character.isprintable())[-MAX_FILE_NAME_CHARS:]


def _uuid(field: str, value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise invalid(field, f"{value[:50]!r} is not a UUID") from None
