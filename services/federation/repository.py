"""Rounds in PostgreSQL. A round's end and the version that came of it are one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from services.federation.domain import NewVersion, Round, RoundOptions, RoundPlan, RoundState, Trigger, round_open
from services.federation.records import metrics_text, options_text, plan_of, plan_text
from services.federation.versions.repository import add_version
from services.kit.errors import Aborted, AlreadyExists
from services.kit.postgres import Connection, Database

_NOBODY = UUID(int=0)
_COLUMNS = (
    "id, number, state, reason, reason_message, base_version, version, plan, trigger, opened_at, selected_count, contributor_count, "
    "dropped_count, bytes_up, accuracy, base_accuracy, update_norm, epsilon, unamplified_epsilon, metrics, closed_at, paid"
)
_GET = f"SELECT {_COLUMNS} FROM federation.rounds WHERE id = $1"  # nosec B608  # constants
_FIND = f"SELECT request_hash, {_COLUMNS} FROM federation.rounds WHERE request_id = $1"  # nosec B608
_NEWEST = "SELECT max(version) FROM federation.model_versions"
_FIND_OPEN = "SELECT id FROM federation.rounds WHERE state = 'open'"
# Neither the request id nor an open round may be in the way; two that come together take turns by the number.
_OPEN = f"""
    INSERT INTO federation.rounds (id, number, request_id, request_hash, base_version, plan, options, trigger)
    SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5::jsonb, $6::jsonb, $7 FROM federation.rounds
    ON CONFLICT DO NOTHING
    RETURNING {_COLUMNS}
"""  # nosec B608
_PAGE = f"""
    SELECT {_COLUMNS} FROM federation.rounds WHERE $2::bigint IS NULL OR number < $2 ORDER BY number DESC LIMIT $1
"""  # nosec B608
_END = """
    UPDATE federation.rounds
       SET state = $2, reason = $3, reason_message = $4, version = $5, selected_count = $6, contributor_count = $7, dropped_count = $8,
           bytes_up = $9, accuracy = $10, base_accuracy = $11, update_norm = $12, epsilon = $13, unamplified_epsilon = $14,
           metrics = $15::jsonb, paid = $16, closed_at = now()
     WHERE id = $1 AND state = 'open' RETURNING id
"""
_CLOSE_OPEN = f"""
    UPDATE federation.rounds SET state = 'failed', reason = $1, reason_message = $2, closed_at = now()
     WHERE state = 'open' RETURNING {_COLUMNS}
"""  # nosec B608
_UNPUBLISHED = "SELECT plan, count(*) FROM federation.rounds WHERE state IN ('failed', 'aborted') AND paid GROUP BY plan"
_TRIES = 5


class PostgresRoundsRepository:
    """`RoundsRepository` on PostgreSQL, schema `federation`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self,
        round_id: UUID,
        *,
        request_id: str,
        request_hash: bytes,
        base_version: int,
        plan: RoundPlan,
        options: RoundOptions,
        trigger: Trigger,
    ) -> Round:
        """See `RoundsRepository`."""
        values = (request_id, request_hash, base_version, plan_text(plan), options_text(options), trigger.value)
        for _ in range(_TRIES):
            async with self._database.transaction(_NOBODY) as connection:
                if (added := await connection.fetchrow(_OPEN, round_id, *values)) is not None:
                    # It waits for a round that is just ending, which may have made another version than the one looked up before.
                    if await connection.fetchval(_NEWEST) != base_version:
                        raise Aborted(f"Version {base_version} is not the newest any more; try again.", reason="BASE_REPLACED")
                    return _round(added)
                if (same := await connection.fetchrow(_FIND, request_id)) is not None:
                    return _repeated(same, request_hash)
                if (other := await connection.fetchval(_FIND_OPEN)) is not None:
                    raise round_open(other)
            # The one that was in the way has ended just now, or has taken the number.
        raise Aborted("Other rounds came between; try again.", reason="DB_CONFLICT", retry_after_s=1)

    async def find(self, request_id: str, request_hash: bytes) -> Round | None:
        """See `RoundsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            same = await connection.fetchrow(_FIND, request_id)
        return _repeated(same, request_hash) if same is not None else None

    async def get(self, round_id: UUID) -> Round | None:
        """See `RoundsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            found = await connection.fetchrow(_GET, round_id)
        return _round(found) if found is not None else None

    async def get_open(self) -> Round | None:
        """See `RoundsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            round_id = await connection.fetchval(_FIND_OPEN)
            found = await connection.fetchrow(_GET, round_id) if round_id is not None else None
        return _round(found) if found is not None else None

    async def list_rounds(self, *, limit: int, below: int | None) -> Sequence[Round]:
        """See `RoundsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            return [_round(record) for record in await connection.fetch(_PAGE, limit, below)]

    async def unpublished(self) -> Sequence[RoundPlan]:
        """See `RoundsRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            return [plan_of(plan) for plan, count in await connection.fetch(_UNPUBLISHED) for _ in range(count)]

    async def publish(self, ended: Round, new: NewVersion) -> None:
        """See `RoundsRepository`."""
        async with self._database.transaction(_NOBODY) as connection:
            await _end(connection, ended)
            await add_version(connection, new)

    async def close(self, ended: Round) -> None:
        """See `RoundsRepository`."""
        async with self._database.transaction(_NOBODY) as connection:
            await _end(connection, ended)

    async def close_open(self, reason: str, message: str) -> Sequence[Round]:
        """See `RoundsRepository`."""
        async with self._database.transaction(_NOBODY) as connection:
            return [_round(record) for record in await connection.fetch(_CLOSE_OPEN, reason, message)]


async def _end(connection: Connection, ended: Round) -> None:
    done = await connection.fetchval(
        _END,
        ended.id,
        ended.state.value,
        ended.reason[:63],
        ended.reason_message.replace("\x00", "")[:2000],
        ended.version,
        ended.selected_count,
        ended.contributor_count,
        ended.dropped_count,
        ended.bytes_up,
        ended.accuracy,
        ended.base_accuracy,
        ended.update_norm,
        ended.epsilon,
        ended.unamplified_epsilon,
        metrics_text(ended.metrics),
        ended.paid,
    )
    if done is None:
        raise Aborted(f"Round {ended.number} is not open any more.", reason="ROUND_OVER")


def _repeated(record: asyncpg.Record, request_hash: bytes) -> Round:
    found = dict(record)
    if found.pop("request_hash") != request_hash:
        message = "This request id was used for a round with other options; choose a new one."
        raise AlreadyExists(message, reason="REQUEST_ID_REUSED", metadata={"round_id": str(found["id"])})
    return _round(found)


def _round(record: asyncpg.Record | dict[str, object]) -> Round:
    found = dict(record)
    return Round(
        **{
            **found,
            "state": RoundState(found["state"]),
            "plan": plan_of(found["plan"]),
            "trigger": Trigger(found["trigger"]),
            "metrics": json.loads(found["metrics"]),
        }
    )
