"""Made households by day, week and month, of a seed that nothing was learned from or chosen by: what is served beside each candidate.

They are no users: what this shows is that networks, schedule and mix work by day and month too, for which there is no public data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.forecasting_cards import figures
from benchmarks.running import note
from models.forecaster.candidates import candidates
from models.forecaster.forecast import Forecaster
from models.forecaster.households import households
from models.forecaster.series import Granularity, before
from models.forecaster.windows import cut

HOUSEHOLDS, SEED = 60, 501
HORIZONS = {Granularity.DAY: 30, Granularity.WEEK: 8, Granularity.MONTH: 3}
_LEAST = 20
"""Periods before those held out."""


def measure(forecaster: Forecaster) -> dict[str, Any]:
    """The loss is in units of each series' mean absolute change; `known`: series whose schedule is known."""
    result: dict[str, Any] = {"model": forecaster.version}
    made = households(HOUSEHOLDS, SEED)
    for granularity, horizon in HORIZONS.items():
        long = [one for one in made if one.granularity is granularity and len(one.values) >= horizon + _LEAST]
        for name, scheduled in (("known", True), ("unknown", False)):
            some = [one for one in long if (one.known is not None) == scheduled and np.ptp(one.values[:-horizon]) > 0]
            seen = [before(one, horizon, horizon) for one in some]
            actual = np.stack([one.values[-horizon:] for one in some])
            units = np.array([np.abs(np.diff(one.values)).mean() for one in seen])
            windows = cut(seen, [(place, 0) for place in range(len(seen))], horizon)
            answers = {"served": np.stack([one.all_quantiles for one in forecaster.forecast(seen, horizon)])}
            for one in candidates(forecaster.networks, forecaster.networks, granularity, horizon, thorough=False):
                found = np.nan_to_num(one.predict(windows, horizon)) + windows.to_come[:, :, None]
                answers[one.name] = found * windows.unit[:, None, None]
            scored = {way: figures(actual, quantiles, units) for way, quantiles in answers.items()}
            shown = {way: {key: value for key, value in one.items() if key != "pinball"} for way, one in scored.items()}
            result[f"{granularity.value}_{name}"] = {"series": len(some), **shown}
            note(f"    {granularity.value}, schedule {name}: {result[f'{granularity.value}_{name}']}")
    return result
