"""What forecasting needs from what lies around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.forecasting.domain import (
    BacktestScore,
    Forecast,
    ForecastState,
    Granularity,
    Home,
    LedgerAccount,
    LedgerCategory,
    ModelInfo,
    NewForecast,
    Outcome,
    Recurring,
    Source,
)
from services.forecasting.jobs.domain import Begun, Job, NewJob

DAILY_SUMS: dict[str, Any] = {
    "date": pl.Date,
    "account_id": pl.String,
    "category": pl.String,
    "primary_category": pl.String,
    "currency": pl.String,
    "received": pl.Decimal(38, 4),
    "spent": pl.Decimal(38, 4),
    "transaction_count": pl.Int64,
}
"""The columns of `Ledger.daily_sums`. Both sums are positive; texts are empty where there is none."""

TRANSACTIONS: dict[str, Any] = {
    "transaction_id": pl.String,
    "account_id": pl.String,
    "date": pl.Date,
    "amount": pl.Decimal(19, 4),
    "currency": pl.String,
    "description": pl.String,
    "merchant": pl.String,
    "category": pl.String,
    "primary_category": pl.String,
    "status": pl.String,
    "create_time": pl.Datetime("us", "UTC"),
}
"""The columns of `Ledger.transactions`; texts are empty where there is none."""


class Ledger(Protocol):
    """The caller's ledger, wherever it is. Every method raises Unavailable when it cannot be reached."""

    async def daily_sums(
        self,
        *,
        account_id: UUID | None = None,
        category: str = "",
        currency: str = "",
        date_from: date | None = None,
        include_transfers: bool = False,
    ) -> pl.DataFrame:
        """Sums by day, account, category and currency with the columns of `DAILY_SUMS`, by day. A primary category has all below it."""

    async def transactions(
        self, *, account_id: UUID | None = None, date_from: date | None = None, include_transfers: bool = False
    ) -> pl.DataFrame:
        """Every transaction with the columns of `TRANSACTIONS`, the oldest first."""

    async def account(self, account_id: UUID) -> LedgerAccount:
        """One account. Raises NotFound."""

    async def balance(self, account_id: UUID, currency: str, *, on: date) -> Decimal:
        """What an account held at the end of a day in one currency; 0 where it never held any."""

    async def recurring_payments(self) -> Sequence[Recurring]:
        """Payments and income that come again and again, those that have ended included."""

    async def categories(self) -> Sequence[LedgerCategory]:
        """All that the caller may use."""

    async def home(self) -> Home:
        """What the caller's profile says of where it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What a model is asked about."""

    values: NDArray[np.float64]  # [periods]
    start: date
    """First day of the first period."""
    granularity: Granularity
    country: str
    known: NDArray[np.float64] | None  # [periods + horizon]
    """What recurring payments come to in each period, those ahead included; None for nothing known."""
    kind: str
    """`total`, `account` or `category`."""
    foreseen: Callable[[int], tuple[NDArray[np.float64], NDArray[np.float64]]] | None = None
    """What was said of the periods after so many: the schedule [horizon], and what may come of it [ways, horizon]."""


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """What it says."""

    quantiles: NDArray[np.float64]  # [horizon, 3]
    """0.1, 0.5 and 0.9, in this order."""
    model: str
    model_version: str
    source: Source
    backtest: Sequence[BacktestScore]
    """The best first; empty for a short history."""
    short_history: bool
    degraded: bool
    reason: str
    """Why it is degraded."""
    processor_s: float


class Models(Protocol):
    """Knows what forecasts are made with."""

    def info(self) -> ModelInfo:
        """What answers now."""


class Predictor(Protocol):
    """Holds the models of this process."""

    async def predict(self, figures: Figures, horizon: int) -> Predicted:
        """What is likely to come, off the event loop."""


class ForecastsRepository(Protocol):
    """Where forecasts are kept, each with the job that makes it. Each method is one transaction of one user."""

    async def begin(self, new: NewJob, asked: NewForecast, *, lease_s: float, most_open: int) -> tuple[Job, Begun]:
        """Records what was asked, and its job: as `jobs.repository.begin` says."""

    async def find_fresh(self, asked: NewForecast, *, model: ModelInfo, within_s: float) -> Forecast | None:
        """The latest forecast of the same series, horizon and granularity that was made by these models within so many seconds, of a ledger
        that is not known to have changed since. A degraded one only while they are degraded."""

    async def answer(self, new: NewJob, asked: NewForecast, fresh: Forecast) -> tuple[Job, Begun]:
        """Records what was asked together with what a fresh forecast says, and a job that is done: NEW, or REPEATED as `begin`."""

    async def store(self, running: Job, asked: NewForecast, outcome: Outcome) -> bool:
        """Stores what came of it, and that its job is done; False when the attempt is over, and nothing was stored."""

    async def get(self, user_id: UUID, forecast_id: UUID) -> Forecast | None:
        """One forecast."""

    async def list_forecasts(self, user_id: UUID, *, state: ForecastState | None, before: UUID | None, limit: int) -> Sequence[Forecast]:
        """The newest first, from the one after `before` on; without points and scheduled payments."""

    async def now(self) -> datetime:
        """The database's clock."""
