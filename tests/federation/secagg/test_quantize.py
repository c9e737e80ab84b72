"""Numbers become words and come back; one device adds no more than the norm says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from services.federation.secagg import centred, pack, quantize, to_words, unpack

every_width = pytest.mark.parametrize("word_bits", [16, 24, 32])
RNG = np.random.default_rng(1)


@every_width
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_words_come_back_as_the_numbers_that_they_were(word_bits: int, data: st.DataObject) -> None:
    half = 1 << (word_bits - 1)
    values = data.draw(arrays.arrays(np.int64, st.integers(0, 50), elements=st.integers(-half, half - 1)))
    weight = data.draw(st.integers(0, half - 1))
    words = to_words(values, weight, word_bits)
    payload = pack(words, word_bits)
    assert len(payload) == (len(values) + 1) * word_bits // 8
    assert np.array_equal(unpack(payload, word_bits), words)
    assert np.array_equal(centred(words, word_bits), np.append(values, weight))


@every_width
def test_bytes_are_little_endian(word_bits: int) -> None:
    assert pack(np.array([1, 0x0203], np.uint32), word_bits) == b"".join(
        number.to_bytes(word_bits // 8, "little") for number in (1, 0x0203)
    )


@settings(max_examples=40, deadline=None)
@given(
    update=arrays.arrays(np.float32, st.integers(1, 200), elements=st.floats(-4, 4, width=32)),
    steps=st.integers(20, 5000),
)
def test_the_norm_is_kept_and_no_number_moves_further_than_to_its_neighbour(update: np.ndarray, steps: int) -> None:
    clip_norm = max(float(np.linalg.norm(update.astype(np.float64))), 1e-3)
    scale = clip_norm / steps
    found = quantize(update, scale, clip_norm, RNG)
    assert found.dtype == np.int64
    assert np.linalg.norm(found.astype(np.float64)) <= steps * (1 + 1e-12)
    room = np.sqrt(steps**2 - len(update) / 4)
    shortened = update / scale * min(1.0, room / max(float(np.linalg.norm(update / scale)), 1e-9))
    assert np.abs(found - shortened).max() <= 1.001


def test_rounding_is_right_in_the_mean() -> None:
    update = np.array([0.3, -0.7, 0.5, 0.0, 2.25], np.float32)
    mean = np.mean([quantize(update, 1.0, 100.0, RNG) for _ in range(4000)], axis=0)
    assert np.abs(mean - update).max() < 0.04  # five standard deviations


def test_a_long_vector_of_halves_keeps_its_norm() -> None:
    # Every number lies between two steps, and the norm is all that is allowed: rounded as it is, it would nearly always be too long.
    update = np.full(20_000, 0.5, np.float32)
    clip_norm = float(np.linalg.norm(update))
    for _ in range(5):
        found = quantize(update, 0.25 + 1e-6, clip_norm, RNG)
        assert np.linalg.norm(found.astype(np.float64)) <= clip_norm / (0.25 + 1e-6)


def test_what_is_too_long_every_time_is_rounded_towards_zero() -> None:
    class Always(np.random.Generator):
        """Rounds everything away from zero."""

        def random(self, *_: object, **__: object) -> np.ndarray:  # type: ignore[override]
            return np.zeros(8)

    found = quantize(np.full(8, 1.9, np.float32), 1.0, 5.4, Always(np.random.PCG64(1)))
    assert found.tolist() == [1] * 8


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        quantize(np.array([1.0, number], np.float32), 0.1, 1.0, RNG)


@pytest.mark.parametrize(("scale", "clip_norm"), [(0.0, 1.0), (0.1, 0.0), (-0.1, 1.0), (np.nan, 1.0), (0.1, np.inf)])
def test_scales_and_norms_that_are_none_are_refused(scale: float, clip_norm: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        quantize(np.zeros(3, np.float32), scale, clip_norm, RNG)


def test_a_scale_that_is_too_coarse_is_refused() -> None:
    with pytest.raises(ValueError, match="too coarse"):
        quantize(np.zeros(10_000, np.float32), 0.1, 1.0, RNG)


def test_a_negative_weight_and_half_a_word_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        to_words(np.zeros(1, np.int64), -1, 16)
    with pytest.raises(ValueError, match="no whole number"):
        unpack(bytes(5), 24)
