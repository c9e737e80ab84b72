"""The scoring rule of the Numenta Anomaly Benchmark: by hand on a few points, and by published scores on its own series."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import anomaly
from benchmarks.nab import PROFILES, STANDARD, Corpus, Series, probation
from benchmarks.nab_detectors import PUBLISHED, null
from models.tda.scores import Settings


def series(length: int, windows: list[tuple[int, int]], name: str = "made/one.csv") -> Series:
    times = np.datetime64("2020-01-01T00:00:00") + np.arange(length).astype("timedelta64[m]")
    return Series(name, np.zeros(length), times, windows)


def alerts(length: int, *places: int) -> np.ndarray:
    scores = np.zeros(length)
    scores[list(places)] = 1.0
    return scores


def sigmoid(place: float) -> float:
    return 2 / (1 + math.exp(5 * place)) - 1


@pytest.mark.parametrize(("length", "expected"), [(100, 15), (4032, 604), (5000, 750), (22_695, 750), (0, 0)])
def test_probation(length: int, expected: int) -> None:
    assert probation(length) == expected


def test_perfection_is_100_and_silence_0() -> None:
    corpus = Corpus([series(200, [(50, 69), (100, 119)])])
    assert corpus.result([alerts(200, 50, 100)]).score == pytest.approx(100)
    assert corpus.result([null(np.zeros(200))]).score == 0
    assert corpus.result([null(np.zeros(200))]).threshold == np.inf


def test_an_alert_in_a_window_is_worth_less_the_later_it_comes() -> None:
    corpus = Corpus([series(200, [(50, 69)])])
    found = [corpus.result_at(1.0, [alerts(200, place)]).score for place in (50, 60, 69)]
    assert found == pytest.approx([100, 50 * (1 + sigmoid(-0.5) / sigmoid(-1)), 50 * (1 + sigmoid(-0.05) / sigmoid(-1))])
    assert corpus.result_at(1.0, [alerts(200, 50, 55, 69)]).score == pytest.approx(100)  # the first counts


def test_a_false_alert_costs_less_soon_after_a_window() -> None:
    corpus = Corpus([series(400, [(100, 119)])])
    cost = [100 - corpus.result_at(1.0, [alerts(400, 100, place)]).score for place in (90, 124, 119 + 57, 399)]
    assert cost == pytest.approx([5.5, -5.5 * sigmoid(5 / 19), 5.5, 5.5])


def test_nothing_counts_in_the_probationary_part() -> None:
    corpus = Corpus([series(200, [(50, 69)])])
    assert corpus.result_at(1.0, [alerts(200, 3, 29)]) == (0.0, 1.0, 0, 1, 0)
    assert corpus.result_at(1.0, [alerts(200, 30)]).false_alerts == 1


def test_one_threshold_for_all_series_and_points_of_one_score_come_together() -> None:
    corpus = Corpus([series(200, [(50, 69)], "made/one.csv"), series(200, [(100, 119)], "made/two.csv")])
    scores = [alerts(200, 50) * 0.9, alerts(200, 100, *range(120, 200)) * 0.8]
    found = corpus.result(scores)
    assert found.threshold == 0.9  # lower, 80 false alerts come with the other window
    assert (found.hits, found.windows, found.false_alerts) == (1, 2, 0)


def test_profiles_weigh_false_alerts_and_misses() -> None:
    corpus = Corpus([series(400, [(100, 119), (300, 319)])])
    scores = [alerts(400, 61, 100)]
    standard, low_fp, low_fn = (corpus.result_at(1.0, scores, PROFILES[name]).score for name in PROFILES)
    assert standard == pytest.approx(100 * (2 - 0.11) / 4)
    assert low_fp == pytest.approx(100 * (2 - 0.22) / 4)
    assert low_fn == pytest.approx(100 * (3 - 0.11) / 6)


def test_scores_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="200 points and 3 scores"):
        Corpus([series(200, [])]).result([np.zeros(3)])


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "anomaly"


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return Corpus.read(folder / "nab")


def test_the_corpus_is_whole(corpus: Corpus) -> None:
    assert (len(corpus.series), corpus.window_count, sum(len(one.values) for one in corpus.series)) == (58, 116, 365_558)
    both = [corpus.part(half).series for half in (anomaly.CHOSEN_ON, anomaly.KEPT_ASIDE)]
    assert sorted(one.name for half in both for one in half) == [one.name for one in corpus.series]


@pytest.mark.parametrize("name", PUBLISHED)
def test_detectors_score_what_the_scoreboard_says(name: str, corpus: Corpus, folder: Path) -> None:
    published = json.loads((folder / "nab" / "results" / "final_results.json").read_text(encoding="utf-8"))[name]
    scores = [PUBLISHED[name](one.values) for one in corpus.series]
    found = {profile: corpus.result(scores, weights).score for profile, weights in PROFILES.items()}
    expected = {profile: published[profile if profile == "standard" else f"{profile}_rate"] for profile in PROFILES}
    assert found == pytest.approx(expected, abs=0.1)


def test_tda_on_the_shorter_real_series(corpus: Corpus) -> None:
    # A part, for it is quick: the whole is `python -m benchmarks.anomaly`.
    part = Corpus([one for one in corpus.series if one.name.startswith("real") and len(one.values) < 5_000])
    scores = [anomaly.detect(one, Settings()) for one in part.series]
    assert part.result(scores, STANDARD).score > 66


def test_without_data_the_benchmark_says_so(tmp_path: Path) -> None:
    assert "no Numenta Anomaly Benchmark" in anomaly.measure(tmp_path)["skipped"]
