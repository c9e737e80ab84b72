"""Every table with a user id is handed over with a user's data, or named with the reason why not; those of services to come, too."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from services.gateway.upstreams import connect
from services.kit.user_tables import UserTable
from tests.conftest import AsRole
from tests.support.gateway_app import gateway_settings

_SERVICES = Path(__file__).resolve().parents[1] / "services"
_OWNERS = sorted(path.parent.parent.name for path in _SERVICES.glob("*/user_data/tables.py"))
_WITH_USER_ID = """
    SELECT table_schema || '.' || table_name FROM information_schema.columns
      JOIN information_schema.tables USING (table_catalog, table_schema, table_name)
     WHERE column_name = 'user_id' AND table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')
"""
_PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits"


def _lists(owner: str) -> tuple[tuple[UserTable, ...], dict[str, str]]:
    tables = importlib.import_module(f"services.{owner}.user_data.tables")
    return tables.EXPORTED, tables.LEFT_OUT


@pytest.mark.requirement("ACC-15")
async def test_every_table_with_a_user_id_is_exported_or_left_out_with_a_reason(as_role: AsRole) -> None:
    named: dict[str, str] = {}
    for owner in _OWNERS:
        exported, left_out = _lists(owner)
        named |= {table.name: owner for table in exported} | dict.fromkeys(left_out, owner)
        assert all(reason for reason in left_out.values())
    async with as_role("migrator", None) as connection:
        there = {record[0] for record in await connection.fetch(_WITH_USER_ID)} - {
            record[0] for record in await connection.fetch(_PARTITIONS)
        }
    assert there, "the query finds no table any more"
    missing = sorted(there - set(named))
    assert not missing, f"{missing}: name them in services/<service>/user_data/tables.py, in EXPORTED or, with the reason, in LEFT_OUT"
    assert not sorted(set(named) - there)
    assert {name.partition(".")[0] for name in named} == set(named.values())


async def test_the_gateway_asks_every_service_that_holds_users_data() -> None:
    upstreams = connect(gateway_settings(), None)
    try:
        clients = upstreams.user_data()
        assert sorted(clients) == _OWNERS
        assert {name: client.service for name, client in clients.items()} == {name: f"scale.{name}.v1.UserDataService" for name in clients}
    finally:
        await upstreams.close()


@pytest.mark.parametrize("owner", _OWNERS)
async def test_keys_and_columns_of_the_lists_exist(as_role: AsRole, owner: str) -> None:
    exported, _ = _lists(owner)
    assert len({table.file for table in exported}) == len(exported)
    async with as_role("migrator", None) as connection:
        for table in exported:
            found = await connection.fetch("SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0", table.name)
            columns = {record["attname"] for record in found}
            said = {*table.key, *table.order, *table.headings, *table.references, *table.restored_as, *(one.column for one in table.checks)}
            assert said <= columns, table.name
            unique = await connection.fetchval(
                """
                SELECT count(*) FROM pg_index WHERE indrelid = $1::regclass AND indisunique AND $2::text[] @> (
                    SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = indrelid AND attnum = ANY(indkey))
                """,
                table.name,
                ["user_id", *table.key],
            )
            assert unique, f"{table.name}: {table.key} is no key"
