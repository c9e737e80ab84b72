"""Versions of a user's model over REST: registered by training, promoted, gone back from, fetched; and nobody else's."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from services.local import LocalSystem
from tests.support.rest import RestUser

pytestmark = pytest.mark.e2e

MODELS = "/training/models/categorizer"
HEADER = "Date,Amount,Currency,Description\n"


@pytest.fixture
def other(system: LocalSystem) -> Iterator[RestUser]:
    """Another fresh user."""
    other = RestUser(system)
    yield other
    other.close()


def trained(user: RestUser) -> dict[str, Any]:
    """A job of the user's that is done."""
    begun = user.http.post("/training/jobs", json={"model": "categorizer"})
    assert begun.status_code == 202, begun.text
    deadline = time.monotonic() + 120
    while True:
        job = user.http.get(f"/training/status/{begun.json()['job_id']}").json()
        if job["status"] not in ("pending", "processing"):
            assert job["status"] == "completed", job
            return dict(job)
        assert time.monotonic() < deadline, job
        time.sleep(0.2)


def answered_by(user: RestUser, version: str | None) -> None:
    """Waits until a version answers the user, or the shipped model alone."""
    body = {"description": "GOLF CLUB NAPOLI 4711", "amount": "-13.00", "currency": "EUR", "date": "2026-03-05"}
    deadline = time.monotonic() + 40
    while True:
        named = user.http.post("/classify", json=body).json()["model_version"]
        if (version in named) if version is not None else ("categorizer/" not in named):
            return
        assert time.monotonic() < deadline, named
        time.sleep(0.2)


def asked(user: RestUser, method: str, path: str, **options: Any) -> dict[str, Any]:
    response = user.http.request(method, f"{MODELS}{path}", **options)
    assert response.status_code == 200, response.text
    return dict(response.json())


def test_forwards_and_back(user: RestUser, other: RestUser, system: LocalSystem) -> None:
    rows = [
        f"2026-{1 + number // 28:02d}-{1 + number % 28:02d},-{12 + number % 5}.00,EUR,{what} {number}\n"
        for number in range(40)
        for what in ("GOLF CLUB", "SUPERMARKET")
    ]
    user.imported(HEADER + "".join(rows))
    for word, category in (("golf", "education_courses"), ("supermarket", "groceries_supermarket")):
        user.http.patch("/transactions", json={"filter": f"description:{word}", "category": category}).raise_for_status()
    first, second = trained(user), trained(user)
    assert [one["version"] for one in user.pages(f"{MODELS}/versions")] == [second["model_version"], first["model_version"]]

    # Whatever the figures said of them: both can answer, and be gone back from.
    one = asked(user, "POST", f"/versions/{first['model_version']}/promote")
    answered_by(user, one["version"])
    two = asked(user, "POST", f"/versions/{second['model_version']}/promote")
    answered_by(user, two["version"])
    assert (two["stage"], two["global"], two["job_id"]) == ("live", False, second["job_id"])
    answered_by(other, None)
    for _ in range(2):
        live = asked(user, "POST", "/rollback", json={"version": two["version"]})["live"]
        assert live["version"] == one["version"]
    answered_by(user, one["version"])
    while live is not None:
        live = asked(user, "POST", "/rollback")["live"]
    answered_by(user, None)
    assert user.http.get(f"{MODELS}/live").json()["reason"] == "NO_LIVE_MODEL"

    # The address is the permission, for whoever has it and for this artefact alone.
    url = system.gateway_url + asked(user, "GET", f"/versions/{two['version']}")["download_url"]
    artifact = httpx.get(url, trust_env=False)
    assert hashlib.sha256(artifact.content).hexdigest() == two["content_hash"]
    assert (artifact.headers["content-length"], artifact.headers["etag"]) == (str(two["size_bytes"]), f'"{two["content_hash"]}"')
    forged = httpx.get(url.replace(two["version"], one["version"]), trust_env=False)
    assert (forged.status_code, forged.json()["reason"]) == (403, "SIGNATURE_INVALID")

    # Nobody else's.
    assert other.pages(f"{MODELS}/versions") == []
    assert other.http.get(f"{MODELS}/versions/{one['version']}").status_code == 404
    assert other.http.post(f"{MODELS}/versions/{one['version']}/promote").status_code == 404
    assert user.http.post("/training/models/categorizer-global/rollback").status_code == 403
