"""Weights of evidence: past months are lived through without looking ahead, and what helps gets weight."""

import numpy as np

from models.hypcd.personal_evidence import NAMES
from models.hypcd.personal_fit import Purchases, fit_weights, live_through, turns

USERS = np.array([1, 2, 1, 1, 2, 1])
DAYS = np.array([5, 5, 6, 6, 7, 8], np.int32)


def listed(found):
    return sorted((known.tolist(), asked.tolist()) for known, asked in found)


def test_a_label_is_known_once_it_was_predicted():
    assert listed(turns(USERS, DAYS, 2, by_day=False)) == [([0], [2]), ([0, 2], [3]), ([0, 2, 3], [5]), ([1], [4])]


def test_labels_of_a_day_are_known_when_it_is_over():
    assert listed(turns(USERS, DAYS, 2, by_day=True)) == [([0], [2, 3]), ([0, 2, 3], [5]), ([1], [4])]


def made_purchases(count=600, categories=4):
    """Each user has a category of its own for each shop, which the global model cannot know."""
    chance = np.random.default_rng(3)
    users, shops = chance.integers(0, 5, count), chance.integers(0, 6, count)
    own = chance.integers(0, categories, (5, 6))
    return Purchases(
        users,
        [f"shop {shop}" for shop in shops],
        own[users, shops],
        chance.normal(0, 20, count),
        np.arange(count, dtype=np.int32),
        np.full((count, categories), 1 / categories, np.float32),
        np.zeros((count, 2), np.float32),
    )


def test_evidence_never_knows_the_label_that_it_is_to_predict():
    purchases = made_purchases()
    before = live_through(purchases, 300, by_day=False)
    # The last payment of each user: whatever its label, nothing that came before it may change.
    last = [int(np.flatnonzero(purchases.users == user)[-1]) for user in range(5)]
    purchases.labels[last] = (purchases.labels[last] + 1) % 4
    after = live_through(purchases, 300, by_day=False)
    assert np.array_equal(before.evidence, after.evidence)
    assert not np.array_equal(before.right, after.right)


def test_what_helps_gets_weight_and_the_same_examples_give_the_same_weights():
    examples = live_through(made_purchases(), 100, by_day=True)
    assert examples.evidence.shape == (len(examples.payments), len(NAMES))
    weights = fit_weights(examples, epochs=6, hidden=8)
    again = fit_weights(examples, epochs=6, hidden=8)
    assert np.array_equal(weights.hidden, again.hidden)
    scores = np.tanh(examples.evidence @ weights.hidden + weights.bias) @ weights.out
    starts = np.flatnonzero(np.r_[True, np.diff(examples.payments) > 0])
    found = [examples.right[start + scores[start:end].argmax()] for start, end in zip(starts, [*starts[1:], len(scores)], strict=True)]
    assert np.mean(found) > 0.9
