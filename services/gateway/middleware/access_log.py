"""Fifth stage: the line in the access log, and the answer for an error that nobody expected."""

from __future__ import annotations

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.errors import INTERNAL, send_problem
from services.gateway.exchange import Exchange, exchange_of, route_of

log = structlog.get_logger()

CLIENT_CLOSED = 499
"""In logs and metrics only: the client went away before its answer."""


def write_access_line(scope: Scope, exchange: Exchange) -> None:
    """One line per request, with the route's template instead of the path and without the query: both can hold personal data."""
    exchange.logged = True
    status = exchange.status or CLIENT_CLOSED
    write = log.error if status == 500 else log.info
    write(
        "request",
        method=scope["method"],
        route=route_of(scope),
        status=status,
        duration_ms=round(exchange.elapsed_s * 1000, 2),
        user_id=str(exchange.identity.user_id) if exchange.identity else None,
    )


class AccessLogMiddleware:
    """Logs what reaches the routes. What earlier stages refuse never gets here; the first stage writes the line for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        log.debug("request started", method=scope["method"], path=scope["path"])
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            log.error("unexpected error", exc_info=error)
            if exchange.status:
                raise  # the answer is on its way; cutting the connection is all that is left
            await send_problem(INTERNAL, scope, receive, send)
        finally:
            write_access_line(scope, exchange)
