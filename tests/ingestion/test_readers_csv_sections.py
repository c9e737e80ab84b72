"""Headings between the rows of a table: they say which rows are not booked yet, and which way unsigned amounts went."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ingestion.readers import csv
from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.statement import UnreadableStatement
from tests.ingestion.reading import Read, read_bytes

HEADER = "Date,Text,Amount"
ROWS = ["2025-01-16,c,-5.00", "2025-01-15,b,-20.00", "2025-01-14,d,30.00"]


def read(folder: Path, *lines: str) -> Read:
    return read_bytes(read_csv, "\n".join(lines).encode(), folder)


def amounts(found: Read) -> list[str]:
    return [f"{row['description']} {row['amount']:.2f}" for row in found.rows]


@pytest.mark.parametrize(
    ("pending", "booked"),
    [
        ("Pending", "Posted"), ("Pending transactions,,", "Posted transactions,,"), ("Vorgemerkte Umsätze", "Gebuchte Umsätze"),
        ("Umsatz vorgemerkt", "Gebucht"), ("Transactions en attente", "Opérations comptabilisées"), ("Pending Transactions:", "Completed"),
        ("Pending (1)", "Transaction history"), ("Pending transactions", "Booked (2)"), ("Declined transactions", "Last statement"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("again", [True, False])
def test_rows_under_a_heading_that_says_pending_wait(tmp_path: Path, pending: str, booked: str, *, again: bool) -> None:
    header = [HEADER] if again else []
    for lines in ([HEADER, pending, ROWS[0], booked, *header, *ROWS[1:]], [pending, HEADER, ROWS[0], booked, *header, *ROWS[1:]]):
        found = read(tmp_path, *lines)
        assert amounts(found) == ["b -20.00", "d 30.00"]
        (error,) = found.errors
        assert (error.field, error.reason.split(":")[0]) == (
            "status",
            "pending" if "Declined" not in pending else "declined, cancelled or reverted",
        )


def test_a_heading_above_the_header_counts_only_next_to_it(tmp_path: Path) -> None:
    for above in (["Pending transactions", "None", "Recent transactions"], ["Pending", "Account,123"]):
        assert amounts(read(tmp_path, *above, HEADER, *ROWS)) == ["c -5.00", "b -20.00", "d 30.00"]


def test_a_remark_below_pending_books_nothing(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER, ROWS[2], "Pending", "These may still change", *ROWS[:2])
    assert (amounts(found), len(found.errors)) == (["d 30.00"], 2)


@pytest.mark.parametrize(
    ("into", "out"),
    [
        ("Deposits", "Withdrawals"),
        ("Deposits and other credits", "Electronic withdrawals"),
        ("Money in", "Money out"),
        ("Einnahmen", "Ausgaben"),
    ],
)
def test_headings_say_which_way_unsigned_amounts_went(tmp_path: Path, into: str, out: str) -> None:
    lines = [into, HEADER, "2025-01-16,c,5.00", "", "Total,,5.00", out, HEADER, "2025-01-15,b,20.00", "2025-01-14,d,30.00"]
    found = read(tmp_path, "Account,123", "", *lines)
    assert (amounts(found), found.errors) == (["c 5.00", "b -20.00", "d -30.00"], [])
    assert "heading decides" in found.detected["sign"]


def test_rows_under_a_heading_that_says_no_direction_are_errors_where_others_do(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER, "Deposits", "2025-01-16,c,5.00", "Withdrawals", "2025-01-15,b,20.00", "Checks", "2025-01-14,d,30.00")
    assert amounts(found) == ["c 5.00", "b -20.00"]
    assert [error.reason for error in found.errors] == ["the direction 'Checks' is not known: money in or out?"]


def test_rows_above_the_first_heading_that_says_a_direction_are_errors(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER, "2025-01-16,c,5.00", "Deposits", "2025-01-15,b,20.00")
    assert (amounts(found), [error.line for error in found.errors]) == (["b 20.00"], [2])


@pytest.mark.parametrize("heading", ["Credit card", "Debit Card 1", "January", "Main account", "Checks", "Total deposits"])
def test_other_headings_change_nothing(tmp_path: Path, heading: str) -> None:
    assert amounts(read(tmp_path, HEADER, heading, *ROWS)) == ["c -5.00", "b -20.00", "d 30.00"]
    unsigned = [row.replace("-2", "\0").replace("-", "").replace("\0", "-2") for row in ROWS]
    assert len(read(tmp_path, HEADER, heading, *unsigned).rows) == 3


def test_signs_say_more_than_headings(tmp_path: Path) -> None:
    assert amounts(read(tmp_path, HEADER, "Withdrawals", *ROWS)) == ["c -5.00", "b -20.00", "d 30.00"]


def test_a_word_on_a_line_of_its_own_may_go_on_with_a_description(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER, ROWS[0], ",Pending,", ROWS[1])
    assert amounts(found) == ["c Pending -5.00", "b -20.00"]


def test_headings_hold_from_one_part_of_a_file_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "KEEP_BYTES", 0)
    many = [f"2025-01-{day:02},row {number},-1.00" for day in range(1, 29) for number in range(2_000)]
    found = read(tmp_path, HEADER, "Pending", *many, "Posted", ROWS[2])
    assert (amounts(found), len(found.errors)) == (["d 30.00"], len(many))


def test_a_pending_table_before_another_of_other_columns_is_refused_whole(tmp_path: Path) -> None:
    with pytest.raises(UnreadableStatement, match="none of the 2 rows can be read") as caught:
        read(tmp_path, "Pending", HEADER, ROWS[0], "", "Date,Posted,Text,Kind,Amount", "2025-01-15,2025-01-16,b,x,-20.00")
    assert caught.value.errors[0].reason.startswith("pending")
    assert "whose header on line 5 has other columns" in caught.value.errors[1].reason
