"""Figures from PostgreSQL. Each public method is one transaction, as the user whose rows it reads."""

from __future__ import annotations

from services.accounts.analytics.repository.cash_flow import CashFlowRows
from services.kit.postgres import Database


class PostgresAnalyticsRepository(CashFlowRows):
    """`AnalyticsRepository` on PostgreSQL; one parent class for each kind of figure."""

    def __init__(self, database: Database) -> None:
        self._database = database


__all__ = ["PostgresAnalyticsRepository"]
