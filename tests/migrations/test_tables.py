"""The tables' shape and the limits that they enforce themselves."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from tests.conftest import AsRole
from tests.migrations.test_row_security import NEW_ACCOUNT

pytestmark = pytest.mark.usefixtures("servers")

COLUMNS = """
    SELECT column_name::text, data_type::text FROM information_schema.columns
     WHERE table_schema = $1 AND table_name = $2
"""


@pytest.mark.requirement("DB-01", "DB-53")
async def test_transactions_has_the_required_columns(as_role: AsRole) -> None:
    async with as_role("migrator", None) as connection:
        columns = dict(await connection.fetch(COLUMNS, "accounts", "transactions"))
        precision = await connection.fetchrow("""
            SELECT numeric_precision, numeric_scale FROM information_schema.columns
             WHERE table_schema = 'accounts' AND table_name = 'transactions' AND column_name = 'amount'
        """)
    assert tuple(precision) == (19, 4)
    wanted = {
        "id": "uuid", "user_id": "uuid", "account_id": "uuid", "transaction_date": "date", "amount": "numeric",
        "currency": "character", "type": "text", "description": "text", "merchant_name": "text", "category": "text",
        "payment_method": "text", "status": "text", "fingerprint": "text", "raw_data": "jsonb", "note": "text",
        "import_id": "uuid", "import_line": "bigint", "created_at": "timestamp with time zone",
    }  # fmt: skip
    assert wanted.items() <= columns.items()


@pytest.mark.requirement("DB-03")
async def test_uploaded_files_has_the_required_columns(as_role: AsRole) -> None:
    async with as_role("migrator", None) as connection:
        columns = dict(await connection.fetch(COLUMNS, "ingestion", "uploaded_files"))
    wanted = {"id": "uuid", "user_id": "uuid", "file_hash": "text", "filename": "text", "upload_type": "text"}
    assert wanted.items() <= columns.items()
    assert columns["created_at"] == "timestamp with time zone"


@pytest.mark.requirement("DB-02")
async def test_training_jobs_has_the_required_columns(as_role: AsRole) -> None:
    async with as_role("migrator", None) as connection:
        columns = dict(await connection.fetch(COLUMNS, "training", "training_jobs"))
    wanted = {"id": "uuid", "user_id": "uuid", "status": "text", "model_type": "text", "metrics": "jsonb", "checkpoint_path": "text"}
    assert wanted.items() <= columns.items()
    assert columns["created_at"] == columns["updated_at"] == "timestamp with time zone"


@pytest.mark.requirement("DB-04", "DB-05", "DB-06")
async def test_the_other_tables_that_requirements_name_are_there(as_role: AsRole) -> None:
    async with as_role("migrator", None) as connection:
        found = {record[0] for record in await connection.fetch("SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p')")}
    wanted = """
        accounts.categories accounts.user_categories accounts.accounts accounts.budgets categorization.corrections forecasting.anomalies
        forecasting.forecasts training.model_versions training.notifications federation.model_versions federation.rounds
    """
    assert set(wanted.split()) - found == set()


@pytest.mark.requirement("DB-02", "TRN-01")
async def test_a_job_has_no_status_but_the_known_ones(as_role: AsRole, user_id: UUID) -> None:
    insert = """
        INSERT INTO training.training_jobs (user_id, id, request_id, model_type, trigger, in_queue, completed_at, status)
        VALUES ($1, gen_random_uuid(), $2, 'categorizer', 'user', false, now(), $2)
    """
    async with as_role("training", user_id) as connection:
        await connection.execute(insert, user_id, "completed")
        with pytest.raises(asyncpg.CheckViolationError, match="status"):
            await connection.execute(insert, user_id, "training")


@pytest.mark.requirement("DB-54")
async def test_autovacuum_follows_imports_closely(as_role: AsRole) -> None:
    async with as_role("migrator", None) as connection:
        options = await connection.fetchval("SELECT reloptions FROM pg_class WHERE oid = 'accounts.transactions'::regclass")
    assert set(options) == {
        "autovacuum_vacuum_scale_factor=0.05",
        "autovacuum_analyze_scale_factor=0.02",
        "autovacuum_vacuum_cost_delay=2",
    }


REQUIRED_INDEXES = {
    "idx_transactions_user_date": "btree (user_id, transaction_date)",
    "idx_transactions_category": "btree (user_id, category)",
    "idx_transactions_user_fingerprint": "UNIQUE btree (user_id, fingerprint)",
    "idx_transactions_user_merchant": "btree (user_id, merchant_key, transaction_date DESC, id DESC)",
    "idx_transactions_raw_data": "gin (raw_data jsonb_path_ops)",
    "idx_transactions_pagination": "btree (user_id, transaction_date DESC, id DESC)",
    "idx_transactions_user_amount": "btree (user_id, amount)",
    "idx_transactions_category_date": "btree (user_id, category, transaction_date DESC, id DESC)",
    "idx_transactions_pending": "btree (user_id, status, transaction_date DESC, id DESC)",
    "idx_transactions_description_fts": "gin (to_tsvector('english'::regconfig, description))",
    "idx_accounts_user_type_active": "btree (user_id, account_type, is_active)",
}


@pytest.mark.requirement("DB-11", "DB-12", "DB-13", "DB-16", "DB-17", "DB-18", "DB-19", "DB-20", "DB-22", "DB-24", "DB-26")
async def test_required_indexes_exist(as_role: AsRole) -> None:
    async with as_role("migrator", None) as connection:
        found = dict(await connection.fetch("SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'accounts'"))
    for name, definition in REQUIRED_INDEXES.items():
        unique = "UNIQUE " in found[name]
        described = ("UNIQUE " if unique else "") + found[name].partition(" USING ")[2].partition(" WHERE ")[0]
        assert described == definition
    assert "WHERE (category IS NOT NULL)" in found["idx_transactions_category_date"]
    assert "WHERE (status = 'pending'::text)" in found["idx_transactions_pending"]
    assert "WHERE is_active" in found["idx_accounts_user_type_active"]


INSERT = """
    INSERT INTO accounts.transactions
        (user_id, id, account_id, transaction_date, amount, currency, description, merchant_name, category,
         category_source, status, fingerprint)
    VALUES ($1, gen_random_uuid(), $2, '2026-01-02', $3, $4, 'Tea', $5, $6, $7, $8, $9) RETURNING type, merchant_key
"""


@pytest.mark.requirement("ING-13")
async def test_type_follows_the_sign_and_cannot_be_set(as_role: AsRole, user_id: UUID) -> None:
    async with as_role("accounts", user_id) as connection:
        account = await connection.fetchval(NEW_ACCOUNT, user_id)
        debit = (user_id, account, Decimal("-0.0001"), "EUR", "CAFÉ Ärger", None, None, "posted", "1")
        assert tuple(await connection.fetchrow(INSERT, *debit)) == ("debit", "café ärger")
        credit = (user_id, account, Decimal("922337203685477.5807"), "EUR", None, None, None, "posted", "2")
        assert tuple(await connection.fetchrow(INSERT, *credit)) == ("credit", None)
        with pytest.raises(asyncpg.GeneratedAlwaysError):
            await connection.execute("UPDATE accounts.transactions SET type = 'credit'")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount", Decimal(0)),
        ("amount", Decimal("922337203685477.5808")),
        ("currency", "eur"),
        ("category", "income"),
        ("category_source", "user"),
        ("status", "lost"),
    ],
)
async def test_wrong_values_are_refused(as_role: AsRole, user_id: UUID, column: str, value: object) -> None:
    values = {
        "amount": Decimal(-1), "currency": "EUR", "merchant": None, "category": None, "category_source": None,
        "status": "posted", "fingerprint": "1",
    }  # fmt: skip
    async with as_role("accounts", user_id) as connection:
        account = await connection.fetchval(NEW_ACCOUNT, user_id)
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(INSERT, user_id, account, *{**values, column: value}.values())


@pytest.mark.parametrize("value", ["NaN", "922337203685477.5808"])
async def test_an_opening_balance_is_an_amount(as_role: AsRole, user_id: UUID, value: str) -> None:
    async with as_role("accounts", user_id) as connection:
        await connection.fetchval(NEW_ACCOUNT, user_id)
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE accounts.accounts SET opening_balance = $1", Decimal(value))


async def test_a_succeeded_import_must_add_up(as_role: AsRole, user_id: UUID) -> None:
    insert = """
        INSERT INTO ingestion.imports (user_id, id, request_id, request_hash, state, row_count, inserted_count)
        VALUES ($1, gen_random_uuid(), 'r', 'h', 'succeeded', 3, $2)
    """
    async with as_role("ingestion", user_id) as connection:
        await connection.execute(insert, user_id, 3)
    async with as_role("ingestion", user_id) as connection:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(insert, user_id, 2)
