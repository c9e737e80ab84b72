"""Every error as an RFC 7807 problem, and the only table from the services' errors to HTTP."""

from __future__ import annotations

import http
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from services.gateway.exchange import exchange_of
from services.kit import errors

MEDIA_TYPE = "application/problem+json"

_STATUS_OF_REASON = {"FILE_TOO_LARGE": 413, "BODY_TOO_LARGE": 413, "DB_STATEMENT_TIMEOUT": 408}
_STATUS_OF_CLASS: dict[type[errors.ScaleError], int] = {
    errors.InvalidArgument: 422,
    errors.Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.FailedPrecondition: 409,
    errors.Aborted: 409,
    errors.ResourceExhausted: 429,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
}
# Retry-After where the service did not say, in seconds.
_RETRY_AFTER_S: dict[int, float] = {429: 1, 503: 1, 504: 1}
_REASON_OF_STATUS = {
    400: "BAD_REQUEST",
    404: "NO_SUCH_PATH",
    405: "METHOD_NOT_ALLOWED",
    413: "BODY_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
}


@dataclass(frozen=True)
class Problem:
    """One RFC 7807 problem. `reason` is stable and for programs; `detail` is for people."""

    status: int
    reason: str
    detail: str
    fields: Sequence[errors.FieldError] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)


def status_of(error: errors.ScaleError) -> int:
    """The HTTP status of an error; 500 for one that no service raises on purpose."""
    if error.reason in _STATUS_OF_REASON:
        return _STATUS_OF_REASON[error.reason]
    for cls in type(error).__mro__:
        if cls in _STATUS_OF_CLASS:
            return _STATUS_OF_CLASS[cls]
    return 500


# What the contracts call otherwise than REST does.
_RENAMED = {"query": "q", "currency_code": "currency", "request_id": "Idempotency-Key", "after_event_id": "Last-Event-ID"}
_TOLD = {"TRANSACTION_EXISTS": ("transaction_id",), "JOB_OPEN": ("job_id",), "TRAINING_JOB_OPEN": ("job_id",), "ROUND_OPEN": ("round_id",)}
_CONTAINERS = ("account.", "profile.", "metadata.")
# A payment to classify, alone or one of many.
_PAYMENT = re.compile(r"input(s(?:\[\d+\])?)?(?:\.([\w.]+))?")
_OF_PAYMENT = {"transaction_date": "date", "amount.currency_code": "currency"}


def rest_name(name: str) -> str:
    """What REST calls a field of the contracts."""
    if found := _PAYMENT.fullmatch(name):
        which, field = found.groups(default="")
        field = _OF_PAYMENT.get(field, _RENAMED.get(field, field))
        return ".".join(part for part in (f"item{which}" if which else "", field) if part) or "body"
    for container in _CONTAINERS:
        name = name.removeprefix(container)
    return _RENAMED.get(name, name)


def problem_of(error: errors.ScaleError) -> Problem:
    """The problem that an error stands for. An internal error says nothing about its cause."""
    status = status_of(error)
    if status == 500:
        return INTERNAL
    headers: dict[str, str] = {}
    retry_after_s = error.retry_after_s if error.retry_after_s is not None else _RETRY_AFTER_S.get(status)
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer" if error.reason == "TOKEN_MISSING" else 'Bearer error="invalid_token"'
    fields = [errors.FieldError(rest_name(one.field), one.reason, one.line) for one in error.fields]
    detail = error.message
    for before, after in zip(error.fields, fields, strict=True):
        if detail.startswith(f"{before.field}:"):
            detail = after.field + detail.removeprefix(before.field)
    return Problem(status, error.reason, detail, fields, headers, needs_of(error.metadata) | _told_of(error))


def _told_of(error: errors.ScaleError) -> dict[str, Any]:
    """What programs need beside the reason."""
    return {name: error.metadata[name] for name in _TOLD.get(error.reason, ()) if name in error.metadata}


def needs_of(metadata: Mapping[str, str]) -> dict[str, Any]:
    """`needs` of a file that cannot be read without an answer: each option with the values to choose from. Empty when it needs none."""
    try:
        return {"needs": orjson.loads(metadata["needs"])} if "needs" in metadata else {}
    except orjson.JSONDecodeError:
        # Cut on its way, to fit into the trailers: the message and the fields say it, too.
        return {}


_KINDS_OF_INPUT = {("query",), ("path",), ("body",), ("header",)}
# Of fifty thousand items that are all wrong, the first ones say it.
_MOST_FIELDS = 100
INTERNAL = Problem(500, "INTERNAL", "Something went wrong here. Name the request id when you report it.")


def problem_response(scope: Scope, problem: Problem) -> Response:
    """The answer for a problem."""
    content: dict[str, Any] = {
        "type": f"urn:scale:problem:{problem.reason.lower().replace('_', '-')}",
        "title": _title(problem),
        "status": problem.status,
        "detail": problem.detail,
        "instance": scope["path"],
        "request_id": exchange_of(scope).request_id,
        "reason": problem.reason,
    }
    if problem.fields:
        content["errors"] = [field_json(one) for one in problem.fields]
    content.update(problem.extensions)
    return Response(
        orjson.dumps(content),
        status_code=problem.status,
        headers={"Cache-Control": "no-store", **problem.headers},
        media_type=MEDIA_TYPE,
    )


def field_json(error: errors.FieldError) -> dict[str, Any]:
    """One thing that is wrong, as a member of `errors`."""
    where = {} if error.line is None else {"line": error.line}
    return {**where, "field": error.field, "reason": error.reason}


def _title(problem: Problem) -> str:
    if problem.reason in _REASON_OF_STATUS.values():
        return http.HTTPStatus(problem.status).phrase
    return problem.reason.replace("_", " ").capitalize()


async def send_problem(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with a problem, from a stage before the routes."""
    await problem_response(scope, problem)(scope, receive, send)


def field_errors(failures: Sequence[Any]) -> list[errors.FieldError]:
    """pydantic's errors as ours. The place is a path such as items[17].amount, without `query`, `path` and `body`, which the reader can
    see."""
    found = []
    for failure in failures[:_MOST_FIELDS]:
        parts = failure["loc"][1:] if failure["loc"][:1] in _KINDS_OF_INPUT else failure["loc"]
        place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")
        if failure["type"] == "json_invalid":
            found.append(errors.FieldError("body", f"is not JSON: {failure['ctx']['error']} at character {failure['loc'][-1]}"))
        elif failure["type"] == "extra_forbidden":
            found.append(errors.FieldError(place, "is not known here"))
        else:
            found.append(errors.FieldError(place or "body", failure["msg"].removeprefix("Value error, ")))
    return found


def validation_problem(failures: Sequence[Any]) -> Problem:
    """The problem for input that does not fit its schema."""
    fields = field_errors(failures)
    detail = "; ".join(f"{one.field}: {one.reason}" for one in fields[:5])
    return Problem(422, "INVALID_ARGUMENT", detail, fields)


def add_handlers(app: FastAPI) -> None:
    """Makes every error of the routes and of the framework a problem."""

    async def scale_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, errors.ScaleError)  # nosec B101  # tells mypy what the line above made sure of
        return problem_response(request.scope, problem_of(error))

    async def validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # nosec B101  # tells mypy what the line above made sure of
        of_body = any(failure["loc"][:1] == ("body",) for failure in error.errors())
        if of_body and request.method in {"POST", "PUT", "PATCH"} and not is_json(request):
            return problem_response(
                request.scope, Problem(415, "UNSUPPORTED_MEDIA_TYPE", "Send JSON, with Content-Type: application/json.")
            )
        return problem_response(request.scope, validation_problem(error.errors()))

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # nosec B101  # tells mypy what the line above made sure of
        if error.status_code == 400:
            # FastAPI's word for a body that it could not decode.
            return problem_response(request.scope, Problem(422, "INVALID_ARGUMENT", "The body is not JSON in UTF-8."))
        headers = dict(error.headers or {})
        detail = error.detail
        if error.status_code == 405:
            allowed = _allowed_methods(app, request.scope)
            headers["Allow"] = ", ".join(allowed)
            detail = f"This path answers {', '.join(allowed)}."
        elif error.status_code == 404:
            detail = "There is nothing at this path."
        reason = _REASON_OF_STATUS.get(error.status_code, "HTTP_ERROR")
        return problem_response(request.scope, Problem(error.status_code, reason, detail, headers=headers))

    app.add_exception_handler(errors.ScaleError, scale_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(HTTPException, http_error)


def is_json(request: Request) -> bool:
    """Whether the body says that it is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def _allowed_methods(app: FastAPI, scope: Scope) -> list[str]:
    """Every method that some route of this path answers: Starlette's own answer knows the first route only."""
    methods: set[str] = set()
    for route in app.router.routes:
        if route.matches(scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)
