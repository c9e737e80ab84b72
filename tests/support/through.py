"""Ways by which the whole system may be asked to work: through PgBouncer, with mutual TLS between its services, or both.

The end-to-end tests take them from SCALE_E2E_THROUGH (`make test-e2e THROUGH=pgbouncer,mutual-tls`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.local.environment import DATABASE_SERVICES
from services.local.pgbouncer import PROGRAM_SETTING
from tests.support.certificates import Authority
from tests.support.debian import program

CHOICE = "SCALE_E2E_THROUGH"


def chosen(folder: Path) -> dict[str, str]:
    """Settings of a system that works in the ways that SCALE_E2E_THROUGH names; certificates go into `folder`."""
    settings: dict[str, str] = {}
    for name in filter(None, os.environ.get(CHOICE, "").split(",")):
        if name == "pgbouncer":
            settings |= pgbouncer()
        elif name == "mutual-tls":
            settings |= mutual_tls(Authority(folder))
        else:
            pytest.exit(f"{CHOICE} names {name!r}; known are pgbouncer and mutual-tls, comma separated.", returncode=2)
    return settings


def pgbouncer() -> dict[str, str]:
    """Every service asks its database through PgBouncer in transaction mode. Skips where that is not here."""
    found = program("pgbouncer")
    return {PROGRAM_SETTING: str(found.path), **found.environment}


def mutual_tls(authority: Authority) -> dict[str, str]:
    """Every service has a certificate of its own and answers only who shows one of the same authority."""
    client = authority.issue("client")
    settings = {
        "SCALE_TLS_CA_FILE": str(authority.ca_file),
        "SCALE_TLS_CERT_FILE": str(client.cert_file),
        "SCALE_TLS_KEY_FILE": str(client.key_file),
    }
    for service in DATABASE_SERVICES:
        issued = authority.issue(service)
        settings |= {
            f"SCALE_{service.upper()}_TLS_CERT_FILE": str(issued.cert_file),
            f"SCALE_{service.upper()}_TLS_KEY_FILE": str(issued.key_file),
            f"SCALE_{service.upper()}_TLS_CLIENT_CA_FILE": str(authority.ca_file),
        }
    return settings


def device_files(environment: Mapping[str, str]) -> tuple[Path, Path, Path] | None:
    """Authority, certificate and key that a client of such a system shows; None where it is asked in plain."""
    names = ("SCALE_TLS_CA_FILE", "SCALE_TLS_CERT_FILE", "SCALE_TLS_KEY_FILE")
    return (Path(environment[names[0]]), Path(environment[names[1]]), Path(environment[names[2]])) if names[0] in environment else None
