"""`python -m operations.compose_secrets deploy/secrets`: every secret of a new installation on one host, made once, a file a container.

Each gets what it needs and no other's: a worker no key of the users' tokens, a service no other one's password. deploy/compose.yaml reads
the files. For a cluster the same secrets come from `operations.cluster_secrets`.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from operations.cluster_secrets import Secrets, make_secrets
from services.local.environment import BEAT, DATABASE_SERVICES
from services.local.home import write_private

POSTGRES = "postgres:5432"
# Longer than anybody leaves a test installation alone; shorter than what clients refuse (825 days).
_CERTIFICATE_DAYS = 397
_AUTHORITY_DAYS = 3650
_BEFORE = timedelta(minutes=5)
# Of a service's Secret, what its worker has as well.
_WORKERS_TOO = ("_REGISTRY_KEY", "_DATABASE_URL")
# It asks its service, and has neither a database nor models.
_ASKS_ALONE = "federation"


def variables(made: Secrets) -> dict[str, dict[str, str]]:
    """What each container finds in its environment, by its name; `made` with a database that is asked directly."""
    tokens = {"SCALE_AUTH_SECRET": secrets.token_hex(32)}
    shared = dict(made["scale-secrets"])
    pages = {"SCALE_PAGE_TOKEN_KEY": shared.pop("SCALE_PAGE_TOKEN_KEY")}
    queue = {"SCALE_REDIS_URL": shared["SCALE_REDIS_URL"]}
    found = {"gateway": tokens | shared | made["gateway-secrets"]}
    for service in DATABASE_SERVICES:
        # There is no PgBouncer between, so a worker's connections are like all others.
        own = {name: value for name, value in made[f"{service}-secrets"].items() if not name.endswith("_WORKER_DATABASE_URL")}
        also = {name: value for name, value in own.items() if name.endswith(_WORKERS_TOO) and service != _ASKS_ALONE}
        found[service] = tokens | pages | shared | own
        found[f"{service}-worker"] = shared | also | made.get(f"{service}-worker-secrets", {})
    found[BEAT] = queue
    found["celery-flower"] = queue | made["celery-flower-secrets"]
    found["migrate"] = made["migrate-secrets"]
    found["backup"] = {name: value for name, value in made["backup-secrets"].items() if name.isupper()}
    postgres = made["postgres-secrets"]
    found["passwords"] = {"PGPASSWORD": postgres["migrator"]}
    found["postgres"] = {
        "POSTGRES_PASSWORD": postgres["superuser"],
        "MIGRATOR_PASSWORD": postgres["migrator"],
        "BACKUP_PASSWORD": postgres["backup"],
    }
    return found | {name: {"REDISCLI_AUTH": made[f"{name}-secrets"]["password"]} for name in ("redis-broker", "redis-cache")}


def certificates(names: Sequence[str]) -> dict[str, bytes]:
    """An authority, and what it issues to a server of these names: ca.crt, tls.crt and tls.key. The authority's own key is nowhere."""
    now = datetime.now(UTC)
    authority, server = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SCALE first authority")])
    ca = (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(issuer)
        .public_key(authority.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + timedelta(days=_AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    issued = (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(server.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + timedelta(days=_CERTIFICATE_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    key = server.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"ca.crt": ca.public_bytes(encoding), "tls.crt": issued.public_bytes(encoding), "tls.key": key}


def write(folder: Path, names: Sequence[str]) -> None:
    """Writes all of them. FileExistsError where there is anything in the folder: what runs with it would be locked out."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty. Secrets are made once: name another folder, or move these away.")
    made = make_secrets(POSTGRES, pools=POSTGRES)
    for container, values in variables(made).items():
        write_private(folder / f"{container}.env", "".join(f"{name}={value}\n" for name, value in values.items()))
    mounted = certificates(names) | {name: content.encode() for name, content in made["pgbouncer-secrets"].items()}
    mounted["backup.keys"] = made["backup-secrets"]["keys"].encode()
    for name, content in mounted.items():
        (folder / name).write_bytes(content)
        # A container reads it as another user; on the way to it stands the folder.
        (folder / name).chmod(0o644)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m operations.compose_secrets", description="Every secret of a new installation, as files."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", action="append", default=[], help="a further name by which devices find the federation coordinator")
    options = parser.parse_args(arguments)
    try:
        write(options.folder, ["federation", "localhost", *options.name])
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{options.folder} holds the secrets of every container. Nobody else needs to read it.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
