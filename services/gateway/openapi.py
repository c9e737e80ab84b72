"""The OpenAPI document, and the page that shows it. `python -m services.gateway.openapi FILE` writes it, `--check` compares."""

from __future__ import annotations

import argparse
import sys
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from services.gateway import (
    accounts,
    analytics,
    anomalies,
    balances,
    budgets,
    categorization,
    edits,
    erase,
    export,
    federation,
    flows,
    forecasts,
    health,
    ingestion,
    model_registry,
    notifications,
    problems,
    restore,
    rules,
    saved_filters,
    training,
    typed,
)
from services.gateway.answers import Cache, bytes_answer
from services.gateway.errors import MEDIA_TYPE
from services.gateway.exchange import SIGNED_PREFIXES

VERSION = "1.0.0"
DOCUMENT = Path("docs/openapi.json")
_TITLE = "SCALE"
_DESCRIPTION = """Personal finance: bank statements in, an exact ledger out.

- **Token**: every call under `/api/v1` needs `Authorization: Bearer <token>`.
- **Errors** are RFC 7807 problems, `application/problem+json`, with a stable `reason` and the `request_id`.
- **Request id**: send `X-Request-ID` (a UUID) or get one; every answer carries it.
- **Limits**: `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` on every answer, 429 with `Retry-After` above.
- **Pages**: follow `next_page_token` with the same filters until it is null.
- **Money** is a signed decimal string with a currency beside it, never a float. Days are `YYYY-MM-DD`, instants UTC.
"""
_TAGS = [
    {"name": "imports", "description": "Statements in."},
    {"name": "transactions", "description": "The ledger."},
    {"name": "transfers", "description": "Money that went from one of your accounts to another: found, and yours to confirm or undo."},
    {"name": "analytics", "description": "Figures about your ledger."},
    {"name": "accounts", "description": "Where you keep money."},
    {"name": "budgets", "description": "What you mean to spend on a category in a period, and what became of it."},
    {
        "name": "rules",
        "description": "What is done to transactions that a filter finds, as they come in and, when you say so, to the past.",
    },
    {"name": "edits", "description": "Changes of many transactions at once, by you or by a rule, each of which can be taken back."},
    {"name": "saved filters", "description": "Filter expressions that you keep by name."},
    {"name": "categories", "description": "The taxonomy, your own categories, and those that your payments suggest."},
    {"name": "categorization", "description": "What payments were for, why, and what you say to it."},
    {"name": "forecasts", "description": "What you are likely to spend, to receive and to hold, with bands that hold eight cases of ten."},
    {"name": "anomalies", "description": "What is odd in your ledger: each with its reason, and yours to dismiss."},
    {
        "name": "models",
        "description": "Versions of models: where each came from, how good it is, which one answers, and back to the one before.",
    },
    {"name": "training", "description": "Models that learn from what you say, in the background, and how far they are."},
    {
        "name": "federation",
        "description": "The model that devices train together: its versions, your devices, and, for administrators, the rounds.",
    },
    {"name": "notifications", "description": "What you should know and did not ask for."},
    {"name": "profile", "description": "Your settings."},
    {"name": "your data", "description": "What is yours to take with you, and to have erased."},
    {"name": "health", "description": "Whether the system is well. Without a token."},
    {"name": "aliases", "description": "Second names of other routes."},
]
_ANSWER_HEADERS = {
    "X-Request-ID": {"description": "Id of this request.", "schema": {"type": "string", "format": "uuid"}},
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds after which another try makes sense.", "schema": {"type": "integer"}}}
_NEVER_KEPT = (
    "/api/v1/imports",
    "/api/v1/classify/jobs",
    "/api/v1/anomalies/scans",
    "/api/v1/training/jobs",
    "/api/v1/training/models",
    "/api/v1/training/status",
    "/api/v1/training/stream",
    "/api/v1/federation/model",
    "/api/v1/federation/status",
    "/api/v1/federated/model",
)
_BUNDLE, _STYLE = "swagger-ui-bundle.js", "swagger-ui.css"
ASSETS = (_BUNDLE, _STYLE)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>SCALE API</title><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="swagger-ui"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>
"""
_START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: false});\n'

router = APIRouter(include_in_schema=False)


def add_routes(app: FastAPI) -> None:
    """Registers every route. A new version of the API is one more line here."""
    # One flat list: with include_router FastAPI would match every request twice and know only the path below the prefix. The first
    # match counts: /transactions/stats comes before /transactions/{transaction_id}.
    for one in (
        analytics,
        accounts,
        balances,
        budgets,
        flows,
        edits,
        rules,
        saved_filters,
        ingestion,
        typed,
        categorization,
        forecasts,
        anomalies,
        training,
        model_registry,
        federation,
        notifications,
        export,
        restore,
        erase,
        health,
    ):
        app.router.routes.extend(one.router.routes)
    app.router.routes.extend(router.routes)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document. Needs no settings and no servers."""
    app = FastAPI(generate_unique_id_function=lambda route: route.name)
    add_routes(app)
    described = get_openapi(title=_TITLE, version=VERSION, description=_DESCRIPTION, routes=app.routes, tags=_TAGS)
    described["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    components = described["components"]
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            _complete(operation, path, method)
    return described


def _complete(operation: dict[str, Any], path: str, method: str) -> None:
    # Without a token only what health is for, and what an address with a signature stands for.
    signed = path.startswith(SIGNED_PREFIXES)
    needs_token = "health" not in operation["tags"] and not signed
    operation["security"] = [{"token": []}] if needs_token else []
    answers = operation["responses"]
    if signed:
        answers.pop("401")
    if not needs_token and not signed:
        answers.pop("422", None)
    if method in {"post", "patch", "put"} and not path.endswith(("/imports", "/import", "/restore")):
        answers.update({str(status): {"description": text["description"]} for status, text in problems.WITH_JSON.items()})
    if (needs_token or signed) and "408" not in answers:
        answers.update({str(status): {"description": text["description"]} for status, text in problems.SLOW_DATABASE.items()})
    kept = signed or (needs_token and not path.startswith(_NEVER_KEPT))
    if method == "get" and kept and not path.endswith(("/balance", "/export")):
        answers["304"] = {"description": "You have it already: If-None-Match names its ETag."}
    for status, answer in answers.items():
        answer["headers"] = dict(_ANSWER_HEADERS)
        if status in {"201", "202"} and path.endswith(("/imports", "/import", "/restore")):
            answer["headers"]["Location"] = {"description": "The import.", "schema": {"type": "string"}}
        elif status == "202":
            answer["headers"]["Location"] = {"description": "The job.", "schema": {"type": "string"}}
        if status == "202":
            answer["headers"] |= _RETRY_AFTER
        if int(status) >= 400:
            answer["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        if status in {"429", "503", "504"}:
            answer["headers"] |= _RETRY_AFTER
    operation["responses"] = dict(sorted(answers.items()))


@cache
def _document_bytes() -> bytes:
    return orjson.dumps(document())


@cache
def asset(name: str) -> bytes:
    """One of ASSETS."""
    # Swagger UI travels with the fastapi-offline package: the page works without any other site.
    return resources.files("fastapi_offline").joinpath("static", name).read_bytes()


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The document."""
    return bytes_answer(request, _document_bytes(), Cache.PUBLIC_HOUR, media_type="application/json")


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The page."""
    return bytes_answer(request, _PAGE.encode(), Cache.PUBLIC_HOUR, media_type="text/html; charset=utf-8")


@router.get("/docs/start.js")
async def docs_start(request: Request) -> Response:
    """Its start; a file of its own because the content security policy allows no inline script."""
    return bytes_answer(request, _START.encode(), Cache.PUBLIC_HOUR, media_type="text/javascript")


@router.get("/docs/swagger-ui-bundle.js")
async def docs_script(request: Request) -> Response:
    """Swagger UI."""
    return bytes_answer(request, asset(_BUNDLE), Cache.PUBLIC_DAY, media_type="text/javascript")


@router.get("/docs/swagger-ui.css")
async def docs_style(request: Request) -> Response:
    """Its style."""
    return bytes_answer(request, asset(_STYLE), Cache.PUBLIC_DAY, media_type="text/css")


def main(arguments: list[str]) -> int:
    """Writes the document to a file, or with --check compares; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of write; exit 1 when the file is stale")
    parser.add_argument("target", nargs="?", type=Path, default=DOCUMENT)
    options = parser.parse_args(arguments)
    check, target = options.check, options.target
    content = orjson.dumps(document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if not check:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return 0
    if target.is_file() and target.read_bytes() == content:
        return 0
    sys.stderr.write(f"{target} is not what the code describes. Run: make openapi\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
