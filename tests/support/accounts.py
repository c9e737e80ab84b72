"""The ledger in memory, with the same rules as the one in PostgreSQL: the contract suite runs on both."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import polars as pl
from uuid_utils.compat import uuid7

from migrations.taxonomy import read_taxonomy
from services.accounts.category_labels import CategoryLabels
from services.accounts.domain import (
    UNCATEGORIZED,
    Account,
    AppendOutcome,
    Category,
    FingerprintSource,
    FirstRequest,
    ImportLine,
    ImportLines,
    KeptRow,
    NewAccount,
    Profile,
    RowIdentity,
    Transaction,
    TransactionChanges,
    TransactionFilters,
    TransactionPosition,
    Transfer,
    TransferState,
    TypedTransaction,
    UndoOutcome,
    account_exists,
    account_not_found,
    category_exists,
    import_id_reused,
    not_suspected,
    request_id_reused,
    transaction_not_found,
    transfer_not_found,
    unknown_category,
)
from services.accounts.filters import Expression
from services.accounts.filters.domain import Condition, Field, Operator
from services.kit.errors import invalid
from tests.support.filter_meaning import folded, holds, words


class _Shelf:
    """What one user has."""

    def __init__(self) -> None:
        self.profile: Profile | None = None
        self.accounts: dict[UUID, Account] = {}
        self.account_requests: dict[str, tuple[bytes, UUID]] = {}
        self.categories: dict[str, Category] = {}
        self.category_requests: dict[str, tuple[bytes, str]] = {}
        self.transactions: dict[UUID, Transaction] = {}
        self.fingerprints: dict[str, UUID] = {}
        self.lines: dict[tuple[UUID, int], UUID] = {}


class FakeAccountsRepository:
    """An `AccountsRepository` that forgets everything with the process."""

    def __init__(self) -> None:
        self._taxonomy = [Category(row["slug"], row["name"], row["primary_slug"]) for row in read_taxonomy()]
        self._shelves: dict[UUID, _Shelf] = {}

    def _shelf(self, user_id: UUID) -> _Shelf:
        return self._shelves.setdefault(user_id, _Shelf())

    def _categories(self, user_id: UUID) -> dict[str, Category]:
        return {category.slug: category for category in self._taxonomy} | self._shelf(user_id).categories

    async def append_transactions(
        self, user_id: UUID, import_id: UUID, batches: AsyncIterator[pl.DataFrame], fingerprints: FingerprintSource
    ) -> AppendOutcome:
        shelf = self._shelf(user_id)
        labels = CategoryLabels(list(self._categories(user_id).values()))
        rows: list[dict[str, Any]] = []
        async for batch in batches:
            for account in batch["account_id"].unique().sort():
                if UUID(account) not in shelf.accounts:
                    raise account_not_found(UUID(account))
            rows += batch.to_dicts()
        held_before = sum(1 for held, _ in shelf.lines if held == import_id)
        new, duplicates, known = [], [], dict(shelf.fingerprints)
        now = datetime.now(UTC)
        for row in rows:
            held = known.get(row["fingerprint"])
            if held is None:
                category = labels.slug(row["category"]) if row["category"] else None
                category, source, confidence = (category, "file", None) if category else _predicted(row, labels)
                transaction = Transaction(
                    id=uuid7(),
                    account_id=UUID(row["account_id"]),
                    transaction_date=row["transaction_date"],
                    amount_steps=int(row["amount"].scaleb(4)),
                    currency=row["currency"],
                    description=row["description"],
                    merchant=row["merchant"],
                    category=category,
                    category_source=source,
                    confidence=confidence,
                    status=row["status"],
                    note="",
                    payment_method=row["payment_method"],
                    import_id=import_id,
                    created_at=now,
                )
                known[row["fingerprint"]] = transaction.id
                new.append((row["line"], transaction))
            elif shelf.lines.get((import_id, row["line"])) != held:
                duplicates.append(ImportLine(row["line"], held))
        inserted = len(rows) - len(duplicates)
        if held_before + len(new) != inserted:
            raise import_id_reused(import_id)
        shelf.fingerprints = known
        for line, transaction in new:
            shelf.transactions[transaction.id] = transaction
            shelf.lines[import_id, line] = transaction.id
        return AppendOutcome(inserted, ImportLines(duplicates))

    async def append_typed_transaction(
        self, user_id: UUID, typed: TypedTransaction, batches: AsyncIterator[pl.DataFrame], fingerprints: FingerprintSource
    ) -> AppendOutcome:
        shelf = self._shelf(user_id)
        if typed.category and typed.category not in self._categories(user_id):
            raise unknown_category(typed.category)
        rows = [row async for batch in batches for row in batch.to_dicts()]
        if len(rows) != 1:
            raise invalid("record_batch", f"holds {len(rows)} rows instead of the one that was typed in")
        (row,) = rows
        if UUID(row["account_id"]) not in shelf.accounts:
            raise account_not_found(UUID(row["account_id"]))
        if typed.id in shelf.transactions:
            return AppendOutcome(1, ImportLines())
        while (held := shelf.fingerprints.get(row["fingerprint"])) is not None:
            if not typed.allow_equal:
                return AppendOutcome(0, ImportLines([ImportLine(row["line"], held)]))
            row["occurrence"] += 1
            values = {field: row[field] for field in RowIdentity._fields} | {"account_id": UUID(row["account_id"])}
            (row["fingerprint"],) = await fingerprints([RowIdentity(**values)])
        labels = CategoryLabels(list(self._categories(user_id).values()))
        category, source, confidence = (typed.category, "user", None) if typed.category else _predicted(row, labels)
        shelf.fingerprints[row["fingerprint"]] = typed.id
        shelf.transactions[typed.id] = Transaction(
            id=typed.id,
            account_id=UUID(row["account_id"]),
            transaction_date=row["transaction_date"],
            amount_steps=int(row["amount"].scaleb(4)),
            currency=row["currency"],
            description=row["description"],
            merchant=row["merchant"],
            category=category,
            category_source=source,
            confidence=confidence,
            status=row["status"],
            note=typed.note,
            payment_method=row["payment_method"],
            import_id=None,
            created_at=datetime.now(UTC),
        )
        return AppendOutcome(1, ImportLines())

    async def merge_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction:
        raise not_suspected((await self.get_transaction(user_id, transaction_id)).id)

    async def keep_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction:
        return await self.get_transaction(user_id, transaction_id)

    async def undo_import(self, user_id: UUID, import_id: UUID) -> UndoOutcome:
        shelf = self._shelf(user_id)
        kept, removed = [], 0
        for key, found in sorted(shelf.lines.items()):
            if key[0] != import_id:
                continue
            one = shelf.transactions[found]
            if one.note or one.category_source == "user":
                kept.append(KeptRow(found, "you wrote a note on it" if one.category_source != "user" else "you set its category"))
                continue
            del shelf.lines[key], shelf.transactions[found]
            shelf.fingerprints = {name: held for name, held in shelf.fingerprints.items() if held != found}
            removed += 1
        return UndoOutcome(removed, kept)

    async def list_transfers(self, user_id: UUID, states: Collection[TransferState], *, after: UUID | None, limit: int) -> list[Transfer]:
        return []

    async def get_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer:
        raise transfer_not_found(transfer_id)

    async def confirm_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer:
        raise transfer_not_found(transfer_id)

    async def undo_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer:
        raise transfer_not_found(transfer_id)

    async def list_import_lines(self, user_id: UUID, import_id: UUID, *, after_line: int, limit: int) -> list[ImportLine]:
        lines = sorted((line, found) for (held, line), found in self._shelf(user_id).lines.items() if held == import_id)
        return [ImportLine(line, found) for line, found in lines if line > after_line][:limit]

    async def list_transactions(
        self,
        user_id: UUID,
        filters: TransactionFilters,
        *,
        after: TransactionPosition | None,
        limit: int,
        matching: Expression | None = None,
    ) -> list[Transaction]:
        known = self._categories(user_id)
        found = [
            self._complete(user_id, one)
            for one in self._shelf(user_id).transactions.values()
            if _passes(self._complete(user_id, one), filters, known) and (matching is None or self._means(user_id, matching, one))
        ]
        found.sort(key=lambda one: (one.transaction_date, one.id), reverse=True)
        if after is not None:
            found = [one for one in found if (one.transaction_date, one.id) < tuple(after)]
        return found[:limit]

    def _means(self, user_id: UUID, matching: Expression, one: Transaction) -> bool:
        below: dict[str, set[str]] = {}
        for slug, category in self._categories(user_id).items():
            below.setdefault(category.primary_slug, set()).add(slug)
        columns = {
            "merchant_name": one.merchant,
            "type": "debit" if one.amount_steps < 0 else "credit",
            "amount": one.amount,
            "raw_data": None,
        }
        return holds(matching, one._asdict() | columns, below)

    async def unknown_words(self, user_id: UUID, words: Sequence[str]) -> list[str]:
        rows = self._shelf(user_id).transactions.values()
        return [word for word in words if not any(self._means(user_id, Condition(Field.TEXT, Operator.HAS, word), one) for one in rows)]

    async def known_words(self, user_id: UUID, shortest: int, longest: int) -> list[tuple[str, int]]:
        texts = [f"{folded(one.description)} {(one.merchant or '').lower()}" for one in self._shelf(user_id).transactions.values()]
        held = Counter(word for text in texts for word in words(text) if shortest <= len(word) <= longest)
        return [(word, count) for word, count in held.most_common() if word.isalpha()]

    async def get_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction:
        found = self._shelf(user_id).transactions.get(transaction_id)
        if found is None:
            raise transaction_not_found(transaction_id)
        return self._complete(user_id, found)

    async def update_transaction(self, user_id: UUID, transaction_id: UUID, changes: TransactionChanges) -> Transaction:
        if changes.category and changes.category not in self._categories(user_id):
            raise unknown_category(changes.category)
        changed = await self.get_transaction(user_id, transaction_id)
        if changes.note is not None:
            changed = changed._replace(note=changes.note)
        if changes.category is not None:
            source = "user" if changes.category else None
            changed = changed._replace(category=changes.category or None, category_source=source, confidence=None)
        self._shelf(user_id).transactions[transaction_id] = changed
        return self._complete(user_id, changed)

    def _complete(self, user_id: UUID, transaction: Transaction) -> Transaction:
        category = self._categories(user_id).get(transaction.category or "")
        return transaction._replace(primary_category=category.primary_slug if category else None)

    async def create_account(self, user_id: UUID, new: NewAccount, request: FirstRequest, default_currency: str) -> Account:
        shelf = self._shelf(user_id)
        if request.request_id in shelf.account_requests:
            content_hash, account_id = shelf.account_requests[request.request_id]
            if content_hash != request.content_hash:
                raise request_id_reused(request.request_id)
            return shelf.accounts[account_id]
        new = self._with_currency(user_id, new, default_currency)
        if self._find(user_id, new.identifier, new.name, new.currency):
            raise account_exists(new.identifier, new.name, new.currency)
        account = self._open(user_id, new)
        shelf.account_requests[request.request_id] = (request.content_hash, account.id)
        return account

    async def ensure_account(self, user_id: UUID, new: NewAccount, default_currency: str) -> tuple[Account, bool]:
        new = self._with_currency(user_id, new, default_currency)
        found = self._find(user_id, new.identifier, new.name, new.currency)
        return (found, False) if found else (self._open(user_id, new), True)

    async def get_account(self, user_id: UUID, account_id: UUID) -> Account:
        found = self._shelf(user_id).accounts.get(account_id)
        if found is None:
            raise account_not_found(account_id)
        return found

    async def list_accounts(self, user_id: UUID, *, after: UUID | None, limit: int, include_inactive: bool) -> list[Account]:
        accounts = sorted(self._shelf(user_id).accounts.values(), key=lambda account: account.id)
        return [account for account in accounts if (account.active or include_inactive) and (after is None or account.id > after)][:limit]

    async def change_account(self, user_id: UUID, account_id: UUID, change: Callable[[Account], Account]) -> Account:
        changed = change(await self.get_account(user_id, account_id))
        other = self._find(user_id, changed.identifier, changed.name, changed.currency)
        if other is not None and other.id != account_id:
            raise account_exists(changed.identifier, changed.name, changed.currency)
        self._shelf(user_id).accounts[account_id] = changed
        return changed

    def _with_currency(self, user_id: UUID, new: NewAccount, default: str) -> NewAccount:
        profile = self._shelf(user_id).profile
        return replace(new, currency=new.currency or (profile.default_currency if profile else default))

    def _find(self, user_id: UUID, identifier: str, name: str, currency: str) -> Account | None:
        for account in self._shelf(user_id).accounts.values():
            if identifier and account.identifier == identifier:
                return account
            if not identifier and not account.identifier and (account.name, account.currency) == (name, currency):
                return account
        return None

    def _open(self, user_id: UUID, new: NewAccount) -> Account:
        account = Account(
            id=uuid7(),
            name=new.name,
            type=new.type,
            currency=new.currency,
            identifier=new.identifier,
            opening_balance=new.opening_balance,
            active=True,
            created_at=datetime.now(UTC),
        )
        self._shelf(user_id).accounts[account.id] = account
        return account

    async def get_profile(self, user_id: UUID) -> Profile:
        shelf = self._shelf(user_id)
        if shelf.profile is None:
            now = datetime.now(UTC)
            shelf.profile = Profile(user_id, "", "EUR", "en", "UTC", now, now)
        return shelf.profile

    async def change_profile(self, user_id: UUID, change: Callable[[Profile], Profile]) -> Profile:
        changed = replace(change(await self.get_profile(user_id)), updated_at=datetime.now(UTC))
        self._shelf(user_id).profile = changed
        return changed

    async def list_categories(self, user_id: UUID, *, after: tuple[bool, str] | None, limit: int) -> list[Category]:
        known = sorted(self._categories(user_id).values(), key=lambda category: (category.custom, category.slug))
        return [category for category in known if after is None or (category.custom, category.slug) > after][:limit]

    async def create_category(self, user_id: UUID, category: Category, request: FirstRequest) -> Category:
        shelf = self._shelf(user_id)
        primary = self._categories(user_id).get(category.primary_slug)
        if primary is None or primary.custom or primary.primary_slug != category.primary_slug:
            raise unknown_category(category.primary_slug, "primary_slug")
        if any(known.slug == category.slug for known in self._taxonomy):
            raise category_exists(category.slug)
        if request.request_id in shelf.category_requests:
            content_hash, slug = shelf.category_requests[request.request_id]
            if content_hash != request.content_hash:
                raise request_id_reused(request.request_id)
            return shelf.categories[slug]
        if category.slug in shelf.categories:
            raise category_exists(category.slug)
        shelf.categories[category.slug] = category
        shelf.category_requests[request.request_id] = (request.content_hash, category.slug)
        return category


def _passes(one: Transaction, filters: TransactionFilters, known: dict[str, Category]) -> bool:
    wanted = filters.category
    is_primary = wanted in known and not known[wanted].custom and known[wanted].primary_slug == wanted
    return (
        (filters.date_from is None or one.transaction_date >= filters.date_from)
        and (filters.date_to is None or one.transaction_date <= filters.date_to)
        and (filters.amount_min is None or one.amount >= filters.amount_min)
        and (filters.amount_max is None or one.amount <= filters.amount_max)
        and (filters.merchant is None or (one.merchant or "").lower() == filters.merchant.lower())
        and (filters.type is None or (one.amount_steps < 0) == (filters.type == "debit"))
        and (filters.status is None or one.status == filters.status)
        and (filters.account_id is None or one.account_id == filters.account_id)
        and (filters.suspected_duplicate is None or (one.suspected_duplicate_of is not None) == filters.suspected_duplicate)
        and (
            wanted is None
            or (wanted == UNCATEGORIZED and one.category is None)
            or (one.primary_category == wanted if is_primary else one.category == wanted)
        )
    )


def _predicted(row: dict[str, Any], labels: CategoryLabels) -> tuple[str | None, str | None, float | None]:
    """Category, whose word it is, and its confidence."""
    if row["predicted_category"] is None or not labels.is_slug(row["predicted_category"]):
        return None, None, None
    return row["predicted_category"], row["prediction_source"], row["confidence"]
