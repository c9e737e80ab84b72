"""Anomalies on public data: changes of regime by the Numenta Anomaly Benchmark, odd transactions by such as are put into real histories.

`python -m benchmarks.anomaly [--data ../shared/data] [--ablation] [--only regimes]`, one JSON line. The TDA scores stand beside the
scoreboard's published ones, by its own scoring rule. Each series is read point by point, as the scoreboard's detectors read it: a score
knows what came before and how long the probationary part is, nothing else. Settings were chosen on the folders of `CHOSEN_ON`; both halves
are reported, and the other one also at the first one's threshold. Transactions are those of `benchmarks.anomaly_transactions`.

`--ablation`: the score without each of its parts, and with loops (dimension 1, by ripser, every fourth point; minutes).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import anomaly_transactions
from benchmarks.nab import PROFILES, STANDARD, Corpus, Floats, Result, Series, probation
from benchmarks.nab_detectors import PUBLISHED, null
from benchmarks.running import note
from models.tda.likelihood import deviations, likelihood
from models.tda.persistence import embed
from models.tda.scores import Settings, checked, rested, score, weighed

CHOSEN_ON = ("artificialNoAnomaly", "artificialWithAnomaly", "realAWSCloudwatch", "realKnownCause")
KEPT_ASIDE = ("realAdExchange", "realTraffic", "realTweets")
WANTED = {"KNN-CAD": 58.0, "CAD OSE": 69.9}
_REST = 5
"""Of the probationary part, that an alert stands for: a fifth."""
_LOOPS_EVERY = 4


def detect(series: Series, settings: Settings) -> Floats:
    """Scores of one series."""
    return score(series.values, rest=probation(len(series.values)) // _REST, settings=settings)


def measure(data: Path, *, ablation: bool = False) -> dict[str, Any]:
    """The scores of TDA and of those detectors whose published scores are reproduced; `skipped` with a reason where the data is not."""
    folder = data / "anomaly" / "nab"
    if not (folder / "labels" / "combined_windows.json").is_file():
        return {"skipped": f"no Numenta Anomaly Benchmark in {folder}"}
    corpus = Corpus.read(folder)
    points = sum(len(series.values) for series in corpus.series)
    started = time.process_time()
    scores = [detect(series, Settings()) for series in corpus.series]
    spent = time.process_time() - started
    found: dict[str, Any] = {name: corpus.result(scores, profile).score for name, profile in PROFILES.items()}
    found |= {"at_standard": corpus.result(scores)._asdict(), "halves": _halves(corpus, scores)}
    found |= {"points": points, "microseconds_a_point": 1e6 * spent / points, "wanted": WANTED}
    found["published"] = _published(data / "anomaly" / "nab_published_scoreboard.csv")
    found["reproduced"] = {
        name: corpus.result([detector(one.values) for one in corpus.series]).score for name, detector in PUBLISHED.items()
    }
    if ablation:
        found["ablation"] = _ablation(corpus)
    return found


def _halves(corpus: Corpus, scores: Sequence[Floats]) -> dict[str, Any]:
    """Each at its own threshold; the one kept aside also at that of the other."""
    by_name = dict(zip((series.name for series in corpus.series), scores, strict=True))

    def result(folders: Sequence[str], threshold: float | None = None) -> Result:
        part = corpus.part(folders)
        own = [by_name[series.name] for series in part.series]
        return part.result(own) if threshold is None else part.result_at(threshold, own)

    chosen = result(CHOSEN_ON)
    return {
        "chosen_on": chosen.score,
        "kept_aside": result(KEPT_ASIDE).score,
        "kept_aside_at_the_threshold_of_the_other": result(KEPT_ASIDE, chosen.threshold).score,
    }


def _published(path: Path) -> Mapping[str, str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["detector"]: row["standard"] for row in csv.DictReader(file)}


def _ablation(corpus: Corpus) -> dict[str, float]:
    usual = Settings()
    variants: dict[str, Callable[[Series], Floats]] = {}
    for name, settings in {
        "without the window": replace(usual, window_weight=0.0, value_weight=1.0),
        "without the value": replace(usual, value_weight=0.0, window_weight=1.0),
        "without the change": replace(usual, change_weight=0.0),
        "the window alone": replace(usual, window_weight=1.0, value_weight=0.0, change_weight=0.0),
        "the value alone": replace(usual, window_weight=0.0, value_weight=1.0, change_weight=0.0),
        "the change alone": replace(usual, window_weight=0.0, value_weight=0.0, change_weight=1.0),
    }.items():
        variants[name] = partial(detect, settings=settings)
    variants["without rest"] = lambda series: score(series.values)
    variants["no score, an alert after every rest"] = _blind
    variants["with loops"] = _with_loops
    found = {}
    for name, variant in variants.items():
        found[name] = corpus.result([variant(series) for series in corpus.series], STANDARD).score
        note(f"{name}: {found[name]:.1f}")
    return found


def _blind(series: Series) -> Floats:
    scores = null(series.values)
    scores[:: probation(len(scores)) // _REST + 1] = 1.0
    return scores


def _with_loops(series: Series) -> Floats:
    """The longest loop of each window, held against those before, weighs as much as the change."""
    from ripser import ripser

    settings = Settings()
    size = settings.window + settings.dimension - 1
    longest = np.full(len(series.values), np.nan)
    for place in range(size - 1, len(longest), _LOOPS_EVERY):
        loops = ripser(embed(series.values[place - size + 1 : place + 1], settings.dimension), maxdim=1)["dgms"][1]
        longest[place : place + _LOOPS_EVERY] = (loops[:, 1] - loops[:, 0]).max(initial=0.0)
    unusual = weighed(checked(series.values), settings) + settings.change_weight * np.maximum(deviations(longest), 0.0)
    return rested(likelihood(unusual), probation(len(unusual)) // _REST)


def main() -> None:
    """Prints the result as one line of JSON."""
    parser = argparse.ArgumentParser(description="Anomalies on public data: changes of regime, and injected odd transactions")
    shared = Path(os.environ.get("SCALE_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=shared, help="folder that holds anomaly/nab/")
    parser.add_argument("--ablation", action="store_true", help="the score without each of its parts, too")
    parser.add_argument("--only", choices=("regimes", "transactions"))
    options = parser.parse_args()
    result: dict[str, Any] = {}
    if options.only != "transactions":
        result["regimes"] = measure(options.data, ablation=options.ablation)
    if options.only != "regimes":
        result["transactions"] = anomaly_transactions.measure(options.data)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
