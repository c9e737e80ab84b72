"""Which account the rows of one statement belong to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from services.ingestion.domain import AccountRef, ImportOptions
from services.ingestion.normalise import AccountKey
from services.ingestion.protocols import ImportsRepository, Ledger
from services.kit.errors import FieldError, InvalidArgument, NotFound


class AccountFinder:
    """For one import: the account that the caller names, else the one that the file names, else "Imported" by layout and currency."""

    def __init__(self, ledger: Ledger, repository: ImportsRepository, *, user_id: UUID, options: ImportOptions, layout_hash: str) -> None:
        self._ledger = ledger
        self._repository = repository
        self._user_id = user_id
        self._options = options
        self._layout_hash = layout_hash
        self._default_currency: str | None = None
        self.found: dict[AccountKey, AccountRef] = {}

    async def check_named_by_caller(self) -> None:
        """Raises InvalidArgument for an unknown account_id, also when the file turns out to hold no row for it."""
        if self._options.account_id is not None:
            await self._named_by_caller(self._options.account_id)

    async def find(self, keys: Iterable[AccountKey]) -> None:
        """Puts the accounts of `keys` into `found`, opening those that are new."""
        for key in keys:
            if key not in self.found:
                self.found[key] = await self._find(key)

    async def _find(self, key: AccountKey) -> AccountRef:
        if self._options.account_id is not None:
            return await self._named_by_caller(self._options.account_id)
        if key.identifier:
            name = f"Account …{key.identifier[-4:]}"
            return await self._ledger.ensure_account(identifier=key.identifier, name=name, currency=key.currency)
        return await self._by_layout(key.currency or await self._fallback_currency())

    async def _named_by_caller(self, account_id: UUID) -> AccountRef:
        try:
            return await self._ledger.get_account(account_id)
        except NotFound:
            reason = f"you have no account {account_id}; leave it out to let the file decide"
            raise InvalidArgument(
                f"account_id: {reason}",
                reason="ACCOUNT_NOT_FOUND",
                metadata={"account_id": str(account_id)},
                fields=[FieldError("account_id", reason)],
            ) from None

    async def _by_layout(self, currency: str) -> AccountRef:
        place = await self._repository.layout_account(self._user_id, self._layout_hash, currency)
        if place.account_id is not None:
            # By its id, not by its name: the user may have given it a better one.
            try:
                return await self._ledger.get_account(place.account_id)
            except NotFound:
                pass
        account = await self._ledger.ensure_account(identifier="", name=place.name, currency=currency)
        await self._repository.remember_layout_account(self._user_id, self._layout_hash, currency, account.id)
        return account

    async def _fallback_currency(self) -> str:
        if self._default_currency is None:
            self._default_currency = await self._ledger.default_currency()
        return self._default_currency

    @property
    def only_account(self) -> UUID | None:
        """The account of all rows; None when there are several, or none was needed."""
        ids = {account.id for account in self.found.values()}
        return ids.pop() if len(ids) == 1 else None

    def notes(self) -> list[str]:
        """Which currency the rows got that name none: a person may know better."""
        notes: list[str] = []
        for key, account in self.found.items():
            if not key.currency:
                source = "your default" if account.currency == self._default_currency else "that of their account"
                notes.append(f"rows without a currency are taken to be in {account.currency}, {source}; send `currency` if they are not")
        return list(dict.fromkeys(notes))

    def described(self) -> list[dict[str, Any]]:
        """The accounts, when there are several, as `detected` shows them."""
        if len({account.id for account in self.found.values()}) < 2:
            return []
        described = []
        for key, account in self.found.items():
            entry = {"account_id": str(account.id), "currency": key.currency or account.currency}
            described.append({**entry, "identifier": key.identifier} if key.identifier else entry)
        return described
