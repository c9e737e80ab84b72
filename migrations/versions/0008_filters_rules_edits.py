"""Saved filters, a user's own rules, and edits of many transactions that can be taken back."""

from __future__ import annotations

from alembic import op

from migrations.row_security import protect

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_saved_filters()
    _create_rules()
    _create_edits()
    _create_expire_edits()
    _extend_transactions()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: users' rules would be lost.")


def _create_saved_filters() -> None:
    op.execute("""
        CREATE TABLE accounts.saved_filters (
            user_id      uuid        NOT NULL,
            id           uuid        NOT NULL,
            name         text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
            name_key     text        GENERATED ALWAYS AS (lower(name)) STORED,
            filter       text        NOT NULL CHECK (char_length(filter) BETWEEN 1 AND 4000),
            request_id   text        NOT NULL,
            request_hash bytea       NOT NULL,
            created_at   timestamptz NOT NULL DEFAULT now(),
            updated_at   timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, id)
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_saved_filters_name ON accounts.saved_filters (user_id, name_key)")
    op.execute("CREATE UNIQUE INDEX idx_saved_filters_request ON accounts.saved_filters (user_id, request_id)")
    protect("accounts.saved_filters", "scale_accounts")


def _create_rules() -> None:
    op.execute("""
        CREATE TABLE accounts.rules (
            user_id       uuid        NOT NULL,
            id            uuid        NOT NULL,
            name          text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
            filter        text        NOT NULL CHECK (char_length(filter) BETWEEN 1 AND 4000),
            category      text        CHECK (category <> ''),
            merchant_name text        CHECK (char_length(merchant_name) BETWEEN 1 AND 200),
            note          text        CHECK (char_length(note) BETWEEN 1 AND 2000),
            position      integer     NOT NULL CHECK (position > 0),
            is_active     boolean     NOT NULL DEFAULT true,
            request_id    text        NOT NULL,
            request_hash  bytea       NOT NULL,
            created_at    timestamptz NOT NULL DEFAULT now(),
            updated_at    timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, id),
            CHECK (num_nonnulls(category, merchant_name, note) > 0)
        )
    """)
    op.execute("CREATE INDEX idx_rules_position ON accounts.rules (user_id, position)")
    op.execute("CREATE UNIQUE INDEX idx_rules_request ON accounts.rules (user_id, request_id)")
    protect("accounts.rules", "scale_accounts")


def _create_edits() -> None:
    # rule_id and import_id outlive rule and import: what a deleted rule did can still be taken back.
    op.execute("""
        CREATE TABLE accounts.edits (
            user_id       uuid        NOT NULL,
            id            uuid        NOT NULL,
            filter        text        NOT NULL,
            matched_count bigint      NOT NULL DEFAULT 0,
            changed_count bigint      NOT NULL DEFAULT 0,
            rule_id       uuid,
            import_id     uuid,
            request_id    text,
            request_hash  bytea,
            created_at    timestamptz NOT NULL DEFAULT now(),
            expires_at    timestamptz NOT NULL,
            is_expired    boolean     NOT NULL DEFAULT false,
            undone_at     timestamptz,
            PRIMARY KEY (user_id, id),
            CHECK ((request_id IS NULL) = (request_hash IS NULL))
        )
    """)
    op.execute("""
        CREATE UNIQUE INDEX idx_edits_request ON accounts.edits (user_id, request_id) WHERE request_id IS NOT NULL
    """)
    op.execute("CREATE INDEX idx_edits_rule ON accounts.edits (user_id, rule_id, id) WHERE rule_id IS NOT NULL")
    protect("accounts.edits", "scale_accounts")
    # What a transaction was before and what the edit made of it, field by field; a field that the edit left alone is not in `fields`.
    # No foreign keys: a transaction that is gone has nothing to restore, and checking the edit's a hundred thousand times costs more than
    # the rows themselves. What takes an edit away takes its rows away.
    op.execute("""
        CREATE TABLE accounts.edit_rows (
            user_id                uuid   NOT NULL,
            edit_id                uuid   NOT NULL,
            transaction_id         uuid   NOT NULL,
            fields                 text[] NOT NULL,
            category_before        text,
            category_source_before text,
            confidence_before      double precision,
            merchant_name_before   text,
            note_before            text,
            note_source_before     text,
            status_before          text,
            status_source_before   text,
            category_after         text,
            merchant_name_after    text,
            note_after             text,
            status_after           text,
            PRIMARY KEY (user_id, edit_id, transaction_id)
        )
    """)
    protect("accounts.edit_rows", "scale_accounts")


def _create_expire_edits() -> None:
    # For the worker, which acts for nobody: forgets what expired edits were before, a few edits at a time, and says how many.
    op.execute("""
        CREATE FUNCTION accounts.expire_edits(most integer)
        RETURNS bigint
        LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            WITH expired AS (
                     UPDATE accounts.edits SET is_expired = true
                      WHERE (user_id, id) IN (SELECT found.user_id, found.id FROM accounts.edits AS found
                                               WHERE found.expires_at < now() AND NOT found.is_expired
                                               LIMIT most FOR UPDATE SKIP LOCKED)
                     RETURNING user_id, id),
                 forgotten AS (
                     DELETE FROM accounts.edit_rows AS rows USING expired
                      WHERE rows.user_id = expired.user_id AND rows.edit_id = expired.id)
            SELECT count(*) FROM expired
        $$
    """)
    op.execute("REVOKE ALL ON FUNCTION accounts.expire_edits(integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION accounts.expire_edits(integer) TO scale_accounts")


def _extend_transactions() -> None:
    # What an import brought and the user has changed outlives the import. A category says itself who set it; a note is the user's own
    # unless a rule wrote it, a status the file's unless the user set it.
    op.execute("""
        ALTER TABLE accounts.transactions
            ADD COLUMN note_source   text CHECK (note_source = 'rule'),
            ADD COLUMN status_source text CHECK (status_source = 'user')
    """)
