"""Exact money between text, Decimal and the wire."""

from __future__ import annotations

from decimal import Decimal

import pytest
from google.type import money_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import FailedPrecondition, InvalidArgument
from services.kit.money import MAX_AMOUNT, decimals, format_amount, format_money, from_money, is_currency, parse_amount, to_money

amounts = st.decimals(min_value=-MAX_AMOUNT, max_value=MAX_AMOUNT, places=4)


@given(amounts)
def test_wire_round_trip(amount: Decimal) -> None:
    money = to_money(amount, "EUR")
    assert from_money(money) == (amount, "EUR")
    assert money.units * money.nanos >= 0


@given(amounts, st.sampled_from(["EUR", "JPY", "BHD", "CLF"]))
def test_text_round_trip(amount: Decimal, currency: str) -> None:
    text = format_amount(amount, currency)
    assert parse_amount(text) == amount
    assert "E" not in text
    fraction = text.partition(".")[2]
    assert len(fraction) >= decimals(currency)
    assert len(fraction) == decimals(currency) or not fraction.endswith("0")


@pytest.mark.parametrize(
    ("units", "nanos", "currency", "text"),
    [
        (-12, -340_000_000, "EUR", "-12.34"),
        (0, -10_000_000, "EUR", "-0.01"),
        (0, 0, "EUR", "0.00"),
        (5, 0, "EUR", "5.00"),
        (1500, 0, "JPY", "1500"),
        (1500, 500_000_000, "JPY", "1500.5"),
        (1, 234_000_000, "BHD", "1.234"),
        (1, 230_000_000, "BHD", "1.230"),
        (1, 234_500_000, "EUR", "1.2345"),
        (1, 5_000_000, "EUR", "1.005"),
        (99_999_999_999, 990_000_000, "USD", "99999999999.99"),
    ],
)
def test_format(units: int, nanos: int, currency: str, text: str) -> None:
    assert format_money(units, nanos, currency) == text


@pytest.mark.parametrize(
    ("units", "nanos", "currency"),
    [
        (1, -500_000_000, "EUR"),
        (-1, 500_000_000, "EUR"),
        (0, 1_000_000_000, "EUR"),
        (0, 1, "EUR"),
        (0, 10_000, "EUR"),
        (10**18, 0, "EUR"),
        (1, 0, ""),
        (1, 0, "eur"),
        (1, 0, "XYZ"),
    ],
)
def test_wire_refuses(units: int, nanos: int, currency: str) -> None:
    with pytest.raises(InvalidArgument):
        from_money(money_pb2.Money(units=units, nanos=nanos, currency_code=currency))


@pytest.mark.parametrize(
    "text", ["", "abc", "1,5", "1e3", "1E3", "1_000", "NaN", "Infinity", "-Infinity", "0.00001", "1.23456", "9" * 20, "--1"]
)
def test_parse_refuses(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_amount(text, "amount_min")
    assert caught.value.fields[0].field == "amount_min"


@pytest.mark.parametrize(("text", "amount"), [("-12.34", "-12.34"), (" 5 ", "5"), ("+1.5", "1.5"), ("-0.00", "0"), (".5", "0.5")])
def test_parse(text: str, amount: str) -> None:
    assert parse_amount(text) == Decimal(amount)


def test_currencies() -> None:
    assert all(map(is_currency, ("EUR", "JPY", "DEM", "XCG")))
    assert not any(map(is_currency, ("eur", "", "EURO", "XXX", "BTC")))
    assert [decimals(code) for code in ("EUR", "JPY", "KWD", "CLF", "???")] == [2, 0, 3, 4, 2]


def test_totals_beyond_the_wire_are_refused_in_words() -> None:
    assert to_money(Decimal("-9223372036854775807.9999"), "EUR").units == -(2**63 - 1)
    for total in (Decimal(2**63), -Decimal(2**63)):
        with pytest.raises(FailedPrecondition, match="more than an answer can hold"):
            to_money(total, "EUR")
