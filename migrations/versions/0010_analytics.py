"""Figures made ahead: which users' ledgers have changed since they were made."""

from __future__ import annotations

from alembic import op

from migrations.row_security import protect

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_ledger_changes()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead.")


def _create_ledger_changes() -> None:
    # One row for each changing statement, never an update: a long import and a click meanwhile must not wait for each other. Whoever makes
    # the figures anew takes the rows away first, in the same transaction: what it cannot see yet stays, and is made again.
    op.execute("""
        CREATE TABLE accounts.ledger_changes (
            user_id    uuid        NOT NULL,
            id         uuid        NOT NULL DEFAULT gen_random_uuid(),
            changed_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, id)
        )
    """)
    protect("accounts.ledger_changes", "scale_accounts")
    op.execute("""
        CREATE FUNCTION accounts.note_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
        AS $$
        BEGIN
            IF auth.uid() IS NOT NULL THEN
                INSERT INTO accounts.ledger_changes (user_id) VALUES (auth.uid());
            END IF;
            RETURN NULL;
        END
        $$
    """)
    op.execute("REVOKE ALL ON FUNCTION accounts.note_change() FROM PUBLIC")
    for table in ("transactions", "transfers", "budgets", "user_categories"):
        op.execute(f"""
            CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON accounts.{table}
            FOR EACH STATEMENT EXECUTE FUNCTION accounts.note_change()
        """)  # nosec B608  # constants
