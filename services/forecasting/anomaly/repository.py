"""Anomalies, and looks through ledgers, in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import uuid_utils.compat

from services.forecasting.anomaly.domain import (
    Anomaly,
    AnomalyFilter,
    AnomalyKind,
    AnomalyPosition,
    AnomalyState,
    Finding,
    Outcome,
    Scan,
    ScanState,
    Severity,
)
from services.forecasting.jobs.domain import Begun, Job, NewJob
from services.forecasting.jobs.repository import begin, succeed
from services.kit.postgres import Connection, Database

AGAIN_AFTER_H = 24
"""After a look through a ledger it is due again: a payment that does not come is noticed by nothing else."""
AGAIN_AFTER_FAILURE_H = 6
_MOST_TRANSACTIONS = 100
_LEVELS = {Severity.LOW: 1, Severity.MEDIUM: 2, Severity.HIGH: 3}
_SEVERITIES = {level: severity for severity, level in _LEVELS.items()}
_COLUMNS = (
    "id, kind, severity, state, score, reason, evidence, transaction_ids, account_id, category, merchant, amount, currency, occurred_on, "
    "created_at, closed_at, finding_key AS key"
)
_GET = f"SELECT {_COLUMNS} FROM forecasting.anomalies WHERE user_id = $1 AND id = $2"  # nosec B608
_MATCHES = """
    ($3::date IS NULL OR (occurred_on, id) < ($3, $4::uuid)) AND ($5::text IS NULL OR kind = $5)
    AND ($6::smallint IS NULL OR severity >= $6) AND ($7::uuid IS NULL OR account_id = $7)
    AND ($8::date IS NULL OR occurred_on >= $8) AND ($9::date IS NULL OR occurred_on <= $9)
"""
# With the state in its text: a partial index serves no parameter.
SELECT_OPEN_PAGE = f"""
    SELECT {_COLUMNS} FROM forecasting.anomalies WHERE user_id = $1 AND state = 'open' AND {_MATCHES}
     ORDER BY occurred_on DESC, id DESC LIMIT $2
"""  # nosec B608
SELECT_PAGE = f"""
    SELECT {_COLUMNS} FROM forecasting.anomalies WHERE user_id = $1 AND {_MATCHES} AND ($10::text IS NULL OR state = $10)
     ORDER BY occurred_on DESC, id DESC LIMIT $2
"""  # nosec B608
_SCANNED_AT = "SELECT scanned_at FROM forecasting.ledgers WHERE user_id = $1"
_CHANGE_STATE = f"""
    UPDATE forecasting.anomalies SET state = $4, closed_at = CASE WHEN $4 <> 'open' THEN now() END
     WHERE user_id = $1 AND id = $2 AND state <> $4 AND ($3::text IS NULL OR state = $3)
    RETURNING {_COLUMNS}
"""  # nosec B608
_NOTE_CHANGE = """
    INSERT INTO forecasting.ledgers AS known (user_id, changed_at, due_at) VALUES ($1, now(), now())
    ON CONFLICT (user_id) DO UPDATE SET changed_at = now(), due_at = least(known.due_at, now())
"""
_SCAN = """
    SELECT id, state, coalesce(transaction_count, 0) AS transaction_count, coalesce(found_count, 0) AS found_count,
           coalesce(resolved_count, 0) AS resolved_count, error_message, error_reason, created_at, completed_at
      FROM forecasting.jobs LEFT JOIN forecasting.scans USING (user_id, id)
     WHERE user_id = $1 AND id = $2 AND kind = 'scan'
"""
_KNOWN = f"SELECT {_COLUMNS} FROM forecasting.anomalies WHERE user_id = $1 ORDER BY id"  # nosec B608
_ADD = """
    INSERT INTO forecasting.anomalies
        (user_id, id, finding_key, kind, severity, score, reason, evidence, transaction_ids, account_id, category, merchant, amount,
         currency, occurred_on)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (user_id, finding_key) DO NOTHING
    RETURNING true
"""
# Never against what the user has said meanwhile.
_RESOLVE = """
    UPDATE forecasting.anomalies SET state = 'resolved', closed_at = now() WHERE user_id = $1 AND id = ANY ($2) AND state = 'open'
    RETURNING true
"""
_REOPEN = "UPDATE forecasting.anomalies SET state = 'open', closed_at = NULL WHERE user_id = $1 AND id = ANY ($2) AND state = 'resolved'"
_ADD_SCAN = """
    INSERT INTO forecasting.scans (user_id, id, transaction_count, found_count, resolved_count, data_cutoff_at)
    VALUES ($1, $2, $3, $4, $5, $6)
"""
_LOOKED_THROUGH = """
    INSERT INTO forecasting.ledgers AS known (user_id, changed_at, scanned_at, due_at) VALUES ($1, $2, $2, now() + $3 * interval '1 hour')
    ON CONFLICT (user_id) DO UPDATE
       SET scanned_at = $2, due_at = now() + CASE WHEN known.changed_at > $2 THEN interval '0' ELSE $3 * interval '1 hour' END
    RETURNING changed_at > $2
"""
_DUE = "SELECT user_id FROM forecasting.due_ledgers($1)"
_PUT_OFF = "UPDATE forecasting.ledgers SET due_at = now() + $2 * interval '1 hour' WHERE user_id = $1 AND due_at <= now()"
_NOBODY = UUID(int=0)


class PostgresAnomaliesRepository:
    """`AnomaliesRepository` on PostgreSQL, schema `forecasting`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: UUID, anomaly_id: UUID) -> Anomaly | None:
        """See `AnomaliesRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return _anomaly_or_none(await connection.fetchrow(_GET, user_id, anomaly_id))

    async def list_anomalies(
        self, user_id: UUID, *, where: AnomalyFilter, limit: int, after: AnomalyPosition | None
    ) -> tuple[Sequence[Anomaly], datetime | None]:
        """See `AnomaliesRepository`."""
        kind = where.kind.value if where.kind is not None else None
        level = _LEVELS[where.minimum_severity] if where.minimum_severity is not None else None
        found = (user_id, limit, *(after or (None, None)), kind, level, where.account_id, where.date_from, where.date_to)
        async with self._database.transaction(user_id, read_only=True, snapshot=True) as connection:
            if where.state is AnomalyState.OPEN:
                page = await connection.fetch(SELECT_OPEN_PAGE, *found)
            else:
                page = await connection.fetch(SELECT_PAGE, *found, where.state.value if where.state is not None else None)
            return [_anomaly(record) for record in page], await connection.fetchval(_SCANNED_AT, user_id)

    async def change_state(self, user_id: UUID, anomaly_id: UUID, *, before: AnomalyState | None, after: AnomalyState) -> Anomaly | None:
        """See `AnomaliesRepository`."""
        async with self._database.transaction(user_id) as connection:
            changed = await connection.fetchrow(
                _CHANGE_STATE, user_id, anomaly_id, before.value if before is not None else None, after.value
            )
            return _anomaly_or_none(changed or await connection.fetchrow(_GET, user_id, anomaly_id))

    async def note_change(self, user_id: UUID) -> None:
        """See `AnomaliesRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_NOTE_CHANGE, user_id)

    async def record_scan(self, new: NewJob, *, lease_s: float, most_open: int, delay_s: float = 0) -> tuple[Job, Begun]:
        """See `AnomaliesRepository`."""
        async with self._database.transaction(new.user_id) as connection:
            return await begin(connection, new, lease_s=lease_s, most_open=most_open, delay_s=delay_s)

    async def get_scan(self, user_id: UUID, scan_id: UUID) -> Scan | None:
        """See `AnomaliesRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            found = await connection.fetchrow(_SCAN, user_id, scan_id)
        return Scan(**{**found, "state": ScanState(found["state"])}) if found is not None else None

    async def now(self) -> datetime:
        """See `AnomaliesRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            moment: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return moment

    async def known(self, user_id: UUID) -> Sequence[Anomaly]:
        """See `AnomaliesRepository`."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return [_anomaly(record) for record in await connection.fetch(_KNOWN, user_id)]

    async def conclude(self, running: Job, outcome: Outcome, *, cutoff: datetime) -> bool | None:
        """See `AnomaliesRepository`."""
        user_id = running.user_id
        async with self._database.transaction(user_id) as connection:
            if not await succeed(connection, running):
                return None
            found_count = sum([await _add(connection, user_id, finding) for finding in outcome.added])
            resolved_count = len(await connection.fetch(_RESOLVE, user_id, outcome.resolved))
            await connection.execute(_REOPEN, user_id, outcome.reopened)
            await connection.execute(_ADD_SCAN, user_id, running.id, outcome.transaction_count, found_count, resolved_count, cutoff)
            return bool(await connection.fetchval(_LOOKED_THROUGH, user_id, cutoff, AGAIN_AFTER_H))

    async def due(self, limit: int) -> Sequence[UUID]:
        """See `AnomaliesRepository`."""
        async with self._database.transaction(_NOBODY, read_only=True) as connection:
            return [record[0] for record in await connection.fetch(_DUE, limit)]

    async def put_off(self, user_id: UUID) -> None:
        """See `AnomaliesRepository`."""
        async with self._database.transaction(user_id) as connection:
            await connection.execute(_PUT_OFF, user_id, AGAIN_AFTER_FAILURE_H)


async def _add(connection: Connection, user_id: UUID, one: Finding) -> bool:
    added = await connection.fetchval(
        _ADD,
        user_id,
        uuid_utils.compat.uuid7(),
        one.key,
        one.kind.value,
        _LEVELS[one.severity],
        one.score,
        one.reason,
        json.dumps(dict(one.evidence), ensure_ascii=False),
        list(one.transaction_ids[:_MOST_TRANSACTIONS]),
        one.account_id,
        one.category,
        one.merchant,
        one.amount,
        one.currency,
        one.occurred_on,
    )
    return added is not None


def _anomaly(record: asyncpg.Record) -> Anomaly:
    found = dict(record)
    return Anomaly(
        **{
            **found,
            "kind": AnomalyKind(found["kind"]),
            "severity": _SEVERITIES[found["severity"]],
            "state": AnomalyState(found["state"]),
            "evidence": json.loads(found["evidence"]),
            "transaction_ids": tuple(found["transaction_ids"]),
        }
    )


def _anomaly_or_none(record: asyncpg.Record | None) -> Anomaly | None:
    return _anomaly(record) if record is not None else None
