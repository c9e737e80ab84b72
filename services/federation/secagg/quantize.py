"""Numbers as words: rounded, laid out in bytes, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Words = NDArray[np.uint32]

_TRIES = 16


def quantize(update: Floats, scale: float, clip_norm: float, rng: np.random.Generator) -> Integers:
    """The update [n] in units of `scale`, each number rounded up or down by chance so that its mean stays, and the Euclidean norm at most
    `clip_norm / scale`: what one device adds to the sum is bounded in the numbers that are really added.

    Rounding adds at most n / 4 to the square of the norm, in the mean. So a vector that is nearly as long as it may be is shortened by that
    first, and what is too long all the same is rounded again, after some tries towards zero. Raises ValueError for numbers that are not
    finite, and for a scale so coarse that rounding alone would exceed the norm.
    """
    if not (scale > 0 and clip_norm > 0 and np.isfinite(scale) and np.isfinite(clip_norm)):
        raise ValueError(f"scale {scale} and norm {clip_norm} must be positive")
    numbers = np.asarray(update, np.float64) / scale
    if not np.isfinite(numbers).all():
        raise ValueError("the update has numbers that are not finite")
    bound = clip_norm / scale
    room = bound * bound - len(numbers) / 4
    if room <= 0:
        raise ValueError(f"a scale of {scale} is too coarse for {len(numbers)} numbers with a norm of {clip_norm}")
    norm, most = float(np.linalg.norm(numbers)), float(np.sqrt(room))
    if norm > most:
        numbers *= most / norm
    for _ in range(_TRIES):
        low = np.floor(numbers)
        rounded = (low + (rng.random(len(numbers)) < numbers - low)).astype(np.int64)
        if _squares(rounded) <= bound * bound:
            return rounded
    return np.trunc(numbers).astype(np.int64)


def to_words(values: Integers, weight: int, word_bits: int) -> Words:
    """Signed numbers [n], noise included, and after them the weight [n + 1], modulo two to the power of `word_bits`."""
    if weight < 0:
        raise ValueError(f"a weight of {weight} is negative")
    return (np.append(np.asarray(values, np.int64), weight) & ((1 << word_bits) - 1)).astype(np.uint32)


def centred(words: Words, word_bits: int) -> Integers:
    """The signed numbers that words [n] stand for: from minus half of two to the power of `word_bits` up to one less than half."""
    half = 1 << (word_bits - 1)
    return (words.astype(np.int64) + half) % (2 * half) - half


def pack(words: Words, word_bits: int) -> bytes:
    """Little-endian, two, three or four bytes a word."""
    whole = np.ascontiguousarray(words, dtype="<u4")
    return whole.view(np.uint8).reshape(-1, 4)[:, : word_bits // 8].tobytes()


def unpack(payload: bytes, word_bits: int) -> Words:
    """Words [n] of their bytes. Raises ValueError for a size that is no multiple of a word's."""
    width = word_bits // 8
    if len(payload) % width:
        raise ValueError(f"{len(payload)} bytes are no whole number of {width}-byte words")
    whole = np.zeros((len(payload) // width, 4), np.uint8)
    whole[:, :width] = np.frombuffer(payload, np.uint8).reshape(-1, width)
    return whole.view("<u4").reshape(-1).astype(np.uint32, copy=False)


def _squares(values: Integers) -> float:
    return float(np.dot(values.astype(np.float64), values.astype(np.float64)))
