"""From what a model says to amounts of money: in the currency's own decimals, in order, within what the ledger can hold. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, localcontext
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from services.forecasting.domain import Granularity, Point, Scheduled
from services.forecasting.history import periods_between
from services.kit.money import MAX_AMOUNT, decimals

_PRECISION = 60
"""More digits than any float of money has before and after its point."""


def points(starts: Sequence[date], quantiles: NDArray[np.float64], currency: str) -> tuple[Point, ...]:
    """One for each period. `quantiles` [horizon, 3] are in order."""
    return tuple(_point(start, row, Decimal(0), currency) for start, row in zip(starts, quantiles.tolist(), strict=True))


def balance_points(
    starts: Sequence[date],
    granularity: Granularity,
    opening: Decimal,
    scheduled: Sequence[Scheduled],
    rest: NDArray[np.float64],
    currency: str,
) -> tuple[Point, ...]:
    """What is held at the end of each period: exactly what it was, and what is known to come, and `rest` [horizon, 3], the quantiles of the
    sum of everything else up to then."""
    known = [Decimal(0)] * len(starts)
    for one in scheduled:
        known[periods_between(starts[0], one.payment_date, granularity)] += one.amount
    held = list(accumulate(known, initial=opening))[1:]
    return tuple(_point(start, row, amount, currency) for start, row, amount in zip(starts, rest.tolist(), held, strict=True))


def _point(start: date, quantiles: Sequence[float], added: Decimal, currency: str) -> Point:
    low, middle, high = (_amount(one, added, currency) for one in quantiles)
    return Point(start, low, middle, high)


def _amount(value: float, added: Decimal, currency: str) -> Decimal:
    step = Decimal(1).scaleb(-decimals(currency))
    most = MAX_AMOUNT.quantize(step, rounding=ROUND_DOWN)
    # A float is one exact decimal, and rounding keeps the order.
    with localcontext(prec=_PRECISION):
        return min(max(Decimal(value) + added, -most), most).quantize(step, rounding=ROUND_HALF_EVEN)
