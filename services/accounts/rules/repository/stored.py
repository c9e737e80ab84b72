"""Reads a user's rules, and what keeps one from working."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

import asyncpg

from services.accounts.filters import Expression, parse
from services.accounts.rules.domain import MAX_RULES, Rule
from services.kit.errors import InvalidArgument
from services.kit.postgres import Connection

# Beside each rule whether its category is still there.
SELECT = """
    SELECT id, name, filter, COALESCE(category, ''), COALESCE(merchant_name, ''), COALESCE(note, ''), position, is_active,
           created_at, updated_at,
           category IS NULL OR EXISTS (SELECT FROM accounts.categories AS known WHERE known.slug = rules.category)
                            OR EXISTS (SELECT FROM accounts.user_categories AS own
                                        WHERE own.user_id = rules.user_id AND own.slug = rules.category)
      FROM accounts.rules WHERE user_id = $1
"""
_SELECT_ACTIVE = f"{SELECT} AND is_active ORDER BY position, id LIMIT {MAX_RULES}"


class WorkingRule(NamedTuple):
    """A rule that can be applied."""

    rule: Rule
    expression: Expression


def rule_of(record: asyncpg.Record) -> Rule:
    """A row of SELECT."""
    *columns, has_category = record
    rule = Rule(*columns)
    return replace(rule, problem=_problem(rule, has_category=has_category))


async def active_rules(connection: Connection, user_id: UUID) -> list[Rule]:
    """All that are switched on, by position."""
    return [rule_of(record) for record in await connection.fetch(_SELECT_ACTIVE, user_id)]


def working(rules: Sequence[Rule]) -> list[WorkingRule]:
    """Those without a problem."""
    return [WorkingRule(rule, parse(rule.filter)) for rule in rules if not rule.problem]


def _problem(rule: Rule, *, has_category: bool) -> str:
    if not has_category:
        return f"its category {rule.category!r} is none of your categories"
    try:
        parse(rule.filter)
    except InvalidArgument as error:
        return f"its filter is not understood: {error.fields[0].reason}"
    return ""
