"""Answers: JSON bytes, how long clients may keep them, and ETags."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import Enum
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response

_VARY = "Authorization, Origin"


class Cache(Enum):
    """How long a client may keep an answer. Everything about a user is `private`: no shared cache ever keeps it."""

    LIST = "private, max-age=0, stale-while-revalidate=60"
    CATEGORIES = "private, max-age=86400"
    PROFILE = "private, max-age=3600"
    REVALIDATE = "private, no-cache"
    """Keep it, but ask every time: an ETag makes that cheap."""
    NEVER = "no-store"
    PREDICTION = "no-cache, no-store"
    """The next answer may be another one, without anything of the user having changed."""
    FIXED = "private, max-age=86400, immutable"
    """At this address there will never be anything else."""
    PUBLIC_HOUR = "public, max-age=3600"
    PUBLIC_DAY = "public, max-age=86400"


_UNKEPT = (Cache.NEVER, Cache.PREDICTION)


def json_answer(
    request: Request, content: Any, cache: Cache = Cache.NEVER, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`content` as JSON. What may be kept gets an ETag, and 304 without a body when the client has it already."""
    return bytes_answer(request, orjson.dumps(content), cache, status=status, headers=headers, media_type="application/json")


def bytes_answer(
    request: Request,
    body: bytes,
    cache: Cache,
    *,
    media_type: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The same for content of any type."""
    named = {"Cache-Control": cache.value, "Vary": _VARY, **(headers or {})}
    if cache not in _UNKEPT and status == 200:
        # Weak: a proxy that compresses sends other bytes for the same content.
        tag = named["ETag"] = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        known = request.headers.get("if-none-match")
        if known is not None and matches(known, tag):
            return Response(status_code=304, headers=named)
    return Response(body, status_code=status, headers=named, media_type=media_type)


def matches(if_none_match: str, tag: str) -> bool:
    """Whether an If-None-Match header names `tag`, by the weak comparison that RFC 9110 asks for."""
    opaque = tag.removeprefix("W/")
    return any(part == "*" or part.removeprefix("W/") == opaque for part in map(str.strip, if_none_match.split(",")))
