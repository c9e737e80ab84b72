"""Payments that come again and again, for a price to rise and for one to be missed: built into purchase cards, real ones of accounts."""

from __future__ import annotations

import calendar
import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from benchmarks.anomaly_histories import History, cents, recurring_of
from models.hypcd.merchant import merchant_key
from services.forecasting.domain import RecurrencePeriod, Recurring

_PAYEES = (
    "NETFLIX.COM", "SPOTIFY", "VODAFONE LTD", "SEVERN TRENT WATER", "AVIVA INSURANCE", "PUREGYM LTD", "BRITISH GAS", "DVLA VEHICLE TAX",
    "ADOBE CREATIVE CLOUD", "TV LICENSING", "SKY DIGITAL", "COUNCIL TAX", "THE GUARDIAN", "DROPBOX", "LEASE PLAN", "KINDERHILL NURSERY",
)  # fmt: skip
_EMPLOYERS = ("MERIDIAN WORKS PAYROLL", "HOLLOWAY AND SONS SALARY", "NORTHFIELD TRUST WAGES", "DWP PENSION")
_EXACT = 1.02
_LEAST_REAL = 4


@dataclass(frozen=True)
class Series:
    """One of them."""

    rows: list[dict[str, Any]]
    """By day."""
    others: pl.DataFrame
    """The rest of the history."""
    least: int
    """So many say that more will come."""
    name: str
    """For tables."""


def series_of(chance: random.Random, history: History, *, credit: bool, varies: bool) -> Series | None:
    """One drawn anew; `varies` allows amounts that differ. None where the history has no room for it."""
    return (_real if history.source == "berka" else _built)(chance, history, credit, varies)


def _real(chance: random.Random, history: History, credit: bool, varies: bool) -> Series | None:
    """A monthly standing order, or income, of an account's own."""
    ratio = 1.5 if varies else _EXACT
    fit = [
        one
        for one in _monthly(history.user, history)
        if one.credit == credit and max(one.amount_min / one.amount_max, one.amount_max / one.amount_min) <= ratio
    ]
    if not fit:
        return None
    ids = list(map(str, chance.choice(fit).transaction_ids))
    ours = pl.col("transaction_id").is_in(ids)
    return Series(history.rows.filter(ours).to_dicts(), history.rows.filter(~ours), _LEAST_REAL, "real monthly")


def _monthly(user: str, history: History) -> list[Recurring]:
    if user not in _KNOWN:
        found = recurring_of(history.rows, history.last_day)
        _KNOWN[user] = [one for one in found if one.period is RecurrencePeriod.MONTHLY and len(one.transaction_ids) > _LEAST_REAL]
    return _KNOWN[user]


_KNOWN: dict[str, list[Recurring]] = {}


def _built(chance: random.Random, history: History, credit: bool, varies: bool) -> Series | None:
    name = chance.choice(_EMPLOYERS if credit else _PAYEES)
    if merchant_key(name) in {merchant_key(one) for one in history.rows["description"].unique().to_list()}:
        return None
    odds = [80, 0, 20, 0] if credit else [80, 8, 6, 6]
    period, step, least = chance.choices([("monthly", 1, 4), ("weekly", 7, 6), ("biweekly", 14, 5), ("quarterly", 3, 3)], odds)[0]
    by_month = period in ("monthly", "quarterly")
    first: date = history.rows.row(0, named=True)["date"] + timedelta(days=chance.randrange(60))
    due = _months(first, step, chance.randint(1, 31)) if by_month else [first + timedelta(days=turn * step) for turn in range(250)]
    # Banks book on working days; income comes on the one before.
    booked = [day + timedelta(days={5: -1 if credit else 2, 6: -2 if credit else 1}.get(day.weekday(), 0)) for day in due]
    amount = -cents(chance.choice([5, 8, 10, 13, 20, 30, 45, 80, 150, 400]) * chance.uniform(0.8, 1.25))
    if credit:
        amount = cents(chance.uniform(900, 4000))
    # A bill for power differs; what comes every week or two is a fixed amount, or nobody could tell it from a habit.
    spread = (0.03 if credit else 0.15 if by_month else 0.0) if varies else 0.0
    numbered = chance.random() < 0.5
    blank = history.rows.row(0, named=True) | {"category": "", "primary_category": ""}
    rows = [
        blank
        | {
            "date": day,
            "description": f"{name} {chance.randrange(10**7):07d}" if numbered else name,
            "amount": cents(float(amount) * (1 + chance.uniform(-spread, spread))) if spread else amount,
        }
        for day in booked
        if first <= day <= history.last_day
    ]
    return Series(rows, history.rows, least, f"built {period}{' about the same' if spread else ''}")


def _months(first: date, step: int, number: int) -> list[date]:
    month = first.year * 12 + first.month - 1
    places = [divmod(month + turn * step, 12) for turn in range(60)]
    return [date(year, place + 1, min(number, calendar.monthrange(year, place + 1)[1])) for year, place in places]
