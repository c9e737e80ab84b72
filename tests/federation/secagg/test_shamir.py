"""Any threshold of the shares give the secret; fewer, or wrong ones, do not."""

from __future__ import annotations

import secrets
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.federation.secagg.shamir import PRIME, combine, repair, split


@settings(max_examples=60, deadline=None)
@given(secret=st.binary(min_size=32, max_size=32), size=st.integers(1, 12), data=st.data())
def test_any_threshold_of_the_shares_give_the_secret(secret: bytes, size: int, data: st.DataObject) -> None:
    points = data.draw(st.lists(st.integers(1, 10_000), min_size=size, max_size=size, unique=True))
    threshold = data.draw(st.integers(1, size))
    shares = dict(zip(points, split(secret, threshold, points), strict=True))
    chosen = data.draw(st.permutations(points))[:threshold]
    assert combine({point: shares[point] for point in chosen}) == secret
    assert combine(shares) == secret  # more than enough is as good


def test_fewer_shares_than_the_threshold_do_not_fit_together() -> None:
    secret = secrets.token_bytes(32)
    shares = dict(enumerate(split(secret, 5, range(1, 8)), start=1))
    with pytest.raises(ValueError, match="do not fit"):
        combine({point: shares[point] for point in (1, 3, 5, 7)})


@pytest.mark.parametrize("bit", [0, 300, 66 * 8 - 8])
def test_a_share_with_one_bit_turned_does_not_fit(bit: int) -> None:
    shares = dict(enumerate(split(secrets.token_bytes(32), 3, range(1, 5)), start=1))
    wrong = int.from_bytes(shares[2]) ^ (1 << bit)
    with pytest.raises(ValueError, match="do not fit"):
        combine({1: shares[1], 2: wrong.to_bytes(66), 3: shares[3]})


def test_fewer_shares_look_the_same_whatever_the_secret_is() -> None:
    # One share of two, a thousand times for each of two secrets that could not be farther apart: its second byte is as often what it is.
    tops = [Counter(split(secret, 2, [1, 2])[0][1] for _ in range(1000)) for secret in (bytes(32), b"\xff" * 32)]
    apart = sum(abs(tops[0][value] - tops[1][value]) for value in range(256))
    assert apart < 850  # 711 in the mean, 35 its standard deviation; 2000 if they had nothing in common
    assert max(*tops[0].values(), *tops[1].values()) < 25


@pytest.mark.parametrize(
    ("secret", "threshold", "points"),
    [
        (bytes(31), 1, [1]),
        (bytes(32), 0, [1]),
        (bytes(32), 3, [1, 2]),
        (bytes(32), 2, [0, 1]),
        (bytes(32), 2, [1, 1]),
        (bytes(32), 1, [PRIME]),
    ],
)
def test_what_cannot_be_split(secret: bytes, threshold: int, points: list[int]) -> None:
    with pytest.raises(ValueError):
        split(secret, threshold, points)


@pytest.mark.parametrize("share", [bytes(65), bytes(67), PRIME.to_bytes(66)], ids=["short", "long", "not in the field"])
def test_what_is_no_share(share: bytes) -> None:
    with pytest.raises(ValueError):
        combine({1: share})


def test_no_shares_and_a_wrong_number_of_coefficients() -> None:
    with pytest.raises(ValueError):
        combine({})
    with pytest.raises(ValueError):
        split(bytes(32), 3, [1, 2, 3], coefficients=[1])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 14), st.integers(0, 4), st.booleans(), st.data())
def test_wrong_shares_are_found_while_two_more_than_the_threshold_are_there_for_each(
    threshold: int, wrong: int, even: bool, data: st.DataObject
) -> None:
    points = list(range(1, threshold + 2 * wrong + even + 1))
    secret = secrets.token_bytes(32)
    shares = dict(zip(points, split(secret, threshold, points), strict=True))
    spoiled = data.draw(st.permutations(points))[:wrong]
    for point in spoiled:
        shares[point] = secrets.randbelow(PRIME).to_bytes(66)
    assert repair(shares, threshold) == (secret, frozenset(spoiled))


@pytest.mark.parametrize("spoiled", [{1}, {5}, {8}])
def test_one_wrong_share_is_found_though_only_one_could_be_spared(spoiled: set[int]) -> None:
    shares = dict(enumerate(split(bytes(32), 7, range(1, 9)), start=1))
    for point in spoiled:
        shares[point] = secrets.randbelow(PRIME).to_bytes(66)
    assert repair(shares, 7) == (bytes(32), frozenset(spoiled))


def test_too_many_wrong_shares_give_no_secret_and_take_no_time() -> None:
    shares = dict(enumerate(split(bytes(32), 23, range(1, 34)), start=1))
    for point in range(1, 8):
        shares[point] = secrets.randbelow(PRIME).to_bytes(66)
    before = time.thread_time()
    for some in (shares, dict(list(shares.items())[:-1])):
        with pytest.raises(ValueError, match="do not fit"):
            repair(some, 23)
    assert time.thread_time() - before < 5
    # Shares of a polynomial that fits, of something that is no secret.
    with pytest.raises(ValueError, match="do not fit"):
        repair({point: point.to_bytes(66) for point in range(1, 6)}, 3)
