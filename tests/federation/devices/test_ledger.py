"""What devices have spent: never more than there is, once for each round, whatever comes at the same time or in between."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
import uuid_utils.compat
from hypothesis import given, settings
from hypothesis import strategies as st

from models.federated.privacy import Spending, noise_for
from services.federation.devices.budgets import DeviceBudget
from services.federation.devices.ledger import DeviceLedger
from services.federation.devices.repository import PostgresDevicesRepository, PostgresLedgerRepository
from services.federation.domain import BUDGET_DELTA, Device, DeviceIdentity
from services.kit.errors import ResourceExhausted, Unauthenticated
from services.kit.postgres import Database
from tests.federation.devices.conftest import Kept
from tests.support.federation_devices import FakeDevices, SigningDevice, contribution, identity_of

LIMIT = 8.0
NOISE = noise_for(LIMIT, 4)
"""Four rounds of it fit, five do not."""


async def enrolled(kept: Kept | FakeDevices, user_id: UUID) -> Device:
    devices = kept if isinstance(kept, FakeDevices) else kept.devices
    return await devices.enroll(user_id, uuid_utils.compat.uuid7(), SigningDevice().new(user_id), most=20, most_ever=200)


@pytest.fixture
async def device(kept: Kept, user_id: UUID) -> DeviceIdentity:
    return identity_of(await enrolled(kept, user_id))


@pytest.fixture
def ledger(kept: Kept) -> DeviceLedger:
    return DeviceLedger(kept.ledger, DeviceBudget(LIMIT))


async def refused(ledger: DeviceLedger, device: DeviceIdentity, noise: float = NOISE) -> str:
    with pytest.raises((ResourceExhausted, Unauthenticated)) as raised:
        await ledger.charge(device, contribution(noise))
    return raised.value.reason


@pytest.mark.requirement("FED-07")
async def test_a_device_spends_until_its_budget_is_spent(kept: Kept, ledger: DeviceLedger, device: DeviceIdentity) -> None:
    for _ in range(4):
        assert not await ledger.would_exceed(device, NOISE)
        await ledger.charge(device, contribution(NOISE))
    assert await ledger.would_exceed(device, NOISE)
    with pytest.raises(ResourceExhausted) as raised:
        await ledger.charge(device, contribution(NOISE))
    assert raised.value.reason == "BUDGET_SPENT"
    assert raised.value.metadata["budget"] == "8.0000"
    assert float(raised.value.metadata["epsilon"]) > LIMIT
    assert await kept.ledger.noise_multipliers(device) == [NOISE] * 4
    # Another process knows it, too.
    assert await DeviceLedger(kept.ledger, DeviceBudget(LIMIT)).would_exceed(device, NOISE)


async def test_a_round_is_charged_once_however_often_it_comes(kept: Kept, ledger: DeviceLedger, device: DeviceIdentity) -> None:
    given = contribution(NOISE)
    await asyncio.gather(*(ledger.charge(device, given) for _ in range(8)))
    assert await kept.ledger.noise_multipliers(device) == [NOISE]
    for _ in range(3):
        await ledger.charge(device, contribution(NOISE))
    # Also when nothing is left for another.
    await ledger.charge(device, given)
    assert len(await kept.ledger.noise_multipliers(device)) == 4


async def test_charges_at_the_same_time_do_not_exceed_the_budget_together(kept: Kept, ledger: DeviceLedger, device: DeviceIdentity) -> None:
    other = DeviceLedger(kept.ledger, DeviceBudget(LIMIT))
    outcomes = await asyncio.gather(
        *((ledger, other)[number % 2].charge(device, contribution(NOISE)) for number in range(12)), return_exceptions=True
    )
    assert outcomes.count(None) == 4
    assert {type(one) for one in outcomes if one is not None} == {ResourceExhausted}
    assert len(await kept.ledger.noise_multipliers(device)) == 4


async def test_each_device_has_a_budget_of_its_own(kept: Kept, ledger: DeviceLedger, device: DeviceIdentity, other_user_id: UUID) -> None:
    others = [identity_of(await enrolled(kept, device.user_id)), identity_of(await enrolled(kept, other_user_id))]
    for _ in range(4):
        await ledger.charge(device, contribution(NOISE))
    for other in others:
        assert not await ledger.would_exceed(other, NOISE)
        await ledger.charge(other, contribution(NOISE))


async def test_a_round_without_privacy_is_taken_and_costs_everything_after_it(ledger: DeviceLedger, device: DeviceIdentity) -> None:
    """Development has such rounds."""
    for _ in range(2):
        assert not await ledger.would_exceed(device, 0.0)
        await ledger.charge(device, contribution(0.0))
    assert await ledger.would_exceed(device, 1000.0)
    assert await refused(ledger, device, 1000.0) == "BUDGET_SPENT"


async def test_a_device_that_was_revoked_is_charged_nothing(kept: Kept, ledger: DeviceLedger, device: DeviceIdentity) -> None:
    await kept.devices.revoke(device.user_id, device.device_id)
    assert await refused(ledger, device) == "DEVICE_REVOKED"
    assert await kept.ledger.noise_multipliers(device) == []


async def test_a_device_that_is_not_there_or_anothers_is_charged_nothing(
    kept: Kept, ledger: DeviceLedger, device: DeviceIdentity, other_user_id: UUID
) -> None:
    for user_id, device_id in ((device.user_id, uuid_utils.compat.uuid7()), (other_user_id, device.device_id)):
        assert await refused(ledger, DeviceIdentity(user_id, device_id, device.public_key)) == "DEVICE_SIGNATURE_INVALID"
    assert await kept.ledger.noise_multipliers(device) == []


async def test_a_device_that_an_export_brought_back_is_charged_nothing(kept: Kept, ledger: DeviceLedger, user_id: UUID) -> None:
    made = await enrolled(kept, user_id)
    await kept.bring_back(made)
    assert await refused(ledger, identity_of(made)) == "DEVICE_NOT_ENROLLED"


async def test_what_another_process_has_charged_is_looked_up_again_after_a_while(rows: FakeDevices, user_id: UUID) -> None:
    now = [0.0]
    ledger = DeviceLedger(rows, DeviceBudget(LIMIT), clock=lambda: now[0])
    device = identity_of(await enrolled(rows, user_id))
    assert not await ledger.would_exceed(device, NOISE)
    for _ in range(4):
        await rows.charge(device, contribution(NOISE), lambda _: None)
    reads = rows.reads
    assert not await ledger.would_exceed(device, NOISE)
    assert rows.reads == reads, "a device that asks every second asks the database of nothing"
    assert await refused(ledger, device) == "BUDGET_SPENT"
    now[0] += 31
    assert await ledger.would_exceed(device, NOISE)


async def test_a_charge_that_a_killed_process_left_half_way_is_none(database: Database, user_id: UUID) -> None:
    """It is one transaction: the row is there or not, and the lock goes with it."""
    kept, devices = PostgresLedgerRepository(database), PostgresDevicesRepository(database)
    made = await devices.enroll(user_id, uuid_utils.compat.uuid7(), SigningDevice().new(user_id), most=20, most_ever=200)
    device = identity_of(made)

    def die(_: object) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await kept.charge(device, contribution(NOISE), die)
    assert await kept.noise_multipliers(device) == []
    await kept.charge(device, contribution(NOISE), lambda _: None)
    assert await kept.noise_multipliers(device) == [NOISE]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0.3, 60), st.booleans()), max_size=40))
def test_whatever_rounds_come_no_more_is_spent_than_there_is(rounds: list[tuple[float, bool]]) -> None:
    """Refused is only what does not fit; `repeated` ones are of the round before."""

    async def spend() -> None:
        rows, user_id = FakeDevices(), uuid_utils.compat.uuid7()
        device = identity_of(await enrolled(rows, user_id))
        ledger = DeviceLedger(rows, DeviceBudget(LIMIT))
        taken: list[float] = []
        round_id = uuid_utils.compat.uuid7()
        for noise, repeated in rounds:
            known = repeated and round_id in rows.contributions.get((user_id, device.device_id), {})
            if not repeated:
                round_id = uuid_utils.compat.uuid7()
            fits = Spending((*taken, noise)).epsilon(BUDGET_DELTA) <= LIMIT
            try:
                await ledger.charge(device, contribution(noise, round_id))
                assert known or fits
                taken += [] if known else [noise]
            except ResourceExhausted:
                assert not known
                assert not fits
            assert Spending(tuple(taken)).epsilon(BUDGET_DELTA) <= LIMIT
            assert sorted(await rows.noise_multipliers(device)) == sorted(taken)

    asyncio.run(spend())
