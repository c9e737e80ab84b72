"""The network and the shipped rules as one opinion: agreeing they are surer, disagreeing they are not; a detail stays in its kind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.hypcd.corpus import taxonomy
from models.knowledge.opinion import Opinion
from models.knowledge.pooling import PoolWeights, pool

NETWORK = ["transport_fuel", "utilities_energy", "utilities_water", "transport", "utilities"]
NONE: frozenset[str] = frozenset()
WEIGHTS = PoolWeights(1.0, 0.5, 1.0, {}, NONE, 0.6)


def pooled(likely: list[float], named: str = "", confidence: float = 0.0, weights: PoolWeights = WEIGHTS) -> dict[str, float]:
    """What becomes of one row; what has no part in it is left out."""
    found = pool(opinion(likely), advice(named, confidence), weights, threshold=0.6, rules_threshold=0.5).opinion
    assert 0 < found.probabilities.sum() <= 1 + 1e-6
    return {category: float(p) for category, p in zip(found.categories, found.probabilities[0], strict=True) if p > 0}


def opinion(likely: list[float]) -> Opinion:
    return Opinion(NETWORK, np.array([likely], np.float32))


def advice(named: str, confidence: float) -> Opinion:
    categories = [named] if named else []
    return Opinion(categories, np.full((1, len(categories)), confidence, np.float32), None, ["Because."])


def test_without_a_rule_the_network_speaks() -> None:
    assert pooled([0.8, 0, 0, 0, 0.2]) == pytest.approx({"transport_fuel": 0.8, "utilities": 0.2})


def test_money_that_comes_in_was_not_spent_on_anything() -> None:
    """Rules name income of such money alone; the network has seen that shop in payments that left."""
    assert set(pooled([0.9, 0, 0, 0.1, 0], "income_refund", 0.5)) == {"income_refund"}
    assert "transfer_person" in (left := pooled([0.9, 0, 0, 0.1, 0], "transfer_person", 0.5)), left
    assert len(left) > 1, "what comes and leaves leaves the network its say"


def test_where_no_rule_speaks_the_network_is_believed_as_much_as_it_deserves() -> None:
    doubted = pooled([0.8, 0, 0, 0, 0.2], weights=PoolWeights(0.5, 1.0, 0.0, {}, NONE, 0.6))
    assert doubted == pytest.approx({"transport_fuel": 2 / 3, "utilities": 1 / 3}, abs=1e-6)


def test_two_that_agree_are_surer_than_one() -> None:
    together = pooled([0.2, 0.8, 0, 0, 0], "utilities_energy", 0.8)
    assert together["utilities_energy"] > 0.9


def test_two_that_disagree_are_not_sure() -> None:
    apart = pooled([0.9, 0, 0, 0, 0.1], "utilities_energy", 0.8)
    assert max(apart.values()) < 0.9


def test_a_network_that_is_surely_wrong_does_not_drown_a_rule() -> None:
    """Its probabilities go to the extremes for words that it has never seen."""
    surest = pooled([1 - 1e-9, 0, 0, 0, 1e-9], "utilities_energy", 0.8)
    assert surest == pytest.approx(pooled([0.9999, 0, 0, 0, 1e-4], "utilities_energy", 0.8), abs=1e-3)
    assert surest["utilities"] > 0.2


def test_a_primary_category_can_weigh_less() -> None:
    less = PoolWeights(1.0, 0.5, 1.0, {"utilities": -2.0}, NONE, 0.6)
    before, after = (pooled([0.5, 0, 0, 0, 0.5], "utilities_energy", 0.8, weights) for weights in (WEIGHTS, less))
    assert sum(after[one] for one in after if one.startswith("utilities")) < before["utilities_energy"]


def test_what_no_purchase_has_confirmed_is_never_surer_than_nine_in_ten() -> None:
    doubtful = PoolWeights(1.0, 0.5, 1.0, {}, frozenset({"utilities"}), 0.6)
    assert pooled([0.01, 0.99, 0, 0, 0], "utilities_energy", 0.8, doubtful) == pytest.approx({"utilities_energy": 0.9, "transport": 0.1})
    assert pooled([0, 1, 0, 0, 0], "", 0, doubtful) == pytest.approx({"utilities_energy": 0.9})
    assert not pooled([0.01, 0.99, 0, 0, 0], "", 0, doubtful)["utilities_energy"] > 0.9, "not by the last digit either"
    assert pooled([0.95, 0.05, 0, 0, 0], "", 0, doubtful)["transport_fuel"] == pytest.approx(0.95), "of what is confirmed, more"


def test_a_rule_says_the_detail_that_the_network_left_open() -> None:
    assert "utilities_energy" in pooled([0, 0, 0, 0.1, 0.9], "utilities_energy", 0.8)


def test_where_details_are_disputed_the_primary_category_speaks() -> None:
    disputed = pooled([0, 0, 0.9, 0.1, 0], "utilities_energy", 0.55)
    assert set(disputed) == {"utilities", "transport"}
    assert disputed["utilities"] > 0.9


def test_a_category_that_the_network_lacks_can_be_named() -> None:
    named = pooled([0.1, 0, 0, 0.5, 0.4], "housing_rent", 0.85)
    assert 0 < named["housing_rent"] < 0.9


def test_below_its_threshold_a_rule_is_none() -> None:
    assert pooled([0.8, 0, 0, 0, 0.2], "utilities_energy", 0.4) == pytest.approx(pooled([0.8, 0, 0, 0, 0.2]))


def test_whose_word_it_is() -> None:
    """Of a rule alone: the network says something else, or is not sure. Its reason stands where it is right."""

    def asked(likely: list[float], named: str) -> tuple[str, str]:
        found = pool(opinion(likely), advice(named, 0.85), WEIGHTS, threshold=0.6, rules_threshold=0.5)
        place = found.advised[0]
        return found.opinion.categories[place] if place >= 0 else "", found.opinion.whys[0]

    assert asked([0, 0.3, 0, 0.7, 0], "utilities_energy") == ("utilities_energy", "Because.")
    assert asked([0.1, 0.9, 0, 0, 0], "utilities_energy") == ("", "Because.")
    assert asked([1, 0, 0, 0, 0], "utilities_energy")[1] == ""


def test_rules_that_know_nothing_and_a_model_without_categories() -> None:
    nothing = Opinion([], np.zeros((2, 0), np.float32), None, ["", ""])
    found = pool(nothing, nothing, WEIGHTS, threshold=0.6, rules_threshold=0.5)
    assert (found.opinion.probabilities.shape, found.advised.tolist()) == ((2, 0), [-1, -1])
    none = pool(
        Opinion(NETWORK, np.zeros((0, 5), np.float32)),
        Opinion([], np.zeros((0, 0), np.float32)),
        WEIGHTS,
        threshold=0.6,
        rules_threshold=0.5,
    )
    assert none.opinion.probabilities.shape == (0, 5)


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=5, max_size=5).filter(lambda likely: sum(likely) > 0.01),
    st.sampled_from(["", *NETWORK, "housing_rent"]),
    st.floats(0.01, 1),
)
def test_probabilities_stay_probabilities(likely: list[float], named: str, confidence: float) -> None:
    total = sum(likely)
    assert all(0 <= p <= 1 + 1e-6 for p in pooled([p / total for p in likely], named, confidence, PoolWeights.shipped()).values())


def test_what_ships_weighs_each_primary_category() -> None:
    shipped = PoolWeights.shipped()
    assert set(shipped.primaries) == set(taxonomy().primaries)
    assert 0 < shipped.alone <= 1
    assert 0 < shipped.beside < shipped.alone, "a network beside a rule counts less than one alone"
    assert {"income", "dining", "health", "giving", "children"} <= shipped.unchecked < set(taxonomy().primaries)
    assert 0.5 <= shipped.threshold < 1


def test_weights_are_read_as_they_were_written(tmp_path: Path) -> None:
    weights = PoolWeights(0.9, 0.5, 2.0, {"dining": -1.5}, frozenset({"income"}), 0.625)
    weights.write(tmp_path / "pooling.json")
    assert PoolWeights.read(tmp_path / "pooling.json") == weights


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"alone": "x", "beside": 1, "rule": 1, "threshold": 1, "primaries": {}})])
def test_a_file_without_weights_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "pooling.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"pooling.json holds no weights: make it again"):
        PoolWeights.read(tmp_path / "pooling.json")
