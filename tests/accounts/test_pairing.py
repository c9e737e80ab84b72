"""Which rows are one transfer: the rules alone."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from services.accounts.mentions import AccountMarks, Mentions, OwnAccount
from services.accounts.pairing import TRANSFER_DAYS, Evidence, Pair, Side, Told, pair_up, reason, with_partners

DAY = date(2026, 3, 2)
GIRO = OwnAccount(uuid7(), "Giro", "DE02120300000000202051")
SAVINGS = OwnAccount(uuid7(), "Rainy days", "DE02500105170137075030")
JOINT = OwnAccount(uuid7(), "Joint", "")
CARD = OwnAccount(uuid7(), "Card", "4711000011112222")
ACCOUNTS = (GIRO, SAVINGS, JOINT, CARD)
LANDLORD = "DE02100500000054540402"
MARKS = AccountMarks(ACCOUNTS)


class Row(NamedTuple):
    """One row with its text."""

    side: Side
    text: str


def row(account: OwnAccount, amount: str, days: int = 0, text: str = "", *, currency: str = "EUR", is_new: bool = True) -> Row:
    return Row(Side(uuid7(), account.id, DAY + timedelta(days), Decimal(amount), currency, is_new), text)


def paired(*rows: Row, undone: tuple[tuple[Row, Row], ...] = ()) -> list[Pair]:
    sides = with_partners(one.side for one in rows)
    texts = {one.side.transaction_id: one.text for one in rows}
    told = {}
    for side in sides:
        text = texts[side.transaction_id]
        told[side.transaction_id] = Told(text.casefold(), MARKS.mentions(side.account_id, text, ""))
    refused = {(one.side.transaction_id, other.side.transaction_id) for one, other in undone}
    return pair_up(sides, told, MARKS, refused)


def ids(pairs: list[Pair]) -> set[tuple[UUID, UUID]]:
    return {(pair.outgoing.transaction_id, pair.incoming.transaction_id) for pair in pairs}


def expected(*pairs: tuple[Row, Row]) -> set[tuple[UUID, UUID]]:
    return {(one.side.transaction_id, other.side.transaction_id) for one, other in pairs}


def test_opposite_amounts_on_near_days_in_two_accounts() -> None:
    out, into = row(GIRO, "-500"), row(SAVINGS, "500", 1)
    (pair,) = paired(into, out)
    assert pair == Pair(out.side, into.side, Evidence.AMOUNT)


@pytest.mark.parametrize("days", [-TRANSFER_DAYS, -1, 0, TRANSFER_DAYS])
def test_the_credit_may_come_first_or_later(days: int) -> None:
    assert len(paired(row(GIRO, "-500"), row(SAVINGS, "500", days))) == 1


@pytest.mark.parametrize(
    "other",
    [
        row(SAVINGS, "500", TRANSFER_DAYS + 1),
        row(SAVINGS, "500", -TRANSFER_DAYS - 1),
        row(SAVINGS, "500.01"),
        row(SAVINGS, "-500"),
        row(SAVINGS, "500", currency="USD"),
        row(GIRO, "500"),
    ],
    ids=["too late", "too early", "another amount", "the same direction", "another currency", "the same account"],
)
def test_what_is_no_transfer(other: Row) -> None:
    assert paired(row(GIRO, "-500"), other) == []


def test_the_nearest_day_wins_and_the_loser_finds_the_next_best() -> None:
    first, second = row(GIRO, "-500"), row(GIRO, "-500", 3)
    early, late = row(SAVINGS, "500"), row(SAVINGS, "500", 4)
    assert ids(paired(first, second, late, early)) == expected((first, early), (second, late))


def test_money_rather_arrives_later_than_earlier() -> None:
    out, before, after = row(GIRO, "-500"), row(SAVINGS, "500", -1), row(SAVINGS, "500", 1)
    assert ids(paired(out, before, after)) == expected((out, after))


def test_two_accounts_that_could_be_meant_are_left_to_the_user() -> None:
    # Nor does it fall back on a worse one that is unique.
    assert paired(row(GIRO, "-500"), row(SAVINGS, "500"), row(JOINT, "500"), row(CARD, "500", 3)) == []


def test_an_account_number_in_the_text_decides() -> None:
    out, right, near = row(GIRO, "-500", 0, "SEPA DE02 5001 0517 0137 0750 30 Sparen"), row(SAVINGS, "500", 3), row(JOINT, "500")
    (pair,) = paired(out, near, right)
    assert (pair.incoming, pair.evidence) == (right.side, Evidence.NUMBER)
    back = row(SAVINGS, "500", 2, "from de02120300000000202051")
    (pair,) = paired(out, right, back)
    assert (pair.incoming, pair.evidence) == (back.side, Evidence.BOTH_NUMBERS)


def test_an_account_name_in_the_text_decides() -> None:
    out, right, other = row(GIRO, "-500", 0, "Transfer to RAINY  days"), row(SAVINGS, "500", 2), row(JOINT, "500")
    (pair,) = paired(out, other, right)
    assert (pair.incoming, pair.evidence) == (right.side, Evidence.NAME)


def test_alike_texts_decide_between_equals() -> None:
    out, right, other = row(GIRO, "-500", 0, "Holiday fund"), row(SAVINGS, "500", 0, "holiday fund march"), row(JOINT, "500", 0, "Bonus")
    (pair,) = paired(out, other, right)
    assert (pair.incoming, pair.evidence) == (right.side, Evidence.TEXT)


def test_a_text_that_names_another_own_account_or_a_strangers_iban_speaks_against() -> None:
    assert paired(row(GIRO, "-500", 0, f"to {SAVINGS.identifier}"), row(CARD, "500")) == []
    assert paired(row(GIRO, "-500", 0, f"Rent {LANDLORD}"), row(SAVINGS, "500")) == []
    assert paired(row(GIRO, "-500"), row(SAVINGS, "500", 0, f"Gift {LANDLORD}")) == []
    # It may be this very account's, where that is known by another number, or by none.
    assert len(paired(row(GIRO, "-500", 0, f"Rent {LANDLORD}"), row(JOINT, "500"))) == 1
    # Check digits that do not add up make no IBAN.
    assert len(paired(row(GIRO, "-500", 0, "Ref DE03100500000054540402"), row(SAVINGS, "500"))) == 1


def test_equal_transfers_of_one_day_are_all_paired() -> None:
    outs = [row(GIRO, "-100", 0, text) for text in ("Aldi", "Holiday fund", "Holiday fund")]
    ins = [row(SAVINGS, "100", 0, text) for text in ("Holiday fund", "Holiday fund", "Zoo")]
    pairs = paired(*outs, *ins)
    assert len(pairs) == 3
    texts = {one.side.transaction_id: one.text for one in (*outs, *ins)}
    assert Counter((texts[one], texts[other]) for one, other in ids(pairs)) == {("Holiday fund", "Holiday fund"): 2, ("Aldi", "Zoo"): 1}


def test_rows_that_are_all_alike_are_paired_as_far_as_they_go() -> None:
    pairs = paired(*(row(GIRO, "-100", 0, "Savings plan") for _ in range(3)), *(row(SAVINGS, "100", 0, "Credit") for _ in range(2)))
    assert len(pairs) == 2


def test_one_credit_among_several_different_debits_is_left_to_the_user() -> None:
    assert paired(row(GIRO, "-10", 0, "Aldi"), row(GIRO, "-10", 0, "Lidl"), row(SAVINGS, "10", 0, "Credit")) == []


def test_money_that_goes_on_the_same_day_is_followed() -> None:
    first, passed, on, last = row(GIRO, "-100"), row(SAVINGS, "100"), row(SAVINGS, "-100"), row(JOINT, "100")
    assert ids(paired(last, on, passed, first)) == expected((first, passed), (on, last))


def test_an_undone_pair_is_never_found_again_but_its_sides_find_others() -> None:
    out, wrong, right = row(GIRO, "-500"), row(SAVINGS, "500"), row(JOINT, "500", 2)
    assert ids(paired(out, wrong, right)) == expected((out, wrong))
    assert ids(paired(out, wrong, right, undone=((out, wrong),))) == expected((out, right))
    assert paired(out, wrong, undone=((out, wrong),)) == []


def test_old_rows_take_part_but_are_not_suggested_among_themselves() -> None:
    old_out, old_in, new_in = row(GIRO, "-500", is_new=False), row(SAVINGS, "500", is_new=False), row(JOINT, "500", 1)
    assert paired(old_out, old_in) == []
    # The new one does not take the better partner's place.
    assert paired(old_out, old_in, new_in) == []
    assert len(paired(old_out, new_in)) == 1


def test_days_at_the_ends_of_the_calendar() -> None:
    for day in (date.min, date.max):
        sides = [Side(uuid7(), account.id, day, Decimal(amount), "EUR", True) for account, amount in ((GIRO, "-1"), (JOINT, "1"))]
        assert len(pair_up(with_partners(sides), {one.transaction_id: Told("") for one in sides}, MARKS, ())) == 1


def test_thousands_of_equal_amounts_cost_no_more_than_their_days() -> None:
    outs = [row(GIRO, "-10", number % 400, f"Lunch {number}") for number in range(10_000)]
    ins = [row(SAVINGS, "10", 3 * number, f"Credit {number}") for number in range(100)]
    assert paired(*outs, *ins) == []
    named = row(SAVINGS, "10", 7, f"Lunch 407 from {GIRO.identifier}")
    right = outs[7]._replace(text=f"to {SAVINGS.identifier}")
    assert ids(paired(*outs[:7], right, *outs[8:], *ins, named)) == expected((right, named))


def test_numbers_of_the_row_itself_and_short_names_say_nothing() -> None:
    short, long = OwnAccount(uuid7(), "Giro", "202051"), OwnAccount(uuid7(), "Giro Plus", "9900202051")
    marks = AccountMarks([short, long, OwnAccount(uuid7(), "Pot", "123")])
    assert marks.mentions(long.id, "Giro Plus, pot 123", '{"Konto": "9900202051"}') == Mentions()
    assert marks.mentions(short.id, "to Giro Plus", "") == Mentions(names=frozenset({long.id}))
    assert marks.mentions(short.id, "Giro", '{"Gegenkonto": "99 00 20 20 51"}') == Mentions(numbers=frozenset({long.id}))
    assert marks.mentions(long.id, "to 202051.", "") == Mentions(numbers=frozenset({short.id}))
    assert marks.mentions(long.id, "Reference 7202051", "") == Mentions()
    third = OwnAccount(uuid7(), "Third", "")
    marks = AccountMarks([short, long, third])
    assert marks.mentions(third.id, "to Giro Plus, 9900202051", "") == Mentions(frozenset({long.id}), frozenset({long.id}))
    # A bank's row is not searched for names: its headings are full of them.
    assert marks.mentions(long.id, "Lunch", '{"Giro": "x"}') == Mentions()


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (
            Pair(row(GIRO, "-1234.50").side, row(SAVINGS, "1234.50", 1).side, Evidence.NUMBER),
            "1234.50 EUR left Giro on 2 March 2026 and reached Rainy days a day later; the text names the other account's number",
        ),
        (
            Pair(row(GIRO, "-500", currency="JPY").side, row(JOINT, "500", -3, currency="JPY").side, Evidence.AMOUNT),
            "500 JPY left Giro on 2 March 2026 and reached Joint 3 days earlier; nothing else of this amount fits as well",
        ),
        (
            Pair(row(GIRO, "-0.0001").side, row(CARD, "0.0001").side, Evidence.TEXT),
            "0.0001 EUR left Giro on 2 March 2026 and reached Card the same day; the two texts resemble each other",
        ),
    ],
)
def test_the_reason_in_words(pair: Pair, words: str) -> None:
    assert reason(pair, {account.id: account.name for account in ACCOUNTS}) == words


TEXTS = ("", "Coffee", "Savings plan", f"to {SAVINGS.identifier}", f"from {GIRO.identifier}", "Joint money", f"Rent {LANDLORD}")
rows = st.builds(
    row,
    st.sampled_from(ACCOUNTS),
    st.sampled_from(["-10", "10", "-10.00", "12", "-12"]),
    st.integers(0, 9),
    st.sampled_from(TEXTS),
    currency=st.sampled_from(["EUR", "USD"]),
    is_new=st.booleans(),
)


@given(st.lists(rows, max_size=24), st.randoms(use_true_random=False))
def test_pairs_are_one_to_one_opposite_near_and_the_same_in_any_order(made: list[Row], chance: random.Random) -> None:
    pairs = paired(*made)
    sides = [side for pair in pairs for side in pair[:2]]
    assert len({side.transaction_id for side in sides}) == len(sides)
    for pair in pairs:
        assert pair.outgoing.amount < 0 < pair.incoming.amount
        assert pair.outgoing.amount + pair.incoming.amount == 0
        assert pair.outgoing.currency == pair.incoming.currency
        assert pair.outgoing.account_id != pair.incoming.account_id
        assert abs((pair.incoming.transaction_date - pair.outgoing.transaction_date).days) <= TRANSFER_DAYS
        assert pair.outgoing.is_new or pair.incoming.is_new
    shuffled = list(made)
    chance.shuffle(shuffled)
    assert paired(*shuffled) == pairs


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, TRANSFER_DAYS)), max_size=12, unique_by=lambda one: one[0]))
def test_clear_transfers_are_found_whichever_account_comes_first(transfers: list[tuple[int, int]]) -> None:
    outs = [row(GIRO, f"-{amount}", amount % 7) for amount, _ in transfers]
    ins = [row(SAVINGS, f"{amount}", amount % 7 + later) for amount, later in transfers]
    wanted = expected(*zip(outs, ins, strict=True))
    for old, new in ((outs, ins), (ins, outs)):
        before = [one._replace(side=one.side._replace(is_new=False)) for one in old]
        assert ids(paired(*before, *new)) == wanted
