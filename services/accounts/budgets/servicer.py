"""Budgets on the wire: checks the shape of requests, calls the service, puts answers into messages."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

import grpc.aio
from google.type import date_pb2, money_pb2

from scale.accounts.v1 import budgets_service_pb2 as pb
from scale.accounts.v1.budgets_service_pb2_grpc import BudgetsServiceServicer
from services.accounts.budgets.domain import Budget, BudgetChanges, BudgetFilters, BudgetUtilization, NewBudget
from services.accounts.budgets.service import BudgetsService
from services.accounts.fields import masked_paths, text_field, uuid_field
from services.kit.context import identity
from services.kit.dates import from_date_proto, to_date_proto, to_timestamp
from services.kit.errors import invalid
from services.kit.money import from_money, to_money

Context: TypeAlias = grpc.aio.ServicerContext

_CHANGEABLE = ("amount", "period_start", "period_end", "roll_over", "active")


class BudgetsServicer(BudgetsServiceServicer):
    """`scale.accounts.v1.BudgetsService`. Whose budgets are meant is said by the verified token alone."""

    def __init__(self, service: BudgetsService) -> None:
        self._service = service

    async def CreateBudget(self, request: pb.CreateBudgetRequest, context: Context) -> pb.CreateBudgetResponse:
        """Adds a budget."""
        amount, currency = _amount(request.amount, "amount")
        new = NewBudget(
            category=text_field(request.category, "category", at_most=100, required=True),
            amount=amount,
            currency=currency,
            period_start=_day(request.period_start, "period_start"),
            period_end=_day(request.period_end, "period_end"),
            roll_over=request.roll_over,
        )
        request_id = text_field(request.request_id, "request_id", at_most=36, required=True)
        return pb.CreateBudgetResponse(budget=_to_budget(await self._service.create_budget(_caller(), new, request_id)))

    async def GetBudget(self, request: pb.GetBudgetRequest, context: Context) -> pb.GetBudgetResponse:
        """One budget and how far it is used."""
        budget, utilization = await self._service.get_budget(_caller(), uuid_field(request.budget_id, "budget_id"))
        return pb.GetBudgetResponse(budget=_to_budget(budget), utilization=_to_utilization(utilization) if utilization else None)

    async def ListBudgets(self, request: pb.ListBudgetsRequest, context: Context) -> pb.ListBudgetsResponse:
        """One page of the caller's budgets, the latest period first."""
        filters = BudgetFilters(
            on_date=from_date_proto(request.on_date, "on_date"),
            category=text_field(request.category, "category", at_most=100) or None,
            include_inactive=request.include_inactive,
        )
        budgets, token = await self._service.list_budgets(_caller(), filters, requested_size=request.page_size, token=request.page_token)
        return pb.ListBudgetsResponse(budgets=map(_to_budget, budgets), next_page_token=token)

    async def UpdateBudget(self, request: pb.UpdateBudgetRequest, context: Context) -> pb.UpdateBudgetResponse:
        """Amount, period, roll-over and active flag of one budget."""
        budget = request.budget
        budget_id = uuid_field(budget.budget_id, "budget.budget_id")
        paths = masked_paths(request.update_mask, budget, _CHANGEABLE)
        amount, currency = _amount(budget.amount, "budget.amount") if "amount" in paths else (None, "")
        changes = BudgetChanges(
            amount=amount,
            period_start=_day(budget.period_start, "budget.period_start") if "period_start" in paths else None,
            period_end=_day(budget.period_end, "budget.period_end") if "period_end" in paths else None,
            roll_over=budget.roll_over if "roll_over" in paths else None,
            active=budget.active if "active" in paths else None,
        )
        changed = await self._service.update_budget(_caller(), budget_id, changes, amount_currency=currency)
        return pb.UpdateBudgetResponse(budget=_to_budget(changed))

    async def DeleteBudget(self, request: pb.DeleteBudgetRequest, context: Context) -> pb.DeleteBudgetResponse:
        """Takes a budget away."""
        await self._service.delete_budget(_caller(), uuid_field(request.budget_id, "budget_id"))
        return pb.DeleteBudgetResponse()

    async def ListBudgetUtilizations(
        self, request: pb.ListBudgetUtilizationsRequest, context: Context
    ) -> pb.ListBudgetUtilizationsResponse:
        """One page of how far the active budgets are used."""
        found, token = await self._service.list_utilizations(
            _caller(),
            from_date_proto(request.on_date, "on_date"),
            fresh=request.fresh,
            requested_size=request.page_size,
            token=request.page_token,
        )
        return pb.ListBudgetUtilizationsResponse(
            utilizations=map(_to_utilization, found.items),
            next_page_token=token,
            figures_time=to_timestamp(found.made_at) if found.made_at else None,
            outdated=found.outdated,
        )


def _caller() -> UUID:
    return identity().user_id


def _amount(message: money_pb2.Money, field: str) -> tuple[Decimal, str]:
    amount, currency = from_money(message)
    if amount < 0:
        raise invalid(field, "must not be negative")
    return amount, currency


def _day(message: date_pb2.Date, field: str) -> date:
    day = from_date_proto(message, field)
    if day is None:
        raise invalid(field, "is required")
    return day


def _to_budget(budget: Budget) -> pb.Budget:
    return pb.Budget(
        budget_id=str(budget.id),
        category=budget.category,
        amount=to_money(budget.amount, budget.currency),
        period_start=to_date_proto(budget.period_start),
        period_end=to_date_proto(budget.period_end),
        roll_over=budget.roll_over,
        active=budget.active,
        create_time=to_timestamp(budget.created_at),
        update_time=to_timestamp(budget.updated_at),
    )


def _to_utilization(utilization: BudgetUtilization) -> pb.BudgetUtilization:
    currency = utilization.budget.currency
    return pb.BudgetUtilization(
        budget=_to_budget(utilization.budget),
        carried_over=to_money(utilization.carried_over, currency),
        spent=to_money(utilization.spent, currency),
        remaining=to_money(utilization.remaining, currency),
        utilization_percent=f"{utilization.utilization_percent:.2f}",
    )
