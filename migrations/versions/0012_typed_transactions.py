"""Requests for transactions that users typed in, so that each is carried out once."""

from __future__ import annotations

from alembic import op

from migrations.row_security import protect

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The transaction is in another schema, and may be merged away: no foreign key.
    op.execute("""
        CREATE TABLE ingestion.typed_transactions (
            user_id        uuid        NOT NULL,
            request_id     text        NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 36),
            request_hash   bytea       NOT NULL,
            transaction_id uuid        NOT NULL,
            is_done        boolean     NOT NULL DEFAULT false,
            created_at     timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, request_id)
        )
    """)
    protect("ingestion.typed_transactions", "scale_ingestion")


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: a request that comes again would add its transaction again.")
