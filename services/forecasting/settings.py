"""Settings of the forecasting service and its worker: SCALE_FORECASTING_<NAME>, and the shared ones of services.kit.settings."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from models.devices import DeviceName, there
from services.kit.service_tokens import ServiceTokens
from services.kit.settings import DatabaseSettings, ServiceSettings, WorkerSettings, service_config

_REDIS_URL = AliasChoices("SCALE_REDIS_URL")
MODELS_DIR = Path(__file__).resolve().parents[2] / "models" / "forecaster"
"""The models that come with the project."""


class LedgerSettings(BaseSettings):
    """Where what is forecast, and looked through, comes from."""

    model_config = service_config("forecasting")

    accounts_address: str = Field(
        "127.0.0.1:8081", validation_alias="SCALE_ACCOUNTS_ADDRESS", description="Where the accounts service listens."
    )


class ModelSettings(BaseSettings):
    """What forecasts are made with."""

    model_config = service_config("forecasting")

    models_dir: Path | None = Field(
        None,
        validation_alias=AliasChoices("SCALE_FORECASTING_MODELS_DIR", "MODELS_DIR"),
        description="Folder with the models' files and their manifest.json, or the one above, forecaster. Default: the project's own.",
    )
    models_watch_s: float = Field(2, gt=0, description="Seconds between two looks at that folder for another version.")
    training_address: str = Field(
        "127.0.0.1:8085", validation_alias="SCALE_TRAINING_ADDRESS", description="Where the training service, with the registry, listens."
    )
    registry_key: SecretStr | None = Field(
        None,
        description="Signs the question which models are live: base64url of an Ed25519 seed, 32 bytes. Not asked without it.",
    )
    registry_s: float = Field(30, gt=0, description="Seconds between two such questions.")
    models_cache_dir: Path | None = Field(
        None, description="Folder in which live models are kept for a start without the registry. Not kept when absent."
    )

    @field_validator("registry_key")
    @classmethod
    def _registry_key_usable(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            ServiceTokens("forecasting_models", key.get_secret_value())
        return key

    @property
    def models_folder(self) -> Path:
        """Where the models' files lie."""
        if self.models_dir is None:
            return MODELS_DIR
        below = self.models_dir / MODELS_DIR.name
        return below if below.is_dir() else self.models_dir


class JobSettings(BaseSettings):
    """What service and worker agree on."""

    model_config = service_config("forecasting")

    queue_lease_s: float = Field(60, ge=1, description="Seconds after which a message to the workers that was lost is looked for.")
    max_queued: int = Field(500, ge=1, description="Jobs that wait for a worker; more are refused (429).")
    scan_delay_s: float = Field(
        10, ge=0, description="Seconds that a scan waits after the ledger has changed, so that many imports in a row make one scan."
    )
    max_open_forecasts: int = Field(20, ge=1, description="Forecasts of one user that are being made; more are refused (429).")


class ForecastingSettings(ServiceSettings, LedgerSettings, ModelSettings, JobSettings):
    """What the forecasting service reads from the environment."""

    model_config = service_config("forecasting")

    fresh_s: float = Field(300, ge=0, description="Seconds for which a forecast answers whoever asks for the same series again.")
    restore_idle_timeout_s: float = Field(60, gt=0, description="Seconds to wait for the next part of an export before it is given up.")
    export_timeout_s: float = Field(3600, gt=0, description="Seconds that one table may take on its way out or back.")
    max_exports: int = Field(4, ge=1, description="Exports and restores at once in this process; others are told to come back.")


class ForecastingWorkerSettings(WorkerSettings, DatabaseSettings, LedgerSettings, ModelSettings, JobSettings):
    """What the worker of the forecasting service reads. It verifies nobody's token, so it needs no key but its own."""

    model_config = service_config("forecasting")

    database_url: SecretStr = Field(description="postgresql:// address, with this service's own role.")
    redis_url: SecretStr = Field(validation_alias=_REDIS_URL, description="redis:// or rediss:// address of the queue.")
    service_key: SecretStr = Field(description="Signs what the worker asks of other services: base64url of an Ed25519 seed, 32 bytes.")
    device: DeviceName = Field(
        "cpu",
        description="Where the networks compute: cpu, cuda (the worker does not start without a GPU), or auto: a GPU where there is one.",
    )
    lease_s: float = Field(30, ge=1, description="Seconds after which a job whose worker died may be taken up by another.")
    kept_days: float = Field(30, gt=0, le=36500, description="Days that forecasts, and what scans of the ledger came to, are kept.")
    worker_concurrency: int = Field(1, ge=1, description="Jobs that a worker carries out at the same time, each in its own process.")
    worker_grace_s: float = Field(20, ge=0, description="Seconds that running jobs have to finish after SIGTERM; others begin again.")

    _device_there = field_validator("device")(there)

    @field_validator("service_key")
    @classmethod
    def _key_usable(cls, key: SecretStr) -> SecretStr:
        ServiceTokens("forecasting", key.get_secret_value())
        return key
