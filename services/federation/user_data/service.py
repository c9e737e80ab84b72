"""Rules of a user's right over devices and what they have given."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from services.kit.handover import ErasedTable
from services.kit.user_data.service import UserDataRepository, UserDataService


class Devices(Protocol):
    """Devices as this process knows them."""

    def forget_user(self, user_id: UUID) -> None:
        """What is known of the user's is no longer true."""


class FederationUserDataService(UserDataService):
    """Devices that are erased are shut out at once. What they have given stays in the models that it was summed into: nobody can tell it
    from the others' any more."""

    def __init__(self, repository: UserDataRepository, devices: Devices, *, max_exports: int) -> None:
        super().__init__(repository, max_exports=max_exports)
        self._devices = devices

    async def _erase(self, user_id: UUID) -> list[ErasedTable]:
        try:
            return await super()._erase(user_id)
        finally:
            self._devices.forget_user(user_id)
