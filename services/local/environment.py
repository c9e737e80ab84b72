"""What each process of the local system finds in its environment: only what it needs, nothing inherited by accident."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping

from services.kit.service_tokens import ServiceTokens
from services.local.home import LOOPBACK, METRICS_OFFSETS, REPOSITORY, SERVICE_OFFSETS, LocalHome, Ports
from services.local.problem import LocalProblem

AUTH_ISSUER = "scale-local"
AUTH_AUDIENCE = "authenticated"
SIGNING_KEY = "jwt"
CACHE_KEY = "cache"
ARTIFACT_KEY = "artifacts"

# Services that own a schema: one role each, which the service's worker shares.
DATABASE_SERVICES = ("accounts", "ingestion", "categorization", "training")
# The one clock of all services.
BEAT = "beat"
# Who may reach what. A service's worker is called <service>-worker.
_WORKERS = tuple(f"{service}-worker" for service in DATABASE_SERVICES)
_DATABASE = (*DATABASE_SERVICES, *_WORKERS)
_REPLICA = ("accounts",)
_REDIS = ("gateway", *_DATABASE, BEAT)
_STORAGE = ("ingestion", "ingestion-worker", "training", "training-worker")
# Who believes whose workers' tokens: those that they call.
_CALLED_BY_WORKERS = {"accounts": ("ingestion", "categorization", "training"), "categorization": ("ingestion", "training")}
# Who asks for nobody in particular, each with a key of its own: which global model is live.
_MODELS_KEY = "categorization_models"
_ASKED = {"training": (_MODELS_KEY,)}
_ASKING = ("categorization", "categorization-worker")
_CALLING_WORKERS = tuple(sorted({f"{service}-worker" for callers in _CALLED_BY_WORKERS.values() for service in callers}))

_PASSED_ON = ("PATH", "HOME", "USER", "LANG", "TZ", "LD_LIBRARY_PATH", "ALLOWED_ORIGINS", "MODELS_DIR")
_PASSED_ON_PREFIXES = ("PYTHON", "LC_", "OTEL_", "SENTRY_", "SSL_CERT_", "COVERAGE_")
# Credentials of object storage elsewhere.
_STORAGE_PREFIXES = ("AWS_", "GOOGLE_", "AZURE_")
_MIGRATION_SETTINGS = ("SCALE_MIGRATIONS_PARTITIONED",)
# In the names of settings that are one service's alone.
_SECRET_WORDS = ("DATABASE_URL", "REPLICA_URL", "SECRET", "PASSWORD", "KEY", "TOKEN")
_OWNED = (
    "SCALE_HOME", "SCALE_ENVIRONMENT", "SCALE_DATABASE_URL", "SCALE_REDIS_URL", "SCALE_CACHE_KEY", "SCALE_STORAGE_URL", "SCALE_URL",
    "SCALE_TOKEN", "SCALE_SERVICE_PUBLIC_KEYS", "SCALE_INGESTION_SERVICE_KEY", "SCALE_CATEGORIZATION_SERVICE_KEY",
    "SCALE_TRAINING_SERVICE_KEY", "SCALE_CATEGORIZATION_REGISTRY_KEY", "SCALE_HEARTBEAT_FILE",
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
    outer: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The whole environment of a service's process. The user's SCALE_<SERVICE>_* settings win over defaults, not over ports."""
    service, _, role = process.partition("-")
    mine = f"SCALE_{service.upper()}_"
    others = tuple(f"SCALE_{other.upper()}_" for other in SERVICE_OFFSETS if other != service)
    result = process_environment(outer)
    result |= {"SCALE_GATEWAY_RATE_LIMIT": "100000", "SCALE_GRACE_S": "5"}
    result |= {f"SCALE_{other.upper()}_WORKER_GRACE_S": "5" for other in DATABASE_SERVICES}
    for other in SERVICE_OFFSETS:
        result[f"SCALE_{other.upper()}_ADDRESS"] = f"{LOOPBACK}:{ports.service(other)}"
    for variable, value in outer.items():
        if variable.startswith("DB_") and process in _DATABASE:
            result[variable] = value
        if variable == "DATABASE_REPLICA_URL" and process in _REPLICA:
            result[variable] = value
        if not variable.startswith("SCALE_") or variable in _OWNED or variable.startswith("SCALE_AUTH_"):
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
    result = _training(process, home) | result
    if process in _REDIS:
        result |= {"SCALE_REDIS_URL": redis_url, "SCALE_CACHE_KEY": home.secret(CACHE_KEY)}
    if process in _ASKING:
        result["SCALE_CATEGORIZATION_REGISTRY_KEY"] = service_key(home, _MODELS_KEY)
        result.setdefault("SCALE_CATEGORIZATION_MODELS_CACHE_DIR", str(home.models))
    if process in _STORAGE:
        result |= {name: value for name, value in outer.items() if name.startswith(_STORAGE_PREFIXES)}
        result["SCALE_STORAGE_URL"] = outer.get("SCALE_STORAGE_URL") or home.objects.as_uri()
    if process in _DATABASE and database_url is not None:
        result[f"{mine}DATABASE_URL"] = database_url
    return result


def _server(service: str, home: LocalHome, ports: Ports) -> dict[str, str]:
    result = {
        "SCALE_AUTH_ALGORITHM": "HS256",
        "SCALE_AUTH_SECRET": home.secret(SIGNING_KEY),
        "SCALE_AUTH_ISSUER": AUTH_ISSUER,
        "SCALE_AUTH_AUDIENCE": AUTH_AUDIENCE,
        f"SCALE_{service.upper()}_PORT": str(ports.service(service)),
    }
    callers = _CALLED_BY_WORKERS.get(service, ()) + _ASKED.get(service, ())
    if callers:
        result["SCALE_SERVICE_PUBLIC_KEYS"] = ",".join(ServiceTokens(caller, service_key(home, caller)).public_key for caller in callers)
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


def _training(process: str, home: LocalHome) -> dict[str, str]:
    """What training has where the user gives it nothing else."""
    if process == "training":
        return {"SCALE_TRAINING_ARTIFACT_KEY": home.secret(ARTIFACT_KEY)}
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
