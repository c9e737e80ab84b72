"""Applies rules to rows that are in the ledger: to the past, and to pending rows that an import books.

Each rule judges a transaction as it stands, whatever other rules say of it; for each field the first rule that sets it wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.accounts.domain import CategorySource
from services.accounts.edits.repository.changing import Arguments, Changed, RowChanges, Target, change_rows
from services.accounts.filters import Expression
from services.accounts.repository.conditions import filter_condition
from services.accounts.rules.domain import NewRule, Rule
from services.accounts.rules.repository.stored import WorkingRule
from services.kit.postgres import Connection

_ACTIONS = ("category", "merchant", "note")


def row_changes(rule: Rule | NewRule) -> RowChanges:
    """What a rule sets."""
    return RowChanges(CategorySource.RULE, category=rule.category or None, merchant=rule.merchant or None, note=rule.note or None)


async def rule_target(
    connection: Connection,
    user_id: UUID,
    rule: Rule | NewRule,
    expression: Expression,
    earlier: Sequence[WorkingRule],
    *,
    among: Sequence[UUID] | None = None,
) -> Target:
    """The rows that a rule finds, of which it leaves alone what a rule before it sets. `among`: only of these transactions."""
    arguments = Arguments(user_id)

    async def condition(expression: Expression) -> str:
        return await filter_condition(connection, user_id, expression, arguments.add, table="t")

    wanted = await condition(expression)
    if among is not None:
        wanted = f"({wanted}) AND t.id = ANY ({arguments.add(among)}::uuid[])"
    # One condition a rule, however many fields it shares with this one.
    rivals = [other for other in earlier if any(_both_set(rule, other.rule, name) for name in _ACTIONS)]
    shared = {other.rule.id: await condition(other.expression) for other in rivals}
    unless = {}
    for name in _ACTIONS:
        others = [shared[other.rule.id] for other in rivals if _both_set(rule, other.rule, name)]
        if others:
            unless[name] = " OR ".join(f"({other})" for other in others)
    return Target(wanted, arguments, unless)


async def apply_rule(
    connection: Connection, user_id: UUID, one: WorkingRule, earlier: Sequence[WorkingRule], *, among: Sequence[UUID] | None = None
) -> Changed:
    """Changes what the rule finds, and keeps what it was under the id of an edit, which is still to be stored. The user must be locked."""
    target = await rule_target(connection, user_id, one.rule, one.expression, earlier, among=among)
    return await change_rows(connection, user_id, row_changes(one.rule), target)


def _both_set(one: Rule | NewRule, other: Rule, field: str) -> bool:
    return bool(getattr(one, field) and getattr(other, field))
