"""Classical forecasts. Simple exponential smoothing is fitted to all windows in one step; AutoETS, Theta and Croston's way to each by
itself, by statsforecast, which takes tens of milliseconds each."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.forecaster.baselines import NORMAL, RECENT, recent
from models.forecaster.series import Granularity
from models.forecaster.windows import LEVELS, Quantiles, Windows

_ALPHAS = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0])
_SEASON = {Granularity.DAY: 7, Granularity.WEEK: 1, Granularity.MONTH: 1}
_WEEKS_OF_SEASON = 13
_DOUBT = 4.0
"""Weeks for which a weekday is thought to be like the others."""
_BANDS = (20, 40, 60, 80)
_INTERMITTENT = 0.4
"""The share of periods without anything from which on Croston's way is asked."""
_LARGEST_RATIO = 5.0


def exponential_smoothing(windows: Windows, horizon: int) -> Quantiles:
    """A level that follows the values, as fast as would have been best, and by day what weekdays differ by."""
    context = windows.values.shape[1]
    period = _SEASON[windows.granularity]
    season = _season(windows.values, period)
    values = windows.values - season[:, (np.arange(context) - context) % period]
    level, error, alpha, steps = _smoothed(values)
    ahead = np.arange(horizon)
    spread = np.sqrt(error / np.maximum(steps, 1))[:, None] * np.sqrt(1 + ahead * alpha[:, None] ** 2)
    middle = level[:, None] + season[:, ahead % period]
    return middle[:, :, None] + spread[:, :, None] * NORMAL


def _season(values: NDArray[np.float64], period: int) -> NDArray[np.float64]:
    """What each place of a season differs by [n, period]; the first is that of the next value."""
    if period == 1:
        return np.zeros((len(values), 1))
    latest = values[:, -period * _WEEKS_OF_SEASON :].reshape(len(values), -1, period)
    known = (~np.isnan(latest)).sum(axis=1)
    total = np.where(np.isnan(latest), 0.0, latest).sum(axis=1)
    mean = total.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    return (total - known * mean) / (known + _DOUBT)


def _smoothed(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The last level, the sum of squared one-step errors, and the best alpha of each window [n], with the number of steps."""
    level = np.full((len(values), len(_ALPHAS)), np.nan)
    errors = np.zeros_like(level)
    for value in values.T:
        begins = np.isnan(level[:, 0]) & ~np.isnan(value)
        level[begins] = value[begins, None]
        over = np.where(np.isnan(value)[:, None], 0.0, value[:, None] - level)
        over = np.where(np.isnan(level), 0.0, over)
        errors += over**2
        level = level + _ALPHAS * over
    best = np.argmin(errors, axis=1)
    rows = np.arange(len(values))
    return np.nan_to_num(level[rows, best]), errors[rows, best], _ALPHAS[best], np.maximum((~np.isnan(values)).sum(axis=1) - 1, 0)


def auto_ets(windows: Windows, horizon: int) -> Quantiles:
    """Exponential smoothing whose form is chosen for each window."""
    return _fitted(windows, horizon, lambda models, season: models.AutoETS(season_length=season))


def theta(windows: Windows, horizon: int) -> Quantiles:
    """The standard Theta method."""
    return _fitted(windows, horizon, lambda models, season: models.Theta(season_length=season))


def _fitted(windows: Windows, horizon: int, make: Callable[[Any, int], Any]) -> Quantiles:
    """Not offered, NaN, for a window that it cannot be fitted to."""
    from statsforecast import models

    found = np.full((len(windows), horizon, len(LEVELS)), np.nan)
    season = _SEASON[windows.granularity]
    for row, length in enumerate(windows.lengths):
        values = windows.values[row, windows.values.shape[1] - length :]
        if length <= 2 * season or not np.ptp(values):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answer = make(models, season).forecast(y=values, h=horizon, level=list(_BANDS))
        except (ValueError, ZeroDivisionError, FloatingPointError, np.linalg.LinAlgError, RuntimeError, IndexError):
            continue
        low = [answer[f"lo-{band}"] for band in reversed(_BANDS)]
        found[row] = np.stack([*low, answer["mean"], *(answer[f"hi-{band}"] for band in _BANDS)], axis=1)
    found[~np.isfinite(found).all(axis=(1, 2))] = np.nan
    return found


def croston(windows: Windows, horizon: int) -> Quantiles:
    """For money that moves now and then, one way only: recent quantiles, as much larger or smaller as Croston's rate (Syntetos and Boylan's
    form) is than the recent mean. Not offered, NaN, for anything else."""
    from statsforecast.models import CrostonSBA

    plain = recent(windows, horizon)
    found = np.full_like(plain, np.nan)
    latest = windows.values[:, -max(RECENT[windows.granularity]) :]
    for row, length in enumerate(windows.lengths):
        values = windows.values[row, windows.values.shape[1] - length :]
        one_way = length > 0 and (values.min() >= 0 or values.max() <= 0) and np.any(values != 0)
        if one_way and np.mean(values == 0) >= _INTERMITTENT:
            rate = float(CrostonSBA().forecast(y=np.abs(values), h=1)["mean"][0])
            mean = float(np.nanmean(np.abs(latest[row])))
            found[row] = plain[row] * (min(rate / mean, _LARGEST_RATIO) if mean > 0 else 1.0)
    return found
