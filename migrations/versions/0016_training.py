"""Training jobs, versions of models, and what users are told of them."""

from __future__ import annotations

from alembic import op

from migrations.roles import create_role
from migrations.row_security import protect

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_ROLE = "scale_training"
_MODELS = "{} ~ '^[a-z][a-z0-9-]{{0,62}}$'"
_OPEN = "status IN ('pending', 'processing')"


def upgrade() -> None:
    create_role(_ROLE)
    op.execute("CREATE SCHEMA training")
    op.execute("REVOKE ALL ON SCHEMA training FROM PUBLIC")
    op.execute(f"GRANT USAGE ON SCHEMA training TO {_ROLE}")
    _create_jobs()
    _create_state_machine()
    _create_versions()
    _create_notifications()
    _create_looks_across_users()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: versions of models would be lost.")


def _create_jobs() -> None:
    # Jobs of global models, and their versions, belong to nobody: user_id is zero throughout. attempt counts who works on a job: one whose
    # attempt is over changes nothing. in_queue says that a message about it should be under way, begun how often a worker took it up, tries
    # how many of these count.
    op.execute(f"""
        CREATE TABLE training.training_jobs (
            user_id          uuid        NOT NULL,
            id               uuid        NOT NULL,
            request_id       text        NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 36),
            model_type       text        NOT NULL CHECK ({_MODELS.format("model_type")}),
            trigger          text        NOT NULL CHECK (trigger IN ('user', 'accuracy', 'schedule')),
            status           text        NOT NULL DEFAULT 'pending'
                             CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled')),
            cancel_requested boolean     NOT NULL DEFAULT false,
            attempt          integer     NOT NULL DEFAULT 0 CHECK (attempt >= 0),
            begun            integer     NOT NULL DEFAULT 0 CHECK (begun >= 0),
            tries            integer     NOT NULL DEFAULT 0 CHECK (tries >= 0),
            in_queue         boolean     NOT NULL DEFAULT true,
            lease_expires_at timestamptz,
            step             bigint      NOT NULL DEFAULT 0 CHECK (step >= 0),
            total            bigint      NOT NULL DEFAULT 0 CHECK (total >= 0),
            loss             double precision,
            phase            text        NOT NULL DEFAULT '' CHECK (char_length(phase) <= 63),
            metrics          jsonb       NOT NULL DEFAULT '{{}}',
            checkpoint_path  text        NOT NULL DEFAULT '' CHECK (char_length(checkpoint_path) <= 1000),
            model_version    text        NOT NULL DEFAULT '' CHECK (char_length(model_version) <= 200),
            published        boolean     NOT NULL DEFAULT false,
            error_message    text        NOT NULL DEFAULT '' CHECK (char_length(error_message) <= 2000),
            error_reason     text        NOT NULL DEFAULT '' CHECK (char_length(error_reason) <= 63),
            created_at       timestamptz NOT NULL DEFAULT now(),
            started_at       timestamptz,
            updated_at       timestamptz NOT NULL DEFAULT now(),
            completed_at     timestamptz,
            PRIMARY KEY (user_id, id),
            CHECK (({_OPEN}) = (completed_at IS NULL)),
            CHECK (({_OPEN}) = (lease_expires_at IS NOT NULL)),
            CHECK ((status = 'failed') = (error_reason <> '')),
            CHECK (status <> 'processing' OR (attempt > 0 AND started_at IS NOT NULL)),
            CHECK (step <= total)
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_training_jobs_request ON training.training_jobs (user_id, request_id)")
    # One open job for each user, whatever Redis says.
    op.execute(f"CREATE UNIQUE INDEX idx_training_jobs_open ON training.training_jobs (user_id) WHERE {_OPEN}")
    op.execute("CREATE INDEX idx_training_jobs_pending ON training.training_jobs (status, created_at) WHERE status = 'pending'")
    op.execute("CREATE INDEX idx_training_jobs_user_status ON training.training_jobs (user_id, status, created_at DESC)")
    op.execute(f"CREATE INDEX idx_training_jobs_stalled ON training.training_jobs (lease_expires_at) WHERE {_OPEN}")
    protect("training.training_jobs", _ROLE)


def _create_state_machine() -> None:
    # A final state is final, whoever asks; a job that runs may be put back, one that waits cannot be done.
    op.execute("""
        CREATE FUNCTION training.check_transition() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
        AS $$
        BEGIN
            IF (OLD.status, NEW.status) IN (
                ('pending', 'processing'), ('pending', 'failed'), ('pending', 'cancelled'), ('processing', 'pending'),
                ('processing', 'completed'), ('processing', 'failed'), ('processing', 'cancelled')
            ) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'training job % is % and cannot become %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'check_violation';
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER check_transition BEFORE UPDATE ON training.training_jobs FOR EACH ROW
        WHEN (OLD.status <> NEW.status) EXECUTE FUNCTION training.check_transition()
    """)


def _create_versions() -> None:
    # delivered_at: when the service that answers was told that it is live, or, where it is retired and nothing follows it, that it is no
    # longer; empty while that still has to be said. promoted_at orders what was live: going back leads to the one before.
    op.execute(f"""
        CREATE TABLE training.model_versions (
            user_id        uuid        NOT NULL,
            id             uuid        NOT NULL,
            model_type     text        NOT NULL CHECK ({_MODELS.format("model_type")}),
            number         integer     NOT NULL CHECK (number >= 1),
            version        text        NOT NULL CHECK (version ~ '^[0-9]{{1,9}}-[0-9a-f]{{8}}$'),
            stage          text        NOT NULL DEFAULT 'candidate' CHECK (stage IN ('candidate', 'live', 'retired')),
            metrics        jsonb       NOT NULL DEFAULT '{{}}',
            content_hash   text        NOT NULL CHECK (content_hash ~ '^[0-9a-f]{{64}}$'),
            size_bytes     bigint      NOT NULL CHECK (size_bytes > 0),
            artifact_key   text        NOT NULL CHECK (char_length(artifact_key) BETWEEN 1 AND 500),
            parent_version text        NOT NULL DEFAULT '' CHECK (char_length(parent_version) <= 200),
            data_cutoff_at timestamptz NOT NULL,
            code_version   text        NOT NULL CHECK (char_length(code_version) <= 200),
            job_id         uuid        NOT NULL,
            created_at     timestamptz NOT NULL DEFAULT now(),
            promoted_at    timestamptz,
            delivered_at   timestamptz,
            PRIMARY KEY (user_id, id),
            CHECK (stage = 'candidate' OR promoted_at IS NOT NULL),
            -- Whoever can write a row of the user's own, as what an export brings back does, must not reach an artefact of somebody else's.
            CHECK (artifact_key = 'models/' || user_id::text || '/' || model_type || '/' || version)
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_model_versions_version ON training.model_versions (user_id, model_type, version)")
    op.execute("CREATE UNIQUE INDEX idx_model_versions_number ON training.model_versions (user_id, model_type, number)")
    # A job that is done twice registers once; one version answers at a time.
    op.execute("CREATE UNIQUE INDEX idx_model_versions_job ON training.model_versions (user_id, job_id)")
    op.execute("CREATE UNIQUE INDEX idx_model_versions_live ON training.model_versions (user_id, model_type) WHERE stage = 'live'")
    op.execute("CREATE INDEX idx_model_versions_artifact ON training.model_versions (artifact_key)")
    op.execute("""
        CREATE INDEX idx_model_versions_undelivered ON training.model_versions (promoted_at)
        WHERE stage <> 'candidate' AND delivered_at IS NULL
    """)
    protect("training.model_versions", _ROLE)


def _create_notifications() -> None:
    op.execute("""
        CREATE TABLE training.notifications (
            user_id    uuid        NOT NULL,
            id         uuid        NOT NULL,
            kind       text        NOT NULL CHECK (kind ~ '^[a-z][a-z_]{0,62}$'),
            title      text        NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
            body       text        NOT NULL DEFAULT '' CHECK (char_length(body) <= 4000),
            subject_id text        NOT NULL CHECK (char_length(subject_id) BETWEEN 1 AND 64),
            created_at timestamptz NOT NULL DEFAULT now(),
            read_at    timestamptz,
            PRIMARY KEY (user_id, id)
        )
    """)
    # What is told twice is told once.
    op.execute("CREATE UNIQUE INDEX idx_notifications_subject ON training.notifications (user_id, kind, subject_id)")
    op.execute("CREATE INDEX idx_notifications_unread ON training.notifications (user_id, id DESC) WHERE read_at IS NULL")
    op.execute("CREATE INDEX idx_notifications_created ON training.notifications (created_at)")
    protect("training.notifications", _ROLE)


def _create_looks_across_users() -> None:
    # Ids only; all that follows is done as the user. Those without a message first: however many wait, a dead worker's job is found.
    op.execute(f"""
        CREATE FUNCTION training.stalled_jobs(most integer)
        RETURNS TABLE (user_id uuid, job_id uuid, in_queue boolean)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT found.user_id, found.id, found.in_queue FROM training.training_jobs AS found
            WHERE {_OPEN} AND found.lease_expires_at < now()
            ORDER BY found.in_queue, found.lease_expires_at LIMIT most
        $$
    """)  # nosec B608  # a constant
    op.execute("""
        CREATE FUNCTION training.overdue_jobs(seconds double precision, most integer)
        RETURNS TABLE (user_id uuid, job_id uuid)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT found.user_id, found.id FROM training.training_jobs AS found
            WHERE found.status = 'processing' AND found.started_at < now() - seconds * interval '1 second'
            ORDER BY found.started_at LIMIT most
        $$
    """)
    op.execute(f"""
        CREATE FUNCTION training.count_in_queue()
        RETURNS bigint
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$ SELECT count(*) FROM training.training_jobs WHERE {_OPEN} AND in_queue $$
    """)  # nosec B608  # a constant
    op.execute("""
        CREATE FUNCTION training.undelivered_versions(most integer)
        RETURNS TABLE (user_id uuid, model_type text)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT found.user_id, found.model_type FROM training.model_versions AS found
            WHERE found.stage <> 'candidate' AND found.delivered_at IS NULL
            GROUP BY found.user_id, found.model_type ORDER BY min(found.promoted_at) LIMIT most
        $$
    """)
    # Of names that the caller has read in the storage: which of them still belong to a version.
    op.execute("""
        CREATE FUNCTION training.known_artifacts(keys text[])
        RETURNS TABLE (artifact_key text)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$ SELECT found.artifact_key FROM training.model_versions AS found WHERE found.artifact_key = ANY (keys) $$
    """)
    op.execute("""
        CREATE FUNCTION training.expire_notifications(days double precision, most integer)
        RETURNS bigint
        LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            WITH expired AS (
                DELETE FROM training.notifications AS gone USING (
                    SELECT user_id, id FROM training.notifications
                    WHERE created_at < now() - days * interval '1 day' ORDER BY created_at LIMIT most
                ) AS old
                WHERE gone.user_id = old.user_id AND gone.id = old.id
                RETURNING 1
            )
            SELECT count(*) FROM expired
        $$
    """)
    functions = (
        "stalled_jobs(integer)",
        "overdue_jobs(double precision, integer)",
        "count_in_queue()",
        "undelivered_versions(integer)",
        "known_artifacts(text[])",
        "expire_notifications(double precision, integer)",
    )
    for function in functions:
        op.execute(f"REVOKE ALL ON FUNCTION training.{function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION training.{function} TO {_ROLE}")
