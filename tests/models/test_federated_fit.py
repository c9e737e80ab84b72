"""Training on a device: it learns, stays near where it began when asked to, hides single examples by Opacus, and is quick."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opacus.accountants import RDPAccountant

from models import hypcd
from models.cores import use_one_core
from models.federated.fit import ExamplePrivacy, Examples, NothingToLearn, train
from models.federated.head import Head, encoder_bytes, load_encoder
from models.hypcd.ball import expmap0
from models.hypcd.classifier import Classifier, Items
from models.hypcd.network import Encoder

SHIPPED = Path(hypcd.__file__).parent
PLAN: dict[str, Any] = {"epochs": 1, "learning_rate": 0.1, "batch_size": 32}
PRIVACY = ExamplePrivacy(noise_multiplier=0.5, clip_norm=1.0)


@pytest.fixture(scope="module", autouse=True)
def one_core() -> None:
    use_one_core()


@pytest.fixture(scope="module")
def head() -> Head:
    return Head.of(Classifier.load(SHIPPED))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(encoder_bytes(SHIPPED)[0])


@pytest.fixture(scope="module")
def examples(head: Head) -> Examples:
    return somebody(head, 200)


def somebody(head: Head, count: int, *, seed: int = 1) -> Examples:
    """Payments that somebody calls otherwise than the model would: what lies at one anchor is of the next category that is no income."""
    chance = np.random.default_rng(seed)
    payable = np.flatnonzero(~head.credit)
    places = chance.integers(0, 5, count)
    tangent = head.vector.reshape(len(head.detailed), -1)[payable[places]] + chance.normal(0, 0.1, (count, head.dimension))
    import torch

    points = expmap0(torch.from_numpy(tangent.astype(np.float32)), head.curvature).numpy()
    return Examples(points, payable[places + 1], np.ones(count, np.bool_))


def accuracy(head: Head, examples: Examples) -> float:
    said = head.primary_probabilities(examples.points, examples.spent).argmax(axis=1)
    return float((said == head.parent[examples.categories]).mean())


def test_a_head_learns_what_its_user_means(head: Head, examples: Examples) -> None:
    fitted = train(head, examples, epochs=3, learning_rate=0.3, batch_size=16, seed=1)
    first = train(head, examples, epochs=1, learning_rate=1e-9, batch_size=200, seed=1)
    assert fitted.loss < 0.7 * first.loss
    np.testing.assert_allclose(head.vector + fitted.update, fitted.vector, atol=1e-6)
    assert accuracy(head.with_vector(fitted.vector), examples) >= accuracy(head, examples)
    assert (fitted.example_steps, fitted.example_epsilon) == ((), math.inf)


def test_the_same_seed_makes_the_same_update(head: Head, examples: Examples) -> None:
    one, same, other = (train(head, examples, **PLAN, seed=seed).update for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.requirement("FED-03")
@pytest.mark.parametrize("epochs", [0, 4, -1])
def test_one_to_three_epochs_and_no_other_number(head: Head, examples: Examples, epochs: int) -> None:
    with pytest.raises(ValueError, match="epochs must be 1 to 3"):
        train(head, examples, epochs=epochs, learning_rate=0.1, batch_size=32)


@pytest.mark.parametrize("wrong", [{"learning_rate": 0.0}, {"learning_rate": math.nan}, {"batch_size": 0}, {"proximal_mu": -1.0}])
def test_a_plan_that_no_device_can_follow_is_refused(head: Head, examples: Examples, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no device"):
        train(head, examples, **{**PLAN, **wrong})


@pytest.mark.requirement("FED-06")
@pytest.mark.parametrize("privacy", [ExamplePrivacy(0.0, 1.0), ExamplePrivacy(-1.0, 1.0), ExamplePrivacy(1.0, 0.0)])
def test_privacy_without_noise_or_without_clipping_is_none(head: Head, examples: Examples, privacy: ExamplePrivacy) -> None:
    with pytest.raises(ValueError, match="above 0"):
        train(head, examples, **PLAN, privacy=privacy)


def test_a_head_that_would_leave_all_numbers_behind_is_no_update(head: Head, examples: Examples) -> None:
    with pytest.raises(ValueError, match="learning rate"):
        train(head, examples, epochs=3, learning_rate=9e5, batch_size=1, proximal_mu=9e5, seed=1)


@pytest.mark.requirement("FED-10")
@pytest.mark.parametrize("privacy", [None, PRIVACY], ids=["open", "private"])
def test_fedprox_holds_the_head_where_it_began(head: Head, examples: Examples, privacy: ExamplePrivacy | None) -> None:
    lengths = [
        float(np.linalg.norm(train(head, examples, epochs=3, learning_rate=0.1, batch_size=16, proximal_mu=mu, privacy=privacy).update))
        for mu in (0.0, 1.0, 5.0)
    ]
    assert lengths[0] > lengths[1] > lengths[2]


def test_fedprox_is_the_gradient_of_half_mu_times_the_squared_distance(head: Head, examples: Examples) -> None:
    """Of a full batch, so that nothing is drawn by chance: one step with and without mu from the second step on differ by it alone."""
    plan: dict[str, Any] = {"learning_rate": 0.01, "batch_size": len(examples), "seed": 1}
    first = train(head, examples, epochs=1, **plan).update
    free, held = (train(head, examples, epochs=2, proximal_mu=mu, **plan).update for mu in (0.0, 3.0))
    np.testing.assert_allclose(free - held, 0.01 * 3.0 * first, atol=2e-6)


@given(count=st.integers(1, 70), batch=st.sampled_from([1, 2, 7, 32]), epochs=st.integers(1, 3))
@settings(max_examples=12, deadline=None)
def test_private_training_takes_any_number_of_examples_and_empty_draws(count: int, batch: int, epochs: int) -> None:
    head = Head.of(Classifier.load(SHIPPED))
    fitted = train(head, somebody(head, count), epochs=epochs, learning_rate=0.1, batch_size=batch, privacy=PRIVACY)
    steps = -(-count // min(batch, count))
    assert np.isfinite(fitted.update).all()
    assert fitted.update.any()
    assert fitted.example_steps == ((0.5, 1 / steps, epochs * steps),)


@pytest.mark.requirement("FED-06")
def test_opacus_accounts_for_single_examples(head: Head, examples: Examples) -> None:
    costs = [train(head, examples, epochs=epochs, learning_rate=0.1, batch_size=32, privacy=PRIVACY) for epochs in (1, 3)]
    assert 0 < costs[0].example_epsilon < costs[1].example_epsilon < math.inf
    accountant = RDPAccountant()
    for noise, rate, count in costs[1].example_steps:
        for _ in range(count):
            accountant.step(noise_multiplier=noise, sample_rate=rate)
    assert costs[1].example_epsilon == pytest.approx(accountant.get_epsilon(1e-5))
    more = train(head, examples, **PLAN, privacy=ExamplePrivacy(2.0, 1.0))
    assert more.example_epsilon < costs[0].example_epsilon


def test_one_example_moves_a_private_step_by_its_clip_norm_at_most(head: Head) -> None:
    """Noise is next to nothing here: what is left is what one example may say, however wrong the model is about it."""
    lone = somebody(head, 1)
    still = ExamplePrivacy(1e-9, 0.25)
    open_step = float(np.linalg.norm(train(head, lone, **PLAN, seed=1).update))
    step = float(np.linalg.norm(train(head, lone, **PLAN, privacy=still).update))
    assert open_step > 2 * 0.1 * 0.25
    assert step == pytest.approx(0.1 * 0.25, rel=0.01)


def test_noise_of_a_private_step_is_as_large_as_said_and_new_each_time(head: Head) -> None:
    lone = somebody(head, 1)
    runs = np.stack([train(head, lone, **PLAN, privacy=ExamplePrivacy(4.0, 0.01)).update for _ in range(6)])
    assert runs.std() == pytest.approx(0.1 * 4.0 * 0.01, rel=0.05)
    assert len({run.tobytes() for run in runs}) == len(runs)


def test_examples_are_made_of_transactions_whose_category_the_model_knows(head: Head, encoder: Encoder) -> None:
    items = Items(["Tesco", "Shell", "gym", "bonus"], [""] * 4, [-12.0, -40.0, float("nan"), 500.0], [0, 6, -1, 3])
    made = Examples.of(encoder, head, items, ["groceries", "transport_fuel", "my own category", "income"])
    assert [head.slugs[place] for place in made.categories] == ["groceries", "transport_fuel", "income"]
    assert made.spent.tolist() == [True, True, False]
    predicted = Classifier("x", encoder, head.heads()).predict(items).points
    np.testing.assert_allclose(made.points, predicted[[0, 1, 3]], atol=1e-6)


def test_columns_of_unequal_length_are_refused(head: Head, encoder: Encoder) -> None:
    with pytest.raises(ValueError, match="unequal"):
        Examples.of(encoder, head, Items(["Tesco"], [""], [-12.0], [0]), ["groceries", "groceries"])


def test_without_anything_that_can_be_learned_there_is_no_update(head: Head, encoder: Encoder) -> None:
    none = Examples.of(encoder, head, Items([], [], [], []), [])
    with pytest.raises(NothingToLearn, match="put some right"):
        train(head, none, **PLAN)
    paid_income = Examples.of(encoder, head, Items(["Acme"], [""], [-12.0], [0]), ["income"])
    with pytest.raises(NothingToLearn):
        train(head, paid_income, **PLAN)


@pytest.mark.requirement("FED-03")
def test_a_few_thousand_transactions_take_seconds(head: Head) -> None:
    """Thirty seconds are allowed; processor time, so that others on this machine do not count."""
    rows = somebody(head, 3_000)
    started = time.process_time()
    train(head, rows, epochs=3, learning_rate=0.1, batch_size=32, privacy=PRIVACY)
    assert time.process_time() - started < 10
