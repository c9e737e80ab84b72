"""Transactions, accounts, profile and categories: JSON to messages and back."""

from __future__ import annotations

from uuid import uuid4

import pytest

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1 import transaction_pb2 as nouns
from services.gateway.schemas import accounts as schemas
from services.gateway.schemas import transfers as transfer_schemas
from tests.support.gateway_app import Gateway, assert_problem, bearer

TRANSACTION_ID = "019b76da-a800-7000-8000-000000000001"
TRANSFER_ID = "019b76da-a800-7000-8000-0000000000f0"
ACCOUNT_ID = "019b76da-a800-7000-8000-00000000000a"


@pytest.mark.requirement("ACC-01", "GW-21")
async def test_list_transactions(gateway: Gateway) -> None:
    response = await gateway.get("/api/v1/transactions")
    assert response.status_code == 200
    body = response.json()
    schemas.TransactionPage.model_validate(body)
    assert body["next_page_token"] == "next-page"
    assert body["items"][0] == {
        "id": TRANSACTION_ID,
        "account_id": ACCOUNT_ID,
        "transaction_date": "2026-01-02",
        "amount": "-12.34",
        "currency": "EUR",
        "type": "debit",
        "description": "CARD PAYMENT 1 REWE BERLIN",
        "merchant": "REWE",
        "category": "groceries_supermarket",
        "primary_category": "groceries",
        "category_source": "file",
        "confidence": None,
        "status": "posted",
        "note": None,
        "suspected_duplicate_of": None,
        "suspicion": None,
        "transfer_id": None,
        "created_at": "2026-02-02T02:40:00.123456Z",
    }


async def test_list_transactions_last_page_and_bare_row(gateway: Gateway) -> None:
    row = nouns.Transaction(transaction_id=TRANSACTION_ID, account_id=ACCOUNT_ID, description="x", confidence=0.25)
    row.type, row.status = nouns.TRANSACTION_TYPE_CREDIT, nouns.TRANSACTION_STATUS_PENDING
    row.amount.currency_code, row.amount.units = "JPY", 1500
    row.transaction_date.year, row.transaction_date.month, row.transaction_date.day = 999, 12, 31
    gateway.accounts.page = pb.ListTransactionsResponse(transactions=[row])
    body = (await gateway.get("/api/v1/transactions")).json()
    item = body["items"][0]
    assert body["next_page_token"] is None
    assert (item["amount"], item["transaction_date"], item["confidence"]) == ("1500", "0999-12-31", 0.25)
    assert [item[name] for name in ("merchant", "category", "primary_category", "category_source", "note")] == [None] * 5


async def test_mistyped_words_are_named(gateway: Gateway) -> None:
    assert (await gateway.get("/api/v1/transactions")).json()["corrected_words"] == []
    corrected = pb.CorrectedWord(word="paymnet", searched_for=["payment"])
    gateway.accounts.page = pb.ListTransactionsResponse(corrected_words=[corrected])
    body = (await gateway.get("/api/v1/transactions?q=paymnet")).json()
    schemas.TransactionPage.model_validate(body)
    assert body == {"items": [], "next_page_token": None, "corrected_words": [{"word": "paymnet", "searched_for": ["payment"]}]}


@pytest.mark.requirement("GW-11")
async def test_every_filter_reaches_the_service(gateway: Gateway) -> None:
    parameters = {
        "page_size": "20",
        "page_token": "abc-_9",
        "date_from": "2026-01-01",
        "date_to": "2026-12-31",
        "amount_min": "-100.5",
        "amount_max": "0",
        "category": "groceries",
        "merchant": "Bäcker & Söhne",
        "type": "debit",
        "status": "pending",
        "account_id": ACCOUNT_ID,
        "q": "süß 50%",
        "filter": "amount < -5 AND (type = debit OR süß)",
        "suspected_duplicate": "true",
    }
    assert set(parameters) == set(schemas.TransactionFilters.model_fields) - {"saved_filter"}
    for path in ("/api/v1/transactions", "/api/v1/accounts/transactions"):
        assert (await gateway.get(path, params=parameters)).status_code == 200
        seen = gateway.accounts.requests[-1]
        assert (seen.page_size, seen.page_token, seen.amount_min, seen.amount_max) == (20, "abc-_9", "-100.5", "0")
        assert (seen.date_from.month, seen.date_to.day, seen.category) == (1, 31, "groceries")
        assert (seen.merchant, seen.query, seen.account_id) == ("Bäcker & Söhne", "süß 50%", ACCOUNT_ID)
        assert seen.filter == parameters["filter"]
        assert seen.type == nouns.TRANSACTION_TYPE_DEBIT
        assert seen.status == nouns.TRANSACTION_STATUS_PENDING
        assert seen.suspected_duplicate
    await gateway.get("/api/v1/transactions?suspected_duplicate=false")
    assert gateway.accounts.requests[-1].HasField("suspected_duplicate")
    assert not gateway.accounts.requests[-1].suspected_duplicate
    await gateway.get("/api/v1/transactions")
    assert not gateway.accounts.requests[-1].HasField("suspected_duplicate")


@pytest.mark.parametrize(("asked", "sent"), [("0", 0), ("1000", 1000), ("1001", 1000), ("2147483647", 1000)])
async def test_page_size_is_capped(gateway: Gateway, asked: str, sent: int) -> None:
    assert (await gateway.get("/api/v1/transactions", params={"page_size": asked})).status_code == 200
    assert gateway.accounts.requests[0].page_size == sent


@pytest.mark.requirement("GW-06")
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=-1", "page_size"),
        ("page_size=ten", "page_size"),
        ("page_size=99999999999999999999", "page_size"),
        ("page_token=a%20b", "page_token"),
        ("date_from=2026-02-30", "date_from"),
        ("date_from=20260201", "date_from"),
        ("date_from=86400", "date_from"),
        ("date_from=2026-W01-1", "date_from"),
        ("date_to=", "date_to"),
        ("date_to=2026-01-01T00:00:00", "date_to"),
        ("date_to=%D9%A2%D9%A0%D9%A2%D9%A6-01-01", "date_to"),
        ("amount_min=1e3", "amount_min"),
        ("amount_min=1,50", "amount_min"),
        ("amount_min=0.00001", "amount_min"),
        ("amount_max=NaN", "amount_max"),
        ("amount_max=999999999999999.9999", "amount_max"),
        ("type=expense", "type"),
        ("type=DEBIT", "type"),
        ("status=booked", "status"),
        ("account_id=1", "account_id"),
        ("account_id=%7B019b76da-a800-7000-8000-00000000000a%7D", "account_id"),
        ("merchant=a%00b", "merchant"),
        ("q=", "q"),
        ("filter=", "filter"),
        (f"filter=rent&saved_filter={TRANSACTION_ID}", "saved_filter"),
        ("saved_filter=rent", "saved_filter"),
        ("filter=a%00b", "filter"),
        ("filter=" + "x" * 4001, "filter"),
        ("suspected_duplicate=perhaps", "suspected_duplicate"),
        ("category=" + "x" * 101, "category"),
        ("catagory=groceries", "catagory"),
        ("user_id=00000000-0000-7000-8000-000000000001", "user_id"),
        ("q=a&q=b", "q"),
        ("q=%FF", "query"),
        ("&".join(f"x{number}=1" for number in range(60)), "query"),
    ],
)
async def test_bad_query_is_422_and_names_the_parameter(gateway: Gateway, query: str, field: str) -> None:
    body = assert_problem(await gateway.get(f"/api/v1/transactions?{query}"), 422, "INVALID_ARGUMENT")
    assert [error["field"] for error in body["errors"]] == [field]
    assert body["errors"][0]["reason"]
    assert not gateway.accounts.requests


async def test_get_and_change_a_transaction(gateway: Gateway) -> None:
    found = await gateway.get(f"/api/v1/transactions/{TRANSACTION_ID}")
    schemas.Transaction.model_validate(found.json())
    changed = await gateway.patch(f"/api/v1/transactions/{TRANSACTION_ID}", json={"note": "Birthday"})
    assert changed.status_code == 200
    assert (changed.json()["note"], changed.json()["category_source"]) == ("Birthday", "user")
    request = gateway.accounts.requests[-1]
    assert (request.transaction_id, request.note) == (TRANSACTION_ID, "Birthday")
    assert list(request.update_mask.paths) == ["note"]
    await gateway.patch(f"/api/v1/transactions/{TRANSACTION_ID}", json={"note": None})
    assert list(gateway.accounts.requests[-1].update_mask.paths) == ["note"]
    assert_problem(await gateway.patch(f"/api/v1/transactions/{TRANSACTION_ID}", json={}), 422)
    assert_problem(await gateway.patch(f"/api/v1/transactions/{TRANSACTION_ID}", json={"note": "x" * 2001}), 422)
    assert_problem(await gateway.patch(f"/api/v1/transactions/{TRANSACTION_ID}", json={"amount": "1"}), 422)
    assert_problem(await gateway.get("/api/v1/transactions/not-a-uuid"), 404, "NO_SUCH_PATH")
    # What is no id is no transaction either: /transactions/stats can only be read.
    assert_problem(await gateway.patch("/api/v1/transactions/stats", json={"note": "x"}), 405)


async def test_transfers(gateway: Gateway) -> None:
    page = await gateway.get("/api/v1/transfers", params={"page_size": "2000", "state": "confirmed"})
    transfer_schemas.TransferPage.model_validate(page.json())
    assert page.json()["next_page_token"] == "next-page"
    (found,) = page.json()["items"]
    assert (found["id"], found["state"], found["reason"], found["decided_at"]) == (TRANSFER_ID, "suggested", "12.34 EUR left Giro", None)
    assert (found["outgoing"]["id"], found["incoming"]["transaction_date"]) == (TRANSACTION_ID, "2026-01-03")
    request = gateway.accounts.requests[-1]
    assert (request.page_size, request.state) == (1000, nouns.TRANSFER_STATE_CONFIRMED)
    await gateway.get("/api/v1/transfers")
    assert gateway.accounts.requests[-1].state == nouns.TRANSFER_STATE_UNSPECIFIED
    one = await gateway.get(f"/api/v1/transfers/{TRANSFER_ID}")
    assert one.json() == found
    for verb, state in (("confirm", "confirmed"), ("undo", "undone")):
        decided = await gateway.post(f"/api/v1/transfers/{TRANSFER_ID}/{verb}")
        assert (decided.status_code, decided.json()["state"], decided.headers["cache-control"]) == (200, state, "no-store")
        transfer_schemas.Transfer.model_validate(decided.json())
        assert gateway.accounts.requests[-1].transfer_id == TRANSFER_ID
    for path in ("?state=open", "?status=undone", "/1"):
        assert_problem(await gateway.get(f"/api/v1/transfers{path}"), 422)


async def test_accounts(gateway: Gateway) -> None:
    page = (await gateway.get("/api/v1/accounts", params={"include_inactive": "true"})).json()
    schemas.AccountPage.model_validate(page)
    assert page["items"][0]["type"] == "credit_card"
    assert page["items"][0]["opening_balance"] == {"amount": "100.00", "currency": "EUR"}
    assert gateway.accounts.requests[-1].include_inactive
    schemas.Account.model_validate((await gateway.get(f"/api/v1/accounts/{ACCOUNT_ID}")).json())
    assert gateway.accounts.requests[-1].account_id == ACCOUNT_ID


async def test_create_account(gateway: Gateway) -> None:
    body = {"name": "Savings", "type": "savings", "currency": "CHF", "opening_balance": {"amount": "-0.05", "currency": "CHF"}}
    response = await gateway.post("/api/v1/accounts", json=body, headers={"Idempotency-Key": "once"})
    assert response.status_code == 201
    assert response.headers["location"] == f"/api/v1/accounts/{ACCOUNT_ID}"
    first = gateway.accounts.requests[-1]
    assert (first.name, first.type, first.currency) == ("Savings", nouns.ACCOUNT_TYPE_SAVINGS, "CHF")
    assert (first.opening_balance.units, first.opening_balance.nanos) == (0, -50_000_000)
    assert len(first.request_id) == 36
    await gateway.post("/api/v1/accounts", json={"name": "x"}, headers={"Idempotency-Key": "once"})
    second = gateway.accounts.requests[-1]
    assert second.request_id == first.request_id
    assert (second.type, second.currency, second.HasField("opening_balance")) == (nouns.ACCOUNT_TYPE_CHECKING, "", False)
    await gateway.post("/api/v1/accounts", json={"name": "x"})
    assert gateway.accounts.requests[-1].request_id != first.request_id


@pytest.mark.parametrize("key", ["", "a" * 256, "with space", "ümlaut", "tab\there"])
async def test_bad_idempotency_key(gateway: Gateway, key: str) -> None:
    for path in ("/api/v1/accounts", "/api/v1/categories"):
        body = {"name": "x"} if path.endswith("accounts") else {"name": "x", "primary_slug": "groceries"}
        token = bearer(gateway.user_id)["Authorization"].encode()
        headers = [(b"Idempotency-Key", key.encode()), (b"Authorization", token)]
        response = await gateway.client.post(path, json=body, headers=headers)
        assert assert_problem(response, 422)["errors"][0]["field"] == "Idempotency-Key"


async def test_change_account(gateway: Gateway) -> None:
    response = await gateway.patch(f"/api/v1/accounts/{ACCOUNT_ID}", json={"name": "House", "type": "other", "active": False})
    assert response.status_code == 200
    request = gateway.accounts.requests[-1]
    assert (request.account.account_id, request.account.name) == (ACCOUNT_ID, "House")
    assert not request.account.active
    assert list(request.update_mask.paths) == ["active", "name", "type"]
    for body in ({}, {"name": None}, {"active": None}, {"active": "yes"}, {"type": "bank"}, {"opening_balance": None}, {"currency": "EUR"}):
        assert_problem(await gateway.patch(f"/api/v1/accounts/{uuid4()}", json=body), 422)


@pytest.mark.requirement("ACC-02", "GW-21")
async def test_profile(gateway: Gateway) -> None:
    for path in ("/api/v1/profile", "/api/v1/accounts/profile"):
        body = (await gateway.get(path)).json()
        schemas.Profile.model_validate(body)
        assert body["display_name"] is None
        assert body["transfer_suggestions"] is True
    await gateway.patch("/api/v1/profile", json={"display_name": None, "default_currency": "USD"})
    request = gateway.accounts.requests[-1]
    assert list(request.update_mask.paths) == ["default_currency", "display_name"]
    assert (request.profile.display_name, request.profile.default_currency) == ("", "USD")
    await gateway.patch("/api/v1/profile", json={"transfer_suggestions": False})
    request = gateway.accounts.requests[-1]
    assert (list(request.update_mask.paths), request.profile.transfer_suggestions) == (["transfer_suggestions"], False)
    for body in (
        {},
        {"transfer_suggestions": None},
        {"transfer_suggestions": "no"},
        {"default_currency": "dollar"},
        {"default_currency": None},
        {"user_id": str(uuid4())},
    ):
        assert_problem(await gateway.patch("/api/v1/profile", json=body), 422)


async def test_categories(gateway: Gateway) -> None:
    page = (await gateway.get("/api/v1/categories")).json()
    schemas.CategoryPage.model_validate(page)
    assert gateway.accounts.requests[-1].page_size == 0
    made = await gateway.post("/api/v1/categories", json={"name": "Climbing", "primary_slug": "entertainment"})
    assert made.status_code == 201
    assert made.json() == {"slug": "climbing", "name": "Climbing", "primary_slug": "entertainment", "custom": True}
    assert_problem(await gateway.post("/api/v1/categories", json={"name": "Climbing"}), 422)
