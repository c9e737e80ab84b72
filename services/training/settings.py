"""Settings of the training service and its worker: SCALE_TRAINING_<NAME>, and the shared ones of services.kit.settings."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from services.kit.service_tokens import ServiceTokens
from services.kit.settings import DatabaseSettings, ServiceSettings, WorkerSettings, service_config
from services.kit.signed_links import SignedLinks
from services.kit.storage import ObjectStorage
from services.training.registry.domain import LINKS_PURPOSE
from services.training.trainers import forecaster_global, global_model

_REDIS_URL = AliasChoices("SCALE_REDIS_URL")


class JobSettings(BaseSettings):
    """What service and worker agree on."""

    model_config = service_config("training")

    storage_url: str = Field(
        validation_alias=AliasChoices("SCALE_TRAINING_STORAGE_URL", "SCALE_STORAGE_URL"),
        description="Where versions of models lie: file:///folder, s3://bucket/prefix or gs://bucket/prefix. Default: SCALE_STORAGE_URL.",
    )
    queue_lease_s: float = Field(60, ge=1, description="Seconds after which a message to the workers that was lost is looked for.")
    max_queued: int = Field(500, ge=1, description="Jobs that wait for a worker; more are refused (429).")
    watch_idle_s: float = Field(300, gt=0, description="Seconds without a step after which a watch of a job ends.")
    kept_versions: int = Field(3, ge=1, description="The latest versions of each model that are kept, beside the live and the best one.")

    @field_validator("storage_url")
    @classmethod
    def _usable_storage(cls, url: str) -> str:
        ObjectStorage(url)
        return url


class TrainingSettings(ServiceSettings, JobSettings):
    """What the training service reads from the environment."""

    model_config = service_config("training")

    artifact_key: SecretStr | None = Field(
        None,
        description="Signs addresses of artefacts, at least 32 characters, the same in every replica; new,old while one takes the other's "
        "place. Default: derived from SCALE_AUTH_SECRET.",
    )
    artifact_lifetime_s: float = Field(900, gt=0, description="Seconds for which such an address works.")
    download_from_bucket: bool = Field(
        False, description="Whether people download artefacts from the bucket, where it can sign addresses, past the gateway."
    )
    restore_idle_timeout_s: float = Field(60, gt=0, description="Seconds to wait for the next part of an export before it is given up.")
    export_timeout_s: float = Field(3600, gt=0, description="Seconds that one table may take on its way out or back.")
    max_exports: int = Field(4, ge=1, description="Exports and restores at once in this process; others are told to come back.")

    @model_validator(mode="after")
    def _artifact_key_usable(self) -> TrainingSettings:
        try:
            SignedLinks(self.artifact_secrets, purpose=LINKS_PURPOSE, lifetime_s=self.artifact_lifetime_s)
        except ValueError as error:
            raise ValueError(f"SCALE_TRAINING_ARTIFACT_KEY: {error}") from None
        return self

    @property
    def artifact_secrets(self) -> tuple[str, ...]:
        """The keys for `SignedLinks`."""
        if self.artifact_key is not None:
            return tuple(part.strip() for part in self.artifact_key.get_secret_value().split(","))
        return (self.auth_secret.get_secret_value(),) if self.auth_secret is not None else ()


class TrainerSettings(BaseSettings):
    """What is learned from, and where a long training keeps how far it is."""

    model_config = service_config("training")

    models_dir: Path | None = Field(
        None,
        validation_alias=AliasChoices("SCALE_TRAINING_MODELS_DIR", "MODELS_DIR"),
        description="Folder of the global model that answers while the registry has none, or the one above, with hypcd and forecaster in "
        "it. Default: the project's.",
    )
    checkpoints_dir: Path | None = Field(
        None,
        description="Where a training of minutes keeps how far it is, on a disk that all workers see. Default: a temporary folder.",
    )
    checkpoints_hours: float = Field(
        24, gt=0, description="Hours after which what a training left there, and nobody went on with, is removed."
    )
    most_payments: int = Field(20_000, ge=100, description="Payments of a user that are learned from, the newest ones.")
    agreeing_users: int = Field(3, ge=2, description="Users who must say alike of a merchant before the global model learns it.")

    forecast_users: int = Field(20, ge=2, description="Users with long ledgers that everybody's forecaster learns from at least.")
    forecast_most_users: int = Field(200, ge=2, description="How many of them, drawn by chance, at most; more take more memory.")
    forecast_days: int = Field(
        240, ge=60, le=36500, description="Days from a ledger's first transaction to its last that make it a long one."
    )
    forecast_steps: int = Field(3000, ge=100, le=100_000, description="Steps of training everybody's forecaster, all networks together.")

    @property
    def checkpoints_folder(self) -> Path:
        """Where a folder for each job is made."""
        return self.checkpoints_dir or Path(tempfile.gettempdir()) / "scale-checkpoints"

    @property
    def models_folder(self) -> Path:
        """Where the global model's files lie."""
        return self._folder_of(global_model.MODELS_DIR)

    @property
    def forecaster_folder(self) -> Path:
        """Where the files of everybody's forecaster lie."""
        return self._folder_of(forecaster_global.MODELS_DIR)

    def _folder_of(self, shipped: Path) -> Path:
        if self.models_dir is None:
            return shipped
        below = self.models_dir / shipped.name
        return below if below.is_dir() else self.models_dir


class TrainingWorkerSettings(WorkerSettings, DatabaseSettings, JobSettings, TrainerSettings):
    """What the worker of the training service reads. It verifies nobody's token, so it needs no key but its own."""

    model_config = service_config("training")

    database_url: SecretStr = Field(description="postgresql:// address, with this service's own role.")
    redis_url: SecretStr = Field(validation_alias=_REDIS_URL, description="redis:// or rediss:// address of the queue.")
    service_key: SecretStr = Field(description="Signs what the worker asks of other services: base64url of an Ed25519 seed, 32 bytes.")
    accounts_address: str = Field(
        "127.0.0.1:8081", validation_alias="SCALE_ACCOUNTS_ADDRESS", description="Where the accounts service listens."
    )
    categorization_address: str = Field(
        "127.0.0.1:8083", validation_alias="SCALE_CATEGORIZATION_ADDRESS", description="Where the categorization service listens."
    )
    lease_s: float = Field(30, ge=1, description="Seconds after which a job whose worker died may be taken up by another.")
    max_retries: int = Field(1, ge=0, description="How often a job is tried again that died or broke; what is away for a while costs none.")
    time_limit_s: float = Field(1770, gt=0, le=1790, description="Seconds that one try at a job may take. The queue kills after 1800.")
    overdue_s: float = Field(3600, gt=0, description="Seconds after its first try at which a job is given up, whoever works on it.")
    code_version: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Of the code that trains, as versions of models tell it. Default: that of the installed package.",
    )
    kept_days: float = Field(365, gt=0, le=36500, description="Days that jobs are kept which made no version that is kept.")
    notifications_days: float = Field(90, gt=0, le=36500, description="Days that notifications are kept.")
    accuracy_objective: float = Field(
        0.70, gt=0, le=1, description="Share of the categories given that users leave as they are; below it models are trained anew."
    )
    accuracy_minimum: int = Field(100, ge=1, description="Categories that must have been given before that share counts.")
    worker_concurrency: int = Field(
        2, ge=1, description="Jobs that a worker carries out at once, each in its own process; with one, upkeep waits behind a long one."
    )
    worker_grace_s: float = Field(20, ge=0, description="Seconds that running jobs have to finish after SIGTERM; others begin again.")

    @property
    def own_version(self) -> str:
        """Of the code that trains."""
        return self.code_version or version("scale-finance")

    @field_validator("service_key")
    @classmethod
    def _key_usable(cls, key: SecretStr) -> SecretStr:
        ServiceTokens("training", key.get_secret_value())
        return key
