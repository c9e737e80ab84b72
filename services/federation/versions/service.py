"""Rules of versions of the federated model: what is trained on from, and what categorization answers with."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import structlog

from services.federation.domain import FederatedVersion, NewVersion, round_open, version_not_found
from services.federation.versions.domain import Origin, own_name
from services.federation.versions.handover import Handovers
from services.federation.versions.parts import ModelParts
from services.federation.versions.protocols import Categorizers, HandedOverRepository, Registry
from services.kit.errors import Aborted, NotFound

log = structlog.get_logger()

_GONE = ("MODEL_VERSION_NOT_FOUND", "ARTIFACT_GONE")


class FederatedVersions:
    """`Versions`, and what people ask of them."""

    def __init__(
        self,
        repository: HandedOverRepository,
        parts: ModelParts,
        categorizers: Categorizers,
        handovers: Handovers,
        registry: Registry | None,
    ) -> None:
        """Without `registry` the line begins with the model that comes with the product, and none of it is handed over."""
        self._repository = repository
        self._parts = parts
        self._categorizers = categorizers
        self._handovers = handovers
        self._registry = registry
        self._beginning = asyncio.Lock()

    async def latest(self) -> FederatedVersion:
        """See `Versions`. Raises Unavailable while the first cannot be made."""
        found = await self._repository.latest()
        if found is None:
            async with self._beginning:
                found = await self._repository.latest() or await self._begin()
        return found

    async def get_version(self, version: int) -> FederatedVersion:
        """One. Raises NotFound."""
        found = await self._repository.get(version)
        if found is None:
            raise version_not_found(version)
        return found

    async def head(self, version: int) -> bytes:
        """See `Versions`."""
        return await self._repository.head(version)

    async def write_categorizer(self, version: FederatedVersion, folder: Path) -> None:
        """The categorizer that a version is, as a folder of artefacts. Raises NotFound, FailedPrecondition and Unavailable."""
        encoder = await self._parts.encoder(version)
        await self._categorizers.write(encoder.content, await self._repository.head(version.version), own_name(version), folder)

    async def list_versions(self, *, limit: int, below: int | None) -> tuple[Sequence[FederatedVersion], bool]:
        """A page, the newest first, and whether there are more."""
        found = await self._repository.list_versions(limit=limit + 1, below=below)
        return found[:limit], len(found) > limit

    async def published(self, version: FederatedVersion, *, promote: bool) -> None:
        """See `Versions`."""
        await self._handovers.hand_over_now(version, promote=promote)

    async def promote_version(self, version: int) -> FederatedVersion:
        """Lets a version answer in categorization, in the caller's name. Harmless to repeat. Raises NotFound, FailedPrecondition and
        Unavailable."""
        found = await self.get_version(version)
        registry_version = found.registry_version or await self._handovers.register(found, live=False)
        try:
            await self._handovers.promote(registry_version)
        except NotFound as error:
            if error.reason not in _GONE:
                raise
            # The registry keeps few of those that do not answer: it gets this one once more.
            registry_version = await self._handovers.register(found, live=False)
            await self._handovers.promote(registry_version)
        log.info("a federated version answers", version=version, registry_version=registry_version)
        return await self.get_version(version)

    async def roll_back(self, version: int) -> FederatedVersion:
        """Adds a version with the content of an earlier one, whose child it is: rounds go on from there. What devices have spent stays
        spent. Where the newest version answers in categorization, the new one does from now on. Raises NotFound, AlreadyExists with reason
        ROUND_OPEN while a round makes the next version, and Aborted where one was faster."""
        wanted = await self.get_version(version)
        newest = await self.latest()
        if newest.version == version:
            return newest
        opened = await self._repository.open_round()
        if opened is not None:
            raise round_open(opened)
        added = await self._repository.add(
            NewVersion(
                version=newest.version + 1,
                parent_version=version,
                round_id=None,
                contributor_count=0,
                encoder_hash=wanted.encoder_hash,
                encoder_size_bytes=wanted.encoder_size_bytes,
                head_hash=wanted.head_hash,
                head=await self._repository.head(version),
                categorizer_version=wanted.categorizer_version,
                accuracy=wanted.accuracy,
                epsilon=newest.epsilon,
                unamplified_epsilon=newest.unamplified_epsilon,
                privacy=newest.privacy,
                metrics={"rolled_back_from": newest.version},
            )
        )
        log.info("rounds go on from an earlier federated version", version=added.version, content_of=version)
        await self._handovers.hand_over_now(added, promote=None)
        return await self.get_version(added.version)

    async def _begin(self) -> FederatedVersion:
        """The first version: what answers everybody."""
        answering = await self._registry.answering() if self._registry is not None else None
        origin = await (self._categorizers.take_apart(answering.content) if answering else self._categorizers.shipped())
        encoder_hash = await self._parts.keep_encoder(origin.encoder)
        new = _first(origin, encoder_hash, answering.version if answering else "")
        try:
            added = await self._repository.add(new)
        except Aborted:
            # Another process was faster.
            found = await self._repository.latest()
            if found is None:
                raise
            return found
        log.info("the first federated version was made", categorizer_version=origin.version, registry_version=new.registry_version)
        return added


def _first(origin: Origin, encoder_hash: str, registry_version: str) -> NewVersion:
    return NewVersion(
        version=1,
        parent_version=None,
        round_id=None,
        contributor_count=0,
        encoder_hash=encoder_hash,
        encoder_size_bytes=len(origin.encoder),
        head_hash=hashlib.sha256(origin.head).hexdigest(),
        head=origin.head,
        categorizer_version=origin.version,
        accuracy=None,
        epsilon=0.0,
        unamplified_epsilon=0.0,
        privacy={},
        metrics={},
        registry_version=registry_version,
    )
