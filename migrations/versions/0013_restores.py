"""Ingestion takes users' exports back in, which come into temporary tables first, as the ledger's imports do."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        DO $$
        BEGIN
            EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO scale_ingestion', current_database());
        END
        $$
    """)


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead.")
