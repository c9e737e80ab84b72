"""What each field of a filter expression may be compared with. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, NoReturn
from uuid import UUID

from services.accounts.filters.domain import Field, Period, Value

_EQUALITY = ("=", "!=", ":")
_ORDER = ("=", "!=", "<", "<=", ">", ">=", ":")
SIGNS: dict[Field, tuple[str, ...]] = {
    **dict.fromkeys(Field, _EQUALITY),
    **dict.fromkeys((Field.DATE, Field.AMOUNT, Field.CONFIDENCE), _ORDER),
    Field.TEXT: (":", "="),
    Field.RAW: ("@>", ":"),
}
"""The signs that each field takes; all but TEXT and RAW take IN as well."""
TEXTS = frozenset({Field.MERCHANT, Field.DESCRIPTION, Field.NOTE, Field.PAYMENT_METHOD})
"""Fields of which : means that they hold the value."""

_WANTED = {
    Field.DATE: "a day such as 2026-03-31, a month such as 2026-03 or a year",
    Field.AMOUNT: "a number with at most four decimals such as -12.34",
    Field.CURRENCY: "an ISO 4217 code such as EUR",
    Field.TYPE: "credit or debit",
    Field.STATUS: "posted, pending or void",
    Field.CATEGORY: "a category such as groceries_supermarket, or uncategorized",
    Field.CATEGORY_SOURCE: "user, rule, model, file or fallback",
    Field.CONFIDENCE: "a number from 0 to 1 such as 0.75",
    Field.ACCOUNT: "the account's id, a UUID",
    Field.IMPORT: 'the import\'s id, a UUID, or "" for what was typed in by hand',
    Field.SUSPECTED: "true or false",
    Field.RAW: 'a JSON object such as {"Kundenreferenz": "4711"}',
}
_CHOICES = {
    Field.TYPE: ("credit", "debit"),
    Field.STATUS: ("posted", "pending", "void"),
    Field.CATEGORY_SOURCE: ("user", "rule", "model", "file", "fallback"),
    Field.SUSPECTED: ("true", "false"),
}
_AMOUNT = re.compile(r"[+-]?\d{1,15}(\.\d{1,4})?", re.ASCII)
_CONFIDENCE = re.compile(r"0(\.\d{1,6})?|1(\.0{1,6})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_PERIOD = re.compile(r"(\d{4})(?:-(\d{2}))?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHOWN = 40
_MAX_EXPONENT = 1000
_MAX_LEVELS = 64


class NotAValue(Exception):
    """What was expected instead, in words for the caller."""


def wanted(field: Field) -> str:
    """What it may be compared with, in words."""
    return _WANTED.get(field, "a word or a quoted text")


def takes(field: Field) -> str:
    """The signs of a field, in words."""
    signs = SIGNS[field] if field in (Field.TEXT, Field.RAW) else (*SIGNS[field], "IN")
    return f"{', '.join(signs[:-1])} or {signs[-1]}"


def shown(text: str) -> str:
    """What was found, as an error repeats it."""
    return repr(text[:_SHOWN])


def read_value(field: Field, sign: str, text: str) -> Value:
    """The value that `text` stands for behind the sign. Raises NotAValue."""
    refuse = partial(_refuse, field, text)
    match field:
        case Field.DATE:
            return _date(text, refuse)
        case Field.AMOUNT:
            return Decimal(text) if _AMOUNT.fullmatch(text) else refuse()
        case Field.CURRENCY:
            return text.upper() if _CURRENCY.fullmatch(text) else refuse()
        case Field.CONFIDENCE:
            return Decimal(text) if _CONFIDENCE.fullmatch(text) else refuse()
        case Field.TYPE | Field.STATUS | Field.CATEGORY_SOURCE:
            return text.lower() if text.lower() in _CHOICES[field] else refuse()
        case Field.SUSPECTED:
            return text.lower() == "true" if text.lower() in _CHOICES[field] else refuse()
        case Field.CATEGORY:
            return text.lower() if text.strip() else refuse()
        case Field.ACCOUNT:
            return _uuid(text, refuse)
        case Field.IMPORT:
            return _uuid(text, refuse) if text else text
        case Field.RAW:
            return _whole_json(text)
    if not text.strip() and (sign == ":" or field is Field.TEXT):
        refuse()
    return text


def read_json(text: str, start: int) -> str:
    """The JSON object that begins at `start`, as it is written. Raises NotAValue, also for what PostgreSQL cannot hold as jsonb."""
    try:
        found, end = json.JSONDecoder(parse_float=_number, parse_int=_number, parse_constant=_not_json).raw_decode(text, start)
        if not isinstance(found, dict):
            _not_json(text)
        _check(found)
    except (ValueError, RecursionError):
        raise NotAValue(f"expected {_WANTED[Field.RAW]}, found {shown(text[start:])}") from None
    return text[start:end]


def _whole_json(text: str) -> str:
    found = read_json(text.strip(), 0)
    if found != text.strip():
        _refuse(Field.RAW, text)
    return found


def _refuse(field: Field, text: str) -> NoReturn:
    raise NotAValue(f"expected {wanted(field)}, found {shown(text) if text else 'nothing'}")


def _date(text: str, refuse: Callable[[], NoReturn]) -> date | Period:
    period = _PERIOD.fullmatch(text)
    try:
        if period:
            date(int(period[1]), int(period[2] or 1), 1)
            return Period(int(period[1]), int(period[2]) if period[2] else None)
        return date.fromisoformat(text) if _DAY.fullmatch(text) else refuse()
    except ValueError:
        return refuse()


def _uuid(text: str, refuse: Callable[[], NoReturn]) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        refuse()


def _number(digits: str) -> Decimal:
    number = Decimal(digits)
    if abs(number.adjusted()) > _MAX_EXPONENT:
        raise NotAValue(f"the number {shown(digits)} is out of range")
    return number


def _not_json(found: str) -> NoReturn:
    raise ValueError(found)


def _check(found: Any, levels: int = _MAX_LEVELS) -> None:
    match found:
        case dict() | list() if not levels:
            raise NotAValue(f"the JSON object has more than {_MAX_LEVELS} levels")
        case dict():
            for key, value in found.items():
                _check(key)
                _check(value, levels - 1)
        case list():
            for value in found:
                _check(value, levels - 1)
        case str() if any(character == "\x00" or "\ud800" <= character <= "\udfff" for character in found):
            raise NotAValue("a text in the JSON object holds NUL or half a character, which the ledger cannot hold")
