"""Budgets: what a user means to spend on a category in a period."""

from __future__ import annotations

from alembic import op

from migrations.row_security import protect

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE accounts.budgets (
            user_id      uuid          NOT NULL,
            id           uuid          NOT NULL,
            category     text          NOT NULL CHECK (category <> ''),
            amount       numeric(19,4) NOT NULL CHECK (amount >= 0),
            currency     char(3)       NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
            period_start date          NOT NULL,
            period_end   date          NOT NULL,
            roll_over    boolean       NOT NULL DEFAULT false,
            is_active    boolean       NOT NULL DEFAULT true,
            request_id   text          NOT NULL,
            request_hash bytea         NOT NULL,
            created_at   timestamptz   NOT NULL DEFAULT now(),
            updated_at   timestamptz   NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, id),
            CHECK (period_start <= period_end)
        )
    """)
    op.execute("""
        CREATE INDEX idx_budgets_active ON accounts.budgets (user_id, category, period_start, period_end) WHERE is_active
    """)
    op.execute("CREATE INDEX idx_budgets_pagination ON accounts.budgets (user_id, period_start DESC, id DESC)")
    op.execute("CREATE UNIQUE INDEX idx_budgets_request ON accounts.budgets (user_id, request_id)")
    protect("accounts.budgets", "scale_accounts")
    _refuse_overlaps()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: users' budgets would be lost.")


def _refuse_overlaps() -> None:
    # An exclusion constraint would need btree_gist, which not every server has. Whoever comes second waits for the first, and sees its row.
    op.execute("""
        CREATE FUNCTION accounts.refuse_overlapping_budget() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
        AS $$
        DECLARE
            other uuid;
        BEGIN
            PERFORM pg_advisory_xact_lock(hashtextextended('accounts.budgets ' || NEW.user_id, 0));
            SELECT id INTO other FROM accounts.budgets
             WHERE user_id = NEW.user_id AND category = NEW.category AND currency = NEW.currency AND is_active AND id <> NEW.id
               AND period_start <= NEW.period_end AND period_end >= NEW.period_start
             LIMIT 1;
            IF FOUND THEN
                RAISE EXCEPTION 'budget % overlaps active budget %', NEW.id, other USING ERRCODE = 'exclusion_violation', DETAIL = other;
            END IF;
            RETURN NEW;
        END
        $$
    """)
    op.execute("REVOKE ALL ON FUNCTION accounts.refuse_overlapping_budget() FROM PUBLIC")
    op.execute("""
        CREATE TRIGGER refuse_overlap BEFORE INSERT OR UPDATE ON accounts.budgets
        FOR EACH ROW WHEN (NEW.is_active) EXECUTE FUNCTION accounts.refuse_overlapping_budget()
    """)
