"""Enrolment: the user's token binds the device's key to the user, once; the file remembers what came of it."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import grpc
import grpc.aio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp

from clients.device.files import write_private
from clients.device.keys import public_bytes, sign_enrolment
from clients.device.problem import DeviceProblem
from clients.device.transport import refusal
from scale.federation.v1 import devices_service_pb2 as pb
from scale.federation.v1.devices_service_pb2_grpc import DevicesServiceStub

_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Who the device is to the coordinator."""

    device_id: str
    user_id: str
    credential: str
    """What each signed request names."""
    budget_epsilon: float
    """What the coordinator lets the device spend in its life."""

    def write(self, path: Path) -> None:
        """Keeps it."""
        write_private(path, (json.dumps(asdict(self), indent=2) + "\n").encode())

    @classmethod
    def read(cls, path: Path) -> Enrolment | None:
        """What was kept, or None. Raises DeviceProblem for a file that cannot be read."""
        try:
            found = cls(**json.loads(path.read_text(encoding="utf-8")))
            UUID(found.device_id)
            return found
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise DeviceProblem(f"{path} is damaged ({error}); remove it and enrol again: the key stays the same.") from error


async def enroll(channel: grpc.aio.Channel, key: Ed25519PrivateKey, token: str, *, display_name: str = "", platform: str = "") -> Enrolment:
    """Binds the key to the bearer of `token`. Harmless to repeat. Raises CoordinatorRefused, DeviceProblem for what is no token."""
    user_id, now = user_of(token), int(time.time())
    request = pb.EnrollDeviceRequest(
        public_key=public_bytes(key),
        signature=sign_enrolment(key, user_id, now),
        sign_time=Timestamp(seconds=now),
        display_name=display_name,
        platform=platform,
    )
    try:
        answer = await DevicesServiceStub(channel).EnrollDevice(
            request, timeout=_TIMEOUT_S, metadata=(("authorization", f"Bearer {token}"),), wait_for_ready=True
        )
    except grpc.aio.AioRpcError as error:
        raise refusal(error) from error
    return Enrolment(answer.device.device_id, str(user_id), answer.credential, answer.device.budget_epsilon)


def user_of(token: str) -> UUID:
    """Whose token it says it is. Only the coordinator can check that."""
    try:
        body = token.split(".")[1]
        return UUID(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["sub"])
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise DeviceProblem("That is no token: it names no user. `scale token` prints one in development.") from error
