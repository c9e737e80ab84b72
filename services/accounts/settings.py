"""Settings of the accounts service and its worker: SCALE_ACCOUNTS_<NAME>, and those that all services share."""

from __future__ import annotations

from pydantic import AliasChoices, Field, SecretStr

from services.kit.settings import DatabaseSettings, ServiceSettings, WorkerSettings, service_config


class AccountsSettings(ServiceSettings):
    """What the accounts service reads from the environment."""

    model_config = service_config("accounts")

    replica_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("SCALE_ACCOUNTS_REPLICA_URL", "DATABASE_REPLICA_URL"),
        description="A standby of database_url, with the same role: it serves reads that may be some seconds old.",
    )
    import_lock_timeout_s: float = Field(30, gt=0, description="Seconds to wait until another import of the same user is in.")
    import_idle_timeout_s: float = Field(60, gt=0, description="Seconds to wait for the next batch of an import before it is given up.")
    edit_lifetime_days: float = Field(30, gt=0, le=36500, description="Days in which an edit, or what a rule did, can be taken back.")
    export_timeout_s: float = Field(3600, gt=0, description="Seconds that one table may take on its way out or back.")
    max_exports: int = Field(4, ge=1, description="Exports and restores at once in this process; others are told to come back.")


class AccountsWorkerSettings(WorkerSettings, DatabaseSettings):
    """What the worker of the accounts service reads. It verifies nobody's token and calls no other service."""

    model_config = service_config("accounts")

    database_url: SecretStr = Field(description="postgresql:// address, with this service's own role.")
    redis_url: SecretStr = Field(
        validation_alias=AliasChoices("SCALE_REDIS_URL"), description="redis:// or rediss:// address of the queue."
    )
    refresh_timeout_s: float = Field(300, gt=0, le=1000, description="Seconds after which making the figures anew is given up.")
    worker_grace_s: float = Field(20, ge=0, description="Seconds that what is in hand has to finish after SIGTERM.")
