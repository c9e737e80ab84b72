"""What the stages of the gateway know about the request in hand: made by the first stage, filled by the later ones."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Scope

from services.kit.auth import Identity
from services.kit.errors import ScaleError

_KEY = "scale.exchange"

OPEN_PATHS = frozenset(
    {
        "/health",
        "/api/v1/health",
        "/ready",
        "/health/ready",
        "/api/v1/health/ready",
        "/openapi.json",
        "/docs",
        "/docs/start.js",
        "/docs/swagger-ui-bundle.js",
        "/docs/swagger-ui.css",
    }
)
"""Answered without a token and not counted by the limiter. Everything else needs a token, paths that do not exist included."""

ARTIFACTS_PREFIX = "/api/v1/artifacts/"
FEDERATED_MODELS_PREFIX = "/api/v1/federation/models/"
SIGNED_PREFIXES = (ARTIFACTS_PREFIX, FEDERATED_MODELS_PREFIX)
"""Below them a signature in the query is the permission, which the service checks. The limiter counts these, by address."""


@dataclass(slots=True)
class Exchange:
    """One request and what is known about its answer so far."""

    request_id: str
    started: float = field(default_factory=time.perf_counter)
    identity: Identity | None = None
    refusal: ScaleError | None = None
    """Why there is no identity."""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Headers that stages add to whatever answer there will be."""
    status: int = 0
    """0 until the answer has started."""
    streaming: bool = False
    """Whether the answer goes on for as long as there is news, and looks out for a hang-up itself."""
    head_only: bool = False
    """Whether the caller wants no body."""
    complete: bool = False
    """Whether the last byte of the answer is on its way."""
    logged: bool = False

    @property
    def elapsed_s(self) -> float:
        """Seconds since the request arrived."""
        return time.perf_counter() - self.started


def attach(scope: Scope, exchange: Exchange) -> None:
    """Gives a request its exchange."""
    scope[_KEY] = exchange


def exchange_of(scope: Scope) -> Exchange:
    """The exchange of a request."""
    found: Exchange = scope[_KEY]
    return found


def header(scope: Scope, name: bytes) -> str | None:
    """The first request header called `name` (lower case), or None."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def route_of(scope: Scope) -> str:
    """The route's template, such as /api/v1/imports/{import_id}, so that logs and metrics hold no identifiers; "unmatched" for none."""
    route: Any = scope.get("route")
    return route.path_format if route is not None else scope["path"] if scope["path"] in OPEN_PATHS else "unmatched"
