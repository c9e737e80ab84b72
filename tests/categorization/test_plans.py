"""How PostgreSQL finds what a call needs, asked as the service role on tables that have grown."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.categorization.learning.repository import SELECT_CORRECTIONS
from services.categorization.repository.words import SELECT_ANCHORS, SELECT_WORDS
from services.categorization.suggestions.repository import SELECT_PAGE
from services.local import LocalSystem
from tests.conftest import AsRole

FILL = """
    INSERT INTO categorization.anchors (user_id, subject, merchant_key, category, description, amount, said_at)
    SELECT $1, CASE WHEN n = 7 THEN 'the seventh' ELSE n::text END, 'shop ' || n, 'dining', 'SHOP ' || n, -1,
           now() - n * interval '1 minute'
      FROM generate_series(1, $2::int) AS n
"""
SUGGEST = """
    INSERT INTO categorization.suggestions
        (user_id, id, job_id, name, primary_slug, score, transaction_count, reason, created_at, state, decided_at)
    SELECT $1, gen_random_uuid(), gen_random_uuid(), 'x', 'dining', 0.5, 1, 'x', now() - n * interval '1 minute',
           CASE WHEN n % 3 > 0 THEN 'dismissed' ELSE 'open' END, CASE WHEN n % 3 > 0 THEN now() END
      FROM generate_series(1, 300) AS n
"""


TABLES = ("anchors", "suggestions", "revisions")


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(found for below in plan.get("Plans", []) for found in nodes(below))]


@pytest.fixture
async def grown(servers: LocalSystem, user_id: UUID) -> AsyncIterator[UUID]:
    """A user with 20,000 anchors among 20 others with a thousand."""
    users = [user_id, *(uuid4() for _ in range(20))]
    connection = await asyncpg.connect(servers.migrator_url)
    try:
        for user in users:
            await connection.execute(FILL, user, 20_000 if user == user_id else 1000)
            await connection.execute(SUGGEST, user)
            await connection.execute("INSERT INTO categorization.revisions (user_id) VALUES ($1)", user)
        for table in TABLES:
            await connection.execute(f"ANALYZE categorization.{table}")
        yield user_id
    finally:
        for table in TABLES:
            await connection.execute(f"DELETE FROM categorization.{table} WHERE user_id = ANY ($1)", users)
        await connection.close()


async def test_what_a_call_needs_is_found_by_index(as_role: AsRole, grown: UUID) -> None:
    user_id = grown
    async with as_role("categorization", user_id) as connection:

        async def explain(statement: str, *arguments: object) -> list[dict[str, Any]]:
            plan = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
            return nodes(json.loads(plan)[0]["Plan"])

        words = await explain(SELECT_WORDS, user_id, ["the seventh", *map(str, range(99))])
        assert [one.get("Index Name") for one in words if one.get("Relation Name") == "anchors"] == ["anchors_pkey"]
        anchors = await explain(SELECT_ANCHORS, user_id, 10_000)
        assert [one.get("Index Name") for one in anchors if "Scan" in one["Node Type"]] == ["idx_anchors_said"]
        assert not [one for one in anchors if "Sort" in one["Node Type"]]
        middle = await connection.fetchval("SELECT now() - interval '7000 minutes'")
        for position in ((None, None), (middle, "7")):
            corrections = await explain(SELECT_CORRECTIONS, user_id, 1001, *position)
            (scan,) = [one for one in corrections if "Scan" in one["Node Type"]]
            assert scan["Index Name"] == "idx_anchors_said"
            assert scan["Actual Rows"] <= 1001
            assert not [one for one in corrections if "Sort" in one["Node Type"]]
        for after in ((None, None), (await connection.fetchval("SELECT now() - interval '2 hours'"), uuid4())):
            page = await explain(SELECT_PAGE, user_id, "open", 51, *after)
            (scan,) = [one for one in page if one.get("Relation Name") == "suggestions"]
            assert scan["Index Name"] == "idx_suggestions_pagination"
            assert not [one for one in page if one["Node Type"] == "Sort" and one["Actual Rows"] > 51]
