"""${message}"""

from __future__ import annotations

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One statement per op.execute. An index on a table that is live: inside `with op.get_context().autocommit_block():`,
    # CREATE INDEX CONCURRENTLY IF NOT EXISTS. New user tables: RLS enabled and forced, keys that start with user_id.
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: a ledger is not rolled back by dropping columns.")
