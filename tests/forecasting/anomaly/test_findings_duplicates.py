"""The same charge twice."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

from services.forecasting.anomaly.domain import AnomalyKind
from tests.forecasting.anomaly.ledgers import FIRST, LAST, Paid, find, household, row_id

KIND = AnomalyKind.DUPLICATE_CHARGE
HOUSEHOLD = household()
NONE_NEW = {one.key for one in find(HOUSEHOLD, KIND)}


def new(*rows: Paid, today: date = LAST) -> list:
    """What these rows bring in the household's ledger that was not there without them."""
    return [one for one in find([*HOUSEHOLD, *rows], KIND, today=today) if one.key not in NONE_NEW]


def test_a_charge_that_came_twice_is_told_with_both_payments() -> None:
    [found] = new(Paid(date(2026, 3, 3), "-129.90", "Shoe shop"), Paid(date(2026, 3, 5), "-129.90", "SHOE SHOP 4711"))
    assert found.reason == "SHOE SHOP 4711 took 129.90 EUR twice within 2 days"
    first, second = row_id(len(HOUSEHOLD)), row_id(len(HOUSEHOLD) + 1)
    assert found.transaction_ids == (second, first)
    assert found.evidence["earlier_date"] == "2026-03-03"
    assert found.evidence["days_between"] == 2
    assert found.evidence["other_transaction_ids"] == [str(first)]
    assert 0.5 < found.score < 1


def test_on_one_day_it_says_so() -> None:
    [found] = new(*[Paid(date(2026, 3, 3), "-54.30", "Pharmacy")] * 2)
    assert found.reason == "Pharmacy took 54.30 EUR twice on one day"


def test_a_coffee_a_day_is_a_habit() -> None:
    assert {one.merchant for one in find(HOUSEHOLD, KIND)} <= {"Grocer"}


def test_two_bus_tickets_a_trip_are_a_habit() -> None:
    trips = [Paid(FIRST + timedelta(days=9 * trip), "-2.90", "City buses") for trip in range(50) for _ in range(2)]
    assert not [one for one in new(*trips) if one.merchant == "City buses" and one.occurred_on > FIRST + timedelta(days=120)]


def test_a_refund_is_no_second_charge() -> None:
    assert new(Paid(date(2026, 3, 3), "-129.90", "Shoe shop"), Paid(date(2026, 3, 5), "129.90", "Shoe shop")) == []


def test_the_same_amount_in_another_currency_or_from_another_account_is_another_payment() -> None:
    paid = Paid(date(2026, 3, 3), "-129.90", "Shoe shop")
    assert new(paid, paid._replace(currency="CHF")) == []
    assert new(paid, paid._replace(account_id=UUID(int=99))) == []


def test_what_is_pending_is_not_yet_a_charge() -> None:
    paid = Paid(date(2026, 3, 3), "-129.90", "Shoe shop")
    assert new(paid, paid._replace(status="pending")) == []


def test_four_days_apart_are_two_purchases() -> None:
    assert new(Paid(date(2026, 3, 3), "-129.90", "Shoe shop"), Paid(date(2026, 3, 7), "-129.90", "Shoe shop")) == []


def test_of_a_new_users_first_month_nothing_is_said() -> None:
    rows = [one for one in HOUSEHOLD if one.date < FIRST + timedelta(days=28)]
    twice = Paid(FIRST + timedelta(days=20), "-129.90", "Shoe shop")
    assert find([*rows, twice, twice], today=FIRST + timedelta(days=28)) == []
