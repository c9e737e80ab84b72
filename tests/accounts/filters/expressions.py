"""Filter expressions for tests: any of them, and what each means of a row, in plain Python."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from services.accounts.filters.domain import Among, And, Condition, Expression, Field, Not, Operator, Or, Period, Value
from services.accounts.filters.values import SIGNS, TEXTS

# Few of each, so that conditions meet the rows.
WORDS = ["Rewe", "REWE markt", "50% off", "a_b", "C:\\new", 'say "hi"', "O'Neill", "and", "date", "Überweisung", "x, (y)", "-3", ""]
DAYS = [date(2025, 12, 31), date(2026, 1, 1), date(2026, 2, 28), date(2026, 3, 1)]
AMOUNTS = [Decimal("-12.34"), Decimal("0.0001"), Decimal("12.34"), Decimal("922337203685477.5807")]
CATEGORIES = ["uncategorized", "groceries", "groceries_supermarket", "own_one", "nonsense"]
IDS = [UUID(int=1), UUID(int=2)]
RECORDS = ['{"k":"v"}', '{"n": {"a": 1.0, "b": [1, "x"]}}', '{"n":{"b":["x"]}}', "{}", '{"é \\"": null}']

_VALUES: dict[Field, st.SearchStrategy[Value]] = {
    **dict.fromkeys(Field, st.sampled_from(WORDS)),
    Field.DATE: st.one_of(st.sampled_from(DAYS), st.sampled_from([Period(2026), Period(2026, 2), Period(2025, 12)])),
    Field.AMOUNT: st.sampled_from(AMOUNTS),
    Field.CURRENCY: st.sampled_from(["EUR", "JPY"]),
    Field.TYPE: st.sampled_from(["credit", "debit"]),
    Field.STATUS: st.sampled_from(["posted", "pending", "void"]),
    Field.CATEGORY: st.sampled_from(CATEGORIES),
    Field.ACCOUNT: st.sampled_from(IDS),
    Field.IMPORT: st.sampled_from([*IDS, ""]),
    Field.SUSPECTED: st.booleans(),
}


@st.composite
def _condition(draw: st.DrawFn) -> Condition | Among:
    field = draw(st.sampled_from(Field))
    if field is Field.RAW:
        return Condition(field, Operator.HAS, draw(st.sampled_from(RECORDS)))
    if field is Field.TEXT:
        return Condition(field, Operator.HAS, draw(st.sampled_from(WORDS).filter(bool)))
    if draw(st.integers(0, 4)) == 0:
        return Among(field, tuple(draw(st.lists(_VALUES[field], min_size=1, max_size=3))))
    sign = draw(st.sampled_from(SIGNS[field]))
    if sign != ":":
        return Condition(field, Operator(sign), draw(_VALUES[field]))
    if field in TEXTS:
        return Condition(field, Operator.HAS, draw(st.sampled_from(WORDS).filter(bool)))
    return Condition(field, Operator.EQUAL, draw(_VALUES[field]))


def _grown(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.one_of(parts.map(Not), _level(parts, And), _level(parts, Or))


def _level(parts: st.SearchStrategy[Expression], kind: type[And] | type[Or]) -> st.SearchStrategy[Expression]:
    return st.lists(parts.filter(lambda part: not isinstance(part, kind)), min_size=2, max_size=3).map(lambda found: kind(tuple(found)))


EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(_condition(), _grown, max_leaves=12)


def holds(expression: Expression, row: Mapping[str, Any], below: Mapping[str, set[str]]) -> bool:
    """Whether the row, by columns of accounts.transactions, is one that the expression means; `below`: slugs of primary categories."""
    match expression:
        case And():
            return all(holds(part, row, below) for part in expression.parts)
        case Or():
            return any(holds(part, row, below) for part in expression.parts)
        case Not():
            return not holds(expression.part, row, below)
        case Among():
            return any(_equal(expression.field, value, row, below) for value in expression.values)
        case Condition(operator=Operator.EQUAL):
            return _equal(expression.field, expression.value, row, below)
        case Condition(operator=Operator.NOT_EQUAL):
            return not _equal(expression.field, expression.value, row, below)
        case Condition(operator=Operator.HAS):
            return _has(expression.field, expression.value, row)
    assert isinstance(expression, Condition)
    held, value = _of(row, expression.field), expression.value
    first, last = (value.first_day, value.last_day) if isinstance(value, Period) else (value, value)
    return bool(
        {
            Operator.LESS: held < first,
            Operator.AT_MOST: held <= last,
            Operator.MORE: held > last,
            Operator.AT_LEAST: held >= first,
        }[expression.operator]
    )


def _of(row: Mapping[str, Any], field: Field) -> Any:
    column = {"date": "transaction_date", "account": "account_id", "import": "import_id", "merchant": "merchant_name", "raw": "raw_data"}
    return row[column.get(field, field)]


def _equal(field: Field, value: Value, row: Mapping[str, Any], below: Mapping[str, set[str]]) -> bool:
    if field is Field.SUSPECTED:
        return (row["suspected_duplicate_of"] is not None) == value
    held = _of(row, field)
    if isinstance(value, Period):
        return bool(value.first_day <= held <= value.last_day)
    if field is Field.CATEGORY:
        return held is None if value == "uncategorized" else held in below.get(str(value), {value})
    if field in TEXTS or field is Field.IMPORT:
        return str(held or "").lower() == str(value).lower()
    return bool(held == value)


def _has(field: Field, value: Value, row: Mapping[str, Any]) -> bool:
    if field is Field.RAW:
        return row["raw_data"] is not None and _contains(json.loads(row["raw_data"]), json.loads(str(value)))
    columns = [row["description"], row["merchant_name"]] if field is Field.TEXT else [_of(row, field)]
    return any(str(value).lower() in text.lower() for text in columns if text is not None)


def _contains(outer: Any, inner: Any) -> bool:
    if isinstance(inner, dict):
        return isinstance(outer, dict) and all(key in outer and _contains(outer[key], value) for key, value in inner.items())
    if isinstance(inner, list):
        return isinstance(outer, list) and all(any(_contains(one, value) for one in outer) for value in inner)
    return bool(outer == inner)
