"""The OFX reader on random statements, which must read back equal, and on damaged ones."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from html import escape
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingestion.readers import ofx, ofx_markup, ofx_statements
from services.ingestion.readers.ofx import read_ofx
from tests.ingestion.ofx_files import HEADER_1, HEADER_2, bank, card, document, investment, transaction
from tests.ingestion.reading import Read, read_bytes, refused
from tests.ingestion.statement_checks import Damage, damage, survives

SLOW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True)
class Booking:
    kind: str
    day: date
    amount: Decimal
    text: str


DAYS = st.dates(date(1990, 1, 1), date(2100, 12, 31))
AMOUNTS = st.decimals(min_value=-(10**14) + 1, max_value=10**14 - 1, places=2) | st.decimals(min_value=-1000, max_value=1000, places=4)
LETTERS = st.characters(min_codepoint=33, max_codepoint=0xFFFD, exclude_categories=("Cs", "Cc", "Cn", "Zs", "Zl", "Zp", "Cf"))
WORDS = st.text(LETTERS, max_size=60).filter(lambda text: not re.search(r"&[#\w]+;", text))  # what is escaped twice is unescaped twice
BOOKINGS = st.builds(Booking, st.sampled_from(["DEBIT", "CREDIT", "POS", "INT"]), DAYS, AMOUNTS, WORDS)
ESCAPES: tuple[Callable[[str], str], ...] = (
    escape,
    lambda text: escape(escape(text)),
    lambda text: f"<![CDATA[{text.replace(']]>', '')}]]>",
)


@given(
    statements=st.lists(st.lists(BOOKINGS, max_size=6), min_size=1, max_size=3),
    header=st.sampled_from([HEADER_1, HEADER_2, ""]),
    closed=st.booleans(),
    comma=st.booleans(),
    newline=st.sampled_from(["\n", "\r\n", "\n\n   "]),
    written=st.integers(0, 1),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
)
@SLOW
def test_any_statement_reads_back(
    statements: list[list[Booking]], header: str, closed: bool, comma: bool, newline: str, written: int, encoding: str
) -> None:
    rows: list[str] = []
    parts: list[str] = []
    for number, bookings in enumerate(statements):
        rows = []
        for at, booking in enumerate(bookings):
            amount = str(booking.amount).replace(".", ",") if comma else str(booking.amount)
            day = booking.day.strftime("%Y%m%d") + "235959.999[-11:X]"
            rows.append(transaction(booking.kind, day, amount, f"X{number}-{at}", MEMO=ESCAPES[written](booking.text), closed=closed))
        parts.append(card(*rows, currency="CAD") if number % 2 else bank(*rows, closed=closed))
    content = document(header, *parts).replace("\n", newline).encode(encoding)
    with tempfile.TemporaryDirectory() as folder:
        found = read_bytes(read_ofx, content, Path(folder))
    expected = [
        (booking.day, booking.amount, "CAD" if number % 2 else "USD", booking.text or booking.kind, f"X{number}-{at}")
        for number, bookings in enumerate(statements)
        for at, booking in enumerate(bookings)
    ]
    got = [(row["transaction_date"], row["amount"], row["currency"], row["description"], row["source_id"]) for row in found.rows]
    assert got == expected
    assert found.errors == []
    for balance in found.detected["balances"]:
        card_rows = balance["currency"] == "CAD"
        total = sum((b.amount for n, part in enumerate(statements) for b in part if bool(n % 2) == card_rows), Decimal())
        assert Decimal(balance["rows_sum"]) == total


@given(text=st.text(st.sampled_from("<>/!-[]CDATA&;STMTRNP \n"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_markup_in_a_memo_harms_no_other_row(text: str) -> None:
    if any(mark in text.upper() for mark in ("STMTTRN", "<!--", "<![CDATA[", "<!ENTITY")):
        return
    rows = [
        transaction("OTHER", "20240101", "1", "A"),
        transaction("OTHER", "20240102", "2", "B", MEMO=f"{text} "),
        transaction("OTHER", "20240103", "3", "C"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        found = read_bytes(read_ofx, document(HEADER_1, bank(*rows)).encode(), Path(folder))
    assert [(row["amount"], row["source_id"]) for row in found.rows] == [(Decimal(1), "A"), (Decimal(2), "B"), (Decimal(3), "C")]


CASH = f"<INVBANKTRAN>{transaction('CREDIT', '20240101', '5', 'C9')}<SUBACCTFUND>CASH</INVBANKTRAN><BUYSTOCK></BUYSTOCK>"
SEED = document(
    HEADER_1,
    bank(
        transaction("DEBIT", "20240131120000[-5:EST]", "-12.50", "F1", NAME="CAFÉ &amp; <!-- x -->BAR", MEMO="<![CDATA[a]]>"), balance="7,5"
    ),
    card(transaction("DEBIT", "20240201", "-3", "F2", extra="<CURRENCY><CURRATE>1.5<CURSYM>EUR</CURRENCY>")),
    investment(CASH),
).encode()


@given(cuts=damage(len(SEED)))
@settings(max_examples=300, deadline=None)
def test_damaged_files_are_read_or_refused(cuts: Damage) -> None:
    survives(read_ofx, SEED, cuts)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_a_file_cut_anywhere_gives_only_true_rows(encoding: str) -> None:
    whole = SEED.decode().encode(encoding)
    true = {"F1": Decimal("-12.50"), "F2": Decimal(-3), "C9": Decimal(5)}
    for end in range(0, len(whole), 7):
        found = survives(read_ofx, whole[:end])
        if isinstance(found, Read):
            assert all(true[row["source_id"]] == row["amount"] for row in found.rows)


def test_text_survives_any_cut_between_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        transaction("OTHER", "20240101", f"{at}.25", f"ID{at}", NAME=f"<![CDATA[n < {at}]]>", MEMO="<!-- c -->é") for at in range(1, 30)
    ]
    text = document(HEADER_2, bank(*rows, balance="5")).encode()
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(ofx_markup, "BLOCK_BYTES", size)
        found = read_bytes(read_ofx, text, tmp_path)
        assert [row["description"] for row in found.rows] == [f"n < {at} é" for at in range(1, 30)]
        assert found.detected["balances"][0]["closing"] == "5.00"


def test_batches_end_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = document(HEADER_1, bank(*[transaction("OTHER", "20240101", f"{at}", f"ID{at}") for at in range(9)], balance="5"))
    whole = read_bytes(read_ofx, text.encode(), tmp_path)
    for name, most in (("BATCH_ROWS", 2), ("BATCH_CHARS", 10)):
        monkeypatch.setattr(ofx, name, most)
        found = read_bytes(read_ofx, text.encode(), tmp_path)
        assert (found.rows, found.detected) == (whole.rows, whole.detected)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ofx, "MAX_RECORD_CHARS", 1000)
    monkeypatch.setattr(ofx_markup, "MAX_OPEN_CHARS", 1000)
    monkeypatch.setattr(ofx_statements, "MAX_STATEMENTS", 3)
    monkeypatch.setattr(ofx_statements, "MAX_LOOSE_TAGS", 50)
    monkeypatch.setattr(ofx, "MAX_GAP_CHARS", 50_000)
    monkeypatch.setattr(ofx_markup, "BLOCK_BYTES", 1000)
    cases = [
        ("<OFX><STMTTRN>" + "<A>" * 1000, "does not end within 1000 characters"),
        ("<OFX>\n<!-- " + "x" * 3000, "the markup that starts on line 2 does not end within 1000 characters"),
        ("<OFX>\n" + "<STMTRS>\n" * 4, "more than 3 statements by line 5"),
        ("<OFX>" + "<A>" * 51, "more than 50 tags"),
        ("<A>\n" * 20_000, "hold no amount"),
    ]
    for text, reason in cases:
        assert reason in refused(read_ofx, text.encode(), tmp_path).message
