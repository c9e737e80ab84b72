"""What an account is likely to hold: what is known to come on its days, and around it what its past says of the rest. Pure.

Quantiles of days do not add up to quantiles of a balance, so whole courses are drawn: stretches of the account's own past, two weeks at a
time and each from the same weekday, so that what comes together in life comes together here. Each drawn amount is moved as the model says
that its day differs from the past, at its place among the others. docs/forecasting.md has how often what came lay inside.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.forecasting.domain import Granularity

LEVELS = np.array([0.1, 0.5, 0.9])
COURSES = 1000
RECENT = {Granularity.DAY: 365, Granularity.WEEK: 104, Granularity.MONTH: 36}
"""Periods of the past that stretches are drawn from."""
_STRETCH = {Granularity.DAY: 14, Granularity.WEEK: 4, Granularity.MONTH: 3}
_TURN = {Granularity.DAY: 7, Granularity.WEEK: 1, Granularity.MONTH: 1}
"""A stretch begins so many periods, or a multiple, before what it stands for."""
BELIEVED = 0.25
"""How much of what a model says that a period differs from the past is taken over: chosen with the one below by the benchmark."""
_DRIFT = 0.5
"""How far what an account does on average may move, in standard errors of what it did."""
_SEED = 20_260_101


def cumulated(
    rest: NDArray[np.float64], quantiles: NDArray[np.float64], granularity: Granularity, *, weight: float = BELIEVED
) -> NDArray[np.float64]:
    """Quantiles 0.1, 0.5 and 0.9 [horizon, 3] of the sum of all that is not known to come up to the end of each period.

    `rest` [periods] is what it was in the past, without what was known, `quantiles` [horizon, 3] what a model says of each period for
    itself; `weight` is how much of its difference from the past is believed. The same question has the same answer.
    """
    past, horizon = rest[-RECENT[granularity] :], len(quantiles)
    chance = np.random.default_rng(_SEED)
    taken = _stretches(len(past), horizon, granularity, chance)
    moved = past[taken] + weight * _moves(past, quantiles)[np.arange(horizon), taken]
    moved += chance.standard_normal((COURSES, 1)) * _DRIFT * past.std() / np.sqrt(len(past))
    result: NDArray[np.float64] = np.quantile(np.cumsum(moved, axis=1), LEVELS, axis=0).T
    return np.sort(result, axis=1)


def _stretches(length: int, horizon: int, granularity: Granularity, chance: np.random.Generator) -> NDArray[np.int64]:
    """Which period of the past stands for which one ahead [courses, horizon]."""
    stretch, turn = min(_STRETCH[granularity], length), _TURN[granularity]
    starts = np.arange(length - stretch + 1)
    aligned = starts[(length - starts) % turn == 0]
    starts = aligned if len(aligned) else starts
    count = -(-horizon // stretch)
    drawn = chance.choice(starts, (COURSES, count))
    taken: NDArray[np.int64] = (drawn[:, :, None] + np.arange(stretch)).reshape(COURSES, -1)[:, :horizon]
    return taken


def _moves(past: NDArray[np.float64], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much each period of the past would be another one, were it one of those ahead [horizon, periods]: what the quantiles differ
    by, at its place among the others."""
    ordered = np.sort(past)
    place = (np.searchsorted(ordered, past, "left") + np.searchsorted(ordered, past, "right")) / (2 * len(past))
    differences = quantiles - np.quantile(past, LEVELS)
    return np.stack([np.interp(place, LEVELS, one) for one in differences])
