"""Versions of the federated model in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.federation.domain import FederatedVersion, NewVersion, version_not_found
from services.federation.versions.domain import HandOver
from services.kit.errors import Aborted
from services.kit.postgres import Connection, Database

_NOBODY = UUID(int=0)
_COLUMNS = """
    v.version, v.parent_version, v.round_id, v.contributor_count, v.encoder_hash, v.encoder_size_bytes, v.head_hash,
    octet_length(v.head) AS head_size_bytes, v.categorizer_version, v.accuracy, v.epsilon, v.unamplified_epsilon, v.privacy, v.metrics,
    v.registry_version, v.created_at
"""
_SELECT = f"SELECT {_COLUMNS} FROM federation.model_versions AS v"  # nosec B608  # constants
_GET = f"{_SELECT} WHERE version = $1"
_LATEST = f"{_SELECT} ORDER BY version DESC LIMIT 1"
_PAGE = f"{_SELECT} WHERE $2::bigint IS NULL OR version < $2 ORDER BY version DESC LIMIT $1"
_OPEN_ROUND = "SELECT id FROM federation.rounds WHERE state = 'open'"
_HEAD = "SELECT head FROM federation.model_versions WHERE version = $1"
# The first of all was made of what answered already.
_TO_HAND_OVER = f"""
    SELECT {_COLUMNS}, (r.options ->> 'promote')::boolean AS promote
      FROM federation.model_versions AS v LEFT JOIN federation.rounds AS r ON r.id = v.round_id
     WHERE v.registry_version = '' AND v.parent_version IS NOT NULL
     ORDER BY v.version
"""  # nosec B608
_ADD = """
    INSERT INTO federation.model_versions
        (version, parent_version, round_id, contributor_count, encoder_hash, encoder_size_bytes, head_hash, head, categorizer_version,
         accuracy, epsilon, unamplified_epsilon, privacy, strategy, metrics, registry_version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::jsonb, $14, $15::jsonb, $16)
"""
_NAME = "UPDATE federation.model_versions SET registry_version = $2 WHERE version = $1 AND registry_version <> $2"


async def add_version(connection: Connection, new: NewVersion) -> None:
    """Inserts a version, in the caller's transaction. Raises Aborted where its number is taken, or its round has made one."""
    try:
        await connection.execute(
            _ADD,
            new.version,
            new.parent_version,
            new.round_id,
            new.contributor_count,
            new.encoder_hash,
            new.encoder_size_bytes,
            new.head_hash,
            new.head,
            new.categorizer_version,
            new.accuracy,
            new.epsilon,
            new.unamplified_epsilon,
            json.dumps(dict(new.privacy)),
            new.strategy,
            json.dumps(dict(new.metrics)),
            new.registry_version,
        )
    except asyncpg.UniqueViolationError:
        raise Aborted(f"There is a version {new.version} of the federated model already.", reason="VERSION_TAKEN") from None


class PostgresFederatedVersions:
    """`HandedOverRepository` on PostgreSQL, schema `federation`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self) -> FederatedVersion | None:
        """See `VersionsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            return _version_or_none(await connection.fetchrow(_LATEST))

    async def get(self, version: int) -> FederatedVersion | None:
        """See `VersionsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            return _version_or_none(await connection.fetchrow(_GET, version))

    async def head(self, version: int) -> bytes:
        """See `VersionsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            head = await connection.fetchval(_HEAD, version)
        if head is None:
            raise version_not_found(version)
        return bytes(head)

    async def list_versions(self, *, limit: int, below: int | None) -> Sequence[FederatedVersion]:
        """See `VersionsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            return [_version(record) for record in await connection.fetch(_PAGE, limit, below)]

    async def add(self, new: NewVersion) -> FederatedVersion:
        """See `VersionsRepository`."""
        async with self._database.transaction(_NOBODY) as connection:
            await add_version(connection, new)
            return _version(await connection.fetchrow(_GET, new.version))

    async def name_in_registry(self, version: int, registry_version: str) -> None:
        """See `VersionsRepository`."""
        async with self._database.transaction(_NOBODY) as connection:
            await connection.execute(_NAME, version, registry_version)

    async def open_round(self) -> UUID | None:
        """See `HandedOverRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            found: UUID | None = await connection.fetchval(_OPEN_ROUND)
        return found

    async def to_hand_over(self) -> Sequence[HandOver]:
        """See `HandedOverRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            return [HandOver(_version(record), record["promote"]) for record in await connection.fetch(_TO_HAND_OVER)]


def _version(record: asyncpg.Record) -> FederatedVersion:
    found = {name: value for name, value in record.items() if name != "promote"}
    return FederatedVersion(**{**found, "privacy": json.loads(found["privacy"]), "metrics": json.loads(found["metrics"])})


def _version_or_none(record: asyncpg.Record | None) -> FederatedVersion | None:
    return _version(record) if record is not None else None
