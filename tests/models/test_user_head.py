"""A user's head: it answers like the global model until something moved it, goes through bytes unchanged, and refuses what is no head."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.artifact import ArtifactError
from models.hypcd.ball import expmap0
from models.hypcd.classifier import Heads
from models.hypcd.user_head import MAX_BYTES, MAX_OWN, UserHead

DETAILED = ("income_salary", "groceries_supermarket", "transport_fuel", "transport_taxi")
PRIMARIES = ("income", "groceries", "transport")
D = 8


def head(own: int = 2, share: float = 1.0) -> UserHead:
    torch.manual_seed(3)
    anchors = expmap0(torch.randn(len(DETAILED) + own, D) * 0.8, 1.0)
    heads = Heads(
        DETAILED, PRIMARIES, torch.tensor([0, 1, 2, 2]), torch.tensor([True, False, False, False]), anchors[: len(DETAILED)], 0.5, 0.3
    )
    names = tuple(f"own_{number}" for number in range(own))
    bias, adapter = torch.zeros(len(DETAILED) + own), torch.zeros(D, D)
    return UserHead("hypcd-9", heads, names, anchors[len(DETAILED) :], bias, adapter, torch.zeros(D), 1.0, 2.3, share, 19_000)


def asked(count: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = torch.Generator().manual_seed(seed)
    points = expmap0(torch.randn(count, D, generator=chance) * 0.8, 1.0).numpy()
    likely = torch.rand(count, len(DETAILED) + len(PRIMARIES), generator=chance).softmax(dim=1).numpy()
    return points, np.array([-12.5, 40.0, 0.0, float("nan"), -3.0, 1e9][:count]), likely


def test_answers_are_probabilities_over_the_global_categories_and_the_users_own() -> None:
    points, amounts, likely = asked()
    one = head()
    said = one.probabilities(points, amounts, likely)
    assert one.categories == (*DETAILED, *PRIMARIES, "own_0", "own_1")
    assert said.shape == (6, 9)
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)
    # Nobody earns by paying.
    assert said[0, 0] == said[0, 4] == 0
    assert said[1, [0, 4]].sum() > 0


def test_a_head_without_a_share_says_what_the_global_model_says() -> None:
    points, amounts, likely = asked()
    said = head(share=0.0).probabilities(points, amounts, likely)
    np.testing.assert_array_equal(said[:, :7], likely)
    assert not said[:, 7:].any()


def test_bytes_hold_the_whole_head_and_are_the_same_each_time() -> None:
    one = head()
    content = one.to_bytes()
    again = UserHead.load(content)
    assert (again.base_version, again.categories) == ("hypcd-9", one.categories)
    assert again.to_bytes() == content == head().to_bytes()
    np.testing.assert_array_equal(again.probabilities(*asked()), one.probabilities(*asked()))


def test_numbers_of_arrays_are_kept_as_plain_ones() -> None:
    """The others are read by nobody who trusts no bytes."""
    one = head()
    fitted = replace(
        one,
        heads=replace(one.heads, temperature=np.float64(0.5), threshold=np.float64(0.25)),
        last_day=np.int64(7),  # type: ignore[arg-type]  # as an array has it
        share=np.float64(0.5),
    )
    again = UserHead.load(fitted.to_bytes())
    assert (again.heads.temperature, again.heads.threshold, again.last_day, again.share) == (0.5, 0.25, 7, 0.5)


def test_the_largest_head_is_small_enough() -> None:
    one = head()
    anchors = expmap0(torch.randn(99, 32), 1.0)
    heads = Heads(
        tuple(f"category_number_{n}" for n in range(99)), ("all",), torch.zeros(99).long(), torch.zeros(99).bool(), anchors, 0.5, 0.3
    )
    slugs = tuple(f"a_long_name_of_a_category_that_a_user_has_made_up_{n:04d}" for n in range(MAX_OWN))
    most = replace(one, heads=heads, own=slugs, own_anchors=expmap0(torch.randn(MAX_OWN, 32), 1.0), bias=torch.zeros(99 + MAX_OWN))
    most = replace(most, adapter=torch.zeros(32, 32), shift=torch.zeros(32))
    assert len(UserHead.load(most.to_bytes()).own) == MAX_OWN
    assert len(most.to_bytes()) <= MAX_BYTES


def test_a_question_of_another_model_is_refused() -> None:
    points, amounts, likely = asked()
    with pytest.raises(ValueError, match="of another model"):
        head().probabilities(points[:, :4], amounts, likely)
    with pytest.raises(ValueError, match="of another model"):
        head().probabilities(points, amounts, likely[:, :3])
    with pytest.raises(ValueError, match="of another model"):
        head().probabilities(points, amounts[:2], likely)


def test_nothing_asked_is_nothing_answered() -> None:
    assert head().probabilities(np.empty((0, D), np.float32), [], np.empty((0, 7), np.float32)).shape == (0, 9)


def stored(**changes: Any) -> bytes:
    content = torch.load(io.BytesIO(head().to_bytes()), weights_only=True) | changes
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": 2}, "format 2"),
        ({"own": ["own_0"]}, "own anchors"),
        ({"own": ["own_0", "income"]}, "own ones"),
        ({"base_version": ""}, "own ones"),
        ({"bias": torch.full((6,), float("nan"))}, "bias"),
        ({"own_anchors": torch.ones(2, D)}, "beyond the rim"),
        ({"share": 1.5}, "out of bounds"),
        ({"adapter": torch.zeros(D, D + 1)}, "adapter"),
        ({"shift": "text"}, "AttributeError"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ArtifactError, match=why):
        UserHead.load(stored(**changes))


@pytest.mark.parametrize("content", [b"", b"no tensors", b"x" * (MAX_BYTES + 1)])
def test_other_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ArtifactError):
        UserHead.load(content)


class Calls:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this must not be called",))


def test_a_head_that_would_run_something_is_refused() -> None:
    buffer = io.BytesIO()
    torch.save({"format": Calls()}, buffer)
    with pytest.raises(ArtifactError):
        UserHead.load(buffer.getvalue())


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, 6_000), flip=st.integers(0, 255))
def test_damaged_bytes_are_a_head_or_an_artifact_error(cut: int, flip: int) -> None:
    content = bytearray(head().to_bytes())
    content[cut % len(content)] ^= flip
    try:
        found = UserHead.load(bytes(content))
    except ArtifactError:
        return
    assert len(found.categories) == 9
