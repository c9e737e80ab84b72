"""What devices sign, byte by byte: clients/device/PROTOCOL.md says it for those who write one."""

from __future__ import annotations

import hashlib
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_DOMAIN = "scale.federation.v1"


def request_text(method: str, credential: str, time: str, nonce: str, body: bytes) -> bytes:
    """Of a request: the path of the method, the metadata as they were sent, and the first message as it was on the wire."""
    return "\n".join([_DOMAIN, method, credential, time, nonce, hashlib.sha256(body).hexdigest()]).encode()


def enrollment_text(user_id: UUID, signed_at: int, public_key: bytes) -> bytes:
    """Of an enrolment: for whom, when (Unix seconds), and the key."""
    return "\n".join([f"{_DOMAIN} enroll", str(user_id), str(signed_at), public_key.hex()]).encode()


def is_signed(public_key: Ed25519PublicKey, signature: bytes, text: bytes) -> bool:
    """Whether the key's holder has signed it."""
    try:
        public_key.verify(signature, text)
    except InvalidSignature:
        return False
    return True
