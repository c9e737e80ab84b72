"""Amounts far above the usual, at merchants that are known and at new ones."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from services.forecasting.anomaly.domain import AnomalyKind, Severity
from tests.forecasting.anomaly.ledgers import FIRST, LAST, Paid, find, household, row_id

HOUSEHOLD = household()
KNOWN = {one.key for one in find(HOUSEHOLD)}


def new(*rows: Paid, kind: AnomalyKind) -> list:
    """What these rows bring in the household's ledger that was not there without them."""
    return [one for one in find([*HOUSEHOLD, *rows], kind) if one.key not in KNOWN]


def test_an_amount_many_times_the_merchants_usual_is_told_with_what_is_usual() -> None:
    [found] = new(Paid(date(2026, 3, 3), "-312.40", "Grocer", category="groceries"), kind=AnomalyKind.UNUSUAL_AMOUNT)
    assert found.reason.startswith("Grocer took 312.40 EUR, 1")
    assert found.reason.endswith(f"times its usual {found.evidence['usual_amount']}")
    assert 20 < float(found.evidence["usual_amount"]) < 35
    assert float(found.evidence["times_usual"]) == pytest.approx(312.40 / float(found.evidence["usual_amount"]), abs=0.01)
    assert float(found.evidence["largest_before"]) < 100
    assert found.evidence["payments_before"] > 100
    assert found.transaction_ids == (row_id(len(HOUSEHOLD)),)
    assert found.severity is Severity.HIGH


def test_a_little_more_than_usual_is_life() -> None:
    assert new(Paid(date(2026, 3, 3), "-48.00", "Grocer", category="groceries"), kind=AnomalyKind.UNUSUAL_AMOUNT) == []


def test_a_quarterly_bill_beside_small_monthly_ones_is_usual_after_a_while() -> None:
    fees = [Paid(FIRST + timedelta(days=30 * turn), "-4.90", "Energy company") for turn in range(16)]
    bills = [Paid(FIRST + timedelta(days=91 * turn + 5), "-98.00", "Energy company") for turn in range(5)]
    found = new(*fees, *bills, kind=AnomalyKind.UNUSUAL_AMOUNT)
    assert [one for one in found if one.occurred_on > FIRST + timedelta(days=190)] == []


def test_gifts_of_a_second_december_are_as_those_of_the_first() -> None:
    first = [Paid(date(2025, 12, day), f"-{amount}", shop, category="shopping") for day, amount, shop in GIFTS]
    assert len(new(*first, kind=AnomalyKind.UNUSUAL_AMOUNT)) <= 2


GIFTS = [
    (6, "38.00", "Bookshop"),
    (8, "45.50", "Toy shop"),
    (12, "29.90", "Shoe shop"),
    (13, "52.00", "Toy shop"),
    (20, "41.20", "Florist"),
]


def test_money_that_comes_in_is_never_unusual() -> None:
    assert new(Paid(date(2026, 3, 3), "9000.00", "Acme Payroll"), kind=AnomalyKind.UNUSUAL_AMOUNT) == []


def test_a_currency_of_which_little_is_known_has_no_usual_amounts() -> None:
    abroad = [Paid(date(2026, 3, 3) + timedelta(days=day), f"-{20 + day}000", f"Tokyo shop {day}", currency="JPY") for day in range(14)]
    assert [one for one in find([*HOUSEHOLD, *abroad]) if one.currency == "JPY"] == []


def test_a_large_first_payment_to_somebody_is_told_as_such() -> None:
    [found] = new(Paid(date(2026, 3, 3), "-2450.00", "Global Transfer Ltd"), kind=AnomalyKind.NEW_MERCHANT)
    assert found.reason.startswith("The first payment to Global Transfer Ltd, and a large one: 2450.00 EUR,")
    assert float(found.evidence["nine_in_ten_below"]) < 1000
    assert found.merchant == "Global Transfer Ltd"
    assert found.severity is Severity.HIGH


def test_a_first_payment_of_an_ordinary_amount_is_no_news() -> None:
    assert new(Paid(date(2026, 3, 3), "-35.00", "Tea house"), kind=AnomalyKind.NEW_MERCHANT) == []


def test_a_shop_without_a_merchants_name_is_known_by_its_description() -> None:
    rows = [
        Paid(FIRST + timedelta(days=10 * turn), f"-{20 + turn % 7}.00", description=f"POS 4711 CORNER SHOP {turn:05d}")
        for turn in range(40)
    ]
    odd = Paid(date(2026, 3, 3), "-400.00", description="POS 4711 CORNER SHOP 99999")
    assert new(*rows, odd, kind=AnomalyKind.NEW_MERCHANT) == []
    [found] = [one for one in new(*rows, odd, kind=AnomalyKind.UNUSUAL_AMOUNT) if one.amount == -400]
    assert found.evidence["payments_before"] > 30


def test_amounts_are_told_to_the_cent() -> None:
    [found] = new(Paid(date(2026, 3, 3), "-2450.0050", "Global Transfer Ltd"), kind=AnomalyKind.NEW_MERCHANT)
    assert "2450.005 EUR" in found.reason


def test_the_day_of_a_finding_is_the_payments() -> None:
    [found] = new(Paid(LAST, "-2450.00", "Global Transfer Ltd"), kind=AnomalyKind.NEW_MERCHANT)
    assert found.occurred_on == LAST
