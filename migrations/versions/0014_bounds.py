"""Days and amounts that no part of the service can read are kept out by the tables themselves."""

from __future__ import annotations

from collections.abc import Iterator

from alembic import op
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# A date of PostgreSQL goes far beyond the year 9999, one of the services does not; and one row beyond what a timestamp holds is enough for
# no figure of anybody to be made. The amounts' range is that of accounts.transactions, and NaN, greater than all numbers, is not in it.
_DAYS = "BETWEEN '0001-01-01' AND '9999-12-31'"
_AMOUNTS = "BETWEEN -922337203685477.5807 AND 922337203685477.5807"
_BOUNDS = {
    ("accounts.transactions", "transactions_date_bounds"): f"transaction_date {_DAYS}",
    ("accounts.transaction_aliases", "transaction_aliases_date_bounds"): f"transaction_date {_DAYS}",
    ("accounts.transaction_aliases", "transaction_aliases_amount_bounds"): f"amount {_AMOUNTS}",
    ("accounts.accounts", "accounts_opening_balance_bounds"): f"opening_balance {_AMOUNTS}",
    ("accounts.budgets", "budgets_amount_bounds"): f"amount {_AMOUNTS}",
    ("accounts.budgets", "budgets_period_start_bounds"): f"period_start {_DAYS}",
    ("accounts.budgets", "budgets_period_end_bounds"): f"period_end {_DAYS}",
}


def upgrade() -> None:
    # Rows are looked through beside readers and writers: each statement by itself. What a run that broke off left behind is made anew.
    with op.get_context().autocommit_block():
        for statement in statements():
            try:
                op.execute(statement)
            except IntegrityError as error:
                raise RuntimeError(_what_is_outside()) from error


def statements() -> Iterator[str]:
    """The same for both forms of the ledger."""
    for (table, name), condition in _BOUNDS.items():
        yield f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}, ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID"
        yield f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"


def _what_is_outside() -> str:
    # Asked only now: looking through the tables costs as much as the constraints themselves.
    found = []
    for (table, name), condition in _BOUNDS.items():
        count_rows = text(f"SELECT count(*) FROM {table} WHERE NOT ({condition})")  # nosec B608  # constants
        count = op.get_bind().execute(count_rows).scalar_one()
        if count:
            found.append(f"{table} ({name}): {count}")
    return f"Rows lie outside what any service can read: {', '.join(found)}. docs/database.md says how to mend them; then run it again."


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead.")
