"""Masks look random, cancel, and are of one round, one pair and one direction."""

from __future__ import annotations

import secrets
from uuid import UUID, uuid4

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from services.federation.secagg.masks import adds, agree, mask_words, pair_mask_key, self_mask_key
from tests.federation.secagg.small_rounds import SmallRound, numbers

every_width = pytest.mark.parametrize("word_bits", [16, 24, 32])


def chi_square(payload: bytes) -> float:
    """Of the histogram of bytes against all being as frequent: 255 in the mean, 22.6 its standard deviation."""
    counts = np.bincount(np.frombuffer(payload, np.uint8), minlength=256)
    return float(((counts - counts.mean()) ** 2 / counts.mean()).sum())


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.astype(np.float64), other.astype(np.float64))[0, 1])


@every_width
def test_the_bytes_of_a_mask_are_all_as_frequent(word_bits: int) -> None:
    words = mask_words(secrets.token_bytes(32), numbers(word_bits=word_bits, length=100_000))
    assert int(words.max()) < 1 << word_bits
    assert int(words.max()) > (1 << word_bits) * 0.999
    kept = words.astype("<u4").view(np.uint8).reshape(-1, 4)[:, : word_bits // 8]
    for place in range(word_bits // 8):
        assert 120 < chi_square(kept[:, place].tobytes()) < 400


def test_masks_have_nothing_to_do_with_each_other_nor_with_themselves_further_on() -> None:
    parameters = numbers(word_bits=32, length=50_000)
    masks = [mask_words(secrets.token_bytes(32), parameters) for _ in range(4)]
    apart = [correlation(one, other) for place, one in enumerate(masks) for other in masks[:place]]
    apart += [correlation(masks[0][:-shift], masks[0][shift:]) for shift in (1, 2, 16, 64)]
    assert max(np.abs(apart)) < 0.025  # 5.5 standard deviations
    assert len(np.unique(masks[0])) > 50_000 - 5  # 0.3 pairs of equal words are to be expected


def test_both_sides_of_a_pair_have_the_same_mask_and_one_adds_it() -> None:
    one, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    ids = uuid4(), uuid4()
    here = pair_mask_key(agree(one, other.public_key().public_bytes_raw()), bytes(32), *ids)
    there = pair_mask_key(agree(other, one.public_key().public_bytes_raw()), bytes(32), *ids[::-1])
    assert here == there
    assert adds(*ids) is not adds(*ids[::-1])


def test_another_group_pair_or_secret_has_another_mask() -> None:
    secret, ids = bytes(32), [UUID(int=place) for place in range(3)]
    keys = {
        pair_mask_key(secret, bytes(32), ids[0], ids[1]),
        pair_mask_key(secret, bytes(31) + b"\x01", ids[0], ids[1]),
        pair_mask_key(secret, bytes(32), ids[0], ids[2]),
        pair_mask_key(bytes(31) + b"\x01", bytes(32), ids[0], ids[1]),
        self_mask_key(secret, bytes(32), ids[0]),
        self_mask_key(secret, bytes(32), ids[1]),
    }
    assert len(keys) == 6


def test_a_key_that_agrees_with_everybody_on_the_same_is_none() -> None:
    with pytest.raises(ValueError):
        agree(X25519PrivateKey.generate(), bytes(32))


@pytest.mark.requirement("FED-08")
@every_width
def test_what_the_coordinator_receives_shows_no_update(word_bits: int) -> None:
    """FED-08: all that a device sends, beside what it would have sent without masks."""
    length = 20_000
    found = SmallRound(4, word_bits=word_bits, length=length)
    silent = found.left[0]
    found.vectors[silent][:] = 0
    found.advertise().share().upload()
    for device, payload in found.payloads.items():
        plain = found.words(device)
        masked = np.frombuffer(payload, np.uint8).reshape(length, -1)
        bare = plain.astype("<u4").view(np.uint8).reshape(length, 4)[:, : word_bits // 8]
        assert payload != bare.tobytes()
        assert 0.002 < (masked == bare).mean() < 0.006  # one byte in 256, as by chance
        values = masked.astype(np.int64) @ (256 ** np.arange(word_bits // 8))
        assert device == silent or abs(correlation(values, plain)) < 0.04
        assert chi_square(payload) < 400
        for other, theirs in found.payloads.items():
            if other != device:
                assert abs(correlation(masked.ravel(), np.frombuffer(theirs, np.uint8))) < 0.04


def test_the_same_update_of_the_same_device_looks_different_in_every_round() -> None:
    first = SmallRound(4, length=5_000).advertise().share().upload()
    again = SmallRound(4, members=list(first.members.values()), length=5_000)
    again.vectors, again.weights = first.vectors, first.weights
    again.advertise().share().upload()
    for device, payload in first.payloads.items():
        assert (np.frombuffer(payload, np.uint8) == np.frombuffer(again.payloads[device], np.uint8)).mean() < 0.01
