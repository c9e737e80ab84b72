"""Finds payments and income that come again and again in a ledger's columns. Pure: docs/recurring.md says by what rules.

Rows are put into groups that may be one payment; a group is one when its days keep a period and its amounts stay in a band. Groups are
tried from the whole counterparty down to one exact amount; what is found is taken out before the next, finer try.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from uuid import UUID, uuid5

import polars as pl

from services.accounts.analytics.cycles import Cycle, Days, Months
from services.accounts.analytics.domain import RecurrencePeriod, RecurrenceStatus, RecurringPayment, RecurringPayments

ROWS = {
    "id": pl.String,
    "account_id": pl.String,
    "transaction_date": pl.Date,
    "steps": pl.Int64,
    "currency": pl.String,
    "merchant": pl.String,
    "description": pl.String,
    "category": pl.String,
}
"""The columns that `find_recurring` takes, rows of one day in the ledger's order; steps are signed ten-thousandths. Merchant and category
may be null."""
WINDOW_MONTHS = 25
"""Two years, and what a yearly payment may be late."""
SHOWN_IDS = 12

_NAMESPACE = UUID("5ca1e000-0000-5000-8000-000000000002")
_SHORTEST_NAME = 3
_BAND_RATIO = 1.15
"""Amounts of one counterparty that differ by more, with none between, belong to two payments."""
_BUCKET_RATIO = 1.5
_MANY = 8
"""From so many on, one in ten may come at another day or with another amount."""
_FORGIVEN = 0.1
_MOST_SKIPPED = 0.25
"""Of all turns."""
_MOST_TURNS = 2
"""From one to the next: one may be skipped; a longer pause ends what was before it."""
_FEWEST = 3
_PAIR = 2
"""Two say something only where the counterparty has had no others."""
_GRACE_DAYS = 2
"""Beyond the tolerance, until something counts as missed."""
_SILENT_DAYS = 92
"""An account of which nothing newer than this is known is not waiting for its next statement: nothing happens on it any more."""
# Words that tell months apart: a rent whose text names its month is one rent. English, German, French, Spanish, Italian, Dutch, Portuguese.
_MONTHS = (
    "jan|january|januar|janvier|enero|gennaio|januari|janeiro|feb|february|februar|février|fevrier|febrero|febbraio|februari|fevereiro|"
    "mar|march|märz|maerz|mrz|mars|marzo|maart|março|marco|apr|april|avril|abril|aprile|may|mai|mayo|maggio|mei|maio|"
    "jun|june|juni|juin|junio|giugno|junho|jul|july|juli|juillet|julio|luglio|julho|aug|august|août|aout|agosto|augustus|"
    "sep|sept|september|septembre|septiembre|settembre|setembro|oct|okt|october|oktober|octobre|octubre|ottobre|outubro|"
    "nov|november|novembre|noviembre|novembro|dec|dez|december|dezember|décembre|decembre|diciembre|dicembre|dezembro"
)


@dataclass(frozen=True, slots=True)
class _Period:
    """How exactly a period must be kept."""

    name: RecurrencePeriod
    cycle: Cycle
    usual_days: float
    tolerance_days: int
    """Either way: weekends, holidays, short months."""
    least: int
    """Occurrences; one less would be too easily a coincidence."""
    ratio: float
    """Largest amount to smallest, when there are only a few."""
    wide_ratio: float
    """The same when there are `_MANY`."""


# A weekly habit (the market on Saturday) is told from a weekly payment by its amounts alone, so these must be equal, or nearly.
_PERIODS = (
    _Period(RecurrencePeriod.WEEKLY, Days(7), 7, 1, 6, 1.05, 1.1),
    _Period(RecurrencePeriod.BIWEEKLY, Days(14), 14, 2, 5, 1.1, 1.5),
    _Period(RecurrencePeriod.FOUR_WEEKLY, Days(28), 28, 3, 4, 1.1, 1.5),
    _Period(RecurrencePeriod.MONTHLY, Months(1), 30.4, 4, 4, 1.5, 4.0),
    _Period(RecurrencePeriod.QUARTERLY, Months(3), 91.3, 4, 3, 1.25, 2.0),
    _Period(RecurrencePeriod.HALF_YEARLY, Months(6), 182.6, 4, 3, 1.25, 2.0),
    _Period(RecurrencePeriod.YEARLY, Months(12), 365.2, 3, 2, 1.15, 1.5),
)
_EXACT = 1.02
"""Amounts this near are equal, but for a rate of exchange: then one occurrence less will do."""

_GROUP = ("is_debit", "currency", "party")
_LEVELS = (("party", ("who",)), ("band", ("who", "band")), ("amount", ("who", "size")))
"""From coarse to fine: all that a counterparty gets, what is of about one amount, what is of exactly one."""
_IS_FIRST = (pl.col("group") != pl.col("group").shift(1)).fill_null(True)
_NEAR = (0.8, 1.35)
"""By how much the usual gap may be shorter or longer than the period: no proof, but what need not be looked at."""
_WORD = r"[^\p{L}\p{N}]+"
_NO_NAME = rf"\b(?:{_MONTHS}|\p{{L}}*\p{{N}}[\p{{L}}\p{{N}}]*)\b"


def find_recurring(rows: pl.DataFrame, *, today: date) -> RecurringPayments:
    """The recurring payments in `rows`, which have the columns of `ROWS` and are those of one user that count. Not one row a second time.

    Where they stand is judged as of each account's latest row, never later than `today`.
    """
    if rows.is_empty():
        return RecurringPayments(None, ())
    known = _known_until(rows, today)
    rows = _prepared(rows)
    payments: list[RecurringPayment] = []
    for level, keys in _LEVELS:
        rows = _grouped(rows, keys)
        series = _regular(rows, level)
        names: set[UUID] = set()
        for part in series.partition_by("group", maintain_order=True):
            payments.append(_payment(part, level, known, names))
        rows = rows.join(series.select("group").unique(), on="group", how="anti")
    return RecurringPayments(known.ledger, tuple(sorted(payments, key=order)))


def order(payment: RecurringPayment) -> tuple[str, str]:
    """By which payments are listed: the next expected first, then those that have ended, the latest first."""
    if payment.next_date is not None:
        return payment.next_date.isoformat(), str(payment.id)
    return f"ended {date.max.toordinal() - payment.last_date.toordinal():07d}", str(payment.id)


def _prepared(rows: pl.DataFrame) -> pl.DataFrame:
    """With direction, size and counterparty; `who` is the number of these but for the size, `band` that of amounts near to each other."""
    text = pl.coalesce(pl.when(pl.col("merchant") != "").then(pl.col("merchant")), pl.col("description")).str.to_lowercase()
    words = text.str.replace_all(_WORD, " ")
    name = words.str.replace_all(_NO_NAME, "").str.replace_all(" +", " ").str.strip_chars()
    rows = rows.with_columns(
        (pl.col("steps") < 0).alias("is_debit"),
        pl.col("steps").abs().alias("size"),
        pl.when(name.str.len_chars() >= _SHORTEST_NAME).then(name).otherwise(words.str.strip_chars()).alias("party"),
    )
    rows = rows.sort(*_GROUP, "size", maintain_order=True).with_columns(pl.struct(_GROUP).rle_id().alias("who"))
    same = pl.col("who") == pl.col("who").shift(1)
    more = pl.col("size") > pl.col("size").shift(1) * _BAND_RATIO
    return rows.with_columns((~same | more).fill_null(True).cum_sum().alias("band"), pl.len().over("who").alias("party_count"))


def _grouped(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """In groups, each by day: `group` is the group's number, `gap` its usual number of days from one row to the next."""
    rows = rows.sort(*keys, "transaction_date", maintain_order=True).with_columns(pl.struct(keys).rle_id().alias("group"))
    # Finer groups of one row, too, have only that.
    rows = rows.filter(pl.len().over("group") > 1)
    gap = pl.col("transaction_date").diff().dt.total_days()
    return rows.with_columns(pl.when(_IS_FIRST).then(None).otherwise(gap).median().over("group").alias("gap"))


def _regular(rows: pl.DataFrame, level: str) -> pl.DataFrame:
    """The rows of each group that is one payment, in its best period; `period` is its place in `_PERIODS`."""
    runs = [_runs(rows, number, level) for number in range(len(_PERIODS))]
    best = pl.concat(one.group_by("group", "period", "run").agg(pl.col("last", "penalty").first()) for one in runs)
    # What began anew later counts; of two periods that fit, the one that fits better.
    best = best.sort("last", "penalty", "period", descending=[True, False, False]).unique("group", keep="first", maintain_order=True)
    chosen = pl.concat(one.join(best, on=["period", "run"], how="semi") for one in runs)
    return chosen.sort("group", "transaction_date", maintain_order=True)


def _runs(rows: pl.DataFrame, number: int, level: str) -> pl.DataFrame:
    """The rows of groups that keep one period, each run between two longer pauses for itself."""
    period = _PERIODS[number]
    low, high = (period.usual_days * factor for factor in _NEAR)
    turn = pl.when(_IS_FIRST).then(None).otherwise((pl.col("at") - pl.col("at").shift(1)).round())
    begins = pl.col("turn").is_null() | (pl.col("turn") > _MOST_TURNS)
    # Where a run begins to count makes no difference to how far its rows are from their middle.
    off = pl.col("at") - pl.when("begins").then(0).otherwise("turn").cum_sum()
    late = (pl.col("off") - pl.col("off").median().over("run")).abs() * period.cycle.days
    placed = (
        rows.filter(pl.col("gap").is_between(low, high))
        .with_columns(period.cycle.position(pl.col("transaction_date")).alias("at"))
        .with_columns(turn.alias("turn"))
        .with_columns(begins.alias("begins"))
        .with_columns(pl.col("begins").cum_sum().alias("run"), off.alias("off"))
        .with_columns(late.alias("late"))
    )
    count, few = pl.len(), pl.len() < _MANY
    forgiven = pl.when(few).then(0).otherwise((count * _FORGIVEN).floor())
    inside = ~pl.col("begins")
    repeated = (inside & (pl.col("turn") == 0)).sum()
    skipped = (inside & (pl.col("turn") == _MOST_TURNS)).sum()
    outside = (pl.col("late") > period.tolerance_days).sum()
    ratio = pl.col("size").max() / pl.col("size").min()
    usual = pl.col("size").quantile(1 - _FORGIVEN) / pl.col("size").quantile(_FORGIVEN)
    least = period.least + (level != "party")
    kept = placed.group_by("run").agg(
        pl.col("transaction_date").max().alias("last"),
        (pl.col("late").mean() / period.tolerance_days + skipped / count).alias("penalty"),
        (
            ((count >= least) | ((count >= max(least - 1, _FEWEST)) & (ratio <= _EXACT)))
            & ((count > _PAIR) | (pl.col("party_count").first() == count))
            & (repeated <= forgiven)
            & (outside <= forgiven)
            & (skipped <= (count - 1) * _MOST_SKIPPED)
            & pl.when(few).then(ratio <= period.ratio).otherwise(usual <= period.wide_ratio)
        ).alias("is_regular"),
    )
    regular = kept.filter("is_regular").select("run", "last", "penalty")
    return placed.join(regular, on="run").with_columns(pl.lit(number).alias("period"))


@dataclass(frozen=True, slots=True)
class _KnownUntil:
    """Up to which day it is known what happened."""

    ledger: date
    accounts: dict[str, date]


def _known_until(rows: pl.DataFrame, today: date) -> _KnownUntil:
    latest = dict(rows.group_by("account_id").agg(pl.col("transaction_date").max()).iter_rows())
    ledger = min(max(latest.values()), today)
    return _KnownUntil(ledger, {one: ledger if (ledger - day).days > _SILENT_DAYS else min(day, ledger) for one, day in latest.items()})


def _payment(rows: pl.DataFrame, level: str, known: _KnownUntil, names: set[UUID]) -> RecurringPayment:
    """One payment from its rows, by day. `names` are those of this level so far."""
    last = rows.row(-1, named=True)
    period = _PERIODS[last["period"]]
    days: list[date] = rows["transaction_date"].to_list()
    amounts: list[int] = rows["steps"].to_list()
    status, next_date = _standing(period, days, known.accounts[last["account_id"]])
    return RecurringPayment(
        id=_name(rows, level, names),
        merchant=last["merchant"] or last["description"],
        period=period.name,
        currency=last["currency"],
        amount_min=_amount(min(amounts)),
        amount_max=_amount(max(amounts)),
        last_amount=_amount(last["steps"]),
        first_date=days[0],
        last_date=days[-1],
        next_date=next_date,
        status=status,
        occurrence_count=len(days),
        category=last["category"],
        transaction_ids=tuple(UUID(one) for one in reversed(rows["id"].to_list()[-SHOWN_IDS:])),
        account_id=UUID(last["account_id"]),
    )


def _standing(period: _Period, days: Sequence[date], known_until: date) -> tuple[RecurrenceStatus, date | None]:
    """Where a payment stands, and the first day on which it is still expected, or has been missed."""
    first, second = (period.cycle.due(days, after) for after in (1, 2))
    grace = timedelta(days=period.tolerance_days + _GRACE_DAYS)
    if first is None or known_until - first <= grace:
        return RecurrenceStatus.ACTIVE, first
    if second is None or known_until - second <= grace:
        return RecurrenceStatus.OVERDUE, first
    return RecurrenceStatus.ENDED, None


def _name(rows: pl.DataFrame, level: str, names: set[UUID]) -> UUID:
    """Made from what a payment is found by, so that it stays when more of it come."""
    first = rows.row(0, named=True)
    parts = [level, str(first["is_debit"]), first["currency"], first["party"]]
    if level == "amount":
        parts.append(str(first["size"]))
    if level == "band":
        parts.append(str(round(math.log(median(rows["size"].to_list()), _BUCKET_RATIO))))
    name = uuid5(_NAMESPACE, "\0".join(parts))
    while name in names:
        name = uuid5(name, "next")
    names.add(name)
    return name


def _amount(steps: int) -> Decimal:
    return Decimal(steps).scaleb(-4)
