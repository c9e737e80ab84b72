"""Hands new versions to the registry, from which categorization takes them, and tells of them. What fails is done again."""

from __future__ import annotations

import asyncio
import contextvars
import math
from contextlib import suppress

import structlog

from services.federation.domain import FederatedVersion
from services.federation.versions.domain import HandOver, ToRegister, job_id, own_name
from services.federation.versions.metrics import HANDOVERS
from services.federation.versions.parts import ModelParts
from services.federation.versions.protocols import Categorizers, HandedOverRepository, Registry, VersionEvents
from services.kit.errors import FailedPrecondition, ScaleError

log = structlog.get_logger()

EVERY_S = 30.0


class Handovers:
    """In order, the oldest first; the registry takes each once, however often it is told."""

    def __init__(
        self,
        repository: HandedOverRepository,
        parts: ModelParts,
        categorizers: Categorizers,
        registry: Registry | None,
        events: VersionEvents | None,
        *,
        promote: bool,
        every_s: float = EVERY_S,
    ) -> None:
        """`promote`: whether versions answer of whose rounds nobody has said. Without `registry` nothing is handed over."""
        self._repository = repository
        self._parts = parts
        self._categorizers = categorizers
        self._registry = registry
        self._events = events
        self._promote = promote
        self._every_s = every_s
        self._told = 0
        """The newest version that this process has told of."""
        self._turn = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Looks from now on, and every few seconds, for versions that the registry does not have."""
        self._watching = asyncio.create_task(self._watch(), context=contextvars.Context())

    async def close(self) -> None:
        """Looks no more."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching

    async def hand_over_now(self, version: FederatedVersion, *, promote: bool | None) -> None:
        """Tells of a version, and hands over what is to be handed over, this one last. Raises nothing: `start` sees to the rest."""
        await self._tell(version)
        try:
            await self.hand_over_all({version.version: promote})
        except Exception as error:
            _waits(version.version, error)

    async def hand_over_all(self, promoted: dict[int, bool | None] | None = None) -> int:
        """Hands over what the registry does not have; returns how many versions. `promoted`: what is known of some better than the
        database knows. Raises ScaleError at the first that cannot be handed over: the later ones wait for it."""
        if self._registry is None:
            return 0
        async with self._turn:
            pending = await self._repository.to_hand_over()
            for found in pending:
                await self._tell(found.version)
                await self.register(found.version, live=await self._answers(found, promoted or {}))
        return len(pending)

    async def register(self, version: FederatedVersion, *, live: bool) -> str:
        """Has the registry keep a version, and notes its name there. Raises ScaleError."""
        registry = self._known_registry()
        parent = await self._repository.get(version.parent_version) if version.parent_version else None
        encoder = await self._parts.encoder(version)
        artifact = await self._categorizers.put_together(encoder.content, await self._repository.head(version.version), own_name(version))
        lineage = (parent.registry_version or parent.categorizer_version) if parent else version.categorizer_version
        new = ToRegister(job_id(version), lineage, artifact, _metrics(version), version.created_at, live)
        registry_version = await registry.register(new)
        await self._repository.name_in_registry(version.version, registry_version)
        HANDOVERS.labels("registered").inc()
        log.info("a federated version is in the registry", version=version.version, registry_version=registry_version, live=live)
        return registry_version

    async def promote(self, registry_version: str) -> None:
        """Lets a version answer, in the caller's name. Raises ScaleError."""
        await self._known_registry().promote(registry_version)

    def _known_registry(self) -> Registry:
        if self._registry is None:
            raise FailedPrecondition(
                "This coordinator has no key for the registry (SCALE_FEDERATION_REGISTRY_KEY), so that nothing can be promoted.",
                reason="REGISTRY_NOT_CONFIGURED",
            )
        return self._registry

    async def _answers(self, found: HandOver, promoted: dict[int, bool | None]) -> bool:
        chosen = promoted.get(found.version.version, found.promote)
        if chosen is not None or found.version.round_id is not None:
            return self._promote if chosen is None else chosen
        # One that goes back answers where the one before it did.
        before = await self._repository.get(found.version.version - 1)
        return (
            before is not None and bool(before.registry_version) and await self._known_registry().live_version() == before.registry_version
        )

    async def _tell(self, version: FederatedVersion) -> None:
        if self._events is not None and version.version > self._told:
            self._told = version.version
            await self._events.publish(version)

    async def _watch(self) -> None:
        away = False
        while True:
            try:
                await self.hand_over_all()
                away = False
            except Exception as error:
                if not away or not isinstance(error, ScaleError):
                    _waits(0, error)
                away = True
            await asyncio.sleep(self._every_s)


def _waits(version: int, error: Exception) -> None:
    HANDOVERS.labels("waiting").inc()
    unknown = None if isinstance(error, ScaleError) else error
    log.warning("federated versions wait to be handed over", version=version or None, error=str(error)[:500], exc_info=unknown)


def _metrics(version: FederatedVersion) -> dict[str, float | int | str | bool]:
    """What the registry tells of it; privacy in full stays here."""
    found: dict[str, float | int | str | bool] = {
        "federated_version": version.version,
        "round_id": str(version.round_id or ""),
        "contributors": version.contributor_count,
    }
    figures = {"epsilon": version.epsilon, "unamplified_epsilon": version.unamplified_epsilon, "accuracy": version.accuracy}
    # Without noise there is no bound to what a round has cost, and JSON has no word for that.
    return found | {name: round(figure, 6) for name, figure in figures.items() if figure is not None and math.isfinite(figure)}
