"""Rules of a user's right over what training made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from uuid import UUID

from services.kit.handover import ErasedTable
from services.kit.user_data.service import UserDataRepository, UserDataService


class JobsUserData(UserDataRepository, Protocol):
    """What says, too, which jobs there are."""

    async def erase_jobs(self, user_id: UUID, *, forget: Callable[[Sequence[UUID]], Awaitable[None]]) -> list[ErasedTable]:
        """As `erase_user`, and `forget` is given the ids of the jobs before they are gone. Raises what it raises; after Unavailable only
        the jobs stay, whose ids the next call needs."""


class Leftovers(Protocol):
    """What there is of a user beside the tables."""

    async def forget_jobs(self, job_ids: Sequence[UUID]) -> None:
        """Removes what was told of jobs, which only their ids find. Raises Unavailable; harmless to repeat."""

    async def remove(self, user_id: UUID) -> None:
        """Removes the rest. Raises Unavailable; harmless to repeat."""


class TrainingUserDataService(UserDataService):
    """Models, messages, and what is told in Redis are erased, too."""

    def __init__(self, repository: JobsUserData, leftovers: Leftovers, *, max_exports: int) -> None:
        super().__init__(repository, max_exports=max_exports)
        self._jobs = repository
        self._leftovers = leftovers

    async def _erase(self, user_id: UUID) -> list[ErasedTable]:
        erased = await self._jobs.erase_jobs(user_id, forget=self._leftovers.forget_jobs)
        await self._leftovers.remove(user_id)
        return erased
