"""Everything of a user out of SCALE as a zip, and back into an empty ledger: the same, byte for byte."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from services.local import LocalSystem
from tests.support.rest import RestUser

pytestmark = pytest.mark.e2e

LISTINGS = (
    "/accounts",
    "/transactions",
    "/transfers",
    "/categories",
    "/balance",
    "/budgets",
    "/csv-profiles",
)


@pytest.fixture
def second(system: LocalSystem) -> Iterator[RestUser]:
    """Another fresh user."""
    user = RestUser(system)
    yield user
    user.close()


NASTY = ['say "hi", twice', "two\nlines", "=1+1", "-5", "Ünïcödé 😀", "a;b|c\td", "'quoted'", "\\N \\."]
HEADER = "Date,Amount,Currency,Description,Account"
GIRO_IBAN, SAVINGS_IBAN = "DE02120300000000202051", "DE02500105170137075030"
GIRO = [f'2026-01-{day:02d},-{day}.25,EUR,"{text.replace(chr(34), chr(34) * 2)}",{GIRO_IBAN}' for day, text in enumerate(NASTY, start=1)]
SAVINGS = [f"2026-01-20,500.00,EUR,Own transfer,{SAVINGS_IBAN}", f"2026-01-21,0.01,EUR,Interest,{SAVINGS_IBAN}"]
OUTGOING = [f"2026-01-20,-500.00,EUR,Own transfer to {SAVINGS_IBAN},{GIRO_IBAN}"]
YEN = ["2026-02-01,-1200,JPY,Ramen,JP-1"] * 2
STATEMENTS = {
    name: "\n".join([HEADER, *rows, ""])
    for name, rows in {"giro.csv": GIRO, "savings.csv": SAVINGS, "outgoing.csv": OUTGOING, "yen.csv": YEN}.items()
}


def fill(user: RestUser) -> None:
    for name, content in STATEMENTS.items():
        user.imported(content, name=name)
    user.imported(
        "When;What;Gross\n03.02.2026;Taught;-9,99\n", name="taught.csv", columns={"date": "When", "description": "What", "amount": "Gross"}
    )
    own = user.http.post("/categories", json={"name": "Ramen nights", "primary_slug": "groceries"})
    assert own.status_code == 201, own.text
    transactions = user.transactions()
    for one, change in zip(
        transactions, ({"note": "by hand"}, {"category": "groceries"}, {"note": "", "category": "housing"}), strict=False
    ):
        user.http.patch(f"/transactions/{one['id']}", json=change)
    for transfer in user.pages("/transfers"):
        assert user.http.post(f"/transfers/{transfer['id']}/confirm").status_code == 200
    user.http.patch("/profile", json={"default_currency": "CHF", "locale": "de-CH", "time_zone": "Europe/Zurich"})


def exported(user: RestUser) -> bytes:
    response = user.http.get("/export")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-disposition"].startswith('attachment; filename="scale-export-20')
    return response.content


def restore(user: RestUser, content: bytes, *, path: str = "/restore", key: str | None = None, **fields: str) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return user.http.post(path, files={"file": ("scale-export.zip", content, "application/zip")}, data=fields, headers=headers)


def everything(user: RestUser) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for path in LISTINGS:
        found = user.pages(path)
        seen[path] = [{name: value for name, value in one.items() if name != "as_of"} for one in found]
    imports = [one for one in user.pages("/imports") if one["file_format"] != "scale-export"]
    seen["imports"] = imports
    seen["rows"] = {one["id"]: user.pages(f"/imports/{one['id']}/rows") for one in imports}
    profile = user.http.get("/profile").json()
    seen["profile"] = {name: value for name, value in profile.items() if name not in ("user_id", "id")}
    return seen


def test_an_export_comes_back_the_same(user: RestUser, second: RestUser) -> None:
    fill(user)
    content = exported(user)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.testzip() is None
        names = opened.namelist()
        assert (names[0], names[-1]) == ("README.txt", "manifest.json")
        manifest = json.loads(opened.read("manifest.json"))
        rows = {f"{service['name']}/{one['name']}": one["rows"] for service in manifest["services"] for one in service["files"]}
        assert names[1:-1] == list(rows)
        assert rows["accounts/transactions.csv"] == len(user.transactions()) == 14
        assert rows["ingestion/imports.jsonl"] == 5
        assert str(user.user_id).encode() not in b"".join(map(opened.read, names))
    before = everything(user)
    # A profile made on first sight gives way.
    second.http.get("/profile")
    response = restore(second, content, key="once")
    assert response.status_code == 201, response.text
    body = response.json()
    assert (body["file_format"], body["state"], body["counts"]["inserted"]) == ("scale-export", "succeeded", 14)
    assert everything(second) == before
    assert second.http.get(response.headers["location"].removeprefix("/api/v1")).json() == body
    again = restore(second, content, key="once")
    assert (again.status_code, again.headers["idempotency-replayed"], again.json()) == (201, "true", body)
    anew = restore(second, content, path="/imports").json()
    assert (anew["counts"]["inserted"], anew["counts"]["duplicates"], anew["same_file_as"]) == (0, 14, body["id"])
    undo = second.http.delete(f"/imports/{body['id']}")
    assert (undo.status_code, undo.json()["reason"]) == (409, "RESTORE_NOT_UNDOABLE")
    for name, statement in STATEMENTS.items():
        assert second.imported(statement, name=name)["counts"]["inserted"] == 0
    assert everything(user) == before
