"""Anomalies put into real histories, one into a copy each, of sizes as in life. docs/anomalies.md says what each of them is."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

import polars as pl

from benchmarks.anomaly_histories import History, cents, row_id
from benchmarks.anomaly_series import series_of
from models.hypcd.merchant import merchant_key
from services.forecasting.anomaly.domain import AnomalyKind, Finding
from services.forecasting.anomaly.findings.columns import HISTORY

FIRST_DAYS = 30
"""Nothing is put into a history's first month: nobody knows yet what is usual."""
_ADDED = 1 << 40
"""Ids of rows that were added begin here."""
_TRIES = 200
_NEAR_DAYS = 10
_WAITED_DAYS = 10
"""After the due day something else is in the ledger: then it is known that it has not come."""
"""How far from the true due day a missed payment may be told."""


@dataclass(frozen=True)
class Injected:
    """A history with one anomaly in it."""

    kind: AnomalyKind
    history: History
    rows: pl.DataFrame
    today: date
    size: str
    """How large it is, for tables."""
    ids: frozenset[str] = frozenset()
    """Of the rows that are odd."""
    payee: str = ""
    due: date | None = None
    """For what was missed: whose, and when."""

    def is_found(self, findings: Sequence[Finding]) -> bool:
        """Whether one of the findings is this one."""
        return any(self._is(one) for one in findings)

    def _is(self, one: Finding) -> bool:
        if one.kind is not self.kind:
            return False
        if self.due is not None:
            return merchant_key(one.merchant) == self.payee and abs((one.occurred_on - self.due).days) <= _NEAR_DAYS
        return not self.ids.isdisjoint(map(str, one.transaction_ids))


Maker = Callable[[random.Random, History], Injected | None]


def inject(kind: AnomalyKind, count: int, histories: Sequence[History], seed: int) -> list[Injected]:
    """So many, each into a history drawn anew. Raises ValueError where the histories have no room for them."""
    chance = random.Random(f"{kind} {seed}")  # nosec B311  # draws for a measurement
    made: list[Injected] = []
    for _ in range(count * _TRIES):
        one = KINDS[kind](chance, chance.choice(histories))
        if one is not None:
            made.append(one)
        if len(made) == count:
            return made
    if not count:
        return made
    raise ValueError(f"only {len(made)} of {count} anomalies of kind {kind} fit into {len(histories)} histories")


def _duplicate(chance: random.Random, history: History) -> Injected | None:
    """A purchase comes a second time, up to three days later."""
    row = _any_purchase(chance, history)
    if row is None:
        return None
    days = chance.randint(0, 3)
    day = row["date"] + timedelta(days=days)
    if day > history.last_day:
        return None
    return _with(history, AnomalyKind.DUPLICATE_CHARGE, [row | {"date": day}], f"{days} days later")


def _unusual(chance: random.Random, history: History) -> Injected | None:
    """A purchase at 4 to 20 times what this merchant usually takes; where it was seen once or twice, what that and the category took."""
    row = _any_purchase(chance, history)
    if row is None:
        return None
    earlier = history.rows.filter(pl.col("date") < row["date"], pl.col("amount") < 0)
    at = earlier.filter(pl.col("description") == row["description"])["amount"].to_list()
    of = earlier.filter(pl.col("category") == row["category"])["amount"].to_list() if row["category"] else []
    if len(at) >= 3:
        usual, basis = median(at), "merchant"
    elif len(at) >= 1 and len(of) >= 10:
        usual, basis = min(median(of), *at), "category"
    else:
        return None
    times = chance.uniform(4, 20)
    changed = row | {"amount": -max(cents(float(-usual) * times), Decimal("0.01"))}
    others = history.rows.filter(pl.col("transaction_id") != row["transaction_id"])
    band = "4-8" if times < 8 else "8-20"
    return _with(history, AnomalyKind.UNUSUAL_AMOUNT, [changed], f"{band} times the {basis}'s", rows=others)


def _new_merchant(chance: random.Random, history: History) -> Injected | None:
    """A first purchase at a merchant of another user's, 1 to 3 times the 98th percentile of this user's purchases."""
    row = _any_purchase(chance, history)
    if row is None or _STRANGERS is None:
        return None
    name = chance.choice(_STRANGERS)
    known = {merchant_key(one) for one in history.rows["description"].to_list()}
    if merchant_key(name) in known:
        return None
    spent = sorted(-float(one) for one in history.rows.filter(pl.col("amount") < 0)["amount"].to_list())
    times = chance.uniform(1.0, 3.0)
    amount = spent[int(len(spent) * 0.98)] * times + 0.01
    added = row | {"description": name, "amount": -cents(amount)}
    return _with(history, AnomalyKind.NEW_MERCHANT, [added], f"{'1-2' if times < 2 else '2-3'} times the 98th percentile")


def _burst(chance: random.Random, history: History) -> Injected | None:
    """5 to 12 more payments on one day: at one merchant of the user's, or at several."""
    row = _any_purchase(chance, history)
    if row is None:
        return None
    count = chance.randint(5, 12)
    spent = history.rows.filter(pl.col("amount") < 0)
    drawn = [spent.row(chance.randrange(spent.height), named=True) for _ in range(count)]
    one_place = chance.random() < 0.5
    added = [
        one | {"date": row["date"]} | ({name: row[name] for name in ("description", "category", "primary_category")} if one_place else {})
        for one in drawn
    ]
    band = "5-7" if count < 8 else "8-12"
    return _with(history, AnomalyKind.BURST, added, f"{band} at {'one merchant' if one_place else 'several'}")


def _price_rise(chance: random.Random, history: History) -> Injected | None:
    """A payment of one amount that comes again and again takes 8 to 60 % more from some time on."""
    series = series_of(chance, history, credit=False, varies=False)
    if series is None or len(series.rows) <= series.least:
        return None
    at = chance.randrange(series.least, len(series.rows))
    rise = chance.uniform(0.08, 0.60)
    usual = -series.rows[at]["amount"]
    raised = {"amount": -max(cents(float(usual) * (1 + rise)), usual + Decimal("0.01"))}
    added = [row | raised if place >= at else row for place, row in enumerate(series.rows)]
    band = "8-20" if rise < 0.2 else "20-60"
    return _with(history, AnomalyKind.PRICE_RISE, added, f"{band} %, {series.name}", rows=series.others, odd=[at])


def _missed(kind: AnomalyKind, *, credit: bool) -> Maker:
    def make(chance: random.Random, history: History) -> Injected | None:
        """One of them does not come: the latest as of that time, or one of earlier times."""
        series = series_of(chance, history, credit=credit, varies=chance.random() < 0.5)
        if series is None:
            return None
        days = [row["date"] for row in series.rows]
        places = [place for place in range(series.least, len(days)) if days[place] + timedelta(days=15) <= history.last_day]
        if not places:
            return None
        at = chance.choice(places)
        latest = chance.random() < 0.5
        later = series.others.filter(pl.col("date") >= days[at] + timedelta(days=_WAITED_DAYS))
        if later.is_empty():
            return None
        today = later["date"][0] if latest else history.last_day
        added = [row for place, row in enumerate(series.rows) if place != at]
        made = _with(history, kind, added, f"{series.name}, {'latest' if latest else 'earlier'}", rows=series.others, until=today)
        return replace(made, ids=frozenset(), payee=merchant_key(series.rows[at]["description"]), due=days[at])

    return make


def _first_day(history: History) -> date:
    return history.rows.row(0, named=True)["date"]  # type: ignore[no-any-return]


def _any_purchase(chance: random.Random, history: History) -> dict[str, Any] | None:
    """A row by which money leaves, after the first month."""
    row = history.rows.row(chance.randrange(history.rows.height), named=True)
    return row if row["amount"] < 0 and (row["date"] - _first_day(history)).days >= FIRST_DAYS else None


def _with(
    history: History,
    kind: AnomalyKind,
    added: list[dict[str, Any]],
    size: str,
    *,
    rows: pl.DataFrame | None = None,
    odd: Sequence[int] | None = None,
    until: date | None = None,
) -> Injected:
    """The history with rows added, which get ids of their own; those at the places `odd`, or all, are the anomaly."""
    named = [row | {"transaction_id": row_id(_ADDED + place)} for place, row in enumerate(added)]
    whole = pl.concat([history.rows if rows is None else rows, pl.DataFrame(named, schema=HISTORY, orient="row")])
    today = until or history.last_day
    ids = frozenset(one["transaction_id"] for place, one in enumerate(named) if odd is None or place in odd)
    return Injected(kind, history, whole.filter(pl.col("date") <= today).sort("date", "create_time", "transaction_id"), today, size, ids)


_STRANGERS: list[str] | None = None


def know_strangers(histories: Sequence[History]) -> None:
    """Names of merchants for `_new_merchant`."""
    global _STRANGERS  # noqa: PLW0603
    _STRANGERS = sorted({one for history in histories for one in history.rows["description"].unique().to_list() if merchant_key(one)})


KINDS: dict[AnomalyKind, Maker] = {
    AnomalyKind.DUPLICATE_CHARGE: _duplicate,
    AnomalyKind.UNUSUAL_AMOUNT: _unusual,
    AnomalyKind.NEW_MERCHANT: _new_merchant,
    AnomalyKind.BURST: _burst,
    AnomalyKind.PRICE_RISE: _price_rise,
    AnomalyKind.MISSED_INCOME: _missed(AnomalyKind.MISSED_INCOME, credit=True),
    AnomalyKind.MISSED_PAYMENT: _missed(AnomalyKind.MISSED_PAYMENT, credit=False),
}
