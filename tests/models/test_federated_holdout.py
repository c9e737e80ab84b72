"""Rows held out tell a head that is as good as the one before from one that is worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import hypcd
from models.federated import defaults
from models.federated.head import Head, encoder_bytes, load_encoder
from models.federated.holdout import HoldOut, merchants, statements
from models.hypcd.classifier import Classifier
from models.hypcd.corpus import held_out

SHIPPED = Path(hypcd.__file__).parent


@pytest.fixture(scope="module")
def head() -> Head:
    return Head.of(Classifier.load(SHIPPED))


@pytest.fixture(scope="module")
def rows(head: Head) -> HoldOut:
    return HoldOut.of(load_encoder(encoder_bytes(SHIPPED)[0]), head)


def towards(head: Head, norm: float, *, seed: int = 1) -> Head:
    """The head, moved so far in a direction of chance."""
    way = np.random.default_rng(seed).standard_normal(head.length)
    return head.moved((way * (norm / np.linalg.norm(way))).astype(np.float32))


def test_both_parts_are_there_and_count_the_same(rows: HoldOut) -> None:
    lines, shops = len(statements()), len(merchants())
    assert lines > 400
    assert shops > 2_500
    assert all(held_out(row[0]) for row in merchants())
    assert len(rows.truth) == lines + shops
    assert rows.weights[:lines].sum() == pytest.approx(0.5)
    assert rows.weights.sum() == pytest.approx(1)


def test_a_head_has_the_same_accuracy_each_time(head: Head, rows: HoldOut) -> None:
    assert rows.accuracy(head) == rows.accuracy(head)
    assert 0.72 < rows.accuracy(head) < 0.9


def test_an_update_of_noise_as_large_as_is_published_passes(head: Head, rows: HoldOut) -> None:
    for seed in range(5):
        assert rows.accuracy(towards(head, 1.0, seed=seed)) >= rows.accuracy(head) - defaults.GATE_TOLERANCE


def test_a_poisoned_head_does_not_pass(head: Head, rows: HoldOut) -> None:
    swapped = head.with_vector(np.roll(head.vector, 40 * head.dimension))
    for poisoned in (swapped, head.with_vector(-head.vector), towards(head, 20.0)):
        assert rows.accuracy(poisoned) < rows.accuracy(head) - 0.2


def test_rows_of_categories_that_nobody_knows_are_left_out(head: Head) -> None:
    encoder = load_encoder(encoder_bytes(SHIPPED)[0])
    some = [("tesco", -12.0, "groceries", 1.0), ("x", -1.0, "no such category", 9.0)]
    found = HoldOut.of(encoder, head, (some,))
    assert found.weights.tolist() == [1.0]
    assert found.accuracy(head) == 1.0
    with pytest.raises(ValueError, match="none of the rows"):
        HoldOut.of(encoder, head, (some[1:],))
