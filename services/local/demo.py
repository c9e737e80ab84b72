"""The demo user: a development token, and the bundled sample statement on an empty ledger."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import httpx

from services.kit.auth import mint_token
from services.local.environment import AUTH_AUDIENCE, AUTH_ISSUER, SIGNING_KEY
from services.local.home import LocalHome, write_private
from services.local.problem import LocalProblem

DEMO_USER = UUID("00000000-0000-7000-8000-000000000001")
SAMPLE_STATEMENT = Path(__file__).with_name("sample_statement.csv")
TOKEN_LIFETIME_S = 12 * 3600


def development_token(home: LocalHome, user_id: UUID = DEMO_USER, *, role: str = "user") -> str:
    """A token for `user_id`, valid 12 hours, signed with the key of this SCALE_HOME."""
    key = home.known_secret(SIGNING_KEY)
    if key is None:
        raise LocalProblem(f"{home.path} has no signing key yet: `make run` makes one (or set SCALE_HOME).")
    return mint_token(key, user_id=user_id, role=role, audience=AUTH_AUDIENCE, issuer=AUTH_ISSUER, lifetime_s=TOKEN_LIFETIME_S)


def write_token(home: LocalHome) -> str:
    """Writes the demo user's token to SCALE_HOME/dev-token, mode 0600, and returns it."""
    token = development_token(home)
    write_private(home.token_file, token + "\n")
    return token


def import_sample(gateway_url: str, token: str, *, timeout_s: float = 60) -> int | None:
    """Imports the sample for the demo user; returns the number of rows, or None when the ledger was not empty."""
    with httpx.Client(base_url=gateway_url, headers={"Authorization": f"Bearer {token}"}, timeout=timeout_s, trust_env=False) as client:
        try:
            ledger = client.get("/api/v1/transactions", params={"page_size": 1})
            ledger.raise_for_status()
            if ledger.json()["items"]:
                return None
            with SAMPLE_STATEMENT.open("rb") as statement:
                done = client.post("/api/v1/imports", files={"file": (SAMPLE_STATEMENT.name, statement, "text/csv")})
            done.raise_for_status()
            return int(done.json()["counts"]["inserted"])
        except httpx.HTTPStatusError as error:
            raise LocalProblem(f"The sample statement was not imported: {error.response.status_code} {error.response.text}") from error
        except (httpx.HTTPError, KeyError, ValueError) as error:
            raise LocalProblem(f"The sample statement was not imported: {error!r}") from error
