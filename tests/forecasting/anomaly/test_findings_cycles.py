"""Prices that rise, and what did not come."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from services.forecasting.anomaly.domain import AnomalyKind, Severity
from services.forecasting.anomaly.findings import find_anomalies
from services.forecasting.domain import RecurrencePeriod, RecurrenceStatus, Recurring
from tests.forecasting.anomaly.ledgers import LAST, Paid, find, household, ledger, row_id

HOUSEHOLD = household()
PRICE, INCOME, PAYMENT = AnomalyKind.PRICE_RISE, AnomalyKind.MISSED_INCOME, AnomalyKind.MISSED_PAYMENT


def changed(merchant: str, since: date, amount: str) -> list[Paid]:
    """The household, in which a merchant takes another amount from some day on."""
    return [one._replace(amount=amount) if one.merchant == merchant and one.date >= since else one for one in HOUSEHOLD]


def without(merchant: str, day_from: date, day_to: date) -> list[Paid]:
    """The household, in which a merchant's payments of some days are left out."""
    return [one for one in HOUSEHOLD if one.merchant != merchant or not day_from <= one.date <= day_to]


def test_the_household_itself_has_neither() -> None:
    assert [one for one in find(HOUSEHOLD) if one.kind in (PRICE, INCOME, PAYMENT)] == []


def test_a_subscription_that_rose_is_told_once_with_both_prices() -> None:
    [found] = find(changed("Netflix", date(2025, 10, 1), "-15.99"), PRICE)
    assert found.reason == "Netflix rose from 12.99 to 15.99 EUR (+23 %)"
    assert found.occurred_on == date(2025, 10, 15)
    assert found.evidence["amount_before"] == "12.99"
    assert found.evidence["rise_percent"] == "23.1"
    assert found.evidence["earlier_date"] == "2025-09-15"
    assert found.amount == Decimal("-15.99")
    assert found.severity is Severity.MEDIUM


@pytest.mark.parametrize(("amount", "severity"), [("-14.05", Severity.LOW), ("-20.00", Severity.HIGH)])
def test_the_steeper_the_more_severe(amount: str, severity: Severity) -> None:
    [found] = find(changed("Netflix", date(2025, 10, 1), amount), PRICE)
    assert found.severity is severity


def test_a_price_that_falls_or_hardly_moves_is_no_rise() -> None:
    assert find(changed("Netflix", date(2025, 10, 1), "-9.99"), PRICE) == []
    assert find(changed("Netflix", date(2025, 10, 1), "-13.19"), PRICE) == []


def test_a_bill_that_differs_every_month_has_no_price() -> None:
    amounts = ["-61.20", "-74.85", "-58.10", "-80.30", "-66.00", "-71.45"]
    bills = [Paid(date(2025, 1 + month, 5), amounts[month % 6], "Power company") for month in range(12)]
    assert find([*HOUSEHOLD, *bills], PRICE) == []


def test_a_salary_that_rises_is_no_price() -> None:
    assert find(changed("Acme Payroll", date(2025, 10, 1), "2900.00"), PRICE) == []


def test_the_same_price_in_another_currency_is_no_rise() -> None:
    rows = [
        one._replace(currency="USD", amount="-15.99") if one.merchant == "Netflix" and one.date.year == 2026 else one for one in HOUSEHOLD
    ]
    assert find(rows, PRICE) == []


def test_a_salary_that_did_not_come_is_told_with_its_day() -> None:
    rows = [one for one in without("Acme Payroll", date(2026, 3, 20), LAST) if one.date < date(2026, 4, 12)]
    [found] = find(rows, INCOME, today=date(2026, 4, 12))
    assert found.reason == "Acme Payroll (monthly, usually 2500.00 EUR) was expected on 2026-03-28 and has not come"
    assert found.severity is Severity.HIGH
    assert found.merchant == "Acme Payroll"
    assert found.amount == Decimal("2500.00")
    assert found.evidence["usual_amount"] == "2500.00"
    days = found.evidence["earlier_dates"]
    assert isinstance(days, list)
    assert days[0] == "2026-03-02"
    assert len(found.transaction_ids) == len(days) == 6


def test_before_its_grace_is_over_nothing_is_missed() -> None:
    rows = [one for one in without("Acme Payroll", date(2026, 3, 20), LAST) if one.date < date(2026, 4, 7)]
    assert find(rows, INCOME, today=date(2026, 4, 7)) == []


def test_an_account_of_which_nothing_newer_is_known_has_missed_nothing() -> None:
    rows = [one for one in HOUSEHOLD if one.date <= date(2026, 3, 10)]
    assert [one for one in find(rows, today=LAST) if one.kind in (INCOME, PAYMENT)] == []


def test_a_salary_that_came_after_all_is_no_longer_missed() -> None:
    late = Paid(date(2026, 4, 11), "2500.00", "Acme Payroll")
    rows = [one for one in without("Acme Payroll", date(2026, 3, 20), LAST) if one.date < date(2026, 4, 12)]
    assert find([*rows, late], INCOME, today=date(2026, 4, 12)) == []


def test_one_that_was_missed_long_ago_stays_found() -> None:
    [found] = find(without("Landlord", date(2025, 9, 1), date(2025, 9, 10)), PAYMENT)
    assert found.merchant == "Landlord"
    assert date(2025, 8, 30) <= found.occurred_on <= date(2025, 9, 4)


def test_what_accounts_still_expects_is_not_missed() -> None:
    rows = [one for one in without("Acme Payroll", date(2026, 3, 20), LAST) if one.date < date(2026, 4, 12)]
    salary = [place for place, one in enumerate(rows) if one.merchant == "Acme Payroll"]
    known = Recurring(
        id=UUID(int=5), merchant="Acme Payroll", credit=True, period=RecurrencePeriod.MONTHLY,
        amount_min=Decimal(2500), amount_max=Decimal(2500), last_amount=Decimal(2500), currency="EUR",
        first_date=rows[salary[0]].date, last_date=rows[salary[-1]].date, next_date=date(2026, 4, 28),
        status=RecurrenceStatus.ACTIVE, account_id=UUID(int=1), transaction_ids=tuple(row_id(place) for place in reversed(salary)),
    )  # fmt: skip
    found = find_anomalies(ledger(*rows), today=date(2026, 4, 12), recurring=[known])
    assert [one for one in found if one.kind is INCOME] == []


def test_what_only_accounts_sees_as_one_is_missed_as_well() -> None:
    names = ["Alpha", "Bravo", "Charlie", "Delta", "Echo", "Foxtrot"]
    days = [date(2025, 5 + month, 10) for month in range(6)]
    rows = [*HOUSEHOLD, *[Paid(day, "-75.00", f"{name} lessons") for day, name in zip(days, names, strict=True)]]
    known = Recurring(
        id=UUID(int=6), merchant="Lessons", credit=False, period=RecurrencePeriod.MONTHLY,
        amount_min=Decimal(-75), amount_max=Decimal(-75), last_amount=Decimal(-75), currency="EUR",
        first_date=days[0], last_date=days[-1], next_date=None,
        status=RecurrenceStatus.ENDED, account_id=UUID(int=1),
        transaction_ids=tuple(row_id(len(HOUSEHOLD) + place) for place in reversed(range(6))),
    )  # fmt: skip
    assert find(rows, PAYMENT) == []
    [found] = [one for one in find_anomalies(ledger(*rows), today=LAST, recurring=[known]) if one.kind is PAYMENT]
    assert found.merchant == "Foxtrot lessons"


def test_a_market_on_saturdays_is_nothing_to_wait_for() -> None:
    market = [Paid(date(2025, 2, 1) + timedelta(days=7 * week), f"-{14 + week % 9}.00", "Market") for week in range(20)]
    assert find([*HOUSEHOLD, *market], PAYMENT) == []
