"""The nouns and errors of forecasting."""

from __future__ import annotations

import calendar
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from services.kit.errors import FailedPrecondition, ScaleError, invalid

UNCATEGORIZED = "uncategorized"
"""As a category: transactions that have none."""
MOST_PERIODS = 90


class RecurrencePeriod(StrEnum):
    """How often something comes again."""

    WEEKLY = "weekly"
    BIWEEKLY = "biweekly"
    FOUR_WEEKLY = "four_weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"


class RecurrenceStatus(StrEnum):
    """Where a recurring payment stands."""

    ACTIVE = "active"
    OVERDUE = "overdue"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Recurring:
    """A payment, or income, that comes again and again, as the ledger tells it."""

    id: UUID
    merchant: str
    credit: bool
    """Whether it is income."""
    period: RecurrencePeriod
    amount_min: Decimal
    """Signed, as the two below."""
    amount_max: Decimal
    last_amount: Decimal
    currency: str
    first_date: date
    last_date: date
    next_date: date | None
    """When the next one is expected, or should have come; None for what has ended."""
    status: RecurrenceStatus
    account_id: UUID
    """Of the latest one."""
    transaction_ids: tuple[UUID, ...]
    """The latest ones, the newest first."""
    category: str = ""
    """Of the latest one; empty when it has none."""


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    """One of the user's accounts."""

    id: UUID
    name: str
    currency: str


@dataclass(frozen=True, slots=True)
class LedgerCategory:
    """One of the categories that the user may use."""

    slug: str
    primary_slug: str
    """Equal to `slug` for a primary one."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where the user lives, as far as the profile tells."""

    country: str
    """ISO 3166-1, for public holidays; empty where the locale names none."""
    time_zone: ZoneInfo


class Measure(StrEnum):
    """What is counted of the transactions of a period."""

    SPENT = "spent"
    """As a positive amount."""
    RECEIVED = "received"
    NET = "net"
    """Received less spent."""
    BALANCE = "balance"
    """What an account holds at the end of the period."""


class Granularity(StrEnum):
    """Length of a period."""

    DAY = "day"
    WEEK = "week"
    """Monday to Sunday."""
    MONTH = "month"


class ForecastState(StrEnum):
    """Where a forecast stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Source(StrEnum):
    """What answered."""

    MODEL = "model"
    """A learned model, alone or in a mean with others."""
    BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class SeriesSpec:
    """Which figures of the ledger."""

    measure: Measure = Measure.SPENT
    account_id: UUID | None = None
    category: str = ""
    """A slug, a primary one with all below it; empty for all."""
    currency: str = ""
    """Empty only in a question."""


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants to know."""

    series: SeriesSpec
    horizon: int
    granularity: Granularity
    labels: Mapping[str, str]
    threshold: Decimal | None = None
    threshold_currency: str = ""
    anew: bool = False
    """Even where a fresh forecast is kept."""


@dataclass(frozen=True, slots=True)
class NewForecast:
    """A forecast to make: nothing is left open."""

    id: UUID
    user_id: UUID
    series_id: str
    series: SeriesSpec
    horizon: int
    granularity: Granularity
    labels: Mapping[str, str]
    threshold: Decimal | None
    """Of a balance, and of nothing else."""


@dataclass(frozen=True, slots=True)
class BacktestScore:
    """How one candidate did where the outcome is known."""

    model: str
    mase: float
    """Mean absolute error of the median, in units of the mean change from one period to the next."""
    pinball: float
    """Mean over the three quantiles, in units of the series."""
    coverage: float
    """Share of outcomes between p10 and p90."""
    origins: int
    served: bool
    """It is part of what was served."""


@dataclass(frozen=True, slots=True)
class Point:
    """One period ahead."""

    period_start: date
    p10: Decimal
    p50: Decimal
    p90: Decimal


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A payment, or income, that is known to come."""

    payment_date: date
    amount: Decimal
    """Signed."""
    merchant: str
    recurring_id: UUID


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a question, and from what."""

    history_start: date
    history_end: date
    """Both days inclusive."""
    history_period_count: int
    """Those without a payment included."""
    history_transaction_count: int
    data_cutoff_at: datetime
    """By the database's clock: what the ledger held then went into it."""
    model: str
    model_version: str
    source: Source
    backtest: Sequence[BacktestScore]
    """The best first."""
    short_history: bool
    degraded: bool
    degraded_reason: str
    points: Sequence[Point]
    """One for each period of the horizon; none in lists."""
    scheduled: Sequence[Scheduled] = ()
    opening_balance: Decimal | None = None
    """Of a balance: at the end of the history."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast, with all that it was asked with and made from."""

    asked: NewForecast
    state: ForecastState
    error_message: str
    error_reason: str
    created_at: datetime
    outcome: Outcome | None = None
    generated_at: datetime | None = None
    """When the figures were made; earlier than `created_at` where a fresh one answered."""
    below_threshold_date: date | None = None
    """Of a balance: the first day on which it is more likely than not below the threshold."""
    below_threshold_risk_date: date | None = None
    """The first on which it is in one case of ten."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What answers, and whether it is whole."""

    version: str
    degraded: bool
    reason: str
    candidates: Sequence[str]


def series_id(user_id: UUID, series: SeriesSpec) -> str:
    """The stable name of a series that leaves nothing open."""
    account = series.account_id.hex if series.account_id is not None else ""
    parts = (user_id.hex, account, series.category, series.currency, series.measure.value)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def request_hash(question: Question) -> bytes:
    """The same for the same question, however its labels are ordered."""
    series, threshold = question.series, question.threshold
    parts = [
        str(series.account_id or ""),
        series.category,
        series.currency,
        series.measure.value,
        str(question.horizon),
        question.granularity.value,
        f"{threshold.normalize():f} {question.threshold_currency}" if threshold is not None else "",
        str(question.anew),
    ]
    return hashlib.sha256(json.dumps([parts, sorted(question.labels.items())]).encode()).digest()


def period_start(day: date, granularity: Granularity) -> date:
    """The first day of the period that a day is in."""
    if granularity is Granularity.MONTH:
        return day.replace(day=1)
    return day - timedelta(days=day.weekday() if granularity is Granularity.WEEK else 0)


def period_end(start: date, granularity: Granularity) -> date:
    """The last day of the period that begins on a day."""
    if granularity is Granularity.MONTH:
        return start.replace(day=calendar.monthrange(start.year, start.month)[1])
    return start + timedelta(days=6 if granularity is Granularity.WEEK else 0)


def below(points: Sequence[Point], granularity: Granularity, threshold: Decimal) -> tuple[date | None, date | None]:
    """The last day of the first period after which a balance is more likely than not below the threshold, and of the first in one case of
    ten."""
    likely = (period_end(one.period_start, granularity) for one in points if one.p50 < threshold)
    risk = (period_end(one.period_start, granularity) for one in points if one.p10 < threshold)
    return next(likely, None), next(risk, None)


def no_history(why: str) -> ScaleError:
    """There is nothing to go by."""
    return FailedPrecondition(f"There is nothing to forecast from: {why}.", reason="NO_HISTORY")


def unknown_category(slug: str) -> ScaleError:
    """A slug that the ledger does not know."""
    return invalid("series.category", f"{slug!r} is none of your categories; list them to see which there are")
