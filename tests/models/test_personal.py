"""Personal learning: what one user's corrections do to that user's next answers, and to nothing else."""

import numpy as np
import pytest

from models.hypcd.personal import Basis, Payments, PersonalAnchors

GLOBAL = ("groceries", "dining", "transport")


def payments(*keys, day=100, amount=-10.0, probabilities=(0.8, 0.1, 0.1)):
    count = len(keys)
    return Payments(keys, np.full(count, amount), np.full(count, day, np.int32), np.tile(np.float32(probabilities), (count, 1)))


def anchors(*rows):
    """(key, category, day) or (key, category, day, amount)."""
    return PersonalAnchors.from_rows(
        [row[0] for row in rows], [row[1] for row in rows], [row[3] if len(row) > 3 else -10.0 for row in rows], [row[2] for row in rows]
    )


def answers(predictions):
    return [predictions.categories[best] for best in predictions.probabilities.argmax(1)]


def test_without_corrections_the_global_model_answers():
    predictions = anchors().apply(payments("tesco", "aldi"), GLOBAL)
    assert predictions.categories == GLOBAL
    assert np.allclose(predictions.probabilities, [[0.8, 0.1, 0.1]] * 2)
    assert [why.basis for why in predictions.evidence] == [Basis.GLOBAL] * 2


def test_one_correction_of_a_merchant_is_the_next_answer_for_it_and_says_why():
    predictions = anchors(("tesco", "transport", 90)).apply(payments("tesco", "aldi"), GLOBAL)
    assert answers(predictions) == ["transport", "groceries"]
    why = predictions.evidence[0]
    assert (why.basis, why.count, why.merchant_key, why.last_day) == (Basis.MERCHANT, 1, "tesco", 90)


def test_categories_of_the_users_own_stand_behind_the_global_ones():
    predictions = anchors(("tesco", "my own", 90)).apply(payments("tesco"), GLOBAL)
    assert predictions.categories == (*GLOBAL, "my own")
    assert answers(predictions) == ["my own"]
    assert np.allclose(predictions.probabilities.sum(1), 1)


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="one entry for each correction"):
        PersonalAnchors.from_rows(["a"], [], [1.0], [1])
