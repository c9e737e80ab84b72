"""What a rule is, and its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from services.accounts.domain import Transaction
from services.kit.errors import FailedPrecondition, NotFound

MAX_RULES = 100
"""Of one user: a bound on what an import can cost."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done to transactions that a filter finds; an empty action leaves the field."""

    id: UUID
    name: str
    filter: str
    category: str
    merchant: str
    note: str
    position: int
    """Place among the user's rules, from 1."""
    active: bool
    created_at: datetime
    updated_at: datetime
    problem: str = ""
    """Why it does nothing until it is changed."""


@dataclass(frozen=True, slots=True)
class NewRule:
    """The rule to add, or to try."""

    name: str
    filter: str
    category: str = ""
    merchant: str = ""
    note: str = ""
    position: int = 0
    """0 means behind all others."""
    active: bool = True


@dataclass(frozen=True, slots=True)
class RuleChanges:
    """What a user changes; None leaves it, an empty action takes it away."""

    name: str | None = None
    filter: str | None = None
    category: str | None = None
    merchant: str | None = None
    note: str | None = None
    position: int | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would do to the past."""

    matched_count: int
    changed_count: int
    transactions: Sequence[Transaction]
    """The newest of those that would change, as they are now."""


@dataclass(frozen=True, slots=True)
class RuleInput:
    """A payment that is in no ledger, as far as a rule's filter can ask for it; None is what nobody knows."""

    description: str
    merchant: str | None
    amount: Decimal
    """Signed."""
    currency: str
    transaction_date: date | None


class RuleVerdict(NamedTuple):
    """The category that a user's rules give a payment."""

    category: str
    rule_id: UUID
    rule_name: str


def rule_not_found(rule_id: UUID) -> NotFound:
    """No such rule, or not the caller's."""
    return NotFound(f"There is no rule {rule_id}.", reason="RULE_NOT_FOUND", metadata={"rule_id": str(rule_id)})


def too_many_rules() -> FailedPrecondition:
    """Every import pays for each of them."""
    return FailedPrecondition(
        f"You have {MAX_RULES} rules already; delete one, or join two by OR.", reason="TOO_MANY_RULES", metadata={"limit": str(MAX_RULES)}
    )


def rule_has_problem(rule_id: UUID, problem: str) -> FailedPrecondition:
    """A rule that does nothing cannot be applied."""
    return FailedPrecondition(
        f"Rule {rule_id} does nothing: {problem}.", reason="RULE_HAS_PROBLEM", metadata={"rule_id": str(rule_id), "problem": problem}
    )
