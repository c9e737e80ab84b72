"""Masks: words that look random, from keys that few know.

Between two neighbours: both derive the same words, the one with the smaller id adds them and the other takes them away, so that they are
not in the sum. A device's own: so that its vector stays covered though the masks between neighbours become known, because it was late.
"""

from __future__ import annotations

from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.federation.secagg.parameters import Parameters
from services.federation.secagg.quantize import Words, unpack

_PAIR = b"scale.federation.v1 pair mask\n"
_OWN = b"scale.federation.v1 self mask\n"
_START = bytes(16)  # block 0 under nonce 0: a key makes one mask


def derive(secret: bytes, group_hash: bytes, info: bytes) -> bytes:
    """A key of 32 bytes, of this group alone: HKDF-SHA256."""
    return HKDF(algorithm=SHA256(), length=32, salt=group_hash, info=info).derive(secret)


def agree(own: X25519PrivateKey, other: bytes) -> bytes:
    """What the two alone know, 32 bytes. Raises ValueError for a key that agrees with everybody on the same."""
    return own.exchange(X25519PublicKey.from_public_bytes(other))


def pair_mask_key(secret: bytes, group_hash: bytes, one: UUID, other: UUID) -> bytes:
    """Of the mask between two devices; the same from both sides. `secret`: what their mask keys agree on."""
    low, high = sorted((one.bytes, other.bytes))
    return derive(secret, group_hash, _PAIR + low + high)


def self_mask_key(seed: bytes, group_hash: bytes, device_id: UUID) -> bytes:
    """Of a device's own mask."""
    return derive(seed, group_hash, _OWN + device_id.bytes)


def mask_words(key: bytes, parameters: Parameters) -> Words:
    """The mask [length]: ChaCha20's key stream as little-endian words."""
    stream = Cipher(ChaCha20(key, _START), mode=None).encryptor().update(bytes(parameters.payload_bytes))
    return unpack(stream, parameters.word_bits)


def adds(device_id: UUID, other: UUID) -> bool:
    """Whether the device adds the mask between the two; the other one takes it away."""
    return device_id.bytes < other.bytes
