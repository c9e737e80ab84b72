"""Settings of the ingestion service and its worker: SCALE_INGESTION_<NAME>, and the shared ones of services.kit.settings."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from services.kit.service_tokens import ServiceTokens
from services.kit.settings import DatabaseSettings, ServiceSettings, WorkerSettings, service_config
from services.kit.storage import ObjectStorage

_STORAGE_URL = AliasChoices("SCALE_STORAGE_URL")
_REDIS_URL = AliasChoices("SCALE_REDIS_URL")


class ImportSettings(BaseSettings):
    """What whoever carries imports out reads."""

    model_config = service_config("ingestion")

    accounts_address: str = Field(
        "127.0.0.1:8081", validation_alias="SCALE_ACCOUNTS_ADDRESS", description="Where the accounts service listens."
    )
    categorization_address: str = Field(
        "127.0.0.1:8083", validation_alias="SCALE_CATEGORIZATION_ADDRESS", description="Where the categorization service listens."
    )
    forecasting_address: str | None = Field(
        None,
        validation_alias="SCALE_FORECASTING_ADDRESS",
        description="Where the forecasting service listens, which looks a ledger through that has changed. Not told without it.",
    )
    classify: bool = Field(True, description="Whether categorization is asked what rows are for, as they come in.")
    classify_timeout_s: float = Field(
        5, gt=0, description="Seconds that an import waits for it, and 0.1 ms more for each row; then the import goes on without."
    )
    max_file_bytes: int = Field(256 * 1024 * 1024, ge=1, description="Largest file taken in, in bytes.")
    spool_dir: Path | None = Field(
        None, description="Where an upload lies while it is read; never longer. Default: the system's temporary directory."
    )
    append_timeout_s: float = Field(600, gt=0, description="Seconds that the ledger has to take in one import.")
    lease_s: float = Field(
        10, ge=1, description="Seconds after which an import whose process died may be taken up: by the same request, or by another worker."
    )
    queue_lease_s: float = Field(60, ge=1, description="Seconds after which a message to the workers that was lost is looked for.")


def _usable_storage(url: str | None) -> str | None:
    if url is not None:
        ObjectStorage(url)
    return url


class IngestionSettings(ServiceSettings, ImportSettings):
    """What the ingestion service reads from the environment."""

    model_config = service_config("ingestion")

    max_spool_bytes: int = Field(
        4 * 1024 * 1024 * 1024, ge=1, description="What all uploads in hand may take up together, in bytes; more are refused (429)."
    )
    parallel_imports: int = Field(4, ge=1, description="Imports that are read at the same time in this process.")
    queued_imports: int = Field(200, ge=0, description="Imports beyond these that wait for a place; more are refused (429).")
    storage_url: str | None = Field(
        None,
        validation_alias=_STORAGE_URL,
        description="Where files lie that a worker will read: file:///folder, s3://bucket/prefix or gs://bucket/prefix. "
        "Without it, and without Redis, every file is read within its request.",
    )
    queue_above_bytes: int = Field(16 * 1024 * 1024, ge=0, description="Larger files are left to a worker: 202 instead of 201.")
    restore_lease_s: float = Field(600, gt=0, description="Seconds after which the key of a restore whose process died may be used again.")
    restore_idle_timeout_s: float = Field(60, gt=0, description="Seconds to wait for the next part of an export before it is given up.")
    export_timeout_s: float = Field(3600, gt=0, description="Seconds that one table may take on its way out or back.")
    max_exports: int = Field(4, ge=1, description="Exports and restores at once in this process; others are told to come back.")
    max_queued: int = Field(500, ge=1, description="Imports that wait for a worker; more are refused (429).")

    _storage = field_validator("storage_url")(_usable_storage)


class IngestionWorkerSettings(WorkerSettings, DatabaseSettings, ImportSettings):
    """What the worker of the ingestion service reads. It verifies nobody's token, so it needs no key but its own."""

    model_config = service_config("ingestion")

    database_url: SecretStr = Field(description="postgresql:// address, with this service's own role.")
    redis_url: SecretStr = Field(validation_alias=_REDIS_URL, description="redis:// or rediss:// address of the queue.")
    storage_url: str = Field(validation_alias=_STORAGE_URL, description="Where the files lie that were left to the worker.")
    service_key: SecretStr = Field(description="Signs what the worker asks of other services: base64url of an Ed25519 seed, 32 bytes.")
    worker_concurrency: int = Field(1, ge=1, description="Imports that a worker carries out at the same time, each in its own process.")
    worker_grace_s: float = Field(20, ge=0, description="Seconds that running imports have to finish after SIGTERM; others begin again.")

    _storage = field_validator("storage_url")(_usable_storage)

    @field_validator("service_key")
    @classmethod
    def _key_usable(cls, key: SecretStr) -> SecretStr:
        ServiceTokens("ingestion", key.get_secret_value())
        return key
