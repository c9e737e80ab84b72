"""The QIF reader: sections, splits, and the many ways to write a date."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingestion.readers import qif, qif_records, record_rows
from services.ingestion.readers.encoding import TextFile
from services.ingestion.readers.qif import read_qif
from services.ingestion.readers.qif_dates import normal_date
from services.ingestion.readers.statement import ReadOptions, UnreadableStatement
from tests.ingestion import reading
from tests.ingestion.reading import Read
from tests.ingestion.statement_checks import Damage, against_manifest, damage, survives

D = Decimal
TODAY = date(2026, 1, 15)


def read(text: str, folder: Path, encoding: str = "utf-8", **options: Any) -> Read:
    return reading.read_bytes(read_qif, text.encode(encoding), folder, today=TODAY, **options)


def refused(text: str, folder: Path, **options: Any) -> UnreadableStatement:
    return reading.refused(read_qif, text.encode(), folder, today=TODAY, **options)


def record(day: str, amount: str, *more: str) -> str:
    return "\n".join([f"D{day}", f"T{amount}", *more, "^"]) + "\n"


def test_shared_files_against_their_manifest(shared_data: Path) -> None:
    found = against_manifest(read_qif, shared_data, "qif")
    web = found["gnucash/web.qif"]
    assert isinstance(web, Read)
    assert web.detected["notes"] == ["years of three digits are read as years since 1900"]
    stocks = found["gnucash/swipe.qif"]
    assert isinstance(stocks, UnreadableStatement)
    assert "an investment account (!Type:Invst, 11 records)" in stocks.message


def test_a_row_has_every_field(tmp_path: Path) -> None:
    text = "!Account\nNMy Checking\nTBank\n$150.00\n/1/31'24\n^\n!Type:Bank\n" + record(
        "1/31'24", "-12.50", "PCafé", "MCard 12", "LFood:Out", "N1042", "C*"
    )
    found = read(text, tmp_path, encoding="cp1252")
    row = found.row
    assert (row["line"], row["transaction_date"], row["amount"]) == (8, date(2024, 1, 31), D("-12.5"))
    assert (row["description"], row["merchant"], row["category"], row["payment_method"]) == ("Café Card 12", "Café", "Food:Out", "Check")
    assert (row["currency"], row["source_id"], row["status"], row["account"]) == (None, None, "posted", "MYCHECKING")
    assert json.loads(row["raw_data"]) == {
        "D": "1/31'24", "T": "-12.50", "P": "Café", "M": "Card 12", "L": "Food:Out", "N": "1042", "C": "*"
    }  # fmt: skip
    assert found.statement.file_format == "qif"
    assert found.statement.account == "MYCHECKING"
    assert found.detected["encoding"] == "cp1252"
    assert found.detected["balances"] == [
        {"account": "MYCHECKING", "currency": None, "opening": None, "closing": "150.00", "opening_date": None,
         "closing_date": "2024-01-31", "rows_sum": "-12.50", "difference": None}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("printed", "normal"),
    [
        ("12/19/18", "12/19/2018"), ("8/ 1/97", "8/1/1997"), (" 1/ 3' 4", "1/3/2004"), ("6/ 9'2001", "6/9/2001"), ("1/1'95", "1/1/1995"),
        ("03/25/099Share Withdrawal", "3/25/1999"), ("3/25/101", "3/25/2001"), ("25.12.2006", "25.12.2006"), ("1-3-07", "1-3-2007"),
        ("2024-01-31", "2024-01-31"), ("20240131", "20240131"), ("26 Jan 2026", "26 Jan 2026"), ("99/12/31", "99/12/31"), ("x", "x"),
        ("1/2-2024", "1/2-2024"), ("1.2’24", "1.2.2024"),
    ],
)  # fmt: skip
def test_dates_are_brought_into_one_form(printed: str, normal: str) -> None:
    assert normal_date(printed) == normal


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (["1/31'24", "2/ 1'24"], [date(2024, 1, 31), date(2024, 2, 1)]),
        (["31/1/24", "1/2/24"], [date(2024, 1, 31), date(2024, 2, 1)]),
        (["5.1.2024", "6.1.2024"], [date(2024, 1, 5), date(2024, 1, 6)]),
        (["2024-01-05", "2024-01-06"], [date(2024, 1, 5), date(2024, 1, 6)]),
        (["26 Jan 2024", "2 Feb 2024"], [date(2024, 1, 26), date(2024, 2, 2)]),
        (["12/31/99", "1/ 1'00"], [date(1999, 12, 31), date(2000, 1, 1)]),
    ],
)
def test_the_whole_file_tells_the_order(days: list[str], expected: list[date], tmp_path: Path) -> None:
    found = read("!Type:Bank\n" + "".join(record(day, "1") for day in days), tmp_path)
    assert [row["transaction_date"] for row in found.rows] == expected


AMBIGUOUS = "!Type:Bank\n" + record("1/2/2024", "1") + record("5/3/2024", "2") + record("4/3/2024", "2")


def test_an_open_order_is_asked_for(tmp_path: Path) -> None:
    refusal = refused(AMBIGUOUS, tmp_path)
    assert refusal.needs == {"date_format": ["%d/%m/%Y", "%m/%d/%Y"]}
    assert refusal.errors[0].line == 2
    assert "1 February 2024 or 2 January 2024" in refusal.message
    for wanted in ("%d/%m/%Y", "%d/%m/%y", "dmy", "DD/MM/YYYY"):
        found = read(AMBIGUOUS, tmp_path, date_format=wanted)
        assert [row["transaction_date"] for row in found.rows] == [date(2024, 2, 1), date(2024, 3, 5), date(2024, 3, 4)]
        assert found.detected["date_evidence"] == "given"
    assert read(f"!Option:MDY\n{AMBIGUOUS}", tmp_path).rows[0]["transaction_date"] == date(2024, 1, 2)
    assert read(f"!Option:DMY\n{AMBIGUOUS}", tmp_path).detected["date_evidence"] == "the file's !Option line"
    assert read(AMBIGUOUS, tmp_path, file_name="2024-01-01_2024-02-03.qif", date_format="%m/%d/%Y").rows[1]["transaction_date"] == date(
        2024, 5, 3
    )
    wrong = refused(AMBIGUOUS, tmp_path, date_format="%d/%Q")
    assert (wrong.errors[0].field, list(wrong.needs)) == ("date_format", ["date_format"])


def test_a_given_format_that_fits_no_row(tmp_path: Path) -> None:
    refusal = refused(AMBIGUOUS, tmp_path, date_format="%d %b %Y")
    assert refusal.errors[0].reason == "'1/2/2024' is not a day of the calendar between 1900 and 2100 in the file's format %d %b %Y"


def test_dates_of_no_known_form(tmp_path: Path) -> None:
    refusal = refused("!Type:Bank\n" + record("someday", "1"), tmp_path)
    assert (refusal.errors[0].line, refusal.errors[0].field) == (2, "date")
    assert "date_format" in refusal.needs


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        (["4,706.57", "-525.00", "1,000"], ["4706.57", "-525", "1000"]), (["1.234,50", "-7,25"], ["1234.5", "-7.25"]),
        (["-12,50"], ["-12.5"]), (["-$1.50", "1.5"], ["-1.5", "1.5"]), (["1 000,50"], ["1000.5"]),
    ],
)  # fmt: skip
def test_amounts(amounts: list[str], expected: list[str], tmp_path: Path) -> None:
    found = read("!Type:CCard\n" + "".join(record("1/31/2024", amount) for amount in amounts), tmp_path)
    assert [row["amount"] for row in found.rows] == [D(text) for text in expected]


def test_currency_is_the_callers_or_that_of_the_cell(tmp_path: Path) -> None:
    assert read("!Type:Bank\n" + record("1/31/2024", "1"), tmp_path, currency="CHF").row["currency"] == "CHF"
    assert read("!Type:Bank\n" + record("1/31/2024", "€1.50"), tmp_path).row["currency"] == "EUR"
    assert refused(AMBIGUOUS, tmp_path, currency="ZZZ").errors[0].field == "currency"


def test_the_other_amount_and_odd_lines(tmp_path: Path) -> None:
    text = "!Type:Bank\nU5.00\nD1/31/2024\n^\n\n\n  !Type:Cash\n D2/1/2024\n T6.00\n^\nD2/2/2024\nT7.00\nTransaction 7\nLDEP\n^\n^^\n"
    found = read(text, tmp_path)
    assert [(row["line"], row["amount"]) for row in found.rows] == [(2, D(5)), (8, D(6)), (11, D(7))]
    assert json.loads(found.rows[2]["raw_data"])["?"] == "Transaction 7"


def test_splits(tmp_path: Path) -> None:
    split = ("LBooks", "SBooks", "EGift", "$-10.00", "SHousehold", "$-2.50", "AStreet", "ATown")
    found = read("!Type:Bank\n" + record("1/31/2024", "-12.50", *split) + record("1/31/2024", "-9", "SA", "$-1"), tmp_path)
    raw = json.loads(found.rows[0]["raw_data"])
    assert raw["splits"] == [{"S": "Books", "E": "Gift", "$": "-10.00"}, {"S": "Household", "$": "-2.50"}]
    assert raw["A"] == "Street\nTown"
    assert found.detected["notes"] == ["the splits of 1 records do not add up to the amount, which counts"]
    assert [row["category"] for row in found.rows] == ["Books", None]


@pytest.mark.parametrize(
    ("lines", "category", "method"),
    [
        (("L[Savings]",), None, "Transfer"), (("L--Split--",), None, None), (("LFood", "NATM"), "Food", "ATM"),
        (("N20260126",), None, None),
        (("N101", "L[Savings]"), None, "Check"),
    ],
)  # fmt: skip
def test_category_and_kind(lines: tuple[str, ...], category: str | None, method: str | None, tmp_path: Path) -> None:
    row = read("!Type:Bank\n" + record("1/31/2024", "1", *lines), tmp_path).row
    assert (row["category"], row["payment_method"]) == (category, method)


def test_accounts_lists_and_investments_in_one_file(tmp_path: Path) -> None:
    text = (
        "!Option:AutoSwitch\n!Account\nNOne\nTBank\n^\nNTwo\nTCCard\n^\n!Clear:AutoSwitch\n!Type:Cat\nNFood\nDEating\nE\n^\nNRent\n^\n"
        "!Type:Bank\n" + record("1/30/2024", "1")
        + "!Account\nNOne\nTBank\n^\n!Type:Bank\n" + record("1/31/2024", "-1")
        + "!Account\nNTwo\n^\n!Type:CCard\n" + record("1/31/2024", "-2")
        + "!Account\nNThree\n^\n!Type:Invst\n" + record("1/31/2024", "-3", "NBuy") + "!Type:Oth L\n" + record("1/31/2024", "-4")
        + "!Type:Kasse\n" + record("1/31/2024", "-5")
    )  # fmt: skip
    found = read(text, tmp_path)
    assert [(row["account"], row["amount"]) for row in found.rows] == [
        (None, D(1)), ("ONE", D(-1)), ("TWO", D(-2)), ("THREE", D(-4)), ("THREE", D(-5)),
    ]  # fmt: skip
    assert found.statement.account is None
    assert found.detected["accounts"] == ["ONE", "TWO", "THREE"]
    assert found.detected["notes"] == [
        "1 investment records are left out: only cash sections are read", "section !Type:Kasse is read like a bank account's",
        "lists are passed over: cat (2)",
    ]  # fmt: skip


def test_no_header_at_all(tmp_path: Path) -> None:
    found = read(record("1/31/2024", "1", "PShop"), tmp_path)
    assert (found.row["line"], found.row["description"]) == (1, "Shop")
    assert "no line such as !Type:Bank" in found.detected["notes"][0]


def test_a_file_without_transactions(tmp_path: Path) -> None:
    for text in ("!Type:Bank\n", "!Type:Bank\n^\n^\n", "!Account\nNOne\n^\n!Type:Cash\n"):
        found = read(text, tmp_path)
        assert (found.rows, found.errors, found.detected["notes"]) == ([], [], ["a QIF file without any transaction"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"), ("hello\nworld\n", "line 1: this is not a QIF file: no line such as !Type:Bank"),
        ("!Type:Cat\nNFood\n^\n", "line 1: a QIF file of lists only (Cat), without transactions"),
        ("\n!Type:Invst\n", "line 2: an investment account (!Type:Invst, 0 records) without a cash section"),
        ("\n\n", "the file is empty"), ("!Option:MDY\n^\n", "this is not a QIF file"), ("PK\x03\x04", "not a QIF file"),
    ],
)  # fmt: skip
def test_what_is_no_statement(text: str, reason: str, tmp_path: Path) -> None:
    assert reason in refused(text, tmp_path).message


def test_bad_records_are_named_and_the_others_read(tmp_path: Path) -> None:
    text = (
        "!Type:Bank\n"
        + record("1/31/2024", "1")
        + "T5\n^\n"
        + record("2/30/2024", "2")
        + record("1/30/2024", "x")
        + "D1/29/2024\nPno amount\n^\n"
    )
    found = read(text, tmp_path)
    assert [row["amount"] for row in found.rows] == [D(1)]
    assert [(error.line, error.field) for error in found.errors] == [(5, "date"), (7, "date"), (10, "amount"), (13, "amount")]
    assert "2/30/2024" in found.errors[1].reason


@pytest.mark.parametrize(
    ("tail", "rows"),
    [("D2/1/2024\nT25", 1), ("D2/1/2024\nT25\n", 2), ("T25\nD2/1/20", 1), ("D2/1/2024\nT25\nPSho", 2), ("D2/1/2024\nPSho", 1)],
)
def test_a_file_cut_off_inside_an_amount(tail: str, rows: int, tmp_path: Path) -> None:
    found = read("!Type:Bank\n" + record("1/31/2024", "1") + tail, tmp_path)
    assert len(found.rows) == rows
    assert [error.reason for error in found.errors] == ["the file ends inside this record"] * (2 - rows)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qif_records, "MAX_RECORD_LINES", 100)
    monkeypatch.setattr(qif_records, "MAX_IDLE_LINES", 50)
    monkeypatch.setattr(qif, "MAX_BAD_ROWS", 20)
    assert "does not end" in refused("!Type:Bank\n" + "Px\n" * 200, tmp_path).message
    assert "hold no record" in refused("!Type:Bank\n" + "^\n" * 200, tmp_path).message
    assert "more than 20 records by line 1 have no date or no amount" in refused("!Type:Bank\n" + "Px\n^\n" * 30, tmp_path).message


def test_large_records_end_a_batch_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qif, "BATCH_CHARS", 1)
    monkeypatch.setattr(qif, "BATCH_ROWS", 3)
    path = tmp_path / "x.qif"
    path.write_text("!Type:Bank\n" + record("1/31/2024", "1") * 8)
    batches = list(read_qif(path, ReadOptions(today=TODAY)).batches)
    assert sum(len(batch.rows) for batch in batches) == 8
    assert max(len(batch.rows) for batch in batches) <= 3


def test_records_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "!Type:Bank\n" + "".join(record("1/31/2024", str(at), f"PShop {at}", "Sa", f"${at}") for at in range(1, 60))
    whole = read(text, tmp_path).rows
    monkeypatch.setattr("services.ingestion.readers.encoding.BLOCK_BYTES", 37)
    assert read(text, tmp_path).rows == whole


def test_whether_a_file_ends_whole(tmp_path: Path) -> None:
    for content, whole in ((b"a\n", True), (b"a\r", True), (b"a", False), (b"a\n\x1a", True), ("a\n".encode("utf-16-le"), True)):
        path = tmp_path / "x"
        path.write_bytes(content)
        assert record_rows.ends_whole(TextFile(path, "utf-8", 0, False, len(content))) is whole


@dataclass(frozen=True)
class Entry:
    day: date
    amount: Decimal
    payee: str
    memo: str
    split: bool


LETTERS = st.characters(min_codepoint=33, max_codepoint=0xFFFD, exclude_categories=("Cs", "Cc", "Cn", "Zs", "Zl", "Zp", "Cf"))
ENTRIES = st.builds(
    Entry, st.dates(date(1970, 1, 1), date(2025, 12, 31)), st.decimals(min_value=-(10**14) + 1, max_value=10**14 - 1, places=2),
    st.text(LETTERS, max_size=30), st.text(LETTERS, max_size=30), st.booleans(),
)  # fmt: skip
STYLES = {
    "quicken": lambda day: f"{day.month}/{day.day:2}" + (f"'{day.year % 100:2}" if day.year >= 2000 else f"/{day.year % 100:02}"),
    "month first": lambda day: f"{day:%m/%d/%Y}",
    "day first": lambda day: f"{day:%d/%m/%Y}",
    "dots": lambda day: f"{day:%d.%m.%y}",
    "iso": lambda day: f"{day:%Y-%m-%d}",
    "c": lambda day: f"{day.month:02}/{day.day:02}/{day.year - 1900:03}",
}


@given(
    entries=st.lists(ENTRIES, max_size=8),
    style=st.sampled_from(sorted(STYLES)),
    comma=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_file_reads_back(entries: list[Entry], style: str, comma: bool, newline: str) -> None:
    day_first = style in ("day first", "dots")
    entries = [Entry(date(2024, 1, 31), D("0.50"), "first", "", False), *entries]  # settles the order of the date and the decimal mark
    lines = ["!Type:Bank"]
    for entry in entries:
        amount = f"{entry.amount:.2f}".replace(".", "," if comma else ".")
        lines += [f"D{STYLES[style](entry.day)}", f"T{amount}", f"P{entry.payee}", f"M{entry.memo}"]
        lines += ["Sa", f"${amount}"] * entry.split + ["^"]
    with tempfile.TemporaryDirectory() as folder:
        options = {"date_format": "dmy"} if day_first else {}
        found = reading.read_bytes(read_qif, newline.join([*lines, ""]).encode(), Path(folder), today=TODAY, **options)
    got = [(row["transaction_date"], row["amount"], row["merchant"] or "") for row in found.rows]
    assert got == [(entry.day, entry.amount, entry.payee) for entry in entries]
    assert found.errors == []
    for row, entry in zip(found.rows, entries, strict=True):
        assert entry.payee in row["description"]
        assert entry.memo in row["description"]


SEED = (
    "!Account\nNOne\n^\n!Type:Bank\n"
    + record("1/31/2024", "-1,234.50", "PCafé", "SFood", "$-1,234.50")
    + record("2/1'24", "5")
    + "!Type:Invst\nNBuy\n^\n"
).encode("cp1252")


@given(cuts=damage(len(SEED)))
@settings(max_examples=300, deadline=None)
def test_damaged_files_are_read_or_refused(cuts: Damage) -> None:
    survives(read_qif, SEED, cuts, today=TODAY)


def test_a_file_cut_anywhere_gives_only_true_rows() -> None:
    for end in range(len(SEED)):
        found = survives(read_qif, SEED[:end], today=TODAY)
        if isinstance(found, Read):
            assert [row["amount"] for row in found.rows] in ([], [D("-1234.50")], [D("-1234.50"), D(5)])
