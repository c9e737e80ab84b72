"""A small round with fixed secrets, written out step by step, so that a device in any language can check each of its primitives.

`python -m services.federation.secagg.vectors` writes clients/device/test_vectors.json. Four devices take part; the last one hands over its
shares and is late with its vector. Nothing here may be used outside of tests: every secret is known.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from services.federation.secagg.adverts import Advert, advert_message, sign_advert
from services.federation.secagg.graph import neighbourhoods
from services.federation.secagg.group import Group
from services.federation.secagg.masks import adds, agree, mask_words, pair_mask_key, self_mask_key
from services.federation.secagg.parameters import WORD_BITS, Parameters, terms_hash
from services.federation.secagg.quantize import Words, pack, to_words
from services.federation.secagg.shamir import PRIME, split
from services.federation.secagg.shares import NONCE_BYTES, SecretShares, seal, share_key

PATH = Path(__file__).resolve().parents[3] / "clients" / "device" / "test_vectors.json"
ROUND_ID = UUID("01930000-0000-7000-8000-0000000000aa")
TERMS: dict[str, Any] = {
    "model_version": 42,
    "encoder_hash": sha256(b"scale test vector encoder").hexdigest(),
    "head_hash": sha256(b"scale test vector head").hexdigest(),
    "epochs": 2,
    "learning_rate": 0.5,
    "batch_size": 32,
    "proximal_mu": 0.0,
    "weight_cap": 0,
    "quantization_scale": 0.0009765625,
    "clip_norm": 1.0,
    "noise_multiplier": 2.5,
    "noise_contributor_count": 3,
    "example_noise_multiplier": 0.75,
    "example_clip_norm": 1.25,
}
VALUES = ((0, 1, -1, 1000, -1000), (5, -5, 32767, -32768, 7), (-3, -2, -1, 0, 1), (9, 9, 9, 9, 9))
LATE = 3
"""Place of the device whose vector does not come."""


def secret(name: str) -> bytes:
    """32 bytes that everybody can work out: SHA-256 of the name."""
    return sha256(f"scale test vector {name}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Holder:
    """A device with all that it keeps secret."""

    device_id: UUID
    identity_key: Ed25519PrivateKey
    cipher_key: X25519PrivateKey
    mask_key: X25519PrivateKey
    seed: bytes
    words: Words

    @classmethod
    def numbered(cls, place: int, word_bits: int) -> Holder:
        """The one at that place."""
        return cls(
            UUID(f"01930000-0000-7000-8000-{sha256(bytes([place])).hexdigest()[:12]}"),
            Ed25519PrivateKey.from_private_bytes(secret(f"identity {place}")),
            X25519PrivateKey.from_private_bytes(secret(f"cipher {place}")),
            X25519PrivateKey.from_private_bytes(secret(f"mask {place}")),
            secret(f"seed {place}"),
            to_words(np.array(VALUES[place], np.int64), 1, word_bits),
        )

    def advert(self) -> Advert:
        """Its keys for the round."""
        cipher, mask = (key.public_key().public_bytes_raw() for key in (self.cipher_key, self.mask_key))
        return sign_advert(ROUND_ID, self.device_id, self.identity_key, cipher_key=cipher, mask_key=mask)


class Vectors:
    """The round's steps, each with all that goes in and what must come out."""

    def __init__(self) -> None:
        self.parameters = Parameters(
            ROUND_ID, 24, len(VALUES[0]) + 1, complete_graph_limit=32, neighbor_count=4, least_contributors=3, terms=terms_hash(**TERMS)
        )
        holders = [Holder.numbered(place, self.parameters.word_bits) for place in range(len(VALUES))]
        self.late = holders[LATE].device_id
        self.group = Group(self.parameters, [holder.advert() for holder in holders])
        self.holders = {holder.device_id: holder for holder in sorted(holders, key=lambda holder: holder.device_id.bytes)}
        self.contributors = [device for device in self.holders if device != self.late]
        self._shares = {holder.device_id: self._split(holder) for holder in self.holders.values()}

    def written(self) -> dict[str, object]:
        """All, as it stands in the file: bytes in hex."""
        return {
            "terms": TERMS | {"hash": self.parameters.terms.hex()},
            "parameters": {name: _told(value) for name, value in asdict(self.parameters).items()},
            "devices": [self._device(holder) for holder in self.holders.values()],
            "group": {
                "hash": self.group.hash.hex(),
                "threshold": self.group.threshold,
                "quorum": self.group.quorum,
                "fewest_contributors": self.group.fewest,
            },
            "graph": self._graph(),
            "secret_sharing": self._secret_sharing(),
            "shares": list(self._sealed()),
            "masks": list(self._masks()),
            "words": [self._words(bits) for bits in WORD_BITS],
            "uploads": [{"device_id": str(device), "payload": self.payload(device).hex()} for device in self.contributors],
            "confirmed": self.group.contributors_message(self.contributors).hex(),
            "confirmations": list(self._confirmations()),
            "unmasking": list(self._unmasking()),
            "sum": np.sum([[*VALUES[place], 1] for place in range(len(VALUES)) if place != LATE], axis=0).tolist(),
        }

    def payload(self, device: UUID) -> bytes:
        """What a device uploads."""
        holder = self.holders[device]
        masked = holder.words + mask_words(self_mask_key(holder.seed, self.group.hash, device), self.parameters)
        for other in self.holders.keys() - {device}:
            mask = mask_words(self._pair_key(device, other), self.parameters)
            masked = masked + mask if adds(device, other) else masked - mask
        return pack(masked, self.parameters.word_bits)

    def _split(self, holder: Holder) -> dict[UUID, SecretShares]:
        """Shares of both secrets, by whose they are."""
        points, device = list(self.group.points.values()), holder.device_id
        seeds = split(holder.seed, self.group.threshold, points, coefficients(f"seed {device}", self.group.threshold))
        keys = split(
            holder.mask_key.private_bytes_raw(), self.group.threshold, points, coefficients(f"mask key {device}", self.group.threshold)
        )
        return {other: SecretShares(*pair) for other, *pair in zip(self.group.points, seeds, keys, strict=True)}

    def _device(self, holder: Holder) -> dict[str, object]:
        advert = {name: _told(value) for name, value in asdict(holder.advert()).items()}
        private = {
            "identity_private_key": holder.identity_key.private_bytes_raw().hex(),
            "cipher_private_key": holder.cipher_key.private_bytes_raw().hex(),
            "mask_private_key": holder.mask_key.private_bytes_raw().hex(),
            "self_mask_seed": holder.seed.hex(),
        }
        signed = advert_message(
            ROUND_ID, *(getattr(holder.advert(), name) for name in ("device_id", "identity_key", "cipher_key", "mask_key"))
        )
        return advert | private | {"signed": signed.hex(), "point": self.group.points[holder.device_id], "words": holder.words.tolist()}

    def _graph(self) -> dict[str, object]:
        ids = [Holder.numbered(0, 16).device_id, *(UUID(int=number) for number in range(1, 9))]
        near = neighbourhoods(ids, self.group.hash, complete_graph_limit=4, neighbor_count=4)
        around = {str(device): sorted(str(other) for other in near[device] - {device}) for device in near}
        return {"seed": self.group.hash.hex(), "complete_graph_limit": 4, "neighbor_count": 4, "neighbors": around}

    def _secret_sharing(self) -> dict[str, object]:
        value, higher, points = secret("shared"), coefficients("shared", 3), [1, 2, 5, 9]
        shares = split(value, 3, points, higher)
        return {
            "secret": value.hex(),
            "threshold": 3,
            "coefficients": [f"{number:0132x}" for number in higher],
            "shares": {str(point): share.hex() for point, share in zip(points, shares, strict=True)},
        }

    def _sealed(self) -> Iterator[dict[str, object]]:
        for from_id, maker in self.holders.items():
            for to_id in self.holders:
                if from_id == to_id:
                    continue
                agreed = agree(maker.cipher_key, self.group.adverts[to_id].cipher_key)
                key = share_key(agreed, self.group.hash, from_id, to_id)
                shares = self._shares[from_id][to_id]
                sealed = seal(key, ROUND_ID, from_id, to_id, shares, secret(f"nonce {from_id} {to_id}")[:NONCE_BYTES])
                yield {
                    "from_device_id": str(from_id),
                    "to_device_id": str(to_id),
                    "agreed": agreed.hex(),
                    "key": key.hex(),
                    "seed_share": shares.seed.hex(),
                    "mask_key_share": shares.mask_key.hex(),
                    "ciphertext": sealed.ciphertext.hex(),
                }

    def _masks(self) -> Iterator[dict[str, object]]:
        first, *others = self.holders
        own = self_mask_key(self.holders[first].seed, self.group.hash, first)
        yield {"device_id": str(first), "key": own.hex(), "words": self._by_width(own)}
        for other in others:
            key = self._pair_key(first, other)
            yield {"device_id": str(first), "other_device_id": str(other), "adds": adds(first, other), "key": key.hex()} | {
                "words": self._by_width(key)
            }

    def _by_width(self, key: bytes) -> dict[str, list[int]]:
        return {str(bits): mask_words(key, replace(self.parameters, word_bits=bits)).tolist() for bits in WORD_BITS}

    def _words(self, bits: int) -> dict[str, object]:
        values, weight = [0, 1, -1, 32767, -32768], 3
        words = to_words(np.array(values, np.int64), weight, bits)
        return {"word_bits": bits, "values": values, "weight": weight, "words": words.tolist(), "packed": pack(words, bits).hex()}

    def _confirmations(self) -> Iterator[dict[str, object]]:
        for device in self.contributors:
            signature = self.group.sign_contributors(self.holders[device].identity_key, self.contributors)
            yield {"device_id": str(device), "signature": signature.hex()}

    def _unmasking(self) -> Iterator[dict[str, object]]:
        for device in self.contributors:
            given = {
                str(other): {"mask_key": self._shares[other][device].mask_key.hex()}
                if other == self.late
                else {"self_mask_seed": self._shares[other][device].seed.hex()}
                for other in self.holders
            }
            yield {"device_id": str(device), "shares": given}

    def _pair_key(self, one: UUID, other: UUID) -> bytes:
        agreed = agree(self.holders[one].mask_key, self.group.adverts[other].mask_key)
        return pair_mask_key(agreed, self.group.hash, one, other)


def coefficients(name: str, threshold: int) -> list[int]:
    """Of a polynomial, lowest power first, that everybody can work out."""
    drawn = (b"".join(secret(f"coefficient {name} {number} {part}") for part in range(3)) for number in count())
    return [int.from_bytes(next(drawn)[:65]) % PRIME for _ in range(threshold - 1)]


def text() -> str:
    """The file's content."""
    return json.dumps(Vectors().written(), indent=1) + "\n"


def _told(value: object) -> object:
    """As JSON has it."""
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, UUID) else value


def main() -> None:
    """Writes the file, or another one."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else PATH
    path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
