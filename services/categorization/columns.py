"""Payments as parallel columns, as models take them and streams bring them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
import numpy.typing as npt

from services.categorization.domain import Payment

Floats = npt.NDArray[np.float32]
Amounts = npt.NDArray[np.float64]
Days = npt.NDArray[np.int32]
"""Days since 1970-01-01."""

NO_DAY = int(np.iinfo(np.int32).min)
_EPOCH = date(1970, 1, 1).toordinal()


def day_number(day: date | None) -> int:
    """Days since 1970-01-01; NO_DAY where it is unknown."""
    return NO_DAY if day is None else day.toordinal() - _EPOCH


def day_of(number: int) -> date:
    """The other way round."""
    return date.fromordinal(number + _EPOCH)


@dataclass(frozen=True, slots=True)
class Columns:
    """What is asked about n payments."""

    descriptions: Sequence[str]
    merchants: Sequence[str]
    """Empty where the bank names none."""
    amounts: Amounts
    """Signed. Models look at sign and magnitude alone, so these are no money, and a float does."""
    days: Days
    """NO_DAY where it is unknown."""

    @classmethod
    def of(cls, payments: Sequence[Payment]) -> Self:
        """One row for each."""
        return cls(
            [payment.description for payment in payments],
            [payment.merchant for payment in payments],
            np.array([float(payment.amount) for payment in payments], np.float64),
            np.array([day_number(payment.transaction_date) for payment in payments], np.int32),
        )

    def __len__(self) -> int:
        return len(self.descriptions)

    @property
    def weekdays(self) -> npt.NDArray[np.int8]:
        """0 for Monday to 6, -1 where the day is unknown."""
        # The first of January 1970 was a Thursday.
        return np.where(self.days == NO_DAY, -1, (self.days.astype(np.int64) + 3) % 7).astype(np.int8)
