"""How a version is added: its artefact first, so that no version is without one, then the row; and what need not be kept any more goes.

What a crash in between leaves behind is removed by the clock (`Artifacts.remove_orphans`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import structlog

from services.kit.errors import Aborted, ScaleError, Unauthenticated
from services.training.domain import ModelVersion
from services.training.metrics import VERSIONS
from services.training.registry.artifacts import Artifacts
from services.training.registry.domain import NewVersion, surplus
from services.training.registry.protocols import VersionsRepository

log = structlog.get_logger()

_TRIES = 5
_MOST_LOOKED_AT = 1000


class Added(NamedTuple):
    """What became of it."""

    version: ModelVersion
    again: bool
    """What is live has the same content: it stays live instead."""


class Adding:
    """On a repository and a storage."""

    def __init__(self, repository: VersionsRepository, artifacts: Artifacts, *, kept_versions: int) -> None:
        """`kept_versions`: how many of the latest of each model are kept, whatever they are worth."""
        self._repository = repository
        self._artifacts = artifacts
        self._kept_versions = kept_versions

    async def add(self, draft: NewVersion, content: bytes, *, live: bool) -> Added:
        """Adds a version under the next number, live or as a candidate. Raises Unavailable, with reason NO_STORAGE_ROOM where a disk is
        full, and what the repository does."""
        for _ in range(_TRIES):
            new = replace(draft, number=await self._repository.next_number(draft.user_id, draft.model_type))
            await self._artifacts.keep(new, content)
            try:
                again = await self._is_live(new)
                added = await self._repository.add(new, live=live and not again)
            except Unauthenticated:
                # Of a user who has erased everything. What else is left over may by now be another attempt's, with the same content.
                await self._artifacts.remove(new.artifact_key)
                raise
            if added is not None:
                VERSIONS.labels(added.model_type, added.stage.value).inc()
                log.info("a version was registered", job_id=str(added.job_id), version=added.version, stage=added.stage.value)
                return Added(added, again)
        raise Aborted("Other versions of this model are being registered; try again.", reason="NUMBER_TAKEN", retry_after_s=1)

    async def remove_surplus(self, latest: ModelVersion) -> None:
        """Removes versions of this model that need not be kept. What cannot be removed now, the next one tries again."""
        with suppress(ScaleError):
            versions = await self._repository.list_versions(latest.user_id, latest.model_type, limit=_MOST_LOOKED_AT, below=None)
            gone = [one.id for one in surplus(versions, keep=self._kept_versions)]
            for removed in await self._repository.remove(latest.user_id, gone) if gone else ():
                await self._artifacts.remove(removed.artifact_key)

    async def _is_live(self, new: NewVersion) -> bool:
        """From the same payments the same model is made: it is no better than itself."""
        live = await self._repository.live(new.user_id, new.model_type)
        return live is not None and live.content_hash == new.content_hash
