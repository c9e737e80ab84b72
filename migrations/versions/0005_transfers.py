"""Transfers between a user's own accounts, paired one to one."""

from __future__ import annotations

from alembic import op

from migrations.row_security import protect

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_transfers()
    op.execute("ALTER TABLE accounts.profiles ADD COLUMN transfer_suggestions boolean NOT NULL DEFAULT true")
    _extend_transactions()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: what the user decided about transfers would be lost.")


def _create_transfers() -> None:
    op.execute("""
        CREATE TABLE accounts.transfers (
            user_id     uuid        NOT NULL,
            id          uuid        NOT NULL,
            outgoing_id uuid        NOT NULL,
            incoming_id uuid        NOT NULL,
            state       text        NOT NULL DEFAULT 'suggested' CHECK (state IN ('suggested', 'confirmed', 'undone')),
            reason      text        NOT NULL,
            created_at  timestamptz NOT NULL DEFAULT now(),
            decided_at  timestamptz,
            PRIMARY KEY (user_id, id),
            FOREIGN KEY (user_id, outgoing_id) REFERENCES accounts.transactions (user_id, id) ON DELETE CASCADE,
            FOREIGN KEY (user_id, incoming_id) REFERENCES accounts.transactions (user_id, id) ON DELETE CASCADE,
            CHECK (outgoing_id <> incoming_id)
        )
    """)
    # One to one: the database says so, whatever two imports at once find. An undone pair stays, so that it is never suggested again.
    op.execute("""
        CREATE UNIQUE INDEX idx_transfers_outgoing ON accounts.transfers (user_id, outgoing_id) WHERE state <> 'undone'
    """)
    op.execute("""
        CREATE UNIQUE INDEX idx_transfers_incoming ON accounts.transfers (user_id, incoming_id) WHERE state <> 'undone'
    """)
    op.execute("CREATE UNIQUE INDEX idx_transfers_pair ON accounts.transfers (user_id, incoming_id, outgoing_id)")
    op.execute("CREATE INDEX idx_transfers_outgoing_all ON accounts.transfers (user_id, outgoing_id)")
    protect("accounts.transfers", "scale_accounts")


def _extend_transactions() -> None:
    # Beside the transaction, so that a page of them needs no join.
    op.execute("ALTER TABLE accounts.transactions ADD COLUMN transfer_id uuid")
    op.execute("""
        ALTER TABLE accounts.transactions ADD CONSTRAINT transactions_transfer_id_fkey
        FOREIGN KEY (user_id, transfer_id) REFERENCES accounts.transfers (user_id, id) ON DELETE SET NULL (transfer_id)
    """)
    op.execute("""
        CREATE INDEX idx_transactions_transfer ON accounts.transactions (user_id, transfer_id) WHERE transfer_id IS NOT NULL
    """)
