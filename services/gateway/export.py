"""REST route of a user's right to take the own data along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from scale.accounts.v1 import user_data_service_pb2 as accounts_pb
from scale.categorization.v1 import user_data_service_pb2 as categorization_pb
from scale.federation.v1 import user_data_service_pb2 as federation_pb
from scale.forecasting.v1 import user_data_service_pb2 as forecasting_pb
from scale.ingestion.v1 import user_data_service_pb2 as ingestion_pb
from scale.training.v1 import user_data_service_pb2 as training_pb
from services.gateway.answers import Cache
from services.gateway.exchange import exchange_of
from services.gateway.export_zip import ExportZip
from services.gateway.problems import EVERYWHERE
from services.gateway.settings import GatewaySettings
from services.gateway.upstreams import upstreams
from services.kit.errors import ScaleError, Unavailable

router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

MESSAGES: dict[str, Any] = {
    "accounts": accounts_pb,
    "ingestion": ingestion_pb,
    "categorization": categorization_pb,
    "forecasting": forecasting_pb,
    "training": training_pb,
    "federation": federation_pb,
}
"""Of every service that stores users' data, in the form that is the same everywhere."""
_MEDIA_TYPE = "application/zip"
# Deflating and hashing less at a time would cost more than it is worth; more would only be held in memory.
_BLOCK_BYTES = 256 * 1024

_documented: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A zip: `<service>/<file>`, README.txt in plain words, and at its end manifest.json: without it, it was cut short.",
        "content": {_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
Parts = AsyncGenerator[Any, None]


class ExportCutShort(Exception):
    """Breaks the connection, and is logged: a service could not go on."""


@router.get("/export", tags=["your data"], response_class=Response, responses=_documented)
async def export_user(request: Request) -> Response:
    """Everything that SCALE keeps about you, as a zip of CSV and JSON: `POST /api/v1/restore` brings it back.

    Each service answers as of one moment. Not encrypted: keep it as you would keep your bank statements.
    """
    created_at = datetime.now(UTC)
    headers = {
        "Content-Disposition": f'attachment; filename="scale-export-{created_at:%Y-%m-%d}.zip"',
        "Cache-Control": Cache.NEVER.value,
        "Vary": "Authorization, Origin",
    }
    exchange = exchange_of(request.scope)
    if exchange.head_only:
        return Response(media_type=_MEDIA_TYPE, headers=headers)
    opened = await _open(request)
    # Only from here on: until then a hang-up is looked out for as for any other request.
    exchange.streaming = True
    return StreamingResponse(_zipped(opened, created_at), media_type=_MEDIA_TYPE, headers=headers)


async def _open(request: Request) -> dict[str, tuple[Any, Parts]]:
    """Each service's first part and the others: all have begun, as of nearly the same moment, before the answer begins. Raises what they
    raise: a stream that has begun can no longer become a 503."""
    settings: GatewaySettings = request.app.state.settings
    opened: dict[str, tuple[Any, Parts]] = {}
    async with AsyncExitStack() as stack:
        for service, client in upstreams(request).user_data().items():
            parts = client.unary_stream("ExportUser", MESSAGES[service].ExportUserRequest(), timeout_s=settings.export_timeout_s)
            await stack.enter_async_context(aclosing(parts))
            first = await anext(parts, None)
            if first is None:
                raise _incomplete(service)
            opened[service] = first, parts
        stack.pop_all()
    return opened


async def _zipped(opened: dict[str, tuple[Any, Parts]], created_at: datetime) -> AsyncGenerator[bytes, None]:
    made = ExportZip(created_at)
    rows: dict[str, dict[str, int]] = {}
    async with AsyncExitStack() as stack:
        for _, parts in opened.values():
            await stack.enter_async_context(aclosing(parts))
        try:
            yield made.readme()
            for service, (first, parts) in opened.items():
                async with aclosing(_service_files(made, service, first, parts, rows)) as blocks:
                    async for block in blocks:
                        yield block
            yield await asyncio.to_thread(made.end, rows)
        except ScaleError as error:
            # The answer has begun: all that is left is to break it off, so that nobody takes it for whole.
            raise ExportCutShort(error.reason) from None
        finally:
            made.close()


async def _service_files(
    made: ExportZip, service: str, first: Any, parts: Parts, rows: dict[str, dict[str, int]]
) -> AsyncGenerator[bytes, None]:
    waiting = bytearray()
    part = first
    while part is not None:
        match part.WhichOneof("payload"):
            case "file_name":
                if waiting:
                    yield await asyncio.to_thread(made.write, bytes(waiting))
                    waiting.clear()
                yield await asyncio.to_thread(made.begin, f"{service}/{part.file_name}")
            case "chunk":
                waiting += part.chunk
                if len(waiting) >= _BLOCK_BYTES:
                    yield await asyncio.to_thread(made.write, bytes(waiting))
                    waiting.clear()
            case "end":
                if waiting:
                    yield await asyncio.to_thread(made.write, bytes(waiting))
                rows[service] = {one.file_name: one.row_count for one in part.end.files}
                return
        part = await anext(parts, None)
    raise _incomplete(service)


def _incomplete(service: str) -> Unavailable:
    return Unavailable(f"{service} stopped in the middle; try again.", reason="EXPORT_INCOMPLETE", retry_after_s=1)
