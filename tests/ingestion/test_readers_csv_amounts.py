"""Amounts: number formats told by the column, and everything that may stand around a number."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingestion.readers.amounts import (
    AmountFormat,
    decide_marks,
    looks_like_amount,
    parse_amount,
    parse_column,
    shapes_of,
    split_cell,
)

POINT, COMMA = AmountFormat(".", ",", ""), AmountFormat(",", ".", "")


def marks(*cells: str, elsewhere: tuple[str, ...] = (), currency: str | None = None) -> AmountFormat:
    return decide_marks(shapes_of(pl.Series(cells, dtype=pl.String)), shapes_of(pl.Series(elsewhere, dtype=pl.String)), currency)


@pytest.mark.parametrize(
    ("cells", "decimal", "thousands"),
    [
        (["1.50", "2"], ".", ""), (["1,50", "2"], ",", ""), (["1,280.80", "4,884"], ".", ","), (["1.280,80"], ",", "."),
        (["29.5", "512.0"], ".", ""), (["0.041"], ".", ""), (["1234.567"], ".", ""), (["1,234"], ".", ","), (["1.234", "350"], ",", "."),
        (["1,234,567"], ".", ","), (["1.234.567"], ",", "."), (["1'234.50"], ".", "'"), (["1 234,50"], ",",
     " "), (["1\u00a0234"], ".", "\u00a0"),
        (["1,23,456.50"], ".", ","), (["-5"], ".", ""), ([], ".", ""), (["1.50", "1.50", "1,50"], ".", ""),
    ],
)  # fmt: skip
def test_the_column_tells_the_decimal_mark(cells: list[str], decimal: str, thousands: str) -> None:
    found = marks(*cells)
    assert (found.decimal, found.thousands) == (decimal, thousands)


def test_other_numbers_and_the_currency_help() -> None:
    assert marks("1.234", elsewhere=("5,50",)).decimal == ","
    assert marks("4,750", elsewhere=("5.50",)).decimal == "."
    assert marks("4.750", "93.210", currency="JOD").decimal == "."
    assert "assumed" in marks("4.750").evidence


@pytest.mark.parametrize(
    ("cell", "value", "sign", "currency"),
    [
        ("-10.00", "10", -1, None), ("+10", "10", 1, None), ("10.00-", "10", -1, None), ("(10.00)", "10", -1, None),
        ("($19.47)", "19.47", -1, "USD"),
        ("-£5", "5", -1, "GBP"), ("£-5", "5", -1, "GBP"), ("+ £1,100.00", "1100", 1, "GBP"), ("12.50 EUR", "12.5", 0, "EUR"),
        ("EUR -12.50", "12.5", -1, "EUR"),
        ("12.50EUR", "12.5", 0, "EUR"), ("$10.00 USD", "10", 0, "USD"), ("US$ 3", "3", 0, "USD"), ("Rs.500", "500", 0, "INR"),
        ("Rs. 1,23,456.78", "123456.78", 0, "INR"),
        ("10.00 CR", "10", 1, None), ("10.00DR", "10", -1, None), ("10.00 S", "10", -1, None), ("10.00 H", "10", 1, None),
        ("-5.00 CR", "5", 1, None),
        ("€5CR", "5", 1, "EUR"), ("5.00 EURDR", "5", -1, "EUR"), (".50", "0.5", 0, None), ("$.50", "0.5", 0, "USD"),
        ("5.--", "5", 0, None), ("CHF 1’234.55", "1234.55", 0, "CHF"),
        ("د.ا.\u200f4.750", "4.75", 0, "JOD"), ("\u200e-3.00", "3", -1, None), ("\N{MINUS SIGN}7.25", "7.25", -1, None),
        ("1.50000000", "1.5", 0, None), ("'5.00'", "5", 0, None),
    ],
)  # fmt: skip
def test_what_may_stand_around_a_number(cell: str, value: str, sign: int, currency: str | None) -> None:
    number, affix, reason = parse_amount(cell, POINT)
    assert (number, affix.sign, affix.currency or None, reason) == (Decimal(value), sign, currency, "")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("1e5", "is not an amount"), ("NaN", "is not an amount"), ("inf", "is not an amount"), ("12%", "is not an amount"),
        ("--5", "is not an amount"),
        ("7h21", "is not an amount"), ("66-6666", "is not an amount"), ("-(5)", "is not an amount"), ("abc 5", "is not an amount"),
        ("A.5", "is not an amount"),
        ("1,50", "does not fit"), ("1.2.3", "does not fit"), ("12 34", "does not fit"), ("1.23456", "more than 4 decimals"),
        ("0.00000001", "more than 4 decimals"), ("0.000000000000001", "more than 4 decimals"), ("12.34000000002", "more than 4 decimals"),
        ("12.340010000000002", "more than 4 decimals"),
        ("922337203685477", "beyond"), ("9" * 30, "beyond"), ("9" * 200, "is not an amount"),
    ],
)  # fmt: skip
def test_what_is_no_amount_says_why(cell: str, reason: str) -> None:
    value, _, why = parse_amount(cell, POINT)
    assert value is None
    assert reason in why


def test_the_largest_amount() -> None:
    assert parse_amount("922337203685476.9999", POINT)[0] == Decimal("922337203685476.9999")


@pytest.mark.parametrize("form", [POINT, COMMA])
@given(st.integers(1, 10**9), st.integers(0, 10**9))
def test_a_binary_float_printed_in_full_is_the_amount_it_was(form: AmountFormat, one: int, other: int) -> None:
    cell = str(one / 100 + other / 100).replace(".", form.decimal)
    value, _, reason = parse_amount(cell, form)
    assert (value, reason) == (Decimal(one + other) / 100, "")


def test_a_column_reads_as_its_cells_do() -> None:
    cells = ["-1.234,56", "5,00", "", "5,00 €", "x", "7,12345", "1.2", "Rs.500", "99999999999999999", "1.234.567,8-", "(3,00)", ",5"]
    column = parse_column(pl.Series(cells), COMMA)
    for at, cell in enumerate(cells):
        value, affix, reason = parse_amount(cell, COMMA) if cell else (None, None, "")
        assert column.value[at] == value, cell
        assert (column.reason[at] or "") == reason
        if affix and value is not None:
            assert (column.sign[at], column.currency[at]) == (affix.sign, affix.currency or None)


@settings(deadline=None)
@given(
    st.lists(st.text(st.sampled_from("0123456789.,' -+()€$RsCRD"), max_size=12).map(str.strip), min_size=1, max_size=8),
    st.sampled_from([POINT, COMMA]),
)
def test_columnar_and_single_reading_agree(cells: list[str], form: AmountFormat) -> None:
    column = parse_column(pl.Series(cells, dtype=pl.String), form)
    for at, cell in enumerate(cells):
        value, affix, reason = parse_amount(cell, form) if cell else (None, None, "")
        assert column.value[at] == value, cell
        assert (column.reason[at] or "") == reason
        if value is not None and affix is not None:
            assert (column.sign[at], column.currency[at] or None) == (affix.sign, affix.currency or None), cell


@pytest.mark.parametrize("cell", ["18.02.2018", "66-6666", "", "x", "40%", "1.2.3.4"])
def test_what_does_not_look_like_an_amount(cell: str) -> None:
    assert not looks_like_amount(cell)


def test_a_sign_of_several_currencies_gives_none() -> None:
    parts = split_cell("kr 5,00")
    assert parts is not None
    assert parts[0].currency == ""
