"""The CSV reader's rules, one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from services.ingestion.readers import csv as reader
from services.ingestion.readers import encoding
from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.statement import BATCH_SCHEMA, ReadOptions, RowError, Statement, UnreadableStatement

TODAY = date(2025, 6, 1)


class Read:
    """A file that was read to its end."""

    def __init__(self, statement: Statement) -> None:
        self.batches = list(statement.batches)
        self.rows: list[dict[str, Any]] = [row for batch in self.batches for row in batch.rows.iter_rows(named=True)]
        self.errors: list[RowError] = [error for batch in self.batches for error in batch.errors]
        self.detected, self.account = statement.detected, statement.account

    def amounts(self) -> list[str]:
        return [f"{row['amount'].normalize():f}" for row in self.rows]

    def days(self) -> list[str]:
        return [str(row["transaction_date"]) for row in self.rows]


ReadText = Callable[..., Read]


@pytest.fixture
def read(tmp_path: Path) -> ReadText:
    def write_and_read(content: str | bytes, **options: Any) -> Read:
        path = tmp_path / "statement.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Read(read_csv(path, ReadOptions(**{"today": TODAY, **options})))

    return write_and_read


def refusal(read: ReadText, content: str | bytes, **options: Any) -> UnreadableStatement:
    with pytest.raises(UnreadableStatement) as caught:
        read(content, **options)
    assert caught.value.errors
    assert str(caught.value) == caught.value.message
    return caught.value


# --- what comes back


def test_a_batch_has_the_promised_schema_and_keeps_the_original_row(read: ReadText) -> None:
    found = read('id,Date,Description,Amount,Name\nA-1001,2024-01-31,"say ""hi""\there",-5.10,Shop\n')
    (row,) = found.rows
    assert dict(found.batches[0].rows.schema) == BATCH_SCHEMA
    assert row["line"] == 2
    assert (row["description"], row["merchant"], row["source_id"], row["status"]) == ('say "hi" here', "Shop", "A-1001", "posted")
    assert json.loads(row["raw_data"]) == {
        "id": "A-1001", "Date": "2024-01-31", "Description": 'say "hi"\there', "Amount": "-5.10", "Name": "Shop",
    }  # fmt: skip
    json.dumps(found.detected)
    assert found.detected["columns"]["amount"] == "Amount"


def test_zero_amounts_are_rows(read: ReadText) -> None:
    assert read("Date,Text,Amount\n2024-01-31,a,0.00\n2024-01-31,b,-0.00\n2024-01-31,c,0\n").amounts() == ["0", "0", "0"]


def test_equal_header_names_stay_apart(read: ReadText) -> None:
    row = read("Date,Text,,Amount,Text,\n2024-01-31,a,b,-1.00,c,d\n").rows[0]
    assert json.loads(row["raw_data"]) == {
        "Date": "2024-01-31", "Text": "a", "column 3": "b", "Amount": "-1.00", "Text_2": "c", "column 6": "d",
    }  # fmt: skip


@pytest.mark.parametrize("keep", [0, reader.KEEP_BYTES])
@pytest.mark.parametrize("block", [7, 64, 4096, encoding.BLOCK_BYTES])
def test_chunks_do_not_show(read: ReadText, monkeypatch: pytest.MonkeyPatch, keep: int, block: int) -> None:
    """The same rows come back whatever the size of the blocks, kept in memory or read twice, continuation lines included."""
    text = "Date,Description,Amount\n" + "".join(
        f'{i % 28 + 1:02d}/12/2023,"Grüße\nno {i}",-{i}.50\n,more of {i},\n,and more,\n' for i in range(60)
    )
    monkeypatch.setattr(reader, "KEEP_BYTES", keep)
    monkeypatch.setattr(encoding, "BLOCK_BYTES", block)
    found = read(text)
    assert [row["description"] for row in found.rows] == [f"Grüße no {i} more of {i} and more" for i in range(60)]
    assert [row["line"] for row in found.rows] == [2 + 4 * i for i in range(60)]
    assert found.amounts() == [f"-{i}.5" for i in range(60)]


def test_large_files_come_in_batches_of_at_most_8192_rows_in_order(read: ReadText) -> None:
    found = read("Date;Text;Betrag\n" + "".join(f"31.01.2024;row {i};-{i},01\n" for i in range(20_001)))
    assert max(len(batch.rows) for batch in found.batches) <= 8192
    assert [row["line"] for row in found.rows] == list(range(2, 20_003))
    assert found.rows[20_000]["amount"] == Decimal("-20000.01")


def test_good_rows_after_many_bad_ones_are_found(read: ReadText) -> None:
    found = read("Date,Text,Amount\n" + "2024-02-30,x,-2.00\n" * 9000 + "2024-01-31,y,-1.00\n")
    assert found.amounts() == ["-1"]
    assert len(found.errors) == 9000
    assert found.errors[0] == RowError(2, "date", "'2024-02-30' is not a day of the calendar")


def test_a_file_without_a_good_row_is_refused_with_its_first_hundred_errors(read: ReadText) -> None:
    refused = refusal(read, "Date,Text,Amount\n" + "2024-02-30,x,-1.00\n" * 150)
    assert "none of the 150 rows" in refused.message
    assert len(refused.errors) == 100
    assert refused.errors[0] == RowError(2, "date", "'2024-02-30' is not a day of the calendar")


# --- encodings and line ends


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "iso8859-15", "utf-32"])
def test_encoding(read: ReadText, codec: str) -> None:
    found = read("Datum;Begünstigter;Verwendungszweck;Betrag\n31.01.2024;Müller;für Käse;-5,10\n".encode(codec))
    assert (found.rows[0]["merchant"], found.rows[0]["description"]) == ("Müller", "für Käse")


@pytest.mark.parametrize(("codec", "header"), [("cp1250", "Částka"), ("iso8859-2", "Částka"), ("cp852", "Částka"), ("cp850", "Beløb")])
def test_column_names_tell_the_one_byte_encoding(read: ReadText, codec: str, header: str) -> None:
    found = read(f"Datum;Text;{header}\n31.01.2024;x;-5,10\n".encode(codec))
    assert found.detected["columns"]["amount"] == header


def test_one_broken_letter_does_not_make_utf_8_another_encoding(read: ReadText) -> None:
    found = read(("Date,Text,Amount\n" + "2024-01-31,Žluťoučký,-5.10\n" * 3).encode() + b"2024-01-31,J\xa4ger,-1.00\n")
    assert found.rows[0]["description"] == "Žluťoučký"
    assert found.rows[3]["description"] == "J\N{REPLACEMENT CHARACTER}ger"
    assert "broken UTF-8" in found.detected["notes"][0]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n", "\r"])
def test_line_ends(read: ReadText, end: str) -> None:
    found = read(end.join(["Date,Text,Amount", "2024-01-31,a,-1.00", "2024-02-01,b,-2.00", ""]))
    assert [row["line"] for row in found.rows] == [2, 3]
    assert found.amounts() == ["-1", "-2"]


def test_a_carriage_return_inside_a_line_is_a_blank(read: ReadText) -> None:
    assert read("Date,Text,Amount\n2024-01-31,a\rb,-1.00\n").rows[0]["description"] == "a b"


def test_a_run_of_carriage_returns_costs_its_length_once(read: ReadText) -> None:
    """It took the square: minutes for this one, hours for a file of them."""
    started = process_time()
    assert read("Date,Text,Amount\n2024-01-31,a,-1.00" + "\r" * 300_000 + "\n2024-02-01,b,-2.00\n").amounts() == ["-1", "-2"]
    assert read("Date,Text,Amount\n2024-01-31,a" + "\r" * 300_000 + "b,-1.00\n").rows[0]["description"] == "a b"
    assert process_time() - started < 10


def test_nul_bytes_are_dropped(read: ReadText) -> None:
    row = read(b"Date,Text,Amount\n2024-01-31,a\x00b,-1.00\n").rows[0]
    assert (row["description"], "\\u0000" in row["raw_data"]) == ("ab", False)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"), (b"\xef\xbb\xbf \r\n", "empty"), (b"%PDF-1.7\n1,2", "PDF"), (b"PK\x03\x04aaaa", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0aaaa", "XLS"), (bytes(range(1, 32)) * 50, "binary"), (b"a" * (1024 * 1024 + 5), "longer than"),
        (b"," * 5000 + b"\n", "5001 cells"), (b"hello\nworld\n", "not a statement"), (b"Date,Text,Amount\n", "no row follows"),
        (b"<?xml version='1.0'?><a>1</a>", "not a statement"), (b":20:STARTUMSE\n:25:1/2\n", "not a statement"),
    ],
)  # fmt: skip
def test_what_is_no_statement_is_refused_with_a_reason(read: ReadText, content: bytes, word: str) -> None:
    assert word in refusal(read, content).message


@pytest.mark.parametrize("large", [False, True])
def test_nuls_are_left_out_with_a_note(read: ReadText, large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in a file that is read twice, and however often."""
    if large:
        monkeypatch.setattr(reader, "KEEP_BYTES", 0)
    found = read("Date,Amount,Text\n2025-01-13,-1.00,a\x00b\n2025-01-14,-2\x00.00,c\n")
    assert [row["description"] for row in found.rows] == ["ab", "c"]
    assert found.detected["notes"] == ["NUL characters were left out: 2"]


@pytest.mark.parametrize(("codec", "cut"), [("utf-16", 1), ("utf-16-le", 1), ("utf-16-be", 1), ("utf-32", 1), ("utf-32", 3)])
def test_a_file_that_ends_inside_a_character_may_be_cut_off(read: ReadText, codec: str, cut: int) -> None:
    content = "Date,Amount,Text\n2025-01-13,-1.00,a\n2025-01-14,-2.00,bc\n".encode(codec)
    whole, torn = read(content), read(content[:-cut])
    assert whole.detected["notes"] == []
    assert torn.detected["notes"] == ["the file ends in the middle of a character: was it cut off?"]
    assert torn.amounts() == ["-1", "-2"]


# --- records


def test_a_lost_opening_quote(read: ReadText) -> None:
    found = read('"Date","Text","Amount"\n2024-01-31","a","-1,00"\n"2024-02-01","b","-2,00"\n')
    assert found.amounts() == ["-1", "-2"]


def test_a_quote_that_never_closes_swallows_nothing(read: ReadText) -> None:
    lines = [f'"2024-01-{i:02d}","shop {i}","-{i}.00"' for i in range(1, 29)]
    lines[4] = '"2024-01-05","shop 5,"-5.00"'
    lines[20] = '"2024-01-21","shop 21","-21.00'
    found = read("\n".join(['"Date","Text","Amount"', *lines]) + "\n")
    assert len(found.rows) + len(found.errors) == 28
    assert [row["line"] for row in found.rows] == [i for i in range(2, 30) if i not in {error.line for error in found.errors}]
    assert any("quote" in note for note in found.detected["notes"])


def test_well_formed_quotes_may_hold_whole_rows(read: ReadText) -> None:
    found = read('Date,Text,Amount\n2024-01-31,"2024,x,\n1,2,3",-1.00\n2024-02-01,b,-2.00\n')
    assert [(row["line"], row["description"]) for row in found.rows] == [(2, "2024,x, 1,2,3"), (4, "b")]


def test_lines_count_inside_quoted_cells(read: ReadText) -> None:
    found = read('Date,Text,Amount\n2024-01-31,"two\nlines",-1.00\n2024-02-01,b,-2.00\n')
    assert [(row["line"], row["description"]) for row in found.rows] == [(2, "two lines"), (4, "b")]


def test_a_row_that_is_too_wide_is_an_error_not_a_guess(read: ReadText) -> None:
    found = read("Date,Text,Amount\n2024-01-31,a,-1.00\n2024-02-01,Shop, Inc,-2.00\n2024-02-02,c,-3.00,\n")
    assert found.amounts() == ["-1", "-3"]
    assert [(error.line, error.field) for error in found.errors] == [(3, "row")]
    assert "more cells than the 3 columns" in found.errors[0].reason


def test_a_short_row_lacks_only_its_last_cells(read: ReadText) -> None:
    assert read("Date,Text,Amount,Tag\n2024-01-31,a,-1.00,x\n2024-02-01,b,-2.00\n").amounts() == ["-1", "-2"]


def test_unquoted_decimal_commas_are_refused(read: ReadText) -> None:
    refused = refusal(read, "Datum,Text,Betrag\n31.01.2024,a,-1,50\n01.02.2024,b,-2,00\n")
    assert "decimal comma" in refused.message


@pytest.mark.parametrize(
    "rows",
    [
        "2026-01-13,Shop,1,234.50\n2026-01-14,Fee,1,100.25\n2026-01-15,Bun,2.50\n",
        "2026-01-13,Shop,12,34\n2026-01-14,Fee,1.25\n",
        "2026-01-13,Shop,1,234.50\n2026-01-14,Fee,2,100.00\n",
    ],
)
def test_a_number_cut_at_its_own_comma_never_becomes_an_amount(read: ReadText, rows: str) -> None:
    refused = refusal(read, f"date,description,amount\n{rows}")
    assert "not quoted" in refused.message
    assert refused.errors[0].line == 2


def test_a_single_row_that_is_too_long_is_refused_alone(read: ReadText) -> None:
    found = read("date,description,amount\n2026-01-13,X,1,234.50\n2026-01-14,Y,-1.25\n2026-01-15,Z,-2.00\n")
    assert found.amounts() == ["-1.25", "-2"]
    assert [(error.line, error.field) for error in found.errors] == [(2, "row")]
    found = read("date,description,amount\n2026-01-13,X,12,34.5.6x\n2026-01-14,Y,-1.25\n")
    assert found.amounts() == ["-1.25"]


def test_columns_may_be_named_as_we_name_them(read: ReadText) -> None:
    text = "2026-01-13;x;;5.00\n2026-01-14;y;;6.00\n"
    for date_name, debit in (("column 1", "column 4"), ("1", "4")):
        assert read(text, columns={"date": date_name, "debit": debit}).amounts() == ["-5", "-6"]


def test_the_header_again_is_skipped(read: ReadText) -> None:
    found = read("Date,Text,Amount\n2024-01-31,a,-1.00\nDate,Text,Amount\n2024-02-01,b,-2.00\n")
    assert found.amounts() == ["-1", "-2"]
    assert [(line["line"], line["reason"]) for line in found.detected["skipped_lines"]] == [(3, "the header again")]
    assert found.detected["skipped_count"] == 1


def test_totals_balances_and_remarks_are_skipped_in_sight(read: ReadText) -> None:
    found = read(
        "Date,Text,Amount,Balance\n2024-01-01,Opening balance,,100.00\n2024-01-31,a,-1.00,99.00\nno transaction at all,,,\n"
        "Total,,-1.00,\n,Closing balance,,99.00\n"
    )
    assert found.amounts() == ["-1"]
    assert not found.errors
    assert [line["line"] for line in found.detected["skipped_lines"]] == [2, 4, 5, 6]


def test_a_dated_balance_is_no_booking_but_a_first_entry_is(read: ReadText) -> None:
    found = read("Data;Histórico;Valor\n12/01/2024;Saldo Anterior;100,00\n13/01/2024;Compra;-12,00\n31/01/2024;S A L D O;88,00\n")
    assert found.amounts() == ["-12"]
    assert [line["line"] for line in found.detected["skipped_lines"]] == [2, 4]
    assert read("Date,Payee,Amount\n2024-01-01,Opening balance,100.00\n2024-01-02,TOTAL,-50.00\n").amounts() == ["100", "-50"]


def test_a_missing_date_or_amount_is_an_error(read: ReadText) -> None:
    found = read("Date,Text,Amount\n,a,-1.00\n2024-01-31,b,\n2024-01-31,c,-3.00\nsoon,d,-4.00\n")
    assert [(e.line, e.field, e.reason) for e in found.errors] == [
        (2, "date", "is empty"), (3, "amount", "is empty"), (5, "date", "'soon' is not a date in the file's format %Y-%m-%d"),
    ]  # fmt: skip


# --- columns


def test_the_caller_names_columns_by_header_or_number(read: ReadText) -> None:
    text = "When,What,Price A,Price B\n2024-01-31,a,1.00,2.00\n"
    assert read(text, columns={"amount": "Price B"}).amounts() == ["2"]
    assert read(text, columns={"amount": "3", "date": "1"}).amounts() == ["1"]
    assert read(text, columns={"debit": "price a"}).amounts() == ["-1"]
    assert read(text, columns={"amount": "3", "description": "What + Price B"}).rows[0]["description"] == "a 2.00"


@pytest.mark.parametrize(
    ("columns", "word"),
    [({"amount": "Nothing"}, "Nothing"), ({"amount": "9"}, "'9'"), ({"colour": "1"}, "colour"), ({"amount": "1", "payee": "2"}, "payee")],
)
def test_unknown_columns_are_refused(read: ReadText, columns: dict[str, str], word: str) -> None:
    refused = refusal(read, "When,What,Price\n2024-01-31,a,1.00\n", columns=columns)
    assert word in refused.message


def test_columns_named_by_the_caller_find_the_header(read: ReadText) -> None:
    found = read("My bank\n\nD1,T1,A1,B1\n2024-01-31,a,-1.00,7.00\n", columns={"amount": "A1"})
    assert (found.detected["header_line"], found.amounts()) == (3, ["-1"])


def test_two_nameless_amounts_need_an_answer(read: ReadText) -> None:
    refused = refusal(read, "2024-01-31,a,1.00,\n2024-02-01,b,,2.00\n")
    assert refused.needs == {"columns": ["column 1", "column 2", "column 3", "column 4"]}
    assert refused.errors[0].field == "columns"


def test_signs_tell_a_nameless_pair_apart(read: ReadText) -> None:
    assert read("2024-01-31,a,,-1.00\n2024-02-01,b,2.00,\n").amounts() == ["-1", "2"]


def test_the_running_balance_tells_a_nameless_pair_apart(read: ReadText) -> None:
    rows = "2024-01-31,a,1.00,,99.00\n2024-02-01,b,,2.00,101.00\n2024-02-02,c,5.00,,96.00\n"
    assert read(rows).amounts() == ["-1", "2", "-5"]
    swapped = "2024-01-31,a,,1.00,99.00\n2024-02-01,b,2.00,,101.00\n2024-02-02,c,,5.00,96.00\n"
    assert read(swapped).amounts() == ["-1", "2", "-5"]


def test_half_a_nameless_pair_is_not_taken_for_a_signed_amount(read: ReadText) -> None:
    refused = refusal(read, "2024-01-31,a,1.00,\n2024-02-01,b,2.00,\n")
    assert "no sign" in refused.message


def test_a_name_that_the_cells_contradict_does_not_count(read: ReadText) -> None:
    """In German `Valuta` is a date, in Italian a currency; `Debit` may head account numbers."""
    row = read("Data,Valuta,Importo,Descrizione\n31/01/2024,EUR,-1.00,a\n").rows[0]
    assert row["currency"] == "EUR"


def test_row_numbers_are_no_source_ids(read: ReadText) -> None:
    assert read("id,Date,Text,Amount\n1,2024-01-31,a,-1.00\n2,2024-01-31,b,-2.00\n").rows[0]["source_id"] is None
    assert read("id,Date,Text,Amount\n88123456,2024-01-31,a,-1.00\n88123457,2024-01-31,b,-2.00\n").rows[0]["source_id"] == "88123456"
    twice = "id,Date,Text,Amount\nabcde,2024-01-31,a,-1.00\nabcde,2024-01-31,b,-2.00\n"
    assert read(twice).rows[0]["source_id"] is None


def test_the_other_partys_account_is_not_the_users(read: ReadText) -> None:
    row = read("Buchungstag;Empfänger;IBAN;Betrag\n31.01.2024;A;DE111;-1,00\n01.02.2024;B;DE222;-2,00\n").rows[0]
    assert row["account"] is None


@pytest.mark.parametrize(
    "header",
    [
        "date,ticker,qty,price,amount,account,name\n2023-01-15,AAPL,10,150.25,1502.50,Brokerage,Buy\n",
        "Datum;ISIN;Stück;Kurs;Betrag\n31.01.2024;DE000;10;12,00;-120,00\n",
    ],
)
def test_lists_of_securities_are_refused(read: ReadText, header: str) -> None:
    assert "securities" in refusal(read, header).message


def test_an_unknown_header_is_still_a_header(read: ReadText) -> None:
    found = read("Kada,Kas,Kiek\n2024-01-31,Rimi,-5.10\n")
    assert (found.detected["header_line"], found.amounts()) == (1, ["-5.1"])
    assert found.rows[0]["description"] == "Rimi"


# --- what stands above the table


@pytest.mark.parametrize(
    ("above", "account"),
    [
        ("IBAN;DE89 3704 0044 0532 0130 00\n", "DE89370400440532013000"),
        ("Konto: 123456789\n", "123456789"),
        ("Account Number,,01-234-567\n", "01-234-567"),
        ("IBAN;DE89 3704 0044 0532 0130 XX\n", "DE89 3704 0044 0532 0130 XX"),  # masked: as the bank prints it
        ("von DE89370400440532013000\nnach CH9300762011623852957\n", None),  # which of the two?
        ("Zeitraum;01.01.2024\n", None),
    ],
)
def test_the_account_above_the_table(read: ReadText, above: str, account: str | None) -> None:
    mark = "," if "," in above else ";"
    body = mark.join(["Datum", "Text", "Betrag"]) + "\n" + mark.join(["2024-01-31", "a", "-1.00"]) + "\n"
    found = read(above + body)
    assert found.account == account
    assert found.amounts() == ["-1"]


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("Date,Text,Amount (SGD)\n2024-01-31,a,-1.00\n", "SGD"),
        ("Date,Text,Amount EUR\n2024-01-31,a,-1.00\n", "EUR"),
        ("Date,Text,amount_usd\n2024-01-31,a,-1.00\n", "USD"),
        ("Date,Text,Amount,Balance (CHF)\n2024-01-31,a,-1.00,5.00\n", "CHF"),
        ("Date,Text,Amount\n2024-01-31,a,£1.00\n", "GBP"),
        ("Date,Text,Amount\n2024-01-31,a,-1.00 zł\n", "PLN"),
        ("Date,Text,Amount\n2024-01-31,a,-1.00 kr\n", None),  # Swedish, Danish, Norwegian?
        ("Date,Text,Amount,Currency\n2024-01-31,a,-1.00,sek\n", "SEK"),
        ("Currency: NOK\nDate,Text,Amount\n2024-01-31,a,-1.00\n", "NOK"),
        ("Balance;1.234,56 EUR\nDatum;Text;Betrag\n31.01.2024;a;-1,00\n", "EUR"),
        ("Date,Text,Amount\n2024-01-31,a,-1.00\n", None),
    ],
)
def test_currency(read: ReadText, text: str, currency: str | None) -> None:
    assert read(text).rows[0]["currency"] == currency


def test_the_callers_currency_wins(read: ReadText) -> None:
    text = "Date,Text,Amount,Currency\n2024-01-31,a,-1.00,SEK\n"
    assert read(text, currency="eur").rows[0]["currency"] == "EUR"
    assert "ISO 4217" in refusal(read, text, currency="Euros").message


def test_a_shared_currency_sign_is_noted(read: ReadText) -> None:
    found = read("Date,Text,Amount\n2024-01-31,a,-$1.00\n")
    assert found.rows[0]["currency"] == "USD"
    assert any("'$'" in note for note in found.detected["notes"])


def test_a_currency_that_does_not_exist_is_an_error(read: ReadText) -> None:
    found = read("Date,Text,Amount,Currency\n2024-01-31,a,-1.00,EUR\n2024-01-31,b,-1.00,EUR\n2024-01-31,c,-1.00,BTC\n")
    assert [(e.line, e.field) for e in found.errors] == [(4, "currency")]


# --- status


def test_pending_and_void_rows_are_left_out_with_a_reason(read: ReadText) -> None:
    found = read("Date,Text,Amount,Status\n2024-01-31,a,-1.00,Posted\n2024-01-31,b,-2.00,PENDING\n2024-01-31,c,-3.00,Declined\n")
    assert found.amounts() == ["-1"]
    assert [(e.line, e.field, e.reason.split(":")[0]) for e in found.errors] == [
        (3, "status", "pending"), (4, "status", "declined, cancelled or reverted"),
    ]  # fmt: skip


def test_pending_rows_that_the_balance_counts_are_kept(read: ReadText) -> None:
    first = "Date,Text,Net,Status,Balance\n2024-01-30,a,-7.00,Completed,-7.00\n"
    counted = f"{first}2024-01-31,b,7.00,Pending,0.00\n2024-01-31,c,-1.00,Completed,-1.00\n"
    assert read(counted).amounts() == ["-7", "7", "-1"]
    apart = f"{first}2024-01-31,b,7.00,Pending,-7.00\n2024-01-31,c,-1.00,Completed,-8.00\n"
    assert read(apart).amounts() == ["-7", "-1"]


# --- continuation lines


def test_continuation_lines_join_the_description(read: ReadText) -> None:
    found = read("Date,Description,Out,In\n18/04/2018,PURCHASE,6.66,\n,UBER EATS,\n17/04/2018,CASH,,5.00\n")
    assert [row["description"] for row in found.rows] == ["PURCHASE UBER EATS", "CASH"]
    assert json.loads(found.rows[0]["raw_data"])["Description"] == "PURCHASE UBER EATS"
    assert found.amounts() == ["-6.66", "5"]


def test_a_line_with_anything_else_is_no_continuation(read: ReadText) -> None:
    found = read("Date,Description,Amount,Tag\n2024-01-31,a,-1.00,x\n,more,,y\n")
    assert found.rows[0]["description"] == "a"
    assert found.detected["skipped_count"] == 1


# --- the edges


def test_a_cell_beyond_the_csv_modules_limit_costs_only_its_row_its_quotes(read: ReadText) -> None:
    found = read('Date,Text,Amount\n2024-01-31,"' + "x" * 200_000 + '",-1.00\n2024-02-01,b,-2.00\n')
    assert found.amounts() == ["-1", "-2"]
    assert len(found.rows[0]["description"]) == 200_000


def test_a_long_line_with_a_lost_quote(read: ReadText) -> None:
    lines = [f'2024-01-31,"a{i}",-1.00' for i in range(300)]
    lines[0] = '2024-01-31,"' + "y" * 20_000 + ",-1.00"
    found = read("\n".join(["Date,Text,Amount", *lines]))
    assert len(found.rows) == 300


def test_a_quote_left_open_at_the_end(read: ReadText) -> None:
    assert read('Date,Text,Amount\n2024-01-31,a,-1.00\n2024-02-01,"b,-2.00').amounts() == ["-1", "-2"]


def test_plus_and_minus_in_a_column_of_their_own(read: ReadText) -> None:
    assert read("Date,Text,Sign,Amount\n2024-01-31,a,-,1.00\n2024-02-01,b,+,2.00\n").amounts() == ["-1", "2"]


def test_a_date_column_without_dates_needs_an_answer(read: ReadText) -> None:
    refused = refusal(read, "Date,Text,Amount,Code\n2024-01-31,a,-1.00,x\n", columns={"date": "Code", "amount": "Amount"})
    assert set(refused.needs) == {"date_format", "columns"}
    assert refused.errors[0].field == "date"


def test_wrapped_lines_with_a_cell_that_is_too_long(read: ReadText) -> None:
    inner = ["Date,Text,Amount", "2024-01-31,a,-1.00", "2024-02-01," + "z" * 100_000 + ",-2.00"]
    assert read("\n".join(f'"{line}"' for line in inner)).amounts() == ["-1", "-2"]
