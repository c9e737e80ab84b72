"""Between the JSON of budgets and the messages of `scale.accounts.v1`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from google.protobuf.field_mask_pb2 import FieldMask
from google.type import date_pb2, money_pb2

from scale.accounts.v1 import budgets_service_pb2 as pb
from services.gateway.accounts_json import MAX_PAGE_SIZE
from services.gateway.schemas import budgets as schemas
from services.gateway.schemas.accounts import Balance
from services.gateway.wire import day_text, timestamp_text
from services.kit.dates import to_date_proto
from services.kit.money import format_money, to_money


def create_budget_request(budget: schemas.NewBudget, request_id: str) -> pb.CreateBudgetRequest:
    """The request to add a budget."""
    return pb.CreateBudgetRequest(
        request_id=request_id,
        category=budget.category,
        amount=_money(budget.amount),
        period_start=to_date_proto(budget.period_start),
        period_end=to_date_proto(budget.period_end),
        roll_over=budget.roll_over,
    )


def list_budgets_request(filters: schemas.BudgetFilters) -> pb.ListBudgetsRequest:
    """The request for a page of budgets."""
    return pb.ListBudgetsRequest(
        page_size=min(filters.page_size, MAX_PAGE_SIZE),
        page_token=filters.page_token,
        include_inactive=filters.include_inactive,
        on_date=to_date_proto(filters.on_date) if filters.on_date else None,
        category=filters.category,
    )


def list_utilizations_request(filters: schemas.UtilizationFilters) -> pb.ListBudgetUtilizationsRequest:
    """The request for a page of how far budgets are used."""
    return pb.ListBudgetUtilizationsRequest(
        page_size=min(filters.page_size, MAX_PAGE_SIZE),
        page_token=filters.page_token,
        on_date=to_date_proto(filters.on_date) if filters.on_date else None,
        fresh=filters.fresh,
    )


def update_budget_request(budget_id: UUID, change: schemas.BudgetChange) -> pb.UpdateBudgetRequest:
    """The request for a change of one budget."""
    budget = pb.Budget(
        budget_id=str(budget_id),
        amount=_money(change.amount),
        period_start=to_date_proto(change.period_start) if change.period_start else None,
        period_end=to_date_proto(change.period_end) if change.period_end else None,
        roll_over=change.roll_over,
        active=change.active,
    )
    return pb.UpdateBudgetRequest(budget=budget, update_mask=FieldMask(paths=sorted(change.model_fields_set)))


def budget_json(budget: pb.Budget) -> dict[str, Any]:
    """One budget."""
    return {
        "id": budget.budget_id,
        "category": budget.category,
        "amount": _total(budget.amount),
        "period_start": _day(budget.period_start),
        "period_end": _day(budget.period_end),
        "roll_over": budget.roll_over,
        "active": budget.active,
        "created_at": timestamp_text(budget.create_time),
        "updated_at": timestamp_text(budget.update_time),
    }


def budget_with_utilization_json(budget: pb.Budget, utilization: pb.BudgetUtilization | None) -> dict[str, Any]:
    """One budget and how far it is used."""
    return budget_json(budget) | {"utilization": None if utilization is None else _utilization_json(utilization)}


def _utilization_json(utilization: pb.BudgetUtilization) -> dict[str, Any]:
    return {
        "carried_over": _total(utilization.carried_over),
        "spent": _total(utilization.spent),
        "remaining": _total(utilization.remaining),
        "utilization_percent": utilization.utilization_percent,
    }


def _money(amount: Balance | None) -> money_pb2.Money | None:
    return None if amount is None else to_money(Decimal(amount.amount), amount.currency)


def _total(money: money_pb2.Money) -> dict[str, str]:
    return {"amount": format_money(money.units, money.nanos, money.currency_code), "currency": money.currency_code}


def _day(day: date_pb2.Date) -> str:
    return day_text(day.year, day.month, day.day)
