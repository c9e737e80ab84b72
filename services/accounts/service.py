"""The ledger's use-cases and rules."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from datetime import date
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import polars as pl

from services.accounts.domain import (
    DEFAULT_CURRENCY,
    UNCATEGORIZED,
    Account,
    AccountChanges,
    AppendOutcome,
    Category,
    FingerprintSource,
    FirstRequest,
    ImportLine,
    NewAccount,
    Profile,
    ProfileChanges,
    Transaction,
    TransactionChanges,
    TransactionFilters,
    TransactionPosition,
    Transfer,
    TransferState,
    TypedTransaction,
    UndoOutcome,
)
from services.accounts.filters import Expression
from services.accounts.search import (
    MAX_DISTANCE,
    MAX_MISTYPED,
    CorrectedWord,
    TransactionPage,
    matching,
    may_be_mistyped,
    nearest,
    words_of,
)
from services.kit.errors import invalid
from services.kit.pagination import MAX_PAGE_SIZE, PageTokens, page_size

_MAX_PAGE_CHARS = 900_000
"""Of one page: in the widest script still below gRPC's 4 MiB."""
_CHARS_BESIDE_TEXTS = 250
"""Ids, dates, amount and slugs of one row."""


class AccountsRepository(Protocol):
    """What the service stores. Each method is one transaction and touches only rows of `user_id`."""

    async def append_transactions(
        self, user_id: UUID, import_id: UUID, batches: AsyncIterator[pl.DataFrame], fingerprints: FingerprintSource
    ) -> AppendOutcome: ...

    async def append_typed_transaction(
        self, user_id: UUID, typed: TypedTransaction, batches: AsyncIterator[pl.DataFrame], fingerprints: FingerprintSource
    ) -> AppendOutcome: ...

    async def merge_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction: ...

    async def keep_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction: ...

    async def list_transfers(
        self, user_id: UUID, states: Collection[TransferState], *, after: UUID | None, limit: int
    ) -> list[Transfer]: ...

    async def get_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer: ...

    async def confirm_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer: ...

    async def undo_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer: ...

    async def undo_import(self, user_id: UUID, import_id: UUID) -> UndoOutcome: ...

    async def list_import_lines(self, user_id: UUID, import_id: UUID, *, after_line: int, limit: int) -> list[ImportLine]: ...

    async def list_transactions(
        self,
        user_id: UUID,
        filters: TransactionFilters,
        *,
        after: TransactionPosition | None,
        limit: int,
        matching: Expression | None = None,
    ) -> list[Transaction]: ...

    async def unknown_words(self, user_id: UUID, words: Sequence[str]) -> list[str]: ...

    async def known_words(self, user_id: UUID, shortest: int, longest: int) -> list[tuple[str, int]]: ...

    async def get_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction: ...

    async def update_transaction(self, user_id: UUID, transaction_id: UUID, changes: TransactionChanges) -> Transaction: ...

    async def create_account(self, user_id: UUID, new: NewAccount, request: FirstRequest, default_currency: str) -> Account: ...

    async def ensure_account(self, user_id: UUID, new: NewAccount, default_currency: str) -> tuple[Account, bool]: ...

    async def get_account(self, user_id: UUID, account_id: UUID) -> Account: ...

    async def list_accounts(self, user_id: UUID, *, after: UUID | None, limit: int, include_inactive: bool) -> list[Account]: ...

    async def change_account(self, user_id: UUID, account_id: UUID, change: Callable[[Account], Account]) -> Account: ...

    async def get_profile(self, user_id: UUID) -> Profile: ...

    async def change_profile(self, user_id: UUID, change: Callable[[Profile], Profile]) -> Profile: ...

    async def list_categories(self, user_id: UUID, *, after: tuple[bool, str] | None, limit: int) -> list[Category]: ...

    async def create_category(self, user_id: UUID, category: Category, request: FirstRequest) -> Category: ...


class AccountsService:
    """Use-cases of the ledger, for the verified user who asks."""

    def __init__(
        self, repository: AccountsRepository, page_tokens: PageTokens, *, forget_categories: Callable[[UUID], Awaitable[None]] | None = None
    ) -> None:
        """`forget_categories` drops the list of a user's categories that others keep; it must not raise."""
        self._repository = repository
        self._page_tokens = page_tokens
        self._forget_categories = forget_categories

    async def append_transactions(
        self, user_id: UUID, import_id: UUID, batches: AsyncIterator[pl.DataFrame], fingerprints: FingerprintSource
    ) -> AppendOutcome:
        """Adds all rows of an import or none. Raises NotFound for an account that is not the user's, and what `batches` raises."""
        return await self._repository.append_transactions(user_id, import_id, batches, fingerprints)

    async def append_typed_transaction(
        self, user_id: UUID, typed: TypedTransaction, batches: AsyncIterator[pl.DataFrame], fingerprints: FingerprintSource
    ) -> AppendOutcome:
        """Adds the one row that the user typed in, unless the ledger holds it. Raises NotFound and InvalidArgument."""
        return await self._repository.append_typed_transaction(user_id, typed, batches, fingerprints)

    async def merge_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction:
        """Makes a suspected duplicate one with the earlier transaction, which is returned. Raises NotFound and FailedPrecondition."""
        return await self._repository.merge_transaction(user_id, transaction_id)

    async def keep_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction:
        """Says that a suspected duplicate is a payment of its own. Harmless to repeat. Raises NotFound."""
        return await self._repository.keep_transaction(user_id, transaction_id)

    async def list_transfers(
        self, user_id: UUID, state: TransferState | None, *, requested_size: int, token: str
    ) -> tuple[list[Transfer], str]:
        """One page, the newest suggestion first, and the token of the next one; empty on the last page. No state: what is not undone."""
        size = page_size(requested_size)
        bound = f"transfers {state}"
        after = UUID(self._page_tokens.decode(token, user_id=user_id, filters=bound)[0]) if token else None
        states = (state,) if state else (TransferState.SUGGESTED, TransferState.CONFIRMED)
        found = await self._repository.list_transfers(user_id, states, after=after, limit=size + 1)
        fitting = _fitting(_chars(one.outgoing) + _chars(one.incoming) for one in found[:size])
        if fitting == len(found):
            return found, ""
        position = (str(found[fitting - 1].id),)
        return found[:fitting], self._page_tokens.encode(user_id=user_id, filters=bound, position=position)

    async def get_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer:
        """One transfer. Raises NotFound."""
        return await self._repository.get_transfer(user_id, transfer_id)

    async def confirm_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer:
        """Says that two transactions are a transfer. Harmless to repeat. Raises NotFound and FailedPrecondition."""
        return await self._repository.confirm_transfer(user_id, transfer_id)

    async def undo_transfer(self, user_id: UUID, transfer_id: UUID) -> Transfer:
        """Says that they are none; the pair is never suggested again. Harmless to repeat. Raises NotFound."""
        return await self._repository.undo_transfer(user_id, transfer_id)

    async def undo_import(self, user_id: UUID, import_id: UUID) -> UndoOutcome:
        """Takes out what an import brought, but for what the user has changed since."""
        return await self._repository.undo_import(user_id, import_id)

    async def list_import_lines(self, user_id: UUID, import_id: UUID, *, after_line: int, requested_size: int) -> list[ImportLine]:
        """Lines of an import that are in the ledger, rising, after `after_line`."""
        if after_line < 0:
            raise invalid("after_line", "must not be negative")
        return await self._repository.list_import_lines(user_id, import_id, after_line=after_line, limit=page_size(requested_size))

    async def list_transactions(
        self, user_id: UUID, filters: TransactionFilters, *, requested_size: int, token: str
    ) -> tuple[TransactionPage, str]:
        """One page, newest first, and the token of the next one; empty on the last page. Raises InvalidArgument.

        Where a search finds nothing, words that no transaction holds are taken for mistyped, and the nearest ones are searched for.
        """
        if filters.date_from and filters.date_to and filters.date_from > filters.date_to:
            raise invalid("date_from", "lies after date_to")
        if filters.amount_min is not None and filters.amount_max is not None and filters.amount_min > filters.amount_max:
            raise invalid("amount_min", "is larger than amount_max")
        size = page_size(requested_size)
        bound = f"transactions {filters!r}"
        after, corrected = None, list[CorrectedWord]()
        if token:
            day, last_id, *corrections = self._page_tokens.decode(token, user_id=user_id, filters=bound)
            after = TransactionPosition(date.fromisoformat(day), UUID(last_id))
            corrected = [CorrectedWord(word, tuple(meant)) for word, *meant in map(str.split, corrections)]
        # One more than asked for tells whether another page follows.
        page = partial(self._repository.list_transactions, user_id, filters, after=after, limit=size + 1)
        found = await page(matching=matching(filters, corrected))
        if not found and after is None and (corrected := await self._corrected(user_id, words_of(filters))):
            found = await page(matching=matching(filters, corrected))
        fitting = _fitting(map(_chars, found[:size]))
        shown = TransactionPage(found[:fitting])
        shown.corrected_words = corrected
        if fitting == len(found):
            return shown, ""
        last = found[fitting - 1]
        position = (last.transaction_date.isoformat(), str(last.id), *(" ".join((word, *meant)) for word, meant in corrected))
        return shown, self._page_tokens.encode(user_id=user_id, filters=bound, position=position)

    async def _corrected(self, user_id: UUID, words: Sequence[str]) -> list[CorrectedWord]:
        """Better words for those that nothing holds; none when one of them is near to no word that is there."""
        if not any(map(may_be_mistyped, words)):
            return []
        unknown = await self._repository.unknown_words(user_id, words)
        if not 0 < len(unknown) <= MAX_MISTYPED or not all(map(may_be_mistyped, unknown)):
            return []
        lengths = [len(word) for word in unknown]
        known = await self._repository.known_words(user_id, min(lengths) - MAX_DISTANCE, max(lengths) + MAX_DISTANCE)
        corrected = [CorrectedWord(word, await asyncio.to_thread(nearest, word, known)) for word in unknown]
        return corrected if all(one.searched_for for one in corrected) else []

    async def get_transaction(self, user_id: UUID, transaction_id: UUID) -> Transaction:
        """One transaction. Raises NotFound."""
        return await self._repository.get_transaction(user_id, transaction_id)

    async def update_transaction(self, user_id: UUID, transaction_id: UUID, changes: TransactionChanges) -> Transaction:
        """Sets note or category; a category set here is the user's own word. Raises NotFound, InvalidArgument."""
        if changes == TransactionChanges():
            return await self._repository.get_transaction(user_id, transaction_id)
        return await self._repository.update_transaction(user_id, transaction_id, changes)

    async def create_account(self, user_id: UUID, new: NewAccount, request_id: str) -> Account:
        """Opens an account; the same request again returns the same account. Raises AlreadyExists."""
        new = dataclasses.replace(new, identifier=_plain_identifier(new.identifier))
        return await self._repository.create_account(user_id, new, _first(request_id, new), DEFAULT_CURRENCY)

    async def ensure_account(self, user_id: UUID, new: NewAccount) -> tuple[Account, bool]:
        """The account that a statement names, opened when there is none; and whether this call opened it."""
        new = dataclasses.replace(new, identifier=_plain_identifier(new.identifier))
        return await self._repository.ensure_account(user_id, new, DEFAULT_CURRENCY)

    async def get_account(self, user_id: UUID, account_id: UUID) -> Account:
        """One account. Raises NotFound."""
        return await self._repository.get_account(user_id, account_id)

    async def list_accounts(self, user_id: UUID, *, requested_size: int, token: str, include_inactive: bool) -> tuple[list[Account], str]:
        """One page, oldest first, and the token of the next one; empty on the last page."""
        size = page_size(requested_size)
        bound = f"accounts {include_inactive}"
        after = UUID(self._page_tokens.decode(token, user_id=user_id, filters=bound)[0]) if token else None
        found = await self._repository.list_accounts(user_id, after=after, limit=size + 1, include_inactive=include_inactive)
        if len(found) <= size:
            return found, ""
        position = (str(found[size - 1].id),)
        return found[:size], self._page_tokens.encode(user_id=user_id, filters=bound, position=position)

    async def update_account(self, user_id: UUID, account_id: UUID, changes: AccountChanges, *, balance_currency: str = "") -> Account:
        """Changes an account. `balance_currency` is that of a changed opening balance. Raises NotFound, AlreadyExists, InvalidArgument."""

        def change(account: Account) -> Account:
            if changes.opening_balance is not None and balance_currency != account.currency:
                raise invalid("account.opening_balance", f"must be in {account.currency}, the account's currency")
            return dataclasses.replace(account, **_set_fields(changes))

        return await self._repository.change_account(user_id, account_id, change)

    async def get_profile(self, user_id: UUID) -> Profile:
        """The user's settings, made with the defaults on first sight."""
        return await self._repository.get_profile(user_id)

    async def update_profile(self, user_id: UUID, changes: ProfileChanges) -> Profile:
        """Changes the user's settings."""
        return await self._repository.change_profile(user_id, lambda profile: dataclasses.replace(profile, **_set_fields(changes)))

    async def list_categories(self, user_id: UUID, *, requested_size: int, token: str) -> tuple[list[Category], str]:
        """One page, the taxonomy first, and the token of the next one; empty on the last page."""
        size = page_size(requested_size, default=MAX_PAGE_SIZE)
        after = None
        if token:
            custom, slug = self._page_tokens.decode(token, user_id=user_id, filters="categories")
            after = (custom == "own", slug)
        found = await self._repository.list_categories(user_id, after=after, limit=size + 1)
        if len(found) <= size:
            return found, ""
        last = found[size - 1]
        position = ("own" if last.custom else "taxonomy", last.slug)
        return found[:size], self._page_tokens.encode(user_id=user_id, filters="categories", position=position)

    async def create_category(self, user_id: UUID, name: str, primary_slug: str, request_id: str) -> Category:
        """Adds a category of the user's own; its slug is made from its name. Raises AlreadyExists, InvalidArgument."""
        slug = slug_of(name)
        if not slug:
            raise invalid("name", "needs at least one letter or digit")
        if slug == UNCATEGORIZED:
            raise invalid("name", f"{UNCATEGORIZED!r} stands for transactions without a category")
        category = Category(slug, name, primary_slug, custom=True)
        created = await self._repository.create_category(user_id, category, _first(request_id, category))
        if self._forget_categories is not None:
            await self._forget_categories(user_id)
        return created


def slug_of(name: str) -> str:
    """Letters and digits of any script in lower case, without accents, joined by underscores: "Café & Bar" is cafe_bar."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return "_".join("".join(c if c.isalnum() else " " for c in plain).split())[:100]


def _plain_identifier(identifier: str) -> str:
    """Banks print one number with blanks here and in capitals there; it stays one account."""
    return "".join(identifier.split()).upper()


def _set_fields(changes: AccountChanges | ProfileChanges) -> dict[str, Any]:
    return {field.name: value for field in dataclasses.fields(changes) if (value := getattr(changes, field.name)) is not None}


def _first(request_id: str, content: NewAccount | Category) -> FirstRequest:
    return FirstRequest(request_id, hashlib.sha256(repr(content).encode()).digest())


def _chars(row: Transaction) -> int:
    return len(row.description) + len(row.merchant or "") + len(row.note) + _CHARS_BESIDE_TEXTS


def _fitting(lengths: Iterable[int]) -> int:
    """How many of the first items fit into one message, whatever their texts; at least one, where there is one."""
    room, number = _MAX_PAGE_CHARS, 0
    for number, length in enumerate(lengths, start=1):
        room -= length
        if room < 0:
            return max(1, number - 1)
    return number
