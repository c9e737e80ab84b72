"""Personal learning: what one user's corrections do to that user's next answers, and to nothing else."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.hypcd import personal, personal_weights
from models.hypcd.personal import Basis, Payments, PersonalAnchors
from models.hypcd.personal_weights import FILE, Weights

GLOBAL = ("groceries", "dining", "transport")
SURE = (0.8, 0.1, 0.1)
FAR_APART = {"tesco": (0.0, 0.0), "tesco express": (0.02, 0.0), "shell": (0.95, 0.0)}


def payments(*keys, day=100, amount=-10.0, probabilities=SURE, points=False):
    count = len(keys)
    where = np.array([FAR_APART[key] for key in keys], np.float32) if points else None
    return Payments(
        keys, np.full(count, amount), np.full(count, day, np.int32), np.tile(np.array(probabilities, np.float32), (count, 1)), where
    )


def anchors(*rows, points=False):
    """(key, category, day) or (key, category, day, amount)."""
    keys = [row[0] for row in rows]
    where = np.array([FAR_APART[key] for key in keys], np.float32).reshape(-1, 2) if points else None
    return PersonalAnchors.from_rows(
        keys, [row[1] for row in rows], [row[3] if len(row) > 3 else -10.0 for row in rows], [row[2] for row in rows], where
    )


def answers(predictions):
    return [predictions.categories[best] for best in predictions.probabilities.argmax(1)]


def test_without_corrections_the_global_model_answers():
    predictions = anchors().apply(payments("tesco", "aldi"), GLOBAL)
    assert predictions.categories == GLOBAL
    assert np.array_equal(predictions.probabilities, np.array([SURE] * 2, np.float32))
    assert [why.basis for why in predictions.evidence] == [Basis.GLOBAL] * 2


def test_one_correction_of_a_merchant_is_the_next_answer_for_it_and_says_why():
    predictions = anchors(("tesco", "transport", 90)).apply(payments("tesco", "aldi", probabilities=(0.998, 0.001, 0.001)), GLOBAL)
    assert answers(predictions) == ["transport", "groceries"]
    assert predictions.probabilities[0, 2] >= 0.75
    why = predictions.evidence[0]
    assert (why.basis, why.count, why.merchant_key, why.last_day) == (Basis.MERCHANT, 1, "tesco", 90)


def test_a_correction_of_one_merchant_leaves_another_as_it_was():
    rows = [("tesco", "transport", day) for day in range(10)]
    predictions = anchors(*rows, points=True).apply(payments("shell", points=True), GLOBAL)
    assert np.array_equal(predictions.probabilities, np.array([SURE], np.float32))
    assert predictions.evidence[0].basis is Basis.GLOBAL


def test_the_last_of_two_corrections_of_a_merchant_counts():
    predictions = anchors(("tesco", "transport", 90), ("tesco", "dining", 95)).apply(payments("tesco"), GLOBAL)
    assert answers(predictions) == ["dining"]
    assert predictions.evidence[0].count == 1


def test_two_categories_of_one_merchant_are_told_apart_by_amount():
    learned = anchors(("apple", "transport", 90, -0.99), ("apple", "dining", 95, -999.0))
    assert answers(learned.apply(payments("apple", amount=-1.2), GLOBAL)) == ["transport"]
    assert answers(learned.apply(payments("apple", amount=-899.0), GLOBAL)) == ["dining"]
    rows = [("apple", "transport", day, -0.99) if day % 3 else ("apple", "dining", day, -999.0) for day in range(30)]
    assert answers(anchors(*rows).apply(payments("apple", amount=-0.99), GLOBAL)) == ["transport"]
    assert answers(anchors(*rows).apply(payments("apple", amount=-999.0), GLOBAL)) == ["dining"]


@pytest.mark.parametrize("before", [1, 3, 50])
def test_one_correction_turns_what_was_always_said_before(before):
    rows = [("tesco", "groceries", day) for day in range(before)]
    assert answers(anchors(*rows, ("tesco", "dining", 60)).apply(payments("tesco"), GLOBAL)) == ["dining"]
    # Said once, long ago, and never again: an exception.
    rows = [("tesco", "groceries", 0), ("tesco", "dining", 1), *[("tesco", "groceries", 2 + day) for day in range(20)]]
    assert answers(anchors(*rows).apply(payments("tesco"), GLOBAL)) == ["groceries"]


def test_what_changed_some_time_ago_is_followed():
    rows = [("tesco", "transport", day) for day in range(20)] + [("tesco", "dining", 400 + day) for day in range(4)]
    assert answers(anchors(*rows).apply(payments("tesco", day=405), GLOBAL)) == ["dining"]


def test_near_merchants_follow_only_on_enough_evidence_and_say_whom():
    unsure = (0.4, 0.3, 0.3)
    once = anchors(("tesco", "transport", 90), points=True).apply(
        payments("tesco express", "shell", points=True, probabilities=unsure), GLOBAL
    )
    often = anchors(*[("tesco", "transport", day) for day in range(60, 90)], points=True).apply(
        payments("tesco express", "shell", points=True, probabilities=unsure), GLOBAL
    )
    assert once.probabilities[0, 2] < often.probabilities[0, 2]
    assert answers(often) == ["transport", "groceries"]
    assert (often.evidence[0].basis, often.evidence[0].merchant_key, often.evidence[0].count) == (Basis.SIMILAR, "tesco", 30)
    assert np.array_equal(often.probabilities[1], np.array(unsure, np.float32))


def test_categories_of_the_users_own_stand_behind_the_global_ones():
    predictions = anchors(("tesco", "my own", 90)).apply(payments("tesco"), GLOBAL)
    assert predictions.categories == (*GLOBAL, "my own")
    assert answers(predictions) == ["my own"]
    assert np.allclose(predictions.probabilities.sum(1), 1)


def test_without_a_model_only_what_the_user_said_is_known():
    nothing = Payments(["tesco", "aldi"], np.full(2, -1.0), np.full(2, 9, np.int32), np.zeros((2, 0), np.float32))
    predictions = anchors(("tesco", "my own", 9)).apply(nothing, ())
    assert predictions.categories == ("my own",)
    assert predictions.probabilities[0, 0] >= 0.75
    assert predictions.probabilities[1, 0] == 0


def test_payments_without_a_name_share_no_merchant():
    predictions = anchors(("", "transport", 90)).apply(payments(""), GLOBAL)
    assert answers(predictions) == ["groceries"]


rows_of_a_user = st.lists(
    st.tuples(
        st.sampled_from("abcde"), st.sampled_from([*GLOBAL, "own"]), st.integers(0, 300), st.floats(-1e9, 1e9) | st.just(float("nan"))
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(rows_of_a_user, st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6))
def test_answers_do_not_depend_on_what_else_is_asked(rows, keys):
    learned = anchors(*rows)
    together = learned.apply(payments(*keys), GLOBAL)
    assert np.allclose(together.probabilities.sum(1), 1, atol=1e-5)
    assert (together.probabilities >= 0).all()
    for number, key in enumerate(keys):
        alone = learned.apply(payments(key), GLOBAL)
        assert np.allclose(alone.probabilities[0], together.probabilities[number], atol=1e-5)
        assert alone.evidence[0] == together.evidence[number]


@settings(deadline=None, max_examples=60)
@given(rows_of_a_user, st.sampled_from([*GLOBAL, "own"]), st.floats(0.01, 0.999))
def test_one_word_on_a_new_merchant_is_always_the_next_answer(rows, category, confidence):
    rest = (1 - confidence) / 2
    predictions = anchors(*rows, ("new", category, 300)).apply(payments("new", probabilities=(confidence, rest, rest)), GLOBAL)
    assert answers(predictions) == [category]


@pytest.mark.parametrize("count", [19, 20, 100, 1000])
def test_what_a_user_mostly_pays_for_takes_nothing_from_a_shop_that_the_model_is_sure_of(count):
    rows = [(f"club {number % 8}", ("dining", "transport")[number % 2], number // 4) for number in range(count)]
    predictions = anchors(*rows).apply(payments("aldi", "club 1", probabilities=(0.76, 0.12, 0.12)), GLOBAL)
    assert np.array_equal(predictions.probabilities[0], np.array((0.76, 0.12, 0.12), np.float32))
    assert answers(predictions) == ["groceries", "transport"]
    assert predictions.evidence[0].basis is Basis.GLOBAL


@pytest.mark.parametrize(("merchants", "trusted"), [(4, True), (100, False)])
def test_who_has_own_categories_for_nearly_everything_is_not_just_told_what_the_model_is_sure_of(merchants, trusted):
    rows = [(f"club {number % merchants}", f"own {number % 3}", number // 4) for number in range(200)]
    predictions = anchors(*rows).apply(payments("aldi", probabilities=(0.9, 0.05, 0.05)), GLOBAL)
    assert (predictions.probabilities[0, 0] == np.float32(0.9)) == trusted
    assert (predictions.probabilities[0, 3:].sum() > 0.2) != trusted


def test_habits_count_where_the_model_is_not_sure():
    rows = [(f"club {number % 8}", "own", number) for number in range(100)]
    predictions = anchors(*rows).apply(payments("xyz", probabilities=(0.4, 0.3, 0.3)), GLOBAL)
    assert predictions.probabilities[0, predictions.categories.index("own")] > 0.2


def test_a_merchant_that_resembles_one_that_the_user_has_put_right_follows_it():
    rows = [("tesco", "transport", number) for number in range(5)]
    predictions = anchors(*rows, points=True).apply(payments("tesco express", "shell", probabilities=SURE, points=True), GLOBAL)
    assert answers(predictions) == ["transport", "groceries"]


def test_many_own_categories_are_weighed_by_parts(monkeypatch):
    rows = [(f"shop {number}", f"own {number}", 90) for number in range(40)]
    asked = [f"shop {number}" for number in range(0, 40, 3)]
    whole = anchors(*rows).apply(payments(*asked), GLOBAL)
    monkeypatch.setattr(personal, "_MOST_PAIRS", 100)
    parts = anchors(*rows).apply(payments(*asked), GLOBAL)
    assert answers(parts) == [f"own {number}" for number in range(0, 40, 3)]
    assert np.allclose(parts.probabilities, whole.probabilities)
    assert parts.evidence == whole.evidence


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="one entry for each correction"):
        PersonalAnchors.from_rows(["a"], [], [1.0], [1])


def test_weights_of_other_evidence_are_refused(tmp_path):
    stored = json.loads(FILE.read_text())
    stored["evidence"] = stored["evidence"][1:]
    (tmp_path / "personal.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="fit it again"):
        Weights.read(tmp_path / "personal.json")


@pytest.mark.parametrize("content", ["", "{}", "[1]", "null", '{"evidence": []', "{" * 5000])
def test_weights_that_cannot_be_read_leave_what_the_user_said_of_the_merchant(tmp_path, monkeypatch, content):
    file = tmp_path / "personal.json"
    file.write_bytes(FILE.read_bytes())
    monkeypatch.setattr(personal_weights, "FILE", file)
    assert Weights.shipped() is not None
    file.write_text(content)
    with pytest.raises(ValueError, match="holds no weights"):
        Weights.read(file)
    assert Weights.shipped() is None
    predictions = anchors(("tesco", "transport", 90)).apply(payments("tesco", "aldi"), GLOBAL)
    assert answers(predictions) == ["transport", "groceries"]
    file.unlink()
    assert Weights.shipped() is None
    file.write_bytes(FILE.read_bytes())
    assert Weights.shipped() is not None


def test_weights_are_written_as_they_are_read(tmp_path):
    Weights.read(FILE).write(tmp_path / "personal.json")
    assert (tmp_path / "personal.json").read_bytes() == FILE.read_bytes()


def test_a_thousand_payments_of_a_user_with_ten_thousand_corrections_take_no_second():
    chance = np.random.default_rng(1)
    names = [f"shop {number}" for number in range(2000)]
    learned = PersonalAnchors.from_rows(
        list(chance.choice(names, 10_000)),
        list(chance.choice([*GLOBAL, "own"], 10_000)),
        chance.normal(0, 50, 10_000).tolist(),
        sorted(chance.integers(0, 900, 10_000).tolist()),
        chance.normal(0, 0.1, (10_000, 16)).astype(np.float32),
    )
    asked = Payments(
        list(chance.choice(names, 1000)),
        chance.normal(0, 50, 1000),
        np.full(1000, 900, np.int32),
        np.tile(np.array(SURE, np.float32), (1000, 1)),
        chance.normal(0, 0.1, (1000, 16)).astype(np.float32),
    )
    begun = time.process_time()
    learned.apply(asked, GLOBAL)
    assert time.process_time() - begun < 1.0
