"""Rules of who may take part, on the repository in memory and on the real one."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from uuid import UUID

import pytest
import uuid_utils.compat

from services.federation.devices.service import DevicesService
from services.federation.domain import Device
from services.kit.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted, ScaleError
from tests.federation.devices.conftest import Kept
from tests.support.federation_devices import FakeDevices, Heard, SigningDevice, contribution, identity_of

NOW = 1_800_000_000


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def service(kept: Kept, heard: Heard) -> DevicesService:
    return DevicesService(kept.devices, listeners=[heard], most_devices=3, clock=lambda: NOW)


@pytest.fixture
async def device(service: DevicesService, user_id: UUID) -> Device:
    return await service.enroll_device(user_id, SigningDevice().new(user_id, at=NOW))


async def refused(service: DevicesService, user_id: UUID, new: object, kind: type[ScaleError]) -> ScaleError:
    with pytest.raises(kind) as raised:
        await service.enroll_device(user_id, new)  # type: ignore[arg-type]
    return raised.value


async def test_a_device_that_holds_its_key_is_enrolled(service: DevicesService, user_id: UUID, heard: Heard) -> None:
    signer = SigningDevice()
    made = await service.enroll_device(user_id, signer.new(user_id, at=NOW))
    assert (made.user_id, made.public_key, made.display_name, made.platform) == (user_id, signer.public_key, "phone", "test")
    assert made.enrolled_at is not None
    assert made.revoked_at is made.last_seen_at is None
    assert made.noise_multipliers == ()
    assert heard.forgotten == [], "a device that is enrolled again stays in its round"
    assert (await service.list_devices(user_id, limit=10, after=None)) == ([made], False)


async def test_the_same_key_again_is_the_same_device_under_its_new_name(service: DevicesService, user_id: UUID) -> None:
    signer = SigningDevice()
    first = await service.enroll_device(user_id, signer.new(user_id, at=NOW))
    again = await service.enroll_device(user_id, replace(signer.new(user_id, at=NOW), display_name="tablet"))
    assert (again.id, again.created_at, again.display_name) == (first.id, first.created_at, "tablet")


async def test_the_same_key_may_be_of_two_users_and_is_two_devices(service: DevicesService, user_id: UUID, other_user_id: UUID) -> None:
    signer = SigningDevice()
    mine = await service.enroll_device(user_id, signer.new(user_id, at=NOW))
    other = await service.enroll_device(other_user_id, signer.new(other_user_id, at=NOW))
    assert mine.id != other.id


async def test_a_signature_for_another_user_time_or_key_enrols_nothing(service: DevicesService, user_id: UUID, other_user_id: UUID) -> None:
    signer, stranger = SigningDevice(), SigningDevice()
    for new in (
        signer.new(other_user_id, at=NOW),
        replace(signer.new(user_id, at=NOW), signed_at=NOW - 1),
        replace(signer.new(user_id, at=NOW), public_key=stranger.public_key),
        replace(signer.new(user_id, at=NOW), signature=bytes(64)),
    ):
        error = await refused(service, user_id, new, InvalidArgument)
        assert [one.field for one in error.fields] == ["signature"]
    assert await service.list_devices(user_id, limit=10, after=None) == ([], False)


@pytest.mark.parametrize(("seconds", "said"), [(-301, "lies 301 s back"), (61, "lies 61 s ahead")])
async def test_an_old_signature_enrols_nothing(service: DevicesService, user_id: UUID, seconds: int, said: str) -> None:
    error = await refused(service, user_id, SigningDevice().new(user_id, at=NOW + seconds), InvalidArgument)
    assert [one.field for one in error.fields] == ["sign_time"]
    assert said in error.message


async def test_keys_and_signatures_of_another_length_are_named(service: DevicesService, user_id: UUID) -> None:
    good = SigningDevice().new(user_id, at=NOW)
    for field, new in {"public_key": replace(good, public_key=b"short"), "signature": replace(good, signature=b"short")}.items():
        error = await refused(service, user_id, new, InvalidArgument)
        assert [one.field for one in error.fields] == [field]


async def test_a_revoked_device_stays_so_and_its_key_is_enrolled_no_more(service: DevicesService, user_id: UUID, heard: Heard) -> None:
    signer = SigningDevice()
    made = await service.enroll_device(user_id, signer.new(user_id, at=NOW))
    revoked = await service.revoke_device(user_id, made.id)
    assert revoked.revoked_at is not None
    assert heard.forgotten[-1] == (user_id, made.id)
    assert (await service.revoke_device(user_id, made.id)).revoked_at == revoked.revoked_at
    error = await refused(service, user_id, signer.new(user_id, at=NOW), FailedPrecondition)
    assert error.reason == "DEVICE_REVOKED"


async def test_nobody_revokes_a_device_of_another(service: DevicesService, device: Device, other_user_id: UUID) -> None:
    for user_id, device_id in ((other_user_id, device.id), (device.user_id, uuid_utils.compat.uuid7())):
        with pytest.raises(NotFound) as raised:
            await service.revoke_device(user_id, device_id)
        assert raised.value.reason == "DEVICE_NOT_FOUND"
    found, _ = await service.list_devices(device.user_id, limit=10, after=None)
    assert found[0].revoked_at is None


async def test_a_user_has_so_many_devices_and_no_more_also_at_once(service: DevicesService, user_id: UUID, other_user_id: UUID) -> None:
    outcomes = await asyncio.gather(
        *(service.enroll_device(user_id, SigningDevice().new(user_id, at=NOW)) for _ in range(6)), return_exceptions=True
    )
    made = [one for one in outcomes if isinstance(one, Device)]
    assert len(made) == 3
    assert {one.reason for one in outcomes if isinstance(one, ResourceExhausted)} == {"TOO_MANY_DEVICES"}
    await service.enroll_device(other_user_id, SigningDevice().new(other_user_id, at=NOW))
    # What is revoked makes place.
    await service.revoke_device(user_id, made[0].id)
    await service.enroll_device(user_id, SigningDevice().new(user_id, at=NOW))
    await refused(service, user_id, SigningDevice().new(user_id, at=NOW), ResourceExhausted)


async def test_enrolling_and_revoking_goes_on_for_a_while_only(user_id: UUID) -> None:
    service = DevicesService(FakeDevices(), listeners=[], most_devices=1, clock=lambda: NOW)
    for _ in range(10):
        await service.revoke_device(user_id, (await service.enroll_device(user_id, SigningDevice().new(user_id, at=NOW))).id)
    error = await refused(service, user_id, SigningDevice().new(user_id, at=NOW), ResourceExhausted)
    assert "revoked ones counted" in error.message


async def test_devices_come_by_pages_the_newest_first(service: DevicesService, user_id: UUID) -> None:
    made = [await service.enroll_device(user_id, SigningDevice().new(user_id, at=NOW)) for _ in range(3)]
    first, more = await service.list_devices(user_id, limit=2, after=None)
    assert [one.id for one in first] == [made[2].id, made[1].id]
    assert more
    rest, more = await service.list_devices(user_id, limit=2, after=first[-1].id)
    assert [one.id for one in rest] == [made[0].id]
    assert not more


async def test_a_device_that_an_export_brought_back_gets_another_id_and_keeps_what_it_has_spent(
    kept: Kept, service: DevicesService, user_id: UUID
) -> None:
    """An export may say any id, another user's device's, too."""
    signer = SigningDevice()
    made = await service.enroll_device(user_id, signer.new(user_id, at=NOW))
    await kept.ledger.charge(identity_of(made), contribution(2.0), lambda _: None)
    await kept.bring_back(made)
    found, _ = await service.list_devices(user_id, limit=10, after=None)
    assert [(one.id, one.enrolled_at) for one in found] == [(made.id, None)]
    again = await service.enroll_device(user_id, signer.new(user_id, at=NOW))
    assert again.id != made.id
    assert again.enrolled_at is not None
    assert again.noise_multipliers == (2.0,)
    assert [one.id for one in (await service.list_devices(user_id, limit=10, after=None))[0]] == [again.id]


async def test_that_a_device_was_seen_is_noted_once_a_minute(kept: Kept, device: Device) -> None:
    await kept.devices.saw(device.user_id, device.id)
    found = await kept.devices.get(device.user_id, device.id)
    assert found is not None
    assert found.last_seen_at is not None
    assert abs(found.last_seen_at.timestamp() - time.time()) < 60
