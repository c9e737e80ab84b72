"""Where forecasts are kept: in memory and on PostgreSQL the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from services.forecasting.domain import (
    BacktestScore,
    Forecast,
    ForecastState,
    Granularity,
    Measure,
    ModelInfo,
    NewForecast,
    Outcome,
    Point,
    Scheduled,
    SeriesSpec,
    Source,
    series_id,
)
from services.forecasting.jobs.domain import Begun, Job, NewJob
from services.forecasting.jobs.repository import PostgresJobsRepository
from services.forecasting.protocols import ForecastsRepository
from services.forecasting.repository import FRESH, PostgresForecastsRepository
from services.kit.postgres import Database
from services.kit.settings import DatabaseSettings
from services.local import LocalSystem
from tests.conftest import AsRole
from tests.support.forecasting_fakes import MAIN, FakeForecastsRepository
from tests.support.forecasting_job_fakes import FakeJobsRepository, new_job

START = date(2026, 5, 4)
RENT = UUID(int=77)
OUTCOME = Outcome(
    history_start=date(2025, 1, 1),
    history_end=date(2026, 5, 3),
    history_period_count=488,
    history_transaction_count=1234,
    data_cutoff_at=datetime(2026, 5, 4, 7, 0, 0, 123456, tzinfo=UTC),
    model="pooled+tft",
    model_version="forecaster-1+abc",
    source=Source.MODEL,
    backtest=(
        BacktestScore("pooled+tft", 0.1 + 0.2, 1e-17, 0.8125, 4, served=True),
        BacktestScore("seasonal_naive", 1e300, 2.5, 1.0, 4, served=False),
    ),
    short_history=True,
    degraded=True,
    degraded_reason="tft.pt is missing",
    points=(
        Point(START, Decimal("-922337203685477.5807"), Decimal("0.0001"), Decimal("922337203685477.5807")),
        Point(START + timedelta(days=1), Decimal("-5.0000"), Decimal("-5.0000"), Decimal("-5.0000")),
    ),
    scheduled=(Scheduled(START, Decimal("-900.0000"), 'Miete "Süd" \\ 🏠', RENT),),
    opening_balance=Decimal("12.3400"),
)


class Store:
    """A repository, with its jobs."""

    def __init__(self, repository: ForecastsRepository, jobs: PostgresJobsRepository | FakeJobsRepository) -> None:
        self.repository = repository
        self.jobs = jobs

    async def begin(self, new: NewJob, asked: NewForecast) -> tuple[Job, Begun]:
        return await self.repository.begin(new, asked, lease_s=60, most_open=3)

    async def kept(self, asked: NewForecast) -> Forecast:
        found = await self.repository.get(asked.user_id, asked.id)
        assert found is not None
        return found

    async def made(self, asked: NewForecast, *, request_id: str = "1", outcome: Outcome = OUTCOME) -> Forecast:
        job, _ = await self.begin(replace(new_job(asked.user_id, request_id=request_id), id=asked.id), asked)
        running = await self.jobs.claim(asked.user_id, job.id, lease_s=60)
        assert running is not None
        assert await self.repository.store(running, asked, outcome)
        return await self.kept(asked)

    async def find_fresh(
        self, asked: NewForecast, version: str = OUTCOME.model_version, *, degraded: bool = True, within_s: float = 60
    ) -> Forecast | None:
        return await self.repository.find_fresh(asked, model=ModelInfo(version, degraded, "", ()), within_s=within_s)


@pytest.fixture
async def database(servers: LocalSystem) -> AsyncIterator[Database]:
    """As the service's own role."""
    opened = Database(servers.service_url("forecasting"), DatabaseSettings(DB_POOL_SIZE=1, DB_MAX_OVERFLOW=4))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        made = FakeForecastsRepository()
        return Store(made, made.jobs)
    database = request.getfixturevalue("database")
    return Store(PostgresForecastsRepository(database), PostgresJobsRepository(database))


def asked_by(user_id: UUID, series: SeriesSpec | None = None, **more: object) -> NewForecast:
    series = series or SeriesSpec(Measure.BALANCE, MAIN, "", "EUR")
    threshold = Decimal("-1.0000") if series.measure is Measure.BALANCE else None
    made = NewForecast(
        new_job(user_id).id,
        user_id,
        series_id(user_id, series),
        series,
        2,
        Granularity.DAY,
        {"a": "ü\n", "b": ""},
        threshold,
    )
    return replace(made, **more)  # type: ignore[arg-type]


async def test_what_was_asked_is_kept_from_the_beginning(store: Store, user_id: UUID) -> None:
    asked = asked_by(user_id)
    job, begun = await store.begin(replace(new_job(user_id), id=asked.id), asked)
    assert begun is Begun.NEW
    found = await store.kept(asked)
    assert found.asked == asked
    assert (found.state, found.outcome, found.generated_at) == (ForecastState.PENDING, None, None)
    assert (found.error_message, found.error_reason, found.created_at) == ("", "", job.created_at)
    other = asked_by(user_id)
    assert await store.begin(replace(new_job(user_id), id=other.id), other) == (job, Begun.REPEATED)
    assert await store.repository.get(user_id, other.id) is None


async def test_what_came_of_it_is_kept_whole_with_the_job_s_success(store: Store, user_id: UUID) -> None:
    asked = asked_by(user_id)
    found = await store.made(asked)
    assert found.outcome == OUTCOME
    assert found.asked == asked
    assert found.state is ForecastState.SUCCEEDED
    assert found.generated_at is not None
    assert (found.below_threshold_date, found.below_threshold_risk_date) == (START + timedelta(days=1), START)


async def test_an_attempt_that_is_over_stores_nothing(store: Store, user_id: UUID) -> None:
    asked = asked_by(user_id)
    job, _ = await store.begin(replace(new_job(user_id), id=asked.id), asked)
    running = await store.jobs.claim(user_id, job.id, lease_s=60)
    assert running is not None
    assert not await store.repository.store(replace(running, attempt=running.attempt + 1), asked, OUTCOME)
    assert (await store.kept(asked)).outcome is None
    assert await store.repository.store(running, asked, OUTCOME)
    assert not await store.repository.store(running, asked, replace(OUTCOME, model="other"))
    assert (await store.kept(asked)).outcome == OUTCOME


async def test_only_what_is_fresh_and_of_the_same_answers(store: Store, user_id: UUID, other_user_id: UUID) -> None:
    asked = asked_by(user_id)
    assert await store.find_fresh(asked) is None
    first = await store.made(asked)
    second = await store.made(asked_by(user_id), request_id="2")
    assert await store.find_fresh(asked_by(user_id)) == second != first
    for other in (
        asked_by(user_id, horizon=3),
        asked_by(user_id, granularity=Granularity.WEEK),
        asked_by(user_id, SeriesSpec(Measure.NET, MAIN, "", "EUR")),
        asked_by(other_user_id),
        # Another user who names my series.
        asked_by(other_user_id, series_id=asked.series_id),
    ):
        assert await store.find_fresh(other) is None
    assert await store.find_fresh(asked, version="forecaster-2") is None
    assert await store.find_fresh(asked, within_s=0) is None
    # Made while models were missing, which are there now.
    assert await store.find_fresh(asked, degraded=False) is None


async def test_a_fresh_one_answers_with_its_figures_and_the_question_s_own(store: Store, user_id: UUID) -> None:
    first = await store.made(asked_by(user_id))
    asked = asked_by(user_id, labels={"other": "1"}, threshold=Decimal("0.0001"))
    new = replace(new_job(user_id, request_id="2"), id=asked.id)
    job, begun = await store.repository.answer(new, asked, first)
    assert (job.id, begun) == (asked.id, Begun.NEW)
    found = await store.kept(asked)
    assert (found.asked, found.outcome, found.generated_at) == (asked, OUTCOME, first.generated_at)
    assert found.state is ForecastState.SUCCEEDED
    assert (found.below_threshold_date, found.below_threshold_risk_date) == (START + timedelta(days=1), START)
    # Twice at once: once.
    other = asked_by(user_id)
    assert await store.repository.answer(replace(new, id=other.id), other, first) == (job, Begun.REPEATED)
    assert await store.repository.get(user_id, other.id) is None


async def test_lists_have_the_newest_first_without_points(store: Store, user_id: UUID, other_user_id: UUID) -> None:
    made = [await store.made(asked_by(user_id), request_id=str(number)) for number in range(3)]
    pending = asked_by(user_id)
    await store.begin(replace(new_job(user_id, request_id="p"), id=pending.id), pending)
    await store.made(asked_by(other_user_id))

    async def listed(state: ForecastState | None = None, before: UUID | None = None, limit: int = 9) -> list[UUID]:
        found = await store.repository.list_forecasts(user_id, state=state, before=before, limit=limit)
        assert all(one.outcome is None or (one.outcome.points, one.outcome.scheduled) == ((), ()) for one in found)
        return [one.asked.id for one in found]

    ids = [pending.id, *(one.asked.id for one in made[::-1])]
    assert await listed() == ids
    assert await listed(limit=2) == ids[:2]
    assert await listed(before=ids[1]) == ids[2:]
    assert await listed(ForecastState.PENDING) == ids[:1]
    assert await listed(ForecastState.SUCCEEDED, before=ids[1], limit=1) == ids[2:3]
    (one,) = await store.repository.list_forecasts(user_id, state=ForecastState.SUCCEEDED, before=None, limit=1)
    assert one == replace(made[2], outcome=replace(OUTCOME, points=(), scheduled=()))


async def test_nobody_else_has_it(store: Store, user_id: UUID, other_user_id: UUID) -> None:
    found = await store.made(asked_by(user_id))
    assert await store.repository.get(other_user_id, found.asked.id) is None
    assert await store.repository.list_forecasts(other_user_id, state=None, before=None, limit=9) == []


async def test_a_ledger_that_changed_makes_what_was_made_before_stale(database: Database, user_id: UUID) -> None:
    store = Store(PostgresForecastsRepository(database), PostgresJobsRepository(database))
    now = await store.repository.now()
    await store.made(asked_by(user_id), outcome=replace(OUTCOME, data_cutoff_at=now))
    for seconds, fresh in ((-1, True), (1, False)):
        async with database.transaction(user_id) as connection:
            await connection.execute(
                "INSERT INTO forecasting.ledgers (user_id, changed_at) VALUES ($1, $2)"
                " ON CONFLICT (user_id) DO UPDATE SET changed_at = excluded.changed_at",
                user_id,
                now + timedelta(seconds=seconds),
            )
        assert (await store.find_fresh(asked_by(user_id)) is not None) is fresh


async def test_quantiles_that_cross_are_refused_by_the_database_too(database: Database, user_id: UUID) -> None:
    store = Store(PostgresForecastsRepository(database), PostgresJobsRepository(database))
    crossed = replace(OUTCOME.points[1], p10=Decimal(1))
    with pytest.raises(asyncpg.CheckViolationError):
        await store.made(asked_by(user_id), outcome=replace(OUTCOME, points=(OUTCOME.points[0], crossed)))


async def test_many_at_once_of_one_request_are_one(store: Store, user_id: UUID) -> None:
    async def one() -> Begun:
        asked = asked_by(user_id)
        return (await store.begin(replace(new_job(user_id), id=asked.id), asked))[1]

    begun = await asyncio.gather(*(one() for _ in range(8)))
    assert sorted(begun) == [Begun.NEW] + [Begun.REPEATED] * 7
    assert len(await store.repository.list_forecasts(user_id, state=None, before=None, limit=9)) == 1


async def test_a_fresh_one_is_found_by_an_index(as_role: AsRole, user_id: UUID) -> None:
    """Judged as the service's own role, under row level security."""
    async with as_role("forecasting", user_id) as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN {FRESH}", user_id, "a" * 32, "day", 30, "v", 300.0, False)
    text = "\n".join(row[0] for row in plan)
    assert "idx_forecasts_series" in text
