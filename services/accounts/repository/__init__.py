"""The ledger in PostgreSQL. Each public method is one transaction, as the user whose rows it touches."""

from __future__ import annotations

from datetime import timedelta

from services.accounts.edits.domain import EDIT_LIFETIME
from services.accounts.repository.accounts import AccountRows
from services.accounts.repository.categories import CategoryRows
from services.accounts.repository.duplicates import DuplicateRows
from services.accounts.repository.profiles import ProfileRows
from services.accounts.repository.transfers import TransferRows
from services.accounts.repository.typed import TypedRows
from services.accounts.repository.words import WordRows
from services.kit.postgres import Database


class PostgresAccountsRepository(DuplicateRows, TransferRows, TypedRows, AccountRows, CategoryRows, ProfileRows, WordRows):
    """Everything that the service stores; one parent class for each table, and one for the bulk path."""

    def __init__(
        self, database: Database, *, bulk_statement_timeout_s: float, lock_timeout_s: float, edit_lifetime: timedelta = EDIT_LIFETIME
    ) -> None:
        """Timeouts in seconds: for each statement of an import, and for waiting until another import of the same user is in.
        `edit_lifetime`: how long what rules did to an import can be taken back."""
        self._database = database
        self._bulk_statement_timeout_s = bulk_statement_timeout_s
        self._lock_timeout_s = lock_timeout_s
        self._edit_lifetime = edit_lifetime
        self._forget_taxonomy()


__all__ = ["PostgresAccountsRepository"]
