"""How well balances are forecast: `python -m benchmarks.forecasting_balance` (a minute or two). Accounts of a real bank (Berka), each asked
at three days of the past, with only what was known on them, by the code that serves: recurring payments found and placed, the rest forecast
by the models and drawn in whole courses. What was held at the end of each day says how good that was.

One line: the mean pinball loss of the three quantiles, in what moves on the account in a month, and how often the balance lay inside p10 to
p90, over all days and on the last; beside it without placing what recurs, with none and with all of what the models say, and a normal walk.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.anomaly_histories import berka, recurring_of
from benchmarks.running import note
from models.forecaster import series as of_models
from models.forecaster.forecast import Forecaster
from services.forecasting.domain import Granularity, Measure, SeriesSpec
from services.forecasting.foresight import place
from services.forecasting.history import make_history, periods_ahead
from services.forecasting.projection import BELIEVED, LEVELS, cumulated
from services.forecasting.recurring import of_series

ORIGINS, APART_DAYS = 3, 30
LEAST_DAYS, LEAST_ROWS = 180, 30
HORIZONS = (30, 90)
_END = date(1994, 3, 31)
"""The file is cut off there."""
_ACCOUNT = SeriesSpec(Measure.BALANCE, UUID(int=1), "", "CZK")

Floats = NDArray[np.float64]


class Asked(NamedTuple):
    """One account at one day."""

    net: Floats  # [days]
    known: Floats  # [days]
    ahead: Floats  # [horizon]
    came: Floats  # [horizon]
    start: date
    today: date


def asked(data: Path, horizon: int) -> list[Asked]:
    """All accounts with enough behind them, at each day that they are asked."""
    found: list[Asked] = []
    for one in berka(data):
        for number in range(ORIGINS):
            today = _END - timedelta(days=horizon + number * APART_DAYS - 1)
            past = one.rows.filter(pl.col("date") < today)
            if len(past) >= LEAST_ROWS and (today - past["date"][0]).days >= LEAST_DAYS:
                found.append(_at(one.rows, past, today, horizon))
    return found


def _at(rows: pl.DataFrame, past: pl.DataFrame, today: date, horizon: int) -> Asked:
    # It is known that nothing happened up to this day: the bank's own file goes on.
    known_until = pl.DataFrame(
        {"date": [today - timedelta(days=1)], "account_id": ["-"]}, schema={"date": pl.Date, "account_id": pl.String}
    )
    amount = pl.col("amount").cast(pl.Decimal(38, 4))
    sums = past.group_by("date", "account_id", "category", "primary_category", "currency").agg(
        amount.filter(amount > 0).sum().alias("received"),
        (-amount.filter(amount < 0).sum()).alias("spent"),
        pl.len().cast(pl.Int64).alias("transaction_count"),
    )
    history = make_history(pl.concat([sums, known_until], how="diagonal"), _ACCOUNT, Granularity.DAY, today=today)
    starts = periods_ahead(history.next_start, horizon, Granularity.DAY)
    known = place(of_series(recurring_of(past, today), _ACCOUNT, {}), past, history, starts, Measure.BALANCE)
    came = np.zeros(horizon)
    for day, value in rows.filter(pl.col("date").is_between(starts[0], starts[-1])).select("date", "amount").iter_rows():
        came[(day - starts[0]).days] += float(value)
    return Asked(history.values, known.past, known.ahead, came, history.start, today)


def forecast(forecaster: Forecaster, values: list[Floats], starts: list[date], horizon: int) -> list[Floats]:
    """What the models say of each day [horizon, 3]."""
    series = [
        of_models.Series(one, start, of_models.Granularity.DAY, "CZ", None, "account") for one, start in zip(values, starts, strict=True)
    ]
    return [one.quantiles for one in forecaster.forecast(series, horizon)]


def judged(all_asked: list[Asked], held: Callable[[int], Floats]) -> dict[str, object]:
    """Errors of what is said of the sum up to each day [horizon, 3]."""
    loss, inside = [], []
    for number, one in enumerate(all_asked):
        quantiles, came = held(number), np.cumsum(one.came)[:, None]
        over = came - quantiles
        month = np.abs(one.net).sum() / len(one.net) * APART_DAYS + 1
        loss.append(np.maximum(LEVELS * over, (LEVELS - 1) * over).mean(axis=1) / month)
        inside.append((came[:, 0] >= quantiles[:, 0] - 1e-6) & (came[:, 0] <= quantiles[:, 2] + 1e-6))
    losses, covered = np.array(loss), np.array(inside)
    days = [one.today for one in all_asked]
    return {
        "pinball": round(float(losses.mean()), 4),
        "pinball_last_day": round(float(losses[:, -1].mean()), 4),
        "coverage_80": round(float(covered.mean()), 3),
        "coverage_80_last_day": round(float(covered[:, -1].mean()), 3),
        "coverage_80_asked_on": {str(day): round(float(covered[[one == day for one in days]].mean()), 3) for day in sorted(set(days))},
    }


def measure(data: Path, models: Path, horizon: int) -> dict[str, object]:
    """All ways beside each other."""
    note(f"reading accounts, {horizon} days ahead")
    all_asked = asked(data, horizon)
    forecaster = Forecaster.load(models)
    starts = [one.start for one in all_asked]
    note(f"forecasting {len(all_asked)} times")
    rest = [one.net - one.known for one in all_asked]
    of_rest = forecast(forecaster, rest, starts, horizon)
    of_all = forecast(forecaster, [one.net for one in all_asked], starts, horizon)
    placed = [np.cumsum(one.ahead)[:, None] for one in all_asked]
    days = np.arange(1, horizon + 1)[:, None]

    def served(number: int, believed: float = BELIEVED) -> Floats:
        found: Floats = placed[number] + cumulated(rest[number], of_rest[number], Granularity.DAY, weight=believed)
        return found

    def walk(number: int) -> Floats:
        net = all_asked[number].net
        found: Floats = net.mean() * days + np.array([-1.2815515655, 0, 1.2815515655]) * net.std() * np.sqrt(days)
        return found

    return {
        "asked": len(all_asked),
        "model_version": forecaster.version,
        "served": judged(all_asked, served),
        "models_not_believed": judged(all_asked, lambda number: served(number, 0.0)),
        "models_believed_wholly": judged(all_asked, lambda number: served(number, 1.0)),
        "nothing_placed": judged(all_asked, lambda number: cumulated(all_asked[number].net, of_all[number], Granularity.DAY)),
        "normal_walk": judged(all_asked, walk),
        "wanted": {"coverage_80": [0.75, 0.85]},
    }


def main() -> int:
    """Prints one line; 1 where a band covers too little or too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with accounts/berka")
    parser.add_argument("--models", type=Path, default=Path("models/forecaster"), help="folder with the models")
    options = parser.parse_args()
    found: dict[str, Any] = {f"days_{horizon}": measure(options.data, options.models, horizon) for horizon in HORIZONS}
    print(json.dumps(found))
    return int(not all(0.75 <= one["served"]["coverage_80"] <= 0.85 for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
