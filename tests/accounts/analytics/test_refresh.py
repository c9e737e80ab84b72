"""When figures are made anew: by rule, in PostgreSQL, and by a real worker that the clock woke."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from services.accounts.analytics.refresh import PAUSE_FACTOR, FiguresRefresh
from services.accounts.analytics.repository.refresh import _MAY_REFRESH, PostgresFiguresRepository
from services.accounts.schedule import REFRESH_FIGURES, SCHEDULE, UPKEEP
from services.accounts.settings import AccountsWorkerSettings
from services.accounts.upkeep import open_cache
from services.kit.errors import DeadlineExceeded
from services.kit.postgres import Database
from services.kit.queue import TaskQueue
from services.local import LocalSystem
from tests.conftest import AsRole
from tests.migrations.test_figures import fill
from tests.support.worker_process import HANGS_AFTER_S, WorkerProcess


async def _nobody(user_ids: Collection[UUID]) -> None:
    return None


class FakeFigures:
    """The repository's answers, to set by hand."""

    def __init__(self) -> None:
        self.may, self.changed, self.refreshes = True, None, 0  # type: bool, list[UUID] | None, int

    async def may_refresh(self, pause_factor: int) -> bool:
        return self.may

    async def refresh_figures(self) -> list[UUID] | None:
        self.refreshes += 1
        return self.changed


async def test_those_whose_changes_went_in_are_forgotten(user_id: UUID) -> None:
    forgotten: list[Collection[UUID]] = []

    async def forget(user_ids: Collection[UUID]) -> None:
        forgotten.append(user_ids)

    figures = FakeFigures()
    refresh = FiguresRefresh(figures, forget=forget)
    for changed in (None, [], [user_id]):
        figures.changed = changed
        await refresh.refresh_figures()
    assert (figures.refreshes, forgotten) == (3, [[user_id]])
    figures.may = False
    await refresh.refresh_figures()
    assert figures.refreshes == 3


async def test_one_that_is_not_done_in_time_is_followed_by_a_pause_too() -> None:
    now = [0.0]

    class TooLong(FakeFigures):
        async def refresh_figures(self) -> list[UUID] | None:
            now[0] += 300
            await super().refresh_figures()
            raise DeadlineExceeded("The database took too long.", reason="DB_STATEMENT_TIMEOUT")

    figures = TooLong()
    refresh = FiguresRefresh(figures, forget=_nobody, clock=lambda: now[0])
    with pytest.raises(DeadlineExceeded):
        await refresh.refresh_figures()
    for _ in range(PAUSE_FACTOR * 20 - 1):
        now[0] += 15
        await refresh.refresh_figures()
    assert figures.refreshes == 1
    now[0] += 15
    with pytest.raises(DeadlineExceeded):
        await refresh.refresh_figures()


@pytest.mark.requirement("ACC-07")
def test_the_clock_asks_often_enough_for_figures_that_are_a_minute_old_at_most() -> None:
    """C-19, ACC-07: with the default schedule; what a refresh every five minutes or at night would do is done by then."""
    (every,) = (entry for entry in SCHEDULE if entry.task == REFRESH_FIGURES)
    assert every.seconds <= 15
    assert every.queue == UPKEEP


async def test_a_long_refresh_is_followed_by_a_longer_pause(as_role: AsRole) -> None:
    async with as_role("migrator", None) as connection:
        for ago_s, took_s, may in ((5, 1, True), (5, 2, False), (11, 2, True), (3000, 1000, False)):
            await connection.execute(
                "UPDATE accounts.figures SET made_at = now() - $1::interval, took = $2",
                timedelta(seconds=ago_s),
                timedelta(seconds=took_s) / await connection.fetchval("SELECT count(*) FROM accounts.figures"),
            )
            assert await connection.fetchval(_MAY_REFRESH, PAUSE_FACTOR) is may
        await connection.execute("DELETE FROM accounts.figures")
        assert await connection.fetchval(_MAY_REFRESH, PAUSE_FACTOR) is True


async def test_the_repository_says_whose_changes_went_in(servers: LocalSystem, database: Database, user_id: UUID) -> None:
    connection = await asyncpg.connect(servers.service_url("accounts"))
    await fill(connection, user_id)
    await connection.close()
    repository = PostgresFiguresRepository(database, refresh_timeout_s=30)
    assert isinstance(await repository.may_refresh(PAUSE_FACTOR), bool)
    assert user_id in (await repository.refresh_figures() or ())
    assert await repository.refresh_figures() == []


def _settings(servers: LocalSystem) -> AccountsWorkerSettings:
    urls = {"SCALE_REDIS_URL": servers.redis_url, "database_url": servers.service_url("accounts")}
    return AccountsWorkerSettings.model_validate({**urls, "SCALE_CACHE_KEY": "secret"})


@pytest.mark.requirement("ACC-12", "ING-22")
async def test_the_worker_makes_figures_anew_and_drops_what_was_cached(
    servers: LocalSystem, user_id: UUID, other_user_id: UUID, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(servers.service_url("accounts"))
    await fill(connection, user_id)
    cache, asked = open_cache(_settings(servers)), list[UUID]()

    @cache.cached()
    async def ask(user_id: UUID) -> int:
        asked.append(user_id)
        return len(asked)

    for user in (user_id, other_user_id, user_id, other_user_id):
        await ask(user)
    assert asked == [user_id, other_user_id]

    environment = {
        "SCALE_ENVIRONMENT": "development",
        "SCALE_REDIS_URL": servers.redis_url,
        "SCALE_CACHE_KEY": "secret",
        "SCALE_ACCOUNTS_DATABASE_URL": servers.service_url("accounts"),
    }
    worker = WorkerProcess(environment, tmp_path, "services.accounts.worker")
    tasks = TaskQueue(servers.redis_url, services=["accounts"])
    worker.start()
    try:
        worker.wait_until_ready()
        async with asyncio.timeout(HANGS_AFTER_S):
            # Again now and then: one that follows a long refresh too soon does nothing.
            for round_number in itertools.count():
                if await connection.fetchval("SELECT count(*) FROM accounts.category_stats"):
                    break
                if round_number % 40 == 0:
                    await tasks.enqueue(REFRESH_FIGURES, [], queue=UPKEEP)
                await asyncio.sleep(0.05)
            # The drop follows the commit.
            while asked[-1] != user_id:
                await ask(user_id)
                await asyncio.sleep(0.02)
        await ask(other_user_id)
        assert asked == [user_id, other_user_id, user_id]
        assert worker.stop() == 0
        assert '"event":"figures made anew"' in worker.log.read_text()
    finally:
        worker.kill()
        await tasks.close()
        await cache.close()
        await connection.close()
