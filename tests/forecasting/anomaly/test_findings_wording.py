"""Findings name amounts as people who pay in the currency do."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal

import pytest

from services.forecasting.anomaly.domain import AnomalyKind
from services.forecasting.anomaly.findings.wording import figure, of_log
from tests.forecasting.anomaly.ledgers import LAST, Paid, every, find


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [
        ("-47.3000", "EUR", "47.30"),
        ("12.3450", "EUR", "12.345"),
        ("-359850.0000", "JPY", "359850"),
        ("-0.5000", "JPY", "0.5"),
        ("-163.0400", "KWD", "163.040"),
        ("922337203685477.5807", "EUR", "922337203685477.5807"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(amount: str, currency: str, said: str) -> None:
    assert figure(Decimal(amount), currency) == said


@pytest.mark.parametrize(("size", "currency", "said"), [(12.99, "EUR", "12.99"), (4501.96, "JPY", "4502"), (10.0036, "KWD", "10.004")])
def test_what_is_usual_is_said_in_coins_that_there_are(size: float, currency: str, said: str) -> None:
    assert of_log(math.log(size), currency) == said


def test_yen_have_no_hundredths() -> None:
    monthly = every(30, date(2025, 1, 2), 14, ["-2098"], "Cinema club", currency="JPY")
    dearer = Paid(date(2026, 2, 26), "-2698", "Cinema club", "JPY")
    [found] = find([*monthly, dearer], AnomalyKind.PRICE_RISE, today=LAST)
    assert found.reason == "Cinema club rose from 2098 to 2698 JPY (+29 %)"
    assert found.evidence["amount_before"] == "2098"
