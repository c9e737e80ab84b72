"""Any filter expression."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st

from services.accounts.filters.domain import Among, And, Condition, Expression, Field, Not, Operator, Or, Period, Value
from services.accounts.filters.values import SIGNS, TEXTS

# Few of each, so that conditions meet the rows.
WORDS = [
    "Rewe",
    "REWE markt",
    "50% off",
    "a_b",
    "C:\\new",
    'say "hi"',
    "O'Neill",
    "and",
    "date",
    "Überweisung",
    "x, (y)",
    "payments",
    "-3",
    "",
]
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
    Field.CATEGORY_SOURCE: st.sampled_from(["user", "rule", "model", "file", "fallback"]),
    Field.CONFIDENCE: st.sampled_from([Decimal("0"), Decimal("0.3"), Decimal("0.70"), Decimal("1.0")]),
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
