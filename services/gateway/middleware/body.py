"""Last stages before the routes: what may come in as a body, and HEAD wherever there is GET."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.exchange import exchange_of, header

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
UPLOAD_PATHS = frozenset({"/api/v1/imports", "/api/v1/ingestion/import", "/api/v1/restore"})
"""These take multipart forms and count their bytes themselves."""


class BodyMiddleware:
    """Refuses a body over `max_bytes`, or what `of_path` says instead, with 413: at the first byte above, or when it is read though its
    declared length says so already."""

    def __init__(self, app: ASGIApp, *, max_bytes: int, of_path: Mapping[str, int]) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._of_path = of_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] not in _WITH_BODY or scope["path"] in UPLOAD_PATHS:
            await self._app(scope, receive, send)
            return
        declared = header(scope, b"content-length") or ""
        max_bytes = self._of_path.get(scope["path"], self._max_bytes)
        too_large = declared.isdigit() and int(declared) > max_bytes
        received = 0

        async def receive_bounded() -> Message:
            nonlocal received
            message: Message = {} if too_large else await receive()
            received += len(message.get("body", b""))
            if too_large or received > max_bytes:
                raise HTTPException(413, f"The body is larger than {max_bytes} bytes.")
            return message

        await self._app(scope, receive_bounded, send)


class HeadMiddleware:
    """Answers HEAD as GET without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        inner = {**scope, "method": "GET"}
        exchange_of(scope).head_only = True
        await self._app(inner, receive, send_without_body)
        if "route" in inner:
            scope["route"] = inner["route"]
