"""Dates: what looks like one, and which format a column has."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.date_order import DateColumn, DecidedDate, Hints, UndecidedDate, dates_in, decide_format
from services.ingestion.readers.dates import from_pattern, looks_like_date
from services.ingestion.readers.statement import RowError
from tests.ingestion.reading import read_bytes, refused

TODAY = date(2025, 6, 1)


def column(*cells: str) -> DateColumn:
    found = DateColumn()
    found.add(pl.Series(cells, dtype=pl.String), pl.Series(range(2, 2 + len(cells)), dtype=pl.Int64))
    return found


def decide(*cells: str, others: tuple[DateColumn, ...] = (), around: tuple[date, ...] = (), foreign: bool = False) -> DecidedDate:
    decided = decide_format(column(*cells), Hints(others, around, foreign, TODAY))
    assert decided is not None
    return decided


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2024-01-31", "2024-01-31"), ("31.01.2024", "2024-01-31"), ("31/01/24", "2024-01-31"), ("2024.01.31.", "2024-01-31"),
        ("31. 1. 2024", "2024-01-31"), ("20240131", "2024-01-31"), ("20240131120000", "2024-01-31"), ("31 Jan 2024", "2024-01-31"),
        ("31-Jan-24", "2024-01-31"), ("31JAN2024", "2024-01-31"), ("Jan 31, 2024", "2024-01-31"), ("January 31 2024", "2024-01-31"),
        ("31st January 2024", "2024-01-31"), ("31 de enero de 2024", "2024-01-31"), ("1er février 2024", "2024-02-01"),
        ("31. März 2024", "2024-03-31"), ("31 paź 2024", "2024-10-31"), ("31. října 2024", "2024-10-31"),
        ("2024. október 31.", "2024-10-31"),
        ("31 tammikuuta 2024", "2024-01-31"), ("Wed 31 Jan 2024", "2024-01-31"), ("Wed, Jan 31, 2024", "2024-01-31"),
        ("Wednesday January 31 2024", "2024-01-31"),
        ("31.01.2024 (Mi)", "2024-01-31"),
        ("2024年1月31日", "2024-01-31"),
        ("2024-01-31T23:59:59+02:00", "2024-01-31"), ("2024-01-31 23:59:59.123456 UTC", "2024-01-31"),
        ("01/31/2024 11:59 PM", "2024-01-31"),
        ("31-01-2024 / 14:05", "2024-01-31"), ("2024-01-31 00:00:00.0", "2024-01-31"), ("31/12/1999", "1999-12-31"),
        ("31.12.99", "1999-12-31"),
    ],
)  # fmt: skip
def test_a_date_is_read_in_the_format_of_its_column(cell: str, day: str) -> None:
    assert looks_like_date(cell)
    assert str(decide(cell).format.parse(cell)) == day


@pytest.mark.parametrize(
    "cell",
    ["", "12.34", "1.234,56", "06:40", "66-666-6666", "2024", "10/2009/09", "99/99/2024", "13/13/2024", "12345678", "123456", "Jan",
     "31 Foo 2024",
     "1899-01-01", "0000-00-00", "x" * 500, "1" * 100, "18.09", "00/00/2024"],
)  # fmt: skip
def test_what_is_no_date(cell: str) -> None:
    assert not looks_like_date(cell)


@pytest.mark.parametrize(
    ("cells", "text", "evidence"),
    [
        (["01/02/2024", "13/02/2024"], "%d/%m/%Y", "a day above 12"),
        (["01/02/2024", "02/13/2024"], "%m/%d/%Y", "a day above 12"),
        (["01.02.2024"], "%d.%m.%Y", "dots between the numbers"),
        (["01.02.24"], "%d.%m.%y", "dots between the numbers"),
        (["05/05/2024", "06/06/2024"], "%d/%m/%Y", "day and month are equal in every row"),
        (["06/01/2025", "07/01/2025", "06/02/2025"], "%d/%m/%Y", "the other order lies after the file was made"),
        (["01/11/2024", "02/10/2024", "03/09/2024"], "%d/%m/%Y", None),
        (["01/03/2024", "02/01/2024", "04/02/2024", "05/01/2024"], "%m/%d/%Y", "rows are in order of date only so"),
        (["2024-13-01", "2024-01-02"], "%Y-%m-%d", "year first"),
        (["31-12-23", "30-12-23"], "%d-%m-%y", "a day above 12"),
        (["23-12-31", "24-01-05"], "%y-%m-%d", None),
        (["19-08-25", "19-08-26", "19-09-01"], "%y-%m-%d", "rows are in order of date only so"),
        (["98-12-31", "99-01-02", "00-01-05"], "%y-%m-%d", "a number above 31 or 12"),
        (["21/01/10", "20/05/24", "21/05/24", "22/05/24"], "%d/%m/%y", "a day above 12"),
        ([f"{15 + at % 3}/{1 + at % 12:02}/{12 + at // 12}" for at in range(144)], "%d/%m/%y", "a day above 12"),
        (["01/05/24", "02/05/24", "13/05/24", "72/05/24"], "%d/%m/%y", "a day above 12"),
        ([f"01/{1 + at % 12:02}/{12 + at // 12}" for at in range(144)], "%d/%m/%y", None),
        (["930101", "930215"], "%y%m%d", "six digits"),
        (["31012024", "01022024"], "%d%m%Y", "eight digits"),
    ],
)
def test_the_whole_column_tells_the_order(cells: list[str], text: str, evidence: str | None) -> None:
    try:
        decided = decide(*cells)
    except UndecidedDate:
        assert evidence is None  # such a column may also come back as a question
        return
    assert decided.format.text == text
    assert evidence is None or decided.evidence == evidence


def test_rows_in_order_tell_the_day_from_the_month() -> None:
    assert decide("02/03/2024", "05/03/2024", "01/04/2024", "03/04/2024").format.text == "%d/%m/%Y"
    assert decide("03/02/2024", "03/05/2024", "04/01/2024", "04/03/2024").format.text == "%m/%d/%Y"


def test_another_date_column_tells() -> None:
    decided = decide("01/02/2024", others=(column("15/02/2024"),))
    assert (decided.format.text, decided.evidence) == ("%d/%m/%Y", "a day above 12 in another date column")


def test_the_headers_language_tells() -> None:
    assert decide("01/02/2024", foreign=True).format.text == "%d/%m/%Y"


def test_the_period_of_the_file_tells() -> None:
    february = (date(2024, 2, 1), date(2024, 2, 29))
    assert decide("01/02/2024", "02/02/2024", around=february).format.text == "%d/%m/%Y"
    assert decide("02/01/2024", "02/02/2024", around=february).format.text == "%m/%d/%Y"


def test_the_day_of_the_export_tells() -> None:
    assert decide("10/02/2018", around=(date(2018, 2, 26),)).format.text == "%d/%m/%Y"


def test_what_stays_open_is_a_question() -> None:
    with pytest.raises(UndecidedDate) as question:
        decide("06/12/2021", "06/12/2021")
    assert [form.text for form in question.value.formats] == ["%d/%m/%Y", "%m/%d/%Y"]
    assert (question.value.example, question.value.line) == ("06/12/2021", 2)


def test_a_column_without_dates_has_no_format() -> None:
    assert decide_format(column("a", "b", ""), Hints(today=TODAY)) is None


@pytest.mark.parametrize(
    ("pattern", "cell", "day"),
    [
        ("%d/%m/%Y", "01/02/2024", "2024-02-01"), ("DD/MM/YYYY", "01/02/2024", "2024-02-01"), ("mm/dd/yyyy", "01/02/2024", "2024-01-02"),
        ("dmy", "1.2.24", "2024-02-01"), ("mdy", "01-02-2024", "2024-01-02"), ("ymd", "20240102", "2024-01-02"),
        ("YMD", "2024/1/2", "2024-01-02"),
        ("%d/%Y/%m", "10/2009/09", "2009-09-10"), ("%Y-%m-%d %H:%M:%S", "2024-01-02 03:04:05", "2024-01-02"),
        ("%F", "2024-01-02", "2024-01-02"),
        ("%-d.%-m.%y", "1.2.24", "2024-02-01"), ("dd MMM yy", "01 Feb 24", "2024-02-01"), ("%B %d, %Y", "February 1, 2024", "2024-02-01"),
        ("yyyyMMdd", "20240102", "2024-01-02"), ("iso", "2024-01-02", "2024-01-02"), ("%a %d %b %Y", "Thu 01 Feb 2024", "2024-02-01"),
        ("dmy", "1 Feb 2024", "2024-02-01"), ("%d.%m.%Y", "01.02.2024 10:30", "2024-02-01"),
    ],
)  # fmt: skip
def test_formats_that_a_caller_may_send(pattern: str, cell: str, day: str) -> None:
    assert str(from_pattern(pattern).parse(cell)) == day


@pytest.mark.parametrize("pattern", ["", "foo", "%d/%m", "%d/%d/%Y", "%Q", "%d/%m/%Y/%j", "%"])
def test_formats_that_are_none(pattern: str) -> None:
    with pytest.raises(ValueError, match="date_format"):
        from_pattern(pattern)


def test_a_format_is_strict() -> None:
    form = from_pattern("%d/%m/%Y")
    assert form.parse("30/02/2024") is None
    assert form.has_form("30/02/2024")
    assert form.parse("01/02/24") is None
    assert form.parse("01/02/2024x") is None
    assert not form.has_form("x" * 100)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("MS_JANE_01-12-2019_14-12-2019.csv", ["2019-12-01", "2019-12-14"]),
        ("20180226_12345678.csv", ["2018-02-26"]),
        ("TransactionHistory_20180418043121.csv", ["2018-04-18"]),
        ("export 05-06-2019.csv", []),
        ("Zeitraum: 01.03.2024 - 02.03.2024", ["2024-03-01", "2024-03-02"]),
        ("from 1 Jan 2024 to 31 Jan 2024", ["2024-01-01", "2024-01-31"]),
        ("12-31-2019_01-05-2020", ["2019-12-31", "2020-01-05"]),
        ("nothing 12345", []),
    ],
)
def test_dates_around_the_table(text: str, days: list[str]) -> None:
    assert [str(day) for day in dates_in(text)] == days


HEADED = "Date,Amount,Text\n{},-1.00,a\n{},-2.00,b\n"


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        (HEADED.format("2025-01-13", "2025-01-14"), {}, "'2025-01-13', the first date in the column 'Date', is not written as dmy"),
        ("2025-01-13,-1.00,a\n2025-01-14,-2.00,b\n", {}, "'2025-01-13', the first date in the column 'column 1', is not written as dmy"),
        (
            HEADED.format("2025-01-13", "2025-01-14"),
            {"columns": {"date": "Date"}},
            "'2025-01-13', the first date in the column 'Date', is not written as dmy",
        ),
        (HEADED.format("day 3 of May", "x"), {}, "'day 3 of May', the first date in the column 'Date', is not written as dmy"),
        (
            HEADED.format("01/13/2025", "01/14/2025"),
            {},
            "'01/13/2025', the first date in the column 'Date', is not a day when it is read as dmy",
        ),
    ],
)
def test_a_format_that_fits_no_date_is_named_with_the_first_date(tmp_path: Path, text: str, options: dict[str, Any], reason: str) -> None:
    refusal = refused(read_csv, text.encode(), tmp_path, date_format="dmy", **options)
    assert refusal.errors == [RowError(1 if text.startswith("2025") else 2, "date_format", reason)]
    assert "date_format" in refusal.needs
    assert reason in refusal.message


def test_a_format_is_not_blamed_for_a_file_without_a_table(tmp_path: Path) -> None:
    refusal = refused(read_csv, b"hello,world\nhow,are you\n", tmp_path, date_format="dmy")
    assert refusal.errors[0].field == "file"


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("31.02.2025", "is not a day of the calendar"),
        ("00.01.2025", "is not a day of the calendar"),
        ("01.01.2150", "lies outside the years 1900 to 2100"),
        ("01.01.0001", "lies outside the years 1900 to 2100"),
        ("31.02.2150", "is not a day of the calendar"),
        ("2025-01-01", "is not a date in the file's format %d.%m.%Y"),
        ("soon", "is not a date in the file's format %d.%m.%Y"),
    ],
)
def test_what_is_wrong_with_a_date(tmp_path: Path, cell: str, fault: str) -> None:
    found = read_bytes(read_csv, f"Date;Amount\n14.01.2025;-1.00\n{cell};-2.00\n15.01.2025;-1.00\n".encode(), tmp_path)
    assert found.errors == [RowError(3, "date", f"{cell!r} {fault}")]


def test_days_as_spreadsheets_count_them(tmp_path: Path) -> None:
    """A workbook's date without a date's format is a number; under a name that says date it is read as one."""
    found = read_bytes(read_csv, b"Date,Text,Amount\n45350,a,-1.00\n45351.75,b,-2.00\nTotal,,-3.00\n", tmp_path)
    assert [str(row["transaction_date"]) for row in found.rows] == ["2024-02-28", "2024-02-29"]
    assert found.detected["date_format"] == "day number"
    again = read_bytes(read_csv, b"When,Text,Amount\n45350,a,-1.00\n", tmp_path, date_format="day number", columns={"date": "When"})
    assert str(again.row["transaction_date"]) == "2024-02-28"


@pytest.mark.parametrize("cells", [("20124", "150124"), ("23100", "45350"), ("45350", "12")])
def test_numbers_that_may_be_anything_are_no_days(cells: tuple[str, str], tmp_path: Path) -> None:
    text = "Date,Text,Amount\n" + "".join(f"{cell},a,-1.00\n" for cell in cells)
    assert refused(read_csv, text.encode(), tmp_path).errors[0].field in ("date", "columns")
