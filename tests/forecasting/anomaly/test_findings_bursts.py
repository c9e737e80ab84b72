"""Many payments in one day."""

from __future__ import annotations

from datetime import date, timedelta

from services.forecasting.anomaly.domain import AnomalyKind
from tests.forecasting.anomaly.ledgers import FIRST, SHOPS, Paid, find, household, row_id

KIND = AnomalyKind.BURST
HOUSEHOLD = household()
DAY = date(2026, 3, 4)


def test_many_payments_at_one_merchant_on_one_day_are_one_finding() -> None:
    rows = [Paid(DAY, f"-{10 + turn}.49", "Game credits") for turn in range(9)]
    [found] = find([*HOUSEHOLD, *rows], KIND)
    assert found.reason.startswith("9 payments to Game credits on 2026-03-04; nine in ten of your days with payments have at most ")
    assert found.evidence["payments_at_one_merchant"] == 9
    assert int(str(found.evidence["payments_that_day"])) >= 9
    assert {row_id(len(HOUSEHOLD) + turn) for turn in range(9)} <= set(found.transaction_ids)
    assert found.merchant == "Game credits"
    assert found.amount is not None
    assert found.amount <= -sum(10 + turn for turn in range(9))


def test_many_payments_at_several_are_told_without_a_merchant() -> None:
    [found] = find([*HOUSEHOLD, *[Paid(DAY, "-20.00", shop) for shop in SHOPS]], KIND)
    assert found.reason.startswith(f"{found.evidence['payments_that_day']} payments on 2026-03-04")
    assert found.merchant == ""
    assert len(found.transaction_ids) == found.evidence["payments_that_day"]


def test_what_repeats_within_a_burst_is_not_told_again() -> None:
    rows = [Paid(DAY, "-25.00", "Game credits") for _ in range(9)]
    found = [one for one in find([*HOUSEHOLD, *rows]) if one.occurred_on == DAY]
    assert [one.kind for one in found] == [KIND]


def test_a_saturday_in_town_is_as_every_saturday() -> None:
    saturdays = [FIRST + timedelta(days=2 + 7 * week) for week in range(60)]
    rows = [Paid(day, f"-{12 + turn}.00", SHOPS[turn]) for day in saturdays for turn in range(7)]
    assert [one for one in find([*HOUSEHOLD, *rows], KIND) if one.occurred_on > FIRST + timedelta(days=90)] == []


def test_income_makes_no_burst() -> None:
    assert find([*HOUSEHOLD, *[Paid(DAY, "20.00", shop) for shop in SHOPS]], KIND) == []


def test_a_sum_beyond_what_the_ledger_holds_is_not_told_as_an_amount() -> None:
    rows = [Paid(DAY, "-900000000000000.00", "Game credits") for _ in range(9)]
    [found] = find([*HOUSEHOLD, *rows], KIND)
    assert found.amount is None
    assert str(found.evidence["total"]).startswith("81000000000000")
