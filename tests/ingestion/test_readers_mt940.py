"""The MT940 and MT942 reader: messages, pages, wrappers, and each bank's way to fill :86:."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from time import process_time

import pytest

from services.ingestion.readers import mt940, mt940_fields
from services.ingestion.readers.mt940 import read_mt940
from services.ingestion.readers.mt940_details import read_details
from services.ingestion.readers.mt940_messages import account_identifier, balance_of, is_iban
from services.ingestion.readers.mt940_rows import booking_day, decimal_text
from services.ingestion.readers.statement import UnreadableStatement
from tests.ingestion import reading
from tests.ingestion.reading import Read
from tests.ingestion.statement_checks import against_manifest

D = Decimal
HEAD = ":20:STARTUMS\n:25:10020030/1234567\n:28C:1/1\n:60F:C231231EUR100,00\n"


def read(text: str, folder: Path, encoding: str = "utf-8", **options: str) -> Read:
    return reading.read_bytes(read_mt940, text.encode(encoding), folder, **options)


def refused(text: str, folder: Path, **options: str) -> UnreadableStatement:
    return reading.refused(read_mt940, text.encode(), folder, **options)


def line(rest: str = "D12,50NTRFNONREF", details: str | None = None, day: str = "2401020102") -> str:
    return f":61:{day}{rest}\n" + (f":86:{details}\n" if details is not None else "")


def test_shared_files_against_their_manifest(shared_data: Path) -> None:
    found = against_manifest(read_mt940, shared_data, "mt940", "mt942")
    folder = "mt940/mt940_tests"
    three = found[f"{folder}/cmxl/mt940.sta"]
    assert isinstance(three, Read)
    assert three.detected["accounts"] == ["45050050/76198810", "10020030/1234567", "BPHKPLPK/320000546101"]
    assert {balance["difference"] for balance in three.detected["balances"]} == {"0.00"}
    assert [row["source_id"] for row in three.rows[-3:]] == ["8327000090031789", "8327000090031790", "8327000090031791"]
    pages = found[f"{folder}/jejik/postfinance.sta"]
    assert isinstance(pages, Read)
    assert [(item["opening"], item["closing"], item["difference"]) for item in pages.detected["balances"]] == [("0.00", "159.60", "0.20")]
    interim = found[f"{folder}/self-provided/mt942.sta"]
    assert isinstance(interim, Read)
    assert (interim.statement.file_format, interim.row["status"]) == ("mt942", "pending")
    wrapped = found[f"{folder}/self-provided/wrapped_timestamp.sta"]
    assert isinstance(wrapped, Read)
    assert "12-09-2014T16:26:37 Fo" in wrapped.row["description"]


def test_a_row_has_every_field(tmp_path: Path) -> None:
    details = "105?00FOLGELASTSCHRIFT?109248?20EREF+R-77?21SVWZ+Rechnung 12?30COBADEFF?31DE02120300000000202051?32Stadtwerke"
    found = read(HEAD + line("D12,50NDDTNONREF//0255000012", details) + ":62F:C240102EUR87,50\n-\n", tmp_path)
    row = found.row
    assert (row["line"], row["transaction_date"], row["amount"], row["currency"]) == (5, date(2024, 1, 2), D("-12.5"), "EUR")
    assert (row["description"], row["merchant"], row["payment_method"]) == ("Rechnung 12", "Stadtwerke", "FOLGELASTSCHRIFT")
    assert (row["account"], row["status"], row["source_id"], row["category"]) == ("10020030/1234567", "posted", "0255000012", None)
    assert json.loads(row["raw_data"]) == {
        "61": "2401020102D12,50NDDTNONREF//0255000012", "86": details, "value_date": "240102", "entry_date": "0102", "mark": "D",
        "customer_reference": "NONREF", "bank_reference": "0255000012", "gvc": "105", "?00": "FOLGELASTSCHRIFT", "?10": "9248",
        "?30": "COBADEFF", "?31": "DE02120300000000202051", "EREF": "R-77",
    }  # fmt: skip
    assert (found.statement.file_format, found.statement.account) == ("mt940", "10020030/1234567")
    assert found.detected["balances"] == [
        {"account": "10020030/1234567", "currency": "EUR", "opening": "100.00", "closing": "87.50", "opening_date": "2023-12-31",
         "closing_date": "2024-01-02", "rows_sum": "-12.50", "difference": "0.00"}
    ]  # fmt: skip
    assert found.detected["notes"] == []


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("C1,NTRF", "1"), ("D1,5NTRF", "-1.5"), ("RC2,NTRF", "-2"), ("RD2,NTRF", "2"), ("CR3000,NTRF", "3000"), ("DR,05NTRF", "-0.05"),
        ("RCR2,34N033", "-2.34"), ("D000000000001,62NTRF", "-1.62"), ("C1.234,50NTRF", "1234.5"), ("C1234.50NTRF", "1234.5"),
        ("C 7,00 NTRF", "7"), ("C0,1234NTRF", "0.1234"), ("EC5,NTRF", "5"), ("C8", "8"),
    ],
)  # fmt: skip
def test_amounts_and_marks(text: str, amount: str, tmp_path: Path) -> None:
    row = read(HEAD + line(text), tmp_path).row
    assert row["amount"] == D(amount)
    assert row["status"] == ("pending" if text.startswith("E") else "posted")


@pytest.mark.parametrize(
    ("amount", "reason"),
    [("1,23456", "more than 4 decimals"), ("1" * 15 + ",", "beyond"), ("1.234", "decimal comma"), ("1,2,3", "decimal comma")],
)
def test_what_is_no_amount(amount: str, reason: str) -> None:
    assert reason in decimal_text(amount)[1]


@pytest.mark.parametrize(
    ("value", "entry", "expected"),
    [
        ("240102", "", date(2024, 1, 2)), ("240102", "    ", date(2024, 1, 2)), ("240102", "0103", date(2024, 1, 3)),
        ("231231", "0102", date(2024, 1, 2)), ("240102", "1230", date(2023, 12, 30)), ("160230", "0301", date(2016, 3, 1)),
        ("160230", "", None), ("240102", "0230", date(2024, 1, 2)), ("240102", "0000", date(2024, 1, 2)),
        ("230301", "0229", date(2024, 2, 29)),
        ("991231", "0102", date(2000, 1, 2)), ("161330", "1201", date(2016, 12, 1)),
        ("161330", "0230", None), ("690101", "", date(2069, 1, 1)),
    ],
)  # fmt: skip
def test_booking_day(value: str, entry: str, expected: date | None) -> None:
    assert booking_day(value, entry) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10020030/1234567", "10020030/1234567"), ("70011110/4005287001EUR", "70011110/4005287001"), ("0129644753 EUR", "0129644753"),
        ("NL91 ABNA 0417 1643 00 EUR", "NL91ABNA0417164300"), ("NL91ABNA0417164300EUR", "NL91ABNA0417164300"),
        ("ABNANL2A/NL91ABNA0417164300", "NL91ABNA0417164300"), ("UBRTHUHB/12345ABCDEF002/HUF", "UBRTHUHB/12345ABCDEF002"),
        ("acxx 12 xx1", "ACXX12XX1"), ("ABCEUR", "ABCEUR"), ("1/2/EURX", "1/2/EURX"), (" ", None), ("/", None),
    ],
)  # fmt: skip
def test_account_identifiers(text: str, expected: str | None) -> None:
    assert account_identifier(text) == expected


def test_an_account_of_marks_is_looked_at_once() -> None:
    """It took the square: two seconds for 12 KB."""
    started = process_time()
    account_identifier("70011110/4005287001EUR" + "/" * 300_000)
    assert process_time() - started < 5


def test_iban_check() -> None:
    assert is_iban("DE89370400440532013000")
    assert not is_iban("DE88370400440532013000")
    assert not is_iban("DE89")


def test_balances() -> None:
    assert balance_of("C131016DEM84349,74") == ("DEM", D("84349.74"), date(2013, 10, 16))
    assert balance_of("D000000EUR0000000000000000,5") == ("EUR", D("-0.5"), None)
    assert balance_of("C190417EUR0") == ("EUR", D(0), date(2019, 4, 17))
    assert balance_of("x") is None
    assert balance_of("C190417EUR9999999999999999999999999,") is None


@pytest.mark.parametrize(
    ("printed", "value"),
    [
        ("1,234.56", "1234.56"), ("1,234,567.8", "1234567.8"), ("1,234,567", "1234567"), ("1.234,56", "1234.56"), ("1.234.567", "1234567"),
        ("1,234", "1.234"), ("1.234", "1234"), ("1234.567", "1234.567"), ("0.500", "0.5"), ("12.", "12"), ("1234.5", "1234.5"),
        ("12,34.56", None), ("1.234.56", None), ("1 234,56", None), ("1,234,56", None), ("1,234.567.890", None),
    ],
)  # fmt: skip
def test_balances_as_banks_print_them_are_read_or_unknown(printed: str, value: str | None) -> None:
    found = balance_of(f"D131016EUR{printed}")
    assert (found and -found[1]) == (D(value) if value else None)


@pytest.mark.parametrize(
    ("lines", "description", "merchant", "method"),
    [
        # German subfields
        (["105?00Lastschrift?20ERSTATTUNG AUSLANDSEINSATZE?21NTGELT", " FUER VISA?32DEUTSC", "HE KREDITBANK AG"],
         "ERSTATTUNG AUSLANDSEINSATZENTGELT FUER VISA", "DEUTSCHE KREDITBANK AG", "Lastschrift"),
        (["008?00DAUERAUFTRAG?20Miete?21November?32MUELLER"], "Miete November", "MUELLER", "DAUERAUFTRAG"),
        (["166?20EREF+1234567890123456789012?21SVWZ+Gehalt?60 Mai?32Firma Mustermann und Soehne?33 GmbH"],
         "Gehalt  Mai", "Firma Mustermann und Soehne GmbH", ""),
        (["835?22EREF+ 1234567890123 PAYPAL?23MREF+ 12AB234CD6E7F CRED+ A?24B12CDE0000000000000000034 S?25VWZ+ . SPOTIFY"],
         ". SPOTIFY", "", ""),
        (["820?00UMBUCHUNG"], "UMBUCHUNG", "", "UMBUCHUNG"),
        (["?20WHAT?x?21now"], "WHAT?x now", "", ""),
        (["000>100987654321", ">20HUUR>21 KANTOOR"], "HUUR  KANTOOR", "", ""),
        (["~00OB01~20Przelew~32JAN KOWALSKI"], "Przelew", "JAN KOWALSKI", "OB01"),
        # code words
        (["/TRTP/SEPA OVERBOEKING/IBAN/NL91ABNA0417164300/BIC/ABNANL2A/NAME/J. Jansen/REMI/Factuur 12/EREF/NOTPROVIDED"],
         "Factuur 12", "J. Jansen", "SEPA OVERBOEKING"),
        (["/EREF/E1//CNTP/NL32INGB0000012345/INGBNL2A/ING BANK NV/AMSTERDAM///REMI/USTD//Rente mei/"], "Rente mei", "ING BANK NV", ""),
        (["/EREF/01-01 12:00 0030/BENM//NAME/CONTRA/REMI//ISDT/2013-07-11"], "CONTRA 01-01 12:00 0030", "CONTRA", ""),
        (["/TRCD/00100/"], "/TRCD/00100/", "", "00100"),
        (["/ABC/DEF"], "/ABC/DEF", "", ""),
        # plain text
        (["GIRO AUS ONLINE-SIC 80532 AUFTRAGGEBER: JANE DOE EXAMPLESTR 12", "ASSE 111", "MITTEILUNG"],
         "GIRO AUS ONLINE-SIC 80532 AUFTRAGGEBER: JANE DOE EXAMPLESTR 12ASSE 111 MITTEILUNG", "", ""),
        (["SEPA Overboeking   IBAN: NL91ABNA0417164300  Naam: KPN B.V.   Omschrijving: Factuur"],
         "SEPA Overboeking   IBAN: NL91ABNA0417164300  Naam: KPN B.V.   Omschrijving: Factuur", "KPN B.V.", ""),
        (["EREF+1 SVWZ+Danke fuer alles"], "Danke fuer alles", "", ""),
        (["999PN0911DAUERAUFTR.NR. 14"], "999PN0911DAUERAUFTR.NR. 14", "", ""),
        ([""], "", "", ""),
        ([], "", "", ""),
    ],
)  # fmt: skip
def test_details(lines: list[str], description: str, merchant: str, method: str) -> None:
    found = read_details(lines)
    assert (found.description, found.merchant, found.payment_method) == (description, merchant, method)


def test_numbered_details(tmp_path: Path) -> None:
    """:NS: after :61: stands where others have :86:; after :25: it is about the account."""
    text = (
        ":20:X\n:25:1222333\n:28:1/1\n:NS:22Firma\n23Konto\n:60F:C020315DEM0,00\n"
        ":61:0203170320CM50,00S05168790452\n:NS:01Rechnung 7\n02vom Maerz\n15Kunde\n16GmbH\n17Gutschrift\n1812345\n"
        ":61:020322DM20,00S051\n:62F:C02032230,00\n"
    )
    found = read(text, tmp_path)
    first, second = found.rows
    assert (first["description"], first["merchant"], first["payment_method"]) == ("Rechnung 7 vom Maerz", "Kunde GmbH", "Gutschrift")
    assert json.loads(first["raw_data"])["NS18"] == "12345"
    assert second["description"] == "S051"
    assert found.detected["notes"] == []  # the closing balance without a currency is read, and agrees


def test_a_row_without_a_text(tmp_path: Path) -> None:
    text = HEAD + line("D1,NTRFNONREF\nsupplementary") + line("D2,NTRFRENT 12") + line("D3,NTRFNONREF") + line("D4,", "")
    assert [row["description"] for row in read(text, tmp_path).rows] == ["supplementary", "RENT 12", "NTRF", ""]


def test_a_brace_at_the_start_of_a_wrapped_line_is_text(tmp_path: Path) -> None:
    """Only {1: to {5: are wrappers."""
    found = read(HEAD + line() + ":86:ORDER {12} AND\n{13} TOO\n{\n:62F:C240102EUR87,50\n", tmp_path)
    assert "".join(found.row["description"].split()) == "ORDER{12}AND{13}TOO{"


def test_source_ids(tmp_path: Path) -> None:
    references = ["8327000090031789", "NONREF", "0000000012", "55555", "AB12CD34/1", "TWICE-1234", "TWICE-1234", "NOTPROVIDED", ""]
    found = read(HEAD + "".join(line(f"D{at},NTRFEREF//{text}") for at, text in enumerate(references)), tmp_path)
    assert [row["source_id"] for row in found.rows] == ["8327000090031789", None, None, None, "AB12CD34/1", None, None, None, None]


@pytest.mark.parametrize(
    "text",
    [
        "{1:F01AAAABB99AXXX0000000000}{2:I940BBBBDEFFXXXXN}{3:{108:1}}{4:\n" + HEAD + line() + ":62F:C240102EUR87,50\n-}{5:{CHK:1}}\n",
        "{1:F01AAAABB99AXXX0000000000}{2:I940BBBBDEFFXXXXN}{4:" + HEAD + line() + ":62F:C240102EUR87,50\n-}",
        "ABNANL2A\n940\nABNANL2A\n" + HEAD + line() + ":62F:C240102EUR87,50\n-\n",
        "0000 01INGBNL2AXXXX00001\n940 00\n" + HEAD + line() + ":62F:C240102EUR87,50\n:86:summary of the statement\n-XXX\n",
        ":940:\n" + HEAD + line() + ":62F:C240102EUR87,50\n:64:C240102EUR87,50\n:65:C240103EUR87,50\n",
        HEAD + ":NS:01Bank\n" + line() + ":62F:C240102EUR87,50\n:NS:end\n",
    ],
    ids=["SWIFT", "SWIFT on one line", "ABN AMRO", "ING", "Rabobank", "NS"],
)
def test_wrappers(text: str, tmp_path: Path) -> None:
    for written in (text, text.replace("\n", "\r\n"), text.replace("\n", "\r\r\n")):
        found = read(written, tmp_path)
        assert (found.row["amount"], found.row["description"]) == (D("-12.5"), "NTRF")
        assert found.detected["balances"][0]["difference"] == "0.00"


def test_statements_and_pages(tmp_path: Path) -> None:
    pages = (
        HEAD + line("C1,NTRF") + ":62M:C240102EUR101,00\n-\n"
        + ":20:2\n:25:10020030/1234567\n:28C:1/2\n:60M:C240102EUR101,00\n" + line("C2,NTRF")
        + ":62F:C240102EUR103,00\n-\n"
    )  # fmt: skip
    other = ":20:3\n:25:99/1\n:60F:D240101CHF5,\n" + line("C3,NTRF") + ":62F:D240102CHF3,\n"
    found = read(pages + other, tmp_path)
    assert [(row["account"], row["currency"]) for row in found.rows] == [("10020030/1234567", "EUR")] * 2 + [("99/1", "CHF")]
    checks = [(item["opening"], item["closing"], item["rows_sum"], item["difference"]) for item in found.detected["balances"]]
    assert checks == [("100.00", "103.00", "3.00", "0.00"), ("-5.00", "-3.00", "3.00", "-1.00")]
    assert "account 99/1 CHF" in found.detected["notes"][0]
    assert found.statement.account is None


def test_statements_without_their_own_20(tmp_path: Path) -> None:
    again = (
        ":25:99/1\n:60F:C240102EUR0,\n"
        + line("C2,NTRF")
        + ":62F:C240102EUR2,\n"
        + ":60F:C240102EUR2,\n"
        + line("C3,NTRF")
        + ":62F:C240102EUR5,\n"
    )
    found = read(HEAD + line("C1,NTRF") + ":62F:C240102EUR101,00\n" + again, tmp_path)
    assert [row["account"] for row in found.rows] == ["10020030/1234567", "99/1", "99/1"]
    assert [item["difference"] for item in found.detected["balances"]] == ["0.00", "0.00"]


def test_a_time_that_wraps_looks_like_a_field(tmp_path: Path) -> None:
    text = HEAD + line("C1,NTRF", "card 02-01 12\n:20:15 shop\n:25:00 x\n:12:30") + line("C2,NTRF", "b") + ":62F:C240102EUR103,00\n"
    found = read(text + ":20:NEXT\n:25:7\n:60F:C240102EUR0,\n" + line("C3,NTRF"), tmp_path)
    assert found.rows[0]["description"] == "card 02-01 12 :20:15 shop :25:00 x :12:30"
    assert [row["account"] for row in found.rows] == ["10020030/1234567", "10020030/1234567", "7"]
    without_closing = HEAD + line("C1,NTRF", "text") + ":20:NEXT\n:25:7\n:60F:C240102EUR0,\n" + line("C3,NTRF")
    assert [row["account"] for row in read(without_closing, tmp_path).rows] == ["10020030/1234567", "7"]


def test_broken_lines_are_mended(tmp_path: Path) -> None:
    found = read(":61:1811261126CR\n30,00N062NONREF\n:\n86:166?00GUTSCHR?20SVWZ+Test\n", tmp_path)
    assert (found.row["amount"], found.row["description"], found.row["payment_method"]) == (D(30), "Test", "GUTSCHR")
    assert found.detected["notes"] == ["rows without a currency, as no balance names one: 1; send `currency`"]
    assert read(":61:1811261126CR30,00N062NONREF\n", tmp_path, currency="eur").row["currency"] == "EUR"


def test_the_currency_where_no_opening_balance_names_it(tmp_path: Path) -> None:
    assert read(f":20:1\n:25:1\n{line()}:62F:C240102CHF1,\n", tmp_path).row["currency"] == "CHF"
    assert read(f":20:1\n:25:70011110/4005287001PLN\n{line()}", tmp_path).row["currency"] == "PLN"
    found = read(f":20:1\n:25:1\n:60F:C240101ZZ9,\n{line()}:62F:oops\n", tmp_path)
    assert found.row["currency"] is None
    assert [note for note in found.detected["notes"] if "cannot be read" in note] == [
        "line 3: the balance 'C240101ZZ9,' cannot be read", "line 5: the balance 'oops' cannot be read",
    ]  # fmt: skip
    unknown = read(f":20:1\n:25:1\n:60F:C240101QQQ1,\n{line()}{line('C1,NTRF')}", tmp_path, currency="EUR")
    assert {row["currency"] for row in unknown.rows} == {"EUR"}
    assert "'QQQ' is not an ISO 4217 currency code" in refused(f":20:1\n:60F:C240101QQQ1,\n{line()}", tmp_path).message


def test_interim_reports(tmp_path: Path) -> None:
    text = f":20:1\n:25:1\n:28C:1\n:34F:EURD0,\n:34F:EURC0,\n:13D:2401021730+0100\n{line('D0,42NTRF')}:90D:1EUR0,42\n"
    found = read(text, tmp_path)
    assert (found.statement.file_format, found.row["status"], found.row["currency"]) == ("mt942", "pending", "EUR")
    assert found.detected["notes"] == ["rows of interim reports (MT942) are pending: 1; the MT940 brings them booked"]
    assert found.detected["balances"] == []
    empty = read(":20:1\n:25:1\n:34F:EUR0,\n:90D:0EUR0,\n", tmp_path)
    assert (empty.rows, empty.detected["notes"]) == ([], ["a statement without any transaction"])


def test_bad_lines_are_named_and_the_others_read(tmp_path: Path) -> None:
    text = (
        HEAD
        + line("C1,NTRF")
        + ":61:nonsense\n"
        + line("C2,NTRF", day="240230")
        + line("C1,23456NTRF")
        + line("C4,NTRF")
        + ":62F:C240102EUR110,00\n"
    )
    found = read(text, tmp_path)
    assert [row["amount"] for row in found.rows] == [D(1), D(4)]
    assert [(error.line, error.field) for error in found.errors] == [(6, "row"), (7, "date"), (8, "amount")]
    assert "'nonsense' is not a statement line" in found.errors[0].reason
    assert "3 rows could not be read" in found.detected["notes"][0]
    assert refused(HEAD + ":61:x\n", tmp_path).message.startswith("none of the 1 rows can be read; the first is line 5: row")


@pytest.mark.parametrize(
    ("tail", "rows"),
    [(":61:2401020102D12", 1), (":61:240102", 1), (":61:2401020102D12,5NTR", 1), (":61:2401020102D12,5NTRFA//12345678", 2)],
)
def test_a_file_cut_off_inside_a_line(tail: str, rows: int, tmp_path: Path) -> None:
    found = read(HEAD + line("C1,NTRF") + tail, tmp_path)
    assert len(found.rows) == rows
    assert [error.reason for error in found.errors] == ["the file ends inside this line"] * (2 - rows)
    assert {row["source_id"] for row in found.rows} == {None}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"), ("hello\n", "line 1: this is not an MT940 file"),
        ("\n:25:PL25106000760000888888888888", "line 2: a fragment"),
        (":62F:C140901EUR137,00", "line 1: a fragment"), (":20:1\n:25:2\n\n:20:3\n:25:4\n", "line 1: a fragment"), (":NS:", "a fragment"),
        (":60F:C100318EUR380115,12\n:60F:C100318EUR380115,1\n", "line 1: a fragment"),
        ("%PDF", "not an MT940 file"),
    ],
)  # fmt: skip
def test_what_is_no_statement(text: str, reason: str, tmp_path: Path) -> None:
    assert reason in refused(text, tmp_path).message


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mt940_fields, "MAX_FIELD_CHARS", 100)
    monkeypatch.setattr(mt940_fields, "MAX_STRAY_LINES", 100)
    monkeypatch.setattr(mt940, "MAX_LOOSE_FIELDS", 100)
    assert "the field :86: on line 6 does not end" in refused(HEAD + line(details="x\n" * 200), tmp_path).message
    assert "more than 100 lines" in refused("x\n" * 200, tmp_path).message
    assert "without a statement line" in refused(":20:1\n" * 200, tmp_path).message


def test_batches_end_early_and_blocks_cut_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(
        f":20:{n}\n:25:1\n:60F:C240101EUR{n},\n" + line("C1,NTRF", "abc\ndef") + f":62F:C240102EUR{n + 1},\n-\n" for n in range(40)
    )
    whole = read(text, tmp_path)
    monkeypatch.setattr("services.ingestion.readers.encoding.BLOCK_BYTES", 23)
    for name, most in (("BATCH_ROWS", 3), ("BATCH_CHARS", 5), ("MAX_UNSETTLED", 2)):
        monkeypatch.setattr(mt940, name, most)
        found = read(text, tmp_path)
        assert found.rows == whole.rows
        assert found.detected == whole.detected
    assert [item["difference"] for item in whole.detected["balances"]] == ["0.00"]


@pytest.mark.parametrize("mark", [".", ","])
def test_balances_may_have_a_decimal_point(mark: str, tmp_path: Path) -> None:
    text = f":20:X\n:25:1\n:28C:1\n:60F:C240104EUR100{mark}00\n:61:2401050105D12{mark}50NTRFNONREF\n:86:x\n:62F:C240105EUR87{mark}50\n"
    found = read(text, tmp_path)
    (balance,) = found.detected["balances"]
    assert (balance["opening"], balance["closing"]) == ("100.00", "87.50")
    assert not any("account" in note for note in found.detected["notes"])
