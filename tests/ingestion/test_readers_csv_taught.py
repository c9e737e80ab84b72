"""What an earlier file with the same header taught: taken where it fits, left out with a word where it does not, never in the way."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from services.ingestion.readers.columns import FIELDS
from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.statement import Taught
from services.ingestion.readers.taught import header_hash
from tests.ingestion.bank_layouts import LAYOUTS, Layout
from tests.ingestion.reading import Read, read_bytes, refused

HEADER = "When,What,Gross,Net"
AMBIGUOUS = f"{HEADER}\n03/04/2025,a,-1.00,-0.90\n05/03/2025,b,-2.00,-1.90\n"
NET_BY_DAY: dict[str, Any] = {"columns": {"amount": "Net"}, "date_format": "dmy"}


def profiles(header: str = HEADER, **said: Any) -> dict[str, Taught]:
    known = header_hash(header.split(","))
    return {known: Taught(known, said.get("columns", {}), said.get("date_format"), "the-import")}


class Reads:
    """Reads in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, text: str, **options: Any) -> Read:
        return read_bytes(read_csv, text.encode(), self.folder, **options)

    def refused(self, text: str, **options: Any) -> Any:
        return refused(read_csv, text.encode(), self.folder, **options)


@pytest.fixture
def read(tmp_path: Path) -> Reads:
    return Reads(tmp_path)


def values(found: Read) -> list[tuple[str, str]]:
    return [(str(row["transaction_date"]), f"{row['amount']:.2f}") for row in found.rows]


def test_the_same_header_is_read_as_it_was_taught(read: Reads) -> None:
    assert "date_format" in read.refused(AMBIGUOUS).needs
    found = read(AMBIGUOUS, profiles=profiles(**NET_BY_DAY))
    assert values(found) == [("2025-04-03", "-0.90"), ("2025-03-05", "-1.90")]
    assert found.detected["profile"] == {"header_hash": found.statement.header_hash, "import_id": "the-import", **NET_BY_DAY}
    assert found.detected["date_evidence"] == "given for an earlier file with this header"
    [note] = found.detected["notes"]
    assert note.startswith("`columns` and `date_format` as you gave them for the same header in import the-import; send others")


@pytest.mark.parametrize(
    "text",
    [
        AMBIGUOUS.replace(HEADER, "WHEN , what,GROSS,  net,"),
        "Account summary\nfrom a bank\n\n" + AMBIGUOUS,
        AMBIGUOUS.replace(HEADER, '"When","What","Gross","Net"'),
        AMBIGUOUS.replace(",", "\t"),
        "\ufeff" + AMBIGUOUS.replace("\n", "\r\n"),
    ],
)
def test_case_blanks_quotes_and_what_stands_above_do_not_matter(read: Reads, text: str) -> None:
    found = read(text, profiles=profiles(**NET_BY_DAY))
    assert values(found)[0] == ("2025-04-03", "-0.90")
    assert found.statement.header_hash in profiles(**NET_BY_DAY)


@pytest.mark.parametrize("header", ["When,What,Gross", "When,What,Net,Gross", "What,When,Gross,Net", "When,What,Gross,Net,Fee"])
def test_another_header_is_none_of_it(read: Reads, header: str) -> None:
    assert "date_format" in read.refused(AMBIGUOUS, profiles=profiles(header, **NET_BY_DAY)).needs
    found = read(AMBIGUOUS, profiles=profiles(header, **NET_BY_DAY), date_format="mdy")
    assert "profile" not in found.detected


def test_what_the_caller_says_wins_option_by_option(read: Reads) -> None:
    known = profiles(**NET_BY_DAY)
    other_days = read(AMBIGUOUS, profiles=known, date_format="mdy")
    assert values(other_days)[0] == ("2025-03-04", "-0.90")
    assert other_days.detected["profile"].keys() == {"header_hash", "import_id", "columns"}
    assert other_days.detected["date_evidence"] == "given"
    other_amounts = read(AMBIGUOUS, profiles=known, columns={"amount": "Gross"})
    assert values(other_amounts)[0] == ("2025-04-03", "-1.00")
    assert other_amounts.detected["profile"].keys() == {"header_hash", "import_id", "date_format"}
    both = read(AMBIGUOUS, profiles=known, columns={"amount": "Gross"}, date_format="mdy")
    assert values(both)[0] == ("2025-03-04", "-1.00")
    assert "profile" not in both.detected
    assert both.detected["notes"] == []


def test_dates_that_contradict_are_read_by_what_the_file_tells(read: Reads) -> None:
    """The bank has changed its dates: only what still fits is taken."""
    for day, told in (("01/13/2025", "%m/%d/%Y"), ("2025-01-13", "%Y-%m-%d")):
        text = f"{HEADER}\n{day},a,-1.00,-0.90\n"
        found = read(text, profiles=profiles(**NET_BY_DAY))
        assert values(found) == [("2025-01-13", "-0.90")]
        assert found.detected["date_format"] == told
        assert found.detected["profile"].keys() == {"header_hash", "import_id", "columns"}
        assert "does not fit this file" in found.detected["notes"][0]
        assert repr(day) in found.detected["notes"][0]


def test_a_date_that_nobody_can_read_is_a_row_error_as_ever(read: Reads) -> None:
    """One bad row must not bring back the question that the user has answered."""
    found = read(AMBIGUOUS + "soon,c,-3.00,-2.90\n31/02/2025,d,-3.00,-2.90\n", profiles=profiles(**NET_BY_DAY))
    assert values(found) == [("2025-04-03", "-0.90"), ("2025-03-05", "-1.90")]
    assert [(error.line, error.field) for error in found.errors] == [(4, "date"), (5, "date")]


def test_the_users_word_stands_against_a_guess(read: Reads) -> None:
    """The rows are in order of date only as month first; but every date can be read as the user said."""
    text = f"{HEADER}\n" + "".join(f"{month:02}/0{day}/2025,a,-1.00,-1.00\n" for month, day in ((1, 9), (2, 3), (3, 7), (4, 2)))
    assert read(text).detected["date_format"] == "%m/%d/%Y"
    assert read(text, profiles=profiles(date_format="dmy")).detected["date_format"] == "dmy"


def test_columns_that_do_not_fit_are_left_out(read: Reads) -> None:
    clear = AMBIGUOUS.replace("03/04", "13/04")
    for columns in ({"amount": "9"}, {"date": "What"}, {"amount": "What"}):
        found = read(clear, profiles=profiles(columns=columns))
        assert values(found)[0][0] == "2025-04-13"
        assert "profile" not in found.detected
        assert "does not fit this file" in found.detected["notes"][0]


def test_columns_by_number_are_taken(read: Reads) -> None:
    found = read(AMBIGUOUS, profiles=profiles(columns={"amount": "4"}, date_format="dmy"))
    assert values(found)[0] == ("2025-04-03", "-0.90")


def test_a_question_that_what_was_taught_leaves_open_is_asked(read: Reads) -> None:
    """With the columns in place only the date format is missing; without them the question would be another."""
    unnamed = "x,y,z\n03/04/2025,7,12\n05/03/2025,8,13\n"
    assert set(read.refused(unnamed).needs) == {"columns"}
    refusal = read.refused(unnamed, profiles=profiles("x,y,z", columns={"amount": "z"}))
    assert set(refusal.needs) == {"date_format"}


def test_a_file_that_nothing_helps_is_refused_as_without(read: Reads) -> None:
    hopeless = f"{HEADER}\nsoon,a,?,?\n"
    assert read.refused(hopeless, profiles=profiles(**NET_BY_DAY)).errors == read.refused(hopeless).errors


def test_dates_that_hide_the_separator(read: Reads) -> None:
    """Only the caller knows that these are dates, so the separator is found by the header that is known."""
    text = "When|What, or why, or how|Net\n2025 1/ 3|a, b, c|-1.00\n2025 1/ 4|a, b, c|-2.00\n"
    first = read(text, date_format="%Y %d/ %m", columns={"date": "When", "amount": "Net"})
    known = first.statement.header_hash
    assert known
    taught = {known: Taught(known, {"date": "When", "amount": "Net"}, "%Y %d/ %m", "the-import")}
    assert values(read(text, profiles=taught)) == values(first) == [("2025-03-01", "-1.00"), ("2025-04-01", "-2.00")]


def test_a_file_without_header_has_no_hash(read: Reads) -> None:
    assert read("2025-01-13,a,-1.00\n2025-01-14,b,-2.00\n").statement.header_hash is None


READABLE = [layout for layout in LAYOUTS if layout.encoding == "utf-8" and not layout.date_format and not layout.columns]
FIELD = st.sampled_from([*FIELDS, "nonsense"])
COLUMN = st.one_of(st.integers(0, 12).map(str), st.sampled_from(["Date", "Amount", "Description", "Betrag", "no such column"]))


@given(
    layout=st.sampled_from(READABLE),
    columns=st.dictionaries(FIELD, COLUMN, max_size=3),
    date_format=st.sampled_from([None, "dmy", "mdy", "ymd", "%Y%m%d", "%d %b %Y", "nonsense"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_was_taught_a_readable_file_stays_readable(
    read: Reads, layout: Layout, columns: dict[str, str], date_format: str | None
) -> None:
    options: dict[str, Any] = {"file_name": layout.file_name, "today": date(2025, 6, 1)}
    plain = read(layout.text, **options)
    known = plain.statement.header_hash
    assume(known is not None and (columns or date_format))
    assert known is not None
    found = read(layout.text, profiles={known: Taught(known, columns, date_format, "the-import")}, **options)
    assert found.rows
    taken = found.detected.get("profile", {})
    if "profile" not in found.detected:
        assert found.rows == plain.rows
    if date_format and "date_format" not in taken:
        assert found.detected["date_format"] == plain.detected["date_format"] or taken
        assert any("does not fit this file" in note for note in found.detected["notes"])


def test_header_hash() -> None:
    assert header_hash(["A", "b  c", ""]) == header_hash([" a ", "B c"])
    assert header_hash(["a", "", "b"]) != header_hash(["a", "b"])
    assert header_hash(["a,b"]) != header_hash(["a", "b"])
