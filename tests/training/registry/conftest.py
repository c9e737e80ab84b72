"""The registry on the real database and a real folder; only the service that answers with a version is a fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat
from pydantic import SecretStr

from services.kit import context
from services.kit.postgres import Database
from services.kit.settings import ServiceSettings, service_config
from services.kit.signed_links import SignedLinks
from services.kit.storage import ObjectStorage
from services.local import LocalSystem
from services.training.domain import CATEGORIZER, Job, JobStatus, ModelVersion
from services.training.registry.artifacts import Artifacts
from services.training.registry.delivery import Delivery
from services.training.registry.domain import LINKS_PURPOSE
from services.training.registry.made import MadeVersions
from services.training.registry.registration import ModelRegistry
from services.training.registry.repository import PostgresVersionsRepository
from services.training.registry.service import ModelRegistryService
from tests.support.registry_fakes import FakeAnswering, FakeDeliveryQueue, trained
from tests.support.service_keys import service_tokens
from tests.support.stored_files import stored_files
from tests.support.training_fakes import a_job

WORKER = service_tokens("training")
KEY = "a key for addresses of artefacts, in tests"
_CLOSE_OPEN = """
    UPDATE training.training_jobs SET status = 'completed', completed_at = now(), lease_expires_at = NULL
     WHERE user_id = $1 AND status = 'processing'
"""
_NEW_JOB = """
    INSERT INTO training.training_jobs (user_id, id, request_id, model_type, trigger, status, attempt, started_at, lease_expires_at)
    VALUES ($1, $2, $3, $4, 'user', 'processing', $5, now(), now() + interval '1 minute')
"""


class Settings(ServiceSettings):
    """Of the database alone."""

    model_config = service_config("probe")


def database_settings(url: str) -> Settings:
    return Settings(
        port=1,
        database_url=SecretStr(url),
        SCALE_ENVIRONMENT="development",
        SCALE_AUTH_SECRET="a secret for tests, long enough for HS256",
        DB_POOL_SIZE=1,
        DB_MAX_OVERFLOW=9,
    )


@dataclass
class Registry:
    """Everything of the registry, as some user."""

    database: Database
    storage: ObjectStorage
    folder: Path
    user_id: UUID
    answering: FakeAnswering = field(default_factory=FakeAnswering)
    queue: FakeDeliveryQueue = field(default_factory=FakeDeliveryQueue)

    def __post_init__(self) -> None:
        self.repository = PostgresVersionsRepository(self.database)
        self.artifacts = Artifacts(self.storage, self.repository)
        self.delivery = Delivery(self.repository, self.artifacts, self.answering)
        self.registry = ModelRegistry(self.repository, self.artifacts, self.delivery, code_version="1.2.3", kept_versions=3)
        self.made = MadeVersions(self.repository, self.artifacts, kept_versions=3)
        self.links = SignedLinks([KEY], purpose=LINKS_PURPOSE, lifetime_s=900)
        self.service = ModelRegistryService(self.repository, self.artifacts, self.links, self.queue)

    async def job(self, model_type: str = CATEGORIZER, user_id: UUID | None = None, **changes: Any) -> Job:
        """A job that a worker has in hand; the one before it is done."""
        owner = user_id or self.user_id
        job = a_job(owner, model_type=model_type, status=JobStatus.PROCESSING, **{"attempt": 1, **changes})
        async with self.database.transaction(owner) as connection:
            await connection.execute(_CLOSE_OPEN, owner)
            await connection.execute(_NEW_JOB, owner, job.id, job.request_id, model_type, job.attempt)
        return job

    async def register(self, content: bytes = b"a head", **changes: Any) -> ModelVersion:
        """What a new job of the user's made becomes a version."""
        return await self.registry.register(await self.job(), trained(content, **changes))

    async def deliver(self, model_type: str = CATEGORIZER) -> bool:
        """What a worker does that was woken."""
        return await self.delivery.try_to_deliver(self.user_id, model_type)

    async def versions(self) -> list[tuple[int, str]]:
        """Number and stage of each, newest first."""
        found, _ = await self.service.list_versions(self.user_id, CATEGORIZER, limit=1000, below=None)
        return [(one.number, one.stage.value) for one in found]

    def files(self) -> set[str]:
        """Every object of the storage."""
        found = stored_files(self.folder)
        return {path.relative_to(self.folder).as_posix() for path in found}

    @property
    def answer(self) -> str:
        """What answers for the user; empty for the shipped model."""
        return self.answering.answers.get(self.user_id, ("", b""))[0]


@pytest.fixture
async def database(servers: LocalSystem) -> AsyncIterator[Database]:
    url = servers.service_url("training")
    database = Database(url, database_settings(url))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def registry(database: Database, tmp_path: Path, user_id: UUID) -> Registry:
    """As a user whom nobody has seen before, in the worker."""
    folder = tmp_path / "objects"
    return Registry(database, ObjectStorage(folder.as_uri()), folder, user_id)


@pytest.fixture(autouse=True)
async def as_user(user_id: UUID, database: Database) -> None:
    """A worker acts for the user."""
    context.bind_background(user_id, WORKER, since=await database.now())


def a_new_user() -> UUID:
    return uuid_utils.compat.uuid7()


async def soon(condition: Any) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
