"""A filter expression's nouns, and its canonical text."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from services.kit.errors import FieldError, InvalidArgument

KEYWORDS = frozenset({"AND", "OR", "NOT", "IN"})
_PLAIN = re.compile(r"[\w.+/&*#-]+")
"""What needs no quotes."""


class Field(StrEnum):
    """What a condition looks at."""

    DATE = "date"
    AMOUNT = "amount"
    CURRENCY = "currency"
    TYPE = "type"
    STATUS = "status"
    CATEGORY = "category"
    CATEGORY_SOURCE = "category_source"
    CONFIDENCE = "confidence"
    MERCHANT = "merchant"
    DESCRIPTION = "description"
    NOTE = "note"
    ACCOUNT = "account"
    PAYMENT_METHOD = "payment_method"
    IMPORT = "import"
    TEXT = "text"
    SUSPECTED = "suspected"
    RAW = "raw"


class Operator(StrEnum):
    """How a field is compared with a value."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    HAS = ":"
    """Texts: holds it. The raw record: contains it."""


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month, or without one a calendar year. A date is equal to it within it, less before it, more after it."""

    year: int
    month: int | None = None

    @property
    def first_day(self) -> date:
        """Its first day."""
        return date(self.year, self.month or 1, 1)

    @property
    def last_day(self) -> date:
        """Its last day."""
        month = self.month or 12
        return date(self.year, month, monthrange(self.year, month)[1])

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}" if self.month else f"{self.year:04}"


Value: TypeAlias = str | bool | date | Decimal | UUID | Period


@dataclass(frozen=True, slots=True)
class Condition:
    """A field against one value. Of `raw` the value is the text of a JSON object; of texts, merchants and the like the empty text stands
    for none."""

    field: Field
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class Among:
    """A field against several values, of which it must be one."""

    field: Field
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """All that the part leaves out, what has no such field included."""

    part: Expression


@dataclass(frozen=True, slots=True)
class And:
    """What all parts let through; none of them is an And."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """What one part at least lets through; none of them is an Or."""

    parts: tuple[Expression, ...]


Expression: TypeAlias = Condition | Among | Not | And | Or


def all_of(parts: Iterable[Expression]) -> Expression:
    """One part as it is, several as one level: (a AND b) AND c is a AND b AND c."""
    return _joined(And, parts)


def any_of(parts: Iterable[Expression]) -> Expression:
    """Likewise for OR."""
    return _joined(Or, parts)


def render(expression: Expression) -> str:
    """The text that `parse` makes the same expression of."""
    match expression:
        case Condition(field=Field.TEXT):
            return _quoted(expression.value)
        case Condition(field=Field.RAW):
            return f"raw:{expression.value}"
        case Condition(operator=Operator.HAS):
            return f"{expression.field}:{_quoted(expression.value)}"
        case Condition():
            return f"{expression.field} {expression.operator} {_quoted(expression.value)}"
        case Among():
            return f"{expression.field} IN ({', '.join(map(_quoted, expression.values))})"
        case Not():
            return f"NOT {_grouped(expression.part, And, Or)}"
        case And():
            return " AND ".join(_grouped(part, Or) for part in expression.parts)
        case Or():
            return " OR ".join(map(render, expression.parts))


def invalid_filter(field: str, position: int, reason: str) -> InvalidArgument:
    """What is wrong with an expression, and at which character of it, counted from 1."""
    where = f"at character {position}: {reason}"
    return InvalidArgument(
        f"{field}: {where}", reason="INVALID_FILTER", metadata={"position": str(position)}, fields=[FieldError(field, where)]
    )


def _joined(kind: type[And] | type[Or], parts: Iterable[Expression]) -> Expression:
    level: list[Expression] = []
    for part in parts:
        level += part.parts if isinstance(part, kind) else (part,)
    return level[0] if len(level) == 1 else kind(tuple(level))


def _grouped(part: Expression, *weaker: type) -> str:
    return f"({render(part)})" if isinstance(part, weaker) else render(part)


def _quoted(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    # A field's name alone is a word to search for, but not before whatever may follow it.
    if _PLAIN.fullmatch(text) and text.upper() not in KEYWORDS and text.lower() not in set(Field):
        return text
    return '"' + text.replace('"', '""') + '"'
