"""What counts as the same payment: the six cases of the ledger's promise, banks' ids, bookings, and what the user decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from services.accounts.domain import AppendOutcome, NewAccount, Transaction, TransactionChanges, TransactionFilters
from services.accounts.repository import PostgresAccountsRepository
from services.accounts.service import AccountsService
from services.kit.errors import FailedPrecondition, NotFound
from services.kit.pagination import PageTokens
from tests.support.ledger_rows import batches, fingerprints, row

DAY = date(2026, 3, 2)


class Ledger:
    """One user's account, filled by files."""

    def __init__(self, service: AccountsService, user_id: UUID, account_id: UUID) -> None:
        self.service = service
        self.user_id = user_id
        self.account_id = account_id

    async def add(self, *rows: dict[str, Any], import_id: UUID | None = None) -> AppendOutcome:
        """One file, with lines and occurrences as ingestion numbers them."""
        seen: Counter[tuple[Any, ...]] = Counter()
        made = []
        for line, values in enumerate(rows, start=2):
            one = row(self.account_id, line, **values)
            key = (one["transaction_date"], one["amount"], one["description_key"])
            seen[key] += 1
            made.append(row(self.account_id, line, **values, occurrence=seen[key]))
        return await self.service.append_transactions(self.user_id, import_id or uuid7(), batches(made), fingerprints)

    async def rows(self) -> list[Transaction]:
        found, _ = await self.service.list_transactions(self.user_id, TransactionFilters(), requested_size=1000, token="")
        return sorted(found, key=lambda one: (one.transaction_date, one.id))

    async def content(self) -> Counter[tuple[Any, ...]]:
        return Counter((one.transaction_date, one.amount, one.description) for one in await self.rows())


def paid(text: str, amount: str = "-5.00", day: date = DAY, **values: Any) -> dict[str, Any]:
    return {"description": text, "amount": Decimal(amount), "transaction_date": day, **values}


@pytest.fixture
async def ledger(postgres: PostgresAccountsRepository, user_id: UUID) -> Ledger:
    service = AccountsService(postgres, PageTokens(b"a page token key for tests only!"))
    account, _ = await service.ensure_account(user_id, NewAccount("Everyday", "EUR"))
    return Ledger(service, user_id, account.id)


def counts(outcome: AppendOutcome) -> tuple[int, int, int]:
    return outcome.inserted_count, len(outcome.duplicates), len(outcome.suspected)


async def test_case_1_the_same_file_again_adds_nothing(ledger: Ledger) -> None:
    file = [paid("Coffee"), paid("Coffee"), paid("Rent", "-900"), paid("Salary", "2000")]
    assert counts(await ledger.add(*file)) == (4, 0, 0)
    before = await ledger.rows()
    outcome = await ledger.add(*file)
    assert counts(outcome) == (0, 4, 0)
    assert {one.transaction_id for one in outcome.duplicates} == {one.id for one in before}
    assert await ledger.rows() == before


async def test_every_row_of_the_same_file_is_the_transaction_that_it_became(ledger: Ledger) -> None:
    file = [paid("Coffee", source_id="A"), paid("Coffee", source_id="B"), paid("Tea"), paid("Tea"), paid("Rent", status="pending")]
    import_id = uuid7()
    await ledger.add(*file, import_id=import_id)
    lines = dict(await ledger.service.list_import_lines(ledger.user_id, import_id, after_line=0, requested_size=100))
    assert dict((await ledger.add(*file)).duplicates) == lines
    swapped = [file[1], file[0], *file[2:]]
    assert dict((await ledger.add(*swapped)).duplicates) == {**lines, 2: lines[3], 3: lines[2]}


async def test_a_file_of_known_rows_still_books_what_is_pending(ledger: Ledger) -> None:
    await ledger.add(paid("Coffee", status="pending"), paid("Tea"))
    assert counts(await ledger.add(paid("Coffee"), paid("Tea"))) == (0, 2, 0)
    assert [one.status for one in await ledger.rows()] == ["posted", "posted"]


async def test_a_known_row_under_an_id_that_the_ledger_lacks_teaches_it(ledger: Ledger) -> None:
    await ledger.add(paid("Coffee"), paid("Tea"))
    assert counts(await ledger.add(paid("Coffee", source_id="A"), paid("Tea", source_id="B"))) == (0, 2, 0)
    assert counts(await ledger.add(paid("Coffee", source_id="C"), paid("Tea", source_id="B"))) == (1, 1, 0)


@pytest.mark.requirement("ING-08")
async def test_case_2_two_equal_rows_are_both_kept_and_stay_two_under_an_overlapping_export(ledger: Ledger) -> None:
    assert counts(await ledger.add(paid("Tea", day=DAY - timedelta(1)), paid("Coffee"), paid("Coffee"))) == (3, 0, 0)
    later = [paid("Coffee"), paid("Coffee"), paid("Lunch", "-11.50", DAY + timedelta(1))]
    assert counts(await ledger.add(*later)) == (1, 2, 0)
    assert (await ledger.content())[DAY, Decimal("-5"), "Coffee"] == 2


async def test_case_3_another_shop_with_the_same_amount_is_kept(ledger: Ledger) -> None:
    await ledger.add(paid("Corner bakery"))
    assert counts(await ledger.add(paid("Station kiosk", day=DAY + timedelta(2)))) == (1, 0, 0)
    assert counts(await ledger.add(paid("Book shop"))) == (1, 0, 0)


async def test_case_4_a_nearly_equal_amount_is_kept(ledger: Ledger) -> None:
    await ledger.add(paid("Coffee", "-5.00"))
    assert counts(await ledger.add(paid("Coffee", "-5.01"))) == (1, 0, 0)


async def test_case_5_a_row_posted_late_with_an_older_date_is_kept(ledger: Ledger) -> None:
    await ledger.add(paid("Rent", "-900", DAY), paid("Coffee", day=DAY + timedelta(5)))
    outcome = await ledger.add(paid("Rent", "-900", DAY), paid("Hotel", "-120", DAY - timedelta(3)), paid("Coffee", day=DAY + timedelta(5)))
    assert counts(outcome) == (1, 2, 0)


async def test_case_6_capitals_and_blanks_do_not_double_and_added_text_is_suspected(ledger: Ledger) -> None:
    await ledger.add(paid("Corner Bakery 12"))
    assert counts(await ledger.add(paid("  CORNER   bakery 12 "))) == (0, 1, 0)
    outcome = await ledger.add(paid("Corner Bakery 12 Card payment 4711"))
    assert counts(outcome) == (1, 0, 1)
    first, second = await ledger.rows()
    assert outcome.suspected[0][:3] == (2, second.id, first.id)
    assert "text" in outcome.suspected[0].reason
    assert (second.suspected_duplicate_of, second.suspicion) == (first.id, outcome.suspected[0].reason)
    # Known from now on: the same file again is no news.
    assert counts(await ledger.add(paid("Corner Bakery 12 Card payment 4711"))) == (0, 1, 0)


async def test_rows_that_differ_in_text_are_both_kept_when_one_file_has_both(ledger: Ledger) -> None:
    file = [paid("Bakery"), paid("Bakery north")]
    assert counts(await ledger.add(*file)) == (2, 0, 0)
    assert counts(await ledger.add(*file)) == (0, 2, 0)


async def test_the_banks_own_id_decides_first(ledger: Ledger) -> None:
    await ledger.add(paid("Card payment", source_id="A1"))
    assert counts(await ledger.add(paid("CARD PAYMENT BAKERY NORTH", source_id="A1"))) == (0, 1, 0)


async def test_another_id_is_another_payment_and_takes_the_next_number(ledger: Ledger) -> None:
    await ledger.add(paid("Coffee", source_id="A1"))
    assert counts(await ledger.add(paid("Coffee", source_id="A2"))) == (1, 0, 0)
    assert counts(await ledger.add(paid("Coffee", source_id="A1"), paid("Coffee", source_id="A2"))) == (0, 2, 0)
    assert counts(await ledger.add(paid("Coffee", source_id="A3"), paid("Coffee", source_id="A1"))) == (1, 1, 0)
    assert len(await ledger.rows()) == 3


async def test_the_same_id_on_another_day_is_suspected_because_banks_reuse_ids(ledger: Ledger) -> None:
    await ledger.add(paid("Coffee", source_id="A1"))
    outcome = await ledger.add(paid("Lunch", "-12", DAY + timedelta(40), source_id="A1"))
    assert counts(outcome) == (1, 0, 1)
    assert "2026-03-02" in outcome.suspected[0].reason
    assert counts(await ledger.add(paid("Lunch", "-12", DAY + timedelta(40), source_id="A1"))) == (0, 1, 0)


async def test_an_id_repeated_in_one_file_loses_nothing_and_a_placeholder_says_nothing(ledger: Ledger) -> None:
    file = [paid("Coffee", source_id="A1"), paid("Coffee", source_id="A1")]
    outcome = await ledger.add(*file)
    assert counts(outcome) == (2, 0, 1)
    assert "line 2" in outcome.suspected[0].reason
    assert counts(await ledger.add(*file)) == (0, 2, 0)
    placeholder = [paid(f"Shop {number}", f"-{number}", source_id="0") for number in range(1, 6)]
    assert counts(await ledger.add(*placeholder)) == (5, 0, 0)
    assert counts(await ledger.add(*placeholder)) == (0, 5, 0)


async def test_an_export_with_ids_knows_the_rows_of_one_without(ledger: Ledger) -> None:
    await ledger.add(paid("Coffee"), paid("Coffee"))
    with_ids = [paid("Coffee", source_id="A1"), paid("Coffee", source_id="A2"), paid("Coffee", source_id="A3")]
    assert counts(await ledger.add(*with_ids)) == (1, 2, 0)
    assert counts(await ledger.add(*with_ids)) == (0, 3, 0)
    assert counts(await ledger.add(paid("Coffee"), paid("Coffee"), paid("Coffee"))) == (0, 3, 0)


async def test_a_pending_row_that_is_booked_stays_one(ledger: Ledger) -> None:
    await ledger.add(paid("Coffee bar", status="pending"))
    assert counts(await ledger.add(paid("COFFEE BAR BERLIN", day=DAY + timedelta(2)))) == (0, 1, 0)
    (found,) = await ledger.rows()
    assert (found.status, found.transaction_date, found.description) == ("posted", DAY + timedelta(2), "COFFEE BAR BERLIN")
    # The older export may come again, and so may the newer one.
    assert counts(await ledger.add(paid("Coffee bar", status="pending"))) == (0, 1, 0)
    assert counts(await ledger.add(paid("COFFEE BAR BERLIN", day=DAY + timedelta(2)))) == (0, 1, 0)
    assert len(await ledger.rows()) == 1


async def test_a_pending_row_under_another_name_is_suspected(ledger: Ledger) -> None:
    await ledger.add(paid("Authorisation", status="pending"))
    assert counts(await ledger.add(paid("Bakery north"))) == (1, 0, 1)


async def test_an_old_pending_row_does_not_swallow_a_booked_one(ledger: Ledger) -> None:
    await ledger.add(paid("Bakery north"))
    assert counts(await ledger.add(paid("Bakery north", day=DAY + timedelta(1), status="pending"))) == (1, 0, 0)
    assert {one.status for one in await ledger.rows()} == {"posted", "pending"}


async def test_merge_makes_one_of_two_and_remembers(ledger: Ledger) -> None:
    await ledger.add(paid("Bakery"))
    await ledger.add(paid("Bakery north", source_id="B7"))
    first, second = await ledger.rows()
    changes = TransactionChanges(note="with Ann", category="dining_cafe")
    await ledger.service.update_transaction(ledger.user_id, second.id, changes)
    merged = await ledger.service.merge_transaction(ledger.user_id, second.id)
    assert (merged.id, merged.note, merged.category, merged.category_source) == (first.id, "with Ann", "dining_cafe", "user")
    assert [one.id for one in await ledger.rows()] == [first.id]
    for file in (paid("Bakery"), paid("Bakery north"), paid("Bakery north and more", source_id="B7")):
        assert counts(await ledger.add(file)) == (0, 1, 0)
    with pytest.raises(FailedPrecondition):
        await ledger.service.merge_transaction(ledger.user_id, first.id)
    with pytest.raises(NotFound):
        await ledger.service.merge_transaction(ledger.user_id, second.id)


async def test_keep_settles_it(ledger: Ledger) -> None:
    await ledger.add(paid("Bakery"))
    await ledger.add(paid("Bakery north"))
    _, second = await ledger.rows()
    for _ in range(2):
        kept = await ledger.service.keep_transaction(ledger.user_id, second.id)
        assert (kept.id, kept.suspected_duplicate_of, kept.suspicion) == (second.id, None, None)
    assert counts(await ledger.add(paid("Bakery north"))) == (0, 1, 0)


async def test_another_user_decides_nothing(ledger: Ledger, other_user_id: UUID) -> None:
    await ledger.add(paid("Bakery"))
    import_id = uuid7()
    await ledger.add(paid("Bakery north"), import_id=import_id)
    before = await ledger.rows()
    with pytest.raises(NotFound):
        await ledger.service.merge_transaction(other_user_id, before[1].id)
    with pytest.raises(NotFound):
        await ledger.service.keep_transaction(other_user_id, before[1].id)
    assert (await ledger.service.undo_import(other_user_id, import_id)).removed_count == 0
    assert await ledger.rows() == before


async def test_undo_removes_what_the_import_brought_and_says_what_it_left(ledger: Ledger) -> None:
    await ledger.add(paid("Rent", "-900"))
    import_id = uuid7()
    outcome = await ledger.add(paid("Rent", "-900"), paid("Coffee"), paid("Tea", "-3"), paid("Cake", "-4"), import_id=import_id)
    assert counts(outcome) == (3, 1, 0)
    cake = next(one for one in await ledger.rows() if one.description == "Cake")
    await ledger.service.update_transaction(ledger.user_id, cake.id, TransactionChanges(note="birthday"))
    undone = await ledger.service.undo_import(ledger.user_id, import_id)
    assert (undone.removed_count, [one.transaction_id for one in undone.kept]) == (2, [cake.id])
    assert "note" in undone.kept[0].reason
    assert sorted(one.description for one in await ledger.rows()) == ["Cake", "Rent"]
    assert (await ledger.service.undo_import(ledger.user_id, import_id)).removed_count == 0
    # The file may come again.
    assert counts(await ledger.add(paid("Rent", "-900"), paid("Coffee"), paid("Tea", "-3"), paid("Cake", "-4"))) == (2, 2, 0)


async def test_undo_of_a_suspected_original_clears_the_suspicion(ledger: Ledger) -> None:
    import_id = uuid7()
    await ledger.add(paid("Bakery"), import_id=import_id)
    await ledger.add(paid("Bakery north"))
    await ledger.service.undo_import(ledger.user_id, import_id)
    (left,) = await ledger.rows()
    assert left.suspected_duplicate_of is None


async def test_the_same_import_again_gives_the_same_answer(ledger: Ledger) -> None:
    await ledger.add(paid("Bakery"), paid("Coffee", source_id="A1"), paid("Shop", status="pending", amount="-7"))
    file = [
        paid("Bakery north"), paid("Coffee", source_id="A2"), paid("Coffee", source_id="A1"),
        paid("Shop", "-7", DAY + timedelta(1)), paid("Tea", "-3"),
    ]  # fmt: skip
    import_id = uuid7()
    first = await ledger.add(*file, import_id=import_id)
    rows = await ledger.rows()
    again = await ledger.add(*file, import_id=import_id)
    assert (again.inserted_count, list(again.duplicates)) == (first.inserted_count, list(first.duplicates))
    assert counts(first) == (3, 2, 1)
    assert await ledger.rows() == rows


days = st.integers(0, 6)
payments = st.tuples(days, st.sampled_from(["-5.00", "-5.01", "-12.00"]), st.sampled_from(["Coffee", "Bakery", "Bakery north"]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    truth=st.lists(payments, min_size=1, max_size=14),
    spans=st.lists(st.tuples(days, days), max_size=4),
    with_ids=st.booleans(),
    order=st.randoms(use_true_random=False),
)
async def test_any_cover_by_overlapping_exports_of_whole_days_gives_exactly_the_ledger(
    postgres: PostgresAccountsRepository, truth: Sequence[tuple[int, str, str]], spans: list[tuple[int, int]], with_ids: bool, order: Any
) -> None:
    user_id = uuid7()
    service = AccountsService(postgres, PageTokens(b"a page token key for tests only!"))
    account, _ = await service.ensure_account(user_id, NewAccount("Everyday", "EUR"))
    ledger = Ledger(service, user_id, account.id)
    rows = [
        (day, paid(text, amount, DAY + timedelta(day), source_id=f"ID{number}" if with_ids else None))
        for number, (day, amount, text) in enumerate(truth)
    ]
    exports = [(min(span), max(span)) for span in spans] + [(0, 2), (3, 6)]
    order.shuffle(exports)
    for first, last in exports:
        await ledger.add(*(one for day, one in rows if first <= day <= last))
    expected = Counter((one["transaction_date"], one["amount"], one["description"]) for _, one in rows)
    assert await ledger.content() == expected


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(file=st.lists(st.tuples(payments, st.sampled_from([None, "A", "B", "C"])), min_size=1, max_size=10))
async def test_known_rows_are_told_the_same_with_and_without_a_new_row_beside_them(
    postgres: PostgresAccountsRepository, file: Sequence[tuple[tuple[int, str, str], str | None]]
) -> None:
    """A file of known rows only is settled in one step, one with a new row in many."""
    user_id = uuid7()
    service = AccountsService(postgres, PageTokens(b"a page token key for tests only!"))
    account, _ = await service.ensure_account(user_id, NewAccount("Everyday", "EUR"))
    ledger = Ledger(service, user_id, account.id)
    rows = [paid(text, amount, DAY + timedelta(day), source_id=source_id) for (day, amount, text), source_id in file]
    await ledger.add(*rows)
    known = await ledger.add(*rows)
    assert counts(known) == (0, len(rows), 0)
    beside = await ledger.add(*rows, paid("New", "77.00"))
    assert counts(beside) == (1, len(rows), 0)
    assert known.duplicates == beside.duplicates
