"""A glance at the benchmark: on real histories most of what is put in is found, and little that was not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.anomaly_histories import History, birmingham
from benchmarks.anomaly_injections import KINDS, inject, know_strangers
from benchmarks.anomaly_transactions import look
from services.forecasting.anomaly.domain import AnomalyKind
from services.forecasting.anomaly.findings import find_anomalies

_USERS = 10
_EACH = 10


@pytest.fixture(scope="module")
def cards(shared_data: Path) -> list[History]:
    """Cards of the half that nothing was chosen on."""
    found = birmingham(shared_data)
    know_strangers(found)
    return found[1::2][:_USERS]


def test_untouched_cards_bring_about_one_finding_a_month(cards: list[History]) -> None:
    found = sum(len(find_anomalies(one.rows, today=one.last_day)) for one in cards)
    assert 0.2 < found / sum(one.months for one in cards) < 1.2


@pytest.mark.parametrize("kind", KINDS)
def test_of_what_is_put_in_most_is_found(cards: list[History], kind: AnomalyKind) -> None:
    made = inject(kind, _EACH, cards, seed=1)
    assert all(one.rows.height > 0 and (one.ids or one.due) for one in made)
    assert sum(one.is_found(look(one.rows, one.today)) for one in made) >= 0.7 * _EACH


def test_what_is_put_in_is_the_same_each_time(cards: list[History]) -> None:
    once, again = (inject(AnomalyKind.BURST, 3, cards, seed=5) for _ in range(2))
    assert [one.rows.equals(other.rows) for one, other in zip(once, again, strict=True)] == [True] * 3
