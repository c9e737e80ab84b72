"""Who may see and change what, asked in SQL as the roles themselves."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import pytest

from migrations.layout import SERVICE_ROLES
from tests.conftest import AsRole

pytestmark = pytest.mark.usefixtures("servers")

USER_TABLES = """
    SELECT "table".oid, "table".oid::regclass::text AS name, relrowsecurity AND relforcerowsecurity AS forced
      FROM pg_class AS "table" JOIN pg_attribute ON attrelid = "table".oid AND attname = 'user_id'
     WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text NOT LIKE 'pg\\_%'
"""
NEW_ACCOUNT = """
    INSERT INTO accounts.accounts (user_id, id, name, account_type, currency)
    VALUES ($1, gen_random_uuid(), 'Everyday', 'checking', 'EUR') RETURNING id
"""


@pytest.mark.requirement("DB-08", "SEC-12")
async def test_every_user_table_forces_row_level_security(as_role: AsRole) -> None:
    async with as_role("migrator", None) as connection:
        tables = await connection.fetch(USER_TABLES)
        assert {table["name"] for table in tables} >= {
            "accounts.accounts", "accounts.profiles", "accounts.transactions", "accounts.user_categories",
            "ingestion.import_rows", "ingestion.imports", "ingestion.uploaded_files",
            "categorization.anchors", "categorization.corrections", "categorization.jobs", "categorization.suggestions",
        }  # fmt: skip
        assert all(table["forced"] for table in tables)
        for table in tables:
            policies = await connection.fetch(
                """SELECT polcmd, polpermissive, pg_get_expr(polqual, polrelid) AS using,
                          pg_get_expr(polwithcheck, polrelid) AS with_check
                     FROM pg_policy WHERE polrelid = $1""",
                table["oid"],
            )
            assert len(policies) == 1, table["name"]
            policy = policies[0]
            assert (policy["polcmd"], policy["polpermissive"]) == (b"*", True)
            assert "auth.uid()" in policy["using"]
            assert policy["using"] == policy["with_check"]


@pytest.mark.requirement("ARC-16")
async def test_every_key_starts_with_the_user(as_role: AsRole) -> None:
    async with as_role("migrator", None) as connection:
        for table in await connection.fetch(USER_TABLES):
            firsts = await connection.fetch(
                """SELECT indexrelid::regclass::text AS key, pg_get_indexdef(indexrelid, 1, true) AS first
                     FROM pg_index WHERE indrelid = $1 AND (indisunique OR indisprimary)""",
                table["oid"],
            )
            assert firsts, table["name"]
            assert {record["key"] for record in firsts if record["first"] != "user_id"} == set()


@pytest.mark.requirement("SEC-13")
async def test_roles_are_no_superusers_and_own_nothing(as_role: AsRole) -> None:
    async with as_role("migrator", None) as connection:
        for role in SERVICE_ROLES:
            flags = await connection.fetchrow(
                "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles WHERE rolname = $1",
                role,
            )
            assert tuple(flags) == (False, False, False, False, True)
            assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relowner = $1::regrole", role) == 0
            memberships = "SELECT count(*) FROM pg_auth_members WHERE member = $1::regrole"
            assert await connection.fetchval(memberships, role) == 0
        migrator = await connection.fetchrow("SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert tuple(migrator) == (False, True)


@pytest.mark.parametrize(
    ("role", "table"),
    [
        ("accounts", "ingestion.imports"),
        ("ingestion", "accounts.transactions"),
        ("ingestion", "accounts.categories"),
        ("categorization", "accounts.transactions"),
        ("accounts", "categorization.anchors"),
        ("training", "accounts.transactions"),
        ("training", "categorization.corrections"),
        ("categorization", "training.training_jobs"),
        ("forecasting", "accounts.transactions"),
        ("accounts", "forecasting.forecasts"),
        ("accounts", "migrations.alembic_version"),
        ("ingestion", "migrations.alembic_version"),
    ],
)
async def test_a_service_cannot_read_what_is_not_its_own(as_role: AsRole, user_id: UUID, role: str, table: str) -> None:
    async with as_role(role, user_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for schema"):
            await connection.fetch(f"SELECT * FROM {table}")


@pytest.mark.parametrize("role", ["accounts", "ingestion", "categorization", "forecasting", "training"])
async def test_a_service_cannot_make_objects(as_role: AsRole, user_id: UUID, role: str) -> None:
    for schema in (role, "public", "auth"):
        async with as_role(role, user_id) as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"CREATE TABLE {schema}.mine (id int)")


async def test_a_service_cannot_change_the_taxonomy(as_role: AsRole, user_id: UUID) -> None:
    async with as_role("accounts", user_id) as connection:
        assert await connection.fetchval("SELECT count(*) FROM accounts.categories") >= 119
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE accounts.categories SET name = 'Mine'")


@pytest.mark.requirement("SEC-13")
async def test_a_service_cannot_switch_the_policies_off(as_role: AsRole, user_id: UUID) -> None:
    async with as_role("accounts", user_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("ALTER TABLE accounts.accounts DISABLE ROW LEVEL SECURITY")
    async with as_role("accounts", user_id) as connection:
        await connection.execute("SET LOCAL row_security = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.fetch("SELECT * FROM accounts.accounts")


@pytest.mark.requirement("DB-08", "SEC-12")
async def test_users_see_and_change_only_their_own(as_role: AsRole, user_id: UUID, other_user_id: UUID) -> None:
    async with as_role("accounts", user_id) as connection:
        account = await connection.fetchval(NEW_ACCOUNT, user_id)

        async def become(user: UUID | None) -> None:
            await connection.execute("SELECT set_config('app.user_id', $1, true)", str(user or ""))

        await become(other_user_id)
        assert await connection.fetch("SELECT id FROM accounts.accounts") == []
        assert await connection.execute("UPDATE accounts.accounts SET name = 'Stolen'") == "UPDATE 0"
        assert await connection.execute("DELETE FROM accounts.accounts") == "DELETE 0"
        await become(None)
        assert await connection.fetch("SELECT id FROM accounts.accounts") == []
        await become(user_id)
        assert await connection.fetchval("SELECT id FROM accounts.accounts") == account


@pytest.mark.requirement("SEC-12")
@pytest.mark.parametrize("nobody", [True, False])
async def test_rows_of_another_user_cannot_be_inserted(as_role: AsRole, user_id: UUID, other_user_id: UUID, nobody: bool) -> None:
    async with as_role("accounts", None if nobody else other_user_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security policy"):
            await connection.fetchval(NEW_ACCOUNT, user_id)


async def test_rows_cannot_be_given_to_another_user(as_role: AsRole, user_id: UUID, other_user_id: UUID) -> None:
    async with as_role("accounts", user_id) as connection:
        await connection.fetchval(NEW_ACCOUNT, user_id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security policy"):
            await connection.execute("UPDATE accounts.accounts SET user_id = $1", other_user_id)


async def test_a_transaction_cannot_point_at_another_users_account(as_role: AsRole, user_id: UUID, other_user_id: UUID) -> None:
    insert = """
        INSERT INTO accounts.transactions
            (user_id, id, account_id, transaction_date, amount, currency, description, fingerprint)
        VALUES ($1, gen_random_uuid(), $2, '2026-01-02', -1, 'EUR', '', 'f')
    """
    async with as_role("accounts", user_id) as connection:
        account = await connection.fetchval(NEW_ACCOUNT, user_id)
        await connection.execute("SELECT set_config('app.user_id', $1, true)", str(other_user_id))
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await connection.execute(insert, other_user_id, account)


async def test_identity_functions(as_role: AsRole, user_id: UUID) -> None:
    async with as_role("ingestion", user_id) as connection:
        assert tuple(await connection.fetchrow("SELECT auth.uid(), auth.role()")) == (user_id, "authenticated")
    async with as_role("ingestion", None) as connection:
        assert tuple(await connection.fetchrow("SELECT auth.uid(), auth.role()")) == (None, "anon")
        await connection.execute("SELECT set_config('app.user_id', '', true)")
        assert await connection.fetchval("SELECT auth.uid()") is None
