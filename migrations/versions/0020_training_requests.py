"""Who asked for a job of nobody's, so that the end is told to somebody; and an end to what is kept of jobs."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_ROLE = "scale_training"
_NOBODY = "'00000000-0000-0000-0000-000000000000'"
_FUNCTIONS = ("tell_requester(uuid, uuid, text, text, text, text)", "forget_requester()", "expire_jobs(double precision, integer)")


def upgrade() -> None:
    # A user's own jobs are the user's: there it stays empty.
    op.execute(f"ALTER TABLE training.training_jobs ADD COLUMN requested_by uuid CHECK (requested_by IS NULL OR user_id = {_NOBODY})")
    _create_requesters()
    _create_expiry()
    for function in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION training.{function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION training.{function} TO {_ROLE}")
    with op.get_context().autocommit_block():
        op.execute("""
            CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_training_jobs_completed ON training.training_jobs (completed_at)
            WHERE completed_at IS NOT NULL
        """)


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead.")


def _create_requesters() -> None:
    # In the transaction that ends the job, which is nobody's: what it says goes to whoever asked, and to nobody who erases everything just
    # now, or has since.
    op.execute(f"""
        CREATE FUNCTION training.tell_requester(job uuid, notification uuid, kind text, title text, body text, subject text)
        RETURNS void
        LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
        DECLARE
            asked uuid;
        BEGIN
            SELECT found.requested_by INTO asked FROM training.training_jobs AS found WHERE found.user_id = {_NOBODY} AND found.id = job;
            IF asked IS NULL OR NOT pg_try_advisory_xact_lock_shared(hashtextextended('auth.user ' || asked, 0)) THEN
                RETURN;
            END IF;
            INSERT INTO training.notifications (user_id, id, kind, title, body, subject_id)
            SELECT found.requested_by, notification, tell_requester.kind, tell_requester.title, tell_requester.body, subject
              FROM training.training_jobs AS found
             WHERE found.user_id = {_NOBODY} AND found.id = job AND found.requested_by = asked
            ON CONFLICT DO NOTHING;
        END
        $$
    """)  # nosec B608  # a constant
    op.execute(f"""
        CREATE FUNCTION training.forget_requester()
        RETURNS void
        LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$ UPDATE training.training_jobs SET requested_by = NULL WHERE user_id = {_NOBODY} AND requested_by = auth.uid() $$
    """)  # nosec B608  # a constant


def _create_expiry() -> None:
    # A version goes on saying which job made it.
    op.execute("""
        CREATE FUNCTION training.expire_jobs(days double precision, most integer)
        RETURNS bigint
        LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            WITH expired AS (
                DELETE FROM training.training_jobs AS gone USING (
                    SELECT job.user_id, job.id FROM training.training_jobs AS job
                    WHERE job.completed_at < now() - days * interval '1 day'
                      AND NOT EXISTS (SELECT FROM training.model_versions AS made WHERE made.user_id = job.user_id AND made.job_id = job.id)
                    ORDER BY job.completed_at LIMIT most
                ) AS old
                WHERE gone.user_id = old.user_id AND gone.id = old.id
                RETURNING 1
            )
            SELECT count(*) FROM expired
        $$
    """)
