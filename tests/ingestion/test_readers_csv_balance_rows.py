"""Dated lines that repeat a balance are no bookings, wherever the word for it stands."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.words import BALANCE_ENTRIES, names_balance
from tests.ingestion.reading import read_bytes


def test_the_word_may_stand_in_another_column_of_a_row_without_text(tmp_path: Path) -> None:
    text = (
        "Buchungstag;Auftraggeber;Verwendungszweck;Kundenreferenz;Währung;Umsatz; \n"
        "29.01.2024;Rewe;Einkauf;Endsaldo;EUR;12,50;S\n05.01.2024;ACME;Lohn;;EUR;1.500,00;H\n"
        "01.01.2024;;;Anfangssaldo;EUR;1.000,00;H\n31.01.2024;;;Endsaldo;EUR;2.487,50;H\n"
    )
    read = read_bytes(read_csv, text.encode(), tmp_path)
    assert [row["amount"] for row in read.rows] == [Decimal("-12.5"), Decimal(1500)]
    assert [(skipped["line"], skipped["reason"]) for skipped in read.detected["skipped_lines"]] == [(4, "a balance"), (5, "a balance")]


def test_the_word_may_have_its_date_behind_it(tmp_path: Path) -> None:
    text = (
        "Datum;Text;Belopp\n2024-01-01;Ingående saldo 2024-01-01;1000,00\n2024-01-29;ICA;-12,50\n"
        "2024-01-31;Utgående saldo 2024-01-31;987,50\n"
    )
    read = read_bytes(read_csv, text.encode(), tmp_path)
    assert [row["amount"] for row in read.rows] == [Decimal("-12.5")]


def test_an_opening_balance_alone_stays_a_booking(tmp_path: Path) -> None:
    """In a household's own book it is the first entry."""
    text = "Date,Text,Category,Amount\n2024-01-01,,Opening balance,1000.00\n2024-01-29,shop,Food,-12.50\n"
    assert len(read_bytes(read_csv, text.encode(), tmp_path).rows) == 2


@pytest.mark.parametrize(
    ("text", "is_balance"),
    [
        ("Closing balance", True), ("Closing balance 31 January 2024", True), ("Closing balance as at 31/01/2024", True),
        ("Endsaldo per 31.12.2023", True), ("SALDO 31/12/2023", True), ("Neuer Kontostand vom 31.01.24", True),
        ("Saldo final 31 ene 2024", True),
        ("Saldo 10", False), ("Saldo 10,00", False), ("Saldo 2000", False), ("Closing balance 2023-12", True),
        ("New Balance 574", False), ("New Balance Store", False), ("Saldo 1.000,00", False),
        ("Closing balance fee 5", False), ("31.12.2023", False), ("per 31.12.2023", False),
    ],
)  # fmt: skip
def test_what_names_a_balance(text: str, is_balance: bool) -> None:
    assert names_balance(text, BALANCE_ENTRIES) is is_balance


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("Date,Text,Amount\n2024-03-02,NEW BALANCE 12 MAR,-120\n2024-03-01,NEW BALANCE 01.03.24,140\n2024-02-20,Pay,20\n", [-120, 20]),
        ("Datum;Empfänger;Text;Betrag\n20.03.2024;Ott;Saldo 15.02.2024;-100,00\n02.03.2024;;Saldo 01.03.2024;20,00\n01.03.2024;X;Y;5,00\n",
         [-100, 5]),
        ("Datum;Text;Betrag;Saldo\n31.03.2024;Saldo;50,00;87,50\n30.03.2024;Saldo;137,50;137,50\n02.03.2024;X;-20,00;37,50\n", [50, -20]),
    ],
)  # fmt: skip
def test_a_booking_is_no_balance_though_its_text_says_so(text: str, amounts: list[int], tmp_path: Path) -> None:
    found = read_bytes(read_csv, text.encode(), tmp_path)
    assert ([row["amount"] for row in found.rows], found.errors, len(found.detected["skipped_lines"])) == (amounts, [], 1)


def test_a_balance_beside_a_nought_is_one(tmp_path: Path) -> None:
    rows = "2024-03-31,Closing balance,87.50,0.00,87.50\n2024-03-02,X,20.00,0.00,87.50\n2024-03-01,Y,0.00,7.50,107.50\n"
    text = f"Date,Text,Debit,Credit,Balance\n{rows}"
    found = read_bytes(read_csv, text.encode(), tmp_path)
    assert ([str(row["amount"]) for row in found.rows], len(found.detected["skipped_lines"])) == (["-20.0000", "7.5000"], 1)


def test_an_account_balance_of_a_day_is_none_of_its_bookings(tmp_path: Path) -> None:
    text = "Datum;Text;Betrag;Saldo\n31.03.2024;Kontostand am 31.03.2024;87,50;87,50\n02.03.2024;X;-20,00;87,50\n"
    assert [row["amount"] for row in read_bytes(read_csv, text.encode(), tmp_path).rows] == [-20]
