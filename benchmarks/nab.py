"""The Numenta Anomaly Benchmark (Lavin and Ahmad 2015): its series, its labelled windows and its scoring rule, written anew from the rule.

A detector gives every point a score in 0..1; one threshold for the whole corpus makes alerts of them. In a labelled window the first alert
counts, the earlier the more: from 1 at the window's left edge, by a sigmoid, to nearly 0 at its right. A window without an alert costs
A_FN. Every alert outside costs up to A_FP, less when it comes soon after a window. Alerts in the probationary part at a series' beginning
count for nothing. The threshold is the best there is for the profile; the result is put between that of a detector that says nothing (0)
and of one that alerts at each window's first point alone (100).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
PROBATION, PROBATION_ROWS = 0.15, 750
_FAR = 3.0
"""From so many window lengths after a window on, and where none came before, a false alert costs all of A_FP."""


@dataclass(frozen=True)
class Profile:
    """What is worth how much."""

    hit: float = 1.0  # A_TP
    false_alert: float = 0.11  # A_FP
    miss: float = 1.0  # A_FN


STANDARD = Profile()
PROFILES = {"standard": STANDARD, "reward_low_FP": Profile(false_alert=0.22), "reward_low_FN": Profile(miss=2.0)}


def probation(length: int) -> int:
    """How many points at the beginning of a series of this length are not judged."""
    return int(min(np.floor(PROBATION * length), PROBATION_ROWS))


@dataclass(frozen=True, eq=False)
class Series:
    """One file of the corpus."""

    name: str
    """Folder and file."""
    values: Floats
    times: npt.NDArray[np.datetime64]
    windows: Sequence[tuple[int, int]]
    """First and last place of each labelled window, in order."""

    @cached_property
    def window_of(self) -> npt.NDArray[np.int64]:
        """Which window each point is in [n]; -1 outside."""
        places = np.full(len(self.values), -1)
        for number, (left, right) in enumerate(self.windows):
            places[left : right + 1] = number
        return places

    def worth(self, profile: Profile) -> Floats:
        """What an alert at each point would be worth [n], in a window if it were the first there."""
        places = np.arange(len(self.values))
        worth = np.full(len(places), -profile.false_alert)
        for left, right in self.windows:
            width = right - left + 1
            after = np.minimum((places[right + 1 :] - right) / max(width - 1, 1), _FAR)
            worth[right + 1 :] = np.where(after >= _FAR, -1.0, _sigmoid(after)) * profile.false_alert
            worth[left : right + 1] = _sigmoid((places[left : right + 1] - right - 1) / width) / _sigmoid(-1.0) * profile.hit
        return worth


class Result(NamedTuple):
    """How a detector did."""

    score: float
    """0 for silence, 100 for perfection."""
    threshold: float
    hits: int
    """Windows with an alert."""
    windows: int
    false_alerts: int


@dataclass(frozen=True)
class Corpus:
    """Series that share a threshold."""

    series: Sequence[Series]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """`data` and `labels` of the benchmark. Raises FileNotFoundError where they are not."""
        labels: Mapping[str, list[list[str]]] = json.loads((folder / "labels" / "combined_windows.json").read_text(encoding="utf-8"))
        return cls([_read(folder / "data" / name, name, windows) for name, windows in sorted(labels.items())])

    def part(self, folders: Sequence[str]) -> Corpus:
        """Of these folders alone."""
        return Corpus([series for series in self.series if series.name.split("/")[0] in folders])

    @property
    def window_count(self) -> int:
        """Labelled windows in all."""
        return sum(len(series.windows) for series in self.series)

    def result(self, scores: Sequence[Floats], profile: Profile = STANDARD) -> Result:
        """At the best of all thresholds. `scores`: one array for each series, as long as it is."""
        return self._results(scores, profile, None)

    def result_at(self, threshold: float, scores: Sequence[Floats], profile: Profile = STANDARD) -> Result:
        """At a threshold that was chosen elsewhere: an alert is a score of at least that."""
        return self._results(scores, profile, threshold)

    def _results(self, scores: Sequence[Floats], profile: Profile, threshold: float | None) -> Result:
        levels, worth, windows, offset = [], [], [], 0
        for series, found in zip(self.series, scores, strict=True):
            if len(found) != len(series.values):
                raise ValueError(f"{series.name} has {len(series.values)} points and {len(found)} scores")
            judged = slice(probation(len(found)), None)
            levels.append(found[judged])
            worth.append(series.worth(profile)[judged])
            windows.append(np.where(series.window_of >= 0, series.window_of + offset, -1)[judged])
            offset += len(series.windows)
        return _sweep(np.concatenate(levels), np.concatenate(worth), np.concatenate(windows), offset, profile, threshold)


def _sweep(levels: Floats, worth: Floats, windows: npt.NDArray[np.int64], count: int, profile: Profile, threshold: float | None) -> Result:
    """Lowers the threshold from point to point; what a window is worth is the best of its alerts so far."""
    order = np.argsort(-levels, kind="stable")
    levels, worth, windows = levels[order], worth[order], windows[order]
    gained, first = np.where(windows < 0, worth, 0.0), np.zeros(len(levels), np.bool_)
    for window in range(count):
        rows = np.flatnonzero(windows == window)
        if len(rows):
            best = np.maximum.accumulate(worth[rows])
            gained[rows] = np.diff(best, prepend=-profile.miss)
            first[rows[0]] = True
    raw = np.concatenate([[0.0], np.cumsum(gained)]) - count * profile.miss
    hits = np.concatenate([[0], np.cumsum(first)])
    false_alerts = np.concatenate([[0], np.cumsum(windows < 0)])
    # Alerts of one score come together: only where a score ends is a threshold.
    ends = np.concatenate([[0], np.flatnonzero(np.diff(levels, append=-np.inf)) + 1])
    at = int(ends[raw[ends].argmax()]) if threshold is None else int(np.searchsorted(-levels, -threshold, side="right"))
    silent, perfect = -count * profile.miss, count * profile.hit
    scaled = 100 * (raw[at] - silent) / (perfect - silent) if count else 100 * raw[at]
    level = threshold if threshold is not None else float(levels[at - 1]) if at else float(np.inf)
    return Result(float(scaled), level, int(hits[at]), count, int(false_alerts[at]))


def _sigmoid(places: npt.ArrayLike) -> npt.NDArray[np.float64]:
    scaled: npt.NDArray[np.float64] = 2 / (1 + np.exp(5 * np.asarray(places, np.float64))) - 1
    return scaled


def _read(path: Path, name: str, windows: Sequence[Sequence[str]]) -> Series:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    times = np.array([row["timestamp"] for row in rows], dtype="datetime64[s]")
    values = np.array([float(row["value"]) for row in rows])
    edges = [(_place(times, left), _place(times, right)) for left, right in windows]
    return Series(name, values, times, edges)


def _place(times: npt.NDArray[np.datetime64], time: str) -> int:
    return int(np.flatnonzero(times == np.datetime64(time, "s"))[0])
