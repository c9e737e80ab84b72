"""What a user once corrected about a layout of CSV files."""

from __future__ import annotations

from alembic import op

from migrations.row_security import protect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # import_id names the import that taught it and may outlive it: no foreign key.
    op.execute("""
        CREATE TABLE ingestion.csv_profiles (
            user_id     uuid        NOT NULL,
            header_hash text        NOT NULL CHECK (header_hash ~ '^[0-9a-f]{64}$'),
            header      jsonb       NOT NULL,
            columns     jsonb       NOT NULL DEFAULT '{}',
            date_format text        CHECK (date_format <> ''),
            import_id   uuid        NOT NULL,
            created_at  timestamptz NOT NULL DEFAULT now(),
            updated_at  timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, header_hash)
        )
    """)
    protect("ingestion.csv_profiles", "scale_ingestion")


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: what users corrected would be lost.")
