"""The networks that ship: whole, small, and better than plain baselines on households that they have not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.forecaster.backtest import pinball
from models.forecaster.baselines import seasonal_naive
from models.forecaster.forecast import Forecaster
from models.forecaster.households import households
from models.forecaster.series import MAX_HORIZON, Granularity, before
from models.forecaster.windows import cut

ROOM = Path(__file__).resolve().parents[2] / "models" / "forecaster"


@pytest.fixture(scope="module")
def shipped() -> Forecaster:
    return Forecaster.load(ROOM)


def test_what_ships_is_whole_and_small(shipped) -> None:
    assert not shipped.degraded
    assert shipped.version == "forecaster-1"
    assert sum(path.stat().st_size for path in ROOM.glob("*.pt")) < 1_500_000


def test_what_is_served_beats_the_seasonal_naive_forecast_on_the_next_month(shipped) -> None:
    some = [one for one in households(12, seed=1001) if one.granularity is Granularity.DAY and len(one.values) > 200][:25]
    seen = [before(one, 28, 28) for one in some]
    windows = cut(seen, [(place, 0) for place in range(len(seen))], 28)
    naive = (seasonal_naive(windows, 28) + windows.to_come[:, :, None]) * windows.unit[:, None, None]
    served = np.stack([one.all_quantiles for one in shipped.forecast(seen, 28)])
    actual = np.stack([one.values[-28:] for one in some])
    units = np.array([np.abs(np.diff(one.values)).mean() or 1.0 for one in seen])
    losses = [(pinball(actual, quantiles).mean(axis=(1, 2)) / units).mean() for quantiles in (served, naive)]
    assert losses[0] < 0.7 * losses[1]


@pytest.mark.parametrize("granularity", Granularity)
def test_every_horizon_has_an_answer(shipped, granularity) -> None:
    some = [before(one, 0, MAX_HORIZON) for one in households(2, seed=1002) if one.granularity is granularity]
    for found in shipped.forecast(some, MAX_HORIZON):
        assert np.isfinite(found.quantiles).all()
        assert (np.diff(found.quantiles, axis=1) >= 0).all()
        assert not found.degraded
