"""Which of the gateway's dependencies answer, asked when /metrics is: what /ready says, for those who watch instead of asking."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import TimeoutError as StillWaiting

from fastapi import FastAPI
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services.gateway.health import Readiness

_TIMEOUT_S = 2.0


class Dependencies(Collector):
    """`scale_dependency_up{dependency}` of all that /ready names; nothing before the app has started."""

    def __init__(self, app: FastAPI, loop: asyncio.AbstractEventLoop) -> None:
        self._app = app
        self._loop = loop

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """What there is; nobody is asked for that."""
        yield self._family()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What answers now."""
        readiness: Readiness | None = getattr(self._app.state, "readiness", None)
        if readiness is None:
            return
        asked = asyncio.run_coroutine_threadsafe(readiness.report(), self._loop)
        try:
            report = asked.result(_TIMEOUT_S)
        except (TimeoutError, StillWaiting):
            asked.cancel()
            return
        family = self._family()
        for name, found in report["dependencies"].items():
            family.add_metric([name], 1.0 if found["status"] == "up" else 0.0)
        yield family

    @staticmethod
    def _family() -> GaugeMetricFamily:
        return GaugeMetricFamily("scale_dependency_up", "1 for what the gateway depends on and that answers.", labels=["dependency"])
