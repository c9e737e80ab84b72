"""Devices over the wire, on the real database, as two users."""

from __future__ import annotations

from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from scale.federation.v1 import devices_service_pb2 as pb
from scale.federation.v1.participation_service_pb2 import PollRoundRequest
from services.federation.devices.repository import PostgresLedgerRepository
from services.kit.errors import InvalidArgument, NotFound, Unauthenticated
from services.kit.postgres import Database
from tests.federation.devices.conftest import CREDENTIALS, Wire
from tests.support.federation_devices import SigningDevice, contribution


async def enroll(wire: Wire, user_id: UUID) -> pb.EnrollDeviceResponse:
    answer: pb.EnrollDeviceResponse = await wire.as_user(user_id, "EnrollDevice", SigningDevice().enrollment(user_id))
    return answer


async def test_an_enrolled_device_is_listed_with_its_budget(real_wire: Wire, database: Database, user_id: UUID) -> None:
    signer = SigningDevice()
    request = signer.enrollment(user_id, display_name="Téléphone", platform="ios 19.1")
    made = await real_wire.as_user(user_id, "EnrollDevice", request)
    signer.credential = made.credential
    assert made.credential == CREDENTIALS.of(user_id, UUID(made.device.device_id))
    assert made.device.public_key == signer.public_key
    assert (made.device.display_name, made.device.platform) == ("Téléphone", "ios 19.1")
    assert (made.device.round_count, made.device.spent_epsilon, made.device.budget_epsilon) == (0, 0.0, 8.0)
    assert made.device.HasField("create_time")
    assert made.device.HasField("enroll_time")
    assert not made.device.HasField("last_seen_time")
    await real_wire.check_in(signer)
    await PostgresLedgerRepository(database).charge(real_wire.probe.asked[0], contribution(3.0), lambda _: None)
    (found,) = await real_wire.list_devices(user_id)
    assert found.HasField("last_seen_time")
    assert found.round_count == 1
    assert 0 < found.spent_epsilon < 8
    revoked = (await real_wire.revoke(user_id, found.device_id)).device
    assert revoked.HasField("revoke_time")
    assert revoked.spent_epsilon == found.spent_epsilon
    with pytest.raises(Unauthenticated) as raised:
        await real_wire.check_in(signer)
    assert raised.value.reason == "DEVICE_REVOKED"


async def test_another_user_neither_sees_nor_revokes_a_device(real_wire: Wire, user_id: UUID, other_user_id: UUID) -> None:
    made = (await enroll(real_wire, user_id)).device
    assert await real_wire.list_devices(other_user_id) == []
    with pytest.raises(NotFound) as raised:
        await real_wire.revoke(other_user_id, made.device_id)
    assert raised.value.reason == "DEVICE_NOT_FOUND"
    assert not (await real_wire.list_devices(user_id))[0].HasField("revoke_time")


async def test_a_device_signs_for_its_own_user_alone(real_wire: Wire, user_id: UUID, other_user_id: UUID) -> None:
    signer = await real_wire.enrolled(user_id)
    device_id = UUID(signer.credential.split(".")[1])
    with pytest.raises(Unauthenticated) as raised:
        await real_wire.check_in(signer, credential=CREDENTIALS.of(other_user_id, device_id))
    assert raised.value.reason == "DEVICE_SIGNATURE_INVALID"


async def test_devices_come_by_pages(real_wire: Wire, user_id: UUID, other_user_id: UUID) -> None:
    made = [(await enroll(real_wire, user_id)).device.device_id for _ in range(3)]
    first = await real_wire.as_user(user_id, "ListDevices", pb.ListDevicesRequest(page_size=2))
    assert [one.device_id for one in first.devices] == made[:0:-1]
    rest = pb.ListDevicesRequest(page_size=2, page_token=first.next_page_token)
    second = await real_wire.as_user(user_id, "ListDevices", rest)
    assert [one.device_id for one in second.devices] == made[:1]
    assert not second.next_page_token
    with pytest.raises(InvalidArgument, match="page_token"):
        await real_wire.as_user(other_user_id, "ListDevices", rest)
    with pytest.raises(InvalidArgument, match="page_size"):
        await real_wire.as_user(user_id, "ListDevices", pb.ListDevicesRequest(page_size=-1))


async def test_what_is_wrong_with_a_request_is_named(wire: Wire, user_id: UUID) -> None:
    def changed(**fields: object) -> pb.EnrollDeviceRequest:
        request = SigningDevice().enrollment(user_id)
        for name, value in fields.items():
            if isinstance(value, Timestamp):
                request.sign_time.CopyFrom(value)
            elif value is None:
                request.ClearField(name)
            else:
                setattr(request, name, value)
        return request

    for field, request in {
        "public_key": changed(public_key=b""),
        "signature": changed(signature=b""),
        "sign_time": changed(sign_time=None),
        "display_name": changed(display_name="x" * 101),
        "platform": changed(platform="a\x00b"),
    }.items():
        with pytest.raises(InvalidArgument) as raised:
            await wire.as_user(user_id, "EnrollDevice", request)
        assert [one.field for one in raised.value.fields] == [field]
    for seconds in (0, -62_135_596_800, 253_402_300_799):
        with pytest.raises(InvalidArgument, match="sign_time"):
            await wire.as_user(user_id, "EnrollDevice", changed(sign_time=Timestamp(seconds=seconds)))
    with pytest.raises(InvalidArgument, match="device_id"):
        await wire.revoke(user_id, "mine")


async def test_a_device_whose_user_has_erased_everything_does_nothing_any_more(real_wire: Wire, database: Database, user_id: UUID) -> None:
    """Also where this process still knows it: its enrolment was before the erasure."""
    signer = await real_wire.enrolled(user_id)
    await real_wire.as_device(signer, "PollRound", PollRoundRequest())
    async with database.erasure(user_id, lock_timeout_s=5, statement_timeout_s=5) as connection:
        await connection.execute("DELETE FROM federation.devices WHERE user_id = $1", user_id)
    with pytest.raises(Unauthenticated) as raised:
        await real_wire.check_in(signer)
    assert raised.value.reason == "USER_ERASED"
    real_wire.known.forget_user(user_id)
    with pytest.raises(Unauthenticated) as raised:
        await real_wire.as_device(signer, "PollRound", PollRoundRequest())
    assert raised.value.reason == "DEVICE_SIGNATURE_INVALID"
