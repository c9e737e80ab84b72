"""What a user's model is trained on: the ledger where somebody said what a payment was, and the user's own word above all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.training.trainers.payments import TrainingPayment, collect, counts


def payment(number: int, category: str = "", *, corrected: bool = False, in_ledger: bool = True) -> TrainingPayment:
    name = f"t{number}" if in_ledger else ""
    return TrainingPayment(name, f"SHOP {number}", "", Decimal("-1.50"), date(2026, 1, 1 + number % 28), category, corrected)


class Payments:
    """`UserPayments` in memory; `asked` counts what was read."""

    def __init__(self, corrections: Sequence[TrainingPayment], transactions: Sequence[TrainingPayment]) -> None:
        self._corrections = corrections
        self._transactions = transactions
        self.asked = 0

    async def corrections(self) -> AsyncIterator[TrainingPayment]:
        for one in self._corrections:
            self.asked += 1
            yield one

    async def transactions(self) -> AsyncIterator[TrainingPayment]:
        for one in self._transactions:
            self.asked += 1
            yield one


async def test_a_correction_outweighs_what_the_ledger_says_and_counts_once() -> None:
    source = Payments(
        [payment(1, "car", corrected=True), payment(9, "gifts", corrected=True), payment(3, "gifts", corrected=True, in_ledger=False)],
        [payment(2), payment(1, "transport_fuel"), payment(4, "shopping_general")],
    )
    rows = await collect(source, most=100)
    assert [(row.transaction_id, row.category, row.corrected) for row in rows] == [
        ("t1", "car", True),
        ("t2", "", False),
        ("", "gifts", True),
        ("t4", "shopping_general", False),
        ("t9", "gifts", True),
    ]
    assert counts(rows) == {"payments": 5, "labelled": 4, "corrections": 3, "categories": 3}


async def test_a_large_ledger_is_read_no_further_than_it_is_learned_from() -> None:
    source = Payments([payment(n, "car", corrected=True) for n in range(50)], [payment(n) for n in range(100, 1000)])
    rows = await collect(source, most=20)
    assert len([row for row in rows if row.corrected]) == 20
    assert len(rows) == 40
    assert source.asked <= 42


async def test_payments_without_a_day_come_first() -> None:
    rows = await collect(Payments([], [payment(2), replace(payment(5), day=None)]), most=10)
    assert [row.day for row in rows] == [None, date(2026, 1, 3)]


numbers = st.lists(st.integers(0, 40), max_size=30, unique=True)


@given(numbers, numbers)
async def test_every_payment_is_there_once_with_the_last_word_on_it(corrected: list[int], listed: list[int]) -> None:
    source = Payments([payment(n, "own", corrected=True) for n in corrected], [payment(n, "by_rule" if n % 2 else "") for n in listed])
    rows = await collect(source, most=1000)
    found = {row.transaction_id: row for row in rows}
    assert len(rows) == len(found) == len({*corrected, *listed})
    for number in {*corrected, *listed}:
        one = found[f"t{number}"]
        assert one.corrected == (number in corrected)
        assert one.category == ("own" if number in corrected else "by_rule" if number % 2 else "")
    days = [row.day or date.min for row in rows]
    assert days == sorted(days)
