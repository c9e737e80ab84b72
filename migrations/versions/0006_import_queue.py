"""Imports that a worker carries on: where the upload lies meanwhile, how far it is, and how a reaper finds what a dead worker held."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # object_key is empty for an import that is read within its request, and again once the upload was removed.
    op.execute("""
        ALTER TABLE ingestion.imports
            ADD COLUMN object_key text  NOT NULL DEFAULT '' CHECK (char_length(object_key) <= 200),
            ADD COLUMN progress   jsonb NOT NULL DEFAULT '{}'
    """)
    op.execute("""
        CREATE INDEX idx_imports_stalled ON ingestion.imports (lease_expires_at)
        WHERE object_key <> '' AND state IN ('pending', 'running')
    """)
    _create_stalled_imports()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: uploads that wait in the queue would be lost.")


def _create_stalled_imports() -> None:
    # The one look across users: ids only, and only of what is stuck. All that follows is done as the user.
    op.execute("""
        CREATE FUNCTION ingestion.stalled_imports(most integer)
        RETURNS TABLE (user_id uuid, import_id uuid, state text)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT found.user_id, found.id, found.state FROM ingestion.imports AS found
            WHERE found.object_key <> '' AND found.state IN ('pending', 'running') AND found.lease_expires_at < now()
            ORDER BY found.lease_expires_at LIMIT most
        $$
    """)
    op.execute("REVOKE ALL ON FUNCTION ingestion.stalled_imports(integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION ingestion.stalled_imports(integer) TO scale_ingestion")
