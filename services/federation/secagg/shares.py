"""What devices hand each other through the coordinator, which cannot read it, and what they hand the coordinator in the end."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.federation.secagg.masks import derive
from services.federation.secagg.refusals import Reason, Refused
from services.federation.secagg.shamir import SHARE_BYTES, to_number

NONCE_BYTES = 12
CIPHERTEXT_BYTES = NONCE_BYTES + 2 * SHARE_BYTES + 16
_SHARE = b"scale.federation.v1 share\n"


class ShareKind(StrEnum):
    """What a share belongs to."""

    SELF_MASK_SEED = "self_mask_seed"
    MASK_KEY = "mask_key"


@dataclass(frozen=True, slots=True)
class EncryptedShare:
    """From one device to another."""

    from_device_id: UUID
    to_device_id: UUID
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class UnmaskShare:
    """One share of one secret of a device, for the coordinator."""

    device_id: UUID
    """Whose secret."""
    kind: ShareKind
    value: bytes
    """66 bytes, big-endian."""


@dataclass(frozen=True, slots=True)
class SecretShares:
    """One device's shares of both secrets of another; it gives one of them away, never both."""

    seed: bytes
    mask_key: bytes


def share_key(secret: bytes, group_hash: bytes, from_id: UUID, to_id: UUID) -> bytes:
    """Of what one device makes for another; the way back has another key. `secret`: what their cipher keys agree on."""
    return derive(secret, group_hash, _SHARE + from_id.bytes + to_id.bytes)


def seal(key: bytes, round_id: UUID, from_id: UUID, to_id: UUID, shares: SecretShares, nonce: bytes | None = None) -> EncryptedShare:
    """AES-256-GCM, for this round, from this device, to that one. Only test vectors give the nonce."""
    nonce = nonce or secrets.token_bytes(NONCE_BYTES)
    ciphertext = AESGCM(key).encrypt(nonce, shares.seed + shares.mask_key, _about(round_id, from_id, to_id))
    return EncryptedShare(from_id, to_id, nonce + ciphertext)


def unseal(key: bytes, round_id: UUID, sealed: EncryptedShare) -> SecretShares:
    """What was sealed. Raises Refused where it is not what that device made for this one in this round."""
    about = _about(round_id, sealed.from_device_id, sealed.to_device_id)
    try:
        if len(sealed.ciphertext) != CIPHERTEXT_BYTES:
            raise ValueError("wrong size")
        plain = AESGCM(key).decrypt(sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:], about)
        shares = SecretShares(plain[:SHARE_BYTES], plain[SHARE_BYTES:])
        to_number(shares.seed)
        to_number(shares.mask_key)
    except (InvalidTag, ValueError):
        message = f"What came as the shares of device {sealed.from_device_id} is not what it made for this one."
        raise Refused(Reason.SHARE_INVALID, message) from None
    return shares


def _about(round_id: UUID, from_id: UUID, to_id: UUID) -> bytes:
    return round_id.bytes + from_id.bytes + to_id.bytes
