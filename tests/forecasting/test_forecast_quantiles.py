"""Amounts of a forecast: in order, in the currency's decimals, within what the ledger holds; a balance adds up to the cent."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.forecasting.answers import balance_points, points
from services.forecasting.domain import Granularity, Point, Scheduled, below, period_end
from services.forecasting.history import periods_ahead
from services.forecasting.projection import cumulated
from services.kit.money import MAX_AMOUNT, decimals
from tests.support.forecasting_fakes import monthly

START = date(2026, 5, 4)
"""A Monday."""
RENT = monthly("-900", None).id
any_float = st.floats(allow_nan=False, allow_infinity=False)
daily = st.floats(-5000, 5000)
money = st.decimals(-(10**9), 10**9, places=2)


def in_order(found: list[Point] | tuple[Point, ...]) -> bool:
    return all(one.p10 <= one.p50 <= one.p90 for one in found)


@given(st.lists(st.tuples(any_float, any_float, any_float).map(sorted), min_size=1, max_size=90), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_quantiles_never_cross_and_have_the_currency_s_decimals(rows, currency: str) -> None:
    found = points(periods_ahead(START, len(rows), Granularity.DAY), np.array(rows), currency)
    assert in_order(found)
    for one in found:
        for amount in (one.p10, one.p50, one.p90):
            assert abs(amount) <= MAX_AMOUNT
            assert amount == round(amount, decimals(currency))


def test_what_is_just_between_two_cents_is_rounded_to_the_even_one_and_nothing_else_is_lost() -> None:
    (found,) = points([START], np.array([[0.125, 0.375, 12345678901.37]]), "EUR")
    assert (found.p10, found.p50, found.p90) == (Decimal("0.12"), Decimal("0.38"), Decimal("12345678901.37"))


@given(
    st.lists(daily, min_size=1, max_size=500),
    st.lists(st.tuples(daily, daily, daily).map(sorted), min_size=1, max_size=90),
    st.sampled_from(Granularity),
)
def test_courses_never_cross_and_are_the_same_each_time(rest, quantiles, granularity: Granularity) -> None:
    found = cumulated(np.array(rest), np.array(quantiles), granularity)
    assert found.shape == (len(quantiles), 3)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=1) >= 0).all()
    np.testing.assert_array_equal(found, cumulated(np.array(rest), np.array(quantiles), granularity))


def test_what_never_varies_has_no_band() -> None:
    found = cumulated(np.full(200, -5.0), np.full((30, 3), -5.0), Granularity.DAY)
    np.testing.assert_allclose(found, np.repeat(np.arange(-5.0, -151, -5)[:, None], 3, axis=1))


def test_a_band_is_as_wide_as_what_adds_up() -> None:
    """Independent days: as the square root of their number, not as their number; days that go together: as their number."""
    chance = np.random.default_rng(1)
    alone = chance.normal(0, 100, 360)
    quantiles = np.tile(np.quantile(alone, [0.1, 0.5, 0.9]), (60, 1))
    width = np.diff(cumulated(alone, quantiles, Granularity.DAY)[:, [0, 2]], axis=1)[:, 0]
    assert 0.75 * 60**0.5 < width[59] / width[0] < 2 * 60**0.5
    together = np.repeat(chance.normal(0, 100, 24), 15)
    joined = np.diff(cumulated(together, quantiles, Granularity.DAY)[:, [0, 2]], axis=1)[:, 0]
    assert joined[13] > 2 * width[13]


def test_rare_large_payments_are_in_the_sum_though_the_median_day_has_none() -> None:
    rest = np.zeros(360)
    rest[::12] = -600.0
    quantiles = np.zeros((30, 3))
    assert -2100 < cumulated(rest, quantiles, Granularity.DAY)[29, 1] < -900


def test_a_weekday_stays_a_weekday() -> None:
    rest = np.where(np.arange(210) % 7 == 2, -70.0, 0.0)
    found = cumulated(rest, np.quantile(rest, [0.1, 0.5, 0.9]) + np.zeros((21, 3)), Granularity.DAY)
    changes = np.diff(found[:, 1], prepend=0)
    assert [int(day) for day in np.flatnonzero(changes < -50)] == [2, 9, 16]


@given(money, st.lists(st.tuples(st.integers(1, 800), money), max_size=20), st.sampled_from(Granularity), st.integers(1, 24))
def test_a_balance_is_what_it_was_and_what_is_known_to_come_and_the_rest(
    opening: Decimal, known, granularity: Granularity, horizon: int
) -> None:
    starts = periods_ahead(START.replace(day=1) if granularity is Granularity.MONTH else START, horizon, granularity)
    last = period_end(starts[-1], granularity)
    scheduled = [Scheduled(starts[0] + timedelta(days=ago - 1), amount, "x", RENT) for ago, amount in known]
    scheduled = [one for one in scheduled if one.payment_date <= last]
    rest = np.cumsum(np.sort(np.random.default_rng(horizon).normal(0, 50, (horizon, 3)), axis=1), axis=0)
    found = balance_points(starts, granularity, opening, scheduled, rest, "EUR")
    assert in_order(found)
    for number, one in enumerate(found):
        end = period_end(one.period_start, granularity)
        exact = opening + sum((one.amount for one in scheduled if one.payment_date <= end), Decimal(0))
        for amount, value in zip((one.p10, one.p50, one.p90), rest[number], strict=True):
            assert abs(amount - exact - Decimal(float(value))) <= Decimal("0.005")


@pytest.mark.parametrize(
    ("granularity", "likely", "risk"),
    [(Granularity.DAY, START + timedelta(days=2), START + timedelta(days=1)), (Granularity.WEEK, date(2026, 5, 24), date(2026, 5, 17))],
)
def test_the_day_below_a_threshold_is_the_first_one(granularity: Granularity, likely: date, risk: date) -> None:
    starts = periods_ahead(START, 4, granularity)
    amounts = [("100", "200", "300"), ("-1", "100", "200"), ("-9", "-1", "100"), ("50", "60", "70")]
    found = [Point(start, *map(Decimal, row)) for start, row in zip(starts, amounts, strict=True)]
    assert below(found, granularity, Decimal(0)) == (likely, risk)
    assert below(found, granularity, Decimal("-9")) == (None, None)
    assert below(found, granularity, Decimal("200")) == (period_end(starts[1], granularity), period_end(starts[0], granularity))
