"""Users who erased everything: an audit entry that names nobody, and what keeps an older token from making them anew."""

from __future__ import annotations

from alembic import op

from migrations.layout import SERVICE_ROLES

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_tables()
    _create_names()
    _create_admit()
    _create_begin_erasure()
    _create_note_erased()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: older tokens would make erased users anew.")


def _create_tables() -> None:
    # No service may read them. The digest is of the user's id and a secret that never leaves the database: whoever has a list of ids, but
    # not that, cannot tell who is in here.
    op.execute("""
        CREATE TABLE auth.erasure_secret (
            secret bytea PRIMARY KEY CHECK (octet_length(secret) = 32)
        )
    """)
    op.execute("""
        INSERT INTO auth.erasure_secret VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                                                       || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))
    """)
    op.execute("""
        CREATE TABLE auth.erasures (
            id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
            user_digest bytea       NOT NULL CHECK (octet_length(user_digest) = 32),
            erased_at   timestamptz NOT NULL,
            counts      jsonb       NOT NULL DEFAULT '{}'
        )
    """)
    op.execute("CREATE INDEX idx_erasures_user ON auth.erasures (user_digest, erased_at DESC)")
    # Rows of their own, as many as the first writing transactions after a new sign-in: these must not wait for each other.
    op.execute("""
        CREATE TABLE auth.returns (
            erasure_id  uuid        NOT NULL REFERENCES auth.erasures (id),
            id          uuid        NOT NULL DEFAULT gen_random_uuid(),
            returned_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (erasure_id, id)
        )
    """)
    op.execute("REVOKE ALL ON auth.erasure_secret, auth.erasures, auth.returns FROM PUBLIC")


def _create_names() -> None:
    # For the functions below, which run as their owner; always about the user of the transaction.
    op.execute("""
        CREATE FUNCTION auth.user_lock() RETURNS bigint LANGUAGE sql STABLE
        AS $$ SELECT hashtextextended('auth.user ' || auth.uid(), 0) $$
    """)
    op.execute("""
        CREATE FUNCTION auth.user_digest() RETURNS bytea LANGUAGE sql STABLE
        AS $$ SELECT sha256(secret || uuid_send(auth.uid())) FROM auth.erasure_secret $$
    """)
    op.execute("REVOKE ALL ON FUNCTION auth.user_lock(), auth.user_digest() FROM PUBLIC")


def _create_admit() -> None:
    # At the beginning of each transaction that may write. It does not wait for an erasure, of which there are few: it says so. The lock is
    # held to the end; each statement sees what was committed before it, so that what the look finds cannot change any more.
    op.execute("""
        CREATE FUNCTION auth.admit(signed_in_at float8) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
        DECLARE
            last auth.erasures;
        BEGIN
            IF NOT pg_try_advisory_xact_lock_shared(auth.user_lock()) THEN
                RAISE EXCEPTION 'the user is being erased' USING ERRCODE = 'SC503';
            END IF;
            SELECT * INTO last FROM auth.erasures WHERE user_digest = auth.user_digest() ORDER BY erased_at DESC LIMIT 1;
            IF NOT FOUND THEN
                RETURN;
            END IF;
            IF signed_in_at IS NULL OR to_timestamp(signed_in_at) <= last.erased_at THEN
                RAISE EXCEPTION 'the user is erased' USING ERRCODE = 'SC401';
            END IF;
            IF NOT EXISTS (SELECT FROM auth.returns WHERE erasure_id = last.id) THEN
                INSERT INTO auth.returns (erasure_id) VALUES (last.id);
            END IF;
        END
        $$
    """)
    _grant("auth.admit(float8)")


def _create_begin_erasure() -> None:
    # Waits, as long as the transaction's lock_timeout, until no other writes for the user. The sign-in that ordered an erasure may repeat
    # it, in every service, until all is gone; once the user has started anew it may not.
    op.execute("""
        CREATE FUNCTION auth.begin_erasure(signed_in_at float8) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
        DECLARE
            last auth.erasures;
        BEGIN
            PERFORM pg_advisory_xact_lock(auth.user_lock());
            SELECT * INTO last FROM auth.erasures WHERE user_digest = auth.user_digest() ORDER BY erased_at DESC LIMIT 1;
            IF NOT FOUND OR to_timestamp(signed_in_at) > last.erased_at THEN
                -- Never before the sign-in that orders it, whatever the clock of its issuer says.
                INSERT INTO auth.erasures (user_digest, erased_at)
                VALUES (auth.user_digest(), greatest(clock_timestamp(), to_timestamp(signed_in_at)));
            ELSIF EXISTS (SELECT FROM auth.returns WHERE erasure_id = last.id) THEN
                RAISE EXCEPTION 'the user is erased, and has started anew' USING ERRCODE = 'SC401';
            END IF;
        END
        $$
    """)
    _grant("auth.begin_erasure(float8)")


def _create_note_erased() -> None:
    op.execute("""
        CREATE FUNCTION auth.note_erased(counted jsonb) RETURNS void
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            UPDATE auth.erasures SET counts = (
                SELECT coalesce(jsonb_object_agg(name, total), '{}')
                  FROM (SELECT key AS name, sum(value::bigint) AS total
                          FROM (SELECT * FROM jsonb_each_text(counts) UNION ALL SELECT * FROM jsonb_each_text(counted)) AS both_of_them
                         GROUP BY key) AS summed)
             WHERE id = (SELECT id FROM auth.erasures WHERE user_digest = auth.user_digest() ORDER BY erased_at DESC LIMIT 1)
        $$
    """)
    _grant("auth.note_erased(jsonb)")


def _grant(function: str) -> None:
    op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {', '.join(SERVICE_ROLES)}")
