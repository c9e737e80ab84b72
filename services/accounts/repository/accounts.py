"""Rows of accounts.accounts."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from services.accounts.domain import (
    Account,
    AccountType,
    FirstRequest,
    NewAccount,
    account_exists,
    account_not_found,
    request_id_reused,
)
from services.kit.postgres import Connection, Database

_COLUMNS = "id, name, account_type, currency, identifier, opening_balance, is_active, created_at"
_SELECT = f"SELECT {_COLUMNS} FROM accounts.accounts WHERE user_id = $1 AND id = $2"  # nosec B608
_SELECT_FOR_UPDATE = f"{_SELECT} FOR UPDATE"  # nosec B608
_SELECT_BY_REQUEST = f"""
    SELECT {_COLUMNS}, request_hash FROM accounts.accounts WHERE user_id = $1 AND request_id = $2
"""  # nosec B608
_SELECT_BY_IDENTIFIER = f"""
    SELECT {_COLUMNS} FROM accounts.accounts WHERE user_id = $1 AND identifier = $2 AND identifier <> ''
"""  # nosec B608
_SELECT_BY_NAME = f"""
    SELECT {_COLUMNS} FROM accounts.accounts WHERE user_id = $1 AND name = $2 AND currency = $3 AND identifier = ''
"""  # nosec B608
_SELECT_PAGE = f"""
    SELECT {_COLUMNS} FROM accounts.accounts
     WHERE user_id = $1 AND ($2::uuid IS NULL OR id > $2) AND (is_active OR $3)
     ORDER BY id LIMIT $4
"""  # nosec B608
_SELECT_CURRENCY = "SELECT default_currency FROM accounts.profiles WHERE user_id = $1"
_INSERT = """
    INSERT INTO accounts.accounts (user_id, id, name, account_type, currency, identifier, opening_balance, request_id, request_hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_INSERT_ONCE = f"{_INSERT} ON CONFLICT (user_id, request_id) WHERE request_id IS NOT NULL DO NOTHING RETURNING {_COLUMNS}"  # nosec B608
_INSERT_IF_NEW = f"{_INSERT} ON CONFLICT DO NOTHING RETURNING {_COLUMNS}"  # nosec B608
_UPDATE = f"""
    UPDATE accounts.accounts
       SET name = $3, account_type = $4, opening_balance = $5, is_active = $6, updated_at = now()
     WHERE user_id = $1 AND id = $2
    RETURNING {_COLUMNS}
"""  # nosec B608


class AccountRows:
    """Each user's accounts."""

    _database: Database

    async def create_account(self, user_id: UUID, new: NewAccount, request: FirstRequest, default_currency: str) -> Account:
        """Opens an account, or returns the one that the same request opened before.

        Raises AlreadyExists for a taken identifier or name, and for another request under the same id.
        """
        async with self._database.transaction(user_id) as connection:
            currency = new.currency or await _profile_currency(connection, user_id, default_currency)
            values = (*_values(user_id, new, currency), request.request_id, request.content_hash)
            try:
                record = await connection.fetchrow(_INSERT_ONCE, *values)
            except asyncpg.UniqueViolationError:
                raise account_exists(new.identifier, new.name, currency) from None
            if record is None:
                record = await connection.fetchrow(_SELECT_BY_REQUEST, user_id, request.request_id)
                if record["request_hash"] != request.content_hash:
                    raise request_id_reused(request.request_id)
            return _account(record)

    async def ensure_account(self, user_id: UUID, new: NewAccount, default_currency: str) -> tuple[Account, bool]:
        """The account with `new`'s identifier, or without one with its name and currency; opened when there is none.

        Returns it and whether this call opened it.
        """
        async with self._database.transaction(user_id) as connection:
            currency = new.currency or await _profile_currency(connection, user_id, default_currency)
            record = await _find(connection, user_id, new, currency)
            if record is not None:
                return _account(record), False
            record = await connection.fetchrow(_INSERT_IF_NEW, *_values(user_id, new, currency), None, None)
            if record is not None:
                return _account(record), True
            # Another call opened it between the look and the insert.
            return _account(await _find(connection, user_id, new, currency)), False

    async def get_account(self, user_id: UUID, account_id: UUID) -> Account:
        """One account. Raises NotFound."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            record = await connection.fetchrow(_SELECT, user_id, account_id)
        if record is None:
            raise account_not_found(account_id)
        return _account(record)

    async def list_accounts(self, user_id: UUID, *, after: UUID | None, limit: int, include_inactive: bool) -> list[Account]:
        """Accounts in the order of their ids, which is that of their opening."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            records = await connection.fetch(_SELECT_PAGE, user_id, after, include_inactive, limit)
        return [_account(record) for record in records]

    async def change_account(self, user_id: UUID, account_id: UUID, change: Callable[[Account], Account]) -> Account:
        """Stores what `change` makes of the account. Raises NotFound, AlreadyExists for a taken name, and what `change` raises."""
        async with self._database.transaction(user_id) as connection:
            record = await connection.fetchrow(_SELECT_FOR_UPDATE, user_id, account_id)
            if record is None:
                raise account_not_found(account_id)
            new = change(_account(record))
            try:
                record = await connection.fetchrow(_UPDATE, user_id, account_id, new.name, new.type.value, new.opening_balance, new.active)
            except asyncpg.UniqueViolationError:
                raise account_exists(new.identifier, new.name, new.currency) from None
            return _account(record)


def _values(user_id: UUID, new: NewAccount, currency: str) -> tuple[object, ...]:
    return (user_id, uuid7(), new.name, new.type.value, currency, new.identifier, new.opening_balance)


def _account(record: asyncpg.Record) -> Account:
    return Account(
        id=record["id"],
        name=record["name"],
        type=AccountType(record["account_type"]),
        currency=record["currency"],
        identifier=record["identifier"],
        opening_balance=record["opening_balance"],
        active=record["is_active"],
        created_at=record["created_at"],
    )


async def _find(connection: Connection, user_id: UUID, new: NewAccount, currency: str) -> asyncpg.Record | None:
    if new.identifier:
        return await connection.fetchrow(_SELECT_BY_IDENTIFIER, user_id, new.identifier)
    return await connection.fetchrow(_SELECT_BY_NAME, user_id, new.name, currency)


async def _profile_currency(connection: Connection, user_id: UUID, default: str) -> str:
    return await connection.fetchval(_SELECT_CURRENCY, user_id) or default
