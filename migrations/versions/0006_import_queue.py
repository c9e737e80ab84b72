"""Imports that a worker carries on: where the upload lies meanwhile, how far it is, and how a reaper finds what a dead worker held."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # object_key is empty for an import that is read within its request, and again once the upload was removed. in_queue says that a
    # message about it should be under way; begun, how often a worker has since it was queued; tries, how many of these count.
    op.execute("""
        ALTER TABLE ingestion.imports
            ADD COLUMN object_key text    NOT NULL DEFAULT '' CHECK (char_length(object_key) <= 200),
            ADD COLUMN in_queue   boolean NOT NULL DEFAULT false,
            ADD COLUMN begun      integer NOT NULL DEFAULT 0 CHECK (begun >= 0),
            ADD COLUMN tries      integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
            ADD COLUMN progress   jsonb   NOT NULL DEFAULT '{}'
    """)
    op.execute("""
        CREATE INDEX idx_imports_stalled ON ingestion.imports (lease_expires_at)
        WHERE object_key <> '' AND state IN ('pending', 'running')
    """)
    _create_stalled_imports()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: uploads that wait in the queue would be lost.")


def _create_stalled_imports() -> None:
    # Those without a message first: however many wait in a long queue, a dead worker's import is found.
    # The only looks across users: ids of what is stuck, and how many messages there should be. All that follows is done as the user.
    op.execute("""
        CREATE FUNCTION ingestion.stalled_imports(most integer)
        RETURNS TABLE (user_id uuid, import_id uuid, in_queue boolean)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT found.user_id, found.id, found.in_queue FROM ingestion.imports AS found
            WHERE found.object_key <> '' AND found.state IN ('pending', 'running') AND found.lease_expires_at < now()
            ORDER BY found.in_queue, found.lease_expires_at LIMIT most
        $$
    """)
    op.execute("""
        CREATE FUNCTION ingestion.count_in_queue()
        RETURNS bigint
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT count(*) FROM ingestion.imports WHERE object_key <> '' AND state IN ('pending', 'running') AND in_queue
        $$
    """)
    for function in ("ingestion.stalled_imports(integer)", "ingestion.count_in_queue()"):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO scale_ingestion")
