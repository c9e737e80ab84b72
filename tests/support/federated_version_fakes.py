"""What stands around versions of the federated model in tests."""

from __future__ import annotations

from services.federation.domain import FederatedVersion
from services.federation.versions.domain import Answering, ToRegister
from services.kit.errors import NotFound, ScaleError


class FakeRegistry:
    """`Registry` in memory: each job once, one version live."""

    def __init__(self) -> None:
        self.registered: dict[str, ToRegister] = {}
        self.live = ""
        self.answers: Answering | None = None
        """What answers everybody before anything is registered."""
        self.down: ScaleError | None = None
        self.tries = 0
        self._number = 0

    async def answering(self) -> Answering | None:
        self._check()
        return self.answers

    async def live_version(self) -> str:
        self._check()
        return self.live

    async def register(self, new: ToRegister) -> str:
        self.tries += 1
        self._check()
        for name, known in self.registered.items():
            if known.job_id == new.job_id:
                return name
        self._number += 1
        name = f"{self._number}-00000000"
        self.registered[name] = new
        if new.live:
            self.live = name
        return name

    async def promote(self, registry_version: str) -> None:
        self._check()
        if registry_version not in self.registered and registry_version != getattr(self.answers, "version", None):
            raise NotFound("It is not kept any more.", reason="MODEL_VERSION_NOT_FOUND")
        self.live = registry_version

    def forget(self, registry_version: str) -> None:
        """As it does with those that do not answer."""
        del self.registered[registry_version]

    def _check(self) -> None:
        if self.down is not None:
            raise self.down


class FakeVersionEvents:
    """`VersionEvents`: what was told."""

    def __init__(self) -> None:
        self.told: list[int] = []

    async def publish(self, version: FederatedVersion) -> None:
        self.told.append(version.version)
