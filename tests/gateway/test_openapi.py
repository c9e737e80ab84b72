"""The description of the API: complete, true to the code, and readable without any other site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.gateway import openapi
from services.gateway.exchange import SIGNED_PREFIXES
from tests.support.gateway_app import Gateway, api_routes

DOCUMENT = openapi.document()
OPERATIONS = [(path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()]


@pytest.mark.requirement("DOC-18", "GW-25")
def test_committed_document_is_current() -> None:
    committed = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
    assert openapi.main(["--check", str(committed)]) == 0, "run: make openapi"


@pytest.mark.requirement("GW-25")
def test_check_finds_drift(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "docs" / "openapi.json"
    assert openapi.main(["--check", str(target)]) == 1
    assert openapi.main([str(target)]) == 0
    assert openapi.main(["--check", str(target)]) == 0
    target.write_text("{}")
    assert openapi.main(["--check", str(target)]) == 1
    assert "make openapi" in capsys.readouterr().err


@pytest.mark.requirement("GW-12")
@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["schemas"]))
def test_every_schema_has_descriptions_and_an_example(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    assert schema["description"]
    assert schema["examples"]
    for field, described in schema["properties"].items():
        assert described.get("description"), field


@pytest.mark.requirement("GW-12")
@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_operation_is_described(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]
    statuses = {int(status) for status in operation["responses"]}
    if path.startswith(SIGNED_PREFIXES):
        assert operation["security"] == []
        assert statuses >= {403, 404, 408, 422, 429, 500, 503, 504}
    elif path.startswith("/api/v1/") and "health" not in path:
        assert operation["security"] == [{"token": []}]
        assert statuses >= {401, 403, 408, 422, 429, 500, 503, 504}
    for status, answer in operation["responses"].items():
        assert answer["description"]
        if int(status) >= 400:
            assert list(answer["content"]) == ["application/problem+json"]


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))


async def test_every_route_is_described(gateway: Gateway) -> None:
    routes = {
        (route.path_format, method.lower())
        for route in api_routes(gateway.app)
        for method in route.methods or ()
        if route.include_in_schema
    }
    assert routes == {(path, method) for path, method, _ in OPERATIONS}


@pytest.mark.requirement("GW-12")
async def test_document_and_page_are_served(gateway: Gateway) -> None:
    assert (await gateway.client.get("/openapi.json")).json() == DOCUMENT
    page = await gateway.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http" not in page.text  # nothing from elsewhere
    for asset, start in (("swagger-ui-bundle.js", "/*!"), ("swagger-ui.css", "."), ("start.js", "SwaggerUIBundle(")):
        assert f"/docs/{asset}" in page.text
        response = await gateway.client.get(f"/docs/{asset}")
        assert response.status_code == 200
        assert response.text.startswith(start)
