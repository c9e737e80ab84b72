"""Lists, filters, pages, notes and categories. In memory and in PostgreSQL."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.accounts.domain import (
    Account,
    NewAccount,
    Transaction,
    TransactionChanges,
    TransactionFilters,
    TransactionStatus,
    TransactionType,
)
from services.accounts.service import AccountsService
from services.kit.errors import InvalidArgument, NotFound
from tests.support.ledger_rows import batches, fingerprints, row


@pytest.fixture
async def account(service: AccountsService, user_id: UUID) -> Account:
    found, _ = await service.ensure_account(user_id, NewAccount("Everyday", "EUR"))
    return found


@pytest.fixture
async def ledger(service: AccountsService, user_id: UUID, account: Account) -> None:
    """Eight rows that each filter tells apart."""
    card, _ = await service.ensure_account(user_id, NewAccount("Card", "EUR"))
    await service.create_category(user_id, "Allotment", "housing", "r")
    rows = [
        row(account.id, 1, transaction_date=date(2026, 1, 1), amount=Decimal("2500"), description="Pay", merchant=None,
            category="income_salary"),
        row(account.id, 2, transaction_date=date(2026, 1, 2), amount=Decimal("-800"), description="Rent January",
            merchant="Landlord Ltd", category="housing"),
        row(account.id, 3, transaction_date=date(2026, 1, 3), amount=Decimal("-30.5"), description="Seeds 100%_bio",
            merchant="Café Müller", category="allotment"),
        row(account.id, 4, transaction_date=date(2026, 1, 3), amount=Decimal("-9.99"), description="Tea",
            merchant="CAFÉ MÜLLER"),
        row(account.id, 5, transaction_date=date(2026, 2, 1), amount=Decimal("-800"), description="Rent February",
            merchant="Landlord Ltd", category="housing", status="pending"),
        row(card.id, 6, transaction_date=date(2026, 2, 2), amount=Decimal("-4"), description="Tea shop", merchant="Shop",
            status="void"),
        row(card.id, 7, transaction_date=date(2026, 2, 3), amount=Decimal("4"), description="REFUND tea", merchant="Shop"),
        row(card.id, 8, transaction_date=date(2026, 2, 4), amount=Decimal("-0.01"), description="Fee 100x bio", merchant=""),
    ]  # fmt: skip
    await service.append_transactions(user_id, uuid7(), batches(rows), fingerprints)


async def found(service: AccountsService, user_id: UUID, filters: TransactionFilters) -> list[str]:
    transactions, token = await service.list_transactions(user_id, filters, requested_size=0, token="")
    assert token == ""
    return [one.description for one in transactions]


EVERYTHING = [
    "Fee 100x bio", "REFUND tea", "Tea shop", "Rent February", "Tea", "Seeds 100%_bio", "Rent January", "Pay",
]  # fmt: skip


@pytest.mark.requirement("ACC-04", "GW-11")
@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, EVERYTHING),
        ({"date_from": date(2026, 2, 2)}, EVERYTHING[:3]),
        ({"date_to": date(2026, 1, 2)}, EVERYTHING[6:]),
        ({"date_from": date(2026, 1, 3), "date_to": date(2026, 1, 3)}, ["Tea", "Seeds 100%_bio"]),
        ({"amount_min": Decimal("4")}, ["REFUND tea", "Pay"]),
        ({"amount_max": Decimal("-800")}, ["Rent February", "Rent January"]),
        ({"amount_min": Decimal("-9.99"), "amount_max": Decimal("-0.01")}, ["Fee 100x bio", "Tea shop", "Tea"]),
        ({"category": "income_salary"}, ["Pay"]),
        ({"category": "income"}, ["Pay"]),
        ({"category": "housing"}, ["Rent February", "Seeds 100%_bio", "Rent January"]),
        ({"category": "allotment"}, ["Seeds 100%_bio"]),
        ({"category": "uncategorized"}, ["Fee 100x bio", "REFUND tea", "Tea shop", "Tea"]),
        ({"category": "no_such"}, []),
        ({"merchant": "café müller"}, ["Tea", "Seeds 100%_bio"]),
        ({"merchant": "caf"}, []),
        ({"type": TransactionType.CREDIT}, ["REFUND tea", "Pay"]),
        ({"status": TransactionStatus.PENDING}, ["Rent February"]),
        ({"status": TransactionStatus.VOID}, ["Tea shop"]),
        ({"query": "tea"}, ["REFUND tea", "Tea shop", "Tea"]),
        ({"query": "SHOP te"}, ["REFUND tea", "Tea shop"]),
        ({"query": "müll"}, ["Tea", "Seeds 100%_bio"]),
        ({"query": "100%_"}, ["Seeds 100%_bio"]),
        ({"query": "\\"}, []),
        ({"query": "  "}, EVERYTHING),
        ({"type": TransactionType.DEBIT, "category": "housing", "merchant": "LANDLORD LTD", "query": "rent",
          "date_from": date(2026, 1, 1), "date_to": date(2026, 1, 31), "amount_max": Decimal("-100"),
          "status": TransactionStatus.POSTED}, ["Rent January"]),
    ],
)  # fmt: skip
async def test_each_filter_alone_and_combined(
    service: AccountsService, user_id: UUID, filters: dict[str, Any], expected: list[str]
) -> None:
    assert await found(service, user_id, TransactionFilters(**filters)) == expected


@pytest.mark.usefixtures("ledger")
async def test_account_filter(service: AccountsService, user_id: UUID, account: Account) -> None:
    assert await found(service, user_id, TransactionFilters(account_id=account.id)) == EVERYTHING[3:]
    assert await found(service, user_id, TransactionFilters(account_id=uuid7())) == []


@pytest.mark.usefixtures("ledger")
async def test_another_user_finds_nothing(service: AccountsService, user_id: UUID, other_user_id: UUID) -> None:
    mine, _ = await service.list_transactions(user_id, TransactionFilters(), requested_size=1, token="")
    assert await found(service, other_user_id, TransactionFilters()) == []
    with pytest.raises(NotFound):
        await service.get_transaction(other_user_id, mine[0].id)
    with pytest.raises(NotFound):
        await service.update_transaction(other_user_id, mine[0].id, TransactionChanges(note="mine now"))
    assert (await service.get_transaction(user_id, mine[0].id)).note == ""


@pytest.mark.parametrize(
    "filters",
    [
        {"date_from": date(2026, 1, 2), "date_to": date(2026, 1, 1)},
        {"amount_min": Decimal(2), "amount_max": Decimal(1)},
    ],
)
async def test_ranges_that_are_upside_down_are_refused(service: AccountsService, user_id: UUID, filters: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        await service.list_transactions(user_id, TransactionFilters(**filters), requested_size=0, token="")


async def pages(service: AccountsService, user_id: UUID, size: int) -> list[list[Transaction]]:
    walked: list[list[Transaction]] = []
    token = ""
    while True:
        page, token = await service.list_transactions(user_id, TransactionFilters(), requested_size=size, token=token)
        walked.append(page)
        if not token:
            return walked


@pytest.mark.requirement("GW-09")
@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("size", [1, 3, 4, 8, 9])
async def test_keyset_pagination_walks_everything_once(service: AccountsService, user_id: UUID, size: int) -> None:
    walked = await pages(service, user_id, size)
    assert [one.description for page in walked for one in page] == EVERYTHING
    assert all(len(page) == size for page in walked[:-1])


@pytest.mark.requirement("GW-09")
async def test_keyset_pagination_under_concurrent_inserts(service: AccountsService, user_id: UUID, account: Account) -> None:
    """Rows that come in between appear where they belong, and none of the old ones is lost or doubled."""
    old = [row(account.id, line, transaction_date=date(2026, 1, 1 + line % 5)) for line in range(1, 61)]
    await service.append_transactions(user_id, uuid7(), batches(old), fingerprints)
    walked: list[Transaction] = []
    token, line = "", 100
    while True:
        page, token = await service.list_transactions(user_id, TransactionFilters(), requested_size=7, token=token)
        walked += page
        if not token:
            break
        late = [row(account.id, line + day, transaction_date=date(2026, 1, day)) for day in range(1, 6)]
        await service.append_transactions(user_id, uuid7(), batches(late), fingerprints)
        line += 10
    assert len({one.id for one in walked}) == len(walked)
    assert {one["description"] for one in old} <= {one.description for one in walked}
    assert walked == sorted(walked, key=lambda one: (one.transaction_date, one.id), reverse=True)


@pytest.mark.usefixtures("ledger")
async def test_a_page_token_is_bound_to_user_and_filters(service: AccountsService, user_id: UUID, other_user_id: UUID) -> None:
    _, token = await service.list_transactions(user_id, TransactionFilters(), requested_size=2, token="")
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    for user, filters, wrong in (
        (user_id, TransactionFilters(query="tea"), token),
        (other_user_id, TransactionFilters(), token),
        (user_id, TransactionFilters(), changed),
        (user_id, TransactionFilters(), "nonsense"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            await service.list_transactions(user, filters, requested_size=2, token=wrong)
        assert caught.value.fields[0].field == "page_token"


async def test_page_sizes(service: AccountsService, user_id: UUID, account: Account) -> None:
    rows = [row(account.id, line) for line in range(1, 1102)]
    await service.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    assert [len(page) for page in await pages(service, user_id, 5000)] == [1000, 101]
    assert len((await pages(service, user_id, 0))[0]) == 50
    with pytest.raises(InvalidArgument):
        await service.list_transactions(user_id, TransactionFilters(), requested_size=-1, token="")


@pytest.mark.usefixtures("ledger")
async def test_note_and_category_change_alone(service: AccountsService, user_id: UUID) -> None:
    (pay,), _ = await service.list_transactions(user_id, TransactionFilters(query="pay"), requested_size=0, token="")
    noted = await service.update_transaction(user_id, pay.id, TransactionChanges(note="first one"))
    assert (noted.note, noted.category, noted.category_source) == ("first one", "income_salary", "file")
    own = await service.update_transaction(user_id, pay.id, TransactionChanges(category="allotment"))
    assert (own.note, own.category, own.category_source) == ("first one", "allotment", "user")
    assert own.primary_category == "housing"
    none = await service.update_transaction(user_id, pay.id, TransactionChanges(category=""))
    assert (none.category, none.category_source, none.primary_category) == (None, None, None)
    assert await service.update_transaction(user_id, pay.id, TransactionChanges()) == none
    assert await service.get_transaction(user_id, pay.id) == none
    assert (await service.update_transaction(user_id, pay.id, TransactionChanges(note=""))).note == ""


@pytest.mark.usefixtures("ledger")
async def test_a_category_must_be_known_to_the_user(service: AccountsService, user_id: UUID, other_user_id: UUID) -> None:
    await service.create_category(other_user_id, "Theirs", "housing", "r")
    (pay,), _ = await service.list_transactions(user_id, TransactionFilters(query="pay"), requested_size=0, token="")
    for slug in ("theirs", "no_such", "uncategorized", "Income_Salary"):
        with pytest.raises(InvalidArgument) as caught:
            await service.update_transaction(user_id, pay.id, TransactionChanges(category=slug))
        assert caught.value.fields[0].field == "category"
    assert (await service.get_transaction(user_id, pay.id)).category == "income_salary"


async def test_unknown_transactions(service: AccountsService, user_id: UUID) -> None:
    with pytest.raises(NotFound) as caught:
        await service.get_transaction(user_id, uuid7())
    assert caught.value.reason == "TRANSACTION_NOT_FOUND"
    with pytest.raises(NotFound):
        await service.update_transaction(user_id, uuid7(), TransactionChanges(note="x"))


async def test_a_page_of_long_texts_is_shorter_and_goes_on(service: AccountsService, user_id: UUID) -> None:
    account, _ = await service.ensure_account(user_id, NewAccount("Everyday", "EUR"))
    rows = [row(account.id, line, description=f"{line} " + "\U0001f600" * 9_990) for line in range(1, 131)]
    await service.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    seen: list[UUID] = []
    token = ""
    while True:
        page, token = await service.list_transactions(user_id, TransactionFilters(), requested_size=1000, token=token)
        assert sum(len(one.description.encode()) for one in page) < 4 * 1024 * 1024
        seen += [one.id for one in page]
        if not token:
            break
    assert len(seen) == len(set(seen)) == 130
