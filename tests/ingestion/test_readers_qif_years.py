"""QIF dates whose year comes first in two digits, and records whose end is hard to see."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from services.ingestion.readers.qif import read_qif
from services.ingestion.readers.statement import UnreadableStatement
from tests.ingestion import reading
from tests.ingestion.reading import Read


def read(text: str, folder: Path, **options: Any) -> Read:
    return reading.read_bytes(read_qif, text.encode(), folder, today=date(2026, 1, 15), **options)


def records(*days: str) -> str:
    return "!Type:Bank\n" + "".join(f"D{day}\nT-5.00\nPa\n^\n" for day in days)


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (("24-01-05", "24-01-16", "24-02-07"), [(2024, 1, 5), (2024, 1, 16), (2024, 2, 7)]),
        (("24-01-16", "24-01-05", "23-12-17"), [(2024, 1, 16), (2024, 1, 5), (2023, 12, 17)]),
        (("24/01/05", "24/ 2/ 6", "24/03/28"), [(2024, 1, 5), (2024, 2, 6), (2024, 3, 28)]),
        (("21/01/10", "20/05/24", "21/05/24", "22/05/24"), [(2010, 1, 21), (2024, 5, 20), (2024, 5, 21), (2024, 5, 22)]),
        (("15/01/12", "16/02/12", "17/01/18", "15/11/23"), [(2012, 1, 15), (2012, 2, 16), (2018, 1, 17), (2023, 11, 15)]),
        (("20/05/25", "21/05/25", "22/06/26"), [(2025, 5, 20), (2025, 5, 21), (2026, 6, 22)]),
        (("98-12-31", "99-01-02"), [(1998, 12, 31), (1999, 1, 2)]),
        (("31/01/05", "15/02/05"), [(2005, 1, 31), (2005, 2, 15)]),
        (("1/31/97", "12/31/99", "1/ 3' 4"), [(1997, 1, 31), (1999, 12, 31), (2004, 1, 3)]),
        (("24/01/05", "16/01/2024"), [(2005, 1, 24), (2024, 1, 16)]),
    ],
)
def test_years_of_two_digits(days: tuple[str, ...], expected: list[tuple[int, int, int]], tmp_path: Path) -> None:
    assert [row["transaction_date"] for row in read(records(*days), tmp_path).rows] == [date(*day) for day in expected]


@pytest.mark.parametrize("days", [[f"20/12/{year}" for year in range(12, 24)], ["24-01-05", "24-01-16"]])
def test_where_the_year_may_come_first_or_last_the_caller_is_asked(days: list[str], tmp_path: Path) -> None:
    """A yearly payment, or a month's: either reading is in order."""
    mark = days[0][2]
    with pytest.raises(UnreadableStatement, match="nothing in the file tells which") as refusal:
        read(records(*days), tmp_path)
    formats = [f"%d{mark}%m{mark}%y", f"%y{mark}%m{mark}%d"]
    assert refusal.value.needs == {"date_format": formats}
    years = [[row["transaction_date"].year for row in read(records(*days), tmp_path, date_format=one).rows] for one in formats]
    assert years == [[2000 + int(day[6:]) for day in days], [2000 + int(day[:2]) for day in days]]


def test_payments_on_the_first_of_the_month_leave_only_day_and_month_open(tmp_path: Path) -> None:
    days = [f"01/{month:02}/{year}" for year in range(12, 24) for month in range(1, 13)]
    with pytest.raises(UnreadableStatement) as refusal:
        read(records(*days), tmp_path)
    assert refusal.value.needs == {"date_format": ["%d/%m/%Y", "%m/%d/%Y"]}


def test_the_option_line_says_that_the_year_comes_last(tmp_path: Path) -> None:
    found = read("!Option:DMY\n" + records("24/01/05", "24/01/16", "24/02/07"), tmp_path)
    assert [row["transaction_date"].year for row in found.rows] == [2005, 2016, 2007]


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


@pytest.mark.parametrize("again", ["13/01/2024", "13/ 1/24", "12/05/2024 was the day of the order", "14/01/2024: see the bill"])
def test_the_same_date_again_or_a_text_that_begins_with_one_is_no_second_record(again: str, tmp_path: Path) -> None:
    found = read(f"!Type:Bank\nD13/01/2024\nD{again}\nT-1.50\nPx\nMa\nD{again}\n^\n", tmp_path)
    assert (found.row["transaction_date"], found.row["description"], found.errors) == (date(2024, 1, 13), "x a", [])


@pytest.mark.parametrize("again", ["13/01/2024", "14/01/2024", "14/01/2024 10:30", "14/01/2024Withdrawal"])
def test_two_records_on_one_day_without_an_end_between_them_are_an_error(again: str, tmp_path: Path) -> None:
    found = read(f"!Type:Bank\nD13/01/2024\nU-1.50\nT-1.50\nPx\nD{again}\nT-2.50\nPy\n^\nD15/01/2024\nT-3\n^\n", tmp_path)
    assert ([(error.line, error.field) for error in found.errors], found.row["line"]) == ([(2, "row")], 10)
