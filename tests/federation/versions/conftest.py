"""Versions of the federated model on the real database and a real folder, made of a small categorizer; the registry is a fake."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import pytest
import uuid_utils.compat
from pydantic import SecretStr

from models.federated.head import Head
from services.federation.domain import FederatedVersion, NewVersion
from services.federation.versions.categorizer import HypcdCategorizers
from services.federation.versions.domain import LINKS_PURPOSE
from services.federation.versions.handover import Handovers
from services.federation.versions.parts import ModelParts
from services.federation.versions.repository import PostgresFederatedVersions, add_version
from services.federation.versions.service import FederatedVersions
from services.kit.postgres import Database
from services.kit.settings import ServiceSettings, service_config
from services.kit.signed_links import SignedLinks
from services.kit.storage import ObjectStorage
from services.local import LocalSystem
from tests.support.federated_version_fakes import FakeRegistry, FakeVersionEvents
from tests.support.small_model import write_present

KEY = "a key for addresses of parts of the model, in tests"
NOBODY = UUID(int=0)
_OPEN = """
    INSERT INTO federation.rounds (id, number, request_id, request_hash, base_version, plan, options, trigger)
    VALUES ($1, $2, $3, $4, $5, '{}', $6::jsonb, 'admin')
"""
_PUBLISH = """
    UPDATE federation.rounds SET state = 'published', version = base_version + 1, contributor_count = $2, closed_at = now() WHERE id = $1
"""


class Settings(ServiceSettings):
    """Of the database alone."""

    model_config = service_config("probe")


@pytest.fixture
async def database(servers: LocalSystem) -> AsyncIterator[Database]:
    """Without rounds and versions of earlier tests: they are nobody's."""
    connection = await asyncpg.connect(servers.migrator_url)
    await connection.execute("TRUNCATE federation.model_versions, federation.rounds")
    await connection.close()
    url = servers.service_url("federation")
    settings = Settings(
        port=1,
        database_url=SecretStr(url),
        SCALE_ENVIRONMENT="development",
        SCALE_AUTH_SECRET="a secret for tests, long enough for HS256",
        DB_POOL_SIZE=1,
        DB_MAX_OVERFLOW=4,
    )
    database = Database(url, settings)
    await database.open()
    yield database
    await database.close()


@pytest.fixture(scope="session")
def categorizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one: `small-1`."""
    folder = tmp_path_factory.mktemp("categorizer")
    write_present(folder)
    return folder


@dataclass
class Line:
    """Versions, and all that is around them, in one process."""

    database: Database
    folder: Path
    categorizer: Path
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    events: FakeVersionEvents = field(default_factory=FakeVersionEvents)
    promote: bool = False

    def __post_init__(self) -> None:
        self.repository = PostgresFederatedVersions(self.database)
        self.storage = ObjectStorage(self.folder.as_uri())
        self.links = SignedLinks([KEY], purpose=LINKS_PURPOSE, lifetime_s=900)
        self.parts = ModelParts(self.repository, self.storage, self.links)
        self.categorizers = HypcdCategorizers(self.categorizer)
        self.handovers = Handovers(
            self.repository, self.parts, self.categorizers, self.registry, self.events, promote=self.promote, every_s=0.05
        )
        self.service = FederatedVersions(self.repository, self.parts, self.categorizers, self.handovers, self.registry)

    def again(self, **changes: Any) -> Line:
        """The same in another process."""
        values: dict[str, Any] = {"registry": self.registry, "events": self.events, "promote": self.promote, **changes}
        return Line(self.database, self.folder, self.categorizer, **values)

    async def open_round(self, *, promote: bool | None = None) -> UUID:
        """A round from the newest version."""
        round_id, base = uuid_utils.compat.uuid7(), await self.service.latest()
        async with self.database.transaction(NOBODY) as connection:
            options = json.dumps({} if promote is None else {"promote": promote})
            await connection.execute(_OPEN, round_id, base.version, str(round_id), b"\0" * 32, base.version, options)
        return round_id

    async def publish(self, *, step: float = 0.01, promote: bool | None = None) -> FederatedVersion:
        """What a round does: it opens, and ends together with its version. The new head is `step` away from the one before."""
        base, round_id = await self.service.latest(), await self.open_round(promote=promote)
        head = Head.load(await self.service.head(base.version))
        content = head.moved(np.full(head.length, step, np.float32)).to_bytes()
        async with self.database.transaction(NOBODY) as connection:
            await connection.execute(_PUBLISH, round_id, 12)
            await add_version(connection, new_version(base, content, round_id=round_id, contributor_count=12))
        return await self.service.get_version(base.version + 1)


def new_version(base: FederatedVersion, head: bytes, **changes: Any) -> NewVersion:
    """The one after `base`."""
    values: dict[str, Any] = {
        "version": base.version + 1,
        "parent_version": base.version,
        "round_id": None,
        "contributor_count": 0,
        "encoder_hash": base.encoder_hash,
        "encoder_size_bytes": base.encoder_size_bytes,
        "head_hash": hashlib.sha256(head).hexdigest(),
        "head": head,
        "categorizer_version": base.categorizer_version,
        "accuracy": 0.75,
        "epsilon": 0.25 * base.version,
        "unamplified_epsilon": 2.5 * base.version,
        "privacy": {"noise_multipliers": [1.2] * base.version},
        "metrics": {"update_norm": 0.125},
    }
    return NewVersion(**{**values, **changes})


@pytest.fixture
def line(database: Database, tmp_path: Path, categorizer: Path) -> Line:
    """Nobody has asked for a version yet."""
    return Line(database, tmp_path / "objects", categorizer)
