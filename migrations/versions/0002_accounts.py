"""The ledger: profiles, accounts, categories, transactions and their indexes."""

from __future__ import annotations

from alembic import op

from migrations.row_security import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA accounts")
    op.execute("REVOKE ALL ON SCHEMA accounts FROM PUBLIC")
    op.execute("GRANT USAGE ON SCHEMA accounts TO scale_accounts")
    _create_profiles()
    _create_categories()
    _create_accounts()
    _create_transactions()
    _index_transactions()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: a ledger is not rolled back by dropping it.")


def _create_profiles() -> None:
    op.execute("""
        CREATE TABLE accounts.profiles (
            user_id          uuid        PRIMARY KEY,
            display_name     text        NOT NULL DEFAULT '' CHECK (char_length(display_name) <= 100),
            default_currency char(3)     NOT NULL DEFAULT 'EUR' CHECK (default_currency ~ '^[A-Z]{3}$'),
            locale           text        NOT NULL DEFAULT 'en',
            time_zone        text        NOT NULL DEFAULT 'UTC',
            created_at       timestamptz NOT NULL DEFAULT now(),
            updated_at       timestamptz NOT NULL DEFAULT now()
        )
    """)
    protect("accounts.profiles", "scale_accounts")


def _create_categories() -> None:
    # The taxonomy is the same for everyone and is loaded from services/accounts/data/taxonomy.csv at every upgrade.
    op.execute("""
        CREATE TABLE accounts.categories (
            slug         text PRIMARY KEY,
            primary_slug text NOT NULL REFERENCES accounts.categories (slug),
            name         text NOT NULL,
            sign         text NOT NULL CHECK (sign IN ('credit', 'debit', 'both')),
            description  text NOT NULL DEFAULT '',
            examples     text NOT NULL DEFAULT ''
        )
    """)
    op.execute("REVOKE ALL ON accounts.categories FROM PUBLIC")
    op.execute("GRANT SELECT ON accounts.categories TO scale_accounts")
    op.execute("""
        CREATE TABLE accounts.user_categories (
            user_id      uuid        NOT NULL,
            slug         text        NOT NULL CHECK (slug <> ''),
            name         text        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
            primary_slug text        NOT NULL REFERENCES accounts.categories (slug),
            request_id   text        NOT NULL,
            request_hash bytea       NOT NULL,
            created_at   timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, slug)
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_user_categories_request ON accounts.user_categories (user_id, request_id)")
    protect("accounts.user_categories", "scale_accounts")


def _create_accounts() -> None:
    op.execute("""
        CREATE TABLE accounts.accounts (
            user_id         uuid          NOT NULL,
            id              uuid          NOT NULL,
            name            text          NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
            account_type    text          NOT NULL CHECK (account_type IN
                ('checking', 'savings', 'credit_card', 'cash', 'loan', 'investment', 'other')),
            currency        char(3)       NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
            identifier      text          NOT NULL DEFAULT '' CHECK (char_length(identifier) <= 64),
            opening_balance numeric(19,4) NOT NULL DEFAULT 0,
            is_active       boolean       NOT NULL DEFAULT true,
            request_id      text,
            request_hash    bytea,
            created_at      timestamptz   NOT NULL DEFAULT now(),
            updated_at      timestamptz   NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, id),
            CHECK ((request_id IS NULL) = (request_hash IS NULL))
        )
    """)
    # Two imports that name the same new account at once must end with one account: these two say so, not the code.
    op.execute("""
        CREATE UNIQUE INDEX idx_accounts_user_identifier ON accounts.accounts (user_id, identifier)
        WHERE identifier <> ''
    """)
    op.execute("""
        CREATE UNIQUE INDEX idx_accounts_user_name ON accounts.accounts (user_id, name, currency)
        WHERE identifier = ''
    """)
    op.execute("""
        CREATE UNIQUE INDEX idx_accounts_user_request ON accounts.accounts (user_id, request_id)
        WHERE request_id IS NOT NULL
    """)
    op.execute("""
        CREATE INDEX idx_accounts_user_type_active ON accounts.accounts (user_id, account_type, is_active)
        WHERE is_active
    """)
    protect("accounts.accounts", "scale_accounts")


def _create_transactions() -> None:
    # The amount's range is that of a 64-bit count of ten-thousandths: it travels as one integer and never rounds.
    # merchant_key exists because lower(merchant_name) in a query would not reach an index under row level security.
    op.execute("""
        CREATE TABLE accounts.transactions (
            user_id          uuid          NOT NULL,
            id               uuid          NOT NULL,
            account_id       uuid          NOT NULL,
            transaction_date date          NOT NULL,
            amount           numeric(19,4) NOT NULL
                CHECK (amount <> 0 AND amount BETWEEN -922337203685477.5807 AND 922337203685477.5807),
            currency         char(3)       NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
            type             text          NOT NULL
                GENERATED ALWAYS AS (CASE WHEN amount < 0 THEN 'debit' ELSE 'credit' END) STORED,
            description      text          NOT NULL,
            merchant_name    text,
            merchant_key     text          GENERATED ALWAYS AS (lower(merchant_name)) STORED,
            category         text,
            category_source  text          CHECK (category_source IN ('user', 'rule', 'model', 'file', 'fallback')),
            confidence       double precision CHECK (confidence BETWEEN 0 AND 1),
            payment_method   text,
            status           text          NOT NULL DEFAULT 'posted' CHECK (status IN ('posted', 'pending', 'void')),
            note             text          NOT NULL DEFAULT '' CHECK (char_length(note) <= 2000),
            fingerprint      text          NOT NULL,
            import_id        uuid,
            import_line      bigint,
            raw_data         jsonb,
            created_at       timestamptz   NOT NULL DEFAULT now(),
            updated_at       timestamptz   NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, id),
            FOREIGN KEY (user_id, account_id) REFERENCES accounts.accounts (user_id, id),
            CHECK ((category IS NULL) = (category_source IS NULL))
        ) WITH (
            autovacuum_vacuum_scale_factor = 0.05,
            autovacuum_analyze_scale_factor = 0.02,
            autovacuum_vacuum_cost_delay = 2
        )
    """)
    protect("accounts.transactions", "scale_accounts")


def _index_transactions() -> None:
    # docs/database.md says which query each one serves. The table is new, so nothing here needs CONCURRENTLY.
    op.execute("""
        CREATE UNIQUE INDEX idx_transactions_user_fingerprint ON accounts.transactions (user_id, fingerprint)
    """)
    op.execute("""
        CREATE INDEX idx_transactions_pagination ON accounts.transactions (user_id, transaction_date DESC, id DESC)
    """)
    op.execute("CREATE INDEX idx_transactions_user_date ON accounts.transactions (user_id, transaction_date)")
    op.execute("CREATE INDEX idx_transactions_category ON accounts.transactions (user_id, category)")
    op.execute("""
        CREATE INDEX idx_transactions_category_date
        ON accounts.transactions (user_id, category, transaction_date DESC, id DESC) WHERE category IS NOT NULL
    """)
    op.execute("""
        CREATE INDEX idx_transactions_user_merchant
        ON accounts.transactions (user_id, merchant_key, transaction_date DESC, id DESC)
    """)
    op.execute("CREATE INDEX idx_transactions_user_amount ON accounts.transactions (user_id, amount)")
    op.execute("""
        CREATE INDEX idx_transactions_pending
        ON accounts.transactions (user_id, status, transaction_date DESC, id DESC) WHERE status = 'pending'
    """)
    op.execute("""
        CREATE INDEX idx_transactions_import ON accounts.transactions (user_id, import_id, import_line)
        WHERE import_id IS NOT NULL
    """)
    op.execute("""
        CREATE INDEX idx_transactions_raw_data ON accounts.transactions USING gin (raw_data jsonb_path_ops)
    """)
    op.execute("""
        CREATE INDEX idx_transactions_description_fts
        ON accounts.transactions USING gin (to_tsvector('english', description))
    """)
