"""ING-06: POST /api/v1/imports, through the gateway, ingestion and accounts, each its own process, to the database and back."""

from __future__ import annotations

import csv
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from services.local import LocalSystem
from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

BANK = """Buchungstag;Betrag;Währung;Verwendungszweck;Empfänger;Referenz
13.05.2026;-12,34;EUR;Kartenzahlung BÄCKEREI 4711;Bäckerei Müller;R1
14.05.2026;1.234,56;EUR;Gehalt Mai;ACME GmbH;R2
15.05.2026;0,00;EUR;Hinweis;;R3
32.05.2026;-1,00;EUR;Unmöglicher Tag;;R4
"""


def five(text: str = "Shop") -> str:
    return "Date,Amount,Description\n" + "".join(f"2026-05-{day},-{day}.50,{text} {day}\n" for day in range(13, 18))


@pytest.mark.requirement("ARC-07", "ING-05", "ING-06")
def test_import_valid_csv(user: RestUser) -> None:
    """Every column, amounts to the cent, dates right; the answer has the shape that is fixed."""
    response = user.post_import(BANK.encode("cp1252"), name="Umsätze.csv")
    assert response.status_code == 201
    body = response.json()
    assert response.headers["Location"] == f"/api/v1/imports/{body['id']}"
    assert {"id", "state", "file_name", "file_format", "account_id", "counts", "detected", "created_at", "completed_at"} <= body.keys()
    assert (body["state"], body["file_name"], body["file_format"]) == ("succeeded", "Umsätze.csv", "csv")
    assert body["counts"] == {"rows": 4, "inserted": 2, "duplicates": 0, "suspected_duplicates": 0, "zero_amount": 1, "rejected": 1}
    assert body["detected"]["encoding"] == "cp1252"
    salary, bakery = user.transactions()
    expected = {
        "account_id": body["account_id"],
        "transaction_date": "2026-05-13",
        "amount": "-12.34",
        "currency": "EUR",
        "type": "debit",
        "description": "Kartenzahlung BÄCKEREI 4711",
        "merchant": "Bäckerei Müller",
        "status": "posted",
    }
    assert {name: bakery[name] for name in expected} == expected
    assert (salary["amount"], salary["type"], salary["transaction_date"]) == ("1234.56", "credit", "2026-05-14")
    assert user.http.get(f"/imports/{body['id']}").json() == body
    rows = user.pages(f"/imports/{body['id']}/rows")
    assert [(row["line"], row["outcome"]) for row in rows] == [(2, "inserted"), (3, "inserted"), (4, "zero_amount"), (5, "rejected")]
    assert "date" in rows[3]["reason"]
    assert [row["transaction_id"] for row in rows] == [bakery["id"], salary["id"], None, None]
    assert [row["line"] for row in user.pages(f"/imports/{body['id']}/rows", outcome="rejected")] == [5]


@pytest.mark.requirement("ING-07")
def test_import_dedup_skips(user: RestUser) -> None:
    first, second = user.imported(five()), user.imported(five())
    assert second["counts"] == {
        "rows": 5,
        "inserted": 0,
        "duplicates": 5,
        "suspected_duplicates": 0,
        "zero_amount": 0,
        "rejected": 0,
    }
    assert (first["same_file_as"], second["same_file_as"]) == (None, first["id"])
    assert len(user.transactions()) == 5
    assert [item["id"] for item in user.pages("/imports")] == [second["id"], first["id"]]


@pytest.mark.requirement("ING-09")
def test_import_zero_amount_skipped(user: RestUser) -> None:
    body = user.imported(
        "Date,Amount,Description\n2026-05-13,0,None\n2026-05-14,0.00,Nothing\n2026-05-15,-0.00,Naught\n2026-05-16,-1,Some\n"
    )
    assert (body["counts"]["zero_amount"], body["counts"]["inserted"]) == (3, 1)
    assert len(user.transactions()) == 1


def test_a_repeat_under_the_same_key_gets_the_first_answer(user: RestUser) -> None:
    key = str(uuid4())
    first, again = user.post_import(five(), key=key), user.post_import(five(), key=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    for other in (user.post_import(five("Other"), key=key), user.post_import(five(), key=key, currency="USD")):
        assert (other.status_code, other.json()["reason"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert len(user.transactions()) == 5


def test_a_refusal_is_repeated_too(user: RestUser) -> None:
    key = str(uuid4())
    text = "Date,Amount,Description\n03/04/2025,-1.00,Shop\n05/03/2025,-2.00,Shop\n04/05/2025,-2.00,Shop\n"
    first, again = user.post_import(text, key=key), user.post_import(text, key=key)
    assert (first.status_code, again.status_code) == (422, 422)
    assert first.headers["Content-Type"] == "application/problem+json"
    assert first.json()["errors"] == again.json()["errors"]
    assert first.json()["request_id"] == first.headers["X-Request-ID"]
    assert "date_format" in first.text
    assert user.imported(text, date_format="DD/MM/YYYY")["counts"]["inserted"] == 3
    assert {item["transaction_date"] for item in user.transactions()} == {"2025-04-03", "2025-03-05", "2025-05-04"}


@pytest.mark.requirement("ING-10")
@pytest.mark.parametrize(
    ("content", "fields", "field"),
    [
        (b"", {}, "file"),
        (b"Date,Amount,Description\n", {}, "file"),
        (b"%PDF-1.7\n...", {}, "file"),
        (b"PK\x03\x04...", {}, "file"),
        (b"Date,Amount,Description\nx,y,z\n", {}, None),
        (five().encode(), {"currency": "EURO"}, "currency"),
        (five().encode(), {"account_id": "me"}, "account_id"),
        (five().encode(), {"account_id": "00000000-0000-7000-8000-00000000dead"}, "account_id"),
        (five().encode(), {"file_format": "pdf"}, "file_format"),
        (five().encode(), {"file_format": "qif"}, "file"),
        (five().encode(), {"date_format": "%Q"}, "date_format"),
        (five().encode(), {"columns": {"date": "No such header"}}, None),
        (five().encode(), {"user_id": "00000000-0000-7000-8000-000000000001"}, "user_id"),
    ],
)
def test_what_cannot_be_imported_is_422_with_the_field(user: RestUser, content: bytes, fields: dict[str, str], field: str | None) -> None:
    response = user.post_import(content, **fields)
    assert response.status_code == 422, response.text
    errors = response.json()["errors"]
    assert errors
    assert all(error["reason"] for error in errors)
    if field:
        assert field in [error["field"] for error in errors]
    assert user.transactions() == []
    assert user.pages("/accounts") == []


def test_a_bad_row_is_named_by_line(user: RestUser) -> None:
    response = user.post_import("Date,Amount,Description\n2026-02-30,-1.00,Shop\n2026-02-31,-1.00,Shop\n")
    assert response.status_code == 422
    assert [error["line"] for error in response.json()["errors"]] == [2, 3]


def test_two_users_never_see_each_others_rows(user: RestUser, system: LocalSystem) -> None:
    other = RestUser(system)
    mine = user.imported(five())
    theirs = other.imported(five())
    assert theirs["counts"]["inserted"] == 5
    assert other.http.get(f"/imports/{mine['id']}").status_code == 404
    assert other.http.get(f"/imports/{mine['id']}/rows").status_code == 404
    assert {item["id"] for item in user.transactions()}.isdisjoint(item["id"] for item in other.transactions())
    assert other.post_import(five("New"), account_id=mine["account_id"]).status_code == 422
    other.close()


@pytest.mark.requirement("ING-23")
def test_no_token_no_import(system: LocalSystem) -> None:
    response = httpx.post(f"{system.gateway_url}/api/v1/imports", files={"file": ("x.csv", five())}, trust_env=False)
    assert response.status_code == 401


def test_into_an_account_that_the_user_names(user: RestUser) -> None:
    account = user.http.post("/accounts", json={"name": "Mine", "currency": "CHF"}).json()
    body = user.imported(five(), account_id=account["id"])
    assert body["account_id"] == account["id"]
    assert {(item["account_id"], item["currency"]) for item in user.transactions()} == {(account["id"], "CHF")}


def test_columns_given_by_the_caller_win(user: RestUser) -> None:
    text = "A;B;C;D\n2026-05-13;1,00;2,00;Text one\n2026-05-14;1,00;3,00;Text two\n"
    user.imported(text, columns={"date": "A", "amount": "3", "description": "D"})
    assert sorted(item["amount"] for item in user.transactions()) == ["2.00", "3.00"]


def test_a_second_click_gets_the_first_ones_answer(user: RestUser) -> None:
    key = str(uuid4())
    text = "Date,Amount,Description\n" + "".join(f"2026-05-{13 + row % 15},-1.00,Row {row}\n" for row in range(5_000))
    with ThreadPoolExecutor(4) as clicks:
        answers = list(clicks.map(lambda _: user.post_import(text, key=key), range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert {answer.json()["counts"]["inserted"] for answer in answers} == {5_000}
    assert len(user.transactions()) == 5_000


@pytest.mark.requirement("ING-20")
def test_fifty_imports_at_once(system: LocalSystem) -> None:
    """ING-20: no row lost; whoever is told to wait is told for how long."""
    users = [RestUser(system) for _ in range(10)]

    def send(number: int) -> httpx.Response:
        text = "Date,Amount,Description\n" + "".join(f"2026-05-{13 + row % 15},-1.00,File {number} row {row}\n" for row in range(40))
        while True:
            response = users[number % 10].post_import(text)
            if response.status_code == 201:
                return response
            assert response.status_code in (429, 503), response.text
            time.sleep(float(response.headers["Retry-After"]))

    with ThreadPoolExecutor(50) as senders:
        answers = list(senders.map(send, range(50)))
    assert {answer.json()["counts"]["inserted"] for answer in answers} == {40}
    assert [len(user.transactions()) for user in users] == [200] * 10
    for user in users:
        user.close()


@pytest.mark.requirement("ING-21")
def test_imports_are_counted_in_the_metrics(user: RestUser, system: LocalSystem) -> None:
    """ING-21."""

    def counted() -> dict[str, float]:
        text = httpx.get(f"http://127.0.0.1:{system.ports.metrics('ingestion')}/metrics", trust_env=False).text
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(("scale_imports_total", "scale_import_rows_total")))
        return {name: float(value) for name, value in lines}

    before = counted()
    user.imported(five())
    user.imported(five())
    assert user.post_import("nothing").status_code == 422
    after = counted()
    added = {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
    assert added == {
        'scale_imports_total{outcome="succeeded"}': 2,
        'scale_imports_total{outcome="rejected"}': 1,
        'scale_import_rows_total{outcome="inserted"}': 5,
        'scale_import_rows_total{outcome="duplicate"}': 5,
    }


def test_every_bank_file_is_taken_or_refused_with_a_reason(system: LocalSystem, shared_data: Path) -> None:
    """Never a server error, whatever the file; and the same file again adds nothing."""
    folder = shared_data / "statements"
    with (folder / "MANIFEST.csv").open(encoding="utf-8", newline="") as manifest:
        files = [folder / row["path"] for row in csv.DictReader(manifest) if row["format"] == "csv"]
    assert files
    taken = 0
    for path in files:
        user = RestUser(system)
        response = user.post_import(path.read_bytes(), name=path.name)
        assert response.status_code in (201, 422), f"{path}: {response.text}"
        if response.status_code == 422:
            assert all(error["reason"] for error in response.json()["errors"]), path
            continue
        taken += 1
        counts = response.json()["counts"]
        assert counts["rows"] == counts["inserted"] + counts["duplicates"] + counts["zero_amount"] + counts["rejected"], path
        assert counts["duplicates"] == 0, path
        assert len(user.transactions()) == counts["inserted"], path
        assert user.imported(path.read_bytes(), name=path.name)["counts"]["inserted"] == 0, path
        user.close()
    assert taken > len(files) / 2


def test_a_layout_that_was_explained_is_remembered(system: LocalSystem, user: RestUser) -> None:
    head = "When,What,Gross,Net\n"
    march, april = (
        head + "03/04/2025,a,-1.00,-0.90\n05/03/2025,b,-2.00,-1.90\n",
        head + "04/05/2025,c,-3.00,-2.90\n06/04/2025,d,-4.00,-3.90\n",
    )
    assert user.post_import(march).status_code == 422
    first = user.imported(march, date_format="DD/MM/YYYY", columns={"amount": "Net"})
    second = user.imported(april)
    [profile] = user.http.get("/csv-profiles").json()["items"]
    assert second["detected"]["profile"] == {
        "header_hash": profile["header_hash"],
        "import_id": first["id"],
        "columns": {"amount": "Net"},
        "date_format": "DD/MM/YYYY",
    }
    assert {(row["transaction_date"], row["amount"]) for row in user.transactions()} == {
        ("2025-04-03", "-0.90"),
        ("2025-03-05", "-1.90"),
        ("2025-05-04", "-2.90"),
        ("2025-04-06", "-3.90"),
    }
    other = RestUser(system)
    assert other.http.get("/csv-profiles").json()["items"] == []
    assert other.http.delete(f"/csv-profiles/{profile['header_hash']}").status_code == 404
    assert other.post_import(april).status_code == 422
    other.close()
    assert user.http.delete(f"/csv-profiles/{profile['header_hash']}").status_code == 204
    assert user.http.get("/csv-profiles").json()["items"] == []
    assert user.post_import(april.replace("c,", "e,")).status_code == 422
