"""Judges payments that are in no ledger by a user's rules; stores nothing.

They are rows with the names of the ledger's columns, as those of an import are (importing.py), and the same conditions are asked of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.accounts.edits.repository.changing import Arguments
from services.accounts.filters.domain import any_of
from services.accounts.repository.conditions import condition, folded, read_meanings
from services.accounts.rules.domain import RuleInput, RuleVerdict
from services.accounts.rules.repository.stored import WorkingRule, active_rules, working
from services.kit.postgres import Connection

# Nobody has written a note on it, or suspects it to be there twice; what else a payment does not say is null.
_AS_TRANSACTIONS = """
    SELECT place, NULL::uuid AS id, NULL::uuid AS account_id, transaction_date, amount, currency,
           CASE WHEN amount < 0 THEN 'debit' ELSE 'credit' END AS type, description, description_key, merchant AS merchant_name,
           lower(merchant) AS merchant_key, NULL::text AS category, NULL::text AS category_source, NULL::double precision AS confidence,
           NULL::text AS payment_method, NULL::text AS status, '' AS note,
           NULL::uuid AS import_id, NULL::jsonb AS raw_data, NULL::uuid AS suspected_duplicate_of
      FROM unnest({description}::text[], {description_key}::text[], {merchant}::text[], {amount}::numeric[], {currency}::text[],
                  {transaction_date}::date[])
               WITH ORDINALITY AS given (description, description_key, merchant, amount, currency, transaction_date, place)
"""
# The first rule wins.
_EVALUATE = "SELECT LEAST({hits}) FROM ({rows}) AS t ORDER BY place"
_HIT = "CASE WHEN {condition} THEN {place} END"


async def evaluate_rules(connection: Connection, user_id: UUID, inputs: Sequence[RuleInput]) -> list[RuleVerdict | None]:
    """For each input the first rule that sets a category."""
    rules = [one for one in working(await active_rules(connection, user_id)) if one.rule.category]
    if not rules:
        return [None] * len(inputs)
    statement, arguments = await evaluating_statement(connection, user_id, rules, inputs)
    places = [record[0] for record in await connection.fetch(statement, *arguments)]
    return [_verdict(rules[place]) if place is not None else None for place in places]


async def evaluating_statement(
    connection: Connection, user_id: UUID, rules: Sequence[WorkingRule], inputs: Sequence[RuleInput]
) -> tuple[str, list[object]]:
    """One statement for all rules and inputs, which gives each input the place of its rule, and its arguments."""
    arguments = Arguments()
    rows = _AS_TRANSACTIONS.format(
        description=arguments.add([one.description for one in inputs]),
        description_key=arguments.add([folded(one.description) for one in inputs]),
        merchant=arguments.add([one.merchant for one in inputs]),
        amount=arguments.add([one.amount for one in inputs]),
        currency=arguments.add([one.currency for one in inputs]),
        transaction_date=arguments.add([one.transaction_date for one in inputs]),
    )
    meanings = await read_meanings(connection, user_id, any_of(one.expression for one in rules))
    hits = [
        _HIT.format(condition=condition(one.expression, arguments.add, meanings, table="t"), place=place) for place, one in enumerate(rules)
    ]
    return _EVALUATE.format(hits=", ".join(hits), rows=rows), arguments.values


def _verdict(one: WorkingRule) -> RuleVerdict:
    return RuleVerdict(one.rule.category, one.rule.id, one.rule.name)
