"""What forecasts need around them, in memory: a ledger, where they are kept, and a predictor that says what it is told."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import uuid_utils.compat

from services.forecasting.domain import (
    BacktestScore,
    Forecast,
    ForecastState,
    Home,
    LedgerAccount,
    LedgerCategory,
    ModelInfo,
    NewForecast,
    Outcome,
    RecurrencePeriod,
    RecurrenceStatus,
    Recurring,
    Source,
    below,
)
from services.forecasting.history import of_category
from services.forecasting.jobs.domain import Begun, Job, NewJob
from services.forecasting.protocols import DAILY_SUMS, TRANSACTIONS, Figures, Predicted
from services.kit.errors import NotFound, Unavailable
from tests.support.forecasting_job_fakes import FakeJobsRepository

MAIN, OTHER = UUID(int=1), UUID(int=2)
"""Accounts."""


@dataclass
class FakeLedger:
    """`Ledger` of one user, with EUR accounts."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    recurring: list[Recurring] = field(default_factory=list)
    opening: Decimal = Decimal(0)
    country: str = "GB"
    time_zone: str = "UTC"
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def add(
        self,
        day: date,
        amount: str | Decimal,
        *,
        account: UUID = MAIN,
        category: str = "",
        primary: str = "",
        currency: str = "EUR",
        name: str = "Shop",
        status: str = "posted",
        transfer: bool = False,
    ) -> UUID:
        """One transaction."""
        made = uuid_utils.compat.uuid7()
        self.rows.append(
            {
                "transaction_id": str(made),
                "account_id": str(account),
                "date": day,
                "amount": Decimal(amount),
                "currency": currency,
                "description": f"CARD {name}",
                "merchant": name,
                "category": category,
                "primary_category": primary or category,
                "status": status,
                "create_time": datetime(2026, 1, 1, tzinfo=UTC),
                "transfer": transfer,
            }
        )
        return made

    def add_monthly(self, first: date, count: int, amount: str, name: str, next_date: date, **more: object) -> Recurring:
        """A payment that came so many times, and goes on."""
        days = [first] + [_months_after(first, number) for number in range(1, count)]
        ids = [self.add(day, amount, name=name, **more) for day in days]  # type: ignore[arg-type]
        known = monthly(amount, next_date, name=name, first=first, last=days[-1], ids=ids[-12:][::-1])
        self.recurring.append(known)
        return known

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.down:
            raise Unavailable("The ledger is away.", reason="UPSTREAM_UNAVAILABLE")

    def _frame(self, account_id: UUID | None, date_from: date | None, include_transfers: bool) -> pl.DataFrame:
        rows = pl.DataFrame(self.rows, schema={**TRANSACTIONS, "transfer": pl.Boolean})
        if not include_transfers:
            rows = rows.filter(~pl.col("transfer"))
        if account_id is not None:
            rows = rows.filter(pl.col("account_id") == str(account_id))
        return rows.filter(pl.col("date") >= (date_from or date.min)).sort("date", "transaction_id").drop("transfer")

    async def daily_sums(
        self,
        *,
        account_id: UUID | None = None,
        category: str = "",
        currency: str = "",
        date_from: date | None = None,
        include_transfers: bool = False,
    ) -> pl.DataFrame:
        """See `Ledger`."""
        self._ask("daily_sums")
        rows = of_category(self._frame(account_id, date_from, include_transfers), category).filter(pl.col("status") == "posted")
        if currency:
            rows = rows.filter(pl.col("currency") == currency)
        amount = pl.col("amount").cast(pl.Decimal(38, 4))
        sums = rows.group_by(list(DAILY_SUMS)[:5], maintain_order=True).agg(
            amount.filter(amount > 0).sum().alias("received"),
            (-amount.filter(amount < 0).sum()).alias("spent"),
            pl.len().alias("transaction_count"),
        )
        return sums.cast(pl.Schema(DAILY_SUMS))

    async def transactions(
        self, *, account_id: UUID | None = None, date_from: date | None = None, include_transfers: bool = False
    ) -> pl.DataFrame:
        """See `Ledger`."""
        self._ask("transactions")
        return self._frame(account_id, date_from, include_transfers)

    async def account(self, account_id: UUID) -> LedgerAccount:
        """See `Ledger`."""
        self._ask("account")
        if account_id not in (MAIN, OTHER):
            raise NotFound(f"There is no account {account_id}.", reason="ACCOUNT_NOT_FOUND")
        return LedgerAccount(account_id, "Current", "EUR")

    async def balance(self, account_id: UUID, currency: str, *, on: date) -> Decimal:
        """See `Ledger`."""
        self._ask("balance")
        rows = self._frame(account_id, None, include_transfers=True).filter(
            (pl.col("status") == "posted") & (pl.col("currency") == currency) & (pl.col("date") <= on)
        )
        return self.opening + sum(rows["amount"].to_list(), Decimal(0))

    async def recurring_payments(self) -> Sequence[Recurring]:
        """See `Ledger`."""
        self._ask("recurring")
        return self.recurring

    async def categories(self) -> Sequence[LedgerCategory]:
        """See `Ledger`."""
        self._ask("categories")
        return [
            LedgerCategory("groceries", "groceries"),
            LedgerCategory("groceries_supermarket", "groceries"),
            LedgerCategory("rent", "housing"),
        ]

    async def home(self) -> Home:
        """See `Ledger`."""
        self._ask("home")
        return Home(self.country, ZoneInfo(self.time_zone))


def monthly(
    amount: str,
    next_date: date | None,
    *,
    name: str = "Rent",
    period: RecurrencePeriod = RecurrencePeriod.MONTHLY,
    first: date = date(2025, 1, 1),
    last: date = date(2026, 1, 1),
    ids: Sequence[UUID] = (),
    status: RecurrenceStatus = RecurrenceStatus.ACTIVE,
    category: str = "",
    account: UUID = MAIN,
) -> Recurring:
    """A recurring payment, as the ledger tells it."""
    value = Decimal(amount)
    return Recurring(
        id=uuid_utils.compat.uuid7(),
        merchant=name,
        credit=value > 0,
        period=period,
        amount_min=value,
        amount_max=value,
        last_amount=value,
        currency="EUR",
        first_date=first,
        last_date=last,
        next_date=next_date,
        status=status,
        account_id=account,
        transaction_ids=tuple(ids),
        category=category,
    )


def _months_after(day: date, count: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return date(year, month + 1, min(day.day, 28))


@dataclass
class FakePredictor:
    """`Predictor` that says the last value, 10 less and 10 more; every figure that it was asked about is kept."""

    version: str = "forecaster-test+1"
    degraded: bool = False
    asked: list[Figures] = field(default_factory=list)

    def info(self) -> ModelInfo:
        """See `Predictor`."""
        return ModelInfo(self.version, self.degraded, "no files" if self.degraded else "", ("pooled", "seasonal_naive"))

    async def predict(self, figures: Figures, horizon: int) -> Predicted:
        """See `Predictor`."""
        self.asked.append(figures)
        last = float(figures.values[-1])
        return Predicted(
            quantiles=np.tile([last - 10, last, last + 10], (horizon, 1)),
            model="pooled+recent",
            model_version=self.version,
            source=Source.BASELINE if self.degraded else Source.MODEL,
            backtest=(
                BacktestScore("pooled+recent", 0.75, 3.5, 0.8, 4, served=True),
                BacktestScore("seasonal_naive", 1.25, 6.125, 0.9, 4, served=False),
            ),
            short_history=len(figures.values) < 28,
            degraded=self.degraded,
            reason=self.info().reason,
            processor_s=0.001,
        )


@dataclass
class FakeForecastsRepository:
    """`ForecastsRepository`."""

    jobs: FakeJobsRepository = field(default_factory=FakeJobsRepository)
    kept: dict[tuple[UUID, UUID], Forecast] = field(default_factory=dict)
    changed: dict[UUID, datetime] = field(default_factory=dict)
    """When users' ledgers did."""

    async def begin(self, new: NewJob, asked: NewForecast, *, lease_s: float, most_open: int) -> tuple[Job, Begun]:
        """See `ForecastsRepository`."""
        job, begun = await self.jobs.begin(new, lease_s=lease_s, most_open=most_open)
        if begun in (Begun.NEW, Begun.NEW_BEHIND):
            self._keep(asked, None, None)
        return job, begun

    async def find_fresh(self, asked: NewForecast, *, model: ModelInfo, within_s: float) -> Forecast | None:
        """See `ForecastsRepository`."""
        since = self.jobs.now - timedelta(seconds=within_s)
        found = [
            one
            for (user_id, _), one in self.kept.items()
            if (user_id, one.asked.series_id, one.asked.granularity, one.asked.horizon)
            == (asked.user_id, asked.series_id, asked.granularity, asked.horizon)
            and one.outcome is not None
            and one.outcome.model_version == model.version
            and (model.degraded or not one.outcome.degraded)
            and one.generated_at is not None
            and one.generated_at > since
            and one.outcome.data_cutoff_at > self.changed.get(user_id, datetime.min.replace(tzinfo=UTC))
        ]
        latest = max(found, key=lambda one: (one.generated_at or since, one.asked.id), default=None)
        return await self.get(asked.user_id, latest.asked.id) if latest is not None else None

    async def answer(self, new: NewJob, asked: NewForecast, fresh: Forecast) -> tuple[Job, Begun]:
        """See `ForecastsRepository`."""
        job, begun = await self.jobs.record_done(new)
        if begun is Begun.NEW:
            self._keep(asked, fresh.outcome, fresh.generated_at)
        return job, begun

    async def store(self, running: Job, asked: NewForecast, outcome: Outcome) -> bool:
        """See `ForecastsRepository`."""
        if not await self.jobs.succeed(running):
            return False
        self._keep(asked, outcome, self.jobs.now)
        return True

    def _keep(self, asked: NewForecast, outcome: Outcome | None, generated_at: datetime | None) -> None:
        likely, risk = None, None
        if outcome is not None and asked.threshold is not None:
            likely, risk = below(outcome.points, asked.granularity, asked.threshold)
        self.kept[asked.user_id, asked.id] = Forecast(
            asked, ForecastState.PENDING, "", "", self.jobs.now, outcome, generated_at, likely, risk
        )

    async def get(self, user_id: UUID, forecast_id: UUID) -> Forecast | None:
        """See `ForecastsRepository`."""
        found, job = self.kept.get((user_id, forecast_id)), await self.jobs.get(user_id, forecast_id)
        if found is None or job is None:
            return None
        return dataclasses.replace(
            found, state=ForecastState(job.state.value), error_message=job.error_message, error_reason=job.error_reason
        )

    async def list_forecasts(self, user_id: UUID, *, state: ForecastState | None, before: UUID | None, limit: int) -> Sequence[Forecast]:
        """See `ForecastsRepository`."""
        ids = sorted((one for owner, one in self.kept if owner == user_id and (before is None or one < before)), reverse=True)
        found = [one for forecast_id in ids if (one := await self.get(user_id, forecast_id)) and state in (None, one.state)]
        return [dataclasses.replace(one, outcome=_short(one.outcome)) for one in found[:limit]]

    async def now(self) -> datetime:
        """See `ForecastsRepository`."""
        return self.jobs.now


def _short(outcome: Outcome | None) -> Outcome | None:
    return dataclasses.replace(outcome, points=(), scheduled=()) if outcome is not None else None
