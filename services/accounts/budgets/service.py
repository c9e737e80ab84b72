"""The use-cases and rules of budgets."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol
from uuid import UUID

from services.accounts.budgets.domain import (
    Budget,
    BudgetChanges,
    BudgetFilters,
    BudgetPosition,
    BudgetUtilization,
    NewBudget,
    Utilizations,
)
from services.accounts.domain import FirstRequest
from services.kit.errors import invalid
from services.kit.pagination import PageTokens, page_size


class BudgetsRepository(Protocol):
    """What the service stores. Each method is one transaction and touches only rows of `user_id`."""

    async def create_budget(self, user_id: UUID, new: NewBudget, request: FirstRequest) -> Budget: ...

    async def get_budget(self, user_id: UUID, budget_id: UUID) -> tuple[Budget, BudgetUtilization | None]: ...

    async def list_budgets(self, user_id: UUID, filters: BudgetFilters, *, after: BudgetPosition | None, limit: int) -> list[Budget]: ...

    async def change_budget(self, user_id: UUID, budget_id: UUID, change: Callable[[Budget], Budget]) -> Budget: ...

    async def delete_budget(self, user_id: UUID, budget_id: UUID) -> None: ...

    async def list_utilizations(
        self, user_id: UUID, on_date: date | None, *, fresh: bool, after: BudgetPosition | None, limit: int
    ) -> Utilizations: ...


class BudgetsService:
    """Budgets of the verified user who asks."""

    def __init__(self, repository: BudgetsRepository, page_tokens: PageTokens) -> None:
        self._repository = repository
        self._page_tokens = page_tokens

    async def create_budget(self, user_id: UUID, new: NewBudget, request_id: str) -> Budget:
        """Adds a budget; the same request again returns the same budget. Raises AlreadyExists, InvalidArgument."""
        if new.period_start > new.period_end:
            raise invalid("period_start", "lies after period_end")
        request = FirstRequest(request_id, hashlib.sha256(repr(new).encode()).digest())
        return await self._repository.create_budget(user_id, new, request)

    async def get_budget(self, user_id: UUID, budget_id: UUID) -> tuple[Budget, BudgetUtilization | None]:
        """One budget and how far it is used by now; None for one that is switched off. Raises NotFound."""
        return await self._repository.get_budget(user_id, budget_id)

    async def list_budgets(self, user_id: UUID, filters: BudgetFilters, *, requested_size: int, token: str) -> tuple[list[Budget], str]:
        """One page, the latest period first, and the token of the next one; empty on the last page."""
        size = page_size(requested_size)
        bound = f"budgets {filters!r}"
        after = self._position(user_id, bound, token)
        found = await self._repository.list_budgets(user_id, filters, after=after, limit=size + 1)
        return found[:size], self._next_token(user_id, bound, found, size)

    async def update_budget(self, user_id: UUID, budget_id: UUID, changes: BudgetChanges, *, amount_currency: str = "") -> Budget:
        """Changes a budget or switches it off; `amount_currency` is a changed amount's. Raises NotFound, AlreadyExists, InvalidArgument."""

        def change(budget: Budget) -> Budget:
            if changes.amount is not None and amount_currency != budget.currency:
                raise invalid("budget.amount", f"must be in {budget.currency}, the budget's currency")
            given = {name: value for name, value in dataclasses.asdict(changes).items() if value is not None}
            changed = budget._replace(**given)
            if changed.period_start > changed.period_end:
                raise invalid("budget.period_start", "lies after period_end")
            return changed

        return await self._repository.change_budget(user_id, budget_id, change)

    async def delete_budget(self, user_id: UUID, budget_id: UUID) -> None:
        """Takes a budget away. Harmless to repeat."""
        await self._repository.delete_budget(user_id, budget_id)

    async def list_utilizations(
        self, user_id: UUID, on_date: date | None, *, fresh: bool, requested_size: int, token: str
    ) -> tuple[Utilizations, str]:
        """One page of how far the active budgets are used, the latest period first, and the token of the next one."""
        size = page_size(requested_size)
        bound = f"budget utilizations {on_date} {fresh}"
        after = self._position(user_id, bound, token)
        found = await self._repository.list_utilizations(user_id, on_date, fresh=fresh, after=after, limit=size + 1)
        next_token = self._next_token(user_id, bound, [one.budget for one in found.items], size)
        return dataclasses.replace(found, items=found.items[:size]), next_token

    def _position(self, user_id: UUID, bound: str, token: str) -> BudgetPosition | None:
        if not token:
            return None
        day, budget_id = self._page_tokens.decode(token, user_id=user_id, filters=bound)
        return BudgetPosition(date.fromisoformat(day), UUID(budget_id))

    def _next_token(self, user_id: UUID, bound: str, found: Sequence[Budget], size: int) -> str:
        if len(found) <= size:
            return ""
        last = found[size - 1]
        return self._page_tokens.encode(user_id=user_id, filters=bound, position=(last.period_start.isoformat(), str(last.id)))
