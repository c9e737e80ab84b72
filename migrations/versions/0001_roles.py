"""One login role per service, and the identity functions that every policy asks."""

from __future__ import annotations

from alembic import op

from migrations.layout import SERVICE_ROLES

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for role in SERVICE_ROLES:
        _create_role(role)
    _close_database()
    _create_identity()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: roles may own sessions by now.")


def _create_role(role: str) -> None:
    # Passwords are the operator's business, never the history's. A role that is there already must not be above the
    # policies: the whole separation of users would be void, silently.
    op.execute(f"""
        DO $$
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                CREATE ROLE {role} LOGIN;
            ELSIF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}' AND (rolsuper OR rolbypassrls)) THEN
                RAISE EXCEPTION 'role {role} is superuser or has BYPASSRLS: row level security would not bind it';
            END IF;
        END
        $$
    """)  # nosec B608  # `role` is a constant of layout.py


def _close_database() -> None:
    roles = ", ".join(SERVICE_ROLES)
    # accounts copies each import into a temporary table first: COPY into a table under row level security is refused.
    op.execute(f"""
        DO $$
        BEGIN
            EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO {roles}', current_database());
            EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO scale_accounts', current_database());
        END
        $$
    """)
    op.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")


def _create_identity() -> None:
    roles = ", ".join(SERVICE_ROLES)
    op.execute("CREATE SCHEMA IF NOT EXISTS auth")
    op.execute("REVOKE ALL ON SCHEMA auth FROM PUBLIC")
    # Named as Supabase names them, so that its policies run here as they stand. STABLE and inlined: asked once a query.
    op.execute("""
        CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
        AS $$ SELECT NULLIF(current_setting('app.user_id', true), '')::uuid $$
    """)
    op.execute("""
        CREATE OR REPLACE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
        AS $$
            SELECT CASE WHEN NULLIF(current_setting('app.user_id', true), '') IS NULL THEN 'anon'
                        ELSE COALESCE(NULLIF(current_setting('app.role', true), ''), 'authenticated') END
        $$
    """)
    op.execute("REVOKE ALL ON FUNCTION auth.uid(), auth.role() FROM PUBLIC")
    op.execute(f"GRANT USAGE ON SCHEMA auth TO {roles}")
    op.execute(f"GRANT EXECUTE ON FUNCTION auth.uid(), auth.role() TO {roles}")
