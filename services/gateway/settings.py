"""The gateway's environment: its own variables are SCALE_GATEWAY_<NAME>."""

from __future__ import annotations

import ipaddress

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from services.kit.settings import CommaSeparated, ProcessSettings, service_config, split_commas

MEBIBYTE = 1024 * 1024


class GatewaySettings(ProcessSettings):
    """What the gateway reads."""

    model_config = service_config("gateway")

    port: int = Field(8080, ge=1, le=65535, description="Port to listen on.")
    processes: int = Field(
        1, ge=1, le=64, validation_alias=AliasChoices("WEB_CONCURRENCY"), description="Processes that answer on that port, one core each."
    )
    accounts_address: str = Field(
        "127.0.0.1:8081",
        validation_alias=AliasChoices("SCALE_ACCOUNTS_ADDRESS"),
        description="host:port of accounts, or any gRPC target such as dns:///accounts:8081.",
    )
    ingestion_address: str = Field(
        "127.0.0.1:8082",
        validation_alias=AliasChoices("SCALE_INGESTION_ADDRESS"),
        description="host:port of ingestion, or any gRPC target.",
    )
    categorization_address: str = Field(
        "127.0.0.1:8083",
        validation_alias=AliasChoices("SCALE_CATEGORIZATION_ADDRESS"),
        description="host:port of categorization, or any gRPC target.",
    )
    forecasting_address: str = Field(
        "127.0.0.1:8084",
        validation_alias=AliasChoices("SCALE_FORECASTING_ADDRESS"),
        description="host:port of forecasting, or any gRPC target.",
    )
    training_address: str = Field(
        "127.0.0.1:8085",
        validation_alias=AliasChoices("SCALE_TRAINING_ADDRESS"),
        description="host:port of training, or any gRPC target.",
    )
    federation_address: str = Field(
        "127.0.0.1:8086",
        validation_alias=AliasChoices("SCALE_FEDERATION_ADDRESS"),
        description="host:port of federation, or any gRPC target.",
    )
    categorization_batch_address: str | None = Field(
        None, description="Where POST /classify/batch goes while it is up: replicas on GPUs. Default: where all of categorization goes."
    )
    forecasting_batch_address: str | None = Field(
        None, description="Where POST /forecasts goes while it is up: replicas on GPUs. Default: where all of forecasting goes."
    )

    rate_limit: int = Field(100, ge=1, description="Requests per user (or address, without a token) and window.")
    rate_limit_window_s: int = Field(60, ge=1, le=3600, description="Length of the window, in seconds.")
    redis_timeout_s: float = Field(0.1, gt=0, le=1, description="How long a request waits for Redis before it is counted in this process.")
    trusted_proxies: CommaSeparated = Field(
        (), description="Networks, such as 10.0.0.0/8, of the proxies whose X-Forwarded-For is believed. None when absent."
    )
    allowed_origins: CommaSeparated = Field(
        (),
        validation_alias=AliasChoices("ALLOWED_ORIGINS"),
        description="Origins of the web apps that may call, such as https://app.example.com; no wildcard in production.",
    )
    require_aal2: bool = Field(False, description="Whether every call needs a token of a second factor (aal2).")

    confirmation_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="Signs what a caller sends back to confirm a step that cannot be undone; the same in every replica. "
        "Default: derived from SCALE_AUTH_SECRET; without that one of this process's own.",
    )

    max_body_bytes: int = Field(MEBIBYTE, ge=1024, description="Largest JSON body.")
    max_batch_bytes: int = Field(8 * MEBIBYTE, ge=1024, description="Largest body of POST /api/v1/classify/batch.")
    max_file_bytes: int = Field(
        256 * MEBIBYTE,
        ge=1,
        validation_alias=AliasChoices("SCALE_INGESTION_MAX_FILE_BYTES"),
        description="Largest statement file; the same variable that ingestion reads.",
    )
    max_restored_bytes: int = Field(4096 * MEBIBYTE, ge=1, description="What an export that is brought back may unpack to.")
    timeout_s: float = Field(10, gt=0, description="Deadline of a call to a service.")
    import_timeout_s: float = Field(600, gt=0, description="Deadline of an import.")
    export_timeout_s: float = Field(3600, gt=0, description="Deadline of a service's part of an export, and of its way back.")
    stream_timeout_s: float = Field(3600, gt=0, description="Longest stream of events; clients come back where they were.")
    heartbeat_s: float = Field(15, gt=0, description="How often a stream without news says that it is still there.")
    max_streams: int = Field(20, ge=1, description="Streams of events that one user may have open in one process.")
    receive_timeout_s: float = Field(30, gt=0, description="How long an upload may send nothing.")
    max_spool_bytes: int = Field(
        2048 * MEBIBYTE, ge=1, description="What all uploads in hand may take up together in one process; more are refused (503)."
    )

    @property
    def confirmation_secret(self) -> bytes | None:
        """The key for `Confirmations`, where there is one."""
        key = self.confirmation_key or self.auth_secret
        return key.get_secret_value().encode() if key else None

    @field_validator("trusted_proxies", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return split_commas(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            scheme, separator, rest = origin.partition("://")
            if origin != "*" and (not separator or not scheme or not rest or "/" in rest):
                raise ValueError(f"{origin!r} is not an origin such as https://app.example.com (no path, no slash at the end)")
        return value

    @model_validator(mode="after")
    def _processes_agree(self) -> GatewaySettings:
        if self.processes > 1 and self.confirmation_secret is None:
            raise ValueError(
                "SCALE_GATEWAY_CONFIRMATION_KEY must be set where WEB_CONCURRENCY is above 1 and there is no SCALE_AUTH_SECRET"
            )
        return self

    @model_validator(mode="after")
    def _no_wildcard_in_production(self) -> GatewaySettings:
        if "*" in self.allowed_origins and self.environment == "production":
            raise ValueError("ALLOWED_ORIGINS must list the origins in production, not *")
        return self
