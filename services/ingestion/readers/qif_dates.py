"""Dates as QIF writers print them, brought into a form that `date_order` can judge by the whole file."""

from __future__ import annotations

import re
from functools import lru_cache

from services.ingestion.readers.dates import TIME, DateFormat, from_pattern, looks_like_date, numeric_format

_QIF = re.compile(r"^\s*(\d{1,2})\s*([/.-])\s*(\d{1,2})\s*([/.'’-])\s*(\d{4}|\d{1,3})(?!\d)", re.ASCII)


@lru_cache(maxsize=65_536)
def normal_date(text: str) -> str:
    """ "8/ 1/97", "1/ 3' 4", "6/ 9'2001" or "03/25/099Share Withdrawal" as "8/1/1997" and so on; any other text as it is, trimmed.

    Blanks pad; an apostrophe stands before years from 2000; three digits are the years since 1900, as C counts them; a text may follow.
    """
    match = _QIF.match(text)
    if match is None or int(match.group(1)) > 31:
        return text.strip()
    first, mark, second, before_year, year = match.groups()
    if len(year) == 3:
        full = 1900 + int(year)
    elif len(year) <= 2:
        full = int(year) + (2000 if int(year) < 70 else 1900)
    else:
        full = int(year)
    return f"{int(first)}{mark}{int(second)}{mark}{full}" if before_year in (mark, "'", "’") else text.strip()


def is_bare_date(text: str) -> bool:
    """Whether a text is a date and perhaps a time of day, but nothing more."""
    match = _QIF.match(text)
    tail = text[match.end() :].strip() if match else ""
    return looks_like_date(normal_date(text)) and (not tail or re.fullmatch(TIME, tail) is not None)


def short_date(text: str) -> str:
    """ "24-01-05" or "24/1/ 5" with its three numbers as they stand, of two digits each; "" for a date whose year is beyond doubt."""
    match = _QIF.match(text)
    if match is None or match[2] not in "/-" or match[4] != match[2] or len(match[5]) > 2:
        return ""
    return match[2].join(f"{int(match[at]):02}" for at in (1, 3, 5))


def date_text(text: str, date_format: DateFormat) -> str:
    """A date as `date_format` reads it: only where a year of two digits comes first does the last number stay as it is."""
    return (date_format.text.startswith("%y") and short_date(text)) or normal_date(text)


def has_three_digit_year(text: str) -> bool:
    """Whether the year is written as C counts it: 099 for 1999."""
    match = _QIF.match(text)
    return match is not None and len(match.group(5)) == 3


def given_format(text: str) -> DateFormat:
    """The caller's format, for dates that went through `normal_date`. Raises ValueError, saying why, for what is no format."""
    wanted = from_pattern(text)
    order = "".join(letter for letter in re.sub(r"[^dmybDMYB]", "", wanted.text).lower().replace("b", "m"))
    if len(order) != 3 or order[0] == "y" or "b" in wanted.text.lower():
        return wanted
    forms = [numeric_format(order, mark, 4) for mark in "/.-"]
    return DateFormat(wanted.text, (*(pattern for form in forms for pattern in form.patterns), *wanted.patterns))
