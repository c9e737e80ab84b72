"""What the benchmark of categorization compares with, and how it scores."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from benchmarks.categorization_baselines import Answers, calibration_error, card_and_merchant, gnucash, linear_svm, majority, score
from models.hypcd.collect import CardRow

MONDAY = date(2016, 10, 3)


def rows(*merchants: str) -> list[CardRow]:
    return [CardRow(merchant, MONDAY, -5.0, "", "") for merchant in merchants]


TRAIN, LABELS = rows("aldi 1", "aldi 1", "aldi 1", "shell 2", "shell 3"), ["food", "food", "fuel", "fuel", "fuel"]


def test_an_abstention_counts_against_coverage_and_accuracy_but_not_against_what_was_answered() -> None:
    found = score(Answers(["a", "a", "b", ""], np.array([0.9, 0.8, 0.3, 0.0]), 0.5), ["a", "b", "b", "b"])
    assert (found["accuracy"], found["coverage"], found["accuracy_answered"]) == (0.5, 0.5, 0.5)
    # a: precision 1/2, recall 1; b: precision 1, recall 1/3.
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-4)


def test_calibration_error_is_the_distance_of_confidence_and_accuracy() -> None:
    assert calibration_error(np.array([0.75, 0.75, 0.75, 0.75]), np.array([True, True, True, False])) == 0
    assert calibration_error(np.array([1.0, 1.0]), np.array([True, False])) == 0.5


def test_the_majority_of_a_merchant_or_of_all() -> None:
    found = majority(TRAIN, LABELS, rows("ALDI 1", "never seen"))
    assert list(found.labels) == ["food", "fuel"]
    assert found.confidence is not None
    np.testing.assert_allclose(found.confidence, [2 / 3, 3 / 5])


def test_who_knows_the_card_asks_it_first_then_the_merchant_then_the_card_alone() -> None:
    def row(card: str, merchant: str) -> CardRow:
        return CardRow(merchant, MONDAY, -5.0, "", card)

    train = [row("1", "aldi"), row("2", "aldi"), row("2", "aldi"), row("1", "shell"), row("1", "bp")]
    asked = [row("1", "aldi"), row("3", "aldi"), row("1", "never seen"), row("3", "never seen")]
    found = card_and_merchant(train, ["party", "food", "food", "fuel", "fuel"], asked)
    assert list(found.labels) == ["party", "food", "fuel", "food"]


def test_gnucash_multiplies_the_shares_of_words_and_abstains_below_its_threshold() -> None:
    found = gnucash(TRAIN, LABELS, rows("shell 2", "aldi 1", "never seen"))
    assert list(found.labels) == ["fuel", "food", "fuel"]
    assert found.confidence is not None
    # `aldi` and `1`: 2/3 food each; `Monday`: 2/5.
    yes, no = (2 / 3) ** 2 * (2 / 5), (1 / 3) ** 2 * (3 / 5)
    np.testing.assert_allclose(found.confidence, [1.0, yes / (yes + no), 3 / 5])
    assert score(found, ["fuel", "food", "food"])["coverage"] == pytest.approx(1 / 3, abs=1e-4)


def test_the_linear_machine_reads_parts_of_words() -> None:
    found = linear_svm(TRAIN * 2, LABELS * 2, rows("shells of york", "aldis"))
    assert list(found.labels) == ["fuel", "food"]
