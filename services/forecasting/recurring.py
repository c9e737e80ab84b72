"""What is known to come: the next days of recurring payments, and which payments of the past were theirs. Pure."""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from statistics import median_low

import polars as pl

from services.forecasting.domain import (
    UNCATEGORIZED,
    RecurrencePeriod,
    RecurrenceStatus,
    Recurring,
    Scheduled,
    SeriesSpec,
)

_DAYS = {RecurrencePeriod.WEEKLY: 7, RecurrencePeriod.BIWEEKLY: 14, RecurrencePeriod.FOUR_WEEKLY: 28}
_MONTHS = {
    RecurrencePeriod.MONTHLY: 1,
    RecurrencePeriod.QUARTERLY: 3,
    RecurrencePeriod.HALF_YEARLY: 6,
    RecurrencePeriod.YEARLY: 12,
}
_LATE_DAYS = 7
"""What is later than that has been missed, and comes on its next day."""
_LATEST = 3
"""Of so many amounts the middle one is expected: one bonus changes nothing, a new price does with its second payment."""
_SATURDAY = 5
_AS_IT_IS = (0,) * 7
_BEFORE_WEEKENDS = (0, 0, 0, 0, 0, -1, -2)
_AFTER_WEEKENDS = (0, 0, 0, 0, 0, 2, 1)
_LEAST_MOVED = 2
"""So often a payment that was due on a weekend has come before it, or after it."""
_WORD = r"[^\p{L}\p{N}]+"
_NUMBER = r"\b\p{L}*\p{N}[\p{L}\p{N}]*\b"


OCCURRENCES = {"recurring_id": pl.String, "date": pl.Date, "amount": pl.Decimal(19, 4)}
"""The columns of `past_occurrences`."""


def of_series(recurring: Sequence[Recurring], series: SeriesSpec, primary: dict[str, str]) -> list[Recurring]:
    """Those that go on and are of a series. `primary` has the primary slug of each category."""
    found = [one for one in recurring if one.status is RecurrenceStatus.ACTIVE and one.currency == series.currency]
    if series.account_id is not None:
        found = [one for one in found if one.account_id == series.account_id]
    if series.category == UNCATEGORIZED:
        return [one for one in found if not one.category]
    if series.category:
        found = [one for one in found if series.category in (one.category, primary.get(one.category))]
    return found


def past_occurrences(transactions: pl.DataFrame, recurring: Sequence[Recurring]) -> pl.DataFrame:
    """The transactions that were recurring payments, with the columns of `OCCURRENCES`, by day.

    The ledger names the latest ones; the others are those of the same account, currency and direction with the name of one of these and an
    amount between the smallest and the largest.
    """
    known = pl.DataFrame(
        [
            (str(one.id), str(transaction), one.amount_min, one.amount_max, one.first_date)
            for one in recurring
            for transaction in one.transaction_ids
        ],
        schema={
            "recurring_id": pl.String,
            "transaction_id": pl.String,
            "amount_min": pl.Decimal(19, 4),
            "amount_max": pl.Decimal(19, 4),
            "first_date": pl.Date,
        },
        orient="row",
    )
    rows = transactions.select(
        "transaction_id", "account_id", "date", "amount", "currency", _name().alias("name"), (pl.col("amount") < 0).alias("is_debit")
    )
    like = ["account_id", "currency", "is_debit", "name"]
    of_known = known.join(rows.select("transaction_id", *like), on="transaction_id").drop("transaction_id").unique()
    found = rows.join(of_known, on=like).filter(
        pl.col("amount").is_between(pl.col("amount_min"), pl.col("amount_max")) & (pl.col("date") >= pl.col("first_date"))
    )
    # Where two of one name overlap, what the ledger names for the one is not the other's.
    named = found.join(
        known.select("recurring_id", "transaction_id", pl.lit(0).alias("rank")), on=["recurring_id", "transaction_id"], how="left"
    )
    named = named.sort(pl.col("rank").fill_null(1), "recurring_id").unique("transaction_id", keep="first", maintain_order=True)
    return named.select(list(OCCURRENCES)).sort("date", "recurring_id")


def _name() -> pl.Expr:
    """The counterparty, without what tells its payments apart: a rent whose text has an invoice number is one rent."""
    text = pl.when(pl.col("merchant") != "").then(pl.col("merchant")).otherwise(pl.col("description")).str.to_lowercase()
    words = text.str.replace_all(_WORD, " ")
    return words.str.replace_all(_NUMBER, "").str.replace_all(" +", " ").str.strip_chars()


def schedule(recurring: Sequence[Recurring], occurrences: pl.DataFrame, *, after: date, until: date) -> list[Scheduled]:
    """What is known to come from the day after `after` to `until`, by day."""
    past: dict[str, list[tuple[date, Decimal]]] = {}
    for name, day, amount in occurrences.iter_rows():
        past.setdefault(name, []).append((day, amount))
    found: list[Scheduled] = []
    for one in recurring:
        known = past.get(str(one.id), [])
        amount = expected_amount(one, [amount for _, amount in known])
        days = days_ahead(one, [day for day, _ in known], after=after, until=until)
        found += [Scheduled(day, amount, one.merchant, one.id) for day in days]
    return sorted(found, key=lambda one: (one.payment_date, str(one.recurring_id)))


def expected_amount(one: Recurring, past: Sequence[Decimal]) -> Decimal:
    """What a payment will come to after those amounts."""
    return median_low(past[-_LATEST:]) if past else one.last_amount


def as_it_stood(one: Recurring, past: Sequence[date]) -> Recurring:
    """A payment as it was when it had come on those days, one at least."""
    return replace(one, next_date=_due(one.period, past), last_date=past[-1])


def missed(one: Recurring, on: date) -> bool:
    """Whether a payment is so late on a day that nobody waits for it."""
    return one.next_date is None or (on - one.next_date).days > _LATE_DAYS


def turn_of(one: Recurring, past: Sequence[date], day: date) -> date:
    """The day on which the payment of a day was expected after those of the past; one turn may have been skipped."""
    expected = days_ahead(one, past, after=past[-1], until=past[-1] + timedelta(days=5 * _shortest(one.period)))
    return min(expected, key=lambda turn: abs((turn - day).days))


def _due(period: RecurrencePeriod, days: Sequence[date]) -> date:
    """The turn after the latest of those days, as the ledger tells it: on the weekday, or the day of the month, that most of them had."""
    last = days[-1]
    if period in _DAYS:
        length = _DAYS[period]
        phase = Counter(day.toordinal() % length for day in reversed(days)).most_common(1)[0][0]
        off = (phase - last.toordinal() + length // 2) % length - length // 2
        return last + timedelta(days=off + length)
    hits = Counter[int]()
    for day in days:
        end = calendar.monthrange(day.year, day.month)[1]
        hits.update(range(day.day, 32) if day.day == end else [day.day])
    most = max(hits.values())
    number = min(day for day, count in hits.items() if count == most)
    # Due on the 31st, it may have come on the 2nd.
    near = min((_in_month(last, shift, number) for shift in (-1, 0, 1)), key=lambda day: abs((day - last).days))
    return _in_month(near, _MONTHS[period], number)


def _in_month(day: date, shift: int, number: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + shift, 12)
    return date(year, month + 1, min(number, calendar.monthrange(year, month + 1)[1]))


def days_ahead(one: Recurring, past: Sequence[date], *, after: date, until: date) -> list[date]:
    """The days on which a payment is expected, from the day after `after` to `until`. One that is a few days late comes on the first of
    them."""
    if one.next_date is None:
        return []
    weekend = _instead_of_weekends(one, past)

    def turn(step: int) -> date:
        day = _turn(one, past, step)
        return day + timedelta(days=weekend[day.weekday()])

    days = []
    late = one.last_date <= turn(0) <= after and (after - turn(0)).days <= _LATE_DAYS
    if late and one.last_date <= after:
        days.append(after + timedelta(days=1))
    step = 0
    # Known to the ledger, but after the end of a history by weeks or months.
    while one.last_date > after and turn(step - 1) > after:
        step -= 1
    while (day := turn(step)) <= until:
        if day > after and not (days and (day - days[0]).days < _shortest(one.period)):
            days.append(day)
        step += 1
    return days


def _shortest(period: RecurrencePeriod) -> int:
    """Days below which two payments would be one."""
    return (_DAYS.get(period) or 28 * _MONTHS[period]) // 2


def _turn(one: Recurring, past: Sequence[date], step: int) -> date:
    """The day of the next payment, so many turns on."""
    assert one.next_date is not None  # nosec B101  # whoever asks has looked
    if one.period in _DAYS:
        return one.next_date + timedelta(days=_DAYS[one.period] * step)
    year, month = divmod(one.next_date.year * 12 + one.next_date.month - 1 + _MONTHS[one.period] * step, 12)
    return date(year, month + 1, min(_day_of_month(one.next_date, past), calendar.monthrange(year, month + 1)[1]))


def _day_of_month(next_date: date, past: Sequence[date]) -> int:
    """On the last day of a short month comes also what is paid on the 31st: its past tells."""
    if next_date.day < calendar.monthrange(next_date.year, next_date.month)[1] or not past:
        return next_date.day
    usual = Counter(day.day for day in past).most_common(1)[0][0]
    return max(usual, next_date.day)


def _instead_of_weekends(one: Recurring, past: Sequence[date]) -> Sequence[int]:
    """By how many days each weekday, from Monday on, is moved: banks have salaries come before a weekend and take the rent after it. Where
    it was so each time, and more than once."""
    if one.period in _DAYS or any(day.weekday() >= _SATURDAY for day in past):
        return _AS_IT_IS
    due = [(day, _nearest_turn(one, past, day)) for day in past]
    off = [(day - nominal).days for day, nominal in due if nominal.weekday() >= _SATURDAY]
    if len(off) < _LEAST_MOVED:
        return _AS_IT_IS
    return _BEFORE_WEEKENDS if max(off) < 0 else _AFTER_WEEKENDS if min(off) > 0 else _AS_IT_IS


def _nearest_turn(one: Recurring, past: Sequence[date], day: date) -> date:
    assert one.next_date is not None  # nosec B101  # whoever asks has looked
    months = (day.year - one.next_date.year) * 12 + day.month - one.next_date.month
    step = months // _MONTHS[one.period]
    return min((_turn(one, past, step + more) for more in (-1, 0, 1)), key=lambda turn: abs((turn - day).days))
