"""Federated learning as it runs: devices that enrol and take part, rounds over REST and by the clock, versions and their files, and a
coordinator that is killed in the middle."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
import uuid_utils.compat

from clients.device.device import CoordinatorRefused, DeviceClient, Done, Outcome
from clients.device.ledger_export import LabelledRow
from clients.device.trainer import Parts, Trained
from clients.device.transport import Tls
from models.federated.privacy import Spending, as_gaussian
from scale.federation.v1 import round_pb2
from services.federation.schedule import QUEUE, RUN_ROUND
from services.kit.queue import TaskQueue
from services.local import LocalSystem
from services.local.demo import development_token
from tests.support.through import device_files

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.chaos]

DEVICES = 12
LEDGER = [LabelledRow("REWE SAGT DANKE", "REWE", -12.3, None, "groceries_supermarket")]
HANGS_AFTER_S = 60


class SameForAll:
    """`Trainer`: an update that needs no training."""

    def train(self, parts: Parts, rows: Sequence[LabelledRow], plan: round_pb2.RoundPlan) -> Trained:
        update = np.full(plan.update_length, plan.privacy.clip_norm / np.sqrt(plan.update_length), np.float32)
        return Trained(update, len(rows), 1, 0.5, 1.0)


class Phone:
    """A device that asks for work over and over."""

    def __init__(self, system: LocalSystem, folder: Path, models_folder: Path, user_id: UUID) -> None:
        self.token = development_token(system.home, user_id)
        self.outcomes: list[Outcome] = []
        self.held_before = ""
        """The stage before which it stops for good."""
        self.reached = asyncio.Event()
        self.client = DeviceClient(
            folder,
            system.service_address("federation"),
            lambda: LEDGER,
            trainer=SameForAll(),
            models_folder=models_folder,
            before=self._before,
            tls=Tls(*files) if (files := device_files(system.environment)) else None,
        )

    async def _before(self, stage: str) -> None:
        if stage == self.held_before:
            self.reached.set()
            await asyncio.Event().wait()

    async def live(self) -> None:
        """Until it is cancelled, and through whatever befalls the coordinator."""
        await self.client.enroll(self.token, display_name="phone", platform="test")
        while True:
            with suppress(CoordinatorRefused):
                outcome = await self.client.run_once()
                if outcome.done != Done.WAIT:
                    self.outcomes.append(outcome)
            await asyncio.sleep(0.3)


class Administrator:
    """Over REST."""

    def __init__(self, system: LocalSystem) -> None:
        headers = {"Authorization": f"Bearer {development_token(system.home, uuid4(), role='admin')}"}
        self.http = httpx.AsyncClient(base_url=f"{system.gateway_url}/api/v1/federation", headers=headers, timeout=30, trust_env=False)

    async def ask(self, method: str, path: str, *, status: int = 200, **options: Any) -> Any:
        response = await self.http.request(method, path, **options)
        assert response.status_code == status, response.text
        return response.json()

    async def available(self, count: int) -> None:
        """Waits until so many devices would take part, whatever the coordinator goes through."""
        async with asyncio.timeout(HANGS_AFTER_S):
            while True:
                response = await self.http.get("/status")
                if response.status_code == 200 and response.json()["active"] and response.json()["available_devices"] >= count:
                    return
                await asyncio.sleep(0.2)

    async def ended(self, round_id: str) -> dict[str, Any]:
        """The round at its end."""
        async with asyncio.timeout(HANGS_AFTER_S):
            while True:
                response = await self.http.get(f"/rounds/{round_id}")
                if response.status_code == 200 and response.json()["state"] != "open":
                    return dict(response.json())
                await asyncio.sleep(0.2)


@pytest.fixture
async def admin(breakable_system: LocalSystem) -> AsyncIterator[Administrator]:
    found = Administrator(breakable_system)
    yield found
    await found.http.aclose()


@asynccontextmanager
async def alive(system: LocalSystem, folder: Path, users: Sequence[UUID]) -> AsyncIterator[list[Phone]]:
    """A device for each user; the next time it goes on from what is on its disk."""
    phones = [Phone(system, folder / str(user), folder / "model", user) for user in users]
    async with AsyncExitStack() as stack:
        for phone in phones:
            await stack.enter_async_context(phone.client)
        lives = [asyncio.create_task(phone.live()) for phone in phones]
        try:
            yield phones
        finally:
            for life in lives:
                life.cancel()
            ends = await asyncio.gather(*lives, return_exceptions=True)
        assert [end for end in ends if not isinstance(end, asyncio.CancelledError)] == []


async def devices_of(system: LocalSystem, phone: Phone) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {phone.token}"}
    async with httpx.AsyncClient(base_url=system.gateway_url, headers=headers, trust_env=False) as client:
        return list((await client.get("/api/v1/federation/devices")).raise_for_status().json()["items"])


async def file_at(admin: Administrator, address: str) -> bytes:
    """Without a token."""
    async with httpx.AsyncClient(base_url=str(admin.http.base_url.join("/")), trust_env=False) as client:
        response = await client.get(address)
        assert response.status_code == 200, response.text
        return response.content


async def the_clock_strikes(system: LocalSystem) -> None:
    """Not only once a minute."""
    queue = TaskQueue(system.redis_url)
    await queue.enqueue(RUN_ROUND, [], queue=QUEUE)
    await queue.close()


async def newest_round(admin: Administrator, after: int) -> dict[str, Any]:
    """The newest, as soon as there is one with a larger number."""
    async with asyncio.timeout(HANGS_AFTER_S):
        while True:
            items = (await admin.ask("GET", "/rounds?page_size=1"))["items"]
            if items and items[0]["number"] > after:
                return dict(items[0])
            await asyncio.sleep(0.2)


def spent_on(rounds: Sequence[dict[str, Any]]) -> float:
    """By a device that was in all of them."""
    noise = []
    for plan in (one["plan"] for one in rounds):
        privacy, masks = plan["privacy"], plan["secure_aggregation"]
        steps = privacy["clip_norm"] / masks["quantization_scale"]
        noise.append(as_gaussian(privacy["noise_multiplier"], steps, plan["update_length"]))
    return Spending(tuple(noise)).epsilon(privacy["delta"])


@pytest.mark.requirement("FED-01", "FED-02", "FED-12", "FED-16")
async def test_rounds_versions_budgets_and_a_coordinator_that_is_killed(
    breakable_system: LocalSystem, admin: Administrator, tmp_path: Path
) -> None:
    system = breakable_system
    users = [uuid_utils.compat.uuid7() for _ in range(DEVICES)]
    first = await admin.ask("GET", "/model")

    # The clock's round dies with its coordinator, when every update is there and nothing is opened yet.
    async with alive(system, tmp_path, users) as phones:
        for phone in phones:
            phone.held_before = "confirming"
        await admin.available(DEVICES)
        await the_clock_strikes(system)
        async with asyncio.timeout(HANGS_AFTER_S):
            await asyncio.gather(*(phone.reached.wait() for phone in phones))
        opened = await newest_round(admin, 0)
        assert (opened["state"], opened["trigger"], opened["stage"]) == ("open", "schedule", "confirming")
        os.kill(system.pid("federation"), signal.SIGKILL)
        lost = await admin.ended(opened["round_id"])
        assert (lost["state"], lost["reason"], lost["version"]) == ("failed", "COORDINATOR_RESTARTED", None)

    # The devices begin anew, too, from what is on their disks. The clock tries once more, and the round completes.
    async with alive(system, tmp_path, users) as phones:
        await admin.available(DEVICES)
        await the_clock_strikes(system)
        by_clock = await admin.ended((await newest_round(admin, lost["number"]))["round_id"])
        assert (by_clock["state"], by_clock["trigger"], by_clock["base_version"]) == ("published", "schedule", first["version"]), by_clock
        assert (by_clock["version"], by_clock["contributors"]) == (first["version"] + 1, DEVICES)
        between = await admin.ask("GET", "/model")

        # And one that is begun by hand.
        begun = await admin.ask("POST", "/rounds", json={"algorithm": "fedprox"}, status=201)
        by_hand = await admin.ended(begun["round_id"])
        assert (by_hand["state"], by_hand["version"], by_hand["trigger"]) == ("published", between["version"] + 1, "admin"), by_hand

        # No version was skipped, and none was made twice (FED-01, FED-12).
        versions = (await admin.ask("GET", "/model/versions"))["items"]
        assert [one["version"] for one in versions] == list(range(by_hand["version"], 0, -1))
        assert [(one["round_id"], one["contributors"]) for one in versions[:2]] == [
            (by_hand["round_id"], DEVICES),
            (by_clock["round_id"], DEVICES),
        ]
        # FED-02, FED-16: behind an address is what the hash says, also when there is a newer version.
        newest = await admin.ask("GET", "/model")
        for model in (first, between, newest):
            assert hashlib.sha256(await file_at(admin, model["head_download_url"])).hexdigest() == model["head_hash"]
        assert len({model["head_hash"] for model in (first, between, newest)}) == 3
        assert len({model["encoder_hash"] for model in (first, between, newest)}) == 1

        # What was lost with the coordinator is spent all the same, on both sides, and once.
        spent = spent_on([lost, by_clock, by_hand])
        for phone in phones:
            (device,) = await devices_of(system, phone)
            assert device["rounds"] == 3
            assert device["spent_epsilon"] == pytest.approx(spent)
            assert phone.client.spent_epsilon == pytest.approx(spent)

        # A device that is shut out is asked no more; nobody but its user can do that.
        (device,) = await devices_of(system, phones[0])
        for phone, status in ((phones[1], 404), (phones[0], 200)):
            headers = {"Authorization": f"Bearer {phone.token}"}
            answer = await admin.http.delete(f"/devices/{device['device_id']}", headers=headers)
            assert answer.status_code == status, answer.text
        async with asyncio.timeout(HANGS_AFTER_S):
            while (await admin.ask("GET", "/status"))["available_devices"] >= DEVICES:
                await asyncio.sleep(0.2)
