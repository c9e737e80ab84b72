"""All that is odd about single payments in a ledger."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from uuid import UUID

import polars as pl

from services.forecasting.anomaly.domain import AnomalyKind, Dismissed, Finding
from services.forecasting.anomaly.findings.amounts import UNUSUAL_AMOUNTS
from services.forecasting.anomaly.findings.bursts import BURSTS
from services.forecasting.anomaly.findings.candidates import Candidate, candidate
from services.forecasting.anomaly.findings.columns import prepared, spent
from services.forecasting.anomaly.findings.cycles import expected
from services.forecasting.anomaly.findings.dismissals import Dismissals
from services.forecasting.anomaly.findings.duplicates import DUPLICATES
from services.forecasting.anomaly.findings.missed import find_missed
from services.forecasting.anomaly.findings.new_merchants import NEW_MERCHANTS
from services.forecasting.anomaly.findings.price_rises import find_price_rises
from services.forecasting.anomaly.findings.rarity import rare, score_of, severity_of
from services.forecasting.domain import Recurring

RULES = (BURSTS, DUPLICATES, UNUSUAL_AMOUNTS, NEW_MERCHANTS)


def find_anomalies(
    history: pl.DataFrame, *, today: date, recurring: Sequence[Recurring] = (), dismissed: Sequence[Dismissed] = ()
) -> list[Finding]:
    """What is odd in `history`, which has the columns of `HISTORY` and is one user's, as of `today`; the newest first.

    `recurring` is what accounts tells of payments that come again, `dismissed` what the user has said is no news. Amounts of different
    currencies never meet. What is found once is found again under the same key when the ledger has grown, but for what was missed and
    came after all, which is found no more.
    """
    known = Dismissals(dismissed)
    found: list[Finding] = []
    for part in prepared(history, today).partition_by("currency", maintain_order=True):
        of_currency = [one for one in recurring if one.currency == part["currency"][0]]
        candidates = [*_told_once(_by_rarity(part, known)), *_of_cycles(part, of_currency)]
        found += [one.finding for one in candidates if not known.silence(one)]
    return sorted(found, key=lambda one: (-one.occurred_on.toordinal(), one.key))


def _by_rarity(rows: pl.DataFrame, known: Dismissals) -> Iterator[Candidate]:
    paid = spent(rows)
    for rule in RULES:
        for row in rare(rule.candidates(paid), rule.rarity, strictness=known.strictness(rule.kind)).iter_rows(named=True):
            often = row["expected"]
            severity = severity_of(often, small=row["log"] < row["usual"])
            yield candidate(rule.kind, row, rule.tell(row), score=score_of(often), severity=severity, expected=often)


def _of_cycles(rows: pl.DataFrame, recurring: Sequence[Recurring]) -> list[Candidate]:
    due = expected(rows, recurring)
    return [*find_price_rises(due, rows), *find_missed(due, rows, recurring)]


def _told_once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """One payment is told once, as what is rarest about it; one that repeats another is not told beside a rarer burst, either."""
    told: dict[UUID, Candidate] = {}
    bursts: list[Candidate] = []
    crowded: dict[UUID, float] = {}
    for one in sorted(candidates, key=lambda one: (one.finding.kind is not AnomalyKind.BURST, one.expected, one.finding.key)):
        found = one.finding
        if found.kind is AnomalyKind.BURST:
            bursts.append(one)
            crowded.update(dict.fromkeys(found.transaction_ids, one.expected))
        elif found.kind is not AnomalyKind.DUPLICATE_CHARGE or one.expected < crowded.get(found.transaction_ids[0], math.inf):
            told.setdefault(found.transaction_ids[0], one)
    return [*bursts, *told.values()]
