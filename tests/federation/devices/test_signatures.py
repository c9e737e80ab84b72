"""Which requests are a device's: signed with its key, over these very bytes, just now, and never before."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import uuid_utils.compat
from hypothesis import given, settings
from hypothesis import strategies as st

from scale.federation.v1 import devices_service_pb2 as devices_pb
from scale.federation.v1 import participation_service_pb2 as pb
from scale.federation.v1.participation_service_pb2_grpc import ParticipationServiceStub
from services.federation.devices import signatures
from services.federation.devices.credentials import Credentials
from services.federation.devices.known import KnownDevices
from services.federation.domain import Device, DeviceIdentity
from services.kit.auth import mint_token
from services.kit.errors import DeadlineExceeded, InvalidArgument, ResourceExhausted, ScaleError, Unauthenticated
from tests.federation.devices.conftest import CREDENTIALS, PARTICIPATION, Clock, Wire
from tests.ingestion.conftest import SECRET
from tests.support.federation_devices import FakeDevices, Metadata, SigningDevice

CHECK_IN = f"{PARTICIPATION}/CheckIn"
REQUEST = pb.CheckInRequest(protocol_version=1)


async def refused(wire: Wire, signer: SigningDevice, **changed: object) -> ScaleError:
    with pytest.raises(Unauthenticated) as raised:
        await wire.check_in(signer, **changed)
    assert wire.probe.asked == []
    return raised.value


@pytest.fixture
async def signer(wire: Wire, user_id: UUID) -> SigningDevice:
    return await wire.enrolled(user_id)


def id_of(signer: SigningDevice) -> UUID:
    return UUID(signer.credential.split(".")[1])


async def test_a_device_is_who_has_signed_and_works_as_its_user(wire: Wire, signer: SigningDevice, user_id: UUID) -> None:
    before = time.time()
    assert (await wire.check_in(signer)).wait.reason == "NO_ROUND"
    assert wire.probe.asked == [DeviceIdentity(user_id, id_of(signer), signer.public_key)]
    caller = wire.probe.callers[0]
    assert (caller.user_id, caller.role, caller.token) == (user_id, "user", "")
    # Its enrolment is its sign-in.
    assert caller.signed_in_at is not None
    assert abs(caller.signed_in_at - before) < 30


def without(key: str, metadata: Metadata) -> Metadata:
    return tuple(pair for pair in metadata if pair[0] != key)


def with_(key: str, value: str, metadata: Metadata) -> Metadata:
    return (*without(key, metadata), (key, value))


@pytest.mark.parametrize("key", ["x-scale-device", "x-scale-time", "x-scale-nonce", "x-scale-signature"])
async def test_a_request_that_lacks_something_is_refused_and_hears_what(wire: Wire, signer: SigningDevice, key: str) -> None:
    error = await refused(wire, signer, metadata=without(key, signer.signed(CHECK_IN, REQUEST)))
    assert error.reason == "DEVICE_SIGNATURE_MISSING"
    assert key in error.message


async def test_a_token_is_no_signature_and_a_signature_no_token(wire: Wire, signer: SigningDevice, user_id: UUID) -> None:
    token = (("authorization", f"Bearer {mint_token(SECRET, user_id=user_id)}"),)
    assert (await refused(wire, signer, metadata=token)).reason == "DEVICE_SIGNATURE_MISSING"
    request = devices_pb.ListDevicesRequest()
    path = "/scale.federation.v1.DevicesService/ListDevices"
    with pytest.raises(Unauthenticated) as raised:
        await wire.as_user(user_id, "ListDevices", request, metadata=signer.signed(path, request))
    assert raised.value.reason == "TOKEN_MISSING"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("x-scale-device", "nobody"),
        ("x-scale-device", "1.2"),
        ("x-scale-time", "now"),
        ("x-scale-time", "-1"),
        ("x-scale-time", "9" * 4000),
        ("x-scale-nonce", "AAAA"),
        ("x-scale-nonce", "!" * 22),
        ("x-scale-signature", "A" * 85),
        ("x-scale-signature", "A" * 86),
    ],
)
async def test_metadata_of_another_form_are_refused(wire: Wire, signer: SigningDevice, key: str, value: str) -> None:
    error = await refused(wire, signer, metadata=with_(key, value, signer.signed(CHECK_IN, REQUEST)))
    assert error.reason == "DEVICE_SIGNATURE_INVALID"


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(signatures._KEYS), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=90)))
def test_whatever_the_metadata_say_is_refused_as_no_signature(metadata: dict[str, str]) -> None:
    with pytest.raises(Unauthenticated):
        signatures._Proof.read(metadata)


async def test_a_signature_counts_for_its_request_alone(wire: Wire, signer: SigningDevice, user_id: UUID, other_user_id: UUID) -> None:
    """Other bytes, another method, device, time, nonce or key: each is another text."""
    other = await wire.enrolled(other_user_id)
    good = signer.signed(CHECK_IN, REQUEST)
    fresh = dict(signer.signed(CHECK_IN, REQUEST))
    for metadata in (
        signer.signed(CHECK_IN, pb.CheckInRequest(protocol_version=2)),
        signer.signed(CHECK_IN, b""),
        signer.signed(f"{PARTICIPATION}/Heartbeat", REQUEST),
        with_("x-scale-device", other.credential, good),
        with_("x-scale-device", CREDENTIALS.of(other_user_id, id_of(signer)), good),
        with_("x-scale-device", CREDENTIALS.of(user_id, uuid_utils.compat.uuid7()), good),
        with_("x-scale-time", str(int(time.time()) - 5), good),
        with_("x-scale-nonce", fresh["x-scale-nonce"], good),
        with_("x-scale-signature", fresh["x-scale-signature"], good),
        SigningDevice(credential=signer.credential).signed(CHECK_IN, REQUEST),
    ):
        assert (await refused(wire, signer, metadata=metadata)).reason == "DEVICE_SIGNATURE_INVALID"
    await wire.check_in(signer, metadata=good)


async def test_who_makes_up_a_credential_is_refused_before_the_database_is_asked(
    wire: Wire, rows: FakeDevices, signer: SigningDevice, user_id: UUID
) -> None:
    user, device, mac = signer.credential.split(".")
    for made_up in (
        f"{user}.{uuid_utils.compat.uuid7()}.{mac}",
        f"{uuid_utils.compat.uuid7()}.{device}.{mac}",
        f"{user}.{device}.{mac[1:]}{mac[0]}",
        f"{user}.{device}.",
        f"{user}.{device}",
        f"{user}.{device}.{mac}.{mac}",
        Credentials(["t" * 32]).of(user_id, id_of(signer)),
    ):
        signer.credential = made_up
        assert (await refused(wire, signer)).reason == "DEVICE_SIGNATURE_INVALID"
    assert rows.reads == 0


def test_a_new_secret_takes_the_place_of_the_old_one() -> None:
    user, device = uuid_utils.compat.uuid7(), uuid_utils.compat.uuid7()
    old, both, new = (Credentials(keys) for keys in (["o" * 32], ["n" * 32, "o" * 32], ["n" * 32]))
    macs = [one.of(user, device).rpartition(".")[2] for one in (old, both, new)]
    assert macs[0] != macs[1] == macs[2]
    assert len(macs[0]) == 22
    for mac in macs:
        both.check(user, device, mac)
    new.check(user, device, macs[2])
    with pytest.raises(Unauthenticated):
        new.check(user, device, macs[0])
    with pytest.raises(ValueError, match="secret"):
        Credentials([])


@pytest.mark.parametrize("off", [-61, 61])
async def test_an_old_signature_is_refused_and_hears_the_time(wire: Wire, signer: SigningDevice, off: int) -> None:
    error = await refused(wire, signer, at=int(wire.clock()) + off)
    assert error.reason == "DEVICE_SIGNATURE_EXPIRED"
    assert error.metadata["server_time"] == str(int(wire.clock()))


@pytest.mark.parametrize("off", [-59, 59])
async def test_clocks_may_be_off_a_little(wire: Wire, signer: SigningDevice, off: int) -> None:
    await wire.check_in(signer, at=int(wire.clock()) + off)


async def test_no_request_counts_twice_for_as_long_as_its_signature_is_good(wire: Wire, signer: SigningDevice) -> None:
    wire.clock.now = float(int(wire.clock.now))
    metadata = signer.signed(CHECK_IN, REQUEST, at=int(wire.clock()) + 60)
    await wire.check_in(signer, metadata=metadata)
    for seconds in (0, 60, 60):
        wire.clock.now += seconds
        with pytest.raises(Unauthenticated) as raised:
            await wire.check_in(signer, metadata=metadata)
        assert raised.value.reason == "DEVICE_SIGNATURE_REPLAYED"
    wire.clock.now += 1
    with pytest.raises(Unauthenticated) as raised:
        await wire.check_in(signer, metadata=metadata)
    assert raised.value.reason == "DEVICE_SIGNATURE_EXPIRED"
    assert len(wire.probe.asked) == 1


async def test_a_nonce_is_used_up_by_its_device_alone(wire: Wire, signer: SigningDevice, other_user_id: UUID) -> None:
    """Whoever sees one on its way cannot be first with it."""
    nonce = os.urandom(16)
    stranger = SigningDevice(credential=signer.credential)
    assert (await refused(wire, stranger, nonce=nonce)).reason == "DEVICE_SIGNATURE_INVALID"
    await wire.check_in(await wire.enrolled(other_user_id), nonce=nonce)
    await wire.check_in(signer, nonce=nonce)


async def test_a_device_that_never_rests_is_told_so(rows: FakeDevices) -> None:
    nonces, whose, other = signatures._Nonces(), (UUID(int=1), UUID(int=2)), (UUID(int=1), UUID(int=3))
    for number in range(signatures._MOST_CALLS):
        nonces.use(whose, number.to_bytes(16, "big"), 0.0)
    with pytest.raises(ResourceExhausted) as raised:
        nonces.use(whose, b"x" * 16, 120.0)
    assert raised.value.reason == "DEVICE_TOO_FAST"
    nonces.use(other, b"x" * 16, 120.0)
    nonces.use(whose, b"x" * 16, 120.5)
    assert len(nonces._used) == len(nonces._in_order) == sum(nonces._calls.values()) == 2


async def test_a_device_has_few_calls_open_at_once(wire: Wire, signer: SigningDevice, other_user_id: UUID) -> None:
    other = await wire.enrolled(other_user_id)
    wire.probe.news.clear()
    polls = [asyncio.create_task(wire.as_device(signer, "PollRound", pb.PollRoundRequest())) for _ in range(8)]
    while len(wire.probe.asked) < 8:
        await asyncio.sleep(0.01)
    for method, request in (("PollRound", pb.PollRoundRequest()), ("CheckIn", REQUEST)):
        with pytest.raises(ResourceExhausted) as raised:
            await wire.as_device(signer, method, request)
        assert raised.value.reason == "CALLS_OPEN"
    await wire.check_in(other)
    # One whose connection ends makes room.
    polls.pop().cancel()
    async with asyncio.timeout(5):
        while True:
            try:
                await wire.check_in(signer)
                break
            except ResourceExhausted:
                await asyncio.sleep(0.05)
    wire.probe.news.set()
    await asyncio.gather(*polls)
    await wire.check_in(signer)


async def test_a_revoked_device_is_shut_out_at_once(wire: Wire, signer: SigningDevice, user_id: UUID) -> None:
    await wire.check_in(signer)
    await wire.revoke(user_id, str(id_of(signer)))
    with pytest.raises(Unauthenticated) as raised:
        await wire.check_in(signer)
    assert raised.value.reason == "DEVICE_REVOKED"


async def test_a_device_that_an_export_brought_back_is_enrolled_again_first(wire: Wire, rows: FakeDevices, user_id: UUID) -> None:
    signer = await wire.enrolled(user_id)
    await rows.bring_back(rows.devices[user_id, id_of(signer)])
    assert (await refused(wire, signer)).reason == "DEVICE_NOT_ENROLLED"
    before = signer.credential
    await wire.enrolled(user_id, signer)
    assert signer.credential != before
    await wire.check_in(signer)


async def test_the_first_message_of_an_upload_is_signed(wire: Wire, signer: SigningDevice) -> None:
    path, upload = f"{PARTICIPATION}/UploadUpdate", ParticipationServiceStub(wire.channel).UploadUpdate
    messages = [
        pb.UploadUpdateRequest(header=pb.UpdateHeader(size_bytes=6)),
        pb.UploadUpdateRequest(chunk=b"one"),
        pb.UploadUpdateRequest(chunk=b"two"),
    ]
    answer = await upload(messages, metadata=signer.signed(path, messages[0]), timeout=10)
    assert answer.received_bytes == 6
    assert wire.probe.uploads == [[b"one", b"two"]]
    for metadata, sent in ((signer.signed(path, messages[1]), messages), (signer.signed(path, messages[0]), [])):
        with pytest.raises(Unauthenticated) as raised:
            await wire.ask(upload(sent, metadata=metadata, timeout=10))
        assert raised.value.reason == "DEVICE_SIGNATURE_INVALID"
    assert len(wire.probe.uploads) == 1


async def test_a_stream_in_which_nothing_comes_is_not_kept_open_for_anybody(wire: Wire) -> None:
    async def nothing() -> AsyncIterator[pb.UploadUpdateRequest]:
        await asyncio.sleep(20)
        yield pb.UploadUpdateRequest()

    with pytest.raises(DeadlineExceeded) as raised:
        await wire.ask(ParticipationServiceStub(wire.channel).UploadUpdate(nothing(), timeout=15))
    assert raised.value.reason == "UPLOAD_TOO_SLOW"


async def test_a_download_is_signed_and_comes_in_pieces(wire: Wire, signer: SigningDevice) -> None:
    request, download = pb.DownloadModelPartRequest(), ParticipationServiceStub(wire.channel).DownloadModelPart
    metadata = signer.signed(f"{PARTICIPATION}/DownloadModelPart", request)
    assert [part.chunk async for part in download(request, metadata=metadata, timeout=10)] == [b"one", b"two"]
    assert len(wire.probe.asked) == 1


async def test_bytes_that_are_no_message_are_the_callers_mistake(wire: Wire, signer: SigningDevice) -> None:
    ask = wire.channel.unary_unary(CHECK_IN)
    with pytest.raises(InvalidArgument) as raised:
        await wire.ask(ask(b"\xff", metadata=signer.signed(CHECK_IN, b"\xff"), timeout=10))
    assert raised.value.reason == "MALFORMED_MESSAGE"


async def test_fields_that_the_service_does_not_know_are_signed_as_they_came(wire: Wire, signer: SigningDevice) -> None:
    """A newer device's message keeps its signature: it is over the bytes, not over what is read from them."""
    body = REQUEST.SerializeToString() + b"\xfa\x3f\x03new"
    await wire.ask(wire.channel.unary_unary(CHECK_IN)(body, metadata=signer.signed(CHECK_IN, body), timeout=10))
    assert len(wire.probe.asked) == 1


def test_every_method_of_devices_is_signed() -> None:
    assert {
        f"{PARTICIPATION}/{method.name}" for method in pb.DESCRIPTOR.services_by_name["ParticipationService"].methods
    } == signatures.SIGNED_METHODS
    assert len(signatures.SIGNED_METHODS) == 9


def test_outside_of_a_signed_call_there_is_no_device() -> None:
    with pytest.raises(Unauthenticated):
        signatures.device()


async def test_that_a_device_asked_for_work_is_noted_once_a_minute(wire: Wire, rows: FakeDevices, signer: SigningDevice) -> None:
    request = pb.PollRoundRequest()
    await wire.as_device(signer, "PollRound", request)
    assert rows.sightings == 0
    for _ in range(5):
        await wire.check_in(signer)
    assert rows.sightings == 1
    assert rows.reads == 1, "and a device that asks often is read once"


async def test_devices_are_known_for_some_seconds_and_what_changes_meanwhile_counts(rows: FakeDevices, user_id: UUID) -> None:
    clock = Clock(0.0)
    known = KnownDevices(rows, kept_s=5, most_kept=2, clock=clock)
    made = [await rows.enroll(user_id, uuid_utils.compat.uuid7(), SigningDevice().new(user_id), most=20, most_ever=200) for _ in range(3)]
    for _ in range(3):
        assert await known.find(user_id, made[0].id) is not None
    assert rows.reads == 1
    await rows.revoke(user_id, made[0].id)
    found = await known.find(user_id, made[0].id)
    assert found is not None
    assert not found.revoked, "as another process has revoked it"
    clock.now += 5
    found = await known.find(user_id, made[0].id)
    assert found is not None
    assert found.revoked
    for one in made:
        await known.find(user_id, one.id)
    assert len(known._kept) == 2
    known.forget_user(user_id)
    assert not known._kept
    assert await known.find(user_id, uuid_utils.compat.uuid7()) is None


async def test_what_was_read_before_a_change_is_not_kept_after_it(rows: FakeDevices, user_id: UUID) -> None:
    class Slow(FakeDevices):
        """Somebody revokes the device while it is read."""

        async def get(self, user_id: UUID, device_id: UUID) -> Device | None:
            read = await super().get(user_id, device_id)
            if self.reads == 1:
                await self.revoke(user_id, device_id)
                known.forget(user_id, device_id)
            return read

    slow = Slow()
    known = KnownDevices(slow)
    made = await slow.enroll(user_id, uuid_utils.compat.uuid7(), SigningDevice().new(user_id), most=20, most_ever=200)
    first, second = await known.find(user_id, made.id), await known.find(user_id, made.id)
    assert first is not None
    assert not first.revoked
    assert second is not None
    assert second.revoked


async def test_a_check_costs_a_fraction_of_a_millisecond(rows: FakeDevices, user_id: UUID) -> None:
    """Of processor time; a signature alone is more than half of it."""
    signer, known = SigningDevice(), KnownDevices(rows)
    made = await rows.enroll(user_id, uuid_utils.compat.uuid7(), signer.new(user_id), most=20, most_ever=200)
    signer.credential = CREDENTIALS.of(user_id, made.id)
    subject = signatures.DeviceSignatures(known, CREDENTIALS)
    body = bytes(1000)

    class Call:
        """Of which only the metadata are asked for."""

        def __init__(self) -> None:
            self.metadata = signer.signed(CHECK_IN, body)

        def invocation_metadata(self) -> Metadata:
            return self.metadata

    calls = [Call() for _ in range(300)]
    costs = []
    for few in (calls[:100], calls[100:200], calls[200:]):
        before = time.thread_time()
        for call in few:
            await subject._let_in(CHECK_IN, call, body)
        costs.append((time.thread_time() - before) / len(few))
    assert min(costs) < 0.0003
