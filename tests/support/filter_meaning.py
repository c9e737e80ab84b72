"""What a filter expression means of a row, in plain Python."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from services.accounts.filters.domain import Among, And, Condition, Expression, Field, Not, Operator, Or, Period, Value
from services.accounts.filters.values import TEXTS

INFLECTED = {"payments": {"payment"}, "groceries": {"grocery"}, "grocery": {"groceries"}}
"""The words of one stem that tests know."""


def folded(text: str) -> str:
    """As descriptions are compared."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


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
    if held is None:
        return False
    if expression.field is Field.CONFIDENCE:
        held = Decimal(str(held))
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
    if field is Field.CONFIDENCE:
        return held is not None and Decimal(str(held)) == value
    if isinstance(value, Period):
        return bool(value.first_day <= held <= value.last_day)
    if field is Field.DESCRIPTION:
        return folded(held) == folded(str(value))
    if field is Field.CATEGORY:
        return held is None if value == "uncategorized" else held in below.get(str(value), {value})
    if field in TEXTS or field is Field.IMPORT:
        return str(held or "").lower() == str(value).lower()
    return bool(held == value)


def _has(field: Field, value: Value, row: Mapping[str, Any]) -> bool:
    if field is Field.RAW:
        return row["raw_data"] is not None and _contains(json.loads(row["raw_data"]), json.loads(str(value)))
    if field is Field.TEXT:
        return _has_word(str(value), row)
    if field is Field.DESCRIPTION:
        return folded(str(value)) in folded(row["description"])
    return str(value).lower() in (_of(row, field) or "").lower()


def _has_word(word: str, row: Mapping[str, Any]) -> bool:
    description, merchant = folded(row["description"]), (row["merchant_name"] or "").lower()
    if folded(word) in description or word.lower() in merchant:
        return True
    inflected = INFLECTED.get(word.lower(), ())
    return any(one in inflected for one in words(f"{description} {merchant}"))


def words(text: str) -> list[str]:
    """What marks and blanks keep apart."""
    return re.findall(r"\w+", text)


def _contains(outer: Any, inner: Any) -> bool:
    if isinstance(inner, dict):
        return isinstance(outer, dict) and all(key in outer and _contains(outer[key], value) for key, value in inner.items())
    if isinstance(inner, list):
        return isinstance(outer, list) and all(any(_contains(one, value) for one in outer) for value in inner)
    return bool(outer == inner)
