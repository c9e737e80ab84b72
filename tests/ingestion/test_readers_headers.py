"""Headers of two rows, and files with more than one table: no amount under another table's name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.ingestion.readers import headers
from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.header_names import NAMES
from services.ingestion.readers.headers import is_named_header
from tests.ingestion.reading import Read, read_bytes

D = Decimal
ROWS = "05/01/2024,Shop,12.50,0.00,87.50\n06/01/2024,Shop2,10.00,0.00,77.50\n25/01/2024,Pay,0.00,50.00,127.50\n"


def read(text: str, folder: Path, **options: Any) -> Read:
    return read_bytes(read_csv, text.encode(), folder, **options)


@pytest.mark.parametrize("rows", [ROWS, ROWS.replace(",0.00,", ",,")])
@pytest.mark.parametrize(
    "header",
    [
        "Date,Description,Amount,,Balance\n,,Debit,Credit,\n",
        "Date,Description,Amount,Amount,Balance\nDate,Description,Debit,Credit,Balance\n",
        "Date,Particulars,Movement,,Balance\n,,Dr,Cr\n",
        "Tarih,Açıklama,Tutar,,Bakiye\n,,Borç,Alacak,\n",
        "交易日期,摘要,交易金额,,余额\n,,借方,贷方,\n",
        "Fecha,Concepto,Importe,,Saldo\n,,Cargo,Abono,\n",
        "Date,,Amount,,Balance\n,Details,Withdrawals,Deposits,\n",
    ],
)
def test_a_header_of_two_rows_is_one_header(header: str, rows: str, tmp_path: Path) -> None:
    found = read(header + rows, tmp_path)
    assert [row["amount"] for row in found.rows] == [D("-12.5"), D(-10), D(50)]
    assert [row["description"] for row in found.rows] == ["Shop", "Shop2", "Pay"]
    assert (found.errors, found.detected["skipped_lines"], found.detected["header_line"]) == ([], [], 1)


@pytest.mark.parametrize(
    "header",
    [
        "Date,Description,Withdrawals,Deposits,Balance\n,,Amount,Amount,Amount\n",
        "Datum,Text,Belastung,Gutschrift,Saldo\n,,Betrag,Betrag,Betrag\n",
        "Date,Description,Debit,Credit,Balance\n,,Amount,Amount,\n",
        "Date,Description,Debit,Credit,\n,,Amount,Amount,Balance\n",
    ],
)
def test_lower_names_that_say_less_do_not_count(header: str, tmp_path: Path) -> None:
    """The balance was read as the amount."""
    found = read(header + ROWS.replace(",0.00,", ",,"), tmp_path)
    assert [row["amount"] for row in found.rows] == [D("-12.5"), D(-10), D(50)]
    assert found.detected["columns"]["balance"] in ("Balance", "Saldo")
    assert found.errors == []


@pytest.mark.parametrize("units", ["GBP,GBP,GBP", "(GBP),(GBP),(GBP)", "£,£,£", "Out (GBP),In (GBP),GBP"])
def test_currencies_below_the_names_are_those_of_the_columns(units: str, tmp_path: Path) -> None:
    found = read(f"Date,Description,Debit,Credit,Balance\n,,{units}\n" + ROWS, tmp_path)
    assert [(row["amount"], row["currency"]) for row in found.rows] == [(D("-12.5"), "GBP"), (D(-10), "GBP"), (D(50), "GBP")]
    assert (found.errors, found.detected["skipped_lines"]) == ([], [])


def test_currencies_below_the_names_that_contradict_these_are_not_passed_over(tmp_path: Path) -> None:
    found = read("Date,Text,Amount (USD),Balance\n,,(EUR),(EUR)\n05/01/2024,x,-1.10,10.00\n16/01/2024,x,-1.10,8.90\n", tmp_path)
    assert ([row["currency"] for row in found.rows], [error.line for error in found.errors]) == (["USD", "USD"], [2])


def test_both_rows_of_a_header_come_again_on_the_next_page(tmp_path: Path) -> None:
    header = "Date,Description,Amount,,Balance\n,,Debit,Credit,\n"
    found = read(header + ROWS + header + ROWS.replace("/01/", "/02/"), tmp_path)
    assert (len(found.rows), found.errors) == (6, [])
    assert [(skipped["line"], skipped["reason"]) for skipped in found.detected["skipped_lines"]] == [
        (6, "the header again"),
        (7, "the header again"),
    ]


@pytest.mark.parametrize("names", [{"debit": "Debit", "credit": "credit"}, {"debit": "Amount", "credit": "4"}])
def test_the_caller_may_name_columns_by_either_row(names: dict[str, str], tmp_path: Path) -> None:
    text = "Date,Description,Amount,,Balance\n,,Debit,Credit,\n" + ROWS
    found = read(text, tmp_path, columns={"date": "Date", **names})
    assert [row["amount"] for row in found.rows] == [D("-12.5"), D(-10), D(50)]


@pytest.mark.parametrize("below", [",Opening balance,,,\n", ",Credit,,,\n", ",,Debit,,\n"])
def test_a_line_of_text_behind_the_header_is_no_part_of_it(below: str, tmp_path: Path) -> None:
    text = f"Date,Description,Amount,Kind,Balance\n{below}05/01/2024,Shop,-12.50,x,87.50\n25/01/2024,Pay,50.00,y,137.50\n"
    found = read(text, tmp_path)
    assert found.detected["header"] == ["Date", "Description", "Amount", "Kind", "Balance"]
    assert [row["amount"] for row in found.rows] == [D("-12.5"), D(50)]


def test_the_header_of_a_table_without_rows_is_not_that_of_the_next(tmp_path: Path) -> None:
    text = "Pending\nDate,Description,Amount\n\nCompleted\nDate,Description,Balance,Amount\n05/01/2024,Coop,87.50,-12.50\n"
    found = read(text + "16/01/2024,Pay,187.50,100.00\n", tmp_path)
    assert (found.detected["header_line"], [row["amount"] for row in found.rows]) == (5, [D("-12.5"), D(100)])


OTHERS = [
    "Date;Description;Amount;Balance\n05.01.2024;Shop;-12,50;87,50\n\nDate;Description;Balance;Amount\n26.01.2024;X;130,00;-7,50\n",
    "Date;Description;Debit;Credit\n05.01.2024;Shop;12,50;\n\nDate;Description;Credit;Debit\n26.01.2024;X;50,00;\n",
    "Current account\nDate;Description;Amount\n05.01.2024;Shop;-12,50\n\nDate;Posted;Text;Kind;Amount\n26.01.2024;27.01.2024;X;Y;-7,50\n",
    "Date;Text;Amount (EUR)\n05.01.2024;Shop;-12,50\n\nDate;Text;Amount (USD)\n26.01.2024;X;-7,50\n",
]


@pytest.mark.parametrize("text", OTHERS)
def test_rows_under_another_header_are_refused_not_read_with_the_first_ones_columns(text: str, tmp_path: Path) -> None:
    found = read(text + "Remark;;\n", tmp_path)
    header = next(line for line, words in enumerate(text.split("\n"), 1) if line > 2 and words.startswith("Date"))
    assert [row["amount"] for row in found.rows] == [D("-12.5")]
    assert [(error.line, error.field) for error in found.errors] == [(header + 1, "row")]
    assert f"another table, whose header on line {header}" in found.errors[0].reason
    assert [(skipped["line"], skipped["reason"]) for skipped in found.detected["skipped_lines"]] == [
        (header, "the header of another table"),
        (header + 2, "neither a date nor an amount"),
    ]


def test_after_another_table_the_first_ones_header_comes_again(tmp_path: Path) -> None:
    found = read(OTHERS[0] + "\nDate;Description;Amount;Balance\n27.01.2024;Y;-1,00;1,00\n", tmp_path)
    assert [row["amount"] for row in found.rows] == [D("-12.5"), D(-1)]
    assert [error.line for error in found.errors] == [5]


def test_another_header_with_the_same_columns_where_it_counts_changes_nothing(tmp_path: Path) -> None:
    text = "Date;Text;Amount;X1\n05.01.2024;Shop;-12,50;\n\nDate;Text;Amount;Kind\n26.01.2024;X;-7,50;a\n"
    found = read(text, tmp_path)
    assert ([row["amount"] for row in found.rows], found.errors) == ([D("-12.5"), D("-7.5")], [])


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("Date,Description,Amount,Balance", "Date,Description,Amount,Balance (cont.)"),
        ("Date,Description,Amount,Balance", "Date,Details,Amount,Running Balance"),
        ("Date,Description,Amount ($),Balance", "Date,Description,Amount (USD),Balance"),
        ("Date,Description,Amount (USD),Balance", "Date,Description,Amount,Balance"),
        ("Booking Date,Description,Amount,Balance", "Date,Text,Amount,Available balance"),
    ],
)
def test_a_header_that_comes_again_in_other_words_is_no_other_table(first: str, again: str, tmp_path: Path) -> None:
    found = read(f"{first}\n15/01/2024,Shop,-12.50,87.50\n{again}\n26/01/2024,X,-7.50,80.00\n", tmp_path)
    assert ([row["amount"] for row in found.rows], found.errors) == ([D("-12.5"), D("-7.5")], [])
    assert [skipped["line"] for skipped in found.detected["skipped_lines"]] == [3]


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("Date,Description,Amount", "Statement date,Amount due,Minimum payment"),
        ("Date,Description,Amount", "Date,Account,Interest rate"),
        ("Date,Description,Amount (GBP)", "Date,Description,Amount (EUR)"),
        ("Date,Description,Amount", "Date,Description,Amount (EUR)"),
        ("Date,Value date,Amount", "Value date,Date,Amount"),
        ("Date,Description,Amount", "Date,Closing balance,Payment amount"),
    ],
)
def test_rows_below_a_header_that_says_something_else_are_refused(first: str, other: str, tmp_path: Path) -> None:
    """The minimum payment of a card's statement was read as money in."""
    second = "16/01/2024" if "Value" in first else "Shop"
    found = read(f"{first}\n15/01/2024,{second},-12.50\n16/01/2024,{second},-12.50\n{other}\n28/02/2024,{second},10\n", tmp_path)
    assert ([row["line"] for row in found.rows], [error.line for error in found.errors]) == ([2, 3], [5])
    assert "another table, whose header on line 4" in found.errors[0].reason


def test_what_is_due_is_no_payment(tmp_path: Path) -> None:
    """A summary above the table was taken for the table."""
    own = "Date,Description,Amount\n2024-02-05,Shop,-12.50\n2024-02-06,Shop,-13.50\n"
    found = read("Date,Closing balance,Amount due\n2024-02-29,130.00,10.00\n\n" + own, tmp_path)
    assert ([row["amount"] for row in found.rows], found.errors) == ([D("-12.5"), D("-13.5")], [])


def test_names_in_a_remark_are_no_header(tmp_path: Path) -> None:
    found = read('Date,Text,Amount\n15/01/2024,a,-1\n,"Value date","Amount paid"\n16/01/2024,b,-2\n', tmp_path)
    assert ([row["amount"] for row in found.rows], found.errors) == ([D(-1), D(-2)], [])


def test_a_row_without_the_name_of_a_date_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that are never the same again went through every table of names: a file of such rows took four times as long."""
    for name in NAMES["date"]:
        assert is_named_header([name, "Amount"]), name
        assert is_named_header([f"({name.title()}:1)", "Amount"]), name
    monkeypatch.delattr(headers, "header_name")
    assert not is_named_header(["a row", "of amounts", "that is no header"])


def test_another_table_is_known_across_blocks_of_the_file(tmp_path: Path) -> None:
    """The signs and the date order are told by the rows of the table alone."""
    own = "Date,Description,Amount\n05/01/2024,Shop,-12.50\n16/01/2024,Shop,-12.50\n"
    other = "Date,Amount,Description\n" + "01/31/2024,12.50,a text that takes its place in the file\n" * 60_000
    found = read(own + other, tmp_path)
    assert ([row["amount"] for row in found.rows], len(found.errors)) == ([D("-12.5"), D("-12.5")], 60_000)
