"""What each process of the local system finds in its environment: only what it needs, nothing inherited by accident."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from pathlib import Path

from services.kit.service_tokens import ServiceTokens
from services.kit.tls import SCHEME, ClientTls
from services.local.home import LOOPBACK, METRICS_OFFSETS, REPOSITORY, SERVICE_OFFSETS, LocalHome, Ports
from services.local.pgbouncer import PROGRAM_SETTING as PGBOUNCER_SETTING
from services.local.problem import LocalProblem

AUTH_ISSUER = "scale-local"
AUTH_AUDIENCE = "authenticated"
SIGNING_KEY = "jwt"
CACHE_KEY = "cache"
ARTIFACT_KEY = "artifacts"
LINK_KEY = "federated-models"

# Services that own a schema: one role each, which the service's worker shares.
DATABASE_SERVICES = ("accounts", "ingestion", "categorization", "forecasting", "training", "federation")
# Whose lock of the database's is a session's, so that it goes past PgBouncer.
_LEADING = "federation"
# The one clock of all services.
BEAT = "beat"
# Who may reach what. A service's worker is called <service>-worker.
_WORKERS = tuple(f"{service}-worker" for service in DATABASE_SERVICES)
# Only asks its service.
_ASKS_ALONE = "federation-worker"
_DATABASE = (*DATABASE_SERVICES, *(worker for worker in _WORKERS if worker != _ASKS_ALONE))
_REPLICA = ("accounts",)
_REDIS = ("gateway", *DATABASE_SERVICES, *_WORKERS, BEAT)
_STORAGE = ("ingestion", "ingestion-worker", "training", "training-worker", "federation")
# Who believes whose workers' tokens: those that they call.
CALLED_BY_WORKERS = {
    "accounts": ("ingestion", "categorization", "forecasting", "training"),
    "categorization": ("ingestion", "training"),
    "forecasting": ("ingestion",),
    "federation": ("federation",),
}
# Who asks for nobody in particular, each with a key of its own, which model of everybody's is live; and where among the home's models it
# keeps that one.
_ASKING = {"categorization": "", "forecasting": "forecasting"}
# Who registers models that everybody gets.
_REGISTERING = "federation"
ASKED = {"training": tuple(f"{service}_models" for service in (*_ASKING, _REGISTERING))}
_CALLING_WORKERS = tuple(sorted({f"{service}-worker" for callers in CALLED_BY_WORKERS.values() for service in callers}))

_PASSED_ON = ("PATH", "HOME", "USER", "LANG", "TZ", "LD_LIBRARY_PATH", "ALLOWED_ORIGINS", "MODELS_DIR", "WEB_CONCURRENCY")
_PASSED_ON_PREFIXES = ("PYTHON", "LC_", "OTEL_", "SENTRY_", "SSL_CERT_", "COVERAGE_")
# Credentials of object storage elsewhere.
_STORAGE_PREFIXES = ("AWS_", "GOOGLE_", "AZURE_")
_MIGRATION_SETTINGS = ("SCALE_MIGRATIONS_PARTITIONED",)
# Who backs up reads everything: no service sees where to, or with what.
_BACKUP_PREFIX = "SCALE_BACKUP_"
# In the names of settings that are one service's alone.
_SECRET_WORDS = ("DATABASE_URL", "REPLICA_URL", "SECRET", "PASSWORD", "KEY", "TOKEN")
_OWNED = (
    "SCALE_HOME", "SCALE_ENVIRONMENT", "SCALE_DATABASE_URL", "SCALE_REDIS_URL", "SCALE_CACHE_URL", "SCALE_CACHE_KEY", "SCALE_STORAGE_URL",
    "SCALE_URL", "SCALE_TOKEN", "SCALE_SERVICE_PUBLIC_KEYS", "SCALE_INGESTION_SERVICE_KEY", "SCALE_CATEGORIZATION_SERVICE_KEY",
    "SCALE_FORECASTING_SERVICE_KEY", "SCALE_TRAINING_SERVICE_KEY", "SCALE_FEDERATION_SERVICE_KEY", "SCALE_CATEGORIZATION_REGISTRY_KEY",
    "SCALE_FORECASTING_REGISTRY_KEY", "SCALE_FEDERATION_REGISTRY_KEY", "SCALE_HEARTBEAT_FILE",
    PGBOUNCER_SETTING,
)  # fmt: skip


def process_environment(outer: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The part of the user's environment that any of our processes may see."""
    kept = {name: value for name, value in outer.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)}
    return kept | {"PYTHONUNBUFFERED": "1"}


def service_environment(
    process: str,
    *,
    home: LocalHome,
    ports: Ports,
    database_url: str | None,
    redis_url: str,
    session_url: str | None = None,
    outer: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The whole environment of a service's process. The user's SCALE_<SERVICE>_* settings win over defaults, not over ports.

    `session_url` is given where `database_url` leads to PgBouncer in transaction mode: what goes past it, for who needs a session.
    """
    service, _, role = process.partition("-")
    mine = f"SCALE_{service.upper()}_"
    others = tuple(f"SCALE_{other.upper()}_" for other in SERVICE_OFFSETS if other != service)
    result = process_environment(outer)
    result |= {"SCALE_GATEWAY_RATE_LIMIT": "100000", "SCALE_GRACE_S": "5"}
    result |= {f"SCALE_{other.upper()}_WORKER_GRACE_S": "5" for other in DATABASE_SERVICES}
    for other in SERVICE_OFFSETS:
        result[f"SCALE_{other.upper()}_ADDRESS"] = f"{scheme_of(other, outer)}{LOOPBACK}:{ports.service(other)}"
    for variable, value in outer.items():
        if variable.startswith("DB_") and process in _DATABASE:
            result[variable] = value
        if variable == "DATABASE_REPLICA_URL" and process in _REPLICA:
            result[variable] = value
        if not variable.startswith("SCALE_") or variable in _OWNED or variable.startswith(("SCALE_AUTH_", _BACKUP_PREFIX)):
            continue
        if not (variable.startswith(others) and any(word in variable for word in _SECRET_WORDS)):
            result[variable] = value
    result |= {
        "SCALE_ENVIRONMENT": "development",
        "SCALE_HOME": str(home.path),
        "TMPDIR": str(home.temporary),
        "SCALE_SUPERVISED": "1",
    }
    result.pop(f"{mine}DATABASE_URL", None)
    if process in METRICS_OFFSETS:
        result |= {f"{mine}HOST": LOOPBACK, f"{mine}METRICS_PORT": str(ports.metrics(process))}
    result |= _worker(process, home) if role or process == BEAT else _server(service, home, ports)
    result = _defaults(process, home) | result
    if process in _REDIS:
        result |= {"SCALE_REDIS_URL": redis_url, "SCALE_CACHE_KEY": home.secret(CACHE_KEY)}
        result |= {name: outer[name] for name in ("SCALE_CACHE_URL",) if outer.get(name)}
    if process == _REGISTERING:
        result[f"{mine}REGISTRY_KEY"] = service_key(home, f"{service}_models")
    if service in _ASKING:
        result[f"{mine}REGISTRY_KEY"] = service_key(home, f"{service}_models")
        result.setdefault(f"{mine}MODELS_CACHE_DIR", str(home.models / _ASKING[service]))
    if process in _STORAGE:
        result |= {name: value for name, value in outer.items() if name.startswith(_STORAGE_PREFIXES)}
        result["SCALE_STORAGE_URL"] = outer.get("SCALE_STORAGE_URL") or home.objects.as_uri()
    if process in _DATABASE and database_url is not None:
        result |= _database(process, database_url, session_url)
    return result


def backup_environment(outer: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What PostgreSQL's archive_command finds in its environment; nothing where the user has not said where backups go."""
    if not outer.get("SCALE_BACKUP_URL"):
        return {}
    kept = {name: value for name, value in outer.items() if name.startswith((_BACKUP_PREFIX, *_STORAGE_PREFIXES))}
    kept.pop("SCALE_BACKUP_DATABASE_URL", None)
    return process_environment(outer) | kept


def scheme_of(service: str, outer: Mapping[str, str] = os.environ) -> str:
    """What stands before a service's address: it is asked over TLS where the user has given it a certificate."""
    return SCHEME if outer.get(f"SCALE_{service.upper()}_TLS_CERT_FILE") else ""


def client_tls(outer: Mapping[str, str] = os.environ) -> ClientTls:
    """What the user wants such services to be asked with."""
    ca, cert, key = (outer.get(f"SCALE_TLS_{name}_FILE") for name in ("CA", "CERT", "KEY"))
    return ClientTls(*(Path(one) if one else None for one in (ca, cert, key)))


def _server(service: str, home: LocalHome, ports: Ports) -> dict[str, str]:
    result = {
        "SCALE_AUTH_ALGORITHM": "HS256",
        "SCALE_AUTH_SECRET": home.secret(SIGNING_KEY),
        "SCALE_AUTH_ISSUER": AUTH_ISSUER,
        "SCALE_AUTH_AUDIENCE": AUTH_AUDIENCE,
        f"SCALE_{service.upper()}_PORT": str(ports.service(service)),
    }
    callers = CALLED_BY_WORKERS.get(service, ()) + ASKED.get(service, ())
    if callers:
        result["SCALE_SERVICE_PUBLIC_KEYS"] = ",".join(ServiceTokens(caller, service_key(home, caller)).public_key for caller in callers)
    return result


def _database(process: str, database_url: str, session_url: str | None) -> dict[str, str]:
    mine = f"SCALE_{process.partition('-')[0].upper()}_"
    result = {f"{mine}DATABASE_URL": database_url}
    if session_url is not None:
        result["DB_STATEMENT_CACHE_SIZE"] = "0"
        if process == _LEADING:
            result[f"{mine}LEADER_DATABASE_URL"] = session_url
    return result


def _worker(process: str, home: LocalHome) -> dict[str, str]:
    service, _, role = process.partition("-")
    result = {"SCALE_HEARTBEAT_FILE": str(home.heartbeat(process))}
    if role == "worker":
        # Its children count, it answers: they meet in this folder.
        result["PROMETHEUS_MULTIPROC_DIR"] = str(home.metrics_of(process))
    if process in _CALLING_WORKERS:
        result[f"SCALE_{service.upper()}_SERVICE_KEY"] = service_key(home, service)
    return result


def _defaults(process: str, home: LocalHome) -> dict[str, str]:
    """What a process has where the user gives it nothing else."""
    if process == "training":
        return {"SCALE_TRAINING_ARTIFACT_KEY": home.secret(ARTIFACT_KEY)}
    if process == "federation":
        return {"SCALE_FEDERATION_LINK_KEY": home.secret(LINK_KEY)}
    return {"SCALE_TRAINING_CHECKPOINTS_DIR": str(home.checkpoints)} if process == "training-worker" else {}


def service_key(home: LocalHome, service: str) -> str:
    """The private key with which the worker of a service, or who else asks, signs its tokens, made on first use: base64url of 32 bytes."""
    return base64.urlsafe_b64encode(bytes.fromhex(home.secret(f"service:{service}"))).decode().rstrip("=")


def migration_environment(database_url: str, outer: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of `python -m migrations`: the one process that gets the migration role's URL."""
    chosen = {name: outer[name] for name in _MIGRATION_SETTINGS if name in outer}
    return process_environment(outer) | chosen | {"SCALE_DATABASE_URL": database_url, "SCALE_ENVIRONMENT": "development"}


def outside_database_urls(outer: Mapping[str, str]) -> dict[str, str] | None:
    """Each service's URL of a database server of the user's own, or None where the embedded one is wanted."""
    if not outer.get("SCALE_DATABASE_URL"):
        return None
    names = {service: f"SCALE_{service.upper()}_DATABASE_URL" for service in DATABASE_SERVICES}
    missing = [variable for variable in names.values() if not outer.get(variable)]
    if missing:
        raise LocalProblem(
            f"SCALE_DATABASE_URL names a server of your own, so set {' and '.join(missing)} too: each service has a "
            "role there (scale_<service>; the migrations make them, ALTER ROLE gives them passwords)."
        )
    return {service: outer[variable] for service, variable in names.items()}


def working_directory() -> str:
    """Where services start: the repository, so that `services` is found without an installed package too."""
    return str(REPOSITORY)
