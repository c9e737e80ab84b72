"""Weekly spend of Birmingham's purchase cards with at least 365 purchases, the last 13 weeks held out: quantile loss and coverage of
what ships beside seasonal naive and AutoETS.

Held out are each card's own last weeks, and, beside it, the file's last ones, in which some cards are silent. What ships has learned from
neither.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.running import note
from models.forecaster.backtest import pinball
from models.forecaster.baselines import seasonal_naive
from models.forecaster.classical import auto_ets
from models.forecaster.corpus import HELD_OUT_WEEKS, Purchase, last_complete_week, purchases, series_of
from models.forecaster.forecast import Forecaster
from models.forecaster.series import Granularity, Series, period_number
from models.forecaster.windows import LEVELS, SERVED, Quantiles, cut

LEAST_PURCHASES = 365


def cards(data: Path, *, own: bool, weeks_before: int = 0) -> list[Series]:
    """Spend by week, positive, of each card: to its own last week, or to that of the file; `weeks_before` leaves out so many at the end."""
    rows = purchases(data)
    end = last_complete_week(rows)
    parts: defaultdict[str, list[Purchase]] = defaultdict(list)
    for row in rows:
        parts[row.card].append(row)
    found = []
    for card in sorted(parts):
        if len(parts[card]) >= LEAST_PURCHASES:
            last = min(max(period_number(row.day, Granularity.WEEK) for row in parts[card]), end) if own else end
            one = series_of(parts[card], Granularity.WEEK, last)
            weeks = last - period_number(one.start, Granularity.WEEK) + 1 - weeks_before
            if weeks >= 2 * HELD_OUT_WEEKS:
                found.append(replace(one, values=-one.values[:weeks]))
    return found


def figures(actual: NDArray[np.float64], quantiles: Quantiles, units: NDArray[np.float64]) -> dict[str, float]:
    """Mean loss over 0.1, 0.5 and 0.9, in pounds and in units of each card's mean absolute weekly change; coverage of the 80 % band."""
    loss = pinball(actual, quantiles[:, :, SERVED], LEVELS[list(SERVED)])
    inside = (actual >= quantiles[:, :, 0]) & (actual <= quantiles[:, :, -1])
    return {
        "pinball": round(float(loss.mean()), 2),
        "scaled_pinball": round(float((loss / units[:, None, None]).mean()), 4),
        "coverage_80": round(float(inside.mean()), 4),
    }


def compare(forecaster: Forecaster, series: Sequence[Series], *, thorough: bool) -> dict[str, Any]:
    """What is served beside the baselines and the networks alone, on the last 13 weeks of each series."""
    weeks = HELD_OUT_WEEKS
    seen = [replace(one, values=one.values[:-weeks]) for one in series]
    actual = np.stack([one.values[-weeks:] for one in series])
    units = np.array([np.abs(np.diff(one.values)).mean() for one in seen]) + 1e-9
    windows = cut(seen, [(place, 0) for place in range(len(seen))], weeks)
    started = time.process_time()
    answers = forecaster.forecast(seen, weeks, thorough=thorough)
    spent = time.process_time() - started
    ways = {
        "seasonal_naive_1": seasonal_naive(windows, weeks, season=1),
        "seasonal_naive_52": seasonal_naive(windows, weeks, season=52),
        "auto_ets": auto_ets(windows, weeks),
    }
    networks = forecaster.networks
    if networks.pooled:
        ways["pooled"] = networks.pooled.predict(windows, weeks)
    if networks.tft:
        ways["tft"] = networks.tft.predict(windows, weeks)
    result: dict[str, Any] = {
        "cards": len(series),
        "served": figures(actual, np.stack([one.all_quantiles for one in answers]), units) | {"processor_seconds": round(spent, 1)},
        "served_models": dict(Counter(one.model for one in answers).most_common(6)),
    }
    for name, found in ways.items():
        result[name] = figures(actual, np.nan_to_num(found) * windows.unit[:, None, None], units)
    naive = min(result["seasonal_naive_1"]["pinball"], result["seasonal_naive_52"]["pinball"])
    result["of_better_seasonal_naive"] = round(result["served"]["pinball"] / naive, 4)
    result["of_auto_ets"] = round(result["served"]["pinball"] / result["auto_ets"]["pinball"], 4)
    return result


def measure(data: Path, forecaster: Forecaster, *, weeks_before: int = 0, thorough: bool = True) -> dict[str, Any]:
    """Both ways to hold out. `weeks_before`: so many weeks earlier, as settings are chosen."""
    result: dict[str, Any] = {"model": forecaster.version, "degraded": forecaster.reason}
    for name, own in (("own_last_weeks", True), ("files_last_weeks", False)):
        result[name] = compare(forecaster, cards(data, own=own, weeks_before=weeks_before), thorough=thorough)
        note(f"    {name}: {result[name]}")
    return result | {"wanted": {"of_better_seasonal_naive": 0.9, "of_auto_ets": 1.0, "coverage_80": [0.75, 0.85]}}
