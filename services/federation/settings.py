"""Settings of the federation service: SCALE_FEDERATION_<NAME>, and the shared ones of services.kit.settings."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from models.federated import defaults
from services.federation.domain import LEAST_CONTRIBUTORS, LEAST_EXAMPLE_NOISE, MOST_EXAMPLE_CLIP_NORM
from services.federation.versions.settings import VersionsSettings
from services.kit.service_tokens import ServiceTokens
from services.kit.settings import ServiceSettings, WorkerSettings, service_config
from services.kit.signed_links import LEAST_KEY_CHARS


class RoundSettings(BaseSettings):
    """What rounds are made by where nobody says otherwise, and how patient the coordinator is."""

    model_config = service_config("federation")

    algorithm: Literal["fedavg", "fedprox", "fedmedian", "fedtrimmed"] = Field("fedavg", description="How updates become a model.")
    target_count: int = Field(
        LEAST_CONTRIBUTORS, ge=LEAST_CONTRIBUTORS, le=10_000, description="Devices whose updates shall be in the sum; 130 % are asked."
    )
    epochs: int = Field(defaults.EPOCHS, ge=1, le=3, description="Passes of a device over its own transactions.")
    learning_rate: float = Field(defaults.LEARNING_RATE, gt=0, le=100, description="Of the device's own training.")
    batch_size: int = Field(defaults.BATCH_SIZE, ge=1, le=4096, description="Examples in a step of the device's own training.")
    proximal_mu: float = Field(defaults.PROXIMAL_MU, ge=0, le=100, description="FedProx's mu, for rounds with FedProx.")
    clip_norm: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="Largest Euclidean norm of a device's update; unset, as much as the noise in so small a round lets.",
    )
    noise_multiplier: float = Field(4.0, ge=0, le=1000, description="Noise in the sum, in clip norms; 0, none, in development only.")
    example_noise_multiplier: float = Field(
        defaults.EXAMPLE_NOISE_MULTIPLIER, ge=LEAST_EXAMPLE_NOISE, le=1000, description="Noise of the device's own training (DP-SGD)."
    )
    example_clip_norm: float = Field(
        defaults.EXAMPLE_CLIP_NORM,
        gt=0,
        le=MOST_EXAMPLE_CLIP_NORM,
        description="Largest norm of an example's gradient in the device's own training.",
    )
    server_learning_rate: float = Field(
        defaults.SERVER_LEARNING_RATE, gt=0, le=10, description="Share of the mean update that is added to the model."
    )
    group_count: int = Field(3, ge=3, le=100, description="Random groups of a round with the median, where updates are masked.")
    weight_cap: int = Field(1000, ge=1, le=100_000, description="Most examples that count for a device's weight in rounds without privacy.")
    complete_graph_limit: int = Field(32, ge=10, le=100, description="More devices than this talk to some others each instead of all.")
    neighbor_count: int = Field(32, ge=14, le=100, multiple_of=2, description="To so many.")
    promote: bool = Field(False, description="Whether a new version answers in categorization at once.")
    selection_s: float = Field(60, gt=0, le=3600, description="Seconds for which devices are looked for.")
    training_s: float = Field(300, gt=0, le=3600, description="Seconds for which devices may train.")
    stage_s: float = Field(30, gt=0, le=600, description="Seconds that each further stage may take.")
    silence_s: float = Field(20, gt=0, le=600, description="Seconds after which a device of a round that says nothing has left it.")
    check_in_s: float = Field(30, gt=0, le=86400, description="Seconds after which a device that got no work shall ask again.")
    available_s: float = Field(90, gt=0, le=172_800, description="Seconds for which a device counts as available that asked for work.")
    accuracy_tolerance: float = Field(
        defaults.GATE_TOLERANCE, ge=0, le=1, description="By so much a new version may answer fewer of the rows held out; more is refused."
    )


class ScheduleSettings(BaseSettings):
    """What service and worker agree on."""

    model_config = service_config("federation")

    interval_hours: float = Field(6, ge=0, le=8760, description="Hours between two rounds of the clock; 0 for none.")


class SiloSettings(BaseSettings):
    """Whether organisations may join with a server of their own, and how (docs/federation-silos.md)."""

    model_config = service_config("federation")

    silos: bool = Field(
        False, description="Whether organisations may join as SuperNodes of Flower's; rounds with them are started by hand."
    )
    silo_port: int = Field(8096, ge=1024, le=65535, description="Port of Flower's SuperLink, on loopback alone.")
    silo_folder: Path | None = Field(
        None, description="Its certificate, secret and log, made anew at each start. Default: a temporary one."
    )
    silo_keys_folder: Path | None = Field(
        None, description="Public keys (*.pub, *.pem; ECDSA) of the organisations that may join. Default: nobody may."
    )


class FederationSettings(ServiceSettings, RoundSettings, ScheduleSettings, VersionsSettings, SiloSettings):
    """What the federation service reads from the environment."""

    model_config = service_config("federation")

    tls_required: ClassVar[bool] = True

    budget_epsilon: float = Field(8.0, gt=0, le=1000, description="What a device may spend of its privacy in its life, at a delta of 1e-5.")
    most_devices: int = Field(20, ge=1, le=1000, description="Devices that a user may have.")
    max_calls: int = Field(
        20_000, ge=100, description="Calls at once, those of devices that wait for a stage among them; more are told to come back."
    )
    device_key: SecretStr | None = Field(
        None,
        description="Marks the credentials of devices, at least 32 characters, the same in every replica; new,old while one takes the "
        "other's place: devices that enrolled under the old one must enrol anew when it goes. Default: SCALE_FEDERATION_LINK_KEY, or what "
        "that is derived from.",
    )
    restore_idle_timeout_s: float = Field(60, gt=0, description="Seconds to wait for the next part of an export before it is given up.")
    export_timeout_s: float = Field(3600, gt=0, description="Seconds that one table may take on its way out or back.")
    max_exports: int = Field(4, ge=1, description="Exports and restores at once in this process; others are told to come back.")
    leader_database_url: SecretStr | None = Field(
        None,
        description="postgresql:// address past PgBouncer in transaction mode, with the service's role: the active coordinator's lock is a "
        "session's. Default: SCALE_FEDERATION_DATABASE_URL.",
    )
    leader_s: float = Field(1.0, gt=0, le=60, description="Seconds between two looks whether this coordinator is the active one.")

    @field_validator("device_key")
    @classmethod
    def _device_keys_usable(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and any(len(part) < LEAST_KEY_CHARS for part in _parts(key)):
            raise ValueError(f"each key needs at least {LEAST_KEY_CHARS} characters")
        return key

    @model_validator(mode="after")
    def _addresses_signed(self) -> FederationSettings:
        self.link_secrets(self.auth_secret)
        return self

    @property
    def leader_url(self) -> str:
        """For `Leadership`."""
        return (self.leader_database_url or self.database_url).get_secret_value()

    @property
    def device_secrets(self) -> tuple[str, ...]:
        """The keys for `Credentials`."""
        return _parts(self.device_key) if self.device_key is not None else self.link_secrets(self.auth_secret)

    @model_validator(mode="after")
    def _private_in_production(self) -> FederationSettings:
        if self.environment != "development" and self.noise_multiplier == 0:
            raise ValueError("SCALE_FEDERATION_NOISE_MULTIPLIER must be above 0 outside of development")
        return self


class FederationWorkerSettings(WorkerSettings, ScheduleSettings):
    """What the worker of the federation service reads. It has no database, and verifies nobody's token."""

    model_config = service_config("federation")

    redis_url: SecretStr = Field(
        validation_alias=AliasChoices("SCALE_REDIS_URL"), description="redis:// or rediss:// address of the queue."
    )
    service_key: SecretStr = Field(description="Signs what the worker asks of the coordinator: base64url of an Ed25519 seed, 32 bytes.")
    address: str = Field("127.0.0.1:8086", description="Where the federation service listens; behind grpcs:// it is asked over TLS.")
    round_limit_s: float = Field(
        840, gt=0, le=870, description="Seconds after which a round of the clock is given up. The queue kills its task after 900."
    )
    worker_grace_s: float = Field(20, ge=0, description="Seconds that a round has to end after SIGTERM; another worker goes on with it.")

    @field_validator("service_key")
    @classmethod
    def _key_usable(cls, key: SecretStr) -> SecretStr:
        ServiceTokens("federation", key.get_secret_value())
        return key


def _parts(keys: SecretStr) -> tuple[str, ...]:
    return tuple(part.strip() for part in keys.get_secret_value().split(","))
