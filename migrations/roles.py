"""The login roles of services that came after the first migration."""

from __future__ import annotations

from alembic import op


def create_role(role: str) -> None:
    """Adds a service's login role where it is missing, with what every service's role may do; its own schema is granted beside."""
    # A database that is new has it from revision 0001 on; an older one gets here what that and 0011 gave the others.
    op.execute(f"""
        DO $$
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
                CREATE ROLE {role} LOGIN;
            ELSIF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}' AND (rolsuper OR rolbypassrls)) THEN
                RAISE EXCEPTION 'role {role} is superuser or has BYPASSRLS: row level security would not bind it';
            END IF;
            EXECUTE format('GRANT CONNECT ON DATABASE %I TO {role}', current_database());
            -- What an export brings back is first copied into a temporary table.
            EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO {role}', current_database());
        END
        $$
    """)  # nosec B608  # a constant
    op.execute(f"GRANT USAGE ON SCHEMA auth TO {role}")
    for function in ("uid()", "role()", "admit(float8)", "begin_erasure(float8)", "note_erased(jsonb)"):
        op.execute(f"GRANT EXECUTE ON FUNCTION auth.{function} TO {role}")
