"""QIF dates whose year comes first in two digits, and records whose end is hard to see."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.ingestion.readers.qif import read_qif
from tests.ingestion import reading
from tests.ingestion.reading import Read


def read(text: str, folder: Path, **options: Any) -> Read:
    return reading.read_bytes(read_qif, text.encode(), folder, today=date(2026, 1, 15), **options)


def records(*days: str) -> str:
    return "!Type:Bank\n" + "".join(f"D{day}\nT-5.00\nPa\n^\n" for day in days)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (("24-01-05", "24-01-16"), [(2024, 1, 5), (2024, 1, 16)]),
        (("24/01/05", "24/ 2/ 6", "24/03/26"), [(2024, 1, 5), (2024, 2, 6), (2024, 3, 26)]),
        (("98-12-31", "99-01-02"), [(1998, 12, 31), (1999, 1, 2)]),
        (("31/01/05", "15/02/05"), [(2005, 1, 31), (2005, 2, 15)]),
        (("1/31/97", "12/31/99", "1/ 3' 4"), [(1997, 1, 31), (1999, 12, 31), (2004, 1, 3)]),
        (("24/01/05", "16/01/2024"), [(2005, 1, 24), (2024, 1, 16)]),
    ],
)
def test_years_of_two_digits(days: tuple[str, ...], expected: list[tuple[int, int, int]], tmp_path: Path) -> None:
    assert [row["transaction_date"] for row in read(records(*days), tmp_path).rows] == [date(*day) for day in expected]


def test_the_option_line_says_that_the_year_comes_first(tmp_path: Path) -> None:
    found = read("!Option:YMD\n" + records("04/01/05", "04/02/06"), tmp_path)
    assert [row["transaction_date"] for row in found.rows] == [date(2004, 1, 5), date(2004, 2, 6)]
    assert found.detected["date_evidence"] == "the file's !Option line"


def test_the_caller_says_that_the_year_comes_first(tmp_path: Path) -> None:
    found = read(records("04-01-05", "04-02-06"), tmp_path, date_format="%y-%m-%d")
    assert [row["transaction_date"] for row in found.rows] == [date(2004, 1, 5), date(2004, 2, 6)]


def test_a_record_may_be_indented_with_its_end(tmp_path: Path) -> None:
    text = "!Type:Bank\r\n D13/01/2024\r\n T-1.50\r\n Px\r\n ^\r\n\tD14/01/2024\r\n\tT-2.50\r\n\tPy\r\n\t^\r\n"
    assert [(row["line"], row["description"]) for row in read(text, tmp_path).rows] == [(2, "x"), (6, "y")]


def test_two_dates_in_one_record_are_an_error(tmp_path: Path) -> None:
    text = "!Type:Bank\nD13/01/2024\nT-1.50\nPx\nD14/01/2024\nT-2.50\nPy\n^\n" + "D15/01/2024\nT-3\nPz\nDinner\n^\n"
    found = read(text, tmp_path)
    assert [row["line"] for row in found.rows] == [9]
    assert [(error.line, error.field) for error in found.errors] == [(2, "row")]
    assert "two dates" in found.errors[0].reason
