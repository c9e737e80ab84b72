"""Changes of regime: since some day another amount is spent, told with the figures of a usual week before and after."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.forecasting.anomaly.domain import AnomalyKind, Finding, Severity
from services.forecasting.anomaly.findings.columns import HISTORY
from services.forecasting.anomaly.merging import SAME_CHANGE_DAYS
from services.forecasting.anomaly.regimes import find_regime_changes
from tests.forecasting.anomaly.ledgers import ACCOUNT, Paid, ledger

MONDAY = date(2025, 1, 6)
OTHER = UUID(int=2)


def household(
    weeks: int = 78, *, change: int | None = None, times: float = 3, seed: int = 1, start: date = MONDAY, **columns: object
) -> list[Paid]:
    """About 41 a day, more on Saturdays; from the week `change` on so many times as much."""
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(weeks * 7):
        amount = rng.gamma(6, 41 / 6) * (1.6 if day % 7 == 5 else 0.9)
        if change is not None and day >= 7 * change:
            amount *= times
        rows.append(Paid(start + timedelta(days=day), f"-{amount:.2f}", "SHOP", **columns))  # type: ignore[arg-type]
    return rows


def found(*rows: Paid, today: date | None = None) -> list[Finding]:
    return find_regime_changes(ledger(*rows), today=today or max(row.date for row in rows) + timedelta(days=1))


@pytest.mark.parametrize(("times", "severity"), [(3.5, Severity.HIGH), (0.3, Severity.LOW)])
def test_a_household_that_spends_another_amount_is_told_since_when(times: float, severity: Severity) -> None:
    (change,) = found(*household(change=50, times=times))
    assert change.kind is AnomalyKind.REGIME_CHANGE
    assert abs((change.occurred_on - (MONDAY + timedelta(weeks=50))).days) <= 14
    assert change.occurred_on.weekday() == 0
    before, after = (float(str(change.evidence[name])) for name in ("before_per_day", "after_per_day"))
    assert before == pytest.approx(41, rel=0.15)
    assert after == pytest.approx(41 * times, rel=0.15)
    assert change.reason == (f"Since {change.occurred_on:%-d %B %Y} you spend about {after:.0f} EUR a day, before {before:.0f} EUR")
    assert change.evidence["since"] == change.occurred_on.isoformat()
    assert change.evidence["change_percent"] == pytest.approx((times - 1) * 100, abs=40)
    assert (change.severity, change.amount, change.account_id, change.transaction_ids) == (severity, None, None, ())
    assert 0 < change.score <= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_household_that_goes_on_as_ever_is_left_in_peace(seed: int) -> None:
    assert found(*household(seed=seed)) == []


def test_one_dear_week_is_no_change() -> None:
    holiday = [Paid(MONDAY + timedelta(weeks=60, days=day), "-900.00", "HOTEL") for day in range(10)]
    assert found(*household(), *holiday) == []


def test_what_has_not_lasted_is_not_told_yet() -> None:
    rows = household(78, change=74)
    assert found(*rows) == []


def test_what_changed_more_than_a_year_ago_is_no_news() -> None:
    rows = household(110, change=50)
    assert found(*rows) == []


def test_a_short_history_and_one_of_few_payments_have_no_usual_week() -> None:
    assert found(*household(25, change=15)) == []
    rare = [Paid(MONDAY + timedelta(weeks=3 * number), "-50.00") for number in range(30)]
    assert found(*rare, *(row._replace(date=row.date + timedelta(days=1)) for row in rare[20:])) == []
    assert find_regime_changes(pl.DataFrame(schema=HISTORY), today=MONDAY) == []


def test_income_pending_payments_and_what_is_still_to_come_do_not_count() -> None:
    rows = household()
    late = [row for row in household(change=50, times=9) if row.date >= MONDAY + timedelta(weeks=50)]
    last = max(row.date for row in rows)
    assert found(*rows, *(row._replace(amount=row.amount.removeprefix("-")) for row in late), today=last) == []
    assert found(*rows, *(row._replace(status="pending") for row in late), today=last) == []
    future = [row._replace(date=row.date + timedelta(weeks=28)) for row in late]
    assert found(*rows, *future, today=last) == []


def test_currencies_never_meet() -> None:
    dear = household(change=50, currency="CZK")
    (change,) = found(*household(), *dear)
    assert change.currency == "CZK"
    assert "CZK a day" in change.reason


def test_an_account_of_several_has_changes_of_its_own_unless_all_has_changed() -> None:
    large = household(times=1, account_id=ACCOUNT)
    large = [row._replace(amount=f"-{Decimal(row.amount[1:]) * 12}") for row in large]
    small = household(change=50, seed=7, account_id=OTHER)
    (own,) = found(*large, *small)
    assert own.account_id == OTHER
    assert own.reason.startswith(f"Since {own.occurred_on:%-d %B %Y} you spend from this account about ")
    (total,) = found(*household(account_id=ACCOUNT), *(row._replace(amount=f"-{Decimal(row.amount[1:]) * 5}") for row in small))
    assert total.account_id is None


def test_the_next_look_at_a_ledger_that_has_grown_finds_the_same_one() -> None:
    rows = household(90, change=50)
    first = found(*(row for row in rows if row.date < MONDAY + timedelta(weeks=64)))
    later = found(*rows)
    assert len(first) == len(later) == 1
    assert abs((first[0].occurred_on - later[0].occurred_on).days) <= SAME_CHANGE_DAYS
    shuffled = ledger(*rows).sample(fraction=1.0, shuffle=True, seed=3)
    assert find_regime_changes(shuffled, today=rows[-1].date + timedelta(days=1)) == later


payments = st.builds(
    Paid,
    date=st.dates(date(2024, 1, 1), date(2026, 12, 31)),
    amount=st.decimals("-99999999999999.9999", "99999999999999.9999", places=4).map(str),
    currency=st.sampled_from(["EUR", "JPY"]),
    account_id=st.sampled_from([ACCOUNT, OTHER]),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(payments, max_size=200), st.dates(date(2024, 1, 1), date(2027, 1, 1)))
def test_no_ledger_is_too_odd_to_look_at(rows: list[Paid], today: date) -> None:
    for one in find_regime_changes(ledger(*rows), today=today):
        assert 0 <= one.score <= 1
        assert one.occurred_on <= today
        assert len(one.reason) <= 1000
