"""Users' own models, how users take the categories that are given, and what training reads of both across users."""

from __future__ import annotations

from alembic import op

from migrations.row_security import protect

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_ROLE = "scale_categorization"
_FUNCTIONS = (
    "agreed_corrections(integer, text[], text, boolean, integer)",
    "add_acceptance(uuid[], date[], bigint[], bigint[], float8)",
    "low_acceptance(date, float8, bigint, uuid, integer)",
    "total_acceptance(date)",
    "expire_acceptance(date, integer)",
)


def upgrade() -> None:
    _create_user_models()
    _create_acceptance()
    _create_agreed_corrections()
    _create_acceptance_functions()
    for function in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION categorization.{function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION categorization.{function} TO {_ROLE}")
    # For agreed_corrections alone, which looks across users: in the order of its pages.
    with op.get_context().autocommit_block():
        op.execute("""
            CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_anchors_merchant
            ON categorization.anchors (merchant_key, (amount > 0), user_id, said_at DESC)
        """)


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: users' own models would be lost.")


def _create_user_models() -> None:
    # The one that answers for its user; those before are in the registry. base_version names the global model that it goes with.
    op.execute("""
        CREATE TABLE categorization.user_models (
            user_id      uuid        PRIMARY KEY,
            version      text        NOT NULL CHECK (char_length(version) BETWEEN 1 AND 200),
            base_version text        NOT NULL CHECK (char_length(base_version) BETWEEN 1 AND 200),
            content_hash text        NOT NULL CHECK (content_hash ~ '^[0-9a-f]{64}$'),
            artifact     bytea       NOT NULL CHECK (octet_length(artifact) BETWEEN 1 AND 1048576),
            created_at   timestamptz NOT NULL DEFAULT now()
        )
    """)
    # Weights do not get smaller, and are read whole.
    op.execute("ALTER TABLE categorization.user_models ALTER COLUMN artifact SET STORAGE EXTERNAL")
    protect("categorization.user_models", _ROLE)


def _create_acceptance() -> None:
    op.execute("""
        CREATE TABLE categorization.acceptance (
            user_id    uuid   NOT NULL,
            day        date   NOT NULL,
            classified bigint NOT NULL DEFAULT 0 CHECK (classified >= 0),
            corrected  bigint NOT NULL DEFAULT 0 CHECK (corrected >= 0),
            PRIMARY KEY (user_id, day)
        )
    """)
    op.execute("CREATE INDEX idx_acceptance_day ON categorization.acceptance (day)")
    protect("categorization.acceptance", _ROLE)


def _create_agreed_corrections() -> None:
    # One vote for each user: the latest word on the merchant. Agreed is what more than half of those say who say anything, if they are
    # enough; and only what all users have a name for.
    op.execute("""
        CREATE FUNCTION categorization.agreed_corrections(
            least_users integer, slugs text[], after_key text, after_credit boolean, most integer
        )
        RETURNS TABLE (merchant_key text, credit boolean, category text, user_count bigint)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            WITH votes AS (
                SELECT DISTINCT ON (said.merchant_key, (said.amount > 0), said.user_id)
                       said.merchant_key, (said.amount > 0) AS credit, said.category
                  FROM categorization.anchors AS said
                 WHERE (said.merchant_key, (said.amount > 0)) > (after_key, after_credit)
                 ORDER BY said.merchant_key, (said.amount > 0), said.user_id, said.said_at DESC
            ), counted AS (
                SELECT votes.merchant_key, votes.credit, votes.category, count(*) AS user_count,
                       sum(count(*)) OVER (PARTITION BY votes.merchant_key, votes.credit) AS all_count
                  FROM votes GROUP BY votes.merchant_key, votes.credit, votes.category
            )
            SELECT counted.merchant_key, counted.credit, counted.category, counted.user_count FROM counted
             WHERE counted.user_count >= least_users AND counted.user_count * 2 > counted.all_count
               AND counted.category = ANY (slugs) AND counted.merchant_key <> ''
             ORDER BY counted.merchant_key, counted.credit LIMIT most
        $$
    """)


def _create_acceptance_functions() -> None:
    # As auth.admit, for many: who is being erased, or was since the oldest of these was counted, has nothing counted. A loop, so that each
    # look sees what was committed before its lock was taken; in the order of ids, so that two processes do not wait for each other.
    op.execute("""
        CREATE FUNCTION categorization.add_acceptance(
            users uuid[], days date[], classified_counts bigint[], corrected_counts bigint[], age_s float8
        )
        RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
        DECLARE
            one record;
        BEGIN
            FOR one IN
                SELECT * FROM unnest(users, days, classified_counts, corrected_counts) AS new (user_id, day, classified, corrected)
                ORDER BY new.user_id, new.day
            LOOP
                CONTINUE WHEN NOT pg_try_advisory_xact_lock_shared(hashtextextended('auth.user ' || one.user_id, 0));
                CONTINUE WHEN EXISTS (
                    SELECT FROM auth.erasures
                     WHERE user_digest = (SELECT sha256(secret || uuid_send(one.user_id)) FROM auth.erasure_secret)
                       AND erased_at > clock_timestamp() - age_s * interval '1 second'
                );
                INSERT INTO categorization.acceptance AS kept (user_id, day, classified, corrected)
                VALUES (one.user_id, one.day, one.classified, one.corrected)
                ON CONFLICT (user_id, day) DO UPDATE
                   SET classified = kept.classified + excluded.classified, corrected = kept.corrected + excluded.corrected;
            END LOOP;
        END
        $$
    """)
    # What was put right of what had been given before the window makes no figure worse than nothing accepted.
    op.execute("""
        CREATE FUNCTION categorization.low_acceptance(since date, ratio float8, least_classified bigint, after uuid, most integer)
        RETURNS TABLE (user_id uuid, classified bigint, corrected bigint)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT kept.user_id, sum(kept.classified)::bigint, least(sum(kept.corrected), sum(kept.classified))::bigint
              FROM categorization.acceptance AS kept WHERE kept.user_id > after AND kept.day >= since
             GROUP BY kept.user_id
            HAVING sum(kept.classified) >= greatest(least_classified, 1)
               AND 1 - least(sum(kept.corrected), sum(kept.classified))::float8 / sum(kept.classified)::float8 < ratio
             ORDER BY kept.user_id LIMIT most
        $$
    """)
    op.execute("""
        CREATE FUNCTION categorization.total_acceptance(since date)
        RETURNS TABLE (classified bigint, corrected bigint)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT coalesce(sum(one.classified), 0)::bigint, coalesce(sum(least(one.corrected, one.classified)), 0)::bigint
              FROM (SELECT sum(kept.classified) AS classified, sum(kept.corrected) AS corrected
                      FROM categorization.acceptance AS kept WHERE kept.day >= since GROUP BY kept.user_id) AS one
        $$
    """)
    op.execute("""
        CREATE FUNCTION categorization.expire_acceptance(before date, most integer)
        RETURNS bigint
        LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            WITH expired AS (
                DELETE FROM categorization.acceptance AS gone USING (
                    SELECT user_id, day FROM categorization.acceptance WHERE day < before ORDER BY day LIMIT most
                ) AS old
                WHERE gone.user_id = old.user_id AND gone.day = old.day
                RETURNING 1
            )
            SELECT count(*) FROM expired
        $$
    """)
