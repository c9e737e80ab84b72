"""Fourth stage: nobody passes without a valid token. It was verified one stage earlier; here it counts."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from services.gateway.errors import problem_of, send_problem
from services.gateway.exchange import OPEN_PATHS, SIGNED_PREFIXES, exchange_of
from services.kit import context
from services.kit.auth import Identity
from services.kit.errors import PermissionDenied, ScaleError, Unauthenticated


class AuthMiddleware:
    """Puts the caller into the context, from which every call to a service takes the token."""

    def __init__(self, app: ASGIApp, *, require_aal2: bool = False) -> None:
        self._app = app
        self._require_aal2 = require_aal2

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        if scope["path"].startswith(SIGNED_PREFIXES):
            # Whoever else it may be: the address says what it is good for.
            context.bind_identity(None)
            await self._app(scope, receive, send)
            return
        refusal = exchange.refusal or self._refusal(exchange.identity)
        if refusal is not None:
            await send_problem(problem_of(refusal), scope, receive, send)
            return
        context.bind_identity(exchange.identity)
        await self._app(scope, receive, send)

    def _refusal(self, caller: Identity | None) -> ScaleError | None:
        if caller is None:
            return Unauthenticated("This call needs a token.", reason="TOKEN_MISSING")
        if self._require_aal2 and caller.assurance_level != "aal2":
            return PermissionDenied("This call needs a sign-in with a second factor.", reason="SECOND_FACTOR_REQUIRED")
        return None
