"""A user's own head on the global model, beside the shipped rules: who says what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from models.knowledge.opinion import Opinion
from services.categorization import reasons
from services.categorization.columns import Columns
from services.categorization.decide import Decided, decide
from services.categorization.domain import Source
from services.categorization.personal_model import PersonalModel
from services.categorization.protocols import Model
from services.categorization.rules_model import RulesModel
from tests.support.categorization_fakes import CATEGORIES, TAXONOMY, OneCategoryHead, WordModel, shop

KNOWN = {one.slug: one for one in TAXONOMY}
PAYMENT = shop("CAFE")


class Named(RulesModel):
    """Rules that name one category, and are not too sure of it."""

    def __init__(self, *categories: str) -> None:
        self._categories = categories

    def opine(self, columns: Columns) -> Opinion:
        probabilities = np.zeros((len(columns), len(self._categories)), np.float32)
        probabilities[:, 0] = 0.55
        return Opinion(self._categories, probabilities, None, ["The text says so."] * len(columns))


class Sure(WordModel):
    """As sure as can be."""

    def opine(self, columns: Columns) -> Opinion:
        found = super().opine(columns)
        return Opinion(found.categories, np.where(found.probabilities > 0.5, np.float32(0.9997), np.float32(0.0001)), found.points)


def own(category: str, base: Model | None = None) -> PersonalModel:
    others = tuple(one for one in CATEGORIES if one != category)
    return PersonalModel(base or WordModel(), OneCategoryHead("hypcd-test+1", (category, *others)), "1-abc")


def answer(model: Model, rules: RulesModel) -> tuple[Decided, Sequence[str]]:
    decided = decide(model, Columns.of([PAYMENT]), None, rules=rules, known=KNOWN, today=date(2026, 5, 1))
    return decided, reasons.of_decision(decided, 0, PAYMENT, KNOWN, model)


def test_what_a_head_says_is_said_by_the_model_and_with_its_reason() -> None:
    decided, why = answer(own("housing_rent"), RulesModel())
    assert (decided.categories[decided.best[0]], decided.source(0), decided.model_version) == (
        "housing_rent",
        Source.MODEL,
        "categorizer/1-abc",
    )
    assert len(why) == 1
    assert "trained on what you have said" in why[0]


def test_also_where_a_rule_names_the_same_that_the_model_did_not() -> None:
    global_one, _ = answer(Sure(), Named("transport_fuel"))
    assert global_one.categories[global_one.best[0]] == "dining_cafe"
    decided, why = answer(own("transport_fuel", Sure()), Named("transport_fuel"))
    assert (decided.categories[decided.best[0]], decided.source(0)) == ("transport_fuel", Source.MODEL)
    assert all(why)
    assert "trained on what you have said" in why[-1]


def test_where_all_agree_the_words_are_named_too() -> None:
    decided, why = answer(own("dining_cafe"), Named("dining_cafe"))
    assert (decided.categories[decided.best[0]], decided.source(0)) == ("dining_cafe", Source.MODEL)
    assert why[0] == "The text says so."


def test_a_category_that_rules_alone_know_keeps_its_place() -> None:
    """The answers are over the model's categories, those of the rules, and the user's own, each at its place."""
    decided, _ = answer(own("housing_rent"), Named("groceries"))
    assert set(CATEGORIES) <= set(decided.categories)
    assert len(set(decided.categories)) == len(decided.categories) == decided.probabilities.shape[1]
    assert decided.probabilities[0, list(decided.categories).index("housing_rent")] > 0.7
