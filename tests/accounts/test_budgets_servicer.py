"""Budgets through a real channel: shapes of requests, and nobody else's budgets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from scale.accounts.v1 import budgets_service_pb2 as pb
from scale.accounts.v1.budgets_service_pb2_grpc import BudgetsServiceStub
from services.kit.auth import mint_token
from services.kit.errors import AlreadyExists, InvalidArgument, NotFound, Unauthenticated
from services.kit.status import from_rpc_error
from tests.accounts.test_servicer import SECRET, address

__all__ = ["address"]

JANUARY: dict[str, Any] = {
    "category": "groceries",
    "amount": Money(currency_code="EUR", units=400),
    "period_start": Date(year=2026, month=1, day=1),
    "period_end": Date(year=2026, month=1, day=31),
}


class Client:
    """Calls as one user; raises the errors of the kit."""

    def __init__(self, channel: grpc.aio.Channel, user_id: UUID) -> None:
        self._stub = BudgetsServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {mint_token(SECRET, user_id=user_id)}"),)

    async def __call__(self, method: str, request: Any) -> Any:
        try:
            return await getattr(self._stub, method)(request, metadata=self._metadata, timeout=20)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="accounts") from error


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(address) as opened:
        yield opened


async def test_a_budget_from_first_to_last(channel: grpc.aio.Channel, user_id: UUID, other_user_id: UUID) -> None:
    call, other = Client(channel, user_id), Client(channel, other_user_id)
    budget = (await call("CreateBudget", pb.CreateBudgetRequest(request_id="one", roll_over=True, **JANUARY))).budget
    assert budget == pb.Budget(
        budget_id=budget.budget_id, active=True, roll_over=True, create_time=budget.create_time, update_time=budget.update_time, **JANUARY
    )
    with pytest.raises(AlreadyExists):
        await call("CreateBudget", pb.CreateBudgetRequest(request_id="two", **JANUARY))

    nothing = Money(currency_code="EUR")
    used = pb.BudgetUtilization(budget=budget, carried_over=nothing, spent=nothing, remaining=JANUARY["amount"], utilization_percent="0.00")
    found = await call("GetBudget", pb.GetBudgetRequest(budget_id=budget.budget_id))
    assert found == pb.GetBudgetResponse(budget=budget, utilization=used)
    fresh = await call("ListBudgetUtilizations", pb.ListBudgetUtilizationsRequest(fresh=True))
    assert (list(fresh.utilizations), fresh.outdated, fresh.figures_time.seconds > 0) == ([used], False, True)
    assert list((await call("ListBudgets", pb.ListBudgetsRequest(on_date=JANUARY["period_end"]))).budgets) == [budget]
    ahead = await call("ListBudgetUtilizations", pb.ListBudgetUtilizationsRequest())
    assert ahead.outdated

    changed = pb.Budget(budget_id=budget.budget_id, amount=Money(currency_code="EUR", units=5))
    with pytest.raises(NotFound):
        await other("UpdateBudget", pb.UpdateBudgetRequest(budget=changed))
    with pytest.raises(NotFound):
        await other("GetBudget", pb.GetBudgetRequest(budget_id=budget.budget_id))
    await other("DeleteBudget", pb.DeleteBudgetRequest(budget_id=budget.budget_id))
    assert not (await other("ListBudgets", pb.ListBudgetsRequest(include_inactive=True))).budgets
    assert (await call("UpdateBudget", pb.UpdateBudgetRequest(budget=changed))).budget.amount.units == 5

    off = pb.UpdateBudgetRequest(budget=pb.Budget(budget_id=budget.budget_id), update_mask=FieldMask(paths=["active", "roll_over"]))
    switched_off = (await call("UpdateBudget", off)).budget
    assert (switched_off.active, switched_off.roll_over) == (False, False)
    assert not (await call("GetBudget", pb.GetBudgetRequest(budget_id=budget.budget_id))).HasField("utilization")
    assert not (await call("ListBudgets", pb.ListBudgetsRequest())).budgets
    await call("DeleteBudget", pb.DeleteBudgetRequest(budget_id=budget.budget_id))
    with pytest.raises(NotFound):
        await call("GetBudget", pb.GetBudgetRequest(budget_id=budget.budget_id))


async def test_wrong_shapes_name_the_field(channel: grpc.aio.Channel, user_id: UUID) -> None:
    call = Client(channel, user_id)
    other = pb.Budget(budget_id=str(user_id))
    too_small = pb.Budget(budget_id=str(user_id), amount=Money(currency_code="EUR", nanos=-1_000_000))
    new = {"request_id": "one", **JANUARY}
    for method, request, field in (
        ("CreateBudget", pb.CreateBudgetRequest(**new | {"amount": Money(currency_code="EUR", units=-1)}), "amount"),
        ("CreateBudget", pb.CreateBudgetRequest(**new | {"amount": None}), "currency_code"),
        ("CreateBudget", pb.CreateBudgetRequest(**new | {"category": " "}), "category"),
        ("CreateBudget", pb.CreateBudgetRequest(**new | {"request_id": ""}), "request_id"),
        ("CreateBudget", pb.CreateBudgetRequest(**new | {"period_end": None}), "period_end"),
        ("CreateBudget", pb.CreateBudgetRequest(**new | {"period_start": Date(year=2026, month=13, day=1)}), "period_start"),
        ("GetBudget", pb.GetBudgetRequest(budget_id="x"), "budget_id"),
        ("UpdateBudget", pb.UpdateBudgetRequest(), "budget.budget_id"),
        ("UpdateBudget", pb.UpdateBudgetRequest(budget=other, update_mask=FieldMask(paths=["category"])), "update_mask"),
        ("UpdateBudget", pb.UpdateBudgetRequest(budget=too_small), "budget.amount"),
        ("ListBudgets", pb.ListBudgetsRequest(page_size=-1), "page_size"),
        ("ListBudgetUtilizations", pb.ListBudgetUtilizationsRequest(page_token="x"), "page_token"),
    ):  # fmt: skip
        with pytest.raises(InvalidArgument) as caught:
            await call(method, request)
        assert [one.field for one in caught.value.fields] == [field]


async def test_no_call_without_a_token(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await BudgetsServiceStub(channel).ListBudgets(pb.ListBudgetsRequest(), timeout=20)
    assert isinstance(from_rpc_error(caught.value, service="accounts"), Unauthenticated)
