"""Typed settings from the environment, checked when a process starts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.kit.service_tokens import read_public_keys
from services.kit.tls import ClientTls, ServerTls

T = TypeVar("T", bound=BaseSettings)


def service_config(service: str) -> SettingsConfigDict:
    """The pydantic configuration of one service: its own variables are SCALE_<SERVICE>_<NAME>."""
    return SettingsConfigDict(env_prefix=f"SCALE_{service.upper()}_", extra="ignore", populate_by_name=True)


def _shared(name: str, *others: str) -> AliasChoices:
    return AliasChoices(name, *others)


CommaSeparated = Annotated[tuple[str, ...], NoDecode]
"""A tuple that an environment variable writes as a,b,c; give the field a `mode="before"` validator with `split_commas`."""


def split_commas(value: object) -> object:
    """Splits "a, b" into ("a", "b"); anything else stays."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class WorkerSettings(BaseSettings):
    """What every process of SCALE reads, those that nobody calls included."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    metrics_port: int | None = Field(None, ge=1, le=65535, description="Port of /metrics; none when absent.")
    environment: Literal["development", "production"] = Field(
        "production",
        validation_alias=_shared("SCALE_ENVIRONMENT"),
        description="development relaxes what a laptop cannot have.",
    )
    log_level: str = Field("INFO", validation_alias=_shared("SCALE_LOG_LEVEL"), description="DEBUG, INFO, WARNING or ERROR.")
    redis_url: SecretStr | None = Field(
        None, validation_alias=_shared("SCALE_REDIS_URL"), description="redis:// or rediss:// address of queue, locks and events."
    )
    cache_url: SecretStr | None = Field(
        None,
        validation_alias=_shared("SCALE_CACHE_URL"),
        description="The same of what may be evicted: caches and the counts of the rate limiter. Default: SCALE_REDIS_URL.",
    )
    cache_key: SecretStr | None = Field(
        None,
        validation_alias=_shared("SCALE_CACHE_KEY"),
        description="Hides users' ids in keys of Redis; the same in every process. Without it they are only hashed.",
    )
    sentry_dsn: SecretStr | None = Field(
        None, validation_alias=_shared("SCALE_SENTRY_DSN"), description="Where errors are reported; nowhere when absent."
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias=_shared("SCALE_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="Where traces are sent; nowhere when absent.",
    )
    trace_sample_ratio: float = Field(
        1,
        ge=0,
        le=1,
        validation_alias=_shared("SCALE_TRACE_SAMPLE_RATIO"),
        description="Share of the traces that begin here which are sent; who is called by others does as they do.",
    )
    heartbeat_file: Path | None = Field(
        None,
        validation_alias=_shared("SCALE_HEARTBEAT_FILE"),
        description="What a worker, or beat, touches every few seconds while it is at work; nothing when absent.",
    )

    queue_events: bool = Field(
        False,
        validation_alias=_shared("SCALE_QUEUE_EVENTS"),
        description="Whether workers tell over Redis when each task begins and ends, for the monitor.",
    )

    @property
    def cache_address(self) -> str | None:
        """Where what may be evicted lies; None without any Redis."""
        url = self.cache_url or self.redis_url
        return url.get_secret_value() if url else None

    @property
    def cache_secret(self) -> bytes:
        """The key for `redis.pseudonym`."""
        return self.cache_key.get_secret_value().encode() if self.cache_key else b""


class ProcessSettings(WorkerSettings):
    """What every process reads that is called."""

    port: int = Field(ge=1, le=65535, description="Port to listen on.")
    auth_algorithm: Literal["HS256", "RS256", "ES256"] = Field(
        "HS256", validation_alias=_shared("SCALE_AUTH_ALGORITHM"), description="The one algorithm that tokens may use."
    )
    auth_secret: SecretStr | None = Field(
        None,
        validation_alias=_shared("SCALE_AUTH_SECRET"),
        description="Shared secret for HS256, at least 32 characters.",
    )
    auth_jwks_url: str | None = Field(
        None, validation_alias=_shared("SCALE_AUTH_JWKS_URL"), description="Where the public keys are, for RS256 and ES256."
    )
    auth_issuer: str | None = Field(
        None,
        validation_alias=_shared("SCALE_AUTH_ISSUER"),
        description="The issuer that tokens must name. Required in production.",
    )
    auth_audience: str = Field(
        "authenticated",
        validation_alias=_shared("SCALE_AUTH_AUDIENCE"),
        description="The audience that tokens must name.",
    )
    auth_leeway_s: int = Field(
        30,
        ge=0,
        le=300,
        validation_alias=_shared("SCALE_AUTH_LEEWAY_S"),
        description="Clock difference tolerated, in seconds.",
    )
    service_public_keys: CommaSeparated = Field(
        (),
        validation_alias=_shared("SCALE_SERVICE_PUBLIC_KEYS"),
        description="Whose background work is believed: name=key, comma separated; a key is base64url of an Ed25519 public key.",
    )

    drain_s: float = Field(
        0.5,
        ge=0,
        validation_alias=_shared("SCALE_DRAIN_S"),
        description="Seconds between SIGTERM and refusing new calls.",
    )
    grace_s: float = Field(
        20,
        ge=0,
        validation_alias=_shared("SCALE_GRACE_S"),
        description="Seconds that running calls have to finish after that.",
    )

    _split_keys = field_validator("service_public_keys", mode="before")(split_commas)

    @field_validator("service_public_keys")
    @classmethod
    def _keys_readable(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        read_public_keys(entries)
        return entries

    @model_validator(mode="after")
    def _keys_present(self) -> ProcessSettings:
        if self.auth_algorithm == "HS256":
            if self.auth_secret is None or len(self.auth_secret.get_secret_value()) < 32:
                raise ValueError("SCALE_AUTH_SECRET must hold at least 32 characters when SCALE_AUTH_ALGORITHM is HS256")
        elif not self.auth_jwks_url:
            raise ValueError(f"SCALE_AUTH_JWKS_URL must be set when SCALE_AUTH_ALGORITHM is {self.auth_algorithm}")
        if self.environment == "production" and not self.auth_issuer:
            raise ValueError("SCALE_AUTH_ISSUER must be set in production")
        return self

    @property
    def server_tls(self) -> ServerTls | None:
        """What the port is served with; None: in plain, as where others put TLS in front."""
        return None

    @property
    def probe_port(self) -> int | None:
        """Where the process says in plain that it serves; None: on its own port alone."""
        return None


class DatabaseSettings(BaseSettings):
    """Pool and timeouts of a process that has a database. The DB_ names are those of the operations guide."""

    pool_size: int | None = Field(
        None,
        ge=1,
        validation_alias=_shared("DB_POOL_SIZE"),
        description="Connections kept open: 20 in production, 5 in development.",
    )
    max_overflow: int | None = Field(
        None,
        ge=0,
        validation_alias=_shared("DB_MAX_OVERFLOW"),
        description="Connections beyond DB_POOL_SIZE under load: 10 in production, 5 in development.",
    )
    pool_timeout_s: float = Field(
        30, gt=0, validation_alias=_shared("DB_POOL_TIMEOUT"), description="Seconds to wait for a free connection."
    )
    pool_recycle_s: float = Field(
        3600,
        ge=0,
        validation_alias=_shared("DB_POOL_RECYCLE"),
        description="Seconds after which an idle connection is closed.",
    )
    pool_pre_ping: bool = Field(
        True,
        validation_alias=_shared("DB_POOL_PRE_PING"),
        description="Try a connection that was idle for a while before using it.",
    )
    use_null_pool: bool = Field(
        False,
        validation_alias=_shared("DB_USE_NULL_POOL"),
        description="Open a connection for each transaction and keep none.",
    )
    statement_cache_size: int = Field(
        100,
        ge=0,
        validation_alias=_shared("DB_STATEMENT_CACHE_SIZE"),
        description="0 behind PgBouncer in transaction mode.",
    )
    statement_timeout_s: float = Field(
        5,
        gt=0,
        validation_alias=_shared("DB_STATEMENT_TIMEOUT"),
        description="Seconds after which a statement is cancelled.",
    )
    bulk_statement_timeout_s: float = Field(
        300,
        gt=0,
        validation_alias=_shared("DB_BULK_STATEMENT_TIMEOUT"),
        description="The same for the statements of an import.",
    )
    connect_timeout_s: float = Field(
        5, gt=0, validation_alias=_shared("DB_CONNECT_TIMEOUT"), description="Seconds to wait for a new connection."
    )
    slow_query_s: float = Field(
        1.0,
        gt=0,
        validation_alias=_shared("DB_SLOW_QUERY_THRESHOLD"),
        description="Seconds: statements and transactions longer than this are logged.",
    )
    enable_query_logging: bool = Field(
        True,
        validation_alias=_shared("DB_ENABLE_QUERY_LOGGING"),
        description="Log slow statements with duration and text, never with their parameters.",
    )
    echo: bool = Field(False, validation_alias=_shared("DB_ECHO"), description="Log every statement in the same way, slow or not.")
    replica_max_lag_s: float = Field(
        10,
        ge=0,
        validation_alias=_shared("DB_REPLICA_MAX_LAG"),
        description="Seconds that a replica may be behind; the primary serves its reads while it is further.",
    )

    @property
    def development(self) -> bool:
        """Whether the small defaults apply."""
        return getattr(self, "environment", "production") == "development"

    @property
    def min_connections(self) -> int:
        """asyncpg's min_size."""
        return self.pool_size or (5 if self.development else 20)

    @property
    def max_connections(self) -> int:
        """asyncpg's max_size: asyncpg knows no overflow."""
        overflow = self.max_overflow if self.max_overflow is not None else (5 if self.development else 10)
        return self.min_connections + overflow


class ServiceSettings(ProcessSettings, DatabaseSettings):
    """What every gRPC service reads; subclass with `model_config = service_config("<service>")`."""

    tls_required: ClassVar[bool] = False
    """Outside development: for a service whose callers come from elsewhere."""

    database_url: SecretStr = Field(description="postgresql:// address, with this service's own role.")
    page_token_key: SecretStr | None = Field(
        None,
        validation_alias=_shared("SCALE_PAGE_TOKEN_KEY"),
        description="Signs page tokens, at least 32 characters; the same in every replica. Default: derived from SCALE_AUTH_SECRET.",
    )

    health_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="A second port, in plain, that answers grpc.health.v1 alone: for probes that speak no TLS. None when absent.",
    )
    tls_cert_file: Path | None = Field(
        None, description="PEM file with the certificate that the service shows, then its authorities'. Read anew when it changes."
    )
    tls_key_file: Path | None = Field(None, description="PEM file with that certificate's key, without a password.")
    tls_client_ca_file: Path | None = Field(
        None, description="PEM file with the authorities whose certificates callers must show (mutual TLS). They need none without it."
    )

    @model_validator(mode="after")
    def _page_tokens_signed(self) -> ServiceSettings:
        key = self.page_token_key or self.auth_secret
        if key is None or len(key.get_secret_value()) < 32:
            raise ValueError("SCALE_PAGE_TOKEN_KEY must hold at least 32 characters when there is no SCALE_AUTH_SECRET")
        return self

    @model_validator(mode="after")
    def _tls_usable(self) -> ServiceSettings:
        prefix = self.model_config.get("env_prefix", "")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError(f"{prefix}TLS_CERT_FILE and {prefix}TLS_KEY_FILE need each other")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError(f"{prefix}TLS_CLIENT_CA_FILE needs {prefix}TLS_CERT_FILE")
        if self.tls_required and self.environment != "development" and self.tls_cert_file is None:
            raise ValueError(f"{prefix}TLS_CERT_FILE must be set outside of development: nothing here may travel in plain")
        if self.server_tls is not None:
            self.server_tls.read()
        return self

    @property
    def server_tls(self) -> ServerTls | None:
        """What the port is served with; None: in plain."""
        if self.tls_cert_file is None or self.tls_key_file is None:
            return None
        return ServerTls(self.tls_cert_file, self.tls_key_file, self.tls_client_ca_file)

    @property
    def probe_port(self) -> int | None:
        """Where the process says in plain that it serves."""
        return self.health_port

    @property
    def page_token_secret(self) -> bytes:
        """The key for `PageTokens`."""
        key = self.page_token_key or self.auth_secret
        assert key is not None  # nosec B101  # checked above
        return b"page-token:" + key.get_secret_value().encode()


class ClientTlsSettings(BaseSettings):
    """What every process reads that asks a server over TLS."""

    ca_file: Path | None = Field(
        None,
        validation_alias=_shared("SCALE_TLS_CA_FILE"),
        description="PEM file with the authorities whose servers are believed. Those that all the world believes when absent.",
    )
    cert_file: Path | None = Field(
        None,
        validation_alias=_shared("SCALE_TLS_CERT_FILE"),
        description="PEM file with the certificate that is shown to servers which ask for one.",
    )
    key_file: Path | None = Field(
        None, validation_alias=_shared("SCALE_TLS_KEY_FILE"), description="PEM file with that certificate's key, without a password."
    )

    @model_validator(mode="after")
    def _usable(self) -> ClientTlsSettings:
        self.client_tls.read()
        return self

    @property
    def client_tls(self) -> ClientTls:
        """The files."""
        return ClientTls(self.ca_file, self.cert_file, self.key_file)


class SettingsError(ValueError):
    """Variables that are missing or wrong."""

    def __init__(self, problems: Sequence[str]) -> None:
        """One line for each."""
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def read_settings(cls: type[T]) -> T:
    """Reads the environment. Raises SettingsError."""
    try:
        return cls()
    except ValidationError as error:
        raise SettingsError([_problem(cls, place=problem["loc"], reason=problem["msg"]) for problem in error.errors()]) from None


def _problem(cls: type[BaseSettings], *, place: tuple[int | str, ...], reason: str) -> str:
    field, reason = str(place[0]) if place else "", reason.removeprefix("Value error, ")
    if not field:
        return reason
    return f"{field}: {reason}" if field.isupper() else f"{cls.model_config.get('env_prefix', '')}{field.upper()}: {reason}"


def load_settings(cls: type[T]) -> T:
    """Reads the environment. Exits with status 2 and one line per wrong variable."""
    try:
        return read_settings(cls)
    except SettingsError as error:
        sys.stderr.write("".join(f"{problem}\n" for problem in error.problems))
        raise SystemExit(2) from None
