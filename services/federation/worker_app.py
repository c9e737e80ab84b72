"""Puts federation's worker together. It has neither model nor database: the coordinator does the arithmetic, and keeps what comes of it."""

from __future__ import annotations

from services.federation.coordinator import GrpcCoordinator
from services.federation.scheduled import ScheduledRounds
from services.federation.settings import FederationWorkerSettings
from services.kit.worker_app import BareWorkerApp


class FederationWorkerApp(BareWorkerApp[FederationWorkerSettings]):
    """What a round that the clock asks for needs."""

    def __init__(self, settings: FederationWorkerSettings) -> None:
        self._coordinator = GrpcCoordinator(settings.address, settings.service_key.get_secret_value())
        self.scheduled = ScheduledRounds(
            self._coordinator,
            interval_s=settings.interval_hours * 3600,
            time_limit_s=settings.round_limit_s,
        )

    async def release(self) -> None:
        """See `BareWorkerApp`."""
        await self._coordinator.close()
