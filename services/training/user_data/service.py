"""Rules of a user's right over what training made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from services.kit.handover import ErasedTable
from services.kit.user_data.service import UserDataRepository, UserDataService


class JobsUserData(UserDataRepository, Protocol):
    """What says, too, which jobs there were."""

    async def erase_jobs(self, user_id: UUID) -> tuple[list[ErasedTable], list[UUID]]:
        """As `erase_user`, with their ids."""


class Leftovers(Protocol):
    """What there is of a user beside the tables."""

    async def remove(self, user_id: UUID, job_ids: Sequence[UUID]) -> None:
        """Removes it. Raises Unavailable; harmless to repeat."""


class TrainingUserDataService(UserDataService):
    """Models, messages, and what is told in Redis are erased, too."""

    def __init__(self, repository: JobsUserData, leftovers: Leftovers, *, max_exports: int) -> None:
        super().__init__(repository, max_exports=max_exports)
        self._jobs = repository
        self._leftovers = leftovers

    async def _erase(self, user_id: UUID) -> list[ErasedTable]:
        erased, job_ids = await self._jobs.erase_jobs(user_id)
        await self._leftovers.remove(user_id, job_ids)
        return erased
