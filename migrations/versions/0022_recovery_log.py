"""Attempts to restore the database, and the role that backs it up."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_ROLE = "scale_backup"


def upgrade() -> None:
    # REPLICATION is a superuser's to give: the embedded server has given it before this, for another docs/backup-restore.md says how.
    op.execute(f"""
        DO $$
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{_ROLE}') THEN
                CREATE ROLE {_ROLE} LOGIN;
            ELSIF EXISTS (SELECT FROM pg_roles WHERE rolname = '{_ROLE}' AND rolsuper) THEN
                RAISE EXCEPTION 'role {_ROLE} is superuser: backups need no more than REPLICATION';
            END IF;
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO {_ROLE}', current_database());
        END
        $$
    """)  # nosec B608  # a constant
    op.execute("CREATE SCHEMA operations")
    op.execute("REVOKE ALL ON SCHEMA operations FROM PUBLIC")
    op.execute(f"GRANT USAGE ON SCHEMA operations TO {_ROLE}")
    # target_time: none for the newest moment that there was. Nobody's rows: they name no user.
    op.execute("""
        CREATE TABLE operations.recovery_log (
            id          uuid        PRIMARY KEY,
            time        timestamptz NOT NULL DEFAULT now(),
            target_time timestamptz,
            status      text        NOT NULL CHECK (status IN ('started', 'succeeded', 'failed')),
            notes       text        NOT NULL DEFAULT '' CHECK (char_length(notes) <= 4000)
        )
    """)
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON operations.recovery_log TO {_ROLE}")


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: what was restored must stay on record.")
