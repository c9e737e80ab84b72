"""The one forecaster of a worker: loaded in a thread, asked in another, replaced while it answers. Without artefacts it has its baselines,
and says so."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import structlog

from models.devices import DeviceName, device_of
from services.forecasting.domain import BacktestScore, Granularity, ModelInfo, Source
from services.forecasting.model_folder import ModelFolder
from services.forecasting.model_names import LEARNED
from services.forecasting.protocols import Figures, Predicted

if TYPE_CHECKING:
    from models.forecaster.forecast import Forecast, Forecaster

log = structlog.get_logger()

_PROBE_DAYS = 200

Loader = Callable[[Path], "Forecaster"]


def load_forecaster(folder: Path, device: DeviceName = "cpu") -> Forecaster:
    """The forecaster on a folder of artefacts, computing on that device; degraded where they are missing or broken."""
    # Seconds of imports: in the thread that loads.
    from models.cores import use_one_core
    from models.forecaster.forecast import Forecaster

    # One core answers in tenths of a second; more would only wait for each other.
    use_one_core()
    return Forecaster.load(folder).to(device_of(device))


def check_forecaster(folder: Path) -> str:
    """The version in a folder that a forecaster can be made of. Raises ArtifactError where it would be a degraded one."""
    from models.artifact import ArtifactError

    forecaster = load_forecaster(folder)
    if forecaster.degraded:
        raise ArtifactError(forecaster.reason)
    return forecaster.version


class _Loaded(NamedTuple):
    forecaster: Forecaster
    info: ModelInfo


class ForecastPredictor(ModelFolder[_Loaded]):
    """`Predictor` on a folder of artefacts, or on what takes its place. `start` it once."""

    def __init__(self, folder: Path, *, load: Loader = load_forecaster, watch_s: float = 2.0) -> None:
        """Looks every `watch_s` seconds for another version in the folder."""
        super().__init__(folder, partial(_read, load), watch_s=watch_s)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="forecast")

    async def predict(self, figures: Figures, horizon: int) -> Predicted:
        """See `Predictor`. A model that comes meanwhile answers the next one."""
        if self.held is None:
            await self.start()
        assert self.held is not None  # nosec B101  # as baselines at least
        return await asyncio.get_running_loop().run_in_executor(self._thread, _predict, self.held, figures, horizon)

    async def close(self) -> None:
        """Stops looking, and ends the threads."""
        await super().close()
        self._thread.shutdown(wait=False, cancel_futures=True)


def _read(load: Loader, folder: Path) -> _Loaded:
    """Asked once before anybody else does: what is imported late is imported now, and a network that cannot answer is found out."""
    from models.forecaster.forecast import Forecaster

    try:
        forecaster = load(folder)
        candidates = _candidates(forecaster)
    except Exception as error:
        log.error("the models cannot be used", folder=str(folder), exc_info=error)
        # Users read it: what exactly, and where, is for the log.
        forecaster = Forecaster(reason=f"the models cannot be used ({type(error).__name__})")
        candidates = _candidates(forecaster)
    reason = forecaster.reason.replace(f"{folder}/", "")[:500]
    return _Loaded(forecaster, ModelInfo(forecaster.version, forecaster.degraded, reason, candidates))


def _candidates(forecaster: Forecaster) -> tuple[str, ...]:
    names: set[str] = set()
    every_day = np.random.default_rng(0).gamma(2.0, 20.0, _PROBE_DAYS)
    now_and_then = np.where(np.arange(_PROBE_DAYS) % 5 == 0, every_day, 0.0)
    for amounts in (every_day, now_and_then):
        [found] = _asked(forecaster, Figures(amounts, date(2024, 1, 1), Granularity.DAY, "GB", None, "total"), 7)
        names |= {one.model for one in found.backtest if "+" not in one.model}
    return tuple(sorted(names))


def _asked(forecaster: Forecaster, figures: Figures, horizon: int) -> list[Forecast]:
    from models.forecaster import series as of_models

    granularity = of_models.Granularity(figures.granularity.value)
    series = of_models.Series(figures.values, figures.start, granularity, figures.country, figures.known, figures.kind, figures.foreseen)
    return forecaster.forecast([series], horizon, thorough=True)


def _predict(loaded: _Loaded, figures: Figures, horizon: int) -> Predicted:
    started = time.thread_time()
    [found] = _asked(loaded.forecaster, figures, horizon)
    served = set(found.model.split("+"))
    scores = [
        BacktestScore(
            one.model, one.mase, one.pinball, one.coverage_80, one.origins, served=one.model == found.model or one.model in served
        )
        for one in found.backtest
        if all(map(math.isfinite, (one.mase, one.pinball, one.coverage_80)))  # of amounts that no float can square
    ]
    return Predicted(
        quantiles=found.quantiles,
        model=found.model,
        model_version=found.model_version,
        source=Source.MODEL if served.intersection(LEARNED) else Source.BASELINE,
        backtest=tuple(sorted(scores, key=lambda one: one.pinball)),
        short_history=found.short_history,
        degraded=found.degraded,
        reason=loaded.info.reason if found.degraded else "",
        processor_s=time.thread_time() - started,
    )
