"""`python -m operations.cluster_secrets | kubectl create -f -`: every Secret of a new installation, made of chance, once.

The manifests of deploy/k8s name Secrets and hold none. Keys and passwords go from here to the cluster and are nowhere else: to a pipe,
never to a screen. Run again it makes other ones, and what was signed with the old ones (devices, addresses of models) is lost: hence
`create`, which refuses what is there, and leaves no copy in an annotation, as `apply` does. The credentials of object storage
(scale-storage) and certificates are not from here.
"""

from __future__ import annotations

import argparse
import base64
import secrets
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from services.kit.service_tokens import ServiceTokens
from services.local.environment import ASKED, CALLED_BY_WORKERS, DATABASE_SERVICES
from services.local.postgres import scram_verifier

Secrets = dict[str, dict[str, str]]

NAMESPACE = "scale"
_POOLS = "pgbouncer:6432"
# Beside the keys with which workers ask, what each service signs with, by the variable that it is read from.
_OWN_KEYS = {
    "gateway": ("SCALE_GATEWAY_CONFIRMATION_KEY",),
    "training": ("SCALE_TRAINING_ARTIFACT_KEY",),
    "federation": ("SCALE_FEDERATION_LINK_KEY", "SCALE_FEDERATION_DEVICE_KEY"),
}


def make_secrets(postgres: str = "postgres:5432", pools: str = _POOLS) -> Secrets:
    """What each Secret holds. `postgres` is where the database is: host:port; `pools` is where services ask it."""
    passwords = {
        role: secrets.token_hex(24) for role in (*(f"scale_{service}" for service in DATABASE_SERVICES), "scale_migrator", "scale_backup")
    }
    redis = {name: secrets.token_hex(24) for name in ("redis-broker", "redis-cache")}

    def url(role: str, at: str, database: str = "scale") -> str:
        return f"postgresql://{role}:{passwords[role]}@{at}/{database}"

    made: Secrets = {f"{name}-secrets": {"password": password} for name, password in redis.items()}
    made["scale-secrets"] = {
        "SCALE_REDIS_URL": f"redis://:{redis['redis-broker']}@redis-broker:6379/0",
        "SCALE_CACHE_URL": f"redis://:{redis['redis-cache']}@redis-cache:6379/0",
        "SCALE_CACHE_KEY": secrets.token_hex(32),
        "SCALE_PAGE_TOKEN_KEY": secrets.token_hex(32),
    }
    made["celery-flower-secrets"] = {"SCALE_MONITOR_BASIC_AUTH": f"operator:{secrets.token_urlsafe(18)}"}
    for service in DATABASE_SERVICES:
        prefix, role = f"SCALE_{service.upper()}", f"scale_{service}"
        made[f"{service}-secrets"] = {
            f"{prefix}_DATABASE_URL": url(role, pools),
            f"{prefix}_WORKER_DATABASE_URL": url(role, pools, "scale_session"),
        }
    made["federation-secrets"]["SCALE_FEDERATION_LEADER_DATABASE_URL"] = url("scale_federation", postgres)
    for service, variables in _OWN_KEYS.items():
        made.setdefault(f"{service}-secrets", {}).update({variable: secrets.token_hex(32) for variable in variables})
    for service, believed in _public_keys(made).items():
        made[f"{service}-secrets"]["SCALE_SERVICE_PUBLIC_KEYS"] = ",".join(believed)
    made["postgres-secrets"] = {
        "superuser": secrets.token_hex(24), "migrator": passwords["scale_migrator"], "backup": passwords["scale_backup"]
    }  # fmt: skip
    made["migrate-secrets"] = {"SCALE_DATABASE_URL": url("scale_migrator", postgres)}
    made["backup-secrets"] = {"SCALE_BACKUP_DATABASE_URL": url("scale_backup", postgres), "keys": secrets.token_hex(32) + "\n"}
    made["pgbouncer-secrets"] = _verifiers(
        {role: passwords[role] for role in passwords if role.removeprefix("scale_") in DATABASE_SERVICES}
    )
    return made


def _public_keys(made: Secrets) -> Mapping[str, list[str]]:
    """Makes the key of each that asks for nobody who is there, puts it where that reads it, and says who believes whom."""
    believed: dict[str, list[str]] = {}
    known: dict[str, str] = {}
    for service, callers in (*CALLED_BY_WORKERS.items(), *ASKED.items()):
        for caller in callers:
            if caller not in known:
                key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
                known[caller] = ServiceTokens(caller, key).public_key
                owner, asks_for_models = caller.removesuffix("_models"), caller.endswith("_models")
                place = f"{owner}-secrets" if asks_for_models else f"{owner}-worker-secrets"
                made.setdefault(place, {})[f"SCALE_{owner.upper()}_{'REGISTRY' if asks_for_models else 'SERVICE'}_KEY"] = key
            believed.setdefault(service, []).append(known[caller])
    return believed


def _verifiers(passwords: Mapping[str, str]) -> dict[str, str]:
    """What PgBouncer and PostgreSQL know passwords by: the same in both, or the one could not sign in at the other."""
    verifiers = {role: scram_verifier(password) for role, password in passwords.items()}
    return {
        "userlist.txt": "".join(f'"{role}" "{verifier}"\n' for role, verifier in verifiers.items()),
        "roles.sql": "".join(f"ALTER ROLE {role} LOGIN PASSWORD '{verifier}';\n" for role, verifier in verifiers.items()),
    }


def manifests(made: Secrets) -> list[dict[str, Any]]:
    """As Kubernetes takes them."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app.kubernetes.io/part-of": "scale"}},
            "type": "Opaque",
            "stringData": data,
        }
        for name, data in sorted(made.items())
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes them to standard output."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.cluster_secrets", description="Every Secret of a new installation, as YAML."
    )
    parser.add_argument(
        "--postgres", default="postgres:5432", help="host:port of PostgreSQL, past PgBouncer (default: the one in the cluster)"
    )
    given = parser.parse_args(arguments)
    if sys.stdout.isatty():
        sys.stderr.write("This writes passwords and keys: pipe it, such as into `kubectl create -f -`.\n")
        return 2
    yaml.safe_dump_all(manifests(make_secrets(given.postgres)), sys.stdout, sort_keys=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
