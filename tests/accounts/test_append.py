"""Appending an import: all or nothing, nothing twice, whatever comes between. In memory and in PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl
import pytest
from uuid_utils.compat import uuid7

from services.accounts.domain import Account, ImportLine, NewAccount, Transaction, TransactionFilters
from services.accounts.service import AccountsService
from services.kit.errors import AlreadyExists, NotFound
from tests.support.ledger_rows import batches, fingerprints, frame, predicted, row


@pytest.fixture
async def account(service: AccountsService, user_id: UUID) -> Account:
    found, _ = await service.ensure_account(user_id, NewAccount("Everyday", "EUR"))
    return found


async def everything(service: AccountsService, user_id: UUID) -> list[Transaction]:
    return (await service.list_transactions(user_id, TransactionFilters(), requested_size=1000, token=""))[0]


async def test_append_keeps_every_value(service: AccountsService, user_id: UUID, account: Account) -> None:
    import_id = uuid7()
    rows = [
        row(account.id, 2, amount=Decimal("-922337203685477.5807"), description='a "b", c\n\td\\N\\.', merchant=None),
        row(account.id, 3, amount=Decimal("0.0001"), currency="JPY", description="", merchant="", status="pending"),
        row(account.id, 9, transaction_date=date(1, 1, 1), description="Ünïcödé 😀", payment_method="card", status="void"),
    ]
    outcome = await service.append_transactions(user_id, import_id, batches(rows[:2], rows[2:]), fingerprints)
    assert (outcome.inserted_count, list(outcome.duplicates)) == (3, [])
    found = {one.description: one for one in await everything(service, user_id)}
    first, second, third = (found[one["description"]] for one in rows)
    assert (first.amount, first.currency, first.merchant) == (Decimal("-922337203685477.5807"), "EUR", None)
    assert (second.amount, second.currency, second.status) == (Decimal("0.0001"), "JPY", "pending")
    assert not second.merchant
    assert (third.transaction_date, third.payment_method, third.status) == (date(1, 1, 1), "card", "void")
    assert {one.import_id for one in found.values()} == {import_id}
    assert {one.account_id for one in found.values()} == {account.id}
    assert first.id < second.id < third.id
    assert first.id.version == 7


async def test_append_of_nothing(service: AccountsService, user_id: UUID) -> None:
    outcome = await service.append_transactions(user_id, uuid7(), batches(), fingerprints)
    assert (outcome.inserted_count, list(outcome.duplicates)) == (0, [])


async def test_the_same_rows_in_another_import_are_duplicates(service: AccountsService, user_id: UUID, account: Account) -> None:
    rows = [row(account.id, line) for line in range(1, 6)]
    first = uuid7()
    await service.append_transactions(user_id, first, batches(rows), fingerprints)
    before = {one.description: one.id for one in await everything(service, user_id)}
    later = [row(account.id, 7), *({**one, "line": 10 + one["line"]} for one in rows[:3])]
    outcome = await service.append_transactions(user_id, uuid7(), batches(later), fingerprints)
    assert outcome.inserted_count == 1
    assert list(outcome.duplicates) == [ImportLine(10 + line, before[f"Groceries {line}"]) for line in (1, 2, 3)]
    assert len(await everything(service, user_id)) == 6


async def test_the_same_import_again_counts_its_rows_as_inserted(service: AccountsService, user_id: UUID, account: Account) -> None:
    await service.append_transactions(user_id, uuid7(), batches([row(account.id, 1)]), fingerprints)
    import_id = uuid7()
    rows = [row(account.id, line) for line in (1, 2, 3)]
    first = await service.append_transactions(user_id, import_id, batches(rows), fingerprints)
    again = await service.append_transactions(user_id, import_id, batches(rows[:1], rows[1:]), fingerprints)
    assert first == again
    assert (first.inserted_count, len(first.duplicates)) == (2, 1)
    assert len(await everything(service, user_id)) == 3


async def test_the_same_import_with_other_rows_is_refused(service: AccountsService, user_id: UUID, account: Account) -> None:
    import_id = uuid7()
    await service.append_transactions(user_id, import_id, batches([row(account.id, 1), row(account.id, 2)]), fingerprints)
    for other in ([row(account.id, 1)], [row(account.id, 5)], [row(account.id, 1), row(account.id, 2), row(account.id, 3)]):
        if len(other) == 3:
            # More of the same is what a retry after a changed parser would send: also not the same import.
            other[0] = row(account.id, 1, description="changed")
        with pytest.raises(AlreadyExists) as caught:
            await service.append_transactions(user_id, import_id, batches(other), fingerprints)
        assert caught.value.reason == "IMPORT_ID_REUSED"
        assert len(await everything(service, user_id)) == 2


async def test_equal_rows_of_one_file_are_all_kept(service: AccountsService, user_id: UUID, account: Account) -> None:
    import_id = uuid7()
    rows = [row(account.id, line, description="Coffee", occurrence=line) for line in (1, 2)]
    for _ in range(2):
        outcome = await service.append_transactions(user_id, import_id, batches(rows), fingerprints)
        assert (outcome.inserted_count, list(outcome.duplicates)) == (2, [])
    assert len(await everything(service, user_id)) == 2


async def test_an_unknown_account_leaves_nothing(service: AccountsService, user_id: UUID, other_user_id: UUID, account: Account) -> None:
    theirs, _ = await service.ensure_account(other_user_id, NewAccount("Theirs", "EUR"))
    for stranger in (uuid7(), theirs.id):
        with pytest.raises(NotFound) as caught:
            await service.append_transactions(
                user_id, uuid7(), batches([row(account.id, 1)], [row(account.id, 2), row(stranger, 3)]), fingerprints
            )
        assert caught.value.metadata == {"account_id": str(stranger)}
    assert await everything(service, user_id) == []


async def test_a_source_that_breaks_leaves_nothing(service: AccountsService, user_id: UUID, account: Account) -> None:
    async def broken() -> AsyncIterator[pl.DataFrame]:
        yield frame([row(account.id, 1)])
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        await service.append_transactions(user_id, uuid7(), broken(), fingerprints)
    assert await everything(service, user_id) == []


async def test_two_users_keep_the_same_rows_apart(service: AccountsService, user_id: UUID, other_user_id: UUID, account: Account) -> None:
    theirs, _ = await service.ensure_account(other_user_id, NewAccount("Everyday", "EUR"))
    mine = row(account.id, 1)
    await service.append_transactions(user_id, uuid7(), batches([mine]), fingerprints)
    outcome = await service.append_transactions(
        other_user_id, uuid7(), batches([{**row(theirs.id, 1), "fingerprint": mine["fingerprint"]}]), fingerprints
    )
    assert (outcome.inserted_count, list(outcome.duplicates)) == (1, [])
    assert [one.account_id for one in await everything(service, user_id)] == [account.id]


async def test_labels_of_the_file_become_categories_only_when_they_are_known(
    service: AccountsService, user_id: UUID, account: Account
) -> None:
    own = await service.create_category(user_id, "Cats & Dogs", "other", "one")
    # The user's own word for what the taxonomy calls something else.
    await service.create_category(user_id, "Salary and wages", "other", "two")
    labels = {
        "income_salary": "income_salary",
        "SALARY  and Wages": "salary_and_wages",
        "Groceries": "groceries",
        " cats & dogs": own.slug,
        "Cats_Dogs": own.slug,
        "Verein": None,
        "": None,
        None: None,
    }
    rows = [row(account.id, line, category=label) for line, label in enumerate(labels, start=1)]
    await service.append_transactions(user_id, uuid7(), batches(rows), fingerprints)
    found = {one.description: one for one in await everything(service, user_id)}
    for line, slug in enumerate(labels.values(), start=1):
        one = found[f"Groceries {line}"]
        assert (one.category, one.category_source) == (slug, "file" if slug else None)
    assert found["Groceries 1"].primary_category == "income"
    assert found["Groceries 2"].primary_category == "other"


async def test_predictions_count_where_the_file_says_nothing_that_is_known(
    service: AccountsService, user_id: UUID, account: Account
) -> None:
    own = await service.create_category(user_id, "Cats & Dogs", "other", "one")
    cases: list[tuple[dict[str, Any], tuple[str | None, str | None, float | None]]] = [
        ({"category": "Groceries", **predicted("travel", 0.9)}, ("groceries", "file", None)),
        ({"category": "Verein", **predicted("travel", 0.9)}, ("travel", "model", 0.9)),
        (predicted(own.slug, 1.0, "user"), (own.slug, "user", 1.0)),
        (predicted("travel", 0.0, "fallback"), ("travel", "fallback", 0.0)),
        # Slugs only: no names, none of yesterday's, none for what is none.
        (predicted("Groceries"), (None, None, None)),
        (predicted("gone"), (None, None, None)),
        (predicted("uncategorized"), (None, None, None)),
        (predicted(None, 0.3), (None, None, None)),
        ({}, (None, None, None)),
    ]
    rows = [row(account.id, line, **values) for line, (values, _) in enumerate(cases, start=1)]
    await service.append_transactions(user_id, uuid7(), batches(rows[:2], rows[2:]), fingerprints)
    found = {one.description: (one.category, one.category_source, one.confidence) for one in await everything(service, user_id)}
    assert [found[f"Groceries {line}"] for line in range(1, len(cases) + 1)] == [expected for _, expected in cases]


async def test_import_lines_come_by_pages(service: AccountsService, user_id: UUID, account: Account) -> None:
    import_id = uuid7()
    lines = [2, 3, 5, 8, 13]
    await service.append_transactions(user_id, import_id, batches([row(account.id, line) for line in lines]), fingerprints)
    first = await service.list_import_lines(user_id, import_id, after_line=0, requested_size=3)
    rest = await service.list_import_lines(user_id, import_id, after_line=first[-1].line, requested_size=3)
    assert [line for line, _ in first + rest] == lines
    by_id = {one.id: one.description for one in await everything(service, user_id)}
    assert [by_id[found] for _, found in first + rest] == [f"Groceries {line}" for line in lines]
    assert await service.list_import_lines(user_id, uuid7(), after_line=0, requested_size=3) == []
