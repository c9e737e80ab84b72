"""M4 Weekly with its official test set: what SCALE serves, its networks by themselves, and classical models, by GIFT-Eval's two scores.

The networks are trained on M4's own training part, as those with published figures were; what ships has never seen M4. For the back-test on
which the pipeline chooses, the networks are trained once more without the weeks that it asks about.
"""

from __future__ import annotations

import csv
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.running import note
from models.forecaster import pooled, tft
from models.forecaster.baselines import NORMAL
from models.forecaster.candidates import Networks
from models.forecaster.forecast import ORIGINS, Forecaster
from models.forecaster.series import Granularity, Series
from models.forecaster.windows import LEVELS, Quantiles, cut

HORIZON = 13
BACK_TEST = HORIZON + (ORIGINS - 1) * (HORIZON // 2)
"""Weeks that the back-test asks about."""
POOLED = pooled.Shape(window=104, horizon=HORIZON, hidden=256, calendar=False)
POOLED_STEPS, TFT_STEPS = 6000, 500
BANDS = (20, 40, 60, 80)
PUBLISHED = {"naive": "naive", "auto_arima": "auto_arima", "auto_ets": "auto_ets", "tft": "tft", "n_beats": "N-BEATS", "tirex": "TiRex"}
_START = date(1990, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class M4:
    """All weekly series."""

    train: list[NDArray[np.float64]]
    test: NDArray[np.float64]  # [series, HORIZON]

    def before(self, weeks: int) -> M4:
        """As it was so many weeks before."""
        if not weeks:
            return self
        test = np.stack([one[len(one) - weeks :][:HORIZON] for one in self.train])
        return M4([one[: len(one) - weeks] for one in self.train], test)

    @property
    def series(self) -> list[Series]:
        """Without true dates."""
        return [Series(one, _START, Granularity.WEEK) for one in self.train]


def read(data: Path) -> M4:
    """From the competition's two files."""
    train, test = (dict(_rows(data / f"Weekly-{part}.csv")) for part in ("train", "test"))
    return M4(list(train.values()), np.stack([test[name] for name in train]))


def _rows(path: Path) -> Iterable[tuple[str, NDArray[np.float64]]]:
    with path.open(newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for name, *values in rows:
            yield name, np.array([float(value) for value in values if value not in ("", "NA")])


def mase(data: M4, median: NDArray[np.float64]) -> float:
    """Mean absolute error in units of the training part's mean absolute weekly change, as GIFT-Eval counts it: season 1."""
    units = np.array([np.abs(np.diff(one)).mean() for one in data.train])
    return float((np.abs(data.test - median) / units[:, None]).mean())


def weighted_quantile_loss(data: M4, quantiles: Quantiles) -> float:
    """Over 0.1 to 0.9, in units of the sum of all that came."""
    over = data.test[:, :, None] - quantiles
    return float(2 * np.maximum(LEVELS * over, (LEVELS - 1) * over).sum(axis=(0, 1)).mean() / np.abs(data.test).sum())


def figures(data: M4, quantiles: Quantiles) -> dict[str, float]:
    """Both scores, and the share that falls between 0.1 and 0.9."""
    inside = (data.test >= quantiles[:, :, 0]) & (data.test <= quantiles[:, :, -1])
    return {
        "mase": round(mase(data, quantiles[:, :, 4]), 4),
        "wql": round(weighted_quantile_loss(data, quantiles), 5),
        "coverage_80": round(float(inside.mean()), 3),
    }


def networks(data: M4, seed: int = 1) -> Networks:
    """Trained on all of a training part."""
    network = pooled.fit(data.series, POOLED, pooled.Options(POOLED_STEPS, seed=seed))
    note("    pooled network trained")
    shape = tft.Shape()
    transformer = tft.fit(data.series, {Granularity.WEEK: HORIZON}, shape, tft.Options(TFT_STEPS, seed=seed))
    note("    TFT trained")
    return Networks(pooled.Pooled({Granularity.WEEK: network}), tft.Tft(transformer, shape))


def classical(data: M4, model: Callable[[Any], Any]) -> Quantiles:
    """One of statsforecast's models, fitted to each series."""
    from statsforecast import models

    found = []
    for one in data.train:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer = model(models).forecast(y=one, h=HORIZON, level=list(BANDS))
        low = [answer[f"lo-{band}"] for band in reversed(BANDS)]
        found.append(np.stack([*low, answer["mean"], *(answer[f"hi-{band}"] for band in BANDS)], axis=1))
    return np.stack(found)


def naive(data: M4) -> Quantiles:
    """The last value, with bands as wide as the whole history's weekly changes: GIFT-Eval's, whose figures come out again."""
    spread = np.array([np.sqrt((np.diff(one) ** 2).mean()) for one in data.train])[:, None] * np.sqrt(np.arange(1, HORIZON + 1))
    found: Quantiles = np.array([one[-1] for one in data.train])[:, None, None] + spread[:, :, None] * NORMAL
    return found


def published(data: Path) -> dict[str, dict[str, float]]:
    """GIFT-Eval's figures of the same series."""
    found = {}
    for name, file in PUBLISHED.items():
        with (data / f"{file}.csv").open(newline="") as opened:
            for row in csv.DictReader(opened):
                if row["dataset"] == "m4_weekly/W/short":
                    loss = float(row["eval_metrics/mean_weighted_sum_quantile_loss"])
                    found[name] = {"mase": round(float(row["eval_metrics/MASE[0.5]"]), 4), "wql": round(loss, 5)}
    return found


def served(data: M4, now: Networks, before: Networks) -> tuple[Quantiles, dict[str, int]]:
    """What SCALE answers, and the most frequent models."""
    answers = Forecaster("m4", now, rehearsal=before).forecast(data.series, HORIZON)
    counts = Counter(answer.model for answer in answers)
    return np.stack([answer.all_quantiles for answer in answers]), dict(counts.most_common(6))


def measure(folder: Path, *, back: int = 0, arima: bool = True) -> dict[str, Any]:
    """Everything on the official test; with `back`, so many weeks before it, as settings are chosen."""
    data = read(folder / "m4").before(back)
    note(f"M4 Weekly, {len(data.train)} series")
    started = time.process_time()
    before, now = networks(data.before(BACK_TEST)), networks(data)
    trained = time.process_time() - started
    started = time.process_time()
    quantiles, counts = served(data, now, before)
    windows = cut(data.series, [(place, 0) for place in range(len(data.train))], HORIZON)

    def alone(answer: Quantiles) -> dict[str, float]:
        return figures(data, answer * windows.unit[:, None, None])

    result: dict[str, Any] = {
        "series": len(data.train),
        "trained_on": "M4's training part",
        "training_processor_seconds": round(trained, 1),
        "served": figures(data, quantiles) | {"processor_seconds": round(time.process_time() - started, 1)},
        "served_models": counts,
        "naive": figures(data, naive(data)),
    }
    if now.pooled and now.tft:
        result |= {"pooled": alone(now.pooled.predict(windows, HORIZON)), "tft": alone(now.tft.predict(windows, HORIZON))}
    note(f"    {result}")
    models: dict[str, Callable[[Any], Any]] = {"auto_ets": lambda models: models.AutoETS(season_length=1)}
    if arima:
        models["auto_arima"] = lambda models: models.AutoARIMA(season_length=1)
    for name, model in models.items():
        started = time.process_time()
        result[name] = figures(data, classical(data, model)) | {"processor_seconds": round(time.process_time() - started, 1)}
        note(f"    {name}: {result[name]}")
    return result | {
        "published": published(folder / "gift_eval_results"),
        "wanted": {"mase": 2.36, "wql": 0.0494},
        "reaching_for": {"mase": 1.99},
    }
