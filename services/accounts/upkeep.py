"""Puts the ledger's worker together: what it holds from its first task to its end."""

from __future__ import annotations

from services.accounts.analytics.refresh import FiguresRefresh
from services.accounts.analytics.repository.refresh import PostgresFiguresRepository
from services.accounts.edits.expiry import EditsExpiry
from services.accounts.edits.repository.expired import PostgresExpiredEdits
from services.accounts.months import MonthsAhead
from services.accounts.repository.partitions import PostgresPartitionsRepository
from services.accounts.settings import AccountsSettings, AccountsWorkerSettings
from services.kit.cache import Cache
from services.kit.postgres import Database
from services.kit.worker_app import WorkerApp

CATEGORY_LISTS = "cat"
"""The cache in which categorization keeps each user's categories (cache:cat:<user>). Whoever changes those drops it."""


def open_cache(settings: AccountsSettings | AccountsWorkerSettings, *, name: str = "accounts") -> Cache:
    """A cache that several processes share; by default that of service and worker."""
    return Cache(settings.cache_address, name=name, key=settings.cache_secret)


class AccountsWorkerApp(WorkerApp[AccountsWorkerSettings]):
    """What the ledger's upkeep needs."""

    def __init__(self, settings: AccountsWorkerSettings) -> None:
        # One task at a time.
        few = settings.model_copy(update={"pool_size": 1, "max_overflow": 1})
        self.database = Database(settings.database_url.get_secret_value(), few)
        self._cache = open_cache(settings)
        self.figures = FiguresRefresh(
            PostgresFiguresRepository(self.database, refresh_timeout_s=settings.refresh_timeout_s), forget=self._cache.drop_all
        )
        self.expiry = EditsExpiry(PostgresExpiredEdits(self.database, statement_timeout_s=settings.bulk_statement_timeout_s))
        self.months = MonthsAhead(PostgresPartitionsRepository(self.database))

    async def release(self) -> None:
        """See `WorkerApp`."""
        await self._cache.close()
