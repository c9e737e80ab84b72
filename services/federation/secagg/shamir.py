"""Shamir's secret sharing: any `threshold` of the shares give the secret, fewer say nothing about it.

In the prime field of 2^521 - 1: a secret of 32 bytes and 16 of its hash are below that, so it shows when shares do not belong together.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import zip_longest
from math import prod

PRIME = 2**521 - 1
SECRET_BYTES = 32
SHARE_BYTES = 66
_CHECK = b"scale.federation.v1 secret\n"
_CHECK_BYTES = 16
_MOST_TRIES = 50

_Polynomial = list[int]
"""Coefficients, the constant one first, without zeros at the end."""


def split(secret: bytes, threshold: int, points: Sequence[int], coefficients: Sequence[int] | None = None) -> list[bytes]:
    """A share for each of the points, which are positive and distinct: the polynomial's value there, big-endian. `coefficients`, of the
    powers from one to `threshold` - 1, are drawn at random; only test vectors give them."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a secret has {SECRET_BYTES} bytes, not {len(secret)}")
    if not 1 <= threshold <= len(points):
        raise ValueError(f"{threshold} of {len(points)} shares cannot be asked for")
    _check_points(tuple(points))
    higher = list(coefficients) if coefficients is not None else [secrets.randbelow(PRIME) for _ in range(threshold - 1)]
    if len(higher) != threshold - 1:
        raise ValueError(f"a threshold of {threshold} takes {threshold - 1} coefficients, not {len(higher)}")
    falling = [*reversed(higher), int.from_bytes(secret + _check(secret))]
    shares = []
    for point in points:
        value = 0
        for coefficient in falling:
            value = (value * point + coefficient) % PRIME
        shares.append(value.to_bytes(SHARE_BYTES))
    return shares


def combine(shares: Mapping[int, bytes]) -> bytes:
    """The secret of the shares, by point: as many as the threshold says. Raises ValueError for shares that do not fit together."""
    points = tuple(sorted(shares))
    weights = _weights(points)
    return _opened(sum(weight * to_number(shares[point]) for point, weight in zip(points, weights, strict=True)) % PRIME)


def repair(shares: Mapping[int, bytes], threshold: int) -> tuple[bytes, frozenset[int]]:
    """The secret of shares of which some are wrong, and the points of those. As long as there are two more than the threshold for each
    wrong one, and where one is missing to that, most often, too: then one of the last 50 is left out. Raises ValueError where nothing
    fits."""
    values = {point: to_number(share) for point, share in shares.items()}
    odd = (len(values) - threshold) % 2
    for left_out in (None, *([*reversed(values)][:_MOST_TRIES] if odd else [])):
        found = _decode({point: value for point, value in values.items() if point != left_out}, threshold)
        if not found:
            continue
        try:
            return _opened(found[0]), frozenset(point for point, value in values.items() if _at(found, point) != value)
        except ValueError:
            continue
    raise ValueError("these shares do not fit together")


def _opened(number: int) -> bytes:
    """The secret in a polynomial's value at zero."""
    found = number.to_bytes(SHARE_BYTES)
    secret, check = found[-SECRET_BYTES - _CHECK_BYTES : -_CHECK_BYTES], found[-_CHECK_BYTES:]
    if number >> 8 * (SECRET_BYTES + _CHECK_BYTES) or not hmac.compare_digest(check, _check(secret)):
        raise ValueError("these shares do not fit together")
    return secret


def to_number(share: bytes) -> int:
    """A share as an element of the field. Raises ValueError where it is none."""
    if len(share) != SHARE_BYTES or (number := int.from_bytes(share)) >= PRIME:
        raise ValueError(f"a share has {SHARE_BYTES} bytes and is below 2^521 - 1")
    return number


def _check(secret: bytes) -> bytes:
    return sha256(_CHECK + secret).digest()[:_CHECK_BYTES]


@lru_cache(maxsize=256)
def _weights(points: tuple[int, ...]) -> tuple[int, ...]:
    """Lagrange's coefficients at zero: computed once for each set of points, since many secrets are opened by the same devices."""
    _check_points(points)
    whole = prod(points)
    return tuple(whole // point * pow(prod(other - point for other in points if other != point), -1, PRIME) % PRIME for point in points)


def _check_points(points: tuple[int, ...]) -> None:
    if not points or len(set(points)) != len(points) or min(points) < 1 or max(points) >= PRIME:
        raise ValueError("points are positive and distinct")


def _decode(values: Mapping[int, int], threshold: int) -> _Polynomial:
    """The polynomial of `threshold` coefficients through all values but the wrong ones (Gao's decoder of Reed-Solomon
    codes); empty where more than half of what is above the threshold is wrong."""
    whole: _Polynomial = [1]
    for point in values:
        whole = _less([0, *whole], [coefficient * point for coefficient in whole])
    through: _Polynomial = [0] * len(values)
    for point, value in values.items():
        others, carried = [0] * len(values), 0
        for power in reversed(range(len(values))):
            carried = others[power] = (whole[power + 1] + carried * point) % PRIME
        share = value * pow(_at(others, point), -1, PRIME) % PRIME
        through = [(one + share * other) % PRIME for one, other in zip(through, others, strict=True)]
    before, rest, factor_before, factor = whole, _less(through, []), [], [1]
    while rest and 2 * (len(rest) - 1) >= len(values) + threshold:
        quotient, left = _divided(before, rest)
        before, rest, factor_before, factor = rest, left, factor, _less(factor_before, _times(quotient, factor))
    found, left = _divided(rest, factor)
    return found if not left and len(found) <= threshold else []


def _at(polynomial: _Polynomial, point: int) -> int:
    value = 0
    for coefficient in reversed(polynomial):
        value = (value * point + coefficient) % PRIME
    return value


def _less(one: _Polynomial, other: _Polynomial) -> _Polynomial:
    difference = [(a - b) % PRIME for a, b in zip_longest(one, other, fillvalue=0)]
    while difference and not difference[-1]:
        difference.pop()
    return difference


def _times(one: _Polynomial, other: _Polynomial) -> _Polynomial:
    product = [0] * (len(one) + len(other))
    for shift, factor in enumerate(one):
        for power, coefficient in enumerate(other, start=shift):
            product[power] = (product[power] + factor * coefficient) % PRIME
    return _less(product, [])


def _divided(polynomial: _Polynomial, by: _Polynomial) -> tuple[_Polynomial, _Polynomial]:
    """Quotient and rest."""
    quotient, rest = [0] * max(len(polynomial) - len(by) + 1, 0), list(polynomial)
    inverse = pow(by[-1], -1, PRIME)
    for shift in reversed(range(len(quotient))):
        quotient[shift] = factor = rest[shift + len(by) - 1] * inverse % PRIME
        for power, coefficient in enumerate(by, start=shift):
            rest[power] = (rest[power] - factor * coefficient) % PRIME
    return quotient, _less(rest, [])
