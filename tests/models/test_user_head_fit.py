"""A user's head learns what the user means, says honestly whether that helps, and forgets nothing on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.hypcd.ball import expmap0, logmap0, pairwise_distance
from models.hypcd.classifier import Classifier, Heads
from models.hypcd.network import Config, Encoder
from models.hypcd.user_head import UserHead
from models.hypcd.user_head_fit import Examples, Learned, Options, TooFewExamples, judge, learn_head, score

DETAILED = ("income_salary", "groceries_supermarket", "transport_fuel", "transport_taxi")
PRIMARIES = ("income", "groceries", "transport")
D = 8
OPTIONS = Options(steps=40)


@pytest.fixture(scope="module")
def model() -> Classifier:
    torch.manual_seed(5)
    anchors = expmap0(torch.nn.functional.normalize(torch.randn(len(DETAILED), D)) * 1.2, 1.0)
    heads = Heads(DETAILED, PRIMARIES, torch.tensor([0, 1, 2, 2]), torch.tensor([True, False, False, False]), anchors, 0.3, 0.4)
    return Classifier("base-1", Encoder(Config(bucket_bits=8, gram_width=8, hidden=8, dimension=D)), heads)


def payments(model: Classifier, meant: dict[int, str], count: int, *, seed: int = 1, said: bool = True) -> Examples:
    """Payments about one of the model's anchors each, which the user calls as `meant` says; no merchant is met twice."""
    chance = torch.Generator().manual_seed(seed)
    places = torch.tensor(sorted(meant))[torch.arange(count) % len(meant)]
    tangent = logmap0(model.heads.anchors[places], 1.0) + torch.randn(count, D, generator=chance) * 0.15
    points = expmap0(tangent, 1.0)
    logits = (-pairwise_distance(points, model.heads.anchors, 1.0) / 0.3).masked_fill(model.heads.credit, float("-inf"))
    return Examples(
        points.numpy(),
        model.heads.said(logits.softmax(dim=1)).numpy(),
        [f"merchant {seed} {number}" for number in range(count)],
        np.full(count, -12.0),
        np.arange(count, dtype=np.int32) + 19_000,
        [meant[place] for place in places.tolist()],
        np.full(count, said),
    )


def joined(one: Examples, other: Examples) -> Examples:
    both = [np.concatenate([getattr(one, name), getattr(other, name)]) for name in ("points", "likely", "amounts", "days", "said")]
    return Examples(both[0], both[1], [*one.keys, *other.keys], both[2], both[3], [*one.labels, *other.labels], both[4])


def unlabelled(rows: Examples) -> Examples:
    return replace(rows, labels=[""] * len(rows), said=np.zeros(len(rows), np.bool_))


def answers(head: UserHead, rows: Examples) -> list[str]:
    return [head.categories[best] for best in head.probabilities(rows.points, rows.amounts, rows.likely).argmax(axis=1)]


MEANT = {1: "groceries_supermarket", 2: "car", 3: "transport_taxi"}


@pytest.fixture(scope="module")
def rows(model: Classifier) -> Examples:
    return payments(model, MEANT, 100, said=False)


@pytest.fixture(scope="module")
def learned(model: Classifier, rows: Examples) -> Learned:
    return learn_head(rows, model, options=OPTIONS)


def test_a_category_of_the_users_own_is_learned_and_found_better_on_merchants_never_seen(model: Classifier, learned: Learned) -> None:
    assert learned.better
    assert learned.held_out == 20
    assert learned.trained.accuracy > learned.present.accuracy + 0.2
    assert learned.trained.log_loss < learned.present.log_loss
    unseen = payments(model, MEANT, 60, seed=2)
    right = np.mean([one == other for one, other in zip(answers(learned.head, unseen), unseen.labels, strict=True)])
    assert right > 0.9
    again = UserHead.load(learned.head.to_bytes())
    np.testing.assert_array_equal(
        again.probabilities(unseen.points, unseen.amounts, unseen.likely),
        learned.head.probabilities(unseen.points, unseen.amounts, unseen.likely),
    )
    assert (learned.head.base_version, learned.head.own, learned.head.last_day) == ("base-1", ("car",), 19_099)


def test_the_same_payments_make_the_same_bytes_whatever_chance_was_at(model: Classifier, rows: Examples, learned: Learned) -> None:
    torch.manual_seed(77)
    np.random.seed(77)
    again = learn_head(rows, model, options=OPTIONS)
    assert again.head.to_bytes() == learned.head.to_bytes()
    assert (again.trained, again.present) == (learned.trained, learned.present)


def test_who_agrees_with_the_global_model_gets_no_other_one(model: Classifier) -> None:
    rows = payments(model, {1: DETAILED[1], 2: DETAILED[2]}, 60)
    sure = np.zeros_like(rows.likely)
    sure[np.arange(60), [DETAILED.index(label) for label in rows.labels]] = 1
    learned = learn_head(replace(rows, likely=sure), model, options=OPTIONS)
    assert learned.present.accuracy == 1
    assert not learned.better


def test_what_answers_now_is_asked_only_what_it_has_not_seen(model: Classifier, rows: Examples, learned: Learned) -> None:
    present = learned.head
    # It has seen them all: it cannot be asked any, and the new one has to be better than the global model.
    again = learn_head(rows, model, present, OPTIONS)
    assert (again.held_out, again.better, again.present) == (20, True, learned.present)
    # It has seen all but the last twelve days, and knows enough of them: a new one brings nothing.
    known = replace(present, last_day=19_087)
    other = learn_head(rows, model, known, OPTIONS)
    assert other.held_out == 12
    assert other.present == judge(known, rows.take(np.arange(80)), rows.take(np.arange(88, 100)), model)
    # One that names another ball says nothing of this one's points.
    assert learn_head(rows, model, replace(known, base_version="base-0"), OPTIONS).present == learned.present


def test_what_the_user_has_not_named_is_not_forgotten(model: Classifier) -> None:
    rows = joined(payments(model, {2: "car", 3: "car"}, 40), unlabelled(payments(model, {1: "", 2: "", 3: ""}, 90, seed=3)))
    rows = replace(rows, labels=[*rows.labels[:39], DETAILED[2], *rows.labels[40:]])
    usual = torch.from_numpy(rows.likely[40:, :4])

    def moved(distilled: float) -> float:
        head = learn_head(rows, model, options=replace(OPTIONS, distilled=distilled)).head
        logits = head.logits(torch.from_numpy(rows.points[40:]), torch.ones(90, dtype=torch.bool))[:, :4]
        return float((logits.softmax(dim=1) - usual).abs().sum(dim=1).mean())

    assert moved(1.0) < moved(0.0)


@pytest.mark.parametrize(("count", "meant"), [(0, MEANT), (19, MEANT), (60, {2: "car"})])
def test_too_little_is_said_in_words_for_the_user(model: Classifier, count: int, meant: dict[int, str]) -> None:
    rows = joined(payments(model, meant, count), unlabelled(payments(model, {1: ""}, 50, seed=3)))
    with pytest.raises(TooFewExamples, match=rf"There are {count} payments .* it takes 20 of 2"):
        learn_head(rows, model, options=OPTIONS)


def test_it_tells_of_each_step_and_stops_where_it_is_told_to(model: Classifier) -> None:
    told: list[tuple[str, int, int, float]] = []
    rows = payments(model, MEANT, 30)
    learn_head(rows, model, options=OPTIONS, step=lambda *step: told.append(step))
    trained = [step for step in told if step[0] == "training"]
    assert [step[1] for step in trained] == list(range(1, 121))
    assert {step[2] for step in told} == {120}
    assert [step[0] for step in told[79:82]] == ["training", "evaluating", "training"]
    assert trained[39][3] < trained[0][3]

    def cancel(phase: str, number: int, total: int, loss: float) -> None:
        if number == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn_head(rows, model, options=OPTIONS, step=cancel)


def test_money_that_leaves_and_was_called_income_teaches_nothing_and_breaks_nothing(model: Classifier) -> None:
    rows = payments(model, {0: "income_salary", 1: "groceries_supermarket", 2: "car"}, 60)
    head = learn_head(rows, model, options=OPTIONS).head
    assert not head.probabilities(rows.points, rows.amounts, np.zeros_like(rows.likely))[:, 0].any()
    assert bool(torch.isfinite(head.heads.anchors).all())
    with pytest.raises(TooFewExamples, match="There are 0 payments of 0 categories"):
        learn_head(payments(model, {0: "income_salary", 1: "income"}, 60), model, options=OPTIONS)


def test_a_word_of_a_primary_category_and_odd_amounts_can_be_learned_from(model: Classifier) -> None:
    rows = payments(model, {1: "groceries", 2: "transport", 3: "car"}, 60)
    odd = np.where(np.arange(60) % 3 == 0, np.nan, np.where(np.arange(60) % 3 == 1, 0.0, -1e15))
    learned = learn_head(replace(rows, amounts=odd), model, options=OPTIONS)
    assert learned.trained.accuracy > 0.8


probabilities = st.lists(st.floats(0, 1, width=32), min_size=9, max_size=9).map(lambda row: np.array(row) + 1e-3)


@settings(max_examples=50, deadline=None)
@given(st.lists(probabilities, min_size=1, max_size=5))
def test_what_was_thought_of_all_that_exclude_each_other_is_no_more_than_certain(model: Classifier, rows: list[np.ndarray]) -> None:
    likely = np.array([row / row.sum() for row in rows], np.float32)
    categories = (*DETAILED, *PRIMARIES, "car", "gifts")
    thought = [np.exp(-score(categories, likely, [label] * len(rows), model)[1]) for label in (*DETAILED, "car", "gifts")]
    assert (np.sum(thought, axis=0) <= 1 + 1e-3).all()
    for number, best in enumerate(likely.argmax(axis=1)):
        label = categories[best]
        right, _ = score(categories, likely, [label] * len(rows), model)
        assert right[number]
        assert not score(categories, likely, ["unheard of"] * len(rows), model)[0].any()
        if best in (2, 3):  # a detail of what was meant
            assert score(categories, likely, ["transport"] * len(rows), model)[0][number]
