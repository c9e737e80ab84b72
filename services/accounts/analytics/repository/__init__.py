"""Figures from PostgreSQL. Each public method is one transaction, as the user whose rows it reads."""

from __future__ import annotations

from services.accounts.analytics.repository.cash_flow import CashFlowRows
from services.accounts.analytics.repository.figures import FigureRows
from services.accounts.analytics.repository.recurring import RecurringRows
from services.kit.cache import Cache
from services.kit.postgres import Database


class PostgresAnalyticsRepository(CashFlowRows, FigureRows, RecurringRows):
    """`AnalyticsRepository` on PostgreSQL; one parent class for each kind of figure."""

    def __init__(self, database: Database, cache: Cache | None = None) -> None:
        """`cache` keeps what may be kept; the database must tell it of every write."""
        self._database = database
        self._keep_figures(cache or Cache(None, name="none"))


__all__ = ["PostgresAnalyticsRepository"]
