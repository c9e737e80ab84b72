"""Searching and filtering lists: what is found, in which order, and by which words. In memory and in PostgreSQL."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA
from uuid_utils.compat import uuid7

from services.accounts.domain import NewAccount, TransactionFilters
from services.accounts.search import CorrectedWord, TransactionPage, nearest
from services.accounts.service import AccountsService
from services.kit.errors import InvalidArgument
from tests.support.ledger_rows import batches, fingerprints, row

TEXTS = [
    ("CARD PAYMENT 4711 SUPERMARKET", "Rewe Markt"),
    ("Weekly groceries, payments to follow", None),
    ("Grocery store", "Corner Shop"),
    ("Überweisung Miete Lange Straße", "Hausverwaltung GROẞ"),
    ("Transfer", "Amazon.de"),
    ("Transfer back", "Amazone Verlag"),
]


@pytest.fixture
async def ledger(service: AccountsService, user_id: UUID, other_user_id: UUID) -> None:
    """One row a day, and a word that only another user's ledger holds."""
    for owner, texts in ((user_id, TEXTS), (other_user_id, [("Zeppelin grocries", None)])):
        account, _ = await service.ensure_account(owner, NewAccount("Everyday", "EUR"))
        rows = [
            row(account.id, line, transaction_date=date(2026, 1, line), description=description, merchant=merchant)
            for line, (description, merchant) in enumerate(texts, start=1)
        ]
        await service.append_transactions(owner, uuid7(), batches(rows), fingerprints)


async def searched(service: AccountsService, user_id: UUID, query: str = "", expression: str = "") -> TransactionPage:
    filters = TransactionFilters(query=query or None, filter=expression or None)
    return (await service.list_transactions(user_id, filters, requested_size=0, token=""))[0]


def lines(page: TransactionPage) -> list[int]:
    return [one.transaction_date.day for one in page]


@pytest.mark.requirement("ACC-14")
@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("payments", [2, 1]),
        ("payment", [2, 1]),
        ("grocery", [3, 2]),
        ("groceries", [3, 2]),
        ("GROC", [3, 2]),
        ("market", [1]),
        ("strasse", [4]),
        ("groß", [4]),
        ("straße", [4]),
        ("überWEISUNG", [4]),
        ("amazon.de", [5]),
        ("corner store", [3]),
        ("4711", [1]),
        ("4712", []),
        ("corner payment", []),
    ],
)
async def test_words_are_found_in_any_case_and_inflection(service: AccountsService, user_id: UUID, query: str, expected: list[int]) -> None:
    page = await searched(service, user_id, query)
    assert lines(page) == expected
    assert page.corrected_words == []


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("query", "expected", "corrected"),
    [
        ("paymnet", [2, 1], [("paymnet", ("payment",))]),
        ("grocries", [2, 3], [("grocries", ("groceries",))]),
        ("Uberweisung", [4], [("Uberweisung", ("überweisung",))]),
        ("amazin", [6, 5], [("amazin", ("amazon",))]),
        ("corner stoer", [3], [("stoer", ("store",))]),
        ("cornr stroe", [3], [("cornr", ("corner",)), ("stroe", ("store",))]),
        ("corner paymnet", [], [("paymnet", ("payment",))]),
    ],
)
async def test_a_word_that_nothing_holds_is_taken_for_the_nearest(
    service: AccountsService, user_id: UUID, query: str, expected: list[int], corrected: list[CorrectedWord]
) -> None:
    page = await searched(service, user_id, query)
    assert sorted(lines(page)) == sorted(expected)
    assert page.corrected_words == corrected


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("query", ["zeppelin", "zeppelyn", "xxxxxxxx", "4711x", "paymnet xxxxxxxx", "rwx", "aaaa bbbb cccc dddd"])
async def test_what_is_near_to_nothing_stays_as_it_is(service: AccountsService, user_id: UUID, query: str) -> None:
    """Also what is near to, or even is, a word that only another user's ledger holds."""
    page = await searched(service, user_id, query)
    assert (page, page.corrected_words) == ([], [])


async def test_pages_of_a_corrected_search_go_on_with_the_same_words(service: AccountsService, user_id: UUID) -> None:
    account, _ = await service.ensure_account(user_id, NewAccount("Everyday", "EUR"))
    old = [
        row(account.id, line, transaction_date=date(2026, 2, 1) + timedelta(line), description=f"Insurance {line}") for line in range(20)
    ]
    await service.append_transactions(user_id, uuid7(), batches(old), fingerprints)
    filters = TransactionFilters(query="inzurance", filter="date >= 2026-02-05")
    walked: list[str] = []
    page, token = await service.list_transactions(user_id, filters, requested_size=6, token="")
    while True:
        assert page.corrected_words == [("inzurance", ("insurance",))]
        walked += [one.description for one in page]
        if not token:
            break
        # From now on something holds the word as it was typed: what has begun goes on all the same.
        late = [row(account.id, 100 + len(walked), transaction_date=date(2026, 2, 6), description=f"Inzurance {len(walked)}")]
        await service.append_transactions(user_id, uuid7(), batches(late), fingerprints)
        page, token = await service.list_transactions(user_id, filters, requested_size=6, token=token)
    assert walked == [f"Insurance {line}" for line in range(19, 3, -1)]
    fresh, _ = await service.list_transactions(user_id, filters, requested_size=0, token="")
    assert fresh.corrected_words == []


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("merchant:amazon", [6, 5]),
        ("merchant:amazon NOT back", [5]),
        ("merchant = 'amazon.DE' OR date <= 2026-01-02", [5, 2, 1]),
        ('NOT (merchant != "" OR date < 2026)', [2]),
        ("transfer groceries", []),
        ("paymnet", []),
    ],
)
async def test_a_filter_narrows(service: AccountsService, user_id: UUID, expression: str, expected: list[int]) -> None:
    page = await searched(service, user_id, "", expression)
    assert (lines(page), page.corrected_words) == (expected, [])


@pytest.mark.usefixtures("ledger")
async def test_a_filter_and_a_search_narrow_together_and_bind_the_page_token(service: AccountsService, user_id: UUID) -> None:
    filters = TransactionFilters(query="transfer", filter="merchant:amazon", date_to=date(2026, 1, 6))
    first, token = await service.list_transactions(user_id, filters, requested_size=1, token="")
    rest, end = await service.list_transactions(user_id, filters, requested_size=1, token=token)
    assert (lines(first), lines(rest), end) == ([6], [5], "")
    other = TransactionFilters(query="transfer", filter="merchant:amazone", date_to=date(2026, 1, 6))
    with pytest.raises(InvalidArgument) as refused:
        await service.list_transactions(user_id, other, requested_size=1, token=token)
    assert refused.value.fields[0].field == "page_token"


async def test_a_mistake_in_a_filter_says_where(service: AccountsService, user_id: UUID) -> None:
    with pytest.raises(InvalidArgument, match=r"filter: at character 10: expected a number .* found 'lots'"):
        await searched(service, user_id, "", "amount > lots")


def test_nearest_words_are_the_most_frequent_of_the_fewest_mistakes() -> None:
    known = [("rents", 90), ("rent", 5), ("rand", 7), ("band", 9), ("sand", 8), ("hand", 6), ("miete", 1)]
    assert nearest("remt", known) == ("rent",)
    assert nearest("xand", known) == ("band", "sand", "rand")
    assert nearest("xyzt", known) == ()


@given(st.text("abcd", min_size=4, max_size=8), st.lists(st.tuples(st.text("abcd", min_size=1, max_size=8), st.integers(1, 9))))
def test_no_known_word_is_nearer_than_those_that_are_taken(word: str, known: list[tuple[str, int]]) -> None:
    taken = nearest(word, known)
    distances = {OSA.distance(word, one) for one in taken}
    assert len(distances) <= 1
    limit = 1 if len(word) <= 5 else 2
    near = [OSA.distance(word, one) for one, _ in known if OSA.distance(word, one) <= limit]
    assert (min(near) in distances) if near else not taken
