"""Settings with which every process of SCALE could start, were there the servers that they name."""

from __future__ import annotations

import base64

_SEED = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
_LONG = "x" * 40
_SERVICES = ("ACCOUNTS", "INGESTION", "CATEGORIZATION", "FORECASTING", "TRAINING", "FEDERATION")

SETTINGS = {
    "SCALE_ENVIRONMENT": "development",
    "SCALE_AUTH_SECRET": _LONG,
    "SCALE_REDIS_URL": "redis://redis.invalid:6379/0",
    "SCALE_DATABASE_URL": "postgresql://migrator@postgres.invalid/scale",
    "SCALE_STORAGE_URL": "file:///tmp/scale-objects",
    "SCALE_MONITOR_BASIC_AUTH": f"operator:{_LONG}",
    "SCALE_BACKUP_URL": "file:///tmp/scale-backups",
    "SCALE_BACKUP_DATABASE_URL": "postgresql://backup@postgres.invalid/scale",
} | {
    f"SCALE_{service}_{name}": value
    for service in _SERVICES
    for name, value in {
        "DATABASE_URL": f"postgresql://scale_{service.lower()}@postgres.invalid/scale",
        "SERVICE_KEY": _SEED,
        "REGISTRY_KEY": _SEED,
        "PORT": "50051",
    }.items()
}
