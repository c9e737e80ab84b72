"""Imports: the form to the stream, the answer back."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.gateway.schemas import ingestion as schemas
from services.kit import errors
from tests.support.gateway_app import Gateway, StartGateway, assert_problem
from tests.support.upstream_fakes import running_import, statement_import

IMPORT_ID = "019b76da-a800-7000-8000-0000000000c0"
ACCOUNT_ID = "019b76da-a800-7000-8000-00000000000a"
CSV = b"Buchungstag;Betrag\n01.02.2026;-12,34\n"


async def upload(
    gateway: Gateway, content: bytes = CSV, *, headers: dict[str, str] | None = None, path: str = "imports", **form: str
) -> Any:
    return await gateway.post(f"/api/v1/{path}", data=form, files={"file": ("january.csv", content, "text/csv")}, headers=headers)


async def test_import_statement(gateway: Gateway) -> None:
    for path in ("imports", "ingestion/import"):
        response = await upload(gateway, path=path)
        assert response.status_code == 201
        assert response.headers["location"] == f"/api/v1/imports/{IMPORT_ID}"
        assert "idempotency-replayed" not in response.headers
        body = response.json()
        schemas.Import.model_validate(body)
        assert body["counts"] == {
            "rows": 4,
            "inserted": 2,
            "duplicates": 1,
            "suspected_duplicates": 0,
            "zero_amount": 0,
            "rejected": 1,
        }
        assert body["detected"] == {"encoding": "utf-8", "header_line": 1, "columns": {"date": 1}, "notes": ["guessed"]}
        assert gateway.ingestion.content == CSV
        assert gateway.ingestion.metadata.file_name == "january.csv"
        assert UUID(gateway.ingestion.metadata.request_id)  # made here, because none was sent


async def test_options_reach_the_service(gateway: Gateway) -> None:
    options: dict[str, Any] = {
        "account_id": ACCOUNT_ID,
        "currency": "CHF",
        "date_format": "DD/MM/YYYY",
        "columns": '{"date": "Buchungstag", "amount": 4}',
        "password": "swordfish",
        "file_format": "csv",
    }
    assert set(options) == set(schemas.ImportForm.model_fields)
    assert (await upload(gateway, **options)).status_code == 201
    seen = gateway.ingestion.metadata
    assert (seen.account_id, seen.currency, seen.date_format) == (ACCOUNT_ID, "CHF", "DD/MM/YYYY")
    assert (dict(seen.columns), seen.password, seen.file_format) == ({"date": "Buchungstag", "amount": "4"}, "swordfish", "csv")
    await upload(gateway, columns=" date = Buchungstag , amount=4")
    assert dict(gateway.ingestion.metadata.columns) == {"date": "Buchungstag", "amount": "4"}
    await upload(gateway, currency="", account_id=" ")  # as a browser sends fields that nobody filled in
    assert (gateway.ingestion.metadata.currency, gateway.ingestion.metadata.account_id) == ("", "")


@pytest.mark.requirement("GW-06", "ING-10")
@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"account_id": "1"}, "account_id"),
        ({"currency": "EURO"}, "currency"),
        ({"columns": "{"}, "columns"),
        ({"columns": '{"date": [1]}'}, "columns.date"),
        ({"columns": "date"}, "columns"),
        ({"columns": "date=1,,"}, "columns"),
        ({"date_format": "x" * 65}, "date_format"),
        ({"acount_id": ACCOUNT_ID}, "acount_id"),
    ],
)
async def test_import_pydantic_validation(gateway: Gateway, form: dict[str, Any], field: str) -> None:
    """Bad options are 422 with the field and the reason, before the service is asked."""
    body = assert_problem(await upload(gateway, **form), 422, "INVALID_ARGUMENT")
    assert [error["field"] for error in body["errors"]] == [field]
    assert body["errors"][0]["reason"]
    assert gateway.ingestion.metadata is None


@pytest.mark.requirement("ING-10")
async def test_row_errors_keep_their_lines(gateway: Gateway) -> None:
    gateway.ingestion.error = errors.InvalidArgument(
        "line 2: date: is not a day", reason="NO_ROWS", fields=[errors.FieldError("date", "is not a day", 2)]
    )
    body = assert_problem(await upload(gateway), 422, "NO_ROWS")
    assert body["errors"] == [{"line": 2, "field": "date", "reason": "is not a day"}]


async def test_idempotency_key_is_passed_and_a_repeat_is_marked(gateway: Gateway) -> None:
    gateway.ingestion.answer = pb.ImportStatementResponse(statement_import=statement_import(), repeated_request=True)
    response = await upload(gateway, headers={"Idempotency-Key": "jan-2026"})
    assert response.status_code == 201
    assert response.headers["idempotency-replayed"] == "true"
    assert gateway.ingestion.metadata.request_id == "jan-2026"
    gateway.ingestion.error = errors.AlreadyExists("another file under this key", reason="REQUEST_ID_REUSED")
    assert_problem(await upload(gateway, headers={"Idempotency-Key": "jan-2026"}), 409, "REQUEST_ID_REUSED")
    assert_problem(await upload(gateway, headers={"Idempotency-Key": "x" * 256}), 422)


@pytest.mark.requirement("ARC-13")
async def test_unfinished_import_is_202(gateway: Gateway) -> None:
    unfinished = statement_import(state=pb.IMPORT_STATE_RUNNING, account_id="")
    unfinished.ClearField("complete_time")
    gateway.ingestion.answer = pb.ImportStatementResponse(statement_import=unfinished)
    response = await upload(gateway)
    assert response.status_code == 202
    assert response.headers["location"] == f"/api/v1/imports/{IMPORT_ID}"
    body = response.json()
    schemas.Import.model_validate(body)
    assert (body["state"], body["account_id"], body["completed_at"]) == ("running", None, None)
    assert response.headers["retry-after"] == "1"


async def test_progress_of_an_unfinished_import(gateway: Gateway) -> None:
    assert (await gateway.get(f"/api/v1/imports/{IMPORT_ID}")).json()["progress"] is None
    gateway.ingestion.found = running_import(rows=120_000, fraction=0.4)
    body = (await gateway.get(f"/api/v1/imports/{IMPORT_ID}")).json()
    schemas.Import.model_validate(body)
    assert body["progress"] == {"stage": "reading", "rows": 120_000, "fraction": 0.4}


async def test_a_failed_import_says_where_and_why(gateway: Gateway) -> None:
    failure = pb.ImportFailure(reason="UNREADABLE_STATEMENT", metadata={"needs": '{"date_format":["%d/%m/%Y","%m/%d/%Y"]}'})
    failure.problems.add(line=17, field="transaction_date", reason="'31/02/2026' is not a day")
    failure.problems.add(field="metadata.currency_code", reason="is needed")
    gateway.ingestion.found = statement_import(state=pb.IMPORT_STATE_FAILED, failure_reason="line 17: ...")
    gateway.ingestion.found.failure.CopyFrom(failure)
    body = (await gateway.get(f"/api/v1/imports/{IMPORT_ID}")).json()
    schemas.Import.model_validate(body)
    assert body["failure"] == {
        "reason": "UNREADABLE_STATEMENT",
        "retryable": False,
        "errors": [
            {"line": 17, "field": "transaction_date", "reason": "'31/02/2026' is not a day"},
            {"field": "currency", "reason": "is needed"},
        ],
        "needs": {"date_format": ["%d/%m/%Y", "%m/%d/%Y"]},
    }


async def test_what_a_file_needs_is_said_with_the_values_to_choose_from(gateway: Gateway) -> None:
    needs = {"columns": ["Betrag", "Umsatz"]}
    gateway.ingestion.error = errors.InvalidArgument("Two columns may be the amount.", metadata={"needs": json.dumps(needs)})
    response = await upload(gateway)
    assert_problem(response, 422)
    assert response.json()["needs"] == needs
    gateway.ingestion.error = errors.InvalidArgument("Two columns may be the amount.", metadata={"needs": json.dumps(needs)[:20]})
    assert "needs" not in assert_problem(await upload(gateway), 422)


async def test_a_full_queue_is_429(gateway: Gateway) -> None:
    gateway.ingestion.error = errors.ResourceExhausted("Too many large files wait.", reason="QUEUE_FULL", retry_after_s=30)
    response = await upload(gateway)
    assert_problem(response, 429, "QUEUE_FULL")
    assert response.headers["retry-after"] == "30"


async def test_large_file_is_streamed_whole(gateway: Gateway) -> None:
    content = b"0123456789abcdef" * 300_000
    assert (await upload(gateway, content)).status_code == 201
    assert gateway.ingestion.content == content
    assert max(gateway.ingestion.chunk_sizes) == 64 * 1024
    assert gateway.ingestion.deadlines[0] > 590


async def test_file_limit(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(max_file_bytes=1000)
    assert (await upload(gateway, b"x" * 1000)).status_code == 201
    body = assert_problem(await upload(gateway, b"x" * 1001), 413, "FILE_TOO_LARGE")
    assert "1000 bytes" in body["detail"]


async def test_no_form_is_415(gateway: Gateway) -> None:
    assert_problem(await gateway.post("/api/v1/imports", content=CSV, headers={"Content-Type": "text/csv"}), 415)
    assert_problem(await gateway.post("/api/v1/imports", json={}), 415)
    assert_problem(await gateway.post("/api/v1/imports"), 415)


async def test_a_service_that_dies_gives_503(gateway: Gateway) -> None:
    gateway.ingestion.error = errors.Unavailable("The database is not reachable.", reason="DB_UNAVAILABLE", retry_after_s=1)
    assert_problem(await upload(gateway), 503, "DB_UNAVAILABLE")


async def test_read_imports(gateway: Gateway) -> None:
    page = (await gateway.get("/api/v1/imports", params={"page_size": "5"})).json()
    schemas.ImportPage.model_validate(page)
    assert gateway.ingestion.requests[-1].page_size == 5
    schemas.Import.model_validate((await gateway.get(f"/api/v1/imports/{IMPORT_ID}")).json())
    rows = (await gateway.get(f"/api/v1/imports/{IMPORT_ID}/rows", params={"outcome": "rejected"})).json()
    schemas.ImportRowPage.model_validate(rows)
    assert rows["items"] == [
        {"line": 3, "outcome": "rejected", "reason": "amount: 'x' is not a number", "transaction_id": None, "duplicate_of": None},
        {"line": 4, "outcome": "duplicate", "reason": None, "transaction_id": "019b76da-a800-7000-8000-000000000001", "duplicate_of": None},
    ]
    assert gateway.ingestion.requests[-1].outcome == pb.ROW_OUTCOME_REJECTED
    assert_problem(await gateway.get(f"/api/v1/imports/{uuid4()}/rows", params={"outcome": "lost"}), 422)
    assert_problem(await gateway.get("/api/v1/imports/first"), 422)


async def test_csv_profiles(gateway: Gateway) -> None:
    response = await gateway.get("/api/v1/csv-profiles")
    schemas.CsvProfilePage.model_validate(response.json())
    full, short = response.json()["items"]
    assert full == {
        "header_hash": "9f" * 32,
        "header": ["When", "Net"],
        "columns": {"amount": "Net"},
        "date_format": "dmy",
        "import_id": IMPORT_ID,
        "updated_at": "2026-02-02T02:40:00.000000Z",
    }
    assert short["date_format"] is None
    assert response.json()["next_page_token"] == "more"
    known = await gateway.get("/api/v1/csv-profiles", headers={"If-None-Match": response.headers["etag"]})
    assert known.status_code == 304


async def test_delete_csv_profile(gateway: Gateway) -> None:
    response = await gateway.request("DELETE", f"/api/v1/csv-profiles/{'9f' * 32}")
    assert (response.status_code, response.content) == (204, b"")
    assert gateway.ingestion.requests[-1].header_hash == "9f" * 32
    gateway.ingestion.error = errors.NotFound("There is no CSV profile.", reason="CSV_PROFILE_NOT_FOUND")
    assert_problem(await gateway.request("DELETE", f"/api/v1/csv-profiles/{'9f' * 32}"), 404, "CSV_PROFILE_NOT_FOUND")
    for wrong in ("9F" * 32, "9f" * 31, "9f" * 33, "first"):
        assert_problem(await gateway.request("DELETE", f"/api/v1/csv-profiles/{wrong}"), 422)
