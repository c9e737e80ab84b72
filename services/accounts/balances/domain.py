"""The nouns of balances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID


class Balance(NamedTuple):
    """What an account holds in one currency."""

    account_id: UUID
    account_name: str
    currency: str
    amount: Decimal
    """The opening balance, where this is the account's own currency, and what was posted."""
    transaction_count: int
    last_date: date | None
    """Day of the last transaction counted in."""


@dataclass(frozen=True, slots=True)
class BalanceFilters:
    """Which balances; None means any."""

    on_date: date | None = None
    """As of the end of this day; None means all that is posted, whatever its day."""
    account_id: UUID | None = None
    include_inactive: bool = False


class BalancePosition(NamedTuple):
    """Where in the order of balances a page ended."""

    account_id: UUID
    currency: str
