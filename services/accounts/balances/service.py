"""Balances are never stored: they are summed up from the latest commit, every time that somebody asks."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from services.accounts.balances.domain import Balance, BalanceFilters, BalancePosition
from services.kit.pagination import PageTokens, page_size


class BalancesRepository(Protocol):
    """Where the sums come from."""

    async def list_balances(
        self, user_id: UUID, filters: BalanceFilters, *, after: BalancePosition | None, limit: int
    ) -> list[Balance]: ...


class BalancesService:
    """What the verified user who asks holds."""

    def __init__(self, repository: BalancesRepository, page_tokens: PageTokens) -> None:
        self._repository = repository
        self._page_tokens = page_tokens

    async def list_balances(self, user_id: UUID, filters: BalanceFilters, *, requested_size: int, token: str) -> tuple[list[Balance], str]:
        """One page, by account, the oldest first, and by currency; and the token of the next one, empty on the last page."""
        size = page_size(requested_size)
        bound = f"balances {filters!r}"
        after = None
        if token:
            account_id, currency = self._page_tokens.decode(token, user_id=user_id, filters=bound)
            after = BalancePosition(UUID(account_id), currency)
        found = await self._repository.list_balances(user_id, filters, after=after, limit=size + 1)
        if len(found) <= size:
            return found, ""
        last = found[size - 1]
        return found[:size], self._page_tokens.encode(user_id=user_id, filters=bound, position=(str(last.account_id), last.currency))
