"""Budgets in REST."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from scale.accounts.v1 import budgets_service_pb2 as pb
from services.gateway.idempotency import HEADER
from services.kit.errors import AlreadyExists
from tests.support.gateway_app import Gateway, assert_problem
from tests.support.upstream_fakes import FakeSubject

BUDGET_ID = "019b76da-a800-7000-8000-0000000000b0"
NEW = {
    "category": "groceries",
    "amount": {"amount": "400.00", "currency": "EUR"},
    "period_start": "2026-02-01",
    "period_end": "2026-02-28",
    "roll_over": True,
}
INSTANT = "2026-02-02T02:40:00.000000Z"
SHOWN = {"id": BUDGET_ID, **NEW, "active": True, "created_at": INSTANT, "updated_at": INSTANT}


def euros(units: int, cents: int = 0) -> Money:
    return Money(currency_code="EUR", units=units, nanos=cents * 10_000_000)


def budget() -> pb.Budget:
    message = pb.Budget(
        budget_id=BUDGET_ID,
        category="groceries",
        amount=euros(400),
        period_start=Date(year=2026, month=2, day=1),
        period_end=Date(year=2026, month=2, day=28),
        roll_over=True,
        active=True,
    )
    message.create_time.seconds = message.update_time.seconds = 1_770_000_000
    return message


def utilization() -> pb.BudgetUtilization:
    return pb.BudgetUtilization(
        budget=budget(), carried_over=euros(-20), spent=euros(285), remaining=euros(95), utilization_percent="75.00"
    )


USE = {
    "carried_over": {"amount": "-20.00", "currency": "EUR"},
    "spent": {"amount": "285.00", "currency": "EUR"},
    "remaining": {"amount": "95.00", "currency": "EUR"},
    "utilization_percent": "75.00",
}


@pytest.fixture
def fake(gateway: Gateway) -> FakeSubject:
    found = gateway.subjects["BudgetsService"]
    found.answers = {
        "CreateBudget": pb.CreateBudgetResponse(budget=budget()),
        "GetBudget": pb.GetBudgetResponse(budget=budget(), utilization=utilization()),
        "ListBudgets": pb.ListBudgetsResponse(budgets=[budget()], next_page_token="more"),
        "UpdateBudget": pb.UpdateBudgetResponse(budget=budget()),
        "ListBudgetUtilizations": pb.ListBudgetUtilizationsResponse(utilizations=[utilization()], outdated=True),
    }
    return found


@pytest.mark.parametrize("path", ["/api/v1/budgets", "/api/v1/accounts/budgets"])
async def test_create_and_list(gateway: Gateway, fake: FakeSubject, path: str) -> None:
    created = [await gateway.post(path, json=NEW, headers={HEADER: "one"}) for _ in range(2)]
    assert (created[0].status_code, created[0].json()) == (201, SHOWN)
    assert created[0].headers["location"] == f"/api/v1/budgets/{BUDGET_ID}"
    expected = pb.CreateBudgetRequest(
        category="groceries", amount=euros(400), period_start=budget().period_start, period_end=budget().period_end, roll_over=True
    )
    expected.request_id = fake.requests[0].request_id
    assert len(expected.request_id) == 36
    assert fake.requests == [expected, expected]
    listed = await gateway.get(path, params={"on_date": "2026-02-14", "category": "groceries", "include_inactive": "true"})
    assert listed.json() == {"items": [SHOWN], "next_page_token": "more"}
    assert fake.requests[-1] == pb.ListBudgetsRequest(
        page_size=50, include_inactive=True, on_date=Date(year=2026, month=2, day=14), category="groceries"
    )


async def test_overlap_is_409(gateway: Gateway, fake: FakeSubject) -> None:
    fake.error = AlreadyExists("Budget x is active.", reason="BUDGET_OVERLAPS", metadata={"budget_id": "x"})
    assert_problem(await gateway.post("/api/v1/budgets", json=NEW), 409, "BUDGET_OVERLAPS")


async def test_get_one_with_its_use(gateway: Gateway, fake: FakeSubject) -> None:
    assert (await gateway.get(f"/api/v1/budgets/{BUDGET_ID}")).json() == SHOWN | {"utilization": USE}
    assert fake.requests == [pb.GetBudgetRequest(budget_id=BUDGET_ID)]
    fake.answers["GetBudget"].ClearField("utilization")
    assert (await gateway.get(f"/api/v1/budgets/{BUDGET_ID}")).json() == SHOWN | {"utilization": None}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"amount": {"amount": "450", "currency": "EUR"}}, pb.Budget(amount=euros(450))),
        ({"active": False, "roll_over": False}, pb.Budget()),
        ({"period_end": "2026-03-31"}, pb.Budget(period_end=Date(year=2026, month=3, day=31))),
    ],
)
async def test_change_names_what_changes(gateway: Gateway, fake: FakeSubject, change: dict[str, Any], expected: pb.Budget) -> None:
    assert (await gateway.patch(f"/api/v1/budgets/{BUDGET_ID}", json=change)).json() == SHOWN
    expected.budget_id = BUDGET_ID
    assert fake.requests == [pb.UpdateBudgetRequest(budget=expected, update_mask=FieldMask(paths=sorted(change)))]


async def test_delete(gateway: Gateway, fake: FakeSubject) -> None:
    response = await gateway.delete(f"/api/v1/budgets/{BUDGET_ID}")
    assert (response.status_code, response.content) == (204, b"")
    assert fake.requests == [pb.DeleteBudgetRequest(budget_id=BUDGET_ID)]


async def test_utilizations_with_their_age(gateway: Gateway, fake: FakeSubject) -> None:
    page = {"items": [SHOWN | {"utilization": USE}], "next_page_token": None}
    response = await gateway.get("/api/v1/budgets/utilization")
    assert response.json() == page | {"figures_time": None, "outdated": True}
    fake.answers["ListBudgetUtilizations"].figures_time.seconds = 1_770_000_000
    response = await gateway.get("/api/v1/budgets/utilization", params={"fresh": "true", "on_date": "2026-02-14"})
    assert response.json() == page | {"figures_time": INSTANT, "outdated": True}
    assert fake.requests == [
        pb.ListBudgetUtilizationsRequest(page_size=50),
        pb.ListBudgetUtilizationsRequest(page_size=50, fresh=True, on_date=Date(year=2026, month=2, day=14)),
    ]


@pytest.mark.requirement("GW-06")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({**NEW, "amount": {"amount": "1e3", "currency": "EUR"}}, "amount.amount"),
        ({**NEW, "amount": "400"}, "amount"),
        ({**NEW, "period_end": "2026-02-30"}, "period_end"),
        ({**NEW, "roll_over": "yes"}, "roll_over"),
        ({**NEW, "limit": 3}, "limit"),
        ({name: value for name, value in NEW.items() if name != "category"}, "category"),
    ],
)
async def test_wrong_budgets_are_refused(gateway: Gateway, fake: FakeSubject, body: dict[str, Any], field: str) -> None:
    problem = assert_problem(await gateway.post("/api/v1/budgets", json=body), 422)
    assert problem["errors"][0]["field"] == field
    assert not fake.requests


@pytest.mark.parametrize("change", [{}, {"amount": None}, {"active": None}, {"category": "dining"}])
async def test_wrong_changes_are_refused(gateway: Gateway, fake: FakeSubject, change: dict[str, Any]) -> None:
    assert_problem(await gateway.patch(f"/api/v1/budgets/{uuid4()}", json=change), 422)
    assert not fake.requests
