"""Enrolled devices, what they have spent, rounds, and the versions of the model that devices train together."""

from __future__ import annotations

from alembic import op

from migrations.roles import create_role
from migrations.row_security import protect

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_ROLE = "scale_federation"


def upgrade() -> None:
    create_role(_ROLE)
    op.execute("CREATE SCHEMA federation")
    op.execute("REVOKE ALL ON SCHEMA federation FROM PUBLIC")
    op.execute(f"GRANT USAGE ON SCHEMA federation TO {_ROLE}")
    _create_devices()
    _create_rounds()
    _create_versions()


def downgrade() -> None:
    raise NotImplementedError("Restore from a backup instead: what devices have spent of their privacy would be lost.")


def _create_devices() -> None:
    # enrolled_at: when it last proved that it holds its key; none for one that an export brought back.
    op.execute("""
        CREATE TABLE federation.devices (
            user_id      uuid        NOT NULL,
            id           uuid        NOT NULL,
            public_key   bytea       NOT NULL CHECK (octet_length(public_key) = 32),
            display_name text        NOT NULL DEFAULT '' CHECK (char_length(display_name) <= 100),
            platform     text        NOT NULL DEFAULT '' CHECK (char_length(platform) <= 100),
            created_at   timestamptz NOT NULL DEFAULT now(),
            enrolled_at  timestamptz,
            last_seen_at timestamptz,
            revoked_at   timestamptz,
            PRIMARY KEY (user_id, id)
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_devices_key ON federation.devices (user_id, public_key)")
    protect("federation.devices", _ROLE)
    # One row for each update that was taken: with it the privacy is spent, whatever becomes of the round. A revoked device keeps its rows.
    op.execute("""
        CREATE TABLE federation.contributions (
            user_id          uuid             NOT NULL,
            device_id        uuid             NOT NULL,
            round_id         uuid             NOT NULL,
            model_version    bigint           NOT NULL CHECK (model_version >= 1),
            noise_multiplier double precision NOT NULL CHECK (noise_multiplier >= 0),
            bytes_up         bigint           NOT NULL CHECK (bytes_up >= 0),
            created_at       timestamptz      NOT NULL DEFAULT now(),
            PRIMARY KEY (user_id, device_id, round_id),
            FOREIGN KEY (user_id, device_id) REFERENCES federation.devices (user_id, id) ON DELETE CASCADE ON UPDATE CASCADE
        )
    """)
    protect("federation.contributions", _ROLE)


def _create_rounds() -> None:
    # Nobody's: no row says which devices took part. One round at a time.
    # paid: whether a device may have been charged for it, which is so unless the coordinator that ran it has said otherwise at its end.
    op.execute("""
        CREATE TABLE federation.rounds (
            id                  uuid             PRIMARY KEY,
            number              bigint           NOT NULL UNIQUE CHECK (number >= 1),
            request_id          text             NOT NULL UNIQUE CHECK (char_length(request_id) BETWEEN 1 AND 36),
            request_hash        bytea            NOT NULL CHECK (octet_length(request_hash) = 32),
            state               text             NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'published', 'failed', 'aborted')),
            reason              text             NOT NULL DEFAULT '' CHECK (char_length(reason) <= 63),
            reason_message      text             NOT NULL DEFAULT '' CHECK (char_length(reason_message) <= 2000),
            base_version        bigint           NOT NULL CHECK (base_version >= 1),
            version             bigint           CHECK (version = base_version + 1),
            plan                jsonb            NOT NULL,
            options             jsonb            NOT NULL DEFAULT '{}',
            trigger             text             NOT NULL CHECK (trigger IN ('schedule', 'admin')),
            selected_count      integer          NOT NULL DEFAULT 0 CHECK (selected_count >= 0),
            contributor_count   integer          NOT NULL DEFAULT 0 CHECK (contributor_count >= 0),
            dropped_count       integer          NOT NULL DEFAULT 0 CHECK (dropped_count >= 0),
            bytes_up            bigint           NOT NULL DEFAULT 0 CHECK (bytes_up >= 0),
            accuracy            double precision,
            base_accuracy       double precision,
            update_norm         double precision,
            epsilon             double precision NOT NULL DEFAULT 0 CHECK (epsilon >= 0),
            unamplified_epsilon double precision NOT NULL DEFAULT 0 CHECK (unamplified_epsilon >= 0),
            metrics             jsonb            NOT NULL DEFAULT '{}',
            paid                boolean          NOT NULL DEFAULT true,
            opened_at           timestamptz      NOT NULL DEFAULT now(),
            closed_at           timestamptz,
            CHECK ((state = 'open') = (closed_at IS NULL)),
            CHECK ((state = 'published') = (version IS NOT NULL)),
            CHECK ((state = 'failed') = (reason <> '')),
            CHECK (state <> 'published' OR contributor_count >= 10)
        )
    """)
    op.execute("CREATE UNIQUE INDEX idx_rounds_open ON federation.rounds (state) WHERE state = 'open'")
    op.execute("""
        CREATE FUNCTION federation.keep_final_state() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
        AS $$
        BEGIN
            RAISE EXCEPTION 'round % is % and stays so', OLD.number, OLD.state USING ERRCODE = 'check_violation';
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER keep_final_state BEFORE UPDATE ON federation.rounds FOR EACH ROW
        WHEN (OLD.state <> 'open') EXECUTE FUNCTION federation.keep_final_state()
    """)
    op.execute("REVOKE ALL ON federation.rounds FROM PUBLIC")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON federation.rounds TO {_ROLE}")


def _create_versions() -> None:
    # The head lies in the row, so that a version is there whole or not at all; the encoder, which is large and the same for many versions,
    # in the object storage under its hash. privacy: what the accountants of all rounds up to this one say; strategy: what a strategy
    # carries from round to round.
    op.execute("""
        CREATE TABLE federation.model_versions (
            version             bigint           PRIMARY KEY CHECK (version >= 1),
            parent_version      bigint           REFERENCES federation.model_versions (version),
            round_id            uuid             UNIQUE REFERENCES federation.rounds (id),
            contributor_count   integer          NOT NULL DEFAULT 0 CHECK (contributor_count >= 0),
            encoder_hash        text             NOT NULL CHECK (encoder_hash ~ '^[0-9a-f]{64}$'),
            encoder_size_bytes  bigint           NOT NULL CHECK (encoder_size_bytes > 0),
            head_hash           text             NOT NULL CHECK (head_hash ~ '^[0-9a-f]{64}$'),
            head                bytea            NOT NULL CHECK (octet_length(head) BETWEEN 1 AND 5242880),
            categorizer_version text             NOT NULL CHECK (char_length(categorizer_version) <= 200),
            accuracy            double precision,
            epsilon             double precision NOT NULL DEFAULT 0 CHECK (epsilon >= 0),
            unamplified_epsilon double precision NOT NULL DEFAULT 0 CHECK (unamplified_epsilon >= 0),
            privacy             jsonb            NOT NULL DEFAULT '{}',
            strategy            bytea,
            metrics             jsonb            NOT NULL DEFAULT '{}',
            registry_version    text             NOT NULL DEFAULT '' CHECK (char_length(registry_version) <= 200),
            created_at          timestamptz      NOT NULL DEFAULT now(),
            CHECK (parent_version < version),
            CHECK ((round_id IS NULL) = (contributor_count = 0))
        )
    """)
    # Only the name that the registry gives a version comes later, and a new one where the registry has forgotten it.
    op.execute("""
        CREATE FUNCTION federation.keep_version() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
        AS $$
        BEGIN
            RAISE EXCEPTION 'version % of the federated model is not changed', OLD.version USING ERRCODE = 'check_violation';
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER keep_version BEFORE UPDATE ON federation.model_versions FOR EACH ROW
        WHEN ((to_jsonb(OLD) - 'registry_version') <> (to_jsonb(NEW) - 'registry_version'))
        EXECUTE FUNCTION federation.keep_version()
    """)
    op.execute("REVOKE ALL ON federation.model_versions FROM PUBLIC")
    op.execute(f"GRANT SELECT, INSERT ON federation.model_versions TO {_ROLE}")
    op.execute(f"GRANT UPDATE (registry_version) ON federation.model_versions TO {_ROLE}")
