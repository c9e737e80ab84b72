"""Trains the networks, from nothing or from those that there are, and says on days held out whether they are better.

Nothing is learned from the latest periods of a series: they are what new and present networks are asked about, and what the back-test of
a forecast asks about later.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.artifact import pack, save
from models.forecaster import pooled, tft
from models.forecaster.backtest import SHORTEST, pinball
from models.forecaster.candidates import Networks
from models.forecaster.forecast import POOLED_FILE, TFT_FILE, Forecaster
from models.forecaster.series import Granularity, Series, before
from models.forecaster.windows import LEVELS, SERVED

HELD_OUT = {Granularity.DAY: 28, Granularity.WEEK: 13, Granularity.MONTH: 3}
"""Of the latest periods of each series."""
SHAPES = {
    Granularity.DAY: pooled.Shape(window=91, horizon=90, hidden=128, centre=28),
    Granularity.WEEK: pooled.Shape(window=52, horizon=26, hidden=128, centre=13),
    Granularity.MONTH: pooled.Shape(window=18, horizon=6, hidden=64, centre=3),
}
TFT_SHAPE = tft.Shape()
TFT_HORIZONS = {Granularity.DAY: 30, Granularity.WEEK: 13, Granularity.MONTH: 6}
_BATCH = {Granularity.DAY: 256, Granularity.WEEK: 512, Granularity.MONTH: 512}

Progress = Callable[[int, int, float], None]
"""Told of each step: its number, how many there are, and its loss. What it raises ends the work."""


@dataclass(frozen=True, slots=True)
class Steps:
    """How long each network is trained."""

    pooled: Mapping[Granularity, int]
    tft: int

    @property
    def total(self) -> int:
        """Of all."""
        return sum(self.pooled.values()) + self.tft


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it."""

    content: bytes
    """A folder of artefacts as `models.artifact.pack` makes it: `unpack` it for `Forecaster.load`."""
    better: bool
    """The new networks forecast the days held out better than the present ones, or than baselines where there are none."""
    metrics: dict[str, float | int]


def train(
    series: Sequence[Series], steps: Steps, *, start: Networks | None = None, seed: int = 1, progress: Progress | None = None
) -> Networks:
    """Networks of all that there is. Of a granularity with too little to learn from, those of `start` stay. Raises ValueError where there
    is too little of everything."""
    start, done = start or Networks(), 0

    def told(number: int, _: int, loss: float) -> None:
        if progress is not None:
            progress(done + number, steps.total, loss)

    networks = dict(start.pooled.networks) if start.pooled else {}
    learned = False
    for granularity, count in steps.pooled.items():
        some = [one for one in series if one.granularity is granularity]
        known = networks.get(granularity)
        shape = known.shape if known else SHAPES[granularity]
        if any(len(one.values) >= pooled.shortest(shape) for one in some):
            options = pooled.Options(count, batch=_BATCH[granularity], seed=seed)
            networks[granularity] = pooled.fit(some, shape, options, start=known, step=told)
            learned = True
        done += count
    if not learned:
        raise ValueError("no history is long enough to learn from")
    shape_of_tft = start.tft.shape if start.tft else TFT_SHAPE
    network = tft.fit(
        series, TFT_HORIZONS, shape_of_tft, tft.Options(steps.tft, seed=seed), start=start.tft.network if start.tft else None, step=told
    )
    return Networks(pooled.Pooled(networks), tft.Tft(network, shape_of_tft))


def fit(
    series: Sequence[Series],
    start_from: Path | None,
    *,
    steps: int,
    seed: int = 1,
    progress: Progress | None = None,
    version: str = "forecaster-trained",
) -> Trained:
    """Learns from users' series, going on from the networks in a folder, if any, with about so many `steps` in all. Raises ValueError where
    there is too little to learn from."""
    present = Forecaster.load(start_from) if start_from is not None else Forecaster()
    kinds = [granularity for granularity in Granularity if any(one.granularity is granularity for one in series)]
    each = max(steps // (2 * max(len(kinds), 1)), 1)
    plan = Steps(dict.fromkeys(kinds, each), max(steps - each * len(kinds), 1))
    long = [one for one in series if len(one.values) >= SHORTEST[one.granularity] + HELD_OUT[one.granularity]]
    networks = train(
        [before(one, HELD_OUT[one.granularity], 0) for one in long], plan, start=present.networks, seed=seed, progress=progress
    )
    loss, coverage = _asked(long, Forecaster(version, networks))
    present_loss, _ = _asked(long, present)
    metrics: dict[str, float | int] = {
        "series": len(long),
        "pinball": round(loss, 5),
        "present_pinball": round(present_loss, 5),
        "coverage_80": round(coverage, 4),
    }
    with tempfile.TemporaryDirectory(prefix="scale-forecaster-") as folder:
        write(Path(folder), version, networks, {"metrics": metrics, "steps": steps, "seed": seed})
        return Trained(pack(Path(folder)), loss < present_loss, metrics)


def write(folder: Path, version: str, networks: Networks, facts: dict[str, Any]) -> None:
    """The artefacts of both networks, in the precision in which they ship."""
    if networks.pooled is None or networks.tft is None:
        raise ValueError("both networks are needed")
    save(folder, version, {POOLED_FILE: networks.pooled.content(), TFT_FILE: networks.tft.content()}, {"training": facts})


def _asked(series: Sequence[Series], forecaster: Forecaster) -> tuple[float, float]:
    """The mean loss of what would be served on the periods held out, in units of each series' mean absolute change, and the coverage of its
    80 % band."""
    losses, inside = [], []
    for granularity, horizon in HELD_OUT.items():
        some = [one for one in series if one.granularity is granularity]
        answers = forecaster.forecast([replace(before(one, horizon, horizon)) for one in some], horizon)
        for one, answer in zip(some, answers, strict=True):
            actual = one.values[-horizon:]
            unit = np.abs(np.diff(one.values[:-horizon])).mean()
            if unit > 0:
                losses.append(pinball(actual[None], answer.quantiles[None], LEVELS[list(SERVED)]).mean() / unit)
                inside.append(np.mean((actual >= answer.quantiles[:, 0]) & (actual <= answer.quantiles[:, 2])))
    return (float(np.mean(losses)), float(np.mean(inside))) if losses else (0.0, 0.0)
