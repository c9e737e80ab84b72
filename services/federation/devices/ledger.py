"""What each device has spent of its privacy: charged with each update that is taken, in the database, before it counts."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from uuid import UUID

from services.federation.devices.budgets import DeviceBudget
from services.federation.devices.protocols import LedgerRepository
from services.federation.domain import Contribution, DeviceIdentity, budget_spent

_KEPT_S = 30.0
_MOST_KEPT = 50_000


class DeviceLedger:
    """`PrivacyLedger`. What a device has spent never grows less, so that what was read some seconds ago lets nobody spend more: the charge
    itself looks anew."""

    def __init__(self, repository: LedgerRepository, budget: DeviceBudget, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._repository = repository
        self._budget = budget
        self._clock = clock
        self._kept: OrderedDict[tuple[UUID, UUID], tuple[float, Sequence[float]]] = OrderedDict()

    async def would_exceed(self, device: DeviceIdentity, noise_multiplier: float) -> bool:
        """See `PrivacyLedger`. A round without privacy, as development may have, is not measured by budgets; those after it are."""
        if noise_multiplier == 0:
            return False
        return self._budget.exceeded_by(self._budget.after(await self._spent(device), noise_multiplier))

    async def charge(self, device: DeviceIdentity, contribution: Contribution) -> None:
        """See `PrivacyLedger`."""

        def allow(earlier: Sequence[float]) -> None:
            if contribution.noise_multiplier == 0:
                return
            after = self._budget.after(earlier, contribution.noise_multiplier)
            if self._budget.exceeded_by(after):
                raise budget_spent(after, self._budget.limit)

        try:
            await self._repository.charge(device, contribution, allow)
        finally:
            self._kept.pop((device.user_id, device.device_id), None)

    async def _spent(self, device: DeviceIdentity) -> Sequence[float]:
        key = device.user_id, device.device_id
        kept = self._kept.get(key)
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        spent = await self._repository.noise_multipliers(device)
        self._kept[key] = self._clock() + _KEPT_S, spent
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return spent
