"""What finding duplicates needs: the canonical description and occurrence of a row, banks' own ids, other appearances, suspicions."""

from __future__ import annotations

from alembic import op

from migrations.row_security import protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _extend_transactions()
    _create_source_ids()
    _create_aliases()
    # For a suspected duplicate: of which transaction.
    op.execute("ALTER TABLE ingestion.import_rows ADD COLUMN duplicate_of uuid")


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: what the user decided about duplicates would be lost.")


def _extend_transactions() -> None:
    op.execute("""
        ALTER TABLE accounts.transactions
            ADD COLUMN description_key        text    NOT NULL DEFAULT '',
            ADD COLUMN occurrence             integer NOT NULL DEFAULT 1 CHECK (occurrence > 0),
            ADD COLUMN suspected_duplicate_of uuid,
            ADD COLUMN suspicion              text,
            ADD COLUMN duplicate_decision     text    CHECK (duplicate_decision IN ('kept', 'merged', 'booked'))
    """)
    # As near to the application's own form as SQL comes; its case folding differs in a handful of letters.
    op.execute("""
        UPDATE accounts.transactions AS t SET description_key = made.key, occurrence = made.occurrence
          FROM (SELECT user_id, id, key, row_number() OVER (
                           PARTITION BY user_id, account_id, transaction_date, amount, currency, key ORDER BY id) AS occurrence
                  FROM (SELECT *, btrim(regexp_replace(lower(normalize(description, NFKC)), '\\s+', ' ', 'g')) AS key
                          FROM accounts.transactions) AS folded) AS made
         WHERE (t.user_id, t.id) = (made.user_id, made.id)
    """)
    op.execute("""
        ALTER TABLE accounts.transactions ADD CONSTRAINT transactions_suspected_duplicate_of_fkey
        FOREIGN KEY (user_id, suspected_duplicate_of) REFERENCES accounts.transactions (user_id, id)
        ON DELETE SET NULL (suspected_duplicate_of)
    """)
    op.execute("""
        CREATE INDEX idx_transactions_suspected ON accounts.transactions (user_id, suspected_duplicate_of)
        WHERE suspected_duplicate_of IS NOT NULL
    """)


def _create_source_ids() -> None:
    # Banks reuse ids, and one file may name one twice: an id does not name one transaction, it only points at some. No foreign key and
    # no second index: both would cost a large import more than the rows themselves, and what deletes a transaction deletes its ids.
    op.execute("""
        CREATE TABLE accounts.source_ids (
            user_id        uuid NOT NULL,
            account_id     uuid NOT NULL,
            source_id      text NOT NULL CHECK (source_id <> ''),
            transaction_id uuid NOT NULL,
            import_id      uuid,
            PRIMARY KEY (user_id, account_id, source_id, transaction_id)
        )
    """)
    protect("accounts.source_ids", "scale_accounts")


def _create_aliases() -> None:
    # How else one transaction has stood in a file: as a pending row before it was booked, or as the row that the user merged into it.
    op.execute("""
        CREATE TABLE accounts.transaction_aliases (
            user_id          uuid          NOT NULL,
            id               uuid          NOT NULL,
            transaction_id   uuid          NOT NULL,
            account_id       uuid          NOT NULL,
            transaction_date date          NOT NULL,
            amount           numeric(19,4) NOT NULL,
            currency         char(3)       NOT NULL,
            description_key  text          NOT NULL,
            occurrence       integer       NOT NULL,
            import_id        uuid,
            created_at       timestamptz   NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, id),
            FOREIGN KEY (user_id, transaction_id) REFERENCES accounts.transactions (user_id, id) ON DELETE CASCADE
        )
    """)
    op.execute("CREATE INDEX idx_transaction_aliases_transaction ON accounts.transaction_aliases (user_id, transaction_id)")
    op.execute("""
        CREATE INDEX idx_transaction_aliases_date ON accounts.transaction_aliases (user_id, account_id, transaction_date)
    """)
    protect("accounts.transaction_aliases", "scale_accounts")
