"""Properties of the CSV reader: any dialect reads back exactly; no bytes whatever bring it down."""

from __future__ import annotations

import csv
import io
import string
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.statement import BATCH_SCHEMA, ReadOptions, UnreadableStatement
from tests.ingestion.bank_layouts import LAYOUTS

TODAY = date(2025, 6, 1)
SLOW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_bytes(content: bytes, **options: object) -> tuple[list[dict[str, object]], list[object], dict[str, object]]:
    """Write, read, and return rows, errors and what was detected."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "statement.csv"
        path.write_bytes(content)
        statement = read_csv(path, ReadOptions(**{"today": TODAY, **options}))  # type: ignore[arg-type]
        batches = list(statement.batches)
    for batch in batches:
        assert dict(batch.rows.schema) == BATCH_SCHEMA
        assert len(batch.rows) <= 8192
    rows = [row for batch in batches for row in batch.rows.iter_rows(named=True)]
    return rows, [error for batch in batches for error in batch.errors], statement.detected


@dataclass(frozen=True)
class Row:
    day: date
    amount: Decimal
    text: str


DATE_FORMATS = ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%d-%m-%Y", "%d %b %Y", "%d.%m.%y", "%Y-%m-%dT%H:%M:%SZ"]
Render = Callable[[str, bool], list[str]]
SIGNS: dict[str, tuple[list[str], Render]] = {
    "signed": (["Amount"], lambda n, out: [f"-{n}" if out else n]),
    "plus and minus": (["Amount"], lambda n, out: [f"-{n}" if out else f"+{n}"]),
    "trailing minus": (["Amount"], lambda n, out: [f"{n}-" if out else n]),
    "parentheses": (["Amount"], lambda n, out: [f"({n})" if out else n]),
    "letters in the cell": (["Amount"], lambda n, out: [f"{n} DR" if out else f"{n} CR"]),
    "symbol": (["Amount"], lambda n, out: [f"-£{n}" if out else f"£{n}"]),
    "code": (["Amount"], lambda n, out: [f"-{n} EUR" if out else f"{n} EUR"]),
    "two columns": (["Debit", "Credit"], lambda n, out: [n, ""] if out else ["", n]),
    "two columns with zeros": (["Money in", "Money out"], lambda n, out: ["0", n] if out else [n, "0"]),
    "two columns, minus": (["Debit", "Credit"], lambda n, out: [f"-{n}", ""] if out else ["", n]),
    "flag": (["Amount", "D/C"], lambda n, out: [n, "D" if out else "C"]),
    "in out": (["Amount", "In/Out"], lambda n, out: [n, "Out" if out else "In"]),
    "words": (["Amount", "Type"], lambda n, out: [n, "expense" if out else "income"]),
}
days = st.integers(0, 2000).map(lambda n: date(2019, 11, 1) + timedelta(n))
amounts = st.integers(-99_999_999, 99_999_999).map(lambda n: Decimal(n) / 100)
words = st.text(string.ascii_letters + string.digits + " ,;|'\"-./äöüéß€ñ\n", min_size=1, max_size=30)
texts = words.map(lambda text: f"Shop {text}")
tables = st.lists(st.builds(Row, days, amounts, texts), min_size=1, max_size=12)


def number(value: Decimal, decimal: str, thousands: str) -> str:
    plain = f"{abs(value):,.2f}"
    return plain.replace(",", "\0").replace(".", decimal).replace("\0", thousands)


@SLOW
@given(
    rows=tables,
    delimiter=st.sampled_from(",;\t|"),
    marks=st.sampled_from([(".", ""), (".", ","), (",", ""), (",", "."), (",", " "), (".", "'"), (",", "\u00a0")]),
    date_format=st.sampled_from(DATE_FORMATS),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"]),
    convention=st.sampled_from(sorted(SIGNS)),
    line_end=st.sampled_from(["\n", "\r\n", "\r\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_any_dialect_reads_back(
    rows: list[Row], delimiter: str, marks: tuple[str, str], date_format: str, encoding: str, convention: str, line_end: str, quoting: int
) -> None:
    names, render = SIGNS[convention]
    rows.sort(key=lambda row: row.day)  # as banks list them: their order may tell the day from the month
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["Date", "Description", *names])
    for row in rows:
        writer.writerow([row.day.strftime(date_format), row.text, *render(number(row.amount, *marks), row.amount < 0)])
    content = text.getvalue().encode(encoding)
    try:
        found, errors, detected = read_bytes(content)
    except UnreadableStatement as question:
        assert "date_format" in question.needs, question.message
        found, errors, detected = read_bytes(content, date_format=date_format)
    assert not errors
    expected = [(row.day, row.amount) for row in rows]
    got = [(row["transaction_date"], row["amount"]) for row in found]
    nonzero = [amount for amount in (row.amount for row in rows) if amount]
    if convention == "plus and minus" and nonzero and all(amount > 0 for amount in nonzero):
        expected = [(day, abs(amount)) for day, amount in expected]
    assert got == expected, detected
    if encoding != "cp1252":  # two letters of cp1252 may happen to be one of UTF-8
        assert [row["description"] for row in found] == [" ".join(row.text.split()) for row in rows]


@SLOW
@given(content=st.binary(max_size=400))
def test_random_bytes_only_ever_refuse(content: bytes) -> None:
    try:
        read_bytes(content)
    except UnreadableStatement as refused:
        assert refused.errors


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(layout=st.sampled_from(LAYOUTS), data=st.data())
def test_mutated_statements_only_ever_refuse(layout: object, data: st.DataObject) -> None:
    content = bytearray(layout.text.encode(layout.encoding))  # type: ignore[attr-defined]
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.sampled_from([b"", b'"', b"\n", b"\r", b"\0", b",", b";", b"-", b"\xff", b"9" * 30, b"1e5", b"NaN", b"\t"]))
        content[at : at + data.draw(st.integers(0, 3))] = piece
    try:
        rows, _, _ = read_bytes(bytes(content))
    except UnreadableStatement as refused:
        assert refused.errors
        return
    assert all(row["transaction_date"] is not None and row["amount"] is not None for row in rows)


@SLOW
@given(text=st.text(st.sampled_from('0123456789.,-+()"\n;,\t /:aEUR€'), max_size=300))
def test_statement_like_text_only_ever_refuses(text: str) -> None:
    try:
        read_bytes(text.encode())
    except UnreadableStatement as refused:
        assert refused.errors


@pytest.mark.parametrize("today", [date(2025, 6, 1)])
@SLOW
@given(rows=st.lists(st.builds(Row, days, amounts, texts), min_size=1, max_size=8))
def test_a_date_order_is_never_guessed_wrong(today: date, rows: list[Row]) -> None:
    """Written day first or month first, a column is read as written or a question comes back."""
    for date_format in ("%d/%m/%Y", "%m/%d/%Y"):
        rows.sort(key=lambda row: row.day)  # as banks list them
        lines = [f"{row.day.strftime(date_format)},x,{row.amount}" for row in rows]
        content = "\n".join(["Date,Description,Amount", *lines]).encode()
        try:
            found, _, _ = read_bytes(content, today=today)
        except UnreadableStatement as question:
            assert question.needs == {"date_format": ["%d/%m/%Y", "%m/%d/%Y"]}
            continue
        assert [row["transaction_date"] for row in found] == [row.day for row in rows]
