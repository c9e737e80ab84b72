"""The device's identity: an Ed25519 key that never leaves its folder, and what it signs."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from clients.device.files import write_private
from clients.device.problem import DeviceProblem

CONTEXT = "scale.federation.v1"
NONCE_BYTES = 16


def load_or_make_key(path: Path) -> Ed25519PrivateKey:
    """The key of that file (PKCS #8, PEM, mode 0600), made on first use. Raises DeviceProblem for a file that is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        made = Ed25519PrivateKey.generate()
        write_private(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made
    try:
        found = load_pem_private_key(content, None)
    except (ValueError, TypeError) as error:
        raise DeviceProblem(f"{path} is no key ({error}); remove it and enrol again.") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise DeviceProblem(f"{path} holds another kind of key than Ed25519; remove it and enrol again.")
    return found


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """32 bytes."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign_enrolment(key: Ed25519PrivateKey, user_id: UUID, unix_seconds: int) -> bytes:
    """Proof that whoever enrols holds the key."""
    text = f"{CONTEXT} enroll\n{user_id}\n{unix_seconds}\n{public_bytes(key).hex()}"
    return key.sign(text.encode())


def sign_request(
    key: Ed25519PrivateKey, method: str, credential: str, body: bytes, *, unix_seconds: int | None = None, nonce: bytes | None = None
) -> tuple[tuple[str, str], ...]:
    """The metadata of a request. `method` is its path, `body` the first message as it is sent."""
    moment = str(int(time.time()) if unix_seconds is None else unix_seconds)
    once = base64url(nonce or secrets.token_bytes(NONCE_BYTES))
    text = "\n".join((CONTEXT, method, credential, moment, once, hashlib.sha256(body).hexdigest()))
    return (
        ("x-scale-device", credential),
        ("x-scale-time", moment),
        ("x-scale-nonce", once),
        ("x-scale-signature", base64url(key.sign(text.encode()))),
    )


def base64url(content: bytes) -> str:
    """Without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
