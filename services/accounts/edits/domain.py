"""What an edit is, and its errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.accounts.domain import TransactionStatus
from services.kit.errors import FailedPrecondition, NotFound

EDIT_LIFETIME = timedelta(days=30)
"""How long an edit can be taken back, unless the settings say otherwise."""


@dataclass(frozen=True, slots=True)
class EditChanges:
    """What to change; None leaves it. An empty category or note takes it away."""

    category: str | None = None
    note: str | None = None
    status: TransactionStatus | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of many transactions at once."""

    id: UUID | None
    """Also the undo token; None when it was only tried."""
    filter: str
    matched_count: int
    """Transactions that the filter found."""
    changed_count: int
    created_at: datetime
    expires_at: datetime
    """Until then it can be taken back."""
    rule_id: UUID | None = None
    import_id: UUID | None = None
    """The import that a rule was applied to."""
    undone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of an edit, or of several, that was taken back."""

    restored_count: int
    """Transactions that are as before, those of earlier tries included."""
    kept_count: int
    """Transactions that were changed since, and were left."""


def edit_not_found(edit_id: UUID) -> NotFound:
    """No such edit, or not the caller's."""
    return NotFound(f"There is no edit {edit_id}.", reason="EDIT_NOT_FOUND", metadata={"edit_id": str(edit_id)})


def edit_expired(edit_id: UUID, expired_at: datetime) -> FailedPrecondition:
    """What the transactions were before is forgotten."""
    return FailedPrecondition(
        f"Edit {edit_id} could be taken back until {expired_at:%Y-%m-%d %H:%M} UTC.",
        reason="EDIT_EXPIRED",
        metadata={"edit_id": str(edit_id), "expire_time": expired_at.isoformat()},
    )
