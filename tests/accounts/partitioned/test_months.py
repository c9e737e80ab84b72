"""As the worker's role."""

from __future__ import annotations

import pytest

from services.accounts.repository.partitions import PostgresPartitionsRepository
from services.kit.postgres import Database


@pytest.mark.requirement("DB-50")
async def test_the_worker_makes_the_months_that_are_due_once(database: Database) -> None:
    months = PostgresPartitionsRepository(database)
    assert await months.create_monthly_partitions(2) == 0
    assert await months.create_monthly_partitions(4) == 2
    assert await months.create_monthly_partitions(4) == 0
