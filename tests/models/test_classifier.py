"""The classifier over a small random network: shapes, order, reading and refusing artefacts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.artifact import MANIFEST, ArtifactError, check, load, read_manifest, save
from models.hypcd.ball import expmap0
from models.hypcd.classifier import ANCHORS_FILE, MODEL_FILE, Classifier, Heads, Items, packed, unpacked
from models.hypcd.network import Config, Encoder

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "hypcd"
CONFIG = Config(bucket_bits=12, gram_width=32, hidden=16, dimension=8)
DETAILED = ("income_salary", "groceries_supermarket", "transport_fuel", "transport_taxi")
PRIMARIES = ("income", "groceries", "transport")
COLUMNS: tuple[list[Any], ...] = (
    ["TESCO STORES 1", "shell", "", "🍕" * 3_000],
    ["", "SHELL UK", "", ""],
    [-12.5, 40.0, 0.0, float("nan")],
    [0, 6, -1, 3],
)
ITEMS = Items(*COLUMNS)


def files(config: Config = CONFIG, detailed: tuple[str, ...] = DETAILED, threshold: float = 0.3) -> dict[str, dict[str, Any]]:
    torch.manual_seed(0)
    heads = Heads(
        detailed,
        PRIMARIES,
        torch.tensor([0, 1, 2, 2]),
        torch.tensor([True, False, False, False]),
        expmap0(torch.randn(len(DETAILED), config.dimension), 1.0),
        0.5,
        threshold,
    )
    return {MODEL_FILE: {"config": asdict(config), "state": packed(Encoder(config).state_dict())}, ANCHORS_FILE: heads.content()}


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    save(tmp_path, "test-1", files(), {})
    return Classifier.load(tmp_path)


def test_every_item_gets_a_point_inside_the_ball_and_probabilities(classifier: Classifier) -> None:
    predictions = classifier.predict(ITEMS)
    assert predictions.points.shape == (4, classifier.dimension)
    assert (np.linalg.norm(predictions.points, axis=1) < 1).all()
    assert predictions.probabilities.shape == (4, 7)
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (classifier.version, classifier.categories, classifier.threshold) == ("test-1", DETAILED + PRIMARIES, 0.3)


def test_an_item_has_the_same_answer_alone_and_in_any_order(classifier: Classifier) -> None:
    together = classifier.predict(ITEMS)
    for place in range(4):
        alone = classifier.predict(Items(*([column[place]] for column in COLUMNS)))
        np.testing.assert_allclose(alone.points[0], together.points[place], rtol=1e-5, atol=1e-6)
    turned = classifier.predict(Items(*(column[::-1] for column in COLUMNS)))
    np.testing.assert_allclose(turned.probabilities[::-1], together.probabilities, rtol=1e-4, atol=1e-6)


def test_models_of_one_encoder_and_the_same_categories_have_one_ball(tmp_path: Path) -> None:
    made = files()

    def saved(name: str, files: dict[str, dict[str, Any]]) -> Classifier:
        save(tmp_path / name, name, files, {})
        return Classifier.load(tmp_path / name)

    one = saved("one", made)
    moved = {**made[ANCHORS_FILE], "anchors": made[ANCHORS_FILE]["anchors"] * 0.5, "temperature": 0.7}
    same = saved("same", {**made, ANCHORS_FILE: moved})
    renamed = saved("renamed", {**made, ANCHORS_FILE: {**made[ANCHORS_FILE], "detailed": [*DETAILED[:3], "transport_tram"]}})
    other = saved("other", {**made, MODEL_FILE: {**made[MODEL_FILE], "state": packed(Encoder(CONFIG).state_dict())}})
    assert one.ball == same.ball
    assert len({one.ball, renamed.ball, other.ball}) == 3
    # What was fitted on one goes with the other; older heads name the model itself.
    assert same.has_ball(one.ball)
    assert one.has_ball("one")
    assert not same.has_ball("one")
    assert not other.has_ball(one.ball)
    assert not one.has_ball("")


def test_heads_that_name_the_shipped_model_go_with_all_that_have_its_ball(tmp_path: Path) -> None:
    shipped = Classifier.load(SHIPPED)
    heads = load(read_manifest(SHIPPED), ANCHORS_FILE)
    (tmp_path / MODEL_FILE).write_bytes(check(read_manifest(SHIPPED), MODEL_FILE))
    save(tmp_path, "hypcd-1+fed2", {ANCHORS_FILE: {**heads, "anchors": heads["anchors"] * 0.9}}, {})
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    manifest["files"][MODEL_FILE] = json.loads((SHIPPED / MANIFEST).read_text())["files"][MODEL_FILE]
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    assert Classifier.load(tmp_path).has_ball("hypcd-1")
    assert Classifier.load(tmp_path).ball == shipped.ball


def test_no_items_no_answers(classifier: Classifier) -> None:
    assert classifier.predict(Items([], [], [], [])).probabilities.shape == (0, 7)


def test_nobody_earns_by_paying(classifier: Classifier) -> None:
    income = [category.startswith("income") for category in classifier.categories]
    likely = classifier.predict(Items(["salary"] * 3, [""] * 3, [-5.0, 5.0, float("nan")], [0] * 3)).probabilities[:, income].sum(axis=1)
    assert likely[0] == 0
    assert (likely[1:] > 0).all()


def test_a_primary_category_is_said_where_no_detail_is_likely_enough(tmp_path: Path) -> None:
    known = {}
    for threshold in (0.0, 2.0, 0.3):
        save(tmp_path, "test-1", files(threshold=threshold), {})
        known[threshold] = Classifier.load(tmp_path).predict(ITEMS).probabilities
        np.testing.assert_allclose(known[threshold].sum(axis=1), 1, rtol=1e-5)
    details, primaries = known[0.0], known[2.0]
    assert (details[:, 4:] == 0).all()
    assert (primaries[:, :4] == 0).all()
    np.testing.assert_allclose(primaries[:, 6], details[:, 2:4].sum(axis=1), rtol=1e-5)
    said = known[0.3][:, 2:4].max(axis=1) > 0
    np.testing.assert_array_equal(said, details[:, 2:4].max(axis=1) >= 0.3)


def test_a_primary_category_has_an_anchor_amid_its_details(classifier: Classifier) -> None:
    assert classifier.anchors.shape == (7, classifier.dimension)
    np.testing.assert_allclose(classifier.anchors[4:6], classifier.anchors[:2], rtol=1e-4)
    assert np.linalg.norm(classifier.anchors[6]) < np.linalg.norm(classifier.anchors[2:4], axis=1).max()


def test_columns_of_unequal_length_are_refused(classifier: Classifier) -> None:
    with pytest.raises(ValueError, match="unequal length"):
        classifier.predict(Items(["a", "b"], ["", ""], [1.0], [0, 0]))


def test_packing_keeps_a_weight_to_half_a_step() -> None:
    weights = torch.randn(1 << 12, 32, generator=torch.Generator().manual_seed(3))
    small = packed({"table": weights, "bias": torch.ones(3)})
    assert small["table"].dtype == torch.int8
    again = unpacked(small)
    assert set(again) == {"table", "bias"}
    assert float((again["table"] - weights).abs().max()) <= float(small["table/scale"].max()) * 0.51


@pytest.mark.parametrize(
    "content",
    [
        {ANCHORS_FILE: {}},
        {ANCHORS_FILE: {**files()[ANCHORS_FILE], "parent": torch.tensor([0, 1, 2, 9])}},
        {MODEL_FILE: {"config": {"width": 3}, "state": {}}},
        {MODEL_FILE: {"config": {}, "state": {}}},
        {MODEL_FILE: {"config": None, "state": None}},
        files(detailed=DETAILED[:2]),
    ],
)
def test_artefacts_that_do_not_fit_are_refused(tmp_path: Path, content: dict[str, dict[str, object]]) -> None:
    save(tmp_path, "test-1", {**files(), **content}, {})
    with pytest.raises(ArtifactError, match="no model that this version knows"):
        Classifier.load(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"manifest\.json is missing"):
        Classifier.load(tmp_path)
