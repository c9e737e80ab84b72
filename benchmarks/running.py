"""A whole system of its own for one measurement, and statements to fill it with."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import uuid_utils

from services.kit.auth import mint_token
from services.local.environment import AUTH_AUDIENCE, AUTH_ISSUER, SIGNING_KEY
from services.local.home import free_port_base
from services.local.system import SERVICES, LocalSystem

_MERCHANTS = [
    f"{name} {place}"
    for name in ("Tesco", "Aldi", "Shell", "Costa", "Amazon", "Netflix", "Boots", "Ikea", "Uber", "Lidl", "Rewe", "Spotify")
    for place in ("London", "Leeds", "Berlin", "Lyon", "Porto", "Gent", "Graz", "Brno", "Oslo", "Turku", "Gdansk", "Cork")
]

_MOST_DAYS = 20_000
_POLL_S = 0.1


@contextmanager
def running_system(services: Sequence[str] = SERVICES, **settings: str) -> Iterator[LocalSystem]:
    """Starts servers and services, with these settings of theirs, in a temporary home on free ports; stops and removes all afterwards."""
    with tempfile.TemporaryDirectory(prefix="scale-bench-") as folder:
        system = LocalSystem(
            Path(folder) / "home",
            free_port_base(),
            environment={**os.environ, **settings},
            report=lambda step, s: note(f"{step}: {s:.1f} s"),
        )
        with system:
            system.start(services)
            yield system


def note(text: str) -> None:
    """A line about progress; the result alone goes to standard output."""
    sys.stderr.write(f"{text}\n")


def new_user() -> UUID:
    """Somebody with an empty ledger."""
    return UUID(int=uuid_utils.uuid7().int)


def token_for(system: LocalSystem, user_id: UUID) -> str:
    """A token of one user."""
    return mint_token(system.home.secret(SIGNING_KEY), user_id=user_id, issuer=AUTH_ISSUER, audience=AUTH_AUDIENCE)


def statement_csv(rows: int, seed: int = 1, *, cards: int = 10_000) -> bytes:
    """A statement as a bank exports it: date, description, amount, currency, reference, balance; no two rows alike.

    `cards` stand in the descriptions, so that there are at most 144 times as many different ones. Twenty rows a day, and more where they
    would not fit into a person's life.
    """
    chance = random.Random(seed)
    day, balance = date(2026, 9, 30), 1_000_000
    rows_a_day = max(20, rows // _MOST_DAYS)
    lines = ["Date,Description,Amount,Currency,Reference,Balance"]
    for number in range(rows):
        if number % rows_a_day == rows_a_day - 1:
            day -= timedelta(days=1)
        cents = -chance.randint(100, 20_000) if number % 10 else chance.randint(50_000, 300_000)
        balance += cents
        merchant = f"{chance.choice(_MERCHANTS)} card {number % cards:04d}"
        lines.append(f"{day:%Y-%m-%d},{merchant},{_decimal(cents)},EUR,REF{seed}-{number:08d},{_decimal(balance)}")
    return ("\n".join(lines) + "\n").encode()


def _decimal(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def post_statement(system: LocalSystem, token: str, content: bytes, *, name: str = "statement.csv") -> dict[str, Any]:
    """Imports a statement through REST; waits for a large one. Raises httpx.HTTPStatusError, and SystemExit if it fails."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=system.gateway_url, headers=headers, timeout=600) as client:
        response = client.post("/api/v1/imports", files={"file": (name, content, "text/csv")})
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        while answer["state"] in ("pending", "running"):
            time.sleep(_POLL_S)
            answer = client.get(response.headers["Location"]).raise_for_status().json()
    if answer["state"] != "succeeded":
        raise SystemExit(f"the import did not succeed: {answer}")
    return answer
