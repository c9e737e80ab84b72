"""Forecasts, what is odd in ledgers, and the jobs that find both."""

from __future__ import annotations

from alembic import op

from migrations.roles import create_role
from migrations.row_security import protect

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_ROLE = "scale_forecasting"
_OPEN = "state IN ('pending', 'running')"
_FUNCTIONS = (
    "stalled_jobs(integer)",
    "count_in_queue()",
    "due_ledgers(integer)",
    "expire_jobs(double precision, integer)",
)


def upgrade() -> None:
    create_role(_ROLE)
    op.execute("CREATE SCHEMA forecasting")
    op.execute("REVOKE ALL ON SCHEMA forecasting FROM PUBLIC")
    op.execute(f"GRANT USAGE ON SCHEMA forecasting TO {_ROLE}")
    _create_jobs()
    _create_forecasts()
    _create_anomalies()
    _create_looks_across_users()
    for function in _FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION forecasting.{function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION forecasting.{function} TO {_ROLE}")


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: forecasts and what users dismissed would be lost.")


def _create_jobs() -> None:
    # attempt counts who works on it: one whose attempt is over changes nothing. in_queue says that a message about it should be under way,
    # begun how often a worker took it up, tries how many of these count. What a job made hangs on it, in forecasts or in scans.
    op.execute(f"""
        CREATE TABLE forecasting.jobs (
            user_id          uuid        NOT NULL,
            id               uuid        NOT NULL,
            request_id       text        NOT NULL CHECK (char_length(request_id) BETWEEN 1 AND 36),
            request_hash     bytea       NOT NULL CHECK (octet_length(request_hash) = 32),
            kind             text        NOT NULL CHECK (kind IN ('forecast', 'scan')),
            state            text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'succeeded', 'failed')),
            attempt          integer     NOT NULL DEFAULT 0 CHECK (attempt >= 0),
            begun            integer     NOT NULL DEFAULT 0 CHECK (begun >= 0),
            tries            integer     NOT NULL DEFAULT 0 CHECK (tries >= 0),
            in_queue         boolean     NOT NULL DEFAULT true,
            lease_expires_at timestamptz,
            error_message    text        NOT NULL DEFAULT '' CHECK (char_length(error_message) <= 2000),
            error_reason     text        NOT NULL DEFAULT '' CHECK (char_length(error_reason) <= 63),
            created_at       timestamptz NOT NULL DEFAULT now(),
            completed_at     timestamptz,
            PRIMARY KEY (user_id, id),
            CHECK (({_OPEN}) = (completed_at IS NULL)),
            CHECK (({_OPEN}) = (lease_expires_at IS NOT NULL)),
            CHECK ((state = 'failed') = (error_reason <> '')),
            CHECK (state <> 'running' OR attempt > 0)
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_jobs_request ON forecasting.jobs (user_id, request_id)")
    # Two scans of one ledger at a time would find the same twice.
    op.execute(f"CREATE UNIQUE INDEX idx_jobs_open_scan ON forecasting.jobs (user_id) WHERE kind = 'scan' AND {_OPEN}")
    op.execute(f"CREATE INDEX idx_jobs_open ON forecasting.jobs (user_id, created_at) WHERE {_OPEN}")
    op.execute(f"CREATE INDEX idx_jobs_stalled ON forecasting.jobs (lease_expires_at) WHERE {_OPEN}")
    op.execute("CREATE INDEX idx_jobs_completed ON forecasting.jobs (completed_at) WHERE completed_at IS NOT NULL")
    # A final state is final, whoever asks.
    op.execute("""
        CREATE FUNCTION forecasting.keep_final_state() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
        AS $$
        BEGIN
            RAISE EXCEPTION 'job % is % and stays so', OLD.id, OLD.state USING ERRCODE = 'check_violation';
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER keep_final_state BEFORE UPDATE ON forecasting.jobs FOR EACH ROW
        WHEN (OLD.state IN ('succeeded', 'failed') AND NEW.state <> OLD.state) EXECUTE FUNCTION forecasting.keep_final_state()
    """)
    protect("forecasting.jobs", _ROLE)


def _create_forecasts() -> None:
    # What was asked stands there from the beginning, nothing of it left open; what came of it with generated_at, all at once. A forecast
    # that a fresh one answered has the figures, and the time, of that one.
    op.execute("""
        CREATE FUNCTION forecasting.in_order(low numeric[], middle numeric[], high numeric[])
        RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT coalesce(bool_and(a <= b AND b <= c), true) FROM unnest(low, middle, high) AS point (a, b, c)
        $$
    """)
    op.execute("""
        CREATE TABLE forecasting.forecasts (
            user_id                   uuid          NOT NULL,
            id                        uuid          NOT NULL,
            series_id                 text          NOT NULL CHECK (series_id ~ '^[0-9a-f]{32}$'),
            account_id                uuid,
            category                  text          NOT NULL DEFAULT '' CHECK (char_length(category) <= 100),
            currency                  char(3)       NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
            measure                   text          NOT NULL CHECK (measure IN ('spent', 'received', 'net', 'balance')),
            granularity               text          NOT NULL CHECK (granularity IN ('day', 'week', 'month')),
            horizon                   integer       NOT NULL CHECK (horizon BETWEEN 1 AND 90),
            labels                    jsonb         NOT NULL DEFAULT '{}',
            threshold                 numeric(19,4),
            history_start_date        date,
            history_end_date          date,
            history_period_count      bigint        NOT NULL DEFAULT 0 CHECK (history_period_count >= 0),
            history_transaction_count bigint        NOT NULL DEFAULT 0 CHECK (history_transaction_count >= 0),
            data_cutoff_at            timestamptz,
            model                     text          NOT NULL DEFAULT '' CHECK (char_length(model) <= 200),
            model_version             text          NOT NULL DEFAULT '' CHECK (char_length(model_version) <= 200),
            source                    text          NOT NULL DEFAULT '' CHECK (source IN ('', 'model', 'baseline')),
            backtest                  jsonb         NOT NULL DEFAULT '[]',
            short_history             boolean       NOT NULL DEFAULT false,
            degraded                  boolean       NOT NULL DEFAULT false,
            degraded_reason           text          NOT NULL DEFAULT '' CHECK (char_length(degraded_reason) <= 500),
            period_starts             date[],
            p10                       numeric(19,4)[],
            p50                       numeric(19,4)[],
            p90                       numeric(19,4)[],
            scheduled_payments        jsonb         NOT NULL DEFAULT '[]',
            opening_balance           numeric(19,4),
            below_threshold_date      date,
            below_threshold_risk_date date,
            created_at                timestamptz   NOT NULL DEFAULT now(),
            generated_at              timestamptz,
            PRIMARY KEY (user_id, id),
            FOREIGN KEY (user_id, id) REFERENCES forecasting.jobs (user_id, id) ON DELETE CASCADE,
            CHECK ((measure = 'balance') = (threshold IS NOT NULL)),
            CHECK (measure <> 'balance' OR (account_id IS NOT NULL AND category = '')),
            CHECK ((generated_at IS NULL) = (period_starts IS NULL)),
            CHECK (generated_at IS NULL OR (
                data_cutoff_at IS NOT NULL AND history_start_date IS NOT NULL AND history_end_date IS NOT NULL AND model <> ''
                AND source <> '' AND cardinality(period_starts) = horizon
                AND cardinality(p10) = horizon AND cardinality(p50) = horizon AND cardinality(p90) = horizon
                AND forecasting.in_order(p10, p50, p90)
            ))
        )
    """)
    op.execute("CREATE INDEX idx_forecasts_series ON forecasting.forecasts (user_id, series_id, generated_at DESC)")
    protect("forecasting.forecasts", _ROLE)


def _create_anomalies() -> None:
    # finding_key: what it is about, so that the next scan knows it again. Open ones are those that a user is shown.
    op.execute("""
        CREATE TABLE forecasting.anomalies (
            user_id         uuid        NOT NULL,
            id              uuid        NOT NULL,
            finding_key     text        NOT NULL CHECK (finding_key ~ '^[a-z_]+:[0-9a-f]{32}$'),
            kind            text        NOT NULL CHECK (kind IN (
                'duplicate_charge', 'price_rise', 'missed_income', 'missed_payment', 'new_merchant', 'unusual_amount', 'burst',
                'regime_change'
            )),
            severity        smallint    NOT NULL CHECK (severity BETWEEN 1 AND 3),
            state           text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'dismissed', 'resolved')),
            score           double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
            reason          text        NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 1000),
            evidence        jsonb       NOT NULL DEFAULT '{}',
            transaction_ids uuid[]      NOT NULL DEFAULT '{}' CHECK (cardinality(transaction_ids) <= 100),
            account_id      uuid,
            category        text        NOT NULL DEFAULT '' CHECK (char_length(category) <= 100),
            merchant        text        NOT NULL DEFAULT '' CHECK (char_length(merchant) <= 500),
            amount          numeric(19,4),
            currency        char(3)     NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
            occurred_on     date        NOT NULL,
            created_at      timestamptz NOT NULL DEFAULT now(),
            closed_at       timestamptz,
            PRIMARY KEY (user_id, id),
            CHECK ((state = 'open') = (closed_at IS NULL))
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_anomalies_key ON forecasting.anomalies (user_id, finding_key)")
    op.execute("CREATE INDEX idx_anomalies_open ON forecasting.anomalies (user_id, occurred_on DESC, id DESC) WHERE state = 'open'")
    op.execute("CREATE INDEX idx_anomalies_day ON forecasting.anomalies (user_id, occurred_on DESC, id DESC)")
    protect("forecasting.anomalies", _ROLE)
    op.execute("""
        CREATE TABLE forecasting.scans (
            user_id           uuid        NOT NULL,
            id                uuid        NOT NULL,
            transaction_count bigint      NOT NULL CHECK (transaction_count >= 0),
            found_count       bigint      NOT NULL CHECK (found_count >= 0),
            resolved_count    bigint      NOT NULL CHECK (resolved_count >= 0),
            data_cutoff_at    timestamptz NOT NULL,
            PRIMARY KEY (user_id, id),
            FOREIGN KEY (user_id, id) REFERENCES forecasting.jobs (user_id, id) ON DELETE CASCADE
        )
    """)
    protect("forecasting.scans", _ROLE)
    # One row for each user whose ledger is looked through: when it last changed, was looked through, and is due again.
    op.execute("""
        CREATE TABLE forecasting.ledgers (
            user_id    uuid        PRIMARY KEY,
            changed_at timestamptz NOT NULL DEFAULT now(),
            scanned_at timestamptz,
            due_at     timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX idx_ledgers_due ON forecasting.ledgers (due_at)")
    protect("forecasting.ledgers", _ROLE)


def _create_looks_across_users() -> None:
    # Ids only; all that follows is done as the user. Those without a message first: however many wait, a dead worker's job is found.
    op.execute(f"""
        CREATE FUNCTION forecasting.stalled_jobs(most integer)
        RETURNS TABLE (user_id uuid, job_id uuid, kind text, in_queue boolean)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            SELECT found.user_id, found.id, found.kind, found.in_queue FROM forecasting.jobs AS found
            WHERE {_OPEN} AND found.lease_expires_at < now()
            ORDER BY found.in_queue, found.lease_expires_at LIMIT most
        $$
    """)  # nosec B608  # a constant
    op.execute(f"""
        CREATE FUNCTION forecasting.count_in_queue()
        RETURNS bigint
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$ SELECT count(*) FROM forecasting.jobs WHERE {_OPEN} AND in_queue $$
    """)  # nosec B608  # a constant
    op.execute("""
        CREATE FUNCTION forecasting.due_ledgers(most integer)
        RETURNS TABLE (user_id uuid)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$ SELECT found.user_id FROM forecasting.ledgers AS found WHERE found.due_at <= now() ORDER BY found.due_at LIMIT most $$
    """)
    # What hangs on a job goes with it.
    op.execute("""
        CREATE FUNCTION forecasting.expire_jobs(days double precision, most integer)
        RETURNS bigint
        LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$
            WITH expired AS (
                DELETE FROM forecasting.jobs AS gone USING (
                    SELECT user_id, id FROM forecasting.jobs
                    WHERE completed_at < now() - days * interval '1 day' ORDER BY completed_at LIMIT most
                ) AS old
                WHERE gone.user_id = old.user_id AND gone.id = old.id
                RETURNING 1
            )
            SELECT count(*) FROM expired
        $$
    """)
