"""Work in the background starts no erased user anew.

The services erase one after the other. A worker that took up a task in between, in one that was still to come, had a later moment than the
erasure: it counted as a new sign-in, and the rest of the erasure was refused to the one that had ordered it.
"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As auth.admit, but for work that nobody is signed in for: after an erasure there is none until the user is back, which shows by what
    # the user writes then.
    op.execute("""
        CREATE FUNCTION auth.admit_background(since float8) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
        DECLARE
            last auth.erasures;
        BEGIN
            IF NOT pg_try_advisory_xact_lock_shared(auth.user_lock()) THEN
                RAISE EXCEPTION 'the user is being erased' USING ERRCODE = 'SC503';
            END IF;
            SELECT * INTO last FROM auth.erasures WHERE user_digest = auth.user_digest() ORDER BY erased_at DESC LIMIT 1;
            IF FOUND AND (since IS NULL OR to_timestamp(since) <= last.erased_at
                          OR NOT EXISTS (SELECT FROM auth.returns WHERE erasure_id = last.id)) THEN
                RAISE EXCEPTION 'the user is erased' USING ERRCODE = 'SC401';
            END IF;
        END
        $$
    """)
    op.execute("REVOKE ALL ON FUNCTION auth.admit_background(float8) FROM PUBLIC")
    op.execute("""
        DO $$
        DECLARE
            service text;
        BEGIN
            FOR service IN
                SELECT grantee::regrole::text FROM pg_proc, aclexplode(proacl)
                 WHERE oid = 'auth.admit(float8)'::regprocedure AND grantee <> proowner
            LOOP
                EXECUTE 'GRANT EXECUTE ON FUNCTION auth.admit_background(float8) TO ' || service;
            END LOOP;
        END
        $$
    """)


def downgrade() -> None:
    op.execute("DROP FUNCTION auth.admit_background(float8)")
