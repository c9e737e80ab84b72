"""Whatever a user does, no answer to another changes, although both have categories, merchants and budgets of the same names.

Every GET route of the API is read, those included that come later: a route that cannot be read here fails the test until FIRST or LAST
makes something to read, or SKIPPED says why not.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway import openapi
from services.local import LocalSystem
from tests.e2e.test_transfers import GIRO, IN, LUNCH, OUT, SAVINGS, statement
from tests.support.household import household
from tests.support.household import statement as statement_of_year
from tests.support.rest import RestUser

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PATHS = openapi.document()["paths"]
SKIPPED = {
    "/imports/{import_id}/stream": "the same import as in /imports/{import_id}, as events",
    "/classify/jobs/{job_id}": "no list names it; tests/e2e/test_categorization.py shows that it is the user's alone",
    "/classify/jobs/{job_id}/results": "as that",
    "/training/jobs/{job_id}": "training goes on by itself; tests/training shows that jobs and versions are the user's alone",
    "/training/status/{job_id}": "as that",
    "/training/stream/{job_id}": "as that",
    "/training/models/{model}/live": "as that",
    "/training/models/{model}/versions": "as that",
    "/training/models/{model}/versions/{version}": "as that",
    "/anomalies/scans/{scan_id}": "no list names it; tests/e2e/test_anomalies.py shows that it is the user's alone",
    "/federation/status": "for administrators; tests/gateway/test_federation.py shows that others are refused",
    "/federation/rounds": "as that",
    "/federation/rounds/{round_id}": "as that",
    "/federation/model/versions": "as that",
    "/export": "a zip that tells when it was made; its content is what the other routes answer",
}
PARAMETERS = {
    "category": ["groceries", "uncategorized"],
    "merchant": ["Corner Shop"],
    "q": ["shop", "shpo"],
    "filter": ['merchant = "Corner Shop" AND amount < 0'],
    "fresh": ["true"],
    "granularity": ["month"],
    "on_date": ["2026-01-15"],
    "currency": ["EUR"],
    "include_inactive": ["true"],
    "min_severity": ["low"],
}
"""Each is tried on every route that takes it."""
PAYMENTS = [
    {"description": f"{shop} {amount}", "merchant": shop, "amount": amount, "currency": "EUR"}
    for shop in ("Corner Shop", "REWE", "Market stall")
    for amount in ("-3.00", "-250.00")
]
YEAR = household(date(2026, 2, 28))
"""The same for every user: in it there is something odd."""
VOLATILE = {"figures_time", "scanned_at", "head_download_url", "encoder_download_url", "download_expires_at"}

Call = tuple[str, str, dict[str, Any]]

FIRST: list[Call] = [
    ("POST", "/categories", {"name": "Market stall", "primary_slug": "groceries"}),
    ("POST", "/budgets", {"category": "groceries", "amount": {"amount": "100", "currency": "EUR"}, "period_start": "2026-01-01",
                          "period_end": "2026-01-31"}),
    ("POST", "/budgets", {"category": "groceries", "amount": {"amount": "100", "currency": "EUR"}, "period_start": "2026-02-01",
                          "period_end": "2026-02-28", "roll_over": True}),
    ("POST", "/budgets", {"category": "market_stall", "amount": {"amount": "5", "currency": "USD"}, "period_start": "2026-01-01",
                          "period_end": "2026-12-31"}),
    ("POST", "/saved-filters", {"name": "Corner", "filter": "merchant = \"Corner Shop\""}),
    ("POST", "/classify/feedback", {"description": "Corner Shop 17", "amount": "-3.00", "currency": "EUR", "category": "education"}),
    ("POST", "/rules", {"name": "Corner", "filter": "merchant = \"Corner Shop\"", "note": "around the corner"}),
]  # fmt: skip
"""What each user asks for, word for word the same, before anything is imported, and after."""
LAST: list[Call] = [("PATCH", "/transactions", {"filter": "merchant = REWE OR description:Mittagessen", "category": "dining"})]


class Row(NamedTuple):
    """One line of a statement."""

    day: int
    amount: Decimal
    currency: str
    merchant: str
    category: str


ROWS = st.lists(
    st.builds(
        Row,
        st.integers(0, 58),
        st.decimals(-200, 50, places=2).filter(bool),
        st.sampled_from(["EUR", "EUR", "USD"]),
        st.sampled_from(["Corner Shop", "REWE"]),
        st.sampled_from(["groceries_supermarket", "Market stall", ""]),
    ),
    min_size=1,
    max_size=8,
)


def fill(user: RestUser, rows: list[Row]) -> None:
    """The same for every user, but for the rows."""
    ask_for(user, FIRST)
    user.imported(statement(GIRO, OUT, LUNCH))
    user.imported(statement(SAVINGS, IN))
    lines = [
        f"{date(2026, 1, 1) + timedelta(row.day)};{row.amount};{row.currency};Purchase {place};{row.merchant};{row.category}"
        for place, row in enumerate(rows)
    ]
    columns = {"date": "When", "amount": "Net", "currency": "Cur", "description": "Text", "merchant": "Shop", "category": "Kind"}
    made = user.imported("\n".join(["When;Net;Cur;Text;Shop;Kind", *lines]) + "\n", columns=columns)
    assert (made["counts"]["inserted"], made["counts"]["suspected_duplicates"]) == (len(rows), 0)
    user.imported(statement_of_year(YEAR))
    ask_for(user, LAST)
    user.forecast({"granularity": "month", "horizon": 3})
    user.looked_through()


def ask_for(user: RestUser, calls: list[Call]) -> None:
    """Each must be granted."""
    for method, path, body in calls:
        response = user.http.request(method, path, json=body)
        assert response.is_success, response.text


def routes() -> Iterator[tuple[str, list[str]]]:
    """Every route that is read as a user, below /api/v1, with the names of its query parameters."""
    for path, operations in PATHS.items():
        short = path.removeprefix("/api/v1")
        if "get" in operations and operations["get"]["security"] and short not in SKIPPED:
            yield short, [one["name"] for one in operations["get"].get("parameters", ()) if one["in"] == "query"]


def everything(user: RestUser) -> dict[str, Any]:
    """What each route answers, plain and under each parameter; an id in a path is that of the first item of the list before it."""
    answers: dict[str, Any] = {}

    def ask(path: str, **query: str) -> Any:
        response = user.http.get(path, params=query)
        assert response.status_code == 200, f"{path} {query}: {response.text}"
        body = {name: value for name, value in response.json().items() if name not in VOLATILE}
        answers[f"{path} {query}"] = body
        return body

    # What is predicted for a user is read, too, though by POST.
    answers["classify"] = user.http.post("/classify/batch", json={"items": PAYMENTS}).raise_for_status().json()
    for path, parameters in routes():
        concrete = path
        for name in re.findall(r"{\w+}", path):
            if name == "{user_id}":
                concrete = concrete.replace(name, str(user.user_id))
                continue
            found = ask(concrete.partition("/{")[0])["items"]
            assert found, f"{path}: nothing to read; let FIRST or LAST make something"
            concrete = concrete.replace(name, found[0]["id"])
        ask(concrete)
        for name in set(parameters) & PARAMETERS.keys():
            for value in PARAMETERS[name]:
                ask(concrete, **{name: value})
    return answers


def refresh(system: LocalSystem) -> None:
    """Makes the figures anew, as the worker does."""

    async def run() -> None:
        connection = await asyncpg.connect(system.service_url("accounts"))
        await connection.fetchval("SELECT accounts.refresh_figures(true)")
        await connection.close()

    asyncio.run(run())


@settings(max_examples=3, deadline=None)
@given(mine=ROWS, theirs=ROWS)
def test_no_user_changes_what_another_is_told(system: LocalSystem, mine: list[Row], theirs: list[Row]) -> None:
    with closing(RestUser(system)) as me, closing(RestUser(system)) as other:
        fill(me, mine)
        refresh(system)
        before = everything(me)
        fill(other, theirs)
        refresh(system)
        assert everything(me) == before
        for user, rows in ((me, mine), (other, theirs)):
            sums: dict[str, Decimal] = defaultdict(Decimal)
            for row in rows:
                sums[row.currency] += row.amount
            sums["EUR"] += sum(row.amount for row in YEAR)
            for amount in ("-1234.50", "1234.50", "-12.30"):
                sums["EUR"] += Decimal(amount)
            found: dict[str, Decimal] = defaultdict(Decimal)
            for one in user.pages("/balance"):
                found[one["balance"]["currency"]] += Decimal(one["balance"]["amount"])
            assert found == sums
