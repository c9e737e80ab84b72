"""Tables whose amount no known name shows: told by what the cells prove, else asked for, never a fee or a balance taken for it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from services.ingestion.readers.csv import read_csv
from tests.ingestion.reading import read_bytes, refused


def test_a_pair_is_not_taken_for_an_amount_with_its_balance(tmp_path: Path) -> None:
    """In the first row the money in is nothing and the balance grows by the whole money in of the second: that proves nothing."""
    text = "Giorn,Testo,Fora,Drin,Resta\n2024-01-31,shop,12340,0,987660\n2024-01-30,pay,0,1000000,1000000\n"
    read = read_bytes(read_csv, text.encode(), tmp_path)
    assert [row["amount"] for row in read.rows] == [Decimal(-12340), Decimal(1000000)]


@pytest.mark.parametrize("fee", ["0.00", "1.00"])
def test_a_column_of_equal_numbers_is_no_amount_beside_a_constant_balance(fee: str, tmp_path: Path) -> None:
    rows = "".join(f"2024-01-{day},shop{day},{fee},7001,{day}.50\n" for day in (10, 11, 13))
    answer = refused(read_csv, f"Giorn,Testo,Costi,Carta,Prezzo di mezzo\n{rows}".encode(), tmp_path)
    assert "all hold numbers" in answer.message
    assert answer.needs["columns"][0] == "Giorn"


def test_fees_and_foreign_amounts_are_not_the_amount(tmp_path: Path) -> None:
    text = (
        "ID,Created on,Source fee amount,Target name,Local amount,Exchange rate\n"
        "1,2024-02-28,0.50,Shop,12.34,1.0\n2,2024-02-27,0.00,Me,1000.00,1.0\n"
    )
    answer = refused(read_csv, text.encode(), tmp_path)
    assert "columns 3, 5, 6 hold numbers, but by their names none is the amount" in answer.message


def test_the_only_numbers_are_the_amount_whatever_their_name(tmp_path: Path) -> None:
    text = "Date,Text,Original amount\n2024-02-28,Shop,-12.34\n2024-02-27,Pay,1000.00\n"
    assert [row["amount"] for row in read_bytes(read_csv, text.encode(), tmp_path).rows] == [Decimal("-12.34"), Decimal(1000)]


def test_ids_that_begin_like_a_day_are_no_dates(tmp_path: Path) -> None:
    text = "Ref,Quando,Testo,Amount\n2024022822001,2024-02-28,a,-1.00\n2024022799002,2024-02-27,b,2.00\n"
    read = read_bytes(read_csv, text.encode(), tmp_path)
    assert read.detected["columns"]["date"] == "Quando"


def test_lines_of_marks_are_no_rows(tmp_path: Path) -> None:
    text = "Date,Text,Amount\n****,****,****\n2024-02-28,Shop,-12.34\n----,----,----\n"
    read = read_bytes(read_csv, text.encode(), tmp_path)
    assert (len(read.rows), read.errors) == (1, [])
    assert [skipped["reason"] for skipped in read.detected["skipped_lines"]] == ["a line of marks"] * 2


@pytest.mark.parametrize(("currency", "amount"), [("KWD", "-1.234"), ("IDR", "-1234")])
def test_the_currency_column_tells_a_decimal_from_a_thousands_mark(currency: str, amount: str, tmp_path: Path) -> None:
    text = f"Date,Text,Amount,Currency\n2024-02-28,a,-1.234,{currency}\n2024-02-27,b,5.500,{currency}\n"
    assert read_bytes(read_csv, text.encode(), tmp_path).rows[0]["amount"] == Decimal(amount)
