"""Training on a tiny set: it learns, the same every time; what it learns from fits the taxonomy; calibration does what it says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from models.hypcd.classifier import Classifier
from models.hypcd.corpus import CITIES, DATA, corpus, read_table, taxonomy
from models.hypcd.features import extract
from models.hypcd.fit import UNLABELLED, Fitted, Options, Rows, fit
from models.hypcd.network import Config
from models.hypcd.train import calibrate, detailed_logits, primary_probabilities

ROOM = Path(__file__).resolve().parents[2] / "models" / "hypcd"
CONFIG = Config(bucket_bits=12, gram_width=16, hidden=16, dimension=8)
OPTIONS = Options(epochs=6, draws=512, batch=64, learning_rate=0.03, contrastive_rows=32)
SHOPS = ["tesco stores", "aldi", "lidl", "shell", "esso", "bp connect"]


@pytest.fixture(scope="module")
def rows() -> Rows:
    texts = [f"{shop} {place}" for shop in SHOPS for place in ("leeds", "york", "bath", "ayr", "hull", "deal", "rye", "ely")]
    labels = np.repeat([0, 0, 0, 1, 2, 1], 8)
    labels[::7] = UNLABELLED
    # The third label says: one of the two.
    members = np.array([[True, False], [False, True], [True, True]])
    count = len(texts)
    features = extract(texts, [""] * count, [-20.0] * count, [-1] * count)
    return Rows(features, labels, np.ones(count, dtype=np.float32), members, np.array([0, 1, 1]))


@pytest.fixture(scope="module")
def fitted(rows: Rows) -> Fitted:
    return fit(rows, CONFIG, OPTIONS)


def test_a_shop_is_known_in_another_town(fitted: Fitted) -> None:
    logits = detailed_logits(fitted, extract([f"{shop} crewe 77" for shop in SHOPS], [""] * 6, [-9.0] * 6, [2] * 6))
    assert logits.argmax(dim=1).tolist()[:4] == [0, 0, 0, 1]


def test_the_same_rows_make_the_same_weights(rows: Rows, fitted: Fitted) -> None:
    again = fit(rows, CONFIG, OPTIONS)
    assert torch.equal(again.anchors, fitted.anchors)
    for one, other in zip(again.encoder.state_dict().values(), fitted.encoder.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_anchors_stay_on_the_ball(fitted: Fitted) -> None:
    assert bool((fitted.anchors.norm(dim=1) < 1).all())


def test_every_label_of_the_corpus_is_of_the_taxonomy() -> None:
    found, kinds = corpus(CITIES), taxonomy()
    assert set(found.labels) <= set(kinds.slugs)
    assert set(kinds.detailed) <= set(found.labels)
    assert len(kinds.primaries) == 19
    assert math.isclose(sum(found.weights), 1, rel_tol=1e-6)
    assert len(corpus(["barnet"]).texts) < len(found.texts)


def test_the_taxonomy_here_is_that_of_the_ledger() -> None:
    ledger = ROOM.parents[1] / "services" / "accounts" / "data" / "taxonomy.csv"
    assert (DATA / "taxonomy.csv").read_bytes() == ledger.read_bytes()


def test_calibration_finds_the_temperature_and_the_threshold() -> None:
    kinds, chance = taxonomy(), np.random.default_rng(0)
    logits = torch.from_numpy(chance.normal(size=(3_000, len(kinds.detailed))).astype(np.float32)) * 4
    likely = torch.softmax(logits, dim=1).numpy().astype(np.float64)
    truth = kinds.parent[[chance.choice(len(row), p=row / row.sum()) for row in likely]]
    weights = np.ones(3_000, dtype=np.float32)
    temperature, threshold = calibrate([(logits, truth, weights)], kinds)
    hot, same = calibrate([(logits * 2, truth, weights)], kinds)
    assert temperature == pytest.approx(1, abs=0.1)
    assert hot == pytest.approx(2 * temperature, rel=0.1)
    assert same == pytest.approx(threshold, abs=0.03)
    probabilities = primary_probabilities(logits, kinds, temperature)
    given = probabilities.max(axis=1) >= threshold
    assert (probabilities.argmax(axis=1) == truth)[given].mean() == pytest.approx(0.9, abs=0.01)


@pytest.mark.requirement("CAT-15", "CI-09")
def test_the_artefacts_that_ship_are_small_and_know_the_taxonomy() -> None:
    assert sum((ROOM / name).stat().st_size for name in ("hypcd_model.pt", "anchors.pt")) <= 5 * 1024 * 1024
    classifier = Classifier.load(ROOM)
    assert classifier.categories == taxonomy().slugs
    assert 0.2 < classifier.threshold < 0.95


def test_tables_are_small() -> None:
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 3 * 1024 * 1024
    assert {row["city"] for row in read_table(DATA / "merchants.csv.gz")} == set(CITIES)
