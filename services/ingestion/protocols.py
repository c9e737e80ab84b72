"""What ingestion needs from what lies around it: its database and the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Protocol
from uuid import UUID

from services.ingestion.domain import (
    AccountRef,
    Appended,
    CsvProfile,
    Failure,
    Import,
    ImportLine,
    ImportPosition,
    ImportRow,
    LayoutAccount,
    NewImport,
    RowOutcome,
    Success,
    UndoOutcome,
)


class ImportsRepository(Protocol):
    """Where imports are kept. Each method is one transaction of one user."""

    async def begin(self, new: NewImport, *, lease_s: float) -> tuple[Import, bool]:
        """Records the upload and starts its import: (import, True); or the import that has the request id: (import, False)."""

    async def get(self, user_id: UUID, import_id: UUID) -> Import | None:
        """One import."""

    async def claim(self, taken: Import, *, lease_s: float) -> Import | None:
        """Starts a claimable import again; None when somebody else was faster."""

    async def renew(self, running: Import, *, lease_s: float) -> bool:
        """Keeps the lease; False when the attempt is over."""

    async def succeed(self, running: Import, success: Success, rows: Iterable[Sequence[ImportRow]]) -> Import | None:
        """Stores the outcome, with the rows (in chunks) that were not inserted, and what it taught; None when the attempt is over."""

    async def fail(self, running: Import, failure: Failure) -> Import | None:
        """Stores why; None when the attempt is over."""

    async def undone(self, user_id: UUID, import_id: UUID) -> Import | None:
        """Notes that a finished import was taken back, and forgets what it taught; None when it was not finished."""

    async def list_imports(self, user_id: UUID, *, limit: int, after: ImportPosition | None) -> list[Import]:
        """Newest first."""

    async def list_rows(
        self, user_id: UUID, import_id: UUID, *, outcome: RowOutcome | None, after_line: int, limit: int
    ) -> list[ImportRow]:
        """Rows that were not inserted, in file order."""

    async def layout_account(self, user_id: UUID, layout_hash: str, currency: str) -> LayoutAccount:
        """The place of a layout among those of the currency; takes the next number for a new one."""

    async def remember_layout_account(self, user_id: UUID, layout_hash: str, currency: str, account_id: UUID) -> None:
        """Keeps which account a layout has."""

    async def list_csv_profiles(self, user_id: UUID) -> list[CsvProfile]:
        """What is remembered of CSV headers, the latest first: a hundred at most."""

    async def delete_csv_profile(self, user_id: UUID, header_hash: str) -> bool:
        """Forgets one; False when there was none."""


class Ledger(Protocol):
    """What ingestion asks of the service that owns the transactions. The caller's token says whose they are."""

    async def get_account(self, account_id: UUID) -> AccountRef:
        """Raises NotFound."""

    async def ensure_account(self, *, identifier: str, name: str, currency: str) -> AccountRef:
        """The account with this identifier, else with this name and currency, opened where there is none. "" is unknown."""

    async def default_currency(self) -> str:
        """For files and accounts that name none."""

    def append_transactions(self, import_id: UUID, batches: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[Appended]:
        """Adds all rows or none. `batches` gives (rows, Arrow IPC stream); an error in it adds nothing and is raised here.

        Yields, after the commit, the lines that were there before, rising, and those that are suspected.
        """

    async def undo_import(self, import_id: UUID) -> UndoOutcome:
        """Takes out what the import brought, but for what the user has changed. Harmless to repeat."""

    async def list_import_lines(self, import_id: UUID, *, after_line: int, limit: int) -> list[ImportLine]:
        """Which lines are in the ledger, rising."""
