"""What users say of categories, what is suggested to them, and the jobs that classify in the background."""

from __future__ import annotations

from alembic import op

from migrations.roles import create_role
from migrations.row_security import protect

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ROLE = "scale_categorization"
_AMOUNTS = "BETWEEN -922337203685477.5807 AND 922337203685477.5807"
_DAYS = "BETWEEN '0001-01-01' AND '9999-12-31'"


def upgrade() -> None:
    create_role(_ROLE)
    op.execute("CREATE SCHEMA categorization")
    op.execute("REVOKE ALL ON SCHEMA categorization FROM PUBLIC")
    op.execute(f"GRANT USAGE ON SCHEMA categorization TO {_ROLE}")
    _create_corrections()
    _create_anchors()
    _create_revisions()
    _create_jobs()
    _create_suggestions()
    _create_looks_across_users()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: what users have said would be lost.")


def _create_corrections() -> None:
    # Every word of a user, as it was said. transaction_id names a row of another schema: no foreign key.
    op.execute(f"""
        CREATE TABLE categorization.corrections (
            user_id           uuid          NOT NULL,
            id                uuid          NOT NULL,
            request_id        text          NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 36),
            request_hash      bytea         NOT NULL,
            transaction_id    uuid,
            category          text          NOT NULL CHECK (char_length(category) BETWEEN 1 AND 100),
            previous_category text          NOT NULL DEFAULT '' CHECK (char_length(previous_category) <= 100),
            merchant_key      text          NOT NULL DEFAULT '' CHECK (char_length(merchant_key) <= 100),
            description       text          NOT NULL CHECK (char_length(description) <= 10000),
            merchant          text          NOT NULL DEFAULT '' CHECK (char_length(merchant) <= 500),
            amount            numeric(19,4) NOT NULL CHECK (amount {_AMOUNTS}),
            currency          char(3)       NOT NULL CHECK (currency ~ '^[A-Z]{{3}}$'),
            transaction_date  date          CHECK (transaction_date {_DAYS}),
            created_at        timestamptz   NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, id)
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_corrections_request ON categorization.corrections (user_id, request_id)")
    protect("categorization.corrections", _ROLE)


def _create_anchors() -> None:
    # What counts of it now: the last word on each payment. `subject` is the transaction's id, or a digest of a payment that is in no
    # ledger. Where it lies on the ball is not stored: that is another place with each model.
    op.execute(f"""
        CREATE TABLE categorization.anchors (
            user_id          uuid          NOT NULL,
            subject          text          NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 64),
            merchant_key     text          NOT NULL CHECK (char_length(merchant_key) <= 100),
            category         text          NOT NULL CHECK (char_length(category) BETWEEN 1 AND 100),
            description      text          NOT NULL CHECK (char_length(description) <= 10000),
            merchant         text          NOT NULL DEFAULT '' CHECK (char_length(merchant) <= 500),
            amount           numeric(19,4) NOT NULL CHECK (amount {_AMOUNTS}),
            transaction_date date          CHECK (transaction_date {_DAYS}),
            said_at          timestamptz   NOT NULL DEFAULT clock_timestamp(),
            PRIMARY KEY (user_id, subject)
        )
    """)
    op.execute("CREATE INDEX idx_anchors_said ON categorization.anchors (user_id, said_at DESC, subject)")
    protect("categorization.anchors", _ROLE)


def _create_revisions() -> None:
    # Another one with every change of a user's anchors, so that a process knows whether those that it has in memory still hold. No counter,
    # which after an erasure would begin again.
    op.execute("""
        CREATE TABLE categorization.revisions (
            user_id  uuid PRIMARY KEY,
            revision uuid NOT NULL DEFAULT gen_random_uuid()
        )
    """)
    protect("categorization.revisions", _ROLE)


def _create_jobs() -> None:
    # attempt counts who works on it: one whose attempt is over changes nothing. in_queue says that a message about it should be under way,
    # begun how often a worker took it up, tries how many of these count. cursor is where a walk through the ledger goes on.
    op.execute("""
        CREATE TABLE categorization.jobs (
            user_id          uuid        NOT NULL,
            id               uuid        NOT NULL,
            request_id       text        NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 36),
            request_hash     bytea       NOT NULL,
            kind             text        NOT NULL CHECK (kind IN ('classification', 'recategorization', 'discovery')),
            state            text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'succeeded', 'failed')),
            attempt          integer     NOT NULL DEFAULT 0 CHECK (attempt >= 0),
            begun            integer     NOT NULL DEFAULT 0 CHECK (begun >= 0),
            tries            integer     NOT NULL DEFAULT 0 CHECK (tries >= 0),
            in_queue         boolean     NOT NULL DEFAULT true,
            lease_expires_at timestamptz,
            cursor           text        NOT NULL DEFAULT '' CHECK (char_length(cursor) <= 2000),
            input_count      bigint      NOT NULL DEFAULT 0 CHECK (input_count >= 0),
            done_count       bigint      NOT NULL DEFAULT 0 CHECK (done_count >= 0),
            changed_count    bigint      NOT NULL DEFAULT 0 CHECK (changed_count >= 0),
            error_message    text        NOT NULL DEFAULT '' CHECK (char_length(error_message) <= 2000),
            error_reason     text        NOT NULL DEFAULT '' CHECK (char_length(error_reason) <= 63),
            model_version    text        NOT NULL DEFAULT '' CHECK (char_length(model_version) <= 200),
            created_at       timestamptz NOT NULL DEFAULT now(),
            completed_at     timestamptz,
            PRIMARY KEY (user_id, id),
            CHECK ((state IN ('succeeded', 'failed')) = (completed_at IS NOT NULL)),
            CHECK ((state IN ('pending', 'running')) = (lease_expires_at IS NOT NULL)),
            CHECK ((state = 'failed') = (error_reason <> '')),
            CHECK (state <> 'running' OR attempt > 0)
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_jobs_request ON categorization.jobs (user_id, request_id)")
    # Two walks through one ledger at a time would undo each other's work.
    op.execute("""
        CREATE UNIQUE INDEX idx_jobs_open ON categorization.jobs (user_id, kind)
        WHERE kind <> 'classification' AND state IN ('pending', 'running')
    """)
    op.execute("CREATE INDEX idx_jobs_stalled ON categorization.jobs (lease_expires_at) WHERE state IN ('pending', 'running')")
    op.execute("CREATE INDEX idx_jobs_completed ON categorization.jobs (completed_at) WHERE kind = 'classification'")
    # A final state is final, whoever asks.
    op.execute("""
        CREATE FUNCTION categorization.keep_final_state() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
        AS $$
        BEGIN
            RAISE EXCEPTION 'job % is % and stays so', OLD.id, OLD.state USING ERRCODE = 'check_violation';
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER keep_final_state BEFORE UPDATE ON categorization.jobs FOR EACH ROW
        WHEN (OLD.state IN ('succeeded', 'failed') AND NEW.state <> OLD.state) EXECUTE FUNCTION categorization.keep_final_state()
    """)
    protect("categorization.jobs", _ROLE)
    # What a classification was asked, a thousand payments a row, and what it has answered so far.
    op.execute("""
        CREATE TABLE categorization.job_chunks (
            user_id uuid    NOT NULL,
            job_id  uuid    NOT NULL,
            number  integer NOT NULL CHECK (number >= 0),
            inputs  jsonb   NOT NULL,
            results jsonb,
            PRIMARY KEY (user_id, job_id, number),
            FOREIGN KEY (user_id, job_id) REFERENCES categorization.jobs (user_id, id) ON DELETE CASCADE
        )
    """)
    protect("categorization.job_chunks", _ROLE)


def _create_suggestions() -> None:
    op.execute("""
        CREATE TABLE categorization.suggestions (
            user_id           uuid             NOT NULL,
            id                uuid             NOT NULL,
            job_id            uuid             NOT NULL,
            state             text             NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'dismissed')),
            name              text             NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
            primary_slug      text             NOT NULL CHECK (char_length(primary_slug) BETWEEN 1 AND 100),
            category          text             NOT NULL DEFAULT '' CHECK (char_length(category) <= 100),
            score             double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
            transaction_count bigint           NOT NULL CHECK (transaction_count >= 1),
            examples          text[]           NOT NULL DEFAULT '{}' CHECK (cardinality(examples) <= 5),
            merchant_keys     text[]           NOT NULL DEFAULT '{}',
            reason            text             NOT NULL CHECK (char_length(reason) <= 2000),
            created_at        timestamptz      NOT NULL DEFAULT now(),
            decided_at        timestamptz,
            PRIMARY KEY (user_id, id),
            CHECK ((state = 'open') = (decided_at IS NULL)),
            CHECK ((state = 'accepted') = (category <> ''))
        )
    """)
    op.execute("""
        CREATE INDEX idx_suggestions_pagination ON categorization.suggestions (user_id, state, created_at DESC, id DESC)
    """)
    protect("categorization.suggestions", _ROLE)
    # The most typical first. An anchor of each of the first is made when the suggestion is taken up, so what it says of itself is kept.
    op.execute(f"""
        CREATE TABLE categorization.suggestion_members (
            user_id          uuid          NOT NULL,
            suggestion_id    uuid          NOT NULL,
            position         integer       NOT NULL CHECK (position >= 0),
            transaction_id   uuid          NOT NULL,
            merchant_key     text          NOT NULL CHECK (char_length(merchant_key) <= 100),
            description      text          NOT NULL CHECK (char_length(description) <= 10000),
            merchant         text          NOT NULL DEFAULT '' CHECK (char_length(merchant) <= 500),
            amount           numeric(19,4) NOT NULL CHECK (amount {_AMOUNTS}),
            transaction_date date          CHECK (transaction_date {_DAYS}),
            PRIMARY KEY (user_id, suggestion_id, position),
            FOREIGN KEY (user_id, suggestion_id) REFERENCES categorization.suggestions (user_id, id) ON DELETE CASCADE
        )
    """)
    protect("categorization.suggestion_members", _ROLE)


def _create_looks_across_users() -> None:
    # Those without a message first: however many wait in a long queue, a dead worker's job is found. Ids only; all that follows is done as
    # the user.
    op.execute("""
        CREATE FUNCTION categorization.stalled_jobs(most integer)
        RETURNS TABLE (user_id uuid, job_id uuid, kind text, in_queue boolean)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT found.user_id, found.id, found.kind, found.in_queue FROM categorization.jobs AS found
            WHERE found.state IN ('pending', 'running') AND found.lease_expires_at < now()
            ORDER BY found.in_queue, found.lease_expires_at LIMIT most
        $$
    """)
    op.execute("""
        CREATE FUNCTION categorization.count_in_queue()
        RETURNS bigint
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT count(*) FROM categorization.jobs WHERE state IN ('pending', 'running') AND in_queue
        $$
    """)
    # Answers are fetched soon or never; the job itself stays.
    op.execute("""
        CREATE FUNCTION categorization.expire_job_chunks(days double precision, most integer)
        RETURNS bigint
        LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            WITH expired AS (
                DELETE FROM categorization.job_chunks AS chunk USING (
                    SELECT user_id, id FROM categorization.jobs
                    WHERE kind = 'classification' AND completed_at < now() - days * interval '1 day'
                      AND EXISTS (SELECT FROM categorization.job_chunks WHERE job_chunks.user_id = jobs.user_id AND job_id = jobs.id)
                    ORDER BY completed_at LIMIT most
                ) AS job
                WHERE chunk.user_id = job.user_id AND chunk.job_id = job.id
                RETURNING 1
            )
            SELECT count(*) FROM expired
        $$
    """)
    functions = ("stalled_jobs(integer)", "count_in_queue()", "expire_job_chunks(double precision, integer)")
    for function in functions:
        op.execute(f"REVOKE ALL ON FUNCTION categorization.{function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION categorization.{function} TO {_ROLE}")
