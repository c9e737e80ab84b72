"""How PostgreSQL finds jobs and notifications, asked on tables that have grown."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.local import LocalSystem
from services.training.notifications.repository import SELECT_PAGE as NOTIFICATIONS
from services.training.notifications.repository import SELECT_UNREAD_PAGE
from services.training.repository import SELECT_PAGE, SELECT_PAGE_OF_STATUS
from tests.conftest import AsRole

USERS = 200
FILL = """
    INSERT INTO training.training_jobs
        (user_id, id, request_id, model_type, trigger, status, attempt, started_at, created_at, completed_at, lease_expires_at)
    SELECT $1, gen_random_uuid(), n::text, 'categorizer', 'user', status, 1, now(), now() - n * interval '1 hour',
           CASE WHEN status <> 'pending' THEN now() END, CASE WHEN status = 'pending' THEN now() + interval '1 day' END
      FROM generate_series(1, 100) AS n, LATERAL (
          SELECT CASE WHEN n = 1 THEN 'pending' WHEN n % 10 = 0 THEN 'cancelled' ELSE 'completed' END AS status) AS s
"""
NOTIFY = """
    INSERT INTO training.notifications (user_id, id, kind, title, subject_id, read_at)
    SELECT $1, gen_random_uuid(), 'x', 'x', n::text, CASE WHEN n % 20 > 0 THEN now() END FROM generate_series(1, 200) AS n
"""
POLL = "SELECT user_id, id FROM training.training_jobs WHERE status = 'pending' ORDER BY created_at LIMIT 10"
LATEST = "SELECT id FROM training.training_jobs WHERE user_id = $1 AND status = 'completed' ORDER BY created_at DESC LIMIT 1"


@pytest.fixture
async def grown(servers: LocalSystem, user_id: UUID) -> AsyncIterator[UUID]:
    """A user among two hundred, each with a hundred jobs."""
    users = [user_id, *(uuid4() for _ in range(USERS))]
    connection = await asyncpg.connect(servers.migrator_url)
    try:
        await connection.executemany(FILL, [(user,) for user in users])
        await connection.executemany(NOTIFY, [(user,) for user in users])
        for table in ("training_jobs", "notifications"):
            await connection.execute(f"ANALYZE training.{table}")
        yield user_id
    finally:
        for table in ("training_jobs", "notifications"):
            await connection.execute(f"DELETE FROM training.{table} WHERE user_id = ANY ($1)", users)
        await connection.close()


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(found for below in plan.get("Plans", []) for found in nodes(below))]


async def explain(connection: asyncpg.Connection, statement: str, *arguments: object) -> tuple[list[str], bool]:
    """The indexes that it reads, and whether it sorts."""
    plan = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
    found = nodes(json.loads(plan)[0]["Plan"])
    assert not [one for one in found if one["Node Type"] == "Seq Scan"], found
    return [one["Index Name"] for one in found if "Index Name" in one], any("Sort" in one["Node Type"] for one in found)


@pytest.mark.requirement("DB-14", "DB-15", "TRN-24", "TRN-25")
async def test_jobs_and_notifications_are_found_by_index(as_role: AsRole, grown: UUID) -> None:
    async with as_role("migrator", None) as connection:
        assert await explain(connection, POLL) == (["idx_training_jobs_pending"], False)
    async with as_role("training", grown) as connection:
        assert await explain(connection, LATEST, grown) == (["idx_training_jobs_user_status"], False)
        after = await connection.fetchval("SELECT now() - interval '50 hours'")
        for place in ((None, None), (uuid4(), after)):
            assert await explain(connection, SELECT_PAGE, grown, 11, None, place[0]) == (["training_jobs_pkey"], False)
            indexes, _ = await explain(connection, SELECT_PAGE_OF_STATUS, grown, 11, None, *place, "cancelled")
            assert indexes == ["idx_training_jobs_user_status"]
        for below in (None, uuid4()):
            assert await explain(connection, NOTIFICATIONS, grown, 11, below) == (["notifications_pkey"], False)
            assert await explain(connection, SELECT_UNREAD_PAGE, grown, 11, below) == (["idx_notifications_unread"], False)
