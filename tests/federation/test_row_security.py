"""No user sees, changes or takes over what is another's, in any table: the database refuses it whatever a statement says."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from services.federation.user_data.tables import EXPORTED, LEFT_OUT
from tests.conftest import AsRole
from tests.support.federation_rows import TABLES, fill


async def become(connection: asyncpg.Connection, user_id: UUID) -> None:
    await connection.execute("SELECT set_config('app.user_id', $1, true)", str(user_id))


def test_every_table_of_users_is_looked_at() -> None:
    assert {f"federation.{table}" for table in TABLES} == {one.name for one in EXPORTED} | set(LEFT_OUT)


@pytest.mark.requirement("SEC-12")
@pytest.mark.parametrize("table", TABLES)
async def test_a_second_user_finds_nothing(as_role: AsRole, user_id: UUID, other_user_id: UUID, table: str) -> None:
    async with as_role("federation", user_id) as connection:
        rows = await fill(connection, user_id)
        await become(connection, other_user_id)
        assert await connection.fetch(f"SELECT * FROM federation.{table}") == []
        assert await connection.execute(f"UPDATE federation.{table} SET user_id = $1", other_user_id) == "UPDATE 0"
        assert await connection.execute(f"DELETE FROM federation.{table}") == "DELETE 0"
        await become(connection, user_id)
        assert await connection.fetchval(f"SELECT count(*) FROM federation.{table}") == rows[table]


@pytest.mark.parametrize("table", TABLES)
async def test_nobody_writes_under_another_ones_name(as_role: AsRole, user_id: UUID, other_user_id: UUID, table: str) -> None:
    async with as_role("federation", user_id) as connection:
        await fill(connection, user_id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(f"UPDATE federation.{table} SET user_id = $1", other_user_id)


async def test_nothing_is_given_for_anothers_device(as_role: AsRole, user_id: UUID, other_user_id: UUID) -> None:
    async with as_role("federation", user_id) as connection:
        await fill(connection, user_id)
        device_id = await connection.fetchval("SELECT id FROM federation.devices LIMIT 1")
        await become(connection, other_user_id)
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await connection.execute(
                """
                INSERT INTO federation.contributions (user_id, device_id, round_id, model_version, noise_multiplier, bytes_up)
                VALUES ($1, $2, gen_random_uuid(), 1, 1, 1)
                """,
                other_user_id,
                device_id,
            )


async def test_without_a_user_there_is_nothing(as_role: AsRole, user_id: UUID) -> None:
    async with as_role("federation", None) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await fill(connection, user_id)


@pytest.mark.parametrize("table", [*TABLES, "rounds", "model_versions"])
async def test_no_other_service_reads_a_table_of_the_federation(as_role: AsRole, user_id: UUID, table: str) -> None:
    async with as_role("training", user_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"SELECT * FROM federation.{table}")
