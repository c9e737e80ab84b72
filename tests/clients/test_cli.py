"""The `scale` command against a gateway of real HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jwt
import pytest

from clients.cli.client import NotReachable, ScaleError
from services.local.home import LocalHome
from tests.clients.conftest import FakeGateway, Scale

USER = "0192f0c1-2345-7000-8000-000000000042"


def an_import(**changes: Any) -> dict[str, Any]:
    counts = {"rows": 0, "inserted": 0, "duplicates": 0, "suspected_duplicates": 0, "zero_amount": 0, "rejected": 0}
    return (
        {
            "id": "import-1",
            "state": "succeeded",
            "file_name": "march.csv",
            "file_format": "csv",
            "account_id": "account-1",
            "detected": {"delimiter": ";", "header_line": 3.0, "columns": {"amount": "Betrag [EUR]"}},
            "created_at": "2026-03-31T10:00:00Z",
            "completed_at": "2026-03-31T10:00:01Z",
        }
        | changes
        | {"counts": counts | changes.get("counts", {})}
    )


@pytest.fixture
def statement(tmp_path: Path) -> Path:
    file = tmp_path / "march.csv"
    file.write_bytes(b"Date;Amount\n2026-03-01;-1,00\n" * 5000)
    return file


def test_import_shows_the_counts_and_how_the_file_was_read(scale: Scale, gateway: FakeGateway, statement: Path) -> None:
    gateway.answer("POST /api/v1/imports", an_import(counts={"rows": 3, "inserted": 2, "duplicates": 1}), 201)
    result = scale("import", str(statement))
    assert result.exit_code == 0, result.output
    assert "march.csv: succeeded" in result.output
    assert "3 rows, 2 inserted, 1 duplicates" in result.output
    assert "header line: 3" in result.output
    assert "amount = Betrag [EUR]" in result.output
    assert gateway.seen[0].headers["Authorization"] == "Bearer the-token"
    assert statement.read_bytes() in gateway.seen[0].body


def test_import_sends_every_option(scale: Scale, gateway: FakeGateway, statement: Path) -> None:
    gateway.answer("POST /api/v1/imports", an_import(), 201)
    options = ["--account-id", USER, "--currency", "CHF", "--date-format", "DD.MM.YYYY", "--idempotency-key", "k-1"]
    result = scale("import", str(statement), *options, "--columns", "amount=Betrag", "--columns", "date=1")
    assert result.exit_code == 0, result.output
    seen = gateway.seen[0]
    assert seen.headers["Idempotency-Key"] == "k-1"
    for name, value in (("account_id", USER), ("currency", "CHF"), ("date_format", "DD.MM.YYYY")):
        assert f'name="{name}"\r\n\r\n{value}\r\n'.encode() in seen.body
    assert json.dumps({"amount": "Betrag", "date": "1"}).encode() in seen.body


def test_import_sends_no_option_that_was_not_given(scale: Scale, gateway: FakeGateway, statement: Path) -> None:
    gateway.answer("POST /api/v1/imports", an_import(), 201)
    scale("import", str(statement))
    assert gateway.seen[0].body.count(b"Content-Disposition") == 1
    assert "Idempotency-Key" not in gateway.seen[0].headers


def test_import_shows_rejected_rows_with_line_and_reason(scale: Scale, gateway: FakeGateway, statement: Path) -> None:
    gateway.answer("POST /api/v1/imports", an_import(counts={"rows": 30, "rejected": 25, "inserted": 5}), 201)
    rows = [{"line": 7, "outcome": "rejected", "reason": "amount: 'abc' is no number", "transaction_id": None}]
    gateway.answer("GET /api/v1/imports/import-1/rows", {"items": rows, "next_page_token": "more"})
    result = scale("import", str(statement))
    assert result.exit_code == 0
    assert "line 7: amount: 'abc' is no number" in result.output
    assert "and 24 more" in result.output
    assert gateway.seen[1].query["outcome"] == "rejected"


def test_import_waits_for_one_that_goes_on_in_the_queue(scale: Scale, gateway: FakeGateway, statement: Path) -> None:
    gateway.answer("POST /api/v1/imports", an_import(state="pending"), 202, {"Location": "/api/v1/imports/import-1"})
    gateway.answer("GET /api/v1/imports/import-1", an_import(state="running"))
    gateway.answer("GET /api/v1/imports/import-1", an_import(counts={"rows": 9, "inserted": 9}))
    result = scale("import", str(statement))
    assert result.exit_code == 0, result.output
    assert "9 inserted" in result.output


def test_a_refused_file_does_not_keep_the_next_from_its_import(scale: Scale, gateway: FakeGateway, statement: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    problem = {
        "title": "Unprocessable",
        "detail": "The file holds no rows.",
        "status": 422,
        "request_id": "r-9",
        "errors": [{"line": 1, "field": "file", "reason": "is empty"}, {"field": "date_format", "reason": "is needed"}],
    }
    gateway.answer("POST /api/v1/imports", problem, 422)
    gateway.answer("POST /api/v1/imports", an_import(counts={"inserted": 1}), 201)
    result = scale("import", str(empty), str(statement))
    assert result.exit_code == 1
    assert "empty.csv: The file holds no rows (422)." in result.output
    assert "line 1, file: is empty" in result.output
    assert "date_format: is needed" in result.output
    assert "r-9" in result.output
    assert "1 inserted" in result.output


def test_an_import_that_failed_is_a_failure(scale: Scale, gateway: FakeGateway, statement: Path) -> None:
    gateway.answer("POST /api/v1/imports", an_import(state="failed", failure_reason="The ledger was away."), 201)
    result = scale("import", str(statement))
    assert result.exit_code == 1
    assert "The ledger was away." in result.output


def test_one_key_for_two_files_is_wrong_usage(scale: Scale, gateway: FakeGateway, statement: Path) -> None:
    result = scale("import", str(statement), str(statement), "--idempotency-key", "k")
    assert result.exit_code == 2
    assert not gateway.seen


@pytest.mark.parametrize("arguments", [["--columns", "amount"], ["--account-id", "seven"], ["--bogus"]])
def test_wrong_usage_of_import(scale: Scale, gateway: FakeGateway, statement: Path, arguments: list[str]) -> None:
    assert scale("import", str(statement), *arguments).exit_code == 2
    assert not gateway.seen


def test_a_file_that_is_not_there_is_wrong_usage(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    result = scale("import", str(tmp_path / "none.csv"))
    assert result.exit_code == 2
    assert "none.csv" in result.output
    assert not gateway.seen


def test_transactions_follow_the_pages_up_to_the_limit(scale: Scale, gateway: FakeGateway) -> None:
    def page(first: int, token: str | None) -> dict[str, Any]:
        items = [
            {"transaction_date": "2026-03-01", "amount": "-12.34", "currency": "EUR", "description": f"shop [b]{n}[/b]"}
            for n in range(first, first + 2)
        ]
        return {"items": items, "next_page_token": token}

    gateway.answer("GET /api/v1/transactions", page(1, "t-2"))
    gateway.answer("GET /api/v1/transactions", page(3, "t-3"))
    result = scale("transactions", "--limit", "3", "--date-from", "2026-03-01", "--amount-max", "-5", "-q", "shop")
    assert result.exit_code == 0, result.output
    assert [seen.query.get("page_token") for seen in gateway.seen] == [None, "t-2"]
    assert gateway.seen[1].query | {"page_token": "", "page_size": ""} == {
        "date_from": "2026-03-01",
        "amount_max": "-5",
        "q": "shop",
        "page_token": "",
        "page_size": "",
    }
    # A bank's text is text, whatever it looks like.
    assert "shop [b]3[/b]" in result.output
    assert "shop [b]4[/b]" not in result.output
    assert "-12.34" in result.output


def test_suspected_duplicates_come_with_the_reason_and_the_id_to_decide_by(scale: Scale, gateway: FakeGateway) -> None:
    suspect = {
        "transaction_date": "2026-03-01",
        "amount": "-9",
        "currency": "EUR",
        "description": "Rent",
        "suspicion": "same day",
        "id": USER,
    }
    gateway.answer("GET /api/v1/transactions", {"items": [suspect], "next_page_token": None})
    result = scale("transactions", "--suspected")
    assert "same day" in result.output
    assert USER in result.output
    assert USER not in scale("transactions", "--not-suspected").output
    scale("transactions")
    assert [seen.query.get("suspected_duplicate") for seen in gateway.seen] == ["true", "false", None]


def test_a_day_that_is_none_is_wrong_usage(scale: Scale, gateway: FakeGateway) -> None:
    assert scale("transactions", "--date-from", "31.03.2026").exit_code == 2
    assert not gateway.seen


def test_imports_and_accounts(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/imports", {"items": [an_import(counts={"rows": 41})], "next_page_token": None})
    account = {"id": "account-1", "name": "Giro", "type": "checking", "currency": "EUR", "identifier": "DE02"}
    gateway.answer("GET /api/v1/accounts", {"items": [account], "next_page_token": None})
    assert "41" in scale("imports").output
    assert "Giro" in scale("accounts").output


def profile(key: str, **changes: Any) -> dict[str, Any]:
    return {"header_hash": key * 8, "header": ["When", "Net [EUR]"], "columns": {"amount": "Net [EUR]"}, "date_format": "dmy"} | changes


def test_profiles_are_listed(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/csv-profiles", {"items": [profile("abcdef01"), profile("abcd0000", columns={}, date_format=None)]})
    result = scale("profiles")
    assert result.exit_code == 0, result.output
    assert "abcdef01abcd" in result.output
    assert "amount = Net [EUR]" in result.output
    gateway.answers["GET /api/v1/csv-profiles"] = [(200, {"items": []}, {})]
    assert "Nothing is remembered yet." in scale("profiles").output


def test_a_profile_is_forgotten_by_the_beginning_of_its_key(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/csv-profiles", {"items": [profile("abcdef01"), profile("abcd0000")]})
    gateway.answer(f"DELETE /api/v1/csv-profiles/{'abcdef01' * 8}", b"", 204)
    result = scale("profiles", "--forget", "ABCDE")
    assert result.exit_code == 0, result.output
    assert gateway.seen[-1].method == "DELETE"
    for unclear, said in (("abcd", "More than one key"), ("ff", "No key"), ("", "No key")):
        gateway.seen.clear()
        result = scale("profiles", "--forget", unclear)
        assert result.exit_code == 1
        assert said in result.output
        assert [seen.method for seen in gateway.seen] == ["GET"]


def test_an_empty_listing_says_so(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/imports", {"items": [], "next_page_token": None})
    assert "No imports yet" in scale("imports").output


def test_nobody_there(scale: Scale, statement: Path) -> None:
    result = scale("imports", SCALE_URL="http://127.0.0.1:9")
    assert isinstance(result.exception, NotReachable)
    assert result.exception.exit_code == 3
    assert "make run" in str(result.exception)
    assert scale("import", str(statement), SCALE_URL="http://127.0.0.1:9").exit_code == 3


@pytest.mark.parametrize(
    ("status", "body", "headers", "words"),
    [
        (401, {"detail": "The token has expired; sign in again."}, {}, ["expired; sign in again (401).", "scale token"]),
        (429, {"title": "Too many requests"}, {"Retry-After": "12"}, ["Too many requests (429).", "again in 12 s"]),
        (503, b"<html>", {"X-Request-ID": "r-1"}, ["(503).", "Request r-1"]),
    ],
)
def test_a_refusal_is_a_sentence(
    scale: Scale, gateway: FakeGateway, status: int, body: Any, headers: dict[str, str], words: list[str]
) -> None:
    gateway.answer("GET /api/v1/accounts", body, status, headers)
    result = scale("accounts")
    assert isinstance(result.exception, ScaleError)
    assert [word for word in words if word not in str(result.exception)] == []


def test_another_server_at_the_address(scale: Scale, gateway: FakeGateway) -> None:
    gateway.answer("GET /api/v1/accounts", b"<html>hello</html>")
    assert "is that the right address" in str(scale("accounts").exception)


def test_no_token_says_where_it_was_looked_for(scale: Scale, tmp_path: Path) -> None:
    result = scale("accounts", SCALE_TOKEN="", SCALE_HOME=str(tmp_path))
    assert str(tmp_path / "dev-token") in str(result.exception)


def test_the_token_of_the_home_is_the_default(scale: Scale, gateway: FakeGateway, tmp_path: Path) -> None:
    (tmp_path / "dev-token").write_text("from-the-home\n")
    gateway.answer("GET /api/v1/accounts", {"items": []})
    scale("accounts", SCALE_TOKEN="", SCALE_HOME=str(tmp_path))
    assert gateway.seen[0].headers["Authorization"] == "Bearer from-the-home"


def test_token_prints_the_token_and_nothing_else(scale: Scale, tmp_path: Path) -> None:
    home = LocalHome(tmp_path)
    home.create()
    result = scale("token", "--user", USER, SCALE_HOME=str(tmp_path))
    assert result.exit_code == 1
    key = home.secret("jwt")
    result = scale("token", "--user", USER, SCALE_HOME=str(tmp_path))
    assert result.exit_code == 0
    assert result.output.count("\n") == 1
    claims = jwt.decode(result.output.strip(), key, algorithms=["HS256"], audience="authenticated", issuer="scale-local")
    assert claims["sub"] == USER
    assert claims["role"] == "authenticated"
    assert claims["app_metadata"] == {"role": "user"}
    assert claims["exp"] - claims["iat"] == 12 * 3600


def test_token_of_an_administrator(scale: Scale, tmp_path: Path) -> None:
    home = LocalHome(tmp_path)
    home.create()
    home.secret("jwt")
    token = scale("token", "--admin", SCALE_HOME=str(tmp_path)).output.strip()
    assert jwt.decode(token, options={"verify_signature": False})["app_metadata"] == {"role": "admin"}


def test_token_is_for_the_demo_user_by_default(scale: Scale, tmp_path: Path) -> None:
    home = LocalHome(tmp_path)
    home.create()
    home.secret("jwt")
    token = scale("token", SCALE_HOME=str(tmp_path)).output.strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["sub"] == "00000000-0000-7000-8000-000000000001"


def test_no_token_in_production(scale: Scale, tmp_path: Path) -> None:
    home = LocalHome(tmp_path)
    home.create()
    home.secret("jwt")
    result = scale("token", SCALE_HOME=str(tmp_path), SCALE_ENVIRONMENT="production")
    assert result.exit_code == 1
    assert "development only" in result.output


def test_the_installed_command_ends_with_a_sentence_and_an_exit_code(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "SCALE_TOKEN": "x", "SCALE_URL": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "clients.cli", "accounts"]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.strip() == "Nobody answers at http://127.0.0.1:9: is it running? `make run` starts it."
