"""Texts and amounts to numbers: hashed n-grams of characters and words, amount band with sign, weekday.

All texts of a batch become one array of code points, and every n-gram of it is hashed in a few array operations: with prefix sums of
c[i] * B^i (modulo 2^64, B odd), the hash of any stretch is a difference times an inverse power, so a word costs what three letters cost.
A text has the same n-grams alone as in any batch.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_CHARACTERS = 256
GRAMS = (3, 4, 5)
AMOUNT_BANDS = 66
WEEKDAYS = 8

_BANDS_PER_SIGN = 32  # half octaves from 0.35: the last begins at about 16,000
_ZERO_AMOUNT, UNKNOWN_AMOUNT = 64, 65
UNKNOWN_WEEKDAY = 7

_SPACE, _DIGIT, _DROPPED, _ROW_END = ord(" "), ord("0"), 0, ord("\n")
_BASE = 0x9E3779B97F4A7C15
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_SALT = np.uint64(0x94D049BB133111EB)
# What a character counts as: a letter itself, any digit the same one, an apostrophe or an accent nothing, other marks a space.
_MEANING = np.arange(0x2070, dtype=np.uint32)
_MEANING[:0x80] = _SPACE
_MEANING[ord("a") : ord("z") + 1] = np.arange(ord("a"), ord("z") + 1)
_MEANING[ord("A") : ord("Z") + 1] = np.arange(ord("a"), ord("z") + 1)
_MEANING[ord("0") : ord("9") + 1] = _DIGIT
_MEANING[0x80:0xAA] = _SPACE
_MEANING[0x300:0x370] = _DROPPED  # combining accents, which NFKD sets apart
_MEANING[0x2000:] = _SPACE
_MEANING[[ord("'"), ord("`"), 0xAD, 0xB4, 0x2018, 0x2019]] = _DROPPED
_MEANING[_ROW_END] = _ROW_END


@dataclass(frozen=True, slots=True)
class Features:
    """Of n rows: the hashes of all n-grams, row after row, and where each row's begin; of the whole text; an amount band and a weekday."""

    hashes: NDArray[np.uint64]  # [total]
    offsets: NDArray[np.int64]  # [n]
    wholes: NDArray[np.uint64]  # [n, 2]: the text alone, and with sign and octave of the amount
    bands: NDArray[np.int64]  # [n], in [0, AMOUNT_BANDS)
    weekdays: NDArray[np.int64]  # [n], in [0, WEEKDAYS)


def extract(descriptions: Sequence[str], merchants: Sequence[str], amounts: ArrayLike, weekdays: ArrayLike) -> Features:
    """Features of parallel columns; "" for no merchant, NaN for no amount, -1 for no day. Raises ValueError for unequal lengths."""
    hashes, offsets, texts = ngrams(row_texts(descriptions, merchants))
    bands, days = amount_bands(amounts), np.asarray(weekdays, dtype=np.int64)
    if not len(offsets) == len(bands) == len(days):
        raise ValueError(f"columns of unequal length: {len(offsets)} texts, {len(bands)} amounts, {len(days)} weekdays")
    wholes = np.stack([texts, _mixed(texts ^ ((bands // 2 + 1).astype(np.uint64) * _SALT))], axis=1)
    return Features(hashes, offsets, wholes, bands, np.where((days < 0) | (days > 6), UNKNOWN_WEEKDAY, days))


def row_texts(descriptions: Sequence[str], merchants: Sequence[str]) -> list[str]:
    """One text for each row: the description, after the merchant where it does not hold it. Raises ValueError for unequal lengths."""
    return [
        f"{merchant} {description}" if merchant and merchant not in description else description
        for description, merchant in zip(descriptions, merchants, strict=True)
    ]


def amount_bands(amounts: ArrayLike) -> NDArray[np.int64]:
    """Sign and magnitude in half octaves: a band of amounts, never an amount."""
    values = np.asarray(amounts, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        octaves = np.floor(2 * np.log2(np.abs(values))) + 3
    bands: NDArray[np.int64] = np.clip(np.nan_to_num(octaves, nan=0.0), 0, _BANDS_PER_SIGN - 1).astype(np.int64)
    bands += _BANDS_PER_SIGN * (values > 0)
    bands[values == 0] = _ZERO_AMOUNT
    bands[np.isnan(values)] = UNKNOWN_AMOUNT
    return bands


def ngrams(texts: Sequence[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint64]]:
    """Hashes of all n-grams of texts, row after row [total]; where each row's begin [n]; hashes of whole texts [n].

    Of each word with a space on both sides: its stretches of 3, 4 and 5 characters, and itself; of each pair of neighbours: both together.
    Case, accents, punctuation and the length of numbers make no difference.
    """
    if not texts:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.uint64)
    codes = _normalised(texts)
    row_ends = codes == _ROW_END
    codes[row_ends] = _SPACE
    places = np.arange(len(codes))
    is_space = codes == _SPACE
    # The space after each place; the last one has itself.
    after = np.append(np.minimum.accumulate(np.where(is_space, places, len(codes))[::-1])[::-1][1:], len(codes) - 1)
    word_starts = is_space & (after > places + 1)
    pair_starts = word_starts & ~row_ends[after] & (after[after] > after + 1)
    ends = np.empty((len(codes), len(GRAMS) + 2), dtype=np.int64)
    valid = np.empty(ends.shape, dtype=np.bool_)
    for kind, length in enumerate(GRAMS):
        ends[:, kind] = places + length
        valid[:, kind] = after >= places + length - 1
    ends[:, -2], valid[:, -2] = after, word_starts
    ends[:, -1], valid[:, -1] = after[after], pair_starts
    starts, kinds = np.nonzero(valid)
    borders = np.flatnonzero(row_ends)
    # The stretches of words and, after them, the rows from the end of the one before to their own.
    hashes = _stretches(codes, np.append(starts, borders[:-1]), np.append(ends[starts, kinds], borders[1:]))
    salts = np.append(kinds, np.full(len(texts), len(GRAMS) + 2)).astype(np.uint64) * _SALT
    hashes = _mixed(hashes ^ salts)
    return hashes[: len(starts)], np.searchsorted(starts, borders[:-1]), hashes[len(starts) :]


def _mixed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of a hash brought to bear on the leading ones, which become the bucket."""
    hashes = (hashes ^ (hashes >> np.uint64(32))) * _MIX
    return hashes ^ (hashes >> np.uint64(29))


def _normalised(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Code points of all texts: a row end, then each text and a row end; single spaces between words, numbers as one digit."""
    joined = "\n" + "\n".join([text[:MOST_CHARACTERS].replace("\n", " ") for text in texts]) + "\n"
    if not joined.isascii():
        joined = unicodedata.normalize("NFKD", joined).casefold()
    codes: NDArray[np.uint32] = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    codes = np.where(codes < len(_MEANING), _MEANING[np.minimum(codes, len(_MEANING) - 1)], codes)
    codes = codes[codes != _DROPPED]
    before = codes[:-1]
    repeated = (codes[1:] == before) & ((before == _DIGIT) | (before == _SPACE)) | (codes[1:] == _SPACE) & (before == _ROW_END)
    codes = codes[np.append(True, ~repeated)]
    return codes[np.append((codes[:-1] != _SPACE) | (codes[1:] != _ROW_END), True)]


def _stretches(codes: NDArray[np.uint32], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Polynomial hashes of codes[start:end], the same wherever the stretch stands."""
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum(codes * _powers(_BASE, len(codes)), out=sums[1:])
    return (sums[ends] - sums[starts]) * _powers(pow(_BASE, -1, 1 << 64), len(codes))[starts]


def _powers(base: int, count: int) -> NDArray[np.uint64]:
    factors = np.full(count, base, dtype=np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)
