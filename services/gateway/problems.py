"""Which problems a route may answer with, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from services.gateway.schemas.problem import Problem

Responses = dict[int | str, dict[str, Any]]


def _described(**texts: str) -> Responses:
    return {int(status.removeprefix("s")): {"model": Problem, "description": text} for status, text in texts.items()}


EVERYWHERE = _described(
    s401="There is no valid token.",
    s403="The token may not do this.",
    s422="The request is wrong; `errors` says where and why.",
    s429="Too many requests; Retry-After says when to go on.",
    s500="Our fault. Name the request id when you report it.",
    s503="Something behind the gateway is down; Retry-After says when to try again.",
    s504="Something behind the gateway took too long.",
)
NOT_FOUND = _described(s404="There is no such thing, or it is somebody else's.")
CONFLICT = _described(s409="It is there already, or the Idempotency-Key was used for another body.")
WITH_JSON = _described(s413="The body is too large.", s415="The body is not JSON.")
UPLOAD = _described(
    s408="The upload stalled, or the database took too long.",
    s409="The Idempotency-Key was used for another file.",
    s413="The file is too large.",
    s415="The body is not a multipart form.",
)
SLOW_DATABASE = _described(s408="The database took too long; ask for less.")
NOT_READY = _described(s503="Something that the gateway needs is down; `dependencies` says what.")
