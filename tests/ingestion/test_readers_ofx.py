"""The OFX reader: both generations of the format and what banks make of them."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any

import polars as pl
import pytest

from services.ingestion.readers.ofx import read_ofx
from services.ingestion.readers.ofx_markup import unescape
from services.ingestion.readers.ofx_statements import account_identifier
from services.ingestion.readers.record_rows import checked
from services.ingestion.readers.statement import BATCH_SCHEMA, Batch, RowError, UnreadableStatement
from tests.ingestion import reading
from tests.ingestion.ofx_files import HEADER_1, HEADER_2, bank, card, document, investment, transaction
from tests.ingestion.reading import Read
from tests.ingestion.statement_checks import against_manifest

D = Decimal


def read(text: str, folder: Path, encoding: str = "utf-8", **options: str) -> Read:
    return reading.read_bytes(read_ofx, text.encode(encoding), folder, **options)


def refused(text: str, folder: Path, **options: str) -> UnreadableStatement:
    return reading.refused(read_ofx, text.encode(), folder, **options)


def test_shared_files_against_their_manifest(shared_data: Path) -> None:
    found = against_manifest(read_ofx, shared_data, "ofx1", "ofx2", "qfx")
    euro = found["ofxtools/tests/data/stmtrs_euro.ofx"]
    assert isinstance(euro, Read)
    assert euro.detected["decimal_mark"] == ","
    failed = found["ofxparse/tests/fixtures/signon_fail.ofx"]
    assert isinstance(failed, UnreadableStatement)
    assert "line 11" in failed.message
    assert "error 15500" in failed.message
    for name, what in (("libofx/ofx-2.1.1-sect-8.5.5.ofx", "account information"), ("ofxtools/tests/data/profrs.ofx", "profile")):
        refusal = found[name]
        assert isinstance(refusal, UnreadableStatement)
        assert what in refusal.message


def test_a_row_has_every_field(tmp_path: Path) -> None:
    text = document(
        HEADER_1,
        bank(
            transaction(
                "DEBIT", "20240131120000.000[-5:EST]", "-12.50", "F1", NAME="CAFE CENTRAL", MEMO="Card 1234", CHECKNUM="77", SIC="5812"
            ),
            balance="100.00",
        ),
    )
    found = read(text, tmp_path)
    row = found.row
    assert row["line"] == text[: text.index("<STMTTRN>")].count("\n") + 1
    assert row["transaction_date"] == date(2024, 1, 31)
    assert row["amount"] == D("-12.5")
    assert row["currency"] == "USD"
    assert row["description"] == "CAFE CENTRAL Card 1234"
    assert row["merchant"] == "CAFE CENTRAL"
    assert row["payment_method"] == "DEBIT"
    assert row["account"] == "121099999/999988"
    assert row["status"] == "posted"
    assert row["source_id"] == "F1"
    assert row["category"] is None
    assert json.loads(row["raw_data"]) == {
        "TRNTYPE": "DEBIT", "DTPOSTED": "20240131120000.000[-5:EST]", "TRNAMT": "-12.50", "FITID": "F1", "CHECKNUM": "77", "SIC": "5812",
        "NAME": "CAFE CENTRAL", "MEMO": "Card 1234",
    }  # fmt: skip
    assert found.statement.file_format == "ofx"
    assert found.statement.account == "121099999/999988"
    assert found.detected["format_version"] == "102"
    assert found.detected["accounts"] == ["121099999/999988"]
    assert found.detected["balances"] == [
        {"account": "121099999/999988", "currency": "USD", "opening": None, "closing": "100.00", "opening_date": None,
         "closing_date": "2024-02-01", "rows_sum": "-12.50", "difference": None}
    ]  # fmt: skip


@pytest.mark.parametrize("closed", [True, False], ids=["closed tags", "open tags"])
@pytest.mark.parametrize("header", [HEADER_1, HEADER_2, ""], ids=["header 1", "header 2", "no header"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", ""], ids=["LF", "CRLF", "CR", "one line"])
def test_either_generation_however_written(closed: bool, header: str, newline: str, tmp_path: Path) -> None:
    rows = [transaction("DEBIT", "20240131", "-1.5", "F1", NAME="A &amp; B", closed=closed), transaction("CREDIT", "20240201", "2", "F2")]
    text = document(header, bank(*rows, closed=closed)).replace("\n", newline)
    found = read(text, tmp_path)
    assert [(row["amount"], row["description"]) for row in found.rows] == [(D("-1.5"), "A & B"), (D("2"), "CREDIT")]
    assert found.detected["accounts"] == ["121099999/999988"]


def test_transactions_without_any_end_tag(tmp_path: Path) -> None:
    body = "<BANKTRANLIST><STMTTRN><DTPOSTED>20240101<TRNAMT>1<STMTTRN><DTPOSTED>20240102<TRNAMT>2<LEDGERBAL><BALAMT>9<DTASOF>20240103"
    found = read(f"<OFX><STMTRS><CURDEF>EUR{body}</STMTRS></OFX>", tmp_path)
    assert [row["amount"] for row in found.rows] == [D(1), D(2)]
    assert found.detected["balances"][0]["closing"] == "9.00"


def test_tags_in_small_letters_with_prefix_and_attributes(tmp_path: Path) -> None:
    text = (
        '<ofx xmlns="x"><o:stmtrs><curdef>EUR</curdef><BankTranList><o:stmttrn id="1"><dtposted>20240101</dtposted>'
        "<trnamt>1.5</trnamt><memo>a</memo></o:stmttrn><stmttrn\n><DTPOSTED>20240102<trnamt>2<fitid>B</stmttrn></BankTranList></o:stmtrs></ofx>"
    )
    found = read(text, tmp_path)
    assert [(row["amount"], row["currency"], row["line"]) for row in found.rows] == [(D("1.5"), "EUR", 1), (D(2), "EUR", 2)]


def test_several_statements(tmp_path: Path) -> None:
    text = document(
        HEADER_2,
        bank(transaction("DEBIT", "20240101", "-1", "1A")),
        bank(transaction("DEBIT", "20240102", "-2", "2A"), account_type="SAVINGS"),
        card(transaction("DEBIT", "20240103", "-3", "3A"), currency="CAD"),
    )
    found = read(text, tmp_path)
    assert [(row["account"], row["currency"]) for row in found.rows] == [
        ("121099999/999988", "USD"), ("121099999/999988/SAVINGS", "USD"), ("4111111111111111", "CAD"),
    ]  # fmt: skip
    assert found.statement.account is None
    assert found.detected["accounts"] == ["121099999/999988", "121099999/999988/SAVINGS", "4111111111111111"]


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"ACCTID": "DE89 3704 0044 0532 0130 00", "BANKID": "37040044"}, "DE89370400440532013000"),
        ({"BANKID": "000", "ACCTID": "12 ab", "ACCTTYPE": "CHECKING"}, "12AB"),
        ({"BANKID": "20041", "BRANCHID": "01005", "ACCTID": "0123A", "ACCTTYPE": "MONEYMRKT"}, "20041/01005/0123A/MONEYMRKT"),
        ({"BROKERID": "broker.example", "ACCTID": "X1"}, "BROKER.EXAMPLE/X1"),
        ({"LOANACCTID": "L1"}, "L1"),
        ({"BANKID": "1"}, None),
    ],
)
def test_account_identifiers(identity: dict[str, str], expected: str | None) -> None:
    assert account_identifier(identity) == expected


def test_currency_of_a_row(tmp_path: Path) -> None:
    rate = "<CURRATE>1.06<CURSYM>EUR"
    text = document(
        HEADER_1,
        bank(
            transaction("DEBIT", "20240101", "-1", "A1", extra=f"<CURRENCY>{rate}</CURRENCY>"),
            transaction("DEBIT", "20240102", "-2", "A2", extra=f"<ORIGCURRENCY>{rate}</ORIGCURRENCY>"),
            transaction("DEBIT", "20240103", "-3", "A3", extra=f"<ORIGCURRENCY>{rate}</ORIGCURRENCY><CURRENCY><CURSYM>CHF</CURRENCY>"),
            transaction("DEBIT", "20240104", "-4", "A4", extra="<CURRENCY>GBP"),
            transaction("DEBIT", "20240105", "-5", "A5", extra="<CURRENCY>XX9"),
            transaction("DEBIT", "20240106", "-6", "A6", extra="<CURRENCY><CURSYM></CURRENCY>"),
        ),
    )
    found = read(text, tmp_path)
    assert [row["currency"] for row in found.rows] == ["EUR", "USD", "CHF", "GBP", "USD"]
    assert [(error.field, error.reason[:5]) for error in found.errors] == [("currency", "'XX9'")]
    given = read(text, tmp_path, currency="jpy")
    assert {row["currency"] for row in given.rows} == {"JPY"}
    assert refused(text, tmp_path, currency="XYZ").errors[0].field == "currency"


@pytest.mark.parametrize(
    ("amounts", "expected", "mark"),
    [
        (["-200,00", "-300,5"], ["-200", "-300.5"], ","),
        (["+00000000000115.8331", "-.5"], ["115.8331", "-0.5"], "."),
        (["1,234.56", "-1,234"], ["1234.56", "-1234"], "."),
        (["1.234,56", "-1.234"], ["1234.56", "-1234"], ","),
        (["-30.123", "30.000"], ["-30.123", "30"], "."),
        (["12.", "-7,"], ["12", "-7"], "."),
        (["(5.00)", "5.00-"], ["-5", "-5"], "."),
    ],
)
def test_amounts(amounts: list[str], expected: list[str], mark: str, tmp_path: Path) -> None:
    rows = [transaction("OTHER", "20240101", text, f"ID{at}") for at, text in enumerate(amounts)]
    found = read(document(HEADER_1, bank(*rows)), tmp_path)
    assert [row["amount"] for row in found.rows] == [D(text) for text in expected]
    assert found.detected["decimal_mark"] == mark


def test_the_balance_tells_what_a_lone_comma_means(tmp_path: Path) -> None:
    row = transaction("OTHER", "20240101", "-1,234", "A")
    assert read(document(HEADER_1, bank(row, balance="7,50")), tmp_path).row["amount"] == D("-1.234")
    assumed = read(document(HEADER_1, bank(row, balance="")), tmp_path)
    assert assumed.row["amount"] == D("-1234")
    assert any("assumed" in note for note in assumed.detected["notes"])


@pytest.mark.parametrize(
    ("posted", "expected"),
    [
        ("20240131", date(2024, 1, 31)), ("20240131235959.999[-11:ABC]", date(2024, 1, 31)), ("20240131[0:GMT]", date(2024, 1, 31)),
        ("2024-01-31", date(2024, 1, 31)), ("2024/01/31", date(2024, 1, 31)), ("2024-01-31T10:00:00", date(2024, 1, 31)),
        ("20240230", None), ("202401", None), ("202401311", None), ("18991231", None), ("00000000", None), ("31.01.2024", None),
    ],
)  # fmt: skip
def test_dates(posted: str, expected: date | None, tmp_path: Path) -> None:
    text = document(HEADER_1, bank(transaction("OTHER", posted, "1", "A"), transaction("OTHER", "20240102", "1", "B")))
    found = read(text, tmp_path)
    if expected is None:
        assert [(error.field, posted in error.reason) for error in found.errors] == [("date", True)]
    else:
        assert found.rows[0]["transaction_date"] == expected


def test_a_row_without_a_booking_date_takes_the_users(tmp_path: Path) -> None:
    text = document(HEADER_1, bank(transaction("OTHER", "", "1", "A", extra="<DTUSER>20240105"), transaction("OTHER", "", "1", "B")))
    found = read(text, tmp_path)
    assert found.row["transaction_date"] == date(2024, 1, 5)
    assert [(error.field, error.reason) for error in found.errors] == [("date", "DTPOSTED is missing")]


def test_pending_rows(tmp_path: Path) -> None:
    pending = "<BANKTRANLISTP><STMTTRNP><TRNTYPE>DEBIT<DTTRAN>20240109<TRNAMT>-3<NAME>PUMP</STMTTRNP></BANKTRANLISTP>"
    text = document(HEADER_2, bank(transaction("DEBIT", "20240101", "-1", "A"), after=pending))
    found = read(text, tmp_path)
    assert [(row["status"], row["transaction_date"], row["amount"]) for row in found.rows] == [
        ("posted", date(2024, 1, 1), D(-1)), ("pending", date(2024, 1, 9), D(-3)),
    ]  # fmt: skip
    assert found.detected["balances"][0]["rows_sum"] == "-1.00"


def test_descriptions(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str, str | None]] = [
        ({"NAME": "SHOP", "MEMO": "SHOP LONDON"}, "SHOP LONDON", "SHOP"),
        ({"NAME": "SHOP LONDON", "MEMO": "SHOP"}, "SHOP LONDON", "SHOP LONDON"),
        ({"NAME": "SHO", "EXTDNAME": "SHOP OF LONDON", "MEMO": "x"}, "SHOP OF LONDON x", "SHO"),
        ({"MEMO": " two\n   lines "}, "two lines", None),
        ({"CHECKNUM": "0012"}, "OTHER 0012", None),
        ({"CHECKNUM": "000"}, "OTHER", None),
        ({"PAYEE": "<NAME>ACME<ADDR1>Street</PAYEE>"}, "ACME", "ACME"),
        ({"NAME": "<![CDATA[A <b> & C]]>"}, "A <b> & C", "A <b> & C"),
        (
            {"NAME": "TPAY &amp;lt;X&amp;gt; R&D &nbsp;&#8364;&#xD800;&#0; &unknown; 1 < 2"},
            "TPAY <X> R&D €\ufffd\ufffd &unknown; 1 < 2",
            None,
        ),
        ({"MEMO": "a<!-- hidden\n\n -->b"}, "a b", None),
        ({"MEMO": "one", "MEMO2": "two"}, "one", None),
    ]
    rows = [transaction("OTHER", "20240101", "1", f"ID{at}", **fields) for at, (fields, _, _) in enumerate(cases)]
    found = read(document(HEADER_1, bank(*rows)), tmp_path)
    assert [row["description"] for row in found.rows] == [expected for _, expected, _ in cases]
    assert [row["merchant"] for row, case in zip(found.rows, cases, strict=True) if case[2]] == [case[2] for case in cases if case[2]]


def test_a_field_twice(tmp_path: Path) -> None:
    row = "<STMTTRN><DTPOSTED>20240101<TRNAMT>1<MEMO>one<MEMO>two<MEMO>two<NAME>N<PAYEE><NAME>N</PAYEE></STMTTRN>"
    assert read(document(HEADER_1, bank(row)), tmp_path).row["description"] == "N one two two"


def test_source_ids(tmp_path: Path) -> None:
    ids = ["1", "00000", "NONE", "", "0005x", "7", "SAME", "SAME", "TWIN", "TWIN"]
    days = ["01", "02", "03", "04", "05", "06", "07", "08", "09", "09"]
    rows = [transaction("OTHER", f"202401{day}", "1", fitid) for fitid, day in zip(ids, days, strict=True)]
    found = read(document(HEADER_1, bank(*rows)), tmp_path)
    assert [row["source_id"] for row in found.rows] == [None, None, None, None, "0005x", "7", None, None, "TWIN", "TWIN"]
    assert any("FITIDs" in note for note in found.detected["notes"])


def test_corrections_are_noted(tmp_path: Path) -> None:
    row = transaction("OTHER", "20240101", "1", "B2", extra="<CORRECTFITID>B1<CORRECTACTION>REPLACE")
    assert any("CORRECTFITID" in note for note in read(document(HEADER_1, bank(row)), tmp_path).detected["notes"])


def test_investments(tmp_path: Path) -> None:
    securities = "<BUYSTOCK><INVBUY><FITID>1</INVBUY></BUYSTOCK><INCOME><TOTAL>5</INCOME>"
    cash = f"<INVBANKTRAN>{transaction('CREDIT', '20240101', '5', 'C9')}<SUBACCTFUND>CASH</INVBANKTRAN>"
    positions = "<INVPOSLIST><POSSTOCK></POSSTOCK></INVPOSLIST>"
    found = read(document(HEADER_1, investment(securities + cash, positions)), tmp_path)
    assert found.row["amount"] == D(5)
    assert "2 securities transactions and 1 positions of an investment account are left out" in found.detected["notes"][0]
    refusal = refused(document(HEADER_1, investment(securities, positions)), tmp_path)
    assert "a statement of an investment account with 2 securities transactions and 1 positions" in refusal.message
    assert refusal.errors[0].line > 1


def test_loans(tmp_path: Path) -> None:
    rows = "<LOANTRANLIST><LOANSTMTTRN></LOANSTMTTRN></LOANTRANLIST>"
    loan = f"<LOANSTMTRS><CURDEF>USD<LOANACCTFROM><LOANACCTID>9</LOANACCTFROM>{rows}</LOANSTMTRS>"
    assert "a loan account with 1 loan transactions" in refused(document(HEADER_1, loan), tmp_path).message
    found = read(document(HEADER_1, loan, bank(transaction("OTHER", "20240101", "1", "A"))), tmp_path)
    assert any("1 loan transactions" in note for note in found.detected["notes"])


def test_rows_outside_of_any_statement(tmp_path: Path) -> None:
    found = read(f"<OFX>{transaction('OTHER', '20240101', '1', 'A')}", tmp_path)
    assert (found.row["currency"], found.row["account"]) == (None, None)
    assert len(found.detected["notes"]) == 2
    assert "outside of any statement" in found.detected["notes"][0]
    assert "cut off" in found.detected["notes"][1]


def test_bad_rows_are_named_and_the_others_read(tmp_path: Path) -> None:
    amounts = ["1", "", "abc", "1.00001", "9" * 20, "0"]
    rows = [transaction("OTHER", "20240101", amount, f"ID{at}") for at, amount in enumerate(amounts)]
    found = read(document(HEADER_1, bank(*rows)), tmp_path)
    assert [row["amount"] for row in found.rows] == [D(1), D(0)]
    reasons = ["TRNAMT is missing", "is not an amount", "more than 4 decimals", "beyond what the ledger holds"]
    assert [(error.field, reason in error.reason) for error, reason in zip(found.errors, reasons, strict=True)] == [("amount", True)] * 4


def test_no_good_row(tmp_path: Path) -> None:
    refusal = refused(document(HEADER_1, bank(transaction("OTHER", "20240101", "x", "A"))), tmp_path)
    assert refusal.message.startswith("none of the 1 rows can be read; the first is line ")


def test_a_file_cut_off_inside_an_amount(tmp_path: Path) -> None:
    whole = document(HEADER_1, bank(transaction("OTHER", "20240101", "1", "A"), transaction("OTHER", "20240102", "250.00", "B")))
    found = read(whole[: whole.index("250.00") + 2], tmp_path)
    assert [row["source_id"] for row in found.rows] == ["A"]
    assert [error.reason for error in found.errors] == ["the file ends inside this transaction"]
    assert any("cut off" in note for note in found.detected["notes"])


def test_a_statement_without_transactions(tmp_path: Path) -> None:
    found = read(document(HEADER_2, bank(balance="1.00")), tmp_path)
    assert (found.rows, found.errors) == ([], [])
    assert found.detected["notes"] == ["a statement without any transaction"]
    assert found.detected["balances"][0]["closing"] == "1.00"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        ("hello", "line 1: this is not an OFX file"),
        ("<OFX></OFX>", "line 1: the file has an <OFX> element, but no statement in it"),
        ("\n<OFX><STMTRS></STMTRS></OFX>", "line 2: a statement without account, currency and transactions"),
        ("<OFX><BANKMSGSRQV1><STMTRQ>", "line 1: this is a request for a statement"),
        ("<OFX><STATUS><CODE>2000<SEVERITY>ERROR</STATUS></OFX>", "the bank's server reports error 2000; the file holds no statement"),
        ("<OFX><STATUS><CODE>0<SEVERITY>INFO</STATUS></OFX>", "but no statement in it"),
        ('<!DOCTYPE x [<!ENTITY a "b">]>\n<OFX>', "line 1 declares an entity"),
        ("%PDF-1.4", "this is a PDF, not an OFX file"),
    ],
)
def test_what_is_no_statement(text: str, reason: str, tmp_path: Path) -> None:
    assert reason in refused(text, tmp_path).message


@pytest.mark.parametrize(
    ("header", "written", "read_as"),
    [
        ("CHARSET:1252", "cp1252", "cp1252"), ("CHARSET:1251", "cp1251", "cp1251"), ("CHARSET:ISO-8859-1", "cp1252", "cp1252"),
        ("CHARSET:1252", "utf-8", "utf-8"), ("ENCODING:UTF-8", "cp1252", "cp1252"), ("CHARSET:zlib", "cp1252", "cp1252"),
        ('<?xml version="1.0" encoding="iso-8859-2"?>', "iso8859-2", "iso8859-2"), ("CHARSET:NONE", "utf-16", "utf-16-le"),
    ],
)  # fmt: skip
def test_encodings_and_headers_that_lie(header: str, written: str, read_as: str, tmp_path: Path) -> None:
    name = {"cp1251": "Кафе", "iso8859-2": "Łódź żółć"}.get(written, "Café Müller")
    text = f"OFXHEADER:100\n{header}\nVERSION:102\n\n" + document("", bank(transaction("OTHER", "20240101", "1", "A", NAME=name)))
    found = read(text, tmp_path, encoding=written)
    assert found.row["description"] == name
    assert found.detected["encoding"] == read_as


@pytest.mark.parametrize("mark", ["<!--", "<![CDATA[", "<!", "<?", "<", "<A "])
def test_markup_that_never_ends_is_looked_at_once(mark: str, tmp_path: Path) -> None:
    """It took the square: minutes for a file of this size."""
    started = process_time()
    rows = transaction("OTHER", "20240101", "1", "A") + transaction("OTHER", "20240102", "2", "B", MEMO=mark * (300_000 // len(mark)))
    assert read(document(HEADER_1, bank(rows)), tmp_path).rows[0]["amount"] == D(1)
    assert process_time() - started < 10


def test_markup_ends_where_its_own_end_is(tmp_path: Path) -> None:
    memo = "a<!-- <![CDATA[ -->b<![CDATA[<!-- & <C>]]>c ]]> --> d"
    rows = transaction("OTHER", "20240101", "1", "A", MEMO=memo)
    assert read(document(HEADER_1, bank(rows)), tmp_path).row["description"] == "ab<!-- & <C>c ]]> --> d"


def test_too_many_bad_rows() -> None:
    def batch() -> Batch:
        return Batch(pl.DataFrame(schema=BATCH_SCHEMA), [RowError(line, "date", "no") for line in range(1, 6)])

    with pytest.raises(UnreadableStatement, match="more than 8 rows cannot be read; the first is line 1") as caught:
        list(checked(iter([batch(), batch()]), most=8))
    assert len(caught.value.errors) == 10


def test_unescape_keeps_what_is_no_entity() -> None:
    assert unescape("AT&T &amp;amp; B&notit &copy=1") == "AT&T & B&notit &copy=1"
