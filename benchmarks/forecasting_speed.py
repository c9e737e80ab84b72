"""How fast forecasts come: 1,000 users' daily series in one batch beside AutoETS fitted to each, and one long history by itself.

Processor seconds of one thread. AutoETS is fitted to some of the same series in the same run, as it is fitted where it is a candidate: by
statsforecast, with a week as season.
"""

from __future__ import annotations

import time
from datetime import date, timedelta
from typing import Any

import numpy as np

from benchmarks.running import note
from models.forecaster.classical import auto_ets
from models.forecaster.forecast import Forecaster, Spent
from models.forecaster.households import households
from models.forecaster.series import Granularity, Series
from models.forecaster.windows import cut

USERS, DAYS, HORIZON = 1000, 365, 30
FITTED = 200
ROWS, ROWS_A_DAY = 10_000, 7
_SEED = 20


def users(count: int) -> list[Series]:
    """A year of days of so many made households, none of which anything has learned from."""
    found: list[Series] = []
    seed = _SEED
    while len(found) < count:
        some = [one for one in households(100, seed) if one.granularity is Granularity.DAY and one.kind == "total"]
        found += [Series(one.values[-DAYS:], one.start, Granularity.DAY, one.country) for one in some if len(one.values) >= DAYS]
        seed += 1
    return found[:count]


def batch(forecaster: Forecaster) -> dict[str, Any]:
    """All users at once, with the share of each stage, and AutoETS."""
    series = users(USERS)
    forecaster.forecast(series[:10], HORIZON)  # imports and first calls are no part of it
    spent: Spent = {}
    started = time.process_time()
    forecaster.forecast(series, HORIZON, spent=spent)
    seconds = time.process_time() - started
    windows = cut(series, [(place, 0) for place in range(FITTED)], HORIZON)
    auto_ets(windows.take(np.arange(3)), HORIZON)
    started = time.process_time()
    auto_ets(windows, HORIZON)
    each = (time.process_time() - started) / FITTED
    return {
        "users": USERS,
        "days": DAYS,
        "horizon": HORIZON,
        "processor_seconds": round(seconds, 2),
        "milliseconds_each": round(seconds / USERS * 1e3, 2),
        "stages_share": {name: round(one / seconds, 3) for name, one in sorted(spent.items(), key=lambda one: -one[1])},
        "auto_ets_milliseconds_each": round(each * 1e3, 2),
        "times_as_fast": round(each * USERS / seconds, 1),
        "wanted": {"times_as_fast": 5},
    }


def single(forecaster: Forecaster) -> dict[str, Any]:
    """One history of 10,000 rows by day, with every candidate, those that are fitted to it included."""
    chance = np.random.default_rng(_SEED)
    values = np.zeros(ROWS // ROWS_A_DAY)
    np.add.at(values, chance.integers(len(values), size=ROWS), -chance.gamma(1.5, 20, ROWS))
    series = Series(values, date(2026, 9, 30) - timedelta(days=len(values)), Granularity.DAY, "GB")
    result: dict[str, Any] = {"rows": ROWS, "days": len(values)}
    for horizon in (30, 90):
        forecaster.forecast([series], horizon, thorough=True)
        started, wall = time.process_time(), time.perf_counter()
        forecaster.forecast([series], horizon, thorough=True)
        result[f"horizon_{horizon}"] = {
            "processor_seconds": round(time.process_time() - started, 3),
            "seconds": round(time.perf_counter() - wall, 3),
        }
    return result | {"wanted": {"seconds": 2}}


def measure(forecaster: Forecaster) -> dict[str, Any]:
    """Both."""
    result = {"model": forecaster.version, "batch": batch(forecaster), "single": single(forecaster)}
    note(f"    {result}")
    return result
