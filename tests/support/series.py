"""Series as users have them."""

from __future__ import annotations

import numpy as np


def weekly(days: int = 365, seed: int = 0, noise: float = 1.0) -> np.ndarray:
    """Spending a day, with the week in it and a little noise."""
    return 50 + 10 * np.sin(np.arange(days) * 2 * np.pi / 7) + np.random.default_rng(seed).normal(0, noise, days)


def household(weeks: int = 104, seed: int = 0) -> np.ndarray:
    """Spending a day: none on many days, a lot on few, more at weekends."""
    dice = np.random.default_rng(seed)
    days = np.arange(weeks * 7)
    spent = np.where(dice.random(len(days)) < 0.3, 0.0, dice.lognormal(3.2, 0.8, len(days)))
    return spent * np.where(days % 7 >= 5, 1.6, 1.0)


def in_weeks(days: np.ndarray) -> np.ndarray:
    """Sums of weeks, as factors of the usual one: what is spent grows by factors."""
    weeks = days.reshape(-1, 7).sum(axis=1)
    return np.log1p(weeks / np.median(weeks))
