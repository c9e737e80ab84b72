"""Everything of a user is erased from every table, queue and file, and stays so; nobody else notices."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis import Redis

from services.kit.auth import mint_token
from services.local import LocalSystem
from services.local.environment import AUTH_AUDIENCE, AUTH_ISSUER, SIGNING_KEY
from tests.e2e.test_large_import import accepted, ledger_held, statement, wait_until
from tests.e2e.test_training import says_what_payments_were
from tests.ingestion import ofx_files as ofx
from tests.support import federation_rows, forecasting_rows
from tests.support.rest import RestUser
from tests.support.statements import hobby_statement

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CSV = "Date,Amount,Description,Account\n"
GIRO, SAVINGS = "DE02120300000000202051", "DE02500105170137075030"
FIGURES = ("/transactions/stats", "/summaries/monthly", "/budgets/utilization", "/cash-flow", "/balance", "/budgets", "/accounts")
ROWS_WITH = """
    SELECT n.nspname || '.' || c.relname AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""


@pytest.fixture
def system(breakable_system: LocalSystem) -> LocalSystem:
    return breakable_system


def erase(user: RestUser, *, status: int = 200) -> dict[str, Any]:
    """Both steps."""
    offer = user.http.post("/erase")
    assert offer.status_code == 200, offer.text
    response = user.http.post("/erase", json={"confirmation": offer.json()["confirmation"]})
    assert response.status_code == status, response.text
    assert response.headers["cache-control"] == "no-store"
    return dict(response.json())


def signed_in_anew(system: LocalSystem, user: RestUser) -> RestUser:
    """The same person, a second later."""
    time.sleep(1.1)
    return RestUser(system, user.user_id)


def traces(system: LocalSystem, user_id: object) -> list[str]:
    """Where the user's id is found: tables and materialised views, Redis, files."""
    return [*asyncio.run(_rows(system, str(user_id))), *_values(system, str(user_id)), *_files(system, str(user_id))]


async def _rows(system: LocalSystem, user_id: str) -> list[str]:
    connection = await asyncpg.connect(system.migrator_url)
    try:
        names = [record["name"] for record in await connection.fetch(ROWS_WITH)]
        assert {"accounts.transactions", "accounts.user_category_stats", "ingestion.imports", "auth.erasures"} <= set(names)
        found = []
        for name in names:
            # Also as bytes, without hyphens, inside JSON and arrays.
            held = await connection.fetchval(
                f"SELECT count(*) FROM {name} AS one WHERE one::text ILIKE $1 OR one::text ILIKE $2",
                f"%{user_id}%",
                f"%{user_id.replace('-', '')}%",
            )
            found += [f"{name}: {held} rows"] if held else []
        return found
    finally:
        await connection.close()


def _values(system: LocalSystem, user_id: str) -> list[str]:
    found = []
    with Redis.from_url(system.redis_url) as redis:
        for key in redis.scan_iter(count=1000):
            content = b"\n".join([key, *_content(redis, key)])
            if user_id.encode() in content:
                found.append(f"{key!r}")
    return found


def _content(redis: Any, key: bytes) -> list[bytes]:
    match redis.type(key):
        case b"string":
            values = [redis.get(key) or b""]
        case b"list":
            values = redis.lrange(key, 0, -1)
        case b"hash":
            values = [part for pair in redis.hgetall(key).items() for part in pair]
        case b"zset":
            values = redis.zrange(key, 0, -1)
        case b"set":
            values = list(redis.smembers(key))
        case _:
            values = [part for _, fields in redis.xrange(key) for pair in fields.items() for part in pair]
    # A message of the queue holds its arguments in base64.
    return [*values, *(base64.b64decode(part["body"]) for value in values for part in _messages(value))]


def _messages(value: bytes) -> list[dict[str, Any]]:
    try:
        content = json.loads(value)
    except ValueError:
        return []
    parts = content if isinstance(content, list) else [content]
    return [part for part in parts if isinstance(part, dict) and "body" in part]


def _files(system: LocalSystem, user_id: str) -> list[str]:
    found = []
    for within, _, names in os.walk(system.home.objects):  # while workers take away what they had in hand
        found += [within] if user_id in within else []
        for path in (Path(within, name) for name in names):
            with suppress(FileNotFoundError):
                if user_id in path.name or user_id.encode() in path.read_bytes():
                    found.append(str(path))
    return found


async def rows_of_every_table(system: LocalSystem, user: RestUser) -> None:
    """Of forecasting and of federation: what was foreseen, what was odd, and the devices that took part."""
    for service, fill in (("forecasting", forecasting_rows.fill), ("federation", federation_rows.fill)):
        connection = await asyncpg.connect(system.service_url(service))
        try:
            async with connection.transaction():
                await connection.execute("SELECT set_config('app.user_id', $1, true)", str(user.user_id))
                await fill(connection, user.user_id)
        finally:
            await connection.close()


def rich(system: LocalSystem, user: RestUser) -> None:
    """A bit of everything."""
    asyncio.run(rows_of_every_table(system, user))
    user.imported(CSV + f"2026-01-02,-20.00,Rent,{GIRO}\n2026-01-03,-500.00,To savings,{GIRO}\n2026-01-04,-3.00,Coffee,{GIRO}\n")
    user.imported(CSV + f"2026-01-03,500.00,From giro,{SAVINGS}\n2026-01-05,2.00,Interest,{SAVINGS}\n")
    user.imported(CSV + f"2026-01-04,-3.00,Coffee at the corner,{GIRO}\n2026-01-02,-20.00,Rent,{GIRO}\n2026-01-09,what,ever,{GIRO}\n")
    assert user.post_import("Date,Amount,Description\nno,row,here\n").status_code == 422
    taught = user.post_import(
        "When;What;Gross;Net\n02.01.2026;A;1,00;2,00\n", columns={"date": "When", "description": "What", "amount": "Net"}
    )
    assert taught.status_code == 201, taught.text
    # Ids of a bank, and a row that is known under another text, too.
    payment = ofx.transaction("DEBIT", "20260111", "-7.00", "FIT-1", NAME="Kiosk")
    user.imported(ofx.document(ofx.HEADER_2, ofx.bank(payment)), name="bank.ofx")
    user.imported(CSV + f"2026-01-02,-20.00,Rent ref 4711,{GIRO}\n")
    (suspected,) = user.transactions(suspected_duplicate="true", q="4711")
    assert user.http.post(f"/transactions/{suspected['id']}/merge").status_code == 200
    for transfer in user.pages("/transfers"):
        user.http.post(f"/transfers/{transfer['id']}/confirm")
    category = user.http.post("/categories", json={"name": "Holidays", "primary_slug": "travel"})
    assert category.status_code == 201, category.text
    one = user.transactions()[0]
    changed = user.http.patch(f"/transactions/{one['id']}", json={"category": category.json()["slug"], "note": str(user.user_id)})
    assert changed.status_code == 200, changed.text
    user.http.patch("/profile", json={"display_name": "Somebody"})
    typed = {"account_id": one["account_id"], "transaction_date": "2026-01-10", "amount": "-9.99", "description": "By hand"}
    budget = {
        "category": "travel",
        "amount": {"amount": "400.00", "currency": "EUR"},
        "period_start": "2026-01-01",
        "period_end": "2026-01-31",
    }
    saved = {"name": "Coffee", "filter": "description:coffee"}
    rule = {"name": "Coffee", "filter": "description:coffee", "category": "dining"}
    for path, body in (("/transactions", typed), ("/budgets", budget), ("/saved-filters", saved), ("/rules", rule)):
        made = user.http.post(path, json=body)
        assert made.status_code == 201, made.text
    user.imported(hobby_statement())
    user.carried_out(user.http.post("/categories/suggestions"))
    user.carried_out(user.http.post("/classify/batch", json={"items": [{"description": "X", "amount": "1", "currency": "EUR"}] * 1001}))
    edited = user.http.patch("/transactions", json={"filter": "description:rent", "note": "shared"})
    assert (edited.status_code, edited.json()["changed"]) == (200, 1), edited.text
    says_what_payments_were(user)
    user.trained()
    for path in FIGURES:  # what is kept ahead, and what is kept of the answer
        assert user.http.get(path).status_code == 200


@pytest.mark.requirement("ACC-15")
def test_nothing_of_the_user_is_left_and_nobody_else_notices(system: LocalSystem, user: RestUser) -> None:
    other = RestUser(system)
    for one in (user, other):
        rich(system, one)
        done = wait_until(one, accepted(one, statement(6000))["id"], lambda found: found["state"] == "succeeded", 60)
        assert done["counts"]["inserted"] == 6000
    before = {
        path: other.http.get(path).json() for path in ("/transactions?page_size=1000", "/accounts", "/transfers", "/imports", "/profile")
    }
    offer = user.http.post("/erase").json()
    assert offer["rows"]["accounts"]["transactions"] == len(user.transactions())
    # Whoever adds a table adds to `rich`: what is not there cannot be seen to go.
    assert [table for tables in offer["rows"].values() for table, count in tables.items() if not count] == []
    assert traces(system, user.user_id)
    copy = user.http.get("/export").content
    with ledger_held(system):
        # One that a worker reads just now, and one that waits behind it.
        held = accepted(user, statement(6000, "held"))
        wait_until(user, held["id"], lambda found: found["state"] == "running", 30)
        accepted(user, statement(6000, "waits"))
    erased = user.http.post("/erase", json={"confirmation": offer["confirmation"]})
    assert erased.status_code == 200, erased.text
    assert erased.json()["erased"]["accounts"]["transactions"] >= offer["rows"]["accounts"]["transactions"]
    assert erased.json()["erased"]["ingestion"]["imports"] == offer["rows"]["ingestion"]["imports"] + 2
    deadline = time.monotonic() + 10
    while (left := traces(system, user.user_id)) and time.monotonic() < deadline:
        time.sleep(0.2)  # a worker lets go of what it had in hand
    assert left == []
    assert {path: other.http.get(path).json() for path in before} == before
    # A token that is still valid brings nothing back.
    assert user.transactions() == []
    assert [user.http.get(path).json()["items"] for path in FIGURES] == [[]] * len(FIGURES)
    refused = [
        user.http.get("/profile"),
        user.http.patch("/profile", json={"display_name": "Me again"}),
        user.post_import(CSV + f"2026-01-02,-20.00,Rent,{GIRO}\n"),
        user.post_import(statement(6000)),
        user.http.post("/restore", files={"file": ("scale-export.zip", copy, "application/zip")}),
        user.http.post("/accounts", json={"name": "Giro", "type": "checking", "currency": "EUR"}),
        user.http.post("/categories", json={"name": "Mine", "primary_slug": "travel"}),
    ]
    assert [(one.status_code, one.json()["reason"]) for one in refused] == [(401, "USER_ERASED")] * len(refused)
    assert traces(system, user.user_id) == []
    # A second click, and what the first step says then.
    again = user.http.post("/erase", json={"confirmation": offer["confirmation"]})
    assert again.status_code == 200
    assert {count for rows in again.json()["erased"].values() for count in rows.values()} == {0}
    # A new sign-in starts anew, and nothing older can harm it.
    back = signed_in_anew(system, user)
    assert back.imported(CSV + f"2026-01-02,-20.00,Rent,{GIRO}\n")["counts"]["inserted"] == 1
    assert user.http.post("/erase", json={"confirmation": offer["confirmation"]}).status_code == 401
    foreign = back.http.post("/erase", json={"confirmation": offer["confirmation"]})
    assert (foreign.status_code, foreign.json()["reason"]) == (422, "CONFIRMATION_INVALID")
    assert len(back.transactions()) == 1
    erase(back)
    for one in (back, other):
        one.close()


@contextmanager
def imports_held(system: LocalSystem, user: RestUser) -> Iterator[None]:
    """Imports of one user wait for each other: here for us, in the middle of the ledger's transaction."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(system.migrator_url))
        try:
            key = f"accounts.append {user.user_id}"
            runner.run(connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", key))
            yield
        finally:
            connection.terminate()


@pytest.mark.parametrize("rows", [10, 6000])
def test_an_import_in_the_middle_is_stopped_and_not_waited_for(system: LocalSystem, user: RestUser, rows: int) -> None:
    """Within its request, and by a worker."""
    user.imported(statement(10, "before"))
    with imports_held(system, user), ThreadPoolExecutor(1) as pool:
        sent = pool.submit(user.post_import, statement(rows))
        deadline = time.monotonic() + 30
        while not [one for one in user.pages("/imports") if (one["progress"] or {}).get("stage") == "storing"]:
            assert time.monotonic() < deadline, user.pages("/imports")
            time.sleep(0.1)
        started = time.monotonic()
        erase(user)
        assert time.monotonic() - started < 9
        assert sent.result(30).status_code in ((401, 409) if rows == 10 else (202,)), sent.result().text
    deadline = time.monotonic() + 10
    while left := traces(system, user.user_id):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def test_a_token_without_a_time_of_issue_is_an_old_one(system: LocalSystem, user: RestUser) -> None:
    user.imported(CSV + f"2026-01-02,-20.00,Rent,{GIRO}\n")
    erase(user)
    import jwt

    token = mint_token(system.home.secret(SIGNING_KEY), user_id=user.user_id, audience=AUTH_AUDIENCE, issuer=AUTH_ISSUER)
    claims = jwt.decode(token, options={"verify_signature": False})
    del claims["iat"]
    user.http.headers["Authorization"] = f"Bearer {jwt.encode(claims, system.home.secret(SIGNING_KEY))}"
    assert user.http.get("/profile").status_code == 401
    assert user.http.get("/transactions").json()["items"] == []


@pytest.mark.chaos
@pytest.mark.parametrize("service", ["accounts", "ingestion", "categorization"])
def test_a_service_that_is_down_is_named_and_the_same_request_finishes_it(system: LocalSystem, user: RestUser, service: str) -> None:
    rich(system, user)
    offer = user.http.post("/erase").json()
    pid = system.pid(service)
    os.kill(pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    first = user.http.post("/erase", json={"confirmation": offer["confirmation"]})
    if first.status_code != 200:
        problem = first.json()
        assert (first.status_code, problem["reason"]) == (503, "ERASURE_INCOMPLETE")
        assert list(problem["unfinished"]) == [service]
        assert service not in problem["erased"]
        assert int(first.headers["retry-after"]) >= 1
    deadline = time.monotonic() + 30
    while (again := user.http.post("/erase", json={"confirmation": offer["confirmation"]})).status_code == 503:
        assert time.monotonic() < deadline, again.text
        time.sleep(0.5)
    assert again.status_code == 200, again.text
    assert traces(system, user.user_id) == []
    assert user.http.get("/profile").status_code == 401


@pytest.mark.chaos
def test_without_redis_the_ledger_is_erased_and_the_rest_as_soon_as_it_is_back(system: LocalSystem, user: RestUser) -> None:
    rich(system, user)
    os.kill(system.pid("redis"), signal.SIGKILL)
    deadline = time.monotonic() + 30
    offer = user.http.post("/erase").json()
    while (again := user.http.post("/erase", json={"confirmation": offer["confirmation"]})).status_code == 503:
        assert time.monotonic() < deadline, again.text
        time.sleep(0.3)
    assert again.status_code == 200, again.text
    assert traces(system, user.user_id) == []
