"""What a user has dismissed teaches what not to tell."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from services.forecasting.anomaly.domain import AnomalyKind, Dismissed, Finding
from tests.forecasting.anomaly.ledgers import Paid, find, household

HOUSEHOLD = household()
KIND = AnomalyKind.UNUSUAL_AMOUNT


def dismiss(one: Finding) -> Dismissed:
    """The user has looked at it."""
    return Dismissed(one.kind, one.merchant, one.category, one.amount, one.currency, one.key, datetime(2026, 4, 30, tzinfo=UTC))


def grocer(day: date, amount: str) -> Paid:
    """A large purchase."""
    return Paid(day, amount, "Grocer", category="groceries")


FIRST = grocer(date(2026, 2, 3), "-212.40")
[FOUND] = [one for one in find([*HOUSEHOLD, FIRST], KIND) if one.amount == Decimal("-212.40")]


def amounts(*rows: Paid, dismissed: tuple[Dismissed, ...]) -> set[str]:
    """What is unusual after 1 February."""
    found = find([*HOUSEHOLD, FIRST, *rows], KIND, dismissed=dismissed)
    return {f"{one.amount:f}".rstrip("0").rstrip(".") for one in found if one.occurred_on > date(2026, 2, 1)}


def test_the_same_thing_is_never_told_again() -> None:
    assert amounts(dismissed=()) == {"-212.4"}
    assert amounts(dismissed=(dismiss(FOUND),)) == set()


def test_of_the_same_merchant_only_what_is_half_as_much_again() -> None:
    more = [grocer(date(2026, 3, 3), "-300.00"), grocer(date(2026, 4, 7), "-330.00")]
    assert amounts(*more, dismissed=()) == {"-212.4", "-300", "-330"}
    assert amounts(*more, dismissed=(dismiss(FOUND),)) == {"-330"}


def test_the_largest_that_was_dismissed_counts() -> None:
    large = dismiss(FOUND)
    small = Dismissed(KIND, "GROCER 0815", "groceries", Decimal(-90), "EUR", "other", large.dismissed_at)
    assert amounts(grocer(date(2026, 3, 3), "-300.00"), dismissed=(large, small)) == set()


def test_another_merchant_and_another_currency_are_not_meant() -> None:
    other = Dismissed(KIND, "Pharmacy", "", Decimal(-900), "EUR", "other", datetime(2026, 1, 1, tzinfo=UTC))
    assert amounts(dismissed=(other,)) == {"-212.4"}
    elsewhere = Dismissed(KIND, "Grocer", "groceries", Decimal(-900), "CHF", "other", datetime(2026, 1, 1, tzinfo=UTC))
    assert amounts(dismissed=(elsewhere,)) == {"-212.4"}


def test_who_dismisses_a_kind_again_and_again_hears_only_of_the_rarest() -> None:
    odd = [grocer(date(2026, 2, 20), "-118.00"), Paid(date(2026, 3, 21), "-1900.00", "Fuel station", category="transport")]
    tired = tuple(
        Dismissed(KIND, f"Shop {'abcdefgh'[place]}", "", Decimal(-1), "EUR", f"other {place}", datetime(2026, 1, 1, tzinfo=UTC))
        for place in range(8)
    )
    before, after = amounts(*odd, dismissed=()), amounts(*odd, dismissed=tired)
    assert after < before
    assert "-1900" in after
    assert "-118" in before - after


def test_one_dismissal_alone_raises_nothing() -> None:
    odd = grocer(date(2026, 2, 20), "-118.00")
    once = Dismissed(KIND, "Shop", "", Decimal(-1), "EUR", "other", datetime(2026, 1, 1, tzinfo=UTC))
    assert amounts(odd, dismissed=(once,)) == amounts(odd, dismissed=())


def test_a_price_that_rises_by_a_tenth_more_is_told_after_one_was_dismissed() -> None:
    def netflix(first: str, second: str) -> list[Paid]:
        steps = {date(2025, 8, 1): first, date(2026, 2, 1): second}
        return [
            one._replace(amount=[amount for since, amount in steps.items() if one.date >= since][-1])
            if one.merchant == "Netflix" and one.date >= date(2025, 8, 1)
            else one
            for one in HOUSEHOLD
        ]

    rises = find(netflix("-15.99", "-18.99"), AnomalyKind.PRICE_RISE)
    assert [str(one.evidence["amount_before"]) for one in rises] == ["15.99", "12.99"]
    kept = find(netflix("-15.99", "-18.99"), AnomalyKind.PRICE_RISE, dismissed=[dismiss(rises[1])])
    assert [one.key for one in kept] == [rises[0].key]
    assert find(netflix("-15.99", "-16.99"), AnomalyKind.PRICE_RISE, dismissed=[dismiss(rises[1])]) == []


def test_a_payment_that_nobody_waits_for_any_more_is_not_told_again() -> None:
    rows = [one for one in HOUSEHOLD if one.merchant != "Netflix" or one.date < date(2025, 12, 1)]
    [found] = find(rows, AnomalyKind.MISSED_PAYMENT)
    assert find(rows, AnomalyKind.MISSED_PAYMENT, dismissed=[dismiss(found)]) == []


def test_what_has_no_merchant_is_known_by_its_kind() -> None:
    shops = ["Bookshop", "Pharmacy", "Florist", "Optician", "Toy shop", "Cinema", "Shoe shop", "Bike repair"]
    rows = [*HOUSEHOLD, *[Paid(date(2026, 3, 4), "-20.00", shop) for shop in shops]]
    [found] = find(rows, AnomalyKind.BURST)
    again = [*rows, *[Paid(date(2026, 4, 8), "-21.00", shop) for shop in shops]]
    assert len(find(again, AnomalyKind.BURST)) == 2
    assert find(again, AnomalyKind.BURST, dismissed=[dismiss(found)]) == []
