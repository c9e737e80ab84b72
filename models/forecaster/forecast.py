"""Forecasts of many series at once: every candidate asked at earlier days and today, mixed by what that shows, with bands that hold."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.artifact import ArtifactError, Manifest, load, read_manifest
from models.forecaster.backtest import SHORTEST, Score, by_series, changes, origins, pinball, scores
from models.forecaster.candidates import SEASONAL_NAIVE, Candidate, Networks, candidates
from models.forecaster.choice import bands, mix, prefer_alone, weigh
from models.forecaster.pooled import Pooled
from models.forecaster.series import MAX_HORIZON, Granularity, Series, checked
from models.forecaster.tft import Tft
from models.forecaster.windows import SERVED, Quantiles, Windows, cut, truth

BASELINE_VERSION = "baselines-1"
POOLED_FILE, TFT_FILE = "pooled.pt", "tft.pt"
ORIGINS = 4

_UNFIT = (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError, ImportError)

Spent = dict[str, float]
"""Processor seconds by stage, added to."""


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Of one series."""

    quantiles: NDArray[np.float64]
    """[horizon, 3]: 0.1, 0.5 and 0.9 of each period to come, in this order."""
    all_quantiles: NDArray[np.float64]
    """[horizon, 9]: 0.1, 0.2 and so on to 0.9."""
    model: str
    """What is served: the name of one way to forecast, or of several, those that count most first, with + between them."""
    model_version: str
    backtest: tuple[Score, ...]
    """What is served and every candidate, on this series; empty where the history is too short for it."""
    short_history: bool
    degraded: bool
    """Trained networks are missing: `reason` says why."""
    reason: str


class Forecaster:
    """All ways to forecast. Holds no state of a request: many threads may ask at once."""

    def __init__(
        self, version: str = BASELINE_VERSION, networks: Networks | None = None, *, rehearsal: Networks | None = None, reason: str = ""
    ) -> None:
        """`rehearsal`: networks without what the latest days have taught, for the back-test of series that `networks` have learned from.
        `reason`: why a network is missing that should be there, "" where none is."""
        self.version = version
        self.reason = reason
        self.networks = networks or Networks()
        self._rehearsal = rehearsal or self.networks

    @classmethod
    def load(cls, folder: Path) -> Forecaster:
        """Reads a folder of artefacts. Where one is missing, damaged or does not fit, the others answer, `degraded`."""
        try:
            manifest = read_manifest(folder)
        except ArtifactError as error:
            return cls(reason=str(error))
        reasons: list[str] = []
        networks = Networks(_pooled(manifest, reasons), _tft(manifest, reasons))
        version = manifest.version if networks.pooled or networks.tft else BASELINE_VERSION
        return cls(version, networks, reason="; ".join(reasons))

    def to(self, device: torch.device) -> Forecaster:
        """Its networks compute there from now on; what is fitted to each series stays with the processor. Returns itself."""
        for networks in (self.networks, self._rehearsal):
            for network in (networks.pooled, networks.tft):
                if network is not None:
                    network.to(device)
        return self

    @property
    def degraded(self) -> bool:
        """Whether something that should be there does not answer."""
        return bool(self.reason)

    def forecast(self, series: Sequence[Series], horizon: int, *, thorough: bool = False, spent: Spent | None = None) -> list[Forecast]:
        """One forecast for each series, in their order. `thorough` also asks what has to be fitted to each series; that takes tenths of a
        second for each. Raises ValueError, which says where, for a horizon or a series that cannot be."""
        if not 1 <= horizon <= MAX_HORIZON:
            raise ValueError(f"a horizon of {horizon} periods; give 1 to {MAX_HORIZON}")
        found: dict[int, Forecast] = {}
        places: defaultdict[Granularity, list[int]] = defaultdict(list)
        series = [checked(one, horizon, place) for place, one in enumerate(series)]
        for place, one in enumerate(series):
            places[one.granularity].append(place)
        for granularity, some in places.items():
            asked = candidates(self.networks, self._rehearsal, granularity, horizon, thorough=thorough)
            part = _Part([series[place] for place in some], horizon, asked, {} if spent is None else spent)
            found |= zip(some, part.forecasts(self), strict=True)
        return [found[place] for place in range(len(series))]


def _pooled(manifest: Manifest, reasons: list[str]) -> Pooled | None:
    try:
        return Pooled.of(load(manifest, POOLED_FILE))
    except (ArtifactError, *_UNFIT) as error:
        reasons.append(_said(manifest.folder / POOLED_FILE, error))
        return None


def _tft(manifest: Manifest, reasons: list[str]) -> Tft | None:
    try:
        return Tft.of(load(manifest, TFT_FILE))
    except (ArtifactError, *_UNFIT) as error:
        reasons.append(_said(manifest.folder / TFT_FILE, error))
        return None


def _said(path: Path, error: Exception) -> str:
    return str(error) if isinstance(error, ArtifactError) else f"{path} holds no network that this version knows: {error}"


class _Part:
    """Series of one granularity."""

    def __init__(self, series: Sequence[Series], horizon: int, asked: Sequence[Candidate], spent: Spent) -> None:
        self._series = series
        self._horizon = horizon
        self._candidates = asked
        self._spent = spent

    def forecasts(self, by: Forecaster) -> list[Forecast]:
        """All of them."""
        count = len(self._series)
        with self._stage("windows"):
            asked = origins(self._series, self._horizon, ORIGINS)
            windows = cut(self._series, [*asked.rows, *((place, 0) for place in range(count))], self._horizon)
            actual = truth(self._series, asked.rows, self._horizon)
            stretch = windows.stretch * windows.unit[:, None, None]
        answers = np.stack([self._answered(one, windows, len(asked.rows)) for one in self._candidates])
        with self._stage("back-test"):
            offered = self._offered(answers, np.concatenate([asked.owner, np.arange(count)]))
            answers = np.nan_to_num(answers)
            past, now = answers[:, : len(asked.rows)], answers[:, len(asked.rows) :]
            losses = np.stack([by_series(pinball(actual, one).mean(axis=2), asked) for one in past], axis=1)
        with self._stage("choice"):
            short = np.array([len(one.values) < SHORTEST[one.granularity] for one in self._series])
            weights = weigh(losses, np.array([one.prior for one in self._candidates]), offered)
            weights[short] = [one.name == SEASONAL_NAIVE for one in self._candidates]
            mixed = by_series(pinball(actual, mix(weights[asked.owner], past)).mean(axis=2), asked)
            prefer_alone(weights, losses, offered & [not one.trained for one in self._candidates], mixed)
            served = mix(weights[asked.owner], past)
            width = bands(actual, served, asked.owner, count, stretch[: len(asked.rows)])
            result = _kept_to_sign(np.sort(width.apply(mix(weights, now), stretch[len(asked.rows) :]), axis=2), self._series)
        with self._stage("back-test"):
            names = [self._name(row) for row in weights]
            units = changes(self._series, asked)
            of_served = scores("", units, actual, served, asked)
            table = [scores(one.name, units, actual, past[place], asked) for place, one in enumerate(self._candidates)]
            shown = [[column[place] for column, yes in zip(table, offered[place], strict=True) if yes] for place in range(count)]
        return [
            Forecast(
                np.ascontiguousarray(result[place][:, SERVED]),
                result[place],
                names[place],
                by.version,
                _backtest(names[place], of_served[place], shown[place]),
                bool(short[place]),
                by.degraded,
                by.reason,
            )
            for place in range(count)
        ]

    def _answered(self, candidate: Candidate, windows: Windows, past: int) -> Quantiles:
        """In the series' own units; `past` windows are of the back-test, the rest of today."""
        with self._stage(candidate.name):
            if candidate.rehearse == candidate.predict or not past:
                found = candidate.predict(windows, self._horizon)
            else:
                places = np.arange(len(windows))
                parts = ((candidate.rehearse, places[:past]), (candidate.predict, places[past:]))
                found = np.concatenate([predict(windows.take(some), self._horizon) for predict, some in parts])
            # What a network says may cross.
            return (np.sort(found + windows.to_come[:, :, None], axis=2) + windows.stretch) * windows.unit[:, None, None]

    @staticmethod
    def _offered(answers: NDArray[np.float64], owner: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether a candidate had an answer each time it was asked about a series [series, candidates]."""
        found = np.ones((int(owner.max()) + 1, len(answers)), np.bool_)
        for place, one in enumerate(answers):
            found[owner[np.isnan(one).any(axis=(1, 2))], place] = False
        return found

    def _name(self, weights: NDArray[np.float64]) -> str:
        return "+".join(self._candidates[place].name for place in np.argsort(-weights, kind="stable") if weights[place] > 0)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self._spent[name] = self._spent.get(name, 0.0) + time.process_time() - started


def _backtest(name: str, served: Score | None, others: Sequence[Score | None]) -> tuple[Score, ...]:
    if served is None:
        return ()
    own = Score(name, served.mase, served.pinball, served.coverage_80, served.origins)
    return (own, *(one for one in others if one is not None and one.model != name))


def _kept_to_sign(quantiles: Quantiles, series: Sequence[Series]) -> Quantiles:
    """Where money only ever came in, none goes out, and the other way round."""
    for place, one in enumerate(series):
        seen = one.values if one.known is None else np.concatenate([one.values, one.known])
        if len(seen) and seen.min() >= 0:
            np.maximum(quantiles[place], 0.0, out=quantiles[place])
        elif len(seen) and seen.max() <= 0:
            np.minimum(quantiles[place], 0.0, out=quantiles[place])
    return quantiles
