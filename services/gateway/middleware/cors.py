"""Second stage: which web apps may call from a browser."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.errors import Problem, send_problem

ALLOWED_METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE")
ALLOWED_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "X-Request-ID", "Last-Event-ID")
EXPOSED_HEADERS = (
    "ETag",
    "Idempotency-Replayed",
    "Location",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-ID",
)


class CorsMiddleware(CORSMiddleware):
    """Starlette's, with a refused preflight as a problem. Never with credentials: callers send a bearer token, no cookie."""

    def __init__(self, app: ASGIApp, *, allowed_origins: tuple[str, ...]) -> None:
        super().__init__(
            app,
            allow_origins=allowed_origins,
            allow_methods=ALLOWED_METHODS,
            allow_headers=ALLOWED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
            max_age=600,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """204 instead of Starlette's 200 with a text; a refusal as a problem."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            answer.headers["Cache-Control"] = "no-store"
            return Response(
                status_code=204, headers={key: value for key, value in answer.headers.items() if not key.startswith("content-")}
            )
        return _Refusal(bytes(answer.body).decode())

    @staticmethod
    def allow_explicit_origin(headers: MutableHeaders, origin: str) -> None:
        """Names the origin. Starlette would add `Vary: Origin` too, which our answers have anyway."""
        headers["Access-Control-Allow-Origin"] = origin


class _Refusal(Response):
    """A preflight's refusal, made when the scope, and so the request id, is at hand."""

    def __init__(self, detail: str) -> None:
        super().__init__()
        self._detail = detail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = Problem(403, "CORS_REFUSED", f"{self._detail}.", headers={"Vary": "Origin"})
        await send_problem(problem, scope, receive, send)
