"""What is known to come, on which days, and which payments of the past were it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.forecasting.domain import RecurrencePeriod, RecurrenceStatus, SeriesSpec
from services.forecasting.recurring import days_ahead, of_series, past_occurrences, schedule
from tests.support.forecasting_fakes import MAIN, OTHER, FakeLedger, monthly

END = date(2026, 4, 30)


def ahead(
    next_date: date, *, period: RecurrencePeriod = RecurrencePeriod.MONTHLY, past=(), after: date = END, days: int = 90
) -> list[date]:
    one = monthly("-900", next_date, period=period, last=next_date - timedelta(days=20))
    return days_ahead(one, past, after=after, until=after + timedelta(days=days))


def test_every_period_comes_again() -> None:
    assert ahead(date(2026, 5, 4), period=RecurrencePeriod.WEEKLY, days=15) == [date(2026, 5, 4), date(2026, 5, 11)]
    assert ahead(date(2026, 5, 4), period=RecurrencePeriod.BIWEEKLY, days=20) == [date(2026, 5, 4), date(2026, 5, 18)]
    assert ahead(date(2026, 5, 4), period=RecurrencePeriod.FOUR_WEEKLY, days=40) == [date(2026, 5, 4), date(2026, 6, 1)]
    assert ahead(date(2026, 5, 4)) == [date(2026, 5, 4), date(2026, 6, 4), date(2026, 7, 4)]
    assert ahead(date(2026, 5, 4), period=RecurrencePeriod.QUARTERLY, days=100) == [date(2026, 5, 4), date(2026, 8, 4)]
    assert ahead(date(2026, 5, 4), period=RecurrencePeriod.HALF_YEARLY, days=200) == [date(2026, 5, 4), date(2026, 11, 4)]
    assert ahead(date(2026, 5, 4), period=RecurrencePeriod.YEARLY, days=400) == [date(2026, 5, 4), date(2027, 5, 4)]


def test_the_31st_is_the_last_day_of_shorter_months_and_itself_again_after() -> None:
    past = [date(2026, 1, 31), date(2025, 12, 31), date(2025, 10, 31), date(2025, 11, 30)]
    assert ahead(date(2026, 2, 28), past=past, after=date(2026, 1, 31)) == [date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)]
    assert ahead(date(2024, 2, 29), past=past, after=date(2024, 1, 31), days=60) == [date(2024, 2, 29), date(2024, 3, 31)]
    # What has always come on the 28th does so in March, too.
    assert ahead(date(2026, 2, 28), past=[date(2026, 1, 28)], after=date(2026, 1, 31), days=60) == [date(2026, 2, 28), date(2026, 3, 28)]


def test_what_is_late_by_days_comes_first_and_what_is_missed_on_its_next_day() -> None:
    assert ahead(date(2026, 4, 28), days=60) == [date(2026, 5, 1), date(2026, 5, 28), date(2026, 6, 28)]
    assert ahead(date(2026, 4, 15), days=60) == [date(2026, 5, 15), date(2026, 6, 15)]


# Due on the 25th: in January and April of 2026 that is a Sunday and a Saturday, in July a Saturday, in October a Sunday.
SALARY_BEFORE = [date(2026, 1, 23), date(2026, 2, 25), date(2026, 3, 25), date(2026, 4, 24), date(2026, 5, 25), date(2026, 6, 25)]


@pytest.mark.parametrize(
    ("past", "wanted"),
    [
        (SALARY_BEFORE, [date(2026, 7, 24), date(2026, 8, 25), date(2026, 9, 25), date(2026, 10, 23)]),
        (
            [date(2026, 1, 26), *SALARY_BEFORE[1:3], date(2026, 4, 27), *SALARY_BEFORE[4:]],
            [date(2026, 7, 27), date(2026, 8, 25), date(2026, 9, 25), date(2026, 10, 26)],
        ),
        # Once before and once after, or only once, says nothing; and what came on a Sunday may do so again.
        ([*SALARY_BEFORE[:3], date(2026, 4, 27)], [date(2026, 7, 25), date(2026, 8, 25), date(2026, 9, 25), date(2026, 10, 25)]),
        (SALARY_BEFORE[1:], [date(2026, 7, 25), date(2026, 8, 25), date(2026, 9, 25), date(2026, 10, 25)]),
        ([date(2025, 5, 25), *SALARY_BEFORE], [date(2026, 7, 25), date(2026, 8, 25), date(2026, 9, 25), date(2026, 10, 25)]),
    ],
)
def test_what_never_comes_on_a_weekend_comes_before_it_or_after_it(past: list[date], wanted: list[date]) -> None:
    assert ahead(date(2026, 7, 25), past=past, after=date(2026, 6, 30), days=120) == wanted


def test_a_salary_due_on_a_sunday_that_has_not_come_on_the_friday_is_late() -> None:
    # The history ends on Saturday, 24 October.
    assert ahead(date(2026, 10, 25), past=SALARY_BEFORE, after=date(2026, 10, 24), days=40) == [date(2026, 10, 25), date(2026, 11, 25)]


def test_what_came_after_the_end_of_the_history_is_still_ahead_of_it() -> None:
    assert ahead(date(2026, 7, 1), days=70) == [date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)]


def test_what_came_early_is_not_expected_again() -> None:
    # Due on the 2nd of May, it came on the last day of the history.
    one = monthly("2000", date(2026, 6, 2), last=END)
    assert days_ahead(one, [], after=END, until=END + timedelta(days=60)) == [date(2026, 6, 2)]


def test_what_has_ended_does_not_come() -> None:
    assert days_ahead(monthly("-1", None), [], after=END, until=END + timedelta(days=90)) == []


@given(
    st.dates(date(2020, 1, 1), date(2030, 1, 1)),
    st.sampled_from(RecurrencePeriod),
    st.integers(-40, 400),
    st.lists(st.dates(date(2019, 1, 1), date(2020, 1, 1)), max_size=5),
)
def test_days_are_in_order_inside_the_horizon_and_each_once(after: date, period: RecurrencePeriod, off: int, past: list[date]) -> None:
    found = ahead(after + timedelta(days=off), period=period, past=past, after=after)
    assert found == sorted(set(found))
    assert all(after < day <= after + timedelta(days=90) for day in found)


async def test_the_ledger_names_the_latest_and_the_others_are_like_them() -> None:
    ledger = FakeLedger()
    names = [f"Rent {number:04d}-INV" for number in range(20)]
    ids = [ledger.add(date(2025, 1, 1) + timedelta(days=30 * number), "-900", name=name) for number, name in enumerate(names)]
    ledger.add(date(2025, 6, 2), "-40", name="Rent 0099-INV")
    ledger.add(date(2025, 6, 2), "900", name="Rent 0099-INV")
    ledger.add(date(2025, 6, 2), "-900", name="Rent 0099-INV", account=OTHER)
    ledger.add(date(2025, 6, 2), "-900", name="Another")
    rent = monthly("-900", date(2026, 8, 1), ids=ids[-12:])
    found = past_occurrences(await ledger.transactions(), [rent])
    assert found["date"].to_list() == [date(2025, 1, 1) + timedelta(days=30 * number) for number in range(20)]
    assert set(found["amount"].to_list()) == {Decimal("-900.0000")}
    assert set(found["recurring_id"].to_list()) == {str(rent.id)}


async def test_a_payment_is_one_payment_s() -> None:
    ledger = FakeLedger()
    first = [ledger.add(date(2026, month, 1), "-10", name="Streaming") for month in range(1, 5)]
    second = [ledger.add(date(2026, month, 15), "-10", name="Streaming") for month in range(1, 5)]
    one, other = monthly("-10", date(2026, 5, 1), ids=first), monthly("-10", date(2026, 5, 15), ids=second)
    found = past_occurrences(await ledger.transactions(), [one, other])
    assert len(found) == 8
    assert {(row[0], row[1].day) for row in found.iter_rows()} == {(str(one.id), 1), (str(other.id), 15)}
    assert past_occurrences(await ledger.transactions(), []).is_empty()


async def test_the_middle_one_of_the_latest_amounts_is_expected() -> None:
    ledger = FakeLedger()
    amounts = ["2000", "2000", "2100", "4100", "2100"]
    ids = [ledger.add(date(2026, number + 1, 27), amount, name="Employer") for number, amount in enumerate(amounts)]
    salary = monthly("2100", date(2026, 6, 27), name="Employer", ids=ids)
    salary = replace(salary, amount_min=Decimal(2000), amount_max=Decimal(4100))
    after = date(2026, 5, 31)
    (found,) = schedule([salary], past_occurrences(await ledger.transactions(), [salary]), after=after, until=after + timedelta(days=30))
    assert (found.payment_date, found.amount, found.merchant, found.recurring_id) == (
        date(2026, 6, 27),
        Decimal(2100),
        "Employer",
        salary.id,
    )


@pytest.mark.parametrize(
    ("series", "wanted"),
    [
        (SeriesSpec(currency="EUR"), "abcd"),
        (SeriesSpec(currency="EUR", account_id=MAIN), "abd"),
        (SeriesSpec(currency="EUR", category="housing"), "b"),
        (SeriesSpec(currency="EUR", category="rent"), "b"),
        (SeriesSpec(currency="EUR", category="uncategorized"), "acd"),
        (SeriesSpec(currency="GBP"), ""),
    ],
)
def test_only_what_goes_on_and_is_of_the_series_is_known(series: SeriesSpec, wanted: str) -> None:
    known = [
        monthly("-1", END, name="a"),
        monthly("-1", END, name="b", category="rent"),
        monthly("-1", END, name="c", account=OTHER),
        monthly("5", END, name="d"),
        monthly("-1", END, name="e", status=RecurrenceStatus.OVERDUE),
        monthly("-1", None, name="f", status=RecurrenceStatus.ENDED),
    ]
    assert "".join(one.merchant for one in of_series(known, series, {"rent": "housing"})) == wanted
