"""What a value of a user's file must be for the services to read it, where its column could hold more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.kit.money import CURRENCIES
from services.kit.user_tables import Check, Column

_DAYS = "BETWEEN '0001-01-01' AND '9999-12-31'", "lies outside the years 1 to 9999"
_TIMES = "BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'", "lies outside the years 1 to 9999"
# NaN is greater than all else.
_NUMBERS = "BETWEEN '-1e300' AND '1e300'", "is no number that the service can hold"
_BOUNDS = {
    "date": _DAYS,
    "timestamp with time zone": _TIMES,
    "numeric": _NUMBERS,
    "double precision": _NUMBERS,
}
_NO_LIST = "is no list of values"
_DEEP = "nests more than 100 levels deep"
_HUGE = "holds a number that is too large"


def bounds_of(columns: Sequence[Column]) -> Iterator[Check]:
    """From the columns' types."""
    for column in columns:
        value = f"staged.{column.quoted}"
        element = column.type.removesuffix("[]")
        if element != column.type:
            yield Check(column.name, f"array_ndims({value}) = 1 AND array_position({value}, NULL) IS NULL", _NO_LIST)
            if element in _BOUNDS:
                within, reason = _BOUNDS[element]
                every = f"SELECT coalesce(bool_and(element {within}), true) FROM unnest({value}) AS element"  # nosec B608  # catalogue
                yield Check(column.name, f"({every})", f"holds one that {reason}")
        if column.type in _BOUNDS:
            within, reason = _BOUNDS[column.type]
            yield Check(column.name, f"{value} {within}", reason)
        elif column.type == "jsonb":
            yield Check(column.name, f"NOT jsonb_path_exists({value}, '$.**{{101}}')", _DEEP)
            numbers = '$.** ? (@.type() == "number" && (@ > 1e300 || @ < -1e300))'
            yield Check(column.name, f"NOT jsonb_path_exists({value}, '{numbers}')", _HUGE)


def at_most(column: str, characters: int) -> Check:
    """For a text without a CHECK of its table."""
    return Check(column, f"char_length(staged.{column}) <= {characters}", f"has more than {characters} characters")


def iso_currency(column: str = "currency") -> Check:
    """A code that the services take."""
    codes = ", ".join(f"'{code}'" for code in sorted(CURRENCIES))
    return Check(column, f"staged.{column} IN ({codes})", "is not an ISO 4217 code such as EUR")
