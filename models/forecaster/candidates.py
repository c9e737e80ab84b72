"""Every way to forecast, with how much it counts before anything is known of a series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.forecaster.baselines import recent, recent_weekday, seasonal_naive
from models.forecaster.classical import auto_ets, croston, exponential_smoothing, theta
from models.forecaster.pooled import Pooled
from models.forecaster.series import Granularity
from models.forecaster.tft import Tft
from models.forecaster.windows import Quantiles, Windows

Predict = Callable[[Windows, int], Quantiles]

SEASONAL_NAIVE = "seasonal_naive"
PRIORS = {
    SEASONAL_NAIVE: 0.05,
    "recent": 1.0,
    "recent_weekday": 1.0,
    "exponential_smoothing": 0.2,
    "pooled": 4.0,
    "tft": 4.0,
    "auto_ets": 0.3,
    "theta": 0.3,
    "croston": 0.3,
}
"""By name; chosen on back-tests of cards (docs/forecasting.md)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to forecast. Its answer is NaN for a window that it has none for."""

    name: str
    predict: Predict
    rehearse: Predict
    """What the back-test asks: the same, or a network that has not learned from the days that are asked about."""
    trained: bool = False

    @property
    def prior(self) -> float:
        """How much it counts before anything is known."""
        return PRIORS[self.name]


@dataclass(frozen=True, slots=True)
class Networks:
    """What has been trained, as far as it is there."""

    pooled: Pooled | None = None
    tft: Tft | None = None


def candidates(networks: Networks, rehearsal: Networks, granularity: Granularity, horizon: int, *, thorough: bool) -> list[Candidate]:
    """All that can be asked so many steps ahead. `thorough`: also those that are fitted to each series."""
    plain: dict[str, Predict] = {SEASONAL_NAIVE: seasonal_naive, "recent": recent}
    if granularity is Granularity.DAY:
        plain["recent_weekday"] = recent_weekday
    plain["exponential_smoothing"] = exponential_smoothing
    if thorough:
        plain |= {"auto_ets": auto_ets, "theta": theta, "croston": croston}
    found = [Candidate(name, predict, predict) for name, predict in plain.items()]
    if networks.pooled and rehearsal.pooled and networks.pooled.reaches(granularity, horizon):
        found.append(Candidate("pooled", networks.pooled.predict, rehearsal.pooled.predict, trained=True))
    if networks.tft and rehearsal.tft:
        found.append(Candidate("tft", networks.tft.predict, rehearsal.tft.predict, trained=True))
    return found
