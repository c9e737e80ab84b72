"""Versions of models in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg

from services.kit.postgres import Connection, Database
from services.training.domain import NOBODY, ModelVersion, Stage, attempt_over
from services.training.registry.domain import NewVersion, Pending

_COLUMNS = """
    id, user_id, model_type, number, version, stage, metrics, content_hash, size_bytes, artifact_key, parent_version, data_cutoff_at,
    code_version, job_id, created_at, promoted_at, delivered_at
"""
_OF_MODEL = f"SELECT {_COLUMNS} FROM training.model_versions WHERE user_id = $1 AND model_type = $2"  # nosec B608  # constants
_GET = f"{_OF_MODEL} AND version = $3"
_LIVE = f"{_OF_MODEL} AND stage = 'live'"
SELECT_PAGE = f"{_OF_MODEL} AND ($4::integer IS NULL OR number < $4) ORDER BY number DESC LIMIT $3"
_OF_JOB = f"SELECT {_COLUMNS} FROM training.model_versions WHERE user_id = $1 AND job_id = $2"  # nosec B608
_NEXT_NUMBER = "SELECT coalesce(max(number), 0) + 1 FROM training.model_versions WHERE user_id = $1 AND model_type = $2"
# Whoever changes what is live, or the numbers, of one model waits for the others; a statement of its own, so that the next one sees what
# they did.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('training.model ' || $1::text || ' ' || $2, 0))"
_TRY_DELIVERY = "SELECT pg_try_advisory_xact_lock(hashtextextended('training.delivery ' || $1::text || ' ' || $2, 0))"
_MINE = """
    SELECT true FROM training.training_jobs WHERE user_id = $1 AND id = $2 AND attempt = $3 AND status = 'processing' FOR NO KEY UPDATE
"""
# Nobody has to be told of global models: whoever answers with them asks.
_ADD = f"""
    INSERT INTO training.model_versions
        (user_id, id, model_type, number, version, stage, metrics, content_hash, size_bytes, artifact_key, parent_version, data_cutoff_at,
         code_version, job_id, promoted_at, delivered_at)
    VALUES ($1, $2, $3, $4, $5, CASE WHEN $6 THEN 'live' ELSE 'candidate' END, $7::jsonb, $8, $9, $10, $11, $12, $13, $14,
            CASE WHEN $6 THEN clock_timestamp() END, CASE WHEN $6 AND $15 THEN clock_timestamp() END)
    RETURNING {_COLUMNS}
"""  # nosec B608
_RETIRE_LIVE = "UPDATE training.model_versions SET stage = 'retired' WHERE user_id = $1 AND model_type = $2 AND stage = 'live'"
_PROMOTE = f"""
    UPDATE training.model_versions
       SET stage = 'live', promoted_at = clock_timestamp(), delivered_at = CASE WHEN $3 THEN clock_timestamp() END
     WHERE user_id = $1 AND id = $2
    RETURNING {_COLUMNS}
"""  # nosec B608
# What follows it has to be told; of the one that goes only where nothing follows it.
_RETIRE = """
    UPDATE training.model_versions SET stage = 'retired', delivered_at = CASE WHEN $3 THEN clock_timestamp() END
     WHERE user_id = $1 AND id = $2
"""
_TELL_AGAIN = """
    UPDATE training.model_versions SET delivered_at = NULL
     WHERE user_id = $1 AND model_type = $2 AND stage = 'live' AND user_id <> '00000000-0000-0000-0000-000000000000'
"""
_GO_BACK = """
    UPDATE training.model_versions AS going SET stage = 'live', delivered_at = CASE WHEN $4 THEN clock_timestamp() END
      FROM (SELECT user_id, id FROM training.model_versions
             WHERE user_id = $1 AND model_type = $2 AND stage = 'retired' AND promoted_at < $3
             ORDER BY promoted_at DESC LIMIT 1) AS before
     WHERE going.user_id = before.user_id AND going.id = before.id
"""
_PENDING = """
    SELECT id FROM training.model_versions
     WHERE user_id = $1 AND model_type = $2 AND stage <> 'candidate' AND delivered_at IS NULL
"""
_MARK_DELIVERED = "UPDATE training.model_versions SET delivered_at = clock_timestamp() WHERE user_id = $1 AND id = ANY($2::uuid[])"
_KNOWN_ARTIFACTS = "SELECT artifact_key FROM training.known_artifacts($1::text[])"
_UNDELIVERED = "SELECT user_id, model_type FROM training.undelivered_versions($1)"
_REMOVE = f"""
    DELETE FROM training.model_versions WHERE user_id = $1 AND id = ANY($2::uuid[]) AND stage <> 'live' RETURNING {_COLUMNS}
"""  # nosec B608


class PostgresVersionsRepository:
    """`VersionsRepository` on PostgreSQL, schema `training`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: UUID, model_type: str, version: str) -> ModelVersion | None:
        """See `VersionsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return _version_or_none(await connection.fetchrow(_GET, user_id, model_type, version))

    async def list_versions(self, user_id: UUID, model_type: str, *, limit: int, below: int | None) -> Sequence[ModelVersion]:
        """See `VersionsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return [_version(record) for record in await connection.fetch(SELECT_PAGE, user_id, model_type, limit, below)]

    async def live(self, user_id: UUID, model_type: str) -> ModelVersion | None:
        """See `VersionsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return _version_or_none(await connection.fetchrow(_LIVE, user_id, model_type))

    async def of_job(self, user_id: UUID, job_id: UUID) -> ModelVersion | None:
        """See `VersionsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return _version_or_none(await connection.fetchrow(_OF_JOB, user_id, job_id))

    async def next_number(self, user_id: UUID, model_type: str) -> int:
        """See `VersionsRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return int(await connection.fetchval(_NEXT_NUMBER, user_id, model_type))

    async def add(self, new: NewVersion, *, live: bool) -> ModelVersion | None:
        """See `VersionsRepository`."""
        async with self._database.transaction(new.user_id) as connection:
            await connection.execute(_LOCK, str(new.user_id), new.model_type)
            found = await connection.fetchrow(_OF_JOB, new.user_id, new.job_id)
            if found is not None:
                return _version(found)
            if new.attempt is not None and not await connection.fetchval(_MINE, new.user_id, new.job_id, new.attempt):
                raise attempt_over(new.job_id)
            if await connection.fetchval(_NEXT_NUMBER, new.user_id, new.model_type) != new.number:
                return None
            if live:
                await connection.execute(_RETIRE_LIVE, new.user_id, new.model_type)
            return _version(await _add(connection, new, live=live))

    async def promote(self, user_id: UUID, model_type: str, version: str) -> ModelVersion | None:
        """See `VersionsRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_LOCK, str(user_id), model_type)
            found = _version_or_none(await connection.fetchrow(_GET, user_id, model_type, version))
            if found is None or found.stage is Stage.LIVE:
                return found
            await connection.execute(_RETIRE_LIVE, user_id, model_type)
            return _version(await connection.fetchrow(_PROMOTE, user_id, found.id, user_id == NOBODY))

    async def roll_back(self, user_id: UUID, model_type: str, version: str) -> None:
        """See `VersionsRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_LOCK, str(user_id), model_type)
            live = _version_or_none(await connection.fetchrow(_LIVE, user_id, model_type))
            if live is None or live.version != version:
                return
            told = user_id == NOBODY
            await connection.execute(_RETIRE, user_id, live.id, told)
            await connection.execute(_GO_BACK, user_id, model_type, live.promoted_at, told)

    async def tell_again(self, user_id: UUID, model_type: str) -> None:
        """See `VersionsRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_TELL_AGAIN, user_id, model_type)

    @asynccontextmanager
    async def delivering(self, user_id: UUID, model_type: str) -> AsyncIterator[Pending | None]:
        """See `VersionsRepository`."""
        # It only reads, and keeps no erasure waiting; the lock goes when the transaction does, whatever becomes of this process.
        async with self._database.transaction(user_id, read_only=True) as connection:
            if not await connection.fetchval(_TRY_DELIVERY, str(user_id), model_type):
                yield None
                return
            ids = [record[0] for record in await connection.fetch(_PENDING, user_id, model_type)]
            yield Pending(_version_or_none(await connection.fetchrow(_LIVE, user_id, model_type)), ids)

    async def mark_delivered(self, user_id: UUID, model_type: str, told: Pending) -> bool:
        """See `VersionsRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_LOCK, str(user_id), model_type)
            live = _version_or_none(await connection.fetchrow(_LIVE, user_id, model_type))
            if (live.id if live else None) != (told.live.id if told.live else None):
                return False
            await connection.execute(_MARK_DELIVERED, user_id, list(told.ids))
        return True

    async def undelivered(self, limit: int) -> Sequence[tuple[UUID, str]]:
        """See `VersionsRepository`."""
        async with self._database.transaction(NOBODY, read_only=True) as connection:
            return [(record[0], record[1]) for record in await connection.fetch(_UNDELIVERED, limit)]

    async def remove(self, user_id: UUID, ids: Sequence[UUID]) -> Sequence[ModelVersion]:
        """See `VersionsRepository`."""
        async with self._database.transaction(user_id) as connection:
            return [_version(record) for record in await connection.fetch(_REMOVE, user_id, list(ids))]

    async def known_artifacts(self, keys: Sequence[str]) -> set[str]:
        """See `VersionsRepository`."""
        async with self._database.transaction(NOBODY, read_only=True) as connection:
            return {record[0] for record in await connection.fetch(_KNOWN_ARTIFACTS, list(keys))}


async def _add(connection: Connection, new: NewVersion, *, live: bool) -> asyncpg.Record:
    return await connection.fetchrow(
        _ADD,
        new.user_id,
        new.id,
        new.model_type,
        new.number,
        new.version,
        live,
        json.dumps(dict(new.metrics)),
        new.content_hash,
        new.size_bytes,
        new.artifact_key,
        new.parent_version,
        new.data_cutoff_at,
        new.code_version,
        new.job_id,
        new.user_id == NOBODY,
    )


def _version(record: asyncpg.Record) -> ModelVersion:
    found = dict(record)
    return ModelVersion(**{**found, "stage": Stage(found["stage"]), "metrics": json.loads(found["metrics"])})


def _version_or_none(record: asyncpg.Record | None) -> ModelVersion | None:
    return _version(record) if record is not None else None
