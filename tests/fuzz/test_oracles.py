"""A fuzzer that finds nothing must have been able to find something: every promise is broken once, and seen."""

from __future__ import annotations

import time
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from services.ingestion.readers.statement import Batch, ReadOptions, RowError, Statement, UnreadableStatement
from services.kit.errors import invalid
from tests.fuzz.case import Case, case_of
from tests.fuzz.oracles import Finding, Limits, MiB, Oracle, Reader, Result
from tests.support.statements import batch_of, statement_of

LIMITS = Limits(cpu_s=1, slack_s=0.5, bytes_per_s=1e6, growth_bytes=50 * MiB)
CASE = Case(b"anything", {"file_format": "csv"})
HALF = "\ud800"


def check(reader: Reader, folder: Path, case: Case = CASE) -> Result:
    return Oracle({"csv": reader}, folder, LIMITS).check(case, default_format="csv", twice=True)


def giving(*batches: Batch, **detected: Any) -> Reader:
    """A reader that gives these whatever it reads."""

    def read(_: Path, __: ReadOptions) -> Statement:
        statement = statement_of(*batches)
        statement.detected |= detected
        return statement

    return read


def raising(error: BaseException) -> Reader:
    def read(_: Path, __: ReadOptions) -> Statement:
        raise error

    return read


def row(**fields: Any) -> Reader:
    return giving(batch_of([fields]))


def balance(**fields: str | None) -> Reader:
    told = {"opening": "1", "closing": "3", "rows_sum": "1", "difference": "1", **fields}
    return giving(batch_of([{}]), balances=[told])


def two(lines: tuple[int, int]) -> Reader:
    return giving(batch_of([{"line": line} for line in lines]))


def changing() -> Reader:
    numbers = count()

    def read(path: Path, options: ReadOptions) -> Statement:
        return row(description=str(next(numbers)))(path, options)

    return read


def spinning(_: Path, __: ReadOptions) -> Statement:
    while True:
        try:
            sum(range(1000))
        except BaseException:  # as a reader may that calls a library
            return statement_of()


def slow(_: Path, __: ReadOptions) -> Statement:
    end = time.process_time() + 0.7
    while time.process_time() < end:
        pass
    return statement_of()


def hungry(_: Path, __: ReadOptions) -> Statement:
    return statement_of(batch_of([{"description": f"{len(b'x' * 100 * MiB)}"}]))


@pytest.mark.parametrize(
    ("reader", "kind"),
    [
        (raising(KeyError("x")), "crash"), (raising(MemoryError()), "crash"), (raising(RecursionError()), "crash"),
        (raising(UnreadableStatement("")), "error"), (raising(UnreadableStatement("no", [RowError(-1, "file", "no")])), "error"),
        (raising(UnreadableStatement("no", [RowError(1, "file", "")])), "error"), (raising(UnreadableStatement(HALF)), "text"),
        (raising(UnreadableStatement("no", needs={"columns": [HALF]})), "text"),
        (two((2, 2)), "lines"), (two((3, 2)), "lines"), (two((0, 1)), "lines"),
        (giving(batch_of([{"line": 2}], [RowError(2, "date", "no")])), "lines"),
        (giving(batch_of([{"line": 2}], [RowError(3, "", "no")])), "error"),
        (row(amount=Decimal("99999999999999.99") * 10), "amount"), (row(amount=None), "amount"), (row(transaction_date=None), "date"),
        (row(transaction_date=date(1, 1, 1)), "date"), (row(currency="ABC"), "currency"), (row(status="done"), "status"),
        (row(description=None), "text"), (row(description="a\x00"), "text"), (row(source_id=""), "text"),
        (row(raw_data="[]"), "raw_data"), (row(raw_data="{"), "raw_data"), (row(raw_data='{"a":"\\u0000"}'), "raw_data"),
        (giving(Batch(pl.DataFrame({"amount": [1.5]}))), "schema"), (giving(batch_of([{}] * 9000)), "schema"),
        (giving(Batch(batch_of([{}]).rows.with_columns(pl.col("transaction_date").dt.offset_by("9000y")))), "crash"),
        (giving(batch_of([{}]), seen=float("nan")), "detected"), (giving(batch_of([{}]), seen={1, 2}), "detected"),
        (giving(batch_of([{}]), seen=HALF), "detected"), (giving(batch_of([{}]), seen="x" * 3 * MiB), "detected"),
        (balance(difference="2"), "balances"), (balance(opening=None), "balances"),
        (changing(), "unequal"), (spinning, "hang"), (slow, "slow"), (hungry, "memory"),
        (row(raw_data='{"a":"' + "x" * 200_000 + '"}', description="y" * 100_001), "none"),
    ],
)  # fmt: skip
def test_every_broken_promise_is_a_finding(reader: Reader, kind: str, tmp_path: Path) -> None:
    if kind == "none":  # what the service keeps out by itself is fine
        assert check(reader, tmp_path).rows == 1
        return
    with pytest.raises(Finding) as caught:
        check(reader, tmp_path)
    assert caught.value.kind == kind


def test_reading_and_refusing_are_both_fine(tmp_path: Path) -> None:
    found = check(giving(batch_of([{}, {"amount": Decimal(0)}], [RowError(9, "date", "no")])), tmp_path)
    assert (found.file_format, found.rows, found.errors, found.refused) == ("csv", 2, 1, "")
    assert check(raising(UnreadableStatement("no")), tmp_path).refused == "no"
    assert "must" in check(raising(invalid("columns", "must be")), tmp_path).refused
    assert "PDF" in check(row(), tmp_path, Case(b"%PDF-1.7")).refused
    assert "not of the csv reader" in check(row(), tmp_path, Case(b"PK\x03\x04")).refused


def test_time_is_the_processors(tmp_path: Path) -> None:
    def waiting(_: Path, __: ReadOptions) -> Statement:
        time.sleep(1.2)
        return statement_of()

    assert check(waiting, tmp_path).cpu_s < 0.5


@pytest.mark.parametrize(
    "case",
    [
        Case(b""),
        Case(b"#fuzz {}\nDate"),
        Case(b"Date,Amount\n", {"columns": {"amount": "2"}, "date_format": "dmy", "currency": "EUR", "file_format": "csv"}),
        Case(b"\xff\x00", {"password": "Schlüssel"}),
    ],
)
def test_a_case_is_one_file(case: Case) -> None:
    assert case_of(case.data()) == case


def test_options_that_were_damaged() -> None:
    assert case_of(b"#fuzz {x\nDate") == Case(b"Date")
    assert case_of(b"#fuzz [1]\nDate") == Case(b"Date")
    said = case_of(b'#fuzz {"columns": {"amount": 3, "a\\u0000": "1"}, "currency": 5, "date_format": " \\u0000", "more": "x"}\nDate')
    assert said == Case(b"Date", {"columns": {"amount": "3"}})
