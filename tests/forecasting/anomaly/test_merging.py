"""What a look through a ledger changes in what is known: new ones are added, known ones kept, settled ones closed."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import polars as pl
import pytest

from services.forecasting.anomaly.domain import AnomalyKind, AnomalyState, Finding, Outcome
from services.forecasting.anomaly.findings.columns import HISTORY
from services.forecasting.anomaly.merging import SAME_CHANGE_DAYS, dismissed_of, merge
from tests.forecasting.anomaly.ledgers import ACCOUNT, Paid, ledger, row_id
from tests.support.anomaly_fakes import finding, kept

OPEN, DISMISSED, RESOLVED = AnomalyState.OPEN, AnomalyState.DISMISSED, AnomalyState.RESOLVED
TODAY = date(2026, 6, 30)
EMPTY = pl.DataFrame(schema=HISTORY)
SALARIES = [Paid(date(2026, month, 28), "2500.00", "ACME GMBH") for month in (1, 2, 3, 4)]


def missed(expected: date = date(2026, 5, 28), **more: object) -> Finding:
    """The salary of May, after those of January to April."""
    return finding(
        "ACME GMBH",
        **{
            "kind": AnomalyKind.MISSED_INCOME,
            "amount": Decimal("2500.0000"),
            "occurred_on": expected,
            "transaction_ids": tuple(row_id(place) for place in (3, 2, 1, 0)),
            **more,
        },
    )


def change(since: date, **more: object) -> Finding:
    kept_out = {"transaction_ids": (), "account_id": None, "amount": None, "merchant": ""}
    return finding(str(since), **{"kind": AnomalyKind.REGIME_CHANGE, "occurred_on": since, **kept_out, **more})


def test_new_ones_are_added_once_and_known_ones_kept() -> None:
    rows = ledger(Paid(date(2026, 3, 1), "-80", "CAFE"))
    known, new = finding("known", transaction_ids=(row_id(0),)), finding("new")
    outcome = merge([kept(known)], [known, new, new], rows, today=TODAY)
    assert outcome == Outcome(1, added=(new,))


def test_what_is_odd_no_more_still_happened() -> None:
    rows = ledger(Paid(date(2026, 3, 1), "-80", "CAFE"))
    assert merge([kept(finding(transaction_ids=(row_id(0),)))], [], rows, today=TODAY) == Outcome(1)


@pytest.mark.parametrize("state", [OPEN, DISMISSED, RESOLVED])
def test_what_rests_on_transactions_that_left_is_settled(state: AnomalyState) -> None:
    """An import that was undone, or a payment that turned out to be a transfer between own accounts."""
    rows = ledger(Paid(date(2026, 3, 1), "-80", "CAFE"))
    one = kept(finding(transaction_ids=(uuid4(), row_id(0))), state)
    for history in (rows, EMPTY):
        assert merge([one], [], history, today=TODAY).resolved == ((one.id,) if state is OPEN else ())


def test_what_was_settled_and_is_odd_again_is_open_again_but_not_what_was_dismissed() -> None:
    rows = ledger(*SALARIES)
    for state, reopened in ((RESOLVED, True), (DISMISSED, False), (OPEN, False)):
        one = kept(missed(), state)
        assert merge([one], [missed()], rows, today=TODAY) == Outcome(4, reopened=(one.id,) if reopened else ())


@pytest.mark.parametrize(
    ("came", "settled"),
    [
        (Paid(date(2026, 6, 5), "2500.00", "ACME GMBH"), True),
        (Paid(date(2026, 6, 5), "2650.00", "ACME GMBH"), True),
        (Paid(date(2026, 5, 20), "2500.00", "Acme GmbH"), True),
        (Paid(date(2026, 6, 28), "2500.00", "ACME GMBH"), False),  # that of June
        (Paid(date(2026, 6, 5), "2500.00", "SOMEBODY ELSE"), False),
        (Paid(date(2026, 6, 5), "-2500.00", "ACME GMBH"), False),
        (Paid(date(2026, 6, 5), "250.00", "ACME GMBH"), False),
        (Paid(date(2026, 6, 5), "2500.00", "ACME GMBH", "CHF"), False),
        (Paid(date(2026, 7, 2), "2500.00", "ACME GMBH"), False),  # not yet
    ],
)
def test_a_salary_that_came_after_all_settles_that_it_was_missed(came: Paid, settled: bool) -> None:
    one = kept(missed())
    outcome = merge([one], [], ledger(*SALARIES, came), today=TODAY)
    assert outcome.resolved == ((one.id,) if settled else ())


def test_nobody_without_a_name_settles_anything() -> None:
    nameless = [paid._replace(merchant="") for paid in SALARIES]
    one = kept(missed())
    assert merge([one], [], ledger(*nameless, Paid(date(2026, 6, 1), "2500.00")), today=TODAY).resolved == ()


def test_a_change_that_moves_by_days_is_the_same_one() -> None:
    since = date(2026, 3, 2)
    rows = ledger(Paid(date(2025, 1, 1), "-1"), Paid(date(2026, 6, 1), "-1"))
    for state in (OPEN, DISMISSED):
        known = kept(change(since), state)
        near, far = since + timedelta(days=SAME_CHANGE_DAYS), since + timedelta(days=SAME_CHANGE_DAYS + 1)
        assert merge([known], [change(near)], rows, today=TODAY) == Outcome(2)
        assert len(merge([known], [change(far)], rows, today=TODAY).added) == 1
        assert len(merge([known], [change(near, account_id=ACCOUNT)], rows, today=TODAY).added) == 1
        assert len(merge([known], [change(near, currency="CHF")], rows, today=TODAY).added) == 1


def test_a_change_stays_while_there_are_payments_before_and_after_it() -> None:
    both = [Paid(date(2026, 1, 5), "-1"), Paid(date(2026, 3, 9), "-1")]
    of_account = kept(change(date(2026, 3, 2), account_id=ACCOUNT))
    of_all = kept(change(date(2026, 3, 2)))
    other_account = [paid._replace(account_id=UUID(int=1)) for paid in both]
    for rows, settled in (
        (both, []),
        (both[:1], [of_account.id, of_all.id]),
        (both[1:], [of_account.id, of_all.id]),
        (other_account, [of_account.id]),
        ([paid._replace(currency="CHF") for paid in both], [of_account.id, of_all.id]),
    ):
        assert list(merge([of_account, of_all], [], ledger(*rows), today=TODAY).resolved) == settled


def test_what_was_dismissed_is_what_is_learned_from() -> None:
    known = [kept(finding(state.value), state) for state in (OPEN, DISMISSED, RESOLVED)]
    (learned,) = dismissed_of(known)
    assert (learned.merchant, learned.key, learned.dismissed_at) == ("dismissed", known[1].key, known[1].closed_at)
    assert (learned.kind, learned.category, learned.amount, learned.currency) == (
        AnomalyKind.UNUSUAL_AMOUNT,
        "dining",
        Decimal("-80.0000"),
        "EUR",
    )
