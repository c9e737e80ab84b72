"""Balances, on a real ledger: whatever was posted counts, at once, and nobody else's."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from services.accounts.balances.domain import Balance, BalanceFilters
from services.accounts.balances.repository import PostgresBalancesRepository
from services.accounts.balances.service import BalancesService
from services.accounts.domain import Account, AccountChanges, NewAccount, TransferState
from services.accounts.repository import PostgresAccountsRepository
from services.accounts.service import AccountsService
from services.kit.errors import InvalidArgument
from services.kit.pagination import PageTokens
from services.kit.postgres import Database
from tests.support.ledger_rows import batches, fingerprints, row

TOKENS = PageTokens(b"a page token key for tests only!")
FIRST = date(2026, 1, 1)
LARGEST = Decimal("922337203685477.5807")


@pytest.fixture
def ledger(postgres: PostgresAccountsRepository) -> AccountsService:
    return AccountsService(postgres, TOKENS)


@pytest.fixture
def balances(database: Database) -> BalancesService:
    return BalancesService(PostgresBalancesRepository(database), TOKENS)


async def open_account(
    ledger: AccountsService, user_id: UUID, name: str = "Everyday", currency: str = "EUR", opening: str = "0"
) -> Account:
    new = NewAccount(name, currency, opening_balance=Decimal(opening))
    return await ledger.create_account(user_id, new, str(uuid7()))


async def listed(balances: BalancesService, user_id: UUID, *, size: int = 0, **filters: object) -> list[Balance]:
    wanted, found, token = BalanceFilters(**filters), [], ""  # type: ignore[arg-type]
    while True:
        page, token = await balances.list_balances(user_id, wanted, requested_size=size, token=token)
        found += page
        if not token:
            return found


async def test_an_account_without_rows_holds_its_opening_balance(
    ledger: AccountsService, balances: BalancesService, user_id: UUID, other_user_id: UUID
) -> None:
    account = await open_account(ledger, user_id, opening="-12.3456")
    assert await listed(balances, user_id) == [Balance(account.id, "Everyday", "EUR", Decimal("-12.3456"), 0, None)]
    assert await listed(balances, other_user_id) == []


@pytest.mark.requirement("ACC-05", "REL-19")
async def test_what_was_posted_counts_in_the_very_next_call(ledger: AccountsService, balances: BalancesService, user_id: UUID) -> None:
    """ACC-05."""
    account = await open_account(ledger, user_id, opening="100")
    rows = [
        row(account.id, 1, amount=Decimal("-30.50"), transaction_date=FIRST),
        row(account.id, 2, amount=Decimal("10"), transaction_date=FIRST + timedelta(9)),
        row(account.id, 3, amount=Decimal("-500"), status="pending"),
        row(account.id, 4, amount=Decimal("-500"), status="void"),
        row(account.id, 5, amount=Decimal("7"), currency="USD", transaction_date=FIRST + timedelta(5)),
    ]
    await ledger.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    assert await listed(balances, user_id) == [
        Balance(account.id, "Everyday", "EUR", Decimal("79.50"), 2, FIRST + timedelta(9)),
        Balance(account.id, "Everyday", "USD", Decimal("7"), 1, FIRST + timedelta(5)),
    ]
    # As of any day: the opening balance before the first, each row from its own day on.
    for day, euros in ((-1, "100"), (0, "69.50"), (8, "69.50"), (9, "79.50")):
        found = await listed(balances, user_id, on_date=FIRST + timedelta(day))
        assert found[0][2:4] == ("EUR", Decimal(euros))
        assert len(found) == (2 if day >= 5 else 1)


async def test_an_account_may_hold_only_other_currencies(ledger: AccountsService, balances: BalancesService, user_id: UUID) -> None:
    account = await open_account(ledger, user_id, opening="5")
    await ledger.append_transactions(user_id, uuid7(), batches([row(account.id, 1, amount=Decimal(-1), currency="CHF")]), fingerprints)
    assert [one[2:5] for one in await listed(balances, user_id)] == [("CHF", Decimal(-1), 1), ("EUR", Decimal(5), 0)]


async def test_sides_of_a_confirmed_transfer_count(ledger: AccountsService, balances: BalancesService, user_id: UUID) -> None:
    giro, savings = [await open_account(ledger, user_id, name) for name in ("Giro", "Savings")]
    rows = [row(giro.id, 1, amount=Decimal(-500)), row(savings.id, 2, amount=Decimal(500))]
    await ledger.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    suggested, _ = await ledger.list_transfers(user_id, None, requested_size=0, token="")
    assert (await ledger.confirm_transfer(user_id, suggested[0].id)).state is TransferState.CONFIRMED
    assert [one.amount for one in await listed(balances, user_id)] == [Decimal(-500), Decimal(500)]


async def test_which_accounts(ledger: AccountsService, balances: BalancesService, user_id: UUID, other_user_id: UUID) -> None:
    shown, hidden = [await open_account(ledger, user_id, name) for name in ("Shown", "Hidden")]
    theirs = await open_account(ledger, other_user_id)
    await ledger.update_account(user_id, hidden.id, AccountChanges(active=False))
    assert [one.account_id for one in await listed(balances, user_id)] == [shown.id]
    assert [one.account_id for one in await listed(balances, user_id, include_inactive=True)] == [shown.id, hidden.id]
    assert [one.account_id for one in await listed(balances, user_id, account_id=hidden.id, include_inactive=True)] == [hidden.id]
    assert await listed(balances, user_id, account_id=theirs.id) == []


async def test_pages_go_on_within_an_account(ledger: AccountsService, balances: BalancesService, user_id: UUID) -> None:
    accounts = [await open_account(ledger, user_id, f"Account {n}") for n in range(3)]
    rows = [row(account.id, line, currency=code) for line, (account, code) in enumerate(
        ((account, code) for account in accounts for code in ("USD", "AUD", "EUR")), start=1
    )]  # fmt: skip
    await ledger.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    everything = await listed(balances, user_id)
    assert [one[:1] + one[2:3] for one in everything] == [(account.id, code) for account in accounts for code in ("AUD", "EUR", "USD")]
    for size in (1, 2, 4, 9):
        assert await listed(balances, user_id, size=size) == everything
    _, token = await balances.list_balances(user_id, BalanceFilters(), requested_size=1, token="")
    with pytest.raises(InvalidArgument):
        await balances.list_balances(user_id, BalanceFilters(on_date=FIRST), requested_size=1, token=token)


async def test_the_largest_amounts_add_up(ledger: AccountsService, balances: BalancesService, user_id: UUID) -> None:
    account = await open_account(ledger, user_id)
    rows = [row(account.id, line, amount=LARGEST) for line in range(1, 4)]
    await ledger.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    assert [one.amount for one in await listed(balances, user_id)] == [3 * LARGEST]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.integers(0, 20),
            st.decimals("-1e6", "1e6", places=4).filter(bool),
            st.sampled_from(["EUR", "USD", "JPY"]),
            st.sampled_from(["posted", "posted", "pending", "void"]),
        ),
        max_size=30,
    ),
    day=st.none() | st.integers(-1, 21),
    size=st.integers(1, 5),
)
async def test_balances_are_the_sums_of_the_rows(
    ledger: AccountsService,
    balances: BalancesService,
    rows: list[tuple[int, int, Decimal, str, str]],
    day: int | None,
    size: int,
) -> None:
    user_id, last = uuid7(), None if day is None else FIRST + timedelta(day)
    accounts = [await open_account(ledger, user_id, f"Account {n}", opening=str(n)) for n in range(3)]
    made = [
        row(accounts[account].id, line, amount=amount, currency=currency, status=status, transaction_date=FIRST + timedelta(offset))
        for line, (account, offset, amount, currency, status) in enumerate(rows, start=1)
    ]
    await ledger.append_transactions(user_id, uuid7(), batches(made), fingerprints)
    sums: dict[tuple[UUID, str], list[Decimal]] = defaultdict(list)
    for n, account in enumerate(accounts):
        sums[account.id, "EUR"].append(Decimal(n))
    for one in made:
        if one["status"] == "posted" and (last is None or one["transaction_date"] <= last):
            sums[UUID(one["account_id"]), one["currency"]].append(one["amount"])
    found = await listed(balances, user_id, size=size, on_date=last)
    assert [(one.account_id, one.currency, one.amount) for one in found] == [(*key, sum(sums[key])) for key in sorted(sums)]
