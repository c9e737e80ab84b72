"""Uploaded files, imports, and the rows of an import that did not enter the ledger."""

from __future__ import annotations

from alembic import op

from migrations.row_security import protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE SCHEMA ingestion")
    op.execute("REVOKE ALL ON SCHEMA ingestion FROM PUBLIC")
    op.execute("GRANT USAGE ON SCHEMA ingestion TO scale_ingestion")
    _create_uploaded_files()
    _create_imports()
    _create_import_rows()
    _create_layout_accounts()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: what was imported must stay explainable.")


def _create_uploaded_files() -> None:
    op.execute("""
        CREATE TABLE ingestion.uploaded_files (
            user_id     uuid        NOT NULL,
            id          uuid        NOT NULL,
            file_hash   text        NOT NULL CHECK (file_hash ~ '^[0-9a-f]{64}$'),
            filename    text        NOT NULL CHECK (char_length(filename) <= 255),
            upload_type text        NOT NULL,
            size_bytes  bigint      NOT NULL CHECK (size_bytes >= 0),
            created_at  timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, id)
        )
    """)
    # Not unique: the same file again is a new import with its own counts.
    op.execute("CREATE INDEX idx_uploaded_files_user_hash ON ingestion.uploaded_files (user_id, file_hash, created_at)")
    op.execute("CREATE INDEX idx_uploaded_files_user_created ON ingestion.uploaded_files (user_id, created_at DESC)")
    protect("ingestion.uploaded_files", "scale_ingestion")


def _create_imports() -> None:
    # account_id names a row of another schema and same_file_as may outlive what it names: no foreign keys for them.
    op.execute("""
        CREATE TABLE ingestion.imports (
            user_id                   uuid        NOT NULL,
            id                        uuid        NOT NULL,
            request_id                text        NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 255),
            request_hash              bytea       NOT NULL,
            file_id                   uuid,
            account_id                uuid,
            state                     text        NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'running', 'succeeded', 'failed', 'undone')),
            file_name                 text        NOT NULL DEFAULT '' CHECK (char_length(file_name) <= 255),
            file_format               text        NOT NULL DEFAULT '',
            file_hash                 text        NOT NULL DEFAULT '',
            currency                  char(3),
            options                   jsonb       NOT NULL DEFAULT '{}',
            detected                  jsonb       NOT NULL DEFAULT '{}',
            row_count                 bigint      NOT NULL DEFAULT 0 CHECK (row_count >= 0),
            inserted_count            bigint      NOT NULL DEFAULT 0 CHECK (inserted_count >= 0),
            duplicate_count           bigint      NOT NULL DEFAULT 0 CHECK (duplicate_count >= 0),
            suspected_duplicate_count bigint      NOT NULL DEFAULT 0 CHECK (suspected_duplicate_count >= 0),
            zero_amount_count         bigint      NOT NULL DEFAULT 0 CHECK (zero_amount_count >= 0),
            rejected_count            bigint      NOT NULL DEFAULT 0 CHECK (rejected_count >= 0),
            same_file_as              uuid,
            failure_reason            text        NOT NULL DEFAULT '',
            failure                   jsonb,
            attempt                   integer     NOT NULL DEFAULT 1 CHECK (attempt >= 1),
            lease_expires_at          timestamptz,
            created_at                timestamptz NOT NULL DEFAULT now(),
            completed_at              timestamptz,
            PRIMARY KEY (user_id, id),
            FOREIGN KEY (user_id, file_id) REFERENCES ingestion.uploaded_files (user_id, id),
            CHECK (state <> 'succeeded'
                   OR row_count = inserted_count + duplicate_count + zero_amount_count + rejected_count),
            CHECK (suspected_duplicate_count <= inserted_count)
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_imports_user_request ON ingestion.imports (user_id, request_id)")
    op.execute("CREATE INDEX idx_imports_pagination ON ingestion.imports (user_id, created_at DESC, id DESC)")
    op.execute("CREATE INDEX idx_imports_user_hash ON ingestion.imports (user_id, file_hash, created_at)")
    # What a process that died left behind, for the one that takes it over.
    op.execute("""
        CREATE INDEX idx_imports_lease ON ingestion.imports (user_id, lease_expires_at)
        WHERE state IN ('pending', 'running')
    """)
    protect("ingestion.imports", "scale_ingestion")


def _create_import_rows() -> None:
    # An inserted row needs no second record: the ledger knows its import and its line.
    op.execute("""
        CREATE TABLE ingestion.import_rows (
            user_id        uuid   NOT NULL,
            import_id      uuid   NOT NULL,
            line           bigint NOT NULL CHECK (line >= 1),
            outcome        text   NOT NULL
                CHECK (outcome IN ('duplicate', 'suspected_duplicate', 'zero_amount', 'rejected')),
            field          text   NOT NULL DEFAULT '',
            reason         text   NOT NULL DEFAULT '',
            transaction_id uuid,
            PRIMARY KEY (user_id, import_id, line),
            FOREIGN KEY (user_id, import_id) REFERENCES ingestion.imports (user_id, id) ON DELETE CASCADE
        )
    """)
    op.execute("""
        CREATE INDEX idx_import_rows_outcome ON ingestion.import_rows (user_id, import_id, outcome, line)
    """)
    protect("ingestion.import_rows", "scale_ingestion")


def _create_layout_accounts() -> None:
    # Which account the files of one layout and currency go to when they name none. By id, so that it may be renamed.
    op.execute("""
        CREATE TABLE ingestion.layout_accounts (
            user_id     uuid        NOT NULL,
            currency    char(3)     NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
            layout_hash text        NOT NULL CHECK (layout_hash ~ '^[0-9a-f]{64}$'),
            number      integer     NOT NULL CHECK (number >= 1),
            account_id  uuid,
            created_at  timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, currency, layout_hash)
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_layout_accounts_number ON ingestion.layout_accounts (user_id, currency, number)")
    protect("ingestion.layout_accounts", "scale_ingestion")
