"""Files behind addresses that carry their own permission: whoever has one may fetch it until it expires."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import Request
from pydantic import Field
from starlette.responses import Response, StreamingResponse

from services.gateway.answers import Cache, matches
from services.gateway.exchange import exchange_of
from services.gateway.schemas.fields import Input
from services.kit.errors import ScaleError, Unavailable

_MEDIA_TYPE = "application/octet-stream"
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
}


class SignedQuery(Input):
    """The permission that an address carries."""

    expires: int = Field(ge=0, le=9_223_372_036_854_775_807, description="Until when it is good, in Unix seconds.", examples=[1769934631])
    signature: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$", description="As it was handed out.")


class FileCutShort(Exception):
    """Breaks the connection, and is logged: the service could not go on."""


async def file_answer(request: Request, parts: AsyncGenerator[Any, None], *, name: str) -> Response:
    """The file that a service sends in `parts`: the first tells size and SHA-256 of the whole. `name`: what it is saved under."""
    # The first part before the answer begins: a stream that has begun can no longer become a 404.
    first = await anext(parts, None)
    if first is None:
        raise Unavailable("The file could not be read; try again.", reason="ARTIFACT_INCOMPLETE", retry_after_s=1)
    headers = {
        "Cache-Control": Cache.FIXED.value,
        "Vary": "Origin",
        "ETag": f'"{first.content_hash}"',
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    exchange = exchange_of(request.scope)
    known = request.headers.get("if-none-match")
    if known is not None and matches(known, headers["ETag"]):
        await parts.aclose()
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(first.size_bytes)
    if exchange.head_only:
        await parts.aclose()
        return Response(media_type=_MEDIA_TYPE, headers=headers)
    exchange.streaming = True
    return StreamingResponse(_chunks(first.chunk, parts), media_type=_MEDIA_TYPE, headers=headers)


async def _chunks(first: bytes, parts: AsyncGenerator[Any, None]) -> AsyncGenerator[bytes, None]:
    async with aclosing(parts):
        yield first
        try:
            async for part in parts:
                yield part.chunk
        except ScaleError as error:
            raise FileCutShort(error.reason) from None
