"""A device's keys for one round, and its word for them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.federation.secagg.refusals import Reason, Refused

KEY_BYTES = 32
SIGNATURE_BYTES = 64
_ADVERT = b"scale.federation.v1 advert\n"


@dataclass(frozen=True, slots=True)
class Advert:
    """A device's keys for one round."""

    device_id: UUID
    identity_key: bytes
    """Ed25519, with which it was enrolled."""
    cipher_key: bytes
    """X25519, for what devices hand each other."""
    mask_key: bytes
    """X25519, for masks."""
    signature: bytes
    """By the identity key."""


def sign_advert(round_id: UUID, device_id: UUID, identity_key: Ed25519PrivateKey, *, cipher_key: bytes, mask_key: bytes) -> Advert:
    """The keys, with the device's signature."""
    identity = identity_key.public_key().public_bytes_raw()
    signature = identity_key.sign(advert_message(round_id, device_id, identity, cipher_key, mask_key))
    return Advert(device_id, identity, cipher_key, mask_key, signature)


def check_advert(round_id: UUID, advert: Advert) -> None:
    """Raises Refused where sizes or the signature are wrong, or it is of another round. Whose identity key that is, others know."""
    keys = (advert.identity_key, advert.cipher_key, advert.mask_key)
    if any(len(key) != KEY_BYTES for key in keys) or len(advert.signature) != SIGNATURE_BYTES:
        raise Refused(Reason.ADVERT_INVALID, f"The keys of device {advert.device_id} have wrong sizes.")
    try:
        Ed25519PublicKey.from_public_bytes(advert.identity_key).verify(advert.signature, advert_message(round_id, advert.device_id, *keys))
    except (InvalidSignature, ValueError):
        raise Refused(Reason.ADVERT_INVALID, f"The keys of device {advert.device_id} are not signed by it for this round.") from None


def advert_message(round_id: UUID, device_id: UUID, identity_key: bytes, cipher_key: bytes, mask_key: bytes) -> bytes:
    """What is signed of an advert."""
    return _ADVERT + round_id.bytes + device_id.bytes + identity_key + cipher_key + mask_key
