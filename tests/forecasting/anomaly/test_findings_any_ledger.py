"""Whatever a ledger holds: no error, whole findings, the same ones whatever the order, and the same ones when the ledger has grown."""

from __future__ import annotations

import random
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.forecasting.anomaly.domain import AnomalyKind, Finding
from services.forecasting.anomaly.findings import find_anomalies
from services.forecasting.anomaly.findings.columns import HISTORY
from tests.forecasting.anomaly.ledgers import FIRST, LAST, Paid, find, household, ledger

MISSED = {AnomalyKind.MISSED_INCOME, AnomalyKind.MISSED_PAYMENT}
HOUSEHOLD = household()

texts = st.sampled_from(["", " ", "Shop", "SHOP 12", "Netflix", "4711", "Ä\u0000ß", "x" * 300, "Salary", "PAYPAL *ABC"]) | st.text(
    max_size=20
)
amounts = st.decimals(Decimal("-922337203685477.5807"), Decimal("922337203685477.5807"), places=4) | st.sampled_from(
    [Decimal(one) for one in ("-0.0001", "0.0001", "-12.99", "-15.99", "2500", "0", "-1000000")]
)
rows = st.builds(
    Paid,
    date=st.dates(date(2024, 1, 1), date(2025, 12, 31)),
    amount=amounts.map(str),
    merchant=texts,
    currency=st.sampled_from(["EUR", "JPY"]),
    category=st.sampled_from(["", "groceries"]),
    description=texts,
    account_id=st.sampled_from([UUID(int=1), UUID(int=2)]),
    status=st.sampled_from(["posted", "posted", "posted", "pending"]),
)


def with_life(odd: list[Paid]) -> list[Paid]:
    """Rows amid a life that is long enough for the rules to speak."""
    return [*HOUSEHOLD, *odd]


@settings(max_examples=25, deadline=None)
@given(st.lists(rows, max_size=60))
def test_no_ledger_raises_and_every_finding_is_whole(odd: list[Paid]) -> None:
    for ledger_of in (odd, with_life(odd)):
        history = ledger(*ledger_of)
        ids = set(history["transaction_id"].to_list())
        for one in find_anomalies(history, today=date(2025, 12, 31)):
            assert 0 <= one.score <= 1
            assert one.reason.isprintable()
            assert one.transaction_ids
            assert {str(each) for each in one.transaction_ids} <= ids
            assert one.key.startswith(f"{one.kind}:")
            assert len(one.key) <= 64
            assert all(isinstance(value, str | int | list) for value in one.evidence.values())


@settings(max_examples=8, deadline=None)
@given(st.lists(rows, max_size=40), st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(odd: list[Paid], chance: random.Random) -> None:
    history = ledger(*with_life(odd))
    places = list(range(history.height))
    chance.shuffle(places)
    assert find_anomalies(history[places], today=LAST) == find_anomalies(history, today=LAST)


@settings(max_examples=8, deadline=None)
@given(st.lists(rows, max_size=60), st.dates(date(2025, 4, 1), date(2025, 12, 1)))
def test_what_was_found_is_found_again_when_the_ledger_has_grown(odd: list[Paid], until: date) -> None:
    history = ledger(*with_life(odd))
    before = find_anomalies(history.filter(pl.col("date") <= until), today=until)
    after = find_anomalies(history, today=LAST)
    assert found_on(before) == {key: day for key, day in found_on(after).items() if day <= until and key in found_on(before)}
    assert {key for key, day in found_on(after).items() if day <= until} == set(found_on(before))


def found_on(findings: list[Finding]) -> dict[str, date]:
    """Days by keys, but for what was missed: that settles itself when it comes after all."""
    return {one.key: one.occurred_on for one in findings if one.kind not in MISSED}


def test_no_finding_twice() -> None:
    twice = [Paid(date(2026, 3, 3), "-129.90", "Shoe shop")] * 3
    keys = [one.key for one in find([*HOUSEHOLD, *twice])]
    assert len(keys) == len(set(keys))


def test_the_newest_comes_first() -> None:
    odd = [Paid(date(2026, month, 3), f"-{month}999.00", f"New {'ab'[month - 2]} Ltd") for month in (2, 3)]
    days = [one.occurred_on for one in find([*HOUSEHOLD, *odd])]
    assert days == sorted(days, reverse=True)


def test_an_empty_ledger_has_nothing() -> None:
    assert find_anomalies(pl.DataFrame(schema=HISTORY), today=LAST) == []


def test_what_is_dated_after_today_has_not_happened() -> None:
    assert [one for one in find([*HOUSEHOLD, Paid(LAST + timedelta(days=1), "-5000.00", "New Ltd")]) if one.amount == -5000] == []


def test_an_ordinary_life_is_told_less_than_once_in_two_months() -> None:
    months = (LAST - FIRST).days / 30.44
    found = sum(len(find(household(seed))) for seed in range(10, 16))
    assert found / (6 * months) < 0.5


@pytest.mark.alone
def test_ten_thousand_rows_take_less_than_a_second_of_the_processor() -> None:
    chance = random.Random(3)
    shops = [f"Shop {''.join(chance.choices('abcdefghij', k=6))}" for _ in range(400)]
    drawn = pl.DataFrame(
        {
            "transaction_id": [str(UUID(int=(7 << 76) + place)) for place in range(10_000)],
            "account_id": str(UUID(int=1)),
            "date": sorted(FIRST + timedelta(days=chance.randrange(1000)) for _ in range(10_000)),
            "amount": [Decimal(-round(chance.lognormvariate(3, 1) * 100)).scaleb(-2) for _ in range(10_000)],
            "currency": "EUR",
            "description": [f"POS {chance.randrange(10**6)} {chance.choice(shops)}" for _ in range(10_000)],
            "merchant": "",
            "category": "",
            "primary_category": "",
            "status": "posted",
            "create_time": datetime(2026, 1, 1, tzinfo=UTC),
        }
    ).select(pl.col(name).cast(dtype) for name, dtype in HISTORY.items())
    began = time.process_time()
    find_anomalies(drawn, today=date(2030, 1, 1))
    assert time.process_time() - began < 1
