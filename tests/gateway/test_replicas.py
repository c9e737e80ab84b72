"""ARC-12: two gateways, each before a ledger service of its own on the one database. Whoever comes to another replica with each request
notices nothing."""

from __future__ import annotations

from itertools import cycle
from uuid import UUID, uuid4

import pytest

from services.local import LocalSystem
from tests.categorization.conftest import ledger_service
from tests.support.gateway_app import Gateway, StartGateway
from tests.support.upstream_fakes import SECRET

# The key of users' tokens is the same in every process.
SHARED = {"SCALE_AUTH_SECRET": SECRET}


@pytest.mark.requirement("ARC-12")
async def test_any_replica_goes_on_where_another_left_off(servers: LocalSystem, start_gateway: StartGateway, user_id: UUID) -> None:
    async with ledger_service(servers, **SHARED) as first, ledger_service(servers, **SHARED) as second:
        replicas = []
        for ledger in (first, second):
            started = await start_gateway(accounts_up=False, accounts_address=f"127.0.0.1:{ledger.port}")
            replicas.append(Gateway(**{**vars(started), "user_id": user_id}))
        turns = cycle(replicas)

        # What one replica wrote, the other one reads; the same request again is the same account, wherever it comes.
        made = []
        for number in range(5):
            body = {"name": f"Account {number}", "currency": "EUR"}
            key = {"Idempotency-Key": str(uuid4())}
            answer = await next(turns).post("/api/v1/accounts", json=body, headers=key)
            again = await next(turns).post("/api/v1/accounts", json=body, headers=key)
            assert answer.status_code == 201
            assert again.json()["id"] == answer.json()["id"]
            made.append(answer.json()["id"])
            next(turns)

        # A page that one began, the other one goes on with.
        seen, token = [], ""
        while True:
            page = (await next(turns).get("/api/v1/accounts", params={"page_size": 2, **({"page_token": token} if token else {})})).json()
            seen += [account["id"] for account in page["items"]]
            if not (token := page["next_page_token"] or ""):
                break
        assert sorted(seen) == sorted(made)

        # A change is there at once, and both say the same of it, word for word.
        await next(turns).patch(f"/api/v1/accounts/{made[0]}", json={"name": "Renamed"})
        answers = [await replica.get(f"/api/v1/accounts/{made[0]}") for replica in replicas]
        assert [answer.json()["name"] for answer in answers] == ["Renamed", "Renamed"]
        assert answers[0].content == answers[1].content
        assert answers[0].headers.get("ETag") == answers[1].headers.get("ETag")
