"""Where the weights of the rules on payments come from: fitted on every other card, told what comes along by itself from what was put in.

`python -m benchmarks.anomaly_fit [--kind burst] [--data ../shared/data]`, one JSON line a rule, to be written into its file.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.anomaly_histories import History, birmingham
from benchmarks.anomaly_injections import inject, know_strangers
from services.forecasting.anomaly.findings.candidates import Rule
from services.forecasting.anomaly.findings.columns import prepared, spent
from services.forecasting.anomaly.findings.find import RULES

_COUNT = 1000
_BY_HAND = {"beyond"}
"""Columns whose weight is not fitted: what is put in ends at twenty times the usual."""
_WEIGHT = 3.0
"""Of one that was put in."""
_RATES = (0.05, 1.0)
"""A user and month: between these how many there are is fitted by a straight line."""


def fit(rule: Rule, histories: Sequence[History], seed: int) -> dict[str, object]:
    """Weights, level and slope of one rule."""
    names = _fitted(rule)
    paid = [spent(prepared(one.rows, one.last_day)) for one in histories]
    own = pl.concat(rule.candidates(one).filter("settled").select(names) for one in paid).to_numpy()
    odd = np.vstack([_of(rule, one.rows, one.ids) for one in inject(rule.kind, _COUNT, histories, seed)])
    is_odd = np.r_[np.zeros(len(own)), np.ones(len(odd))]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=2000))
    model.fit(np.vstack([own, odd]), is_odd, logisticregression__sample_weight=np.where(is_odd, _WEIGHT, 1.0))
    weights = model[-1].coef_[0] / model[0].scale_
    strength = np.sort(own @ weights)[::-1]
    months = sum(one.months for one in histories)
    ranks = np.arange(round(_RATES[0] * months), min(round(_RATES[1] * months), len(strength) - 1))
    slope, level = np.polyfit(strength[ranks], np.log((ranks + 1) / months), 1)
    strengths = odd @ weights
    share = {rate: round(float((strengths >= strength[round(rate * months)]).mean()), 3) for rate in (0.1, 0.2, 0.3, 0.4)}
    return {
        "kind": rule.kind,
        "weights": {name: round(float(weight), 3) for name, weight in zip(names, weights, strict=True)},
        "level": round(float(level), 3),
        "slope": round(float(-slope), 3),
        "candidates_of_odd": round(len(odd) / _COUNT, 3),
        "found_at_false_a_month": share,
    }


def _fitted(rule: Rule) -> list[str]:
    return [name for name in rule.rarity.weights if name not in _BY_HAND]


def _of(rule: Rule, rows: pl.DataFrame, ids: frozenset[str]) -> np.ndarray:
    """The candidates about these rows: at most one."""
    found = rule.candidates(spent(prepared(rows, rows["date"].max())))  # type: ignore[arg-type]
    listed = [name for name in ("ids", "transaction_id", "earlier_transaction_id") if name in found.columns]
    about = pl.concat_list(*listed).list.eval(pl.element().is_in(sorted(ids))).list.any()
    return found.filter(about).head(1).select(_fitted(rule)).to_numpy()


def main() -> None:
    """Prints the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--kind", choices=[rule.kind for rule in RULES])
    options = parser.parse_args()
    cards = birmingham(options.data)
    know_strangers(cards)
    for rule in RULES if options.kind is None else [one for one in RULES if one.kind == options.kind]:
        print(json.dumps(fit(rule, cards[::2], seed=1)))


if __name__ == "__main__":
    main()
