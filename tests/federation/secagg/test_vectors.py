"""The committed test vectors are what this code makes, a round made of them adds up, and they follow from docs/secure-aggregation.md: here
the layouts stand a second time, by hand."""

from __future__ import annotations

import json
import struct
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from services.federation.secagg import Advert, DeviceSession, EncryptedShare, GroupAggregation, Parameters, ShareKind, UnmaskShare, vectors
from services.federation.secagg.shamir import combine
from tests.federation.secagg.small_rounds import Pinned

told: dict[str, Any] = json.loads(vectors.PATH.read_text(encoding="utf-8"))
DEVICES = {UUID(device["device_id"]): device for device in told["devices"]}
ROUND_ID = UUID(told["parameters"]["round_id"])


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def parameters() -> Parameters:
    return Parameters(**{**told["parameters"], "round_id": ROUND_ID, "terms": raw(told["parameters"]["terms"])})


def adverts() -> list[Advert]:
    return [
        Advert(device, *(raw(said[name]) for name in ("identity_key", "cipher_key", "mask_key", "signature")))
        for device, said in DEVICES.items()
    ]


def sealed() -> list[EncryptedShare]:
    return [EncryptedShare(UUID(one["from_device_id"]), UUID(one["to_device_id"]), raw(one["ciphertext"])) for one in told["shares"]]


def test_the_file_is_what_the_command_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["vectors", str(tmp_path / "vectors.json")])
    vectors.main()
    assert (tmp_path / "vectors.json").read_bytes() == vectors.PATH.read_bytes()


def test_the_coordinator_adds_the_round_up() -> None:
    group = GroupAggregation(parameters())
    for advert in adverts():
        group.add_advert(advert)
    assert group.close_adverts() == (adverts(), told["group"]["threshold"])
    for device in DEVICES:
        group.add_shares(device, [share for share in sealed() if share.from_device_id == device])
    group.close_shares()
    for upload in told["uploads"]:
        group.add_masked(UUID(upload["device_id"]), raw(upload["payload"]))
    assert [str(device) for device in group.close_masked()] == [upload["device_id"] for upload in told["uploads"]]
    for confirmation in told["confirmations"]:
        group.add_confirmation(UUID(confirmation["device_id"]), raw(confirmation["signature"]))
    group.close_confirmations()
    for unmasking in told["unmasking"]:
        shares = [
            UnmaskShare(UUID(whose), ShareKind(kind), raw(value))
            for whose, one in unmasking["shares"].items()
            for kind, value in one.items()
        ]
        group.add_unmask(UUID(unmasking["device_id"]), shares)
    assert group.sum().tolist() == told["sum"]


@pytest.mark.parametrize("upload", told["uploads"], ids=lambda upload: upload["device_id"][-4:])
def test_a_device_with_these_secrets_does_what_the_file_says(upload: dict[str, str]) -> None:
    device = UUID(upload["device_id"])
    said = DEVICES[device]
    session = DeviceSession(parameters(), device, Ed25519PrivateKey.from_private_bytes(raw(said["identity_private_key"])), Pinned())
    session._cipher_key = X25519PrivateKey.from_private_bytes(raw(said["cipher_private_key"]))
    session._mask_key = X25519PrivateKey.from_private_bytes(raw(said["mask_private_key"]))
    session._seed = raw(said["self_mask_seed"])
    assert session.advertise() in adverts()
    session.share(adverts(), told["group"]["threshold"])
    given = [share for share in sealed() if share.to_device_id == device]
    assert session.mask(given, np.array(said["words"], np.uint32)).hex() == upload["payload"]
    contributors = [UUID(one["device_id"]) for one in told["uploads"]]
    confirmations = {UUID(one["device_id"]): raw(one["signature"]) for one in told["confirmations"]}
    assert session.confirm(contributors) == confirmations[device]
    opened = {str(share.device_id): {share.kind.value: share.value.hex()} for share in session.unmask(confirmations)}
    wanted = next(one["shares"] for one in told["unmasking"] if one["device_id"] == str(device))
    assert {whose: one for whose, one in opened.items() if whose != str(device)} == {w: s for w, s in wanted.items() if w != str(device)}
    assert opened[str(device)].keys() == {"self_mask_seed"}  # of coefficients that were drawn anew


def hkdf(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=raw(told["group"]["hash"]), info=info).derive(secret)


def test_hashes_and_signed_messages_are_laid_out_as_documented() -> None:
    terms = told["terms"]
    packed = struct.pack(">Q", terms["model_version"]) + terms["encoder_hash"].encode() + terms["head_hash"].encode()
    packed += struct.pack(">I", terms["epochs"]) + struct.pack(">I", terms["batch_size"]) + struct.pack(">I", terms["weight_cap"])
    packed += struct.pack(">d", terms["learning_rate"]) + struct.pack(">d", terms["proximal_mu"])
    packed += struct.pack(">d", terms["quantization_scale"])
    packed += struct.pack(">d", terms["clip_norm"]) + struct.pack(">d", terms["noise_multiplier"])
    packed += struct.pack(">I", terms["noise_contributor_count"])
    packed += struct.pack(">d", terms["example_noise_multiplier"]) + struct.pack(">d", terms["example_clip_norm"])
    assert sha256(b"scale.federation.v1 terms\n" + packed).hexdigest() == terms["hash"]
    numbers = told["parameters"]
    group = b"scale.federation.v1 group\n" + ROUND_ID.bytes + raw(terms["hash"])
    for name in ("word_bits", "length", "complete_graph_limit", "neighbor_count", "least_contributors"):
        group += numbers[name].to_bytes(4, "big")
    group += len(DEVICES).to_bytes(4, "big")
    for device in sorted(DEVICES, key=lambda device: device.bytes):
        said = DEVICES[device]
        keys = raw(said["identity_key"]) + raw(said["cipher_key"]) + raw(said["mask_key"])
        assert raw(said["signed"]) == b"scale.federation.v1 advert\n" + ROUND_ID.bytes + device.bytes + keys
        group += device.bytes + keys + raw(said["signature"])
    assert sha256(group).hexdigest() == told["group"]["hash"]
    ids = [UUID(one["device_id"]).bytes for one in told["uploads"]]
    confirmed = b"scale.federation.v1 contributors\n" + ROUND_ID.bytes + raw(told["group"]["hash"]) + len(ids).to_bytes(4, "big")
    assert raw(told["confirmed"]) == confirmed + b"".join(sorted(ids))


def test_shares_are_sealed_as_documented() -> None:
    for share in told["shares"]:
        from_id, to_id = (UUID(share[name]) for name in ("from_device_id", "to_device_id"))
        own = X25519PrivateKey.from_private_bytes(raw(DEVICES[to_id]["cipher_private_key"]))
        agreed = own.exchange(X25519PublicKey.from_public_bytes(raw(DEVICES[from_id]["cipher_key"])))
        assert agreed == raw(share["agreed"])
        key = hkdf(agreed, b"scale.federation.v1 share\n" + from_id.bytes + to_id.bytes)
        assert key == raw(share["key"])
        ciphertext = raw(share["ciphertext"])
        plain = AESGCM(key).decrypt(ciphertext[:12], ciphertext[12:], ROUND_ID.bytes + from_id.bytes + to_id.bytes)
        assert plain == raw(share["seed_share"]) + raw(share["mask_key_share"])
        assert len(ciphertext) == 160


def test_masks_are_made_as_documented() -> None:
    for mask in told["masks"]:
        device = UUID(mask["device_id"])
        if "other_device_id" in mask:
            low, high = sorted([device.bytes, UUID(mask["other_device_id"]).bytes])
            own = X25519PrivateKey.from_private_bytes(raw(DEVICES[device]["mask_private_key"]))
            agreed = own.exchange(X25519PublicKey.from_public_bytes(raw(DEVICES[UUID(mask["other_device_id"])]["mask_key"])))
            assert hkdf(agreed, b"scale.federation.v1 pair mask\n" + low + high).hex() == mask["key"]
            assert mask["adds"] == (device.bytes == low)
        else:
            seed = raw(DEVICES[device]["self_mask_seed"])
            assert hkdf(seed, b"scale.federation.v1 self mask\n" + device.bytes).hex() == mask["key"]
        stream = Cipher(ChaCha20(raw(mask["key"]), bytes(16)), mode=None).encryptor().update(bytes(1000))
        for bits, words in mask["words"].items():
            width = int(bits) // 8
            assert words == [int.from_bytes(stream[place * width : (place + 1) * width], "little") for place in range(len(words))]


def test_secrets_are_shared_as_documented() -> None:
    shared = told["secret_sharing"]
    value = int.from_bytes(raw(shared["secret"]) + sha256(b"scale.federation.v1 secret\n" + raw(shared["secret"])).digest()[:16])
    prime = 2**521 - 1
    for point, share in shared["shares"].items():
        expected = value
        for power, coefficient in enumerate(shared["coefficients"], start=1):
            expected += int(coefficient, 16) * int(point) ** power
        assert int(share, 16) == expected % prime
    shares = {int(point): raw(share) for point, share in shared["shares"].items()}
    del shares[2]
    assert combine(shares) == raw(shared["secret"])


def test_the_graph_is_drawn_as_documented() -> None:
    graph = told["graph"]
    ids = [UUID(device) for device in graph["neighbors"]]
    ring = sorted(ids, key=lambda device: sha256(b"scale.federation.v1 order\n" + raw(graph["seed"]) + device.bytes).digest())
    half = graph["neighbor_count"] // 2
    for place, device in enumerate(ring):
        near = {ring[(place + step) % len(ring)] for step in range(-half, half + 1)} - {device}
        assert graph["neighbors"][str(device)] == sorted(str(other) for other in near)


def test_words_are_packed_as_documented() -> None:
    for one in told["words"]:
        whole = [number % 2 ** one["word_bits"] for number in [*one["values"], one["weight"]]]
        assert one["words"] == whole
        assert one["packed"] == b"".join(word.to_bytes(one["word_bits"] // 8, "little") for word in whole).hex()
