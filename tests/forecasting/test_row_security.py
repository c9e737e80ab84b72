"""No user sees, changes or takes over what is another's, in any table: the database refuses it whatever a statement says."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from tests.conftest import AsRole
from tests.support.forecasting_rows import TABLES, fill


async def become(connection: asyncpg.Connection, user_id: UUID) -> None:
    await connection.execute("SELECT set_config('app.user_id', $1, true)", str(user_id))


def test_every_table_of_the_schema_is_looked_at() -> None:
    from services.forecasting.user_data.tables import EXPORTED, LEFT_OUT

    assert {f"forecasting.{table}" for table in TABLES} == {one.name for one in EXPORTED} | set(LEFT_OUT)


@pytest.mark.requirement("SEC-12")
@pytest.mark.parametrize("table", TABLES)
async def test_a_second_user_finds_nothing(as_role: AsRole, user_id: UUID, other_user_id: UUID, table: str) -> None:
    async with as_role("forecasting", user_id) as connection:
        rows = await fill(connection, user_id)
        await become(connection, other_user_id)
        assert await connection.fetch(f"SELECT * FROM forecasting.{table}") == []
        assert await connection.execute(f"UPDATE forecasting.{table} SET user_id = $1", other_user_id) == "UPDATE 0"
        assert await connection.execute(f"DELETE FROM forecasting.{table}") == "DELETE 0"
        await become(connection, user_id)
        assert await connection.fetchval(f"SELECT count(*) FROM forecasting.{table}") == rows[table]


@pytest.mark.parametrize("table", TABLES)
async def test_nobody_writes_under_another_ones_name(as_role: AsRole, user_id: UUID, other_user_id: UUID, table: str) -> None:
    async with as_role("forecasting", user_id) as connection:
        await fill(connection, user_id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(f"UPDATE forecasting.{table} SET user_id = $1", other_user_id)


async def test_without_a_user_there_is_nothing(as_role: AsRole, user_id: UUID) -> None:
    async with as_role("forecasting", None) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await fill(connection, user_id)


@pytest.mark.parametrize("call", ["stalled_jobs(10)", "count_in_queue()", "due_ledgers(10)", "expire_jobs(30, 10)"])
async def test_only_the_service_itself_looks_across_users(as_role: AsRole, call: str) -> None:
    async with as_role("forecasting", None) as connection:
        await connection.fetch(f"SELECT * FROM forecasting.{call}")
    async with as_role("accounts", None) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(f"SELECT * FROM forecasting.{call}")
