"""REST route that brings a user's export back; an export that is posted as an import comes here, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from scale.ingestion.v1 import ingestion_service_pb2 as ingestion_pb
from services.gateway import ingestion_json as shape
from services.gateway.answers import json_answer
from services.gateway.export import MESSAGES
from services.gateway.export_zip import FORMAT
from services.gateway.idempotency import IdempotencyKey, idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, UPLOAD
from services.gateway.restore_zip import ReceivedZip, is_export, open_export
from services.gateway.schemas import ingestion as schemas
from services.gateway.settings import GatewaySettings
from services.gateway.upload import CHUNK_BYTES, FILE_FIELD, Upload, receive_upload
from services.gateway.upstreams import upstreams
from services.kit.errors import ScaleError, invalid

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

_LEDGER = ("accounts", "transactions")
_form: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FILE_FIELD],
                    "properties": {FILE_FIELD: {"type": "string", "format": "binary", "description": "The zip of GET /api/v1/export."}},
                    "additionalProperties": False,
                }
            }
        },
    }
}


@router.post(
    "/restore",
    tags=["your data"],
    status_code=201,
    response_model=schemas.Import,
    responses=UPLOAD | CONFLICT,
    openapi_extra=_form,
)
async def restore_user(request: Request, key: IdempotencyKey = None) -> Response:
    """Brings back what `GET /api/v1/export` gave, with the same ids: everything, or with an error nothing of a service.

    What is there already stays as it is, so that it is harmless to repeat. The answer is an import of the format `scale-export`, whose
    `counts` are those of your transactions; `detected.tables` counts the rest. 409 when an account of yours has the same identifier under
    another id: then restore into an empty ledger. Posted to `/imports`, an export is brought back in the same way.
    """
    settings: GatewaySettings = request.app.state.settings
    async with receive_upload(
        request, max_file_bytes=settings.max_file_bytes, idle_timeout_s=settings.receive_timeout_s, room=request.app.state.spool_room
    ) as upload:
        if not is_export(upload.head()):
            raise invalid(
                FILE_FIELD, "is no export of SCALE: send the zip of GET /api/v1/export, or a bank statement to POST /api/v1/imports"
            )
        return await restore_upload(request, upload)


async def restore_upload(request: Request, upload: Upload) -> Response:
    """The same for an export that has come in."""
    settings: GatewaySettings = request.app.state.settings
    for name in upload.fields:
        raise invalid(name[:100], "is not for an export, which says itself how it is to be read")
    request_id = idempotency_key(request)
    services = upstreams(request).user_data()
    received = await asyncio.to_thread(open_export, upload.file, max_bytes=settings.max_restored_bytes, services=services)
    ingestion = upstreams(request).ingestion
    begin = ingestion_pb.BeginRestoreRequest(
        request_id=request_id, file_name=upload.file_name, file_hash=received.file_hash, size_bytes=upload.size_bytes
    )
    begun = await ingestion.unary("BeginRestore", begin, timeout_s=settings.import_timeout_s)
    found = begun.statement_import
    headers = {"Location": f"/api/v1/imports/{found.import_id}"}
    if begun.repeated_request:
        headers["Idempotency-Replayed"] = "true"
    else:
        found = await _restore(request, received, found.import_id)
    return json_answer(request, shape.import_json(found), status=201, headers=headers)


async def _restore(request: Request, received: ReceivedZip, import_id: str) -> ingestion_pb.Import:
    settings: GatewaySettings = request.app.state.settings
    ingestion = upstreams(request).ingestion
    success = ingestion_pb.RestoreSuccess()
    try:
        for service, client in upstreams(request).user_data().items():
            if service not in received.files:
                continue  # an export of the time before it
            answer = await client.stream_unary("RestoreUser", _messages(service, received), timeout_s=settings.export_timeout_s)
            for one in answer.tables:
                success.tables.add(table=f"{service}.{one.table}", row_count=one.row_count, restored_count=one.restored_count)
                if (service, one.table) == _LEDGER:
                    success.row_count, success.inserted_count = one.row_count, one.restored_count
    except BaseException as error:
        reason = error.message if isinstance(error, ScaleError) else "The restore was interrupted."
        failed = ingestion_pb.FinishRestoreRequest(import_id=import_id, failure_reason=f"{reason} Send the {FORMAT} again.")
        # Where this fails too, the lease runs out and says the same.
        with suppress(Exception):
            await asyncio.shield(ingestion.unary("FinishRestore", failed))
        raise
    finished = await ingestion.unary("FinishRestore", ingestion_pb.FinishRestoreRequest(import_id=import_id, success=success))
    found: ingestion_pb.Import = finished.statement_import
    return found


async def _messages(service: str, received: ReceivedZip) -> AsyncIterator[Any]:
    message = MESSAGES[service]
    for name in received.files[service]:
        yield message.RestoreUserRequest(file_name=name)
        with received.open(service, name) as content:
            while block := await asyncio.to_thread(content.read, 16 * CHUNK_BYTES):
                for start in range(0, len(block), CHUNK_BYTES):
                    yield message.RestoreUserRequest(chunk=block[start : start + CHUNK_BYTES])
    yield message.RestoreUserRequest(end=message.RestoreUserEnd(file_count=len(received.files[service])))
