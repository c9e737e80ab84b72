"""Cells that cannot be read are errors of their rows: they do not make their column another one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.statement import RowError
from services.ingestion.readers.words import state_of
from tests.ingestion.reading import Read, read_bytes, refused


def read(text: str, folder: Path) -> Read:
    return read_bytes(read_csv, text.encode(), folder)


def amounts(found: Read) -> list[tuple[int, str]]:
    return [(row["line"], f"{row['amount']:.2f}") for row in found.rows]


@pytest.mark.parametrize("bad", [1, 9])
@pytest.mark.parametrize("first", [True, False])
def test_an_amount_that_is_none_under_a_name_that_says_amount(tmp_path: Path, bad: int, first: bool) -> None:
    good, wrong = "2025-01-13,-1.00,a\n", "2025-01-14,abc,b\n" * bad
    found = read("Date,Amount,Text\n" + (good + wrong if first else wrong + good), tmp_path)
    assert [row["amount"] for row in found.rows] == [-1]
    assert len(found.errors) == bad
    assert {(error.field, error.reason) for error in found.errors} == {("amount", "'abc' is not an amount")}


@pytest.mark.parametrize("bad", [1, 9])
@pytest.mark.parametrize("first", [True, False])
def test_a_date_that_is_none_under_a_name_that_says_date(tmp_path: Path, bad: int, first: bool) -> None:
    good, wrong = "2025-01-13,-1.00,a\n", "soon,-2.00,b\n" * bad
    found = read("Date,Amount,Text\n" + (good + wrong if first else wrong + good), tmp_path)
    assert [row["amount"] for row in found.rows] == [-1]
    assert len(found.errors) == bad
    assert {(error.field, error.reason) for error in found.errors} == {("date", "'soon' is not a date in the file's format %Y-%m-%d")}


def test_bad_amounts_beside_a_balance_do_not_make_the_balance_the_amount(tmp_path: Path) -> None:
    found = read("Date,Amount,Balance,Text\n2025-01-13,-1.00,5.00,a\n2025-01-14,?,6.00,b\n2025-01-15,?,7.00,c\n", tmp_path)
    assert amounts(found) == [(2, "-1.00")]
    assert [(error.line, error.field) for error in found.errors] == [(3, "amount"), (4, "amount")]


def test_a_balance_is_never_the_amount(tmp_path: Path) -> None:
    for text in ("Date,Amount,Balance\n2025-01-13,?,5.00\n2025-01-14,?,6.00\n", "Date,Balance\n2025-01-13,5.00\n2025-01-14,6.00\n"):
        refusal = refused(read_csv, text.encode(), tmp_path)
        assert "balances" in refusal.message
        assert "columns" in refusal.needs


@pytest.mark.parametrize(
    ("rows", "taken", "rejected"),
    [
        ("1.00,\n?,\n,3.00\n", [(2, "-1.00"), (4, "3.00")], [3]),
        ("1.00,\n,?\n,3.00\n,?\n,?\n", [(2, "-1.00"), (4, "3.00")], [3, 5, 6]),
        ("1.00,\n?,\n?,\n,3.00\n,?\n,?\n", [(2, "-1.00"), (5, "3.00")], [3, 4, 6, 7]),
    ],
)
def test_half_a_pair_with_bad_cells_stays_half_of_the_pair(
    tmp_path: Path, rows: str, taken: list[tuple[int, str]], rejected: list[int]
) -> None:
    text = "Date,Debit,Credit\n" + "".join(f"2025-01-13,{row}\n" for row in rows.splitlines())
    found = read(text, tmp_path)
    assert amounts(found) == taken
    assert found.errors == [RowError(line, "amount", "'?' is not an amount") for line in rejected]


def test_a_name_that_means_other_things_too_needs_more_than_a_number_among_words(tmp_path: Path) -> None:
    """ "Payment" may be a text; the unnamed column of amounts is the amount."""
    rows = "".join(f"2025-01-{day},{'12' if day == 15 else 'card'},{day}.50-\n" for day in range(13, 20))
    found = read("Date,Payment,Booked\n" + rows, tmp_path)
    assert amounts(found)[0] == (2, "-13.50")
    assert found.errors == []


@pytest.mark.parametrize("nothing", ["-", "\N{EN DASH}", "--", "N/A", "n/a"])
def test_what_stands_for_nothing_in_a_pair_is_blank(tmp_path: Path, nothing: str) -> None:
    rows = f"2025-01-14,a,$12.50,{nothing},{nothing}\n2025-01-13,b,{nothing},$20.00,$70.00\n2025-01-12,c,{nothing},{nothing},$50.00\n"
    found = read("Date,Text,Debit,Credit,Balance\n" + rows, tmp_path)
    assert amounts(found) == [(2, "-12.50"), (3, "20.00")]
    assert [(error.line, error.reason) for error in found.errors] == [(4, "is empty")]
    assert found.detected["columns"]["balance"] == "Balance"


def test_a_dash_for_no_fee_is_no_error(tmp_path: Path) -> None:
    rows = "2025-01-14,a,-10.00,0.50,69.50\n2025-01-13,b,-20.00,-,80.00\n2025-01-12,c,5.00,-,100.00\n"
    found = read("Date,Text,Amount,Fee,Balance\n" + rows, tmp_path)
    assert amounts(found) == [(2, "-10.50"), (3, "-20.00"), (4, "5.00")]


@pytest.mark.parametrize(
    ("booked", "other", "reason"),
    [
        ("Verrechnet", "Declined", "declined"), ("CARD CHARGED", "CARD REFUSED", "declined"), ("PAYMENT SENT", "FAILED", "declined"),
        ("Udført", "Venter", "pending"), ("Bogført i dag", "Venter", "pending"),
    ],
)  # fmt: skip
def test_one_known_state_is_enough_under_a_name_that_says_state(tmp_path: Path, booked: str, other: str, reason: str) -> None:
    rows = f"2025-01-14,a,-1.00,{booked}\n2025-01-13,b,-2.00,{other}\n2025-01-12,c,3.00,{booked}\n2025-01-11,d,4.00,{booked}\n"
    found = read("Date,Text,Amount,Status\n" + rows, tmp_path)
    assert amounts(found) == [(2, "-1.00"), (4, "3.00"), (5, "4.00")]
    assert [(error.line, error.field, error.reason.startswith(reason)) for error in found.errors] == [(3, "status", True)]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("Card refused", "void"), ("Payment failed", "void"), ("Credit memo", ""), ("Memo", "void"), ("No error", ""),
        ("Declined - insufficient funds", "void"), ("Failed (limit)", "void"), ("Pending settlement", "pending"),
        ("Payment not cancelled", ""), ("Nicht storniert", ""), ("Refund after order cancelled", ""),
    ],
)  # fmt: skip
def test_a_text_that_ends_in_a_word_for_declined(text: str, state: str) -> None:
    assert state_of(text) == state


def test_a_kind_of_booking_that_ends_so_is_no_state(tmp_path: Path) -> None:
    """The bank booked both the debit and its return."""
    rows = "2025-01-14,a,-1.00,Debit\n2025-01-13,b,1.00,Direct debit refused\n2025-01-12,c,3.00,Credit\n"
    found = read("Date,Text,Amount,Type\n" + rows, tmp_path)
    assert (amounts(found), found.errors) == ([(2, "-1.00"), (3, "1.00"), (4, "3.00")], [])


@pytest.mark.parametrize(
    "row",
    [
        '="2025-01-14",="COFFEE, 2",="-12.50"',
        '"=""2025-01-14""","=""COFFEE, 2""","=""-12.50"""',
        '="2025-01-14","COFFEE, 2",-12.50',
        '="2025-01-14", ="COFFEE, 2" , ="-12.50"',
        '"=""2025-01-14""", "=""COFFEE, 2""" , "=""-12.50"""',
    ],
)
def test_a_formula_of_nothing_but_a_text_is_that_text(tmp_path: Path, row: str) -> None:
    (found,) = read(f'="Date",="Text",Amount\n{row}\n', tmp_path).rows
    assert (found["description"], found["amount"]) == ("COFFEE, 2", Decimal("-12.5"))


def test_an_equals_sign_within_a_text_stays(tmp_path: Path) -> None:
    rows = read('Date,Text,Amount\n2025-01-14,="A"&"B",-1.00\n2025-01-13,a="b",-2.00\n', tmp_path).rows
    assert [row["description"] for row in rows] == ['="A"&"B"', 'a="b"']


def test_a_column_named_pending_may_say_yes_and_no(tmp_path: Path) -> None:
    for yes, no in (("true", "false"), ("Yes", "No"), ("1", "0")):
        found = read(f"Date,Text,Amount,Pending\n2025-01-14,a,-1.50,{yes}\n2025-01-13,b,-2.50,{no}\n2025-01-12,c,3.50,{no}\n", tmp_path)
        assert (amounts(found), [error.field for error in found.errors]) == ([(3, "-2.50"), (4, "3.50")], ["status"])


def test_the_only_text_is_no_state_for_one_word_in_it(tmp_path: Path) -> None:
    found = read("Datum;Info;Betrag\n01.03.2024;Einkauf;-5,00\n02.03.2024;Buchung storniert;30,00\n13.03.2024;Lohn;100,00\n", tmp_path)
    assert [(row["description"], row["amount"]) for row in found.rows] == [("Einkauf", -5), ("Buchung storniert", 30), ("Lohn", 100)]
