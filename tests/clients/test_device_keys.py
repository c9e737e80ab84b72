"""What a device signs, and the files that it keeps."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import clients.device
from clients.device.enrolment import Enrolment, user_of
from clients.device.files import write_private
from clients.device.keys import load_or_make_key, public_bytes, sign_enrolment, sign_request
from clients.device.pins import PinsFile
from clients.device.problem import DeviceProblem
from clients.device.transport import Tls, is_loopback, open_channel
from scale.federation.v1 import participation_service_pb2 as pb
from services.federation.secagg import Refused

PROTOCOL = Path(clients.device.__file__).with_name("PROTOCOL.md").read_text(encoding="utf-8")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
USER = UUID("00000000-0000-7000-8000-000000000001")


def test_the_examples_of_the_protocol_are_what_the_reference_signs() -> None:
    body = pb.CheckInRequest(protocol_version=1).SerializeToString()
    credential = f"{USER}.01930000-0000-7000-8000-084fed08b978.EBESExQVFhcYGRobHB0eHw"
    signed = sign_request(
        KEY,
        "/scale.federation.v1.ParticipationService/CheckIn",
        credential,
        body,
        unix_seconds=1_750_000_000,
        nonce=bytes(range(16)),
    )

    for text in (public_bytes(KEY).hex(), sign_enrolment(KEY, USER, 1_750_000_000).hex(), body.hex()):
        assert text in PROTOCOL
    for name, value in signed:
        assert re.search(rf"^ +{name} +{re.escape(value)}$", PROTOCOL, re.MULTILINE), name


def test_no_two_requests_have_the_same_nonce() -> None:
    nonces = {dict(sign_request(KEY, "/a", "b", b"c"))["x-scale-nonce"] for _ in range(100)}

    assert len(nonces) == 100


def test_the_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"

    made, found = load_or_make_key(path), load_or_make_key(path)

    assert public_bytes(made) == public_bytes(found)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_said_to_be_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)

    with pytest.raises(DeviceProblem, match="enrol again"):
        load_or_make_key(path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_private(path, b"one")
    path.chmod(0o644)
    write_private(path, b"two")

    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o600)
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]


def test_a_damaged_enrolment_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    assert Enrolment.read(path) is None
    Enrolment(str(uuid4()), str(USER), "c", 8.0).write(path)
    assert Enrolment.read(path) is not None
    path.write_text('{"device_id": "x"}')

    with pytest.raises(DeviceProblem, match="enrol again"):
        Enrolment.read(path)


@pytest.mark.parametrize("token", ["", "a.b", "e30.e30.x", "e30.!!!.x"])
def test_what_is_no_token_is_said_to_be_none(token: str) -> None:
    with pytest.raises(DeviceProblem, match="names no user"):
        user_of(token)


def test_pins_stay_and_a_changed_key_is_refused(tmp_path: Path) -> None:
    path, device = tmp_path / "pins.json", uuid4()
    pins = PinsFile(path)
    pins.check(device, b"1" * 32)
    pins.save()

    again = PinsFile(path)
    again.check(device, b"1" * 32)
    with pytest.raises(Refused, match="another identity key"):
        again.check(device, b"2" * 32)
    path.write_text("[]")
    with pytest.raises(DeviceProblem, match="damaged"):
        PinsFile(path)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("localhost.example.com:1", False),
        ("10.0.0.1:1", False),
        ("example.com:443", False),
    ],
)
async def test_in_the_clear_only_this_machine_is_asked(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback
    if loopback:
        await open_channel(address, None).close()
    else:
        with pytest.raises(DeviceProblem, match="TLS only"):
            open_channel(address, None)


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(DeviceProblem, match="both, or neither"):
        Tls(certificate_file=tmp_path / "a.pem").credentials()
    with pytest.raises(DeviceProblem, match="cannot be read"):
        Tls(ca_file=tmp_path / "none.pem").credentials()
