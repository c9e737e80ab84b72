"""Rounds that have ended stay as they ended, and versions of the federated model as they were made, whoever asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.conftest import AsRole

_OPEN = """
    INSERT INTO federation.rounds (id, number, request_id, request_hash, base_version, plan, trigger)
    VALUES ($1, 1 + (SELECT coalesce(max(number), 0) FROM federation.rounds), $1::uuid::text, sha256('x'), $2, '{}', 'admin')
"""
_PUBLISH = "UPDATE federation.rounds SET state = 'published', version = $2, contributor_count = $3, closed_at = now() WHERE id = $1"
_ADD = """
    INSERT INTO federation.model_versions
        (version, parent_version, round_id, contributor_count, encoder_hash, encoder_size_bytes, head_hash, head, categorizer_version)
    VALUES ($1, $2, $3, $4, repeat('a', 64), 1, repeat('b', 64), 'head', 'c-1')
"""


@pytest.fixture(params=["federation", "migrator"])
def role(request: pytest.FixtureRequest) -> str:
    """The service, and the tables' owner."""
    return str(request.param)


@asynccontextmanager
async def with_round(as_role: AsRole, role: str) -> AsyncIterator[tuple[asyncpg.Connection, UUID, int]]:
    """A round that is open, from the version named last, in a transaction that is rolled back."""
    async with as_role(role, None) as connection:
        await connection.execute("UPDATE federation.rounds SET state = 'aborted', closed_at = now() WHERE state = 'open'")
        base = int(await connection.fetchval("SELECT coalesce(max(version), 0) + 1 FROM federation.model_versions"))
        await connection.execute(_ADD, base, base - 1 or None, None, 0)
        round_id = uuid4()
        await connection.execute(_OPEN, round_id, base)
        yield connection, round_id, base


async def refused(connection: asyncpg.Connection, statement: str, *values: object, kind: type[Exception], said: str) -> None:
    """Within a savepoint: what comes after goes on."""
    with pytest.raises(kind, match=said):
        async with connection.transaction():
            await connection.execute(statement, *values)


@pytest.mark.parametrize(
    "end",
    [
        "state = 'published', version = base_version + 1, contributor_count = 10",
        "state = 'failed', reason = 'TOO_FEW_CONTRIBUTORS'",
        "state = 'aborted'",
    ],
)
async def test_a_round_that_has_ended_stays_as_it_ended(as_role: AsRole, role: str, end: str) -> None:
    async with with_round(as_role, role) as (connection, round_id, _):
        await connection.execute(f"UPDATE federation.rounds SET {end}, closed_at = now() WHERE id = $1", round_id)
        for change in (
            "state = 'open', closed_at = NULL",
            "contributor_count = 999",
            "state = 'published', version = base_version + 1, contributor_count = 10, reason = ''",
            "metrics = '{\"a\": 1}'",
        ):
            statement = f"UPDATE federation.rounds SET {change} WHERE id = $1"
            await refused(connection, statement, round_id, kind=asyncpg.CheckViolationError, said="stays so")


@pytest.mark.requirement("FED-09")
async def test_nothing_is_published_of_fewer_than_ten_or_under_another_number(as_role: AsRole, role: str) -> None:
    async with with_round(as_role, role) as (connection, round_id, base):
        await refused(connection, _PUBLISH, round_id, base + 1, 9, kind=asyncpg.CheckViolationError, said="check")
        await refused(connection, _PUBLISH, round_id, base + 2, 10, kind=asyncpg.CheckViolationError, said="check")
        await connection.execute(_PUBLISH, round_id, base + 1, 10)
        await connection.execute(_ADD, base + 1, base, round_id, 10)


async def test_one_round_is_open_at_a_time(as_role: AsRole, role: str) -> None:
    async with with_round(as_role, role) as (connection, _, base):
        await refused(connection, _OPEN, uuid4(), base, kind=asyncpg.UniqueViolationError, said="idx_rounds_open")


@pytest.mark.requirement("FED-12")
@pytest.mark.parametrize(
    "change",
    [
        "head = 'other'",
        "head_hash = repeat('c', 64)",
        "encoder_hash = repeat('c', 64)",
        "accuracy = 1",
        "epsilon = 0.1",
        "strategy = 'x'",
        "privacy = '{\"a\": 1}'",
        "version = version + 1000",
        "created_at = now() + interval '1 day'",
        "registry_version = 'categorizer-global/7', accuracy = 1",
    ],
)
async def test_a_version_is_never_changed(as_role: AsRole, role: str, change: str) -> None:
    async with with_round(as_role, role) as (connection, _, base):
        kinds = (asyncpg.CheckViolationError, asyncpg.InsufficientPrivilegeError)
        with pytest.raises(kinds) as raised:
            async with connection.transaction():
                await connection.execute(f"UPDATE federation.model_versions SET {change} WHERE version = $1", base)
        # What the service may not even try, the owner is refused by the trigger.
        assert isinstance(raised.value, kinds[role == "federation"])


async def test_only_its_name_in_the_registry_comes_later(as_role: AsRole, role: str) -> None:
    async with with_round(as_role, role) as (connection, _, base):
        before = await connection.fetchval(
            "SELECT to_jsonb(t) - 'registry_version' FROM federation.model_versions AS t WHERE version = $1", base
        )
        for name in ("categorizer-global/7", "categorizer-global/8"):
            await connection.execute("UPDATE federation.model_versions SET registry_version = $2 WHERE version = $1", base, name)
        after = await connection.fetchrow(
            "SELECT registry_version, to_jsonb(t) - 'registry_version' FROM federation.model_versions AS t WHERE version = $1", base
        )
        assert tuple(after) == ("categorizer-global/8", before)


async def test_the_service_removes_no_round_and_no_version(as_role: AsRole) -> None:
    async with with_round(as_role, "federation") as (connection, _, _):
        for statement in ("DELETE FROM federation.rounds", "DELETE FROM federation.model_versions", "TRUNCATE federation.model_versions"):
            await refused(connection, statement, kind=asyncpg.InsufficientPrivilegeError, said="permission denied")


@pytest.mark.parametrize(
    ("parent", "contributors"),
    [(0, 10), (1, 0), (None, 10)],
)
async def test_a_version_has_an_older_parent_and_is_of_a_round_or_of_nobody(as_role: AsRole, parent: int | None, contributors: int) -> None:
    async with with_round(as_role, "migrator") as (connection, round_id, base):
        of_round = round_id if contributors == 0 else None
        wanted = None if parent is None else base + 1 + parent
        with pytest.raises((asyncpg.CheckViolationError, asyncpg.ForeignKeyViolationError)):
            await connection.execute(_ADD, base + 1, wanted, of_round, contributors)
