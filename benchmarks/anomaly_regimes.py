"""Changes of regime as users are told them: how many are found of those in made households, and how many are told of ledgers as they are.

`python -m benchmarks.anomaly_regimes [--households 200] [--seed 0] [--data ../shared/data]`, one JSON line. A household spends about 41 a
day, by a gamma distribution (its spread 0.8 of its mean) with a rhythm of the week, on four days of five, for two years; from a week
between the 54th and the 96th on so many times as much. Found: a change is told whose first day is within four weeks of it.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.anomaly_histories import birmingham
from services.forecasting.anomaly.findings.columns import HISTORY
from services.forecasting.anomaly.regimes import find_regime_changes

TIMES = (0.33, 0.5, 0.67, 1.5, 2.0, 3.0)
_FIRST = date(2024, 1, 1)
_WEEKS = 104
_RHYTHM = (0.8, 0.8, 0.8, 0.9, 1.2, 1.6, 0.9)
_SPREAD = 0.8
_NEAR_DAYS = 28
_DAYS_A_YEAR = 365.25


def household(rng: np.random.Generator, *, week: int = 0, times: float = 1.0) -> pl.DataFrame:
    """A history that changes with this week."""
    days = _WEEKS * 7
    spent = rng.gamma(_SPREAD**-2, 41 * _SPREAD**2, days) * np.tile(_RHYTHM, _WEEKS) * (rng.random(days) < 0.8)
    spent[7 * week :] *= times
    paid = np.flatnonzero(spent >= 0.01).tolist()
    rows = pl.DataFrame({"date": [_FIRST + timedelta(days=day) for day in paid], "spent": [round(float(spent[day]), 2) for day in paid]})
    return rows.select(
        pl.lit("").alias("transaction_id"),
        pl.lit("").alias("account_id"),
        "date",
        (pl.lit(0) - pl.col("spent").cast(pl.Decimal(19, 4))).alias("amount"),
        pl.lit("EUR").alias("currency"),
        *(pl.lit("").alias(name) for name in ("description", "merchant", "category", "primary_category")),
        pl.lit("posted").alias("status"),
        pl.lit(None).alias("create_time"),
    ).cast(HISTORY)  # type: ignore[arg-type]


def measure(data: Path, *, households: int = 200, seed: int = 0) -> dict[str, Any]:
    """Recall by how many times as much is spent, and what is told a year of those that spend as ever and of real cards."""
    rng = np.random.default_rng(seed)
    ever = sum(len(_told(household(rng))) for _ in range(households))
    found: dict[str, float] = {}
    for times in TIMES:
        hits = 0
        for _ in range(households):
            week = int(rng.integers(54, 97))
            since = _FIRST + timedelta(weeks=week)
            hits += any(abs((one.occurred_on - since).days) <= _NEAR_DAYS for one in _told(household(rng, week=week, times=times)))
        found[f"{times:g} times"] = hits / households
    return {"households": households, "found": found, "told_a_year_of_households_as_ever": ever / households} | _cards(data)


def _told(history: pl.DataFrame) -> list[Any]:
    # What changed more than a year ago is not told: a year is looked at.
    return find_regime_changes(history, today=_last(history) + timedelta(days=1))


def _last(history: pl.DataFrame) -> date:
    last = history["date"].max()
    assert isinstance(last, date)
    return last


def _cards(data: Path) -> dict[str, Any]:
    if not data.is_dir():
        return {"cards": f"skipped: no {data}"}
    cards = birmingham(data)
    started = time.process_time()
    told = sum(len(_told(card.rows)) for card in cards)
    spent = time.process_time() - started
    years = sum(min((_last(card.rows) - card.rows["date"].to_list()[0]).days / _DAYS_A_YEAR, 1.0) for card in cards)
    return {"cards": len(cards), "told_a_year_of_cards": told / years, "milliseconds_a_card": 1000 * spent / len(cards)}


def main() -> None:
    """One line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--households", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    asked = parser.parse_args()
    print(json.dumps(measure(asked.data, households=asked.households, seed=asked.seed)))


if __name__ == "__main__":
    main()
