"""Everything of a user out of SCALE as a zip, and back into an empty ledger: the same, byte for byte."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from services.local import LocalSystem
from tests.support import household
from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

LISTINGS = (
    "/accounts",
    "/transactions",
    "/transfers",
    "/categories",
    "/balance",
    "/budgets",
    "/saved-filters",
    "/rules",
    "/edits",
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


OFX = """OFXHEADER:100
DATA:OFXSGML

<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>USD<BANKACCTFROM><BANKID>1<ACCTID>77-1</BANKACCTFROM><BANKTRANLIST>
<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20260304<TRNAMT>-12.34<FITID>F1<NAME>Corner Bakery</STMTTRN>
<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20260305<TRNAMT>2000.00<FITID>F2<NAME>ACME</STMTTRN>
</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""
QIF = "!Type:Bank\nD2026-03-09\nT-7.77\nPKiosk\n^\n"
SUSPECTED = [f"2026-01-21,0.01,EUR,Interest first quarter,{SAVINGS_IBAN}", f"2026-01-05,-5.25,EUR,Ünïcödé 😀 ref 1,{GIRO_IBAN}"]
STATEMENTS |= {"bank.ofx": OFX, "bank.qif": QIF, "suspected.csv": "\n".join([HEADER, *SUSPECTED, ""])}
TAUGHT = "When;What;Gross\n03.02.2026;Taught;-9,99\n"


def made(user: RestUser, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = user.http.post(path, json=body)
    assert response.status_code in (200, 201), response.text
    return dict(response.json())


def fill(user: RestUser) -> None:
    """A bit of everything, with texts that break what is not careful."""
    made(user, "/rules", {"name": "Ramen out", "filter": "description: ramen", "category": "dining", "note": "by rule"})
    user.http.patch("/profile", json={"default_currency": "CHF", "locale": "de-CH", "time_zone": "Europe/Zurich"})
    for name, content in STATEMENTS.items():
        user.imported(content, name=name)
    user.imported(TAUGHT, name="taught.csv", columns={"date": "When", "description": "What", "amount": "Gross"})
    assert user.post_import("Date,Amount,Description\nno,row,here\n").status_code == 422
    own = made(user, "/categories", {"name": "Ramen nights", "primary_slug": "groceries"})["slug"]
    transactions = user.transactions()
    for one, change in zip(transactions, ({"note": 'by hand, "quoted"\nline'}, {"category": own}, {"category": "housing"}), strict=False):
        assert user.http.patch(f"/transactions/{one['id']}", json=change).status_code == 200
    first, second = user.transactions(suspected_duplicate="true")
    made(user, f"/transactions/{first['id']}/merge", {})
    made(user, f"/transactions/{second['id']}/keep", {})
    for transfer in user.pages("/transfers"):
        assert user.http.post(f"/transfers/{transfer['id']}/confirm").status_code == 200
    month = {"period_start": "2026-01-01", "period_end": "2026-01-31", "roll_over": True}
    made(user, "/budgets", {"category": own, "amount": {"amount": "400.00", "currency": "EUR"}, **month})
    edited = user.http.patch("/transactions", json={"filter": "amount > 0", "note": "money in"})
    assert (edited.status_code, edited.json()["changed"] > 2) == (200, True), edited.text
    made(user, "/saved-filters", {"name": "Ramen", "filter": 'description: "ramen" AND amount < 0'})
    typed = {"account_id": transactions[0]["account_id"], "transaction_date": "2026-01-10", "amount": "-9.99", "description": "=typed"}
    made(user, "/transactions", typed)
    user.imported(household.statement(household.household(date(2026, 2, 28))))
    user.forecast({"granularity": "month", "horizon": 3, "labels": {'a "b"': "=c\n"}})
    user.looked_through()
    made(user, f"/anomalies/{user.pages('/anomalies')[0]['id']}/dismiss", {})


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
    forecasts = [user.http.get(f"/forecasts/{one['id']}").json() for one in user.pages("/forecasts")]
    seen["forecasts"] = [{name: value for name, value in one.items() if name != "user_id"} for one in forecasts]
    seen["anomalies"] = user.pages("/anomalies", state="any")
    profile = user.http.get("/profile").json()
    seen["profile"] = {name: value for name, value in profile.items() if name not in ("user_id", "id")}
    return seen


@pytest.mark.requirement("ACC-15")
def test_an_export_comes_back_the_same(user: RestUser, second: RestUser) -> None:
    fill(user)
    count = len(user.transactions())
    content = exported(user)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.testzip() is None
        names = opened.namelist()
        assert (names[0], names[-1]) == ("README.txt", "manifest.json")
        manifest = json.loads(opened.read("manifest.json"))
        rows = {f"{service['name']}/{one['name']}": one["rows"] for service in manifest["services"] for one in service["files"]}
        assert names[1:-1] == list(rows)
        assert rows["accounts/transactions.csv"] == count
        assert str(user.user_id).encode() not in b"".join(map(opened.read, names))
    before = everything(user)
    assert before["/transfers"]
    assert before["/saved-filters"]
    assert before["forecasts"][0]["points"]
    assert {one["state"] for one in before["anomalies"]} == {"open", "dismissed"}
    # A profile made on first sight gives way.
    second.http.get("/profile")
    response = restore(second, content, key="once")
    assert response.status_code == 201, response.text
    body = response.json()
    assert (body["file_format"], body["state"], body["counts"]["inserted"]) == ("scale-export", "succeeded", count)
    assert everything(second) == before
    assert second.http.get(response.headers["location"].removeprefix("/api/v1")).json() == body
    again = restore(second, content, key="once")
    assert (again.status_code, again.headers["idempotency-replayed"], again.json()) == (201, "true", body)
    anew = restore(second, content, path="/imports").json()
    assert (anew["counts"]["inserted"], anew["counts"]["duplicates"], anew["same_file_as"]) == (0, count, body["id"])
    undo = second.http.delete(f"/imports/{body['id']}")
    assert (undo.status_code, undo.json()["reason"]) == (409, "RESTORE_NOT_UNDOABLE")
    assert everything(user) == before


def test_export_erase_restore_gives_the_same_ledger(system: LocalSystem, user: RestUser) -> None:
    fill(user)
    before, content = everything(user), exported(user)
    offer = user.http.post("/erase").json()
    assert user.http.post("/erase", json={"confirmation": offer["confirmation"]}).status_code == 200
    assert restore(user, content).status_code == 401
    time.sleep(1.1)  # tokens count whole seconds
    anew = RestUser(system, user.user_id)
    assert anew.transactions() == []
    response = restore(anew, content)
    assert response.status_code == 201, response.text
    assert everything(anew) == before
    # What was edited can still be taken back.
    (edit,) = (one for one in before["/edits"] if one["filter"] == "amount > 0")
    undone = anew.http.post(f"/edits/{edit['id']}/undo")
    assert undone.status_code == 200, undone.text
    assert not any(one["note"] == "money in" for one in anew.transactions())
    for name, statement in STATEMENTS.items():
        assert anew.imported(statement, name=name)["counts"]["inserted"] == 0, name
    assert anew.imported(TAUGHT, name="taught.csv")["counts"]["inserted"] == 0
    anew.close()


def test_the_transactions_alone_are_a_statement_like_any_other(user: RestUser, second: RestUser) -> None:
    for name in ("giro.csv", "savings.csv", "yen.csv"):
        user.imported(STATEMENTS[name], name=name)
    one = user.transactions()[0]
    assert user.http.patch(f"/transactions/{one['id']}", json={"category": "housing"}).status_code == 200
    with zipfile.ZipFile(io.BytesIO(exported(user))) as opened:
        ledger = opened.read("accounts/transactions.csv")
    imported = second.imported(ledger, name="transactions.csv")
    assert imported["counts"]["inserted"] == len(user.transactions())
    kept = ("transaction_date", "amount", "currency", "description", "merchant", "category")
    mine, theirs = ([tuple(row[name] for name in kept) for row in one.transactions()] for one in (user, second))
    assert sorted(mine, key=repr) == sorted(theirs, key=repr)
    assert sorted(row["identifier"] for row in user.pages("/accounts")) == sorted(row["identifier"] for row in second.pages("/accounts"))
    assert second.imported(ledger, name="transactions.csv")["counts"]["inserted"] == 0
