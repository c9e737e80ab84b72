"""Figures made ahead, how they are made anew, and whose ledgers have changed since."""

from __future__ import annotations

from alembic import op

from migrations.figures import create_figures
from migrations.row_security import protect

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_ledger_changes()
    op.execute("""
        CREATE TABLE accounts.figures (
            name    text        PRIMARY KEY,
            made_at timestamptz NOT NULL,
            took    interval    NOT NULL DEFAULT '0'
        )
    """)
    op.execute("REVOKE ALL ON accounts.figures FROM PUBLIC")
    op.execute("GRANT SELECT ON accounts.figures TO scale_accounts")
    create_figures(op.execute)
    _create_refresh()


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


def _create_refresh() -> None:
    # Each statement sees what was committed before it: the refresh sees every change that the delete saw. The answer is whose changes
    # went in; NULL while somebody else is at it. Whoever erases a user waits for its turn instead.
    op.execute("""
        CREATE FUNCTION accounts.refresh_figures(wait boolean DEFAULT false) RETURNS uuid[]
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
        DECLARE
            turn CONSTANT bigint := hashtextextended('accounts.refresh_figures', 0);
            changed uuid[];
            kept text;
            began timestamptz;
        BEGIN
            IF wait THEN
                PERFORM pg_advisory_xact_lock(turn);
            ELSIF NOT pg_try_advisory_xact_lock(turn) THEN
                RETURN NULL;
            END IF;
            WITH gone AS (DELETE FROM accounts.ledger_changes RETURNING user_id)
            SELECT array_agg(DISTINCT user_id) INTO changed FROM gone;
            IF changed IS NULL THEN
                RETURN '{}';
            END IF;
            FOR kept IN
                SELECT matviewname FROM pg_matviews WHERE schemaname = 'accounts' AND matviewowner = current_user ORDER BY matviewname
            LOOP
                began := clock_timestamp();
                EXECUTE format('REFRESH MATERIALIZED VIEW CONCURRENTLY accounts.%I', kept);
                INSERT INTO accounts.figures (name, made_at, took) VALUES (kept, began, clock_timestamp() - began)
                ON CONFLICT (name) DO UPDATE SET made_at = excluded.made_at, took = excluded.took;
            END LOOP;
            RETURN changed;
        END
        $$
    """)
    op.execute("REVOKE ALL ON FUNCTION accounts.refresh_figures(boolean) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION accounts.refresh_figures(boolean) TO scale_accounts")
