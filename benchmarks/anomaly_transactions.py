"""How many anomalies of payments are found, and how many false ones: put into real histories, kind by kind, sizes as in life.

`python -m benchmarks.anomaly_transactions [--count 200] [--half told|learned] [--data ../shared/data]`, one JSON line. Weights and limits
were chosen on every other card and account ("learned"); what is told is measured on the others. docs/anomalies.md explains each figure.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.anomaly_histories import History, berka, birmingham, recurring_of
from benchmarks.anomaly_injections import KINDS, inject, know_strangers
from services.forecasting.anomaly.domain import AnomalyKind, Finding
from services.forecasting.anomaly.findings import find_anomalies

HALVES = {"learned": 0, "told": 1}
_OF_CYCLES = {AnomalyKind.PRICE_RISE, AnomalyKind.MISSED_INCOME, AnomalyKind.MISSED_PAYMENT}
_SEED = 7
_ROWS = 10_000


def look(rows: pl.DataFrame, today: date) -> list[Finding]:
    """As the service does: with what accounts tells of recurring payments."""
    return find_anomalies(rows, today=today, recurring=recurring_of(rows, today))


def measure_false(histories: Sequence[History]) -> dict[str, Any]:
    """What is found in histories that nobody touched; all of it counts as false."""
    kinds: Counter[str] = Counter()
    rates = []
    for one in histories:
        found = look(one.rows, one.last_day)
        kinds.update(finding.kind for finding in found)
        rates.append(len(found) / one.months)
    months = sum(one.months for one in histories)
    return {
        "users": len(histories),
        "user_months": round(months, 1),
        "false_per_user_month": round(kinds.total() / months, 3),
        "user_at_90th_percentile": round(sorted(rates)[int(len(rates) * 0.9)], 3),
        "kinds": {kind: round(count / months, 4) for kind, count in sorted(kinds.items())},
    }


def measure_recall(cards: Sequence[History], accounts: Sequence[History], count: int) -> dict[str, Any]:
    """Of each kind, how many of those put in are found, by size as well. Half of what recurs is in accounts, their own standing orders."""
    told: dict[str, Any] = {}
    for kind in KINDS:
        sizes: dict[str, list[bool]] = defaultdict(list)
        of_accounts = count // 2 if kind in _OF_CYCLES else 0
        for one in [*inject(kind, count - of_accounts, cards, _SEED), *inject(kind, of_accounts, accounts, _SEED)]:
            sizes[one.size].append(one.is_found(look(one.rows, one.today)))
        hits = sum(sum(found) for found in sizes.values())
        told[kind] = {
            "injected": count,
            "recall": round(hits / count, 3),
            "sizes": {size: f"{sum(found)}/{len(found)}" for size, found in sorted(sizes.items())},
        }
    return told


def measure_time(histories: Sequence[History]) -> float:
    """Processor seconds for a ledger of 10,000 rows."""
    rows = pl.concat([one.rows for one in histories]).head(_ROWS).sort("date")
    today = max(one.last_day for one in histories)
    find_anomalies(rows.head(1000), today=today)
    began = time.process_time()
    find_anomalies(rows, today=today)
    return round(time.process_time() - began, 3)


def measure(data: Path = Path("../shared/data"), count: int = 200, half: str = "told") -> dict[str, Any]:
    """All of it."""
    cards, accounts = birmingham(data), berka(data)
    know_strangers(cards)
    cards, accounts = cards[HALVES[half] :: 2], accounts[HALVES[half] :: 2]
    false = {"birmingham": measure_false(cards), "berka": measure_false(accounts)}
    recall = measure_recall(cards, accounts, count)
    return {
        "half": half,
        "false": false,
        "recall": recall,
        "least_recall": min(one["recall"] for one in recall.values()),
        "cpu_s_for_10000_rows": measure_time(cards),
    }


def main() -> None:
    """Prints the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--half", choices=sorted(HALVES), default="told")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    print(json.dumps(measure(options.data, options.count, options.half)))


if __name__ == "__main__":
    main()
