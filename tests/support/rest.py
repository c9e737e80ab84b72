"""A user of the REST API of a running system."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

import httpx
import uuid_utils.compat

from services.kit.auth import mint_token
from services.local import LocalSystem
from services.local.environment import AUTH_AUDIENCE, AUTH_ISSUER, SIGNING_KEY


class RestUser:
    """A fresh user, whose token the development key signed."""

    def __init__(self, system: LocalSystem, user_id: UUID | None = None, *, timeout_s: float = 120) -> None:
        self.user_id = user_id or uuid_utils.compat.uuid7()
        secret = system.home.secret(SIGNING_KEY)
        token = mint_token(secret, user_id=self.user_id, audience=AUTH_AUDIENCE, issuer=AUTH_ISSUER)
        self.http = httpx.Client(
            base_url=f"{system.gateway_url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=timeout_s, trust_env=False
        )

    def post_import(self, content: str | bytes, *, key: str | None = None, name: str = "bank.csv", **fields: Any) -> httpx.Response:
        """Uploads a file. `columns` may be a mapping."""
        data = {field: json.dumps(value) if isinstance(value, dict) else str(value) for field, value in fields.items()}
        headers = {"Idempotency-Key": key} if key else {}
        return self.http.post("/imports", files={"file": (name, content, "text/csv")}, data=data, headers=headers)

    def imported(self, content: str | bytes, **more: Any) -> dict[str, Any]:
        """Uploads a file that must be taken."""
        response = self.post_import(content, **more)
        assert response.status_code == 201, response.text
        return dict(response.json())

    def pages(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        """All items of all pages."""
        items: list[dict[str, Any]] = []
        token: str | None = None
        while True:
            response = self.http.get(path, params={**parameters, "page_size": 1000} | ({"page_token": token} if token else {}))
            assert response.status_code == 200, response.text
            items += response.json()["items"]
            token = response.json()["next_page_token"]
            if not token:
                return items

    def transactions(self, **filters: Any) -> list[dict[str, Any]]:
        """All transactions, newest first."""
        return self.pages("/transactions", **filters)

    def carried_out(self, begun: httpx.Response, *, seconds: float = 60) -> dict[str, Any]:
        """The job of categorization that was begun, when it has succeeded."""
        assert begun.status_code == 202, begun.text
        path = begun.headers["location"].removeprefix("/api/v1")
        deadline = time.monotonic() + seconds
        while not (job := self.http.get(path).json())["completed_at"]:
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
        assert job["state"] == "succeeded", job
        return dict(job)

    def trained(self, *, seconds: float = 60) -> dict[str, Any]:
        """A training of the user's categorizer, when it has ended."""
        begun = self.http.post("/training/jobs", json={"model": "categorizer"})
        assert begun.status_code == 202, begun.text
        deadline = time.monotonic() + seconds
        while not (job := self.http.get(f"/training/status/{begun.json()['job_id']}").json())["completed_at"]:
            assert time.monotonic() < deadline, job
            time.sleep(0.1)
        assert job["status"] == "completed", job
        return dict(job)

    def forecast(self, asked: dict[str, Any], *, seconds: float = 90) -> dict[str, Any]:
        """A forecast, when it is made."""
        begun = self.http.post("/forecasts", json=asked, headers={"Prefer": "wait=10"})
        assert begun.status_code in (200, 202), begun.text
        return self.finished(begun, seconds=seconds)

    def looked_through(self, *, seconds: float = 90) -> dict[str, Any]:
        """A scan of the ledger as it is now, when it is done."""
        # One that is open already may have read what was there before.
        for _ in range(2):
            begun = self.http.post("/anomalies/scans")
            assert begun.status_code == 202, begun.text
            scan = self.finished(begun, seconds=seconds)
        return scan

    def finished(self, begun: httpx.Response, *, seconds: float = 90) -> dict[str, Any]:
        """What is at the address in Location, once it has succeeded."""
        path = begun.headers["location"].removeprefix("/api/v1")
        deadline = time.monotonic() + seconds
        while (found := self.http.get(path).json())["state"] in ("pending", "running"):
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        assert found["state"] == "succeeded", found
        return dict(found)

    def close(self) -> None:
        """Closes the connections."""
        self.http.close()
