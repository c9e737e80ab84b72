"""REST routes of imports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import ValidationError
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.gateway import ingestion_json as shape
from services.gateway.answers import Cache, json_answer
from services.gateway.errors import field_errors
from services.gateway.event_streams import SEEN_ALL, EventStreams, LastEventId, stream_content
from services.gateway.exchange import exchange_of
from services.gateway.idempotency import IdempotencyKey, idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND, UPLOAD
from services.gateway.queries import query_parameters, read_query
from services.gateway.restore import restore_upload
from services.gateway.restore_zip import is_export
from services.gateway.schemas import ingestion as schemas
from services.gateway.schemas.fields import Identifier, PageQuery
from services.gateway.settings import GatewaySettings
from services.gateway.upload import Upload, receive_upload
from services.gateway.upstreams import upstreams
from services.kit.errors import InvalidArgument

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

MAX_PAGE_SIZE = 1000
ImportId = Annotated[Identifier, Path(description="The import.")]
HeaderHash = Annotated[
    str, Path(pattern=schemas.HEADER_HASH_PATTERN, description="`header_hash` of the profile, also in an import's `detected.profile`.")
]
_POLL_AFTER_S = 1
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `progress` until one `finished`; `data` is the import as GET /imports/{import_id} gives it. "
        "Lines that begin with a colon keep the connection alive. "
        "A stream that ends without `finished` goes on when you come back with Last-Event-ID.",
        "content": stream_content("progress", "finished", data='{"id":"019b76da-a800-7000-8000-000000000003","state":"running"}'),
    },
}


async def import_statement(request: Request, key: IdempotencyKey = None) -> Response:
    """Imports a bank statement: all its good rows or none.

    The form's fields may come in any order. `detected` in the answer says how the file was read; the fields overrule what is wrong in it.
    A large file is answered with 202 and read in the background: follow it at `/stream`, or poll it.
    The zip of `GET /api/v1/export` is brought back, as by `POST /api/v1/restore`.
    Sent again, the same file adds nothing; under the same key it gets the first answer again, with Idempotency-Replayed: true.
    """
    settings: GatewaySettings = request.app.state.settings
    request_id = idempotency_key(request)
    async with receive_upload(
        request, max_file_bytes=settings.max_file_bytes, idle_timeout_s=settings.receive_timeout_s, room=request.app.state.spool_room
    ) as upload:
        if is_export(upload.head()):
            return await restore_upload(request, upload)
        form = _form(upload.fields)
        metadata = shape.import_metadata(form, file_name=upload.file_name, size_bytes=upload.size_bytes, request_id=request_id)
        answer = await upstreams(request).ingestion.stream_unary(
            "ImportStatement", _messages(metadata, upload), timeout_s=settings.import_timeout_s
        )
    statement_import = answer.statement_import
    headers = {"Location": f"/api/v1/imports/{statement_import.import_id}"}
    if answer.repeated_request:
        headers["Idempotency-Replayed"] = "true"
    status = 201
    if statement_import.state in shape.UNFINISHED:
        status = 202
        headers["Retry-After"] = str(_POLL_AFTER_S)
    return json_answer(request, shape.import_json(statement_import), status=status, headers=headers)


def _form(fields: dict[str, str]) -> schemas.ImportForm:
    # A browser sends every field of its form, empty ones too.
    given = {name: value for name, value in fields.items() if value.strip()}
    try:
        return schemas.ImportForm.model_validate(given)
    except ValidationError as error:
        # Not a RequestValidationError: outside of JSON bodies that is answered with 415.
        wrong = field_errors(error.errors(include_url=False, include_context=False, include_input=False))
        detail = "; ".join(f"{one.field}: {one.reason}" for one in wrong[:5])
        raise InvalidArgument(detail, fields=wrong) from None


async def _messages(metadata: pb.ImportMetadata, upload: Upload) -> AsyncIterator[pb.ImportStatementRequest]:
    yield pb.ImportStatementRequest(metadata=metadata)
    async for chunk in upload.chunks():
        yield pb.ImportStatementRequest(chunk=chunk)


def _form_schema() -> dict[str, Any]:
    schema = schemas.ImportForm.model_json_schema()
    properties = {
        "file": {"type": "string", "format": "binary", "description": "The statement, as the bank exported it. With a file name."},
        **schema["properties"],
    }
    # On the wire every field is text.
    properties["columns"] = {"type": "string", "description": properties["columns"]["description"]}
    content = {"type": "object", "required": ["file"], "properties": properties, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": content}}}}


_import_documented: dict[str, Any] = {
    "status_code": 201,
    "response_model": schemas.Import,
    "responses": {
        202: {"model": schemas.Import, "description": "Still at work; poll the address in Location, or follow its `/stream`."},
        **UPLOAD,
    },
    "openapi_extra": _form_schema(),
}
router.post("/imports", tags=["imports"], operation_id="import_statement", **_import_documented)(import_statement)
router.post(
    "/ingestion/import",
    tags=["aliases"],
    operation_id="import_statement_alias",
    summary="Alias of POST /api/v1/imports",
    **_import_documented,
)(import_statement)


@router.get("/imports", tags=["imports"], response_model=schemas.ImportPage, openapi_extra=query_parameters(PageQuery))
async def list_imports(request: Request) -> Response:
    """Your imports, newest first."""
    query = read_query(request, PageQuery)
    page = await upstreams(request).ingestion.unary(
        "ListImports", pb.ListImportsRequest(page_size=min(query.page_size, MAX_PAGE_SIZE), page_token=query.page_token)
    )
    content = {"items": list(map(shape.import_json, page.imports)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content)


@router.get("/imports/{import_id}", tags=["imports"], response_model=schemas.Import, responses=NOT_FOUND)
async def get_import(request: Request, import_id: ImportId) -> Response:
    """One import."""
    answer = await upstreams(request).ingestion.unary("GetImport", pb.GetImportRequest(import_id=str(import_id)))
    return json_answer(request, shape.import_json(answer.statement_import))


@router.get(
    "/imports/{import_id}/stream",
    tags=["imports"],
    response_class=EventSourceResponse,
    responses=NOT_FOUND | SEEN_ALL | _STREAM,
)
async def watch_import(request: Request, import_id: ImportId, last_event_id: LastEventId = "") -> Response:
    """One import as server-sent events: as it stands, then again at every step until it is done."""
    settings: GatewaySettings = request.app.state.settings
    streams: EventStreams = request.app.state.streams
    ingestion = upstreams(request).ingestion
    # First, because a stream that has begun can no longer become a 404.
    found = await ingestion.unary("GetImport", pb.GetImportRequest(import_id=str(import_id)))
    if exchange_of(request.scope).head_only:
        return EventSourceResponse(iter(()))
    steps = ingestion.unary_stream(
        "WatchImport",
        pb.WatchImportRequest(import_id=str(import_id), after_event_id=last_event_id),
        timeout_s=settings.stream_timeout_s,
    )
    ended = found.statement_import.state not in shape.UNFINISHED
    return await streams.follow(request, steps, shape.import_event, last_event_id=last_event_id, ended=ended)


@router.delete("/imports/{import_id}", tags=["imports"], response_model=schemas.UndoneImport, responses=NOT_FOUND | CONFLICT)
async def undo_import(request: Request, import_id: ImportId) -> Response:
    """Takes back an import: exactly the rows that it brought, but for those that you have changed since. Harmless to repeat.

    Its Idempotency-Key goes on naming it: to import the file anew, send it under a new key, or under none.
    """
    settings: GatewaySettings = request.app.state.settings
    answer = await upstreams(request).ingestion.unary(
        "UndoImport", pb.UndoImportRequest(import_id=str(import_id)), timeout_s=settings.import_timeout_s
    )
    return json_answer(request, shape.undone_json(answer))


@router.get(
    "/imports/{import_id}/rows",
    tags=["imports"],
    response_model=schemas.ImportRowPage,
    responses=NOT_FOUND,
    openapi_extra=query_parameters(schemas.ImportRowFilters),
)
async def list_import_rows(request: Request, import_id: ImportId) -> Response:
    """What became of each row, in file order."""
    query = read_query(request, schemas.ImportRowFilters)
    page = await upstreams(request).ingestion.unary(
        "ListImportRows",
        pb.ListImportRowsRequest(
            import_id=str(import_id),
            outcome=shape.outcome_number(query.outcome),
            page_size=min(query.page_size, MAX_PAGE_SIZE),
            page_token=query.page_token,
        ),
    )
    content = {"items": list(map(shape.row_json, page.rows)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content)


@router.get("/csv-profiles", tags=["imports"], response_model=schemas.CsvProfilePage, openapi_extra=query_parameters(PageQuery))
async def list_csv_profiles(request: Request) -> Response:
    """What you once said of CSV files (columns, date format), by their header; taken for the next file with the same one. Latest first."""
    query = read_query(request, PageQuery)
    page = await upstreams(request).ingestion.unary(
        "ListCsvProfiles", pb.ListCsvProfilesRequest(page_size=min(query.page_size, MAX_PAGE_SIZE), page_token=query.page_token)
    )
    content = {"items": list(map(shape.csv_profile_json, page.profiles)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.REVALIDATE)


@router.delete("/csv-profiles/{header_hash}", tags=["imports"], status_code=204, response_model=None, responses=NOT_FOUND)
async def delete_csv_profile(request: Request, header_hash: HeaderHash) -> Response:
    """Forgets one of them. Files with this header are read by what they tell themselves again."""
    await upstreams(request).ingestion.unary("DeleteCsvProfile", pb.DeleteCsvProfileRequest(header_hash=header_hash))
    return Response(status_code=204)
