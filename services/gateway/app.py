"""Puts the gateway together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from services.gateway import openapi
from services.gateway.categorization import BATCH_PATH
from services.gateway.confirmations import Confirmations
from services.gateway.errors import add_handlers
from services.gateway.event_streams import EventStreams
from services.gateway.health import Readiness
from services.gateway.middleware.access_log import AccessLogMiddleware
from services.gateway.middleware.auth import AuthMiddleware
from services.gateway.middleware.body import BodyMiddleware, HeadMiddleware
from services.gateway.middleware.cors import CorsMiddleware
from services.gateway.middleware.disconnect import DisconnectMiddleware
from services.gateway.middleware.rate_limit import RateLimitMiddleware
from services.gateway.middleware.request_id import RequestIdMiddleware
from services.gateway.rate_limit import RateLimiter
from services.gateway.settings import GatewaySettings
from services.gateway.upload import SpoolRoom
from services.gateway.upstreams import connect, redis_from
from services.kit.auth import TokenVerifier


def build_app(settings: GatewaySettings) -> FastAPI:
    """The ASGI app. Opens its connections when the server starts it and closes them when it stops.

    `app.state.draining`, set by the server on its way out, makes answers close their connections.
    """
    redis, cache = redis_from(settings)
    limiter = RateLimiter(
        cache,
        limit=settings.rate_limit,
        window_s=settings.rate_limit_window_s,
        timeout_s=settings.redis_timeout_s,
        key=settings.cache_secret,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        upstreams = app.state.upstreams = connect(settings, redis, cache)
        app.state.readiness = Readiness(upstreams, slow_redis_s=settings.redis_timeout_s)
        try:
            yield
        finally:
            await upstreams.close()

    app: FastAPI = FastAPI(
        lifespan=lifespan,
        # The document, its page and the answers for slashes too many are our own.
        openapi_url=None,
        redirect_slashes=False,
        # Outermost first: the order of GW-01, then what belongs to the routes.
        middleware=[
            Middleware(RequestIdMiddleware, draining=lambda: bool(app.state.draining)),
            Middleware(CorsMiddleware, allowed_origins=settings.allowed_origins),
            Middleware(RateLimitMiddleware, limiter=limiter, verifier=TokenVerifier(settings), trusted_proxies=settings.trusted_proxies),
            Middleware(AuthMiddleware, require_aal2=settings.require_aal2),
            Middleware(AccessLogMiddleware),
            Middleware(DisconnectMiddleware),
            Middleware(BodyMiddleware, max_bytes=settings.max_body_bytes, of_path={BATCH_PATH: settings.max_batch_bytes}),
            Middleware(HeadMiddleware),
        ],
    )
    app.state.settings = settings
    app.state.draining = False
    app.state.confirmations = Confirmations(settings.confirmation_secret)
    app.state.spool_room = SpoolRoom(settings.max_spool_bytes)
    app.state.streams = EventStreams(per_user=settings.max_streams, heartbeat_s=settings.heartbeat_s)
    add_handlers(app)
    openapi.add_routes(app)
    return app
