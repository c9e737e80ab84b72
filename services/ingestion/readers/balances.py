"""Opening and closing balances of a file against the rows between them: a mismatch is reported, never refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

MAX_SHOWN = 100


@dataclass
class Section:
    """One statement of one account in one currency. None for a balance that the file does not give.

    Add every posted row's signed amount, and count the rows that could not be read.
    """

    account: str
    currency: str
    opening: Decimal | None = None
    opening_date: date | None = None
    closing: Decimal | None = None
    closing_date: date | None = None
    rows_sum: Decimal = Decimal(0)
    unread: int = 0

    def add(self, amount: Decimal) -> None:
        """Take in a posted row."""
        self.rows_sum += amount

    @property
    def difference(self) -> Decimal | None:
        """What the rows lack to reach the closing balance; None where a balance is not given."""
        if self.opening is None or self.closing is None:
            return None
        return self.closing - self.opening - self.rows_sum

    def _reached(self) -> Decimal | None:
        return self.closing if self.closing is not None or self.opening is None else self.opening + self.rows_sum

    def join(self, after: Section) -> bool:
        """Take in the statement that goes on from this one, or comes just before it; False when it does neither."""
        if after.opening is None or after.opening == self._reached():
            self.closing, self.closing_date = after.closing, after.closing_date
        elif self.opening is not None and after.closing == self.opening:  # newest first
            self.opening, self.opening_date = after.opening, after.opening_date
        else:
            return False
        self.rows_sum += after.rows_sum
        self.unread += after.unread
        return True


@dataclass
class Balances:
    """The sections of a file; those that follow on from each other (daily statements, pages) are one. Memory stays bounded."""

    _sections: list[Section] = field(default_factory=list)
    _last: dict[tuple[str, str], Section] = field(default_factory=dict)
    _not_shown: int = 0
    _not_shown_wrong: int = 0

    def add(self, section: Section) -> None:
        """Take in a section that is complete. One without a balance only counts as the next page of the one before."""
        last = self._last.get((section.account, section.currency))
        if last is not None and last.join(section):
            return
        if section.opening is None and section.closing is None:
            return
        if len(self._sections) >= MAX_SHOWN:
            self._not_shown += 1
            self._not_shown_wrong += bool(section.difference)
            return
        self._sections.append(section)
        self._last[section.account, section.currency] = section

    def report(self) -> list[dict[str, Any]]:
        """For `detected["balances"]`: amounts as decimal strings, dates as ISO ones, null for what is not given."""
        return [
            {
                "account": section.account or None,
                "currency": section.currency or None,
                "opening": _text(section.opening),
                "closing": _text(section.closing),
                "opening_date": section.opening_date.isoformat() if section.opening_date else None,
                "closing_date": section.closing_date.isoformat() if section.closing_date else None,
                "rows_sum": _text(section.rows_sum),
                "difference": _text(section.difference),
            }
            for section in self._sections
        ]

    def notes(self) -> list[str]:
        """A line for each section whose rows do not add up, for `detected["notes"]`."""
        notes = [_note(section) for section in self._sections if section.difference]
        if self._not_shown:
            notes.append(f"{self._not_shown} more statements were checked: the rows of {self._not_shown_wrong} do not add up")
        return notes


def _text(amount: Decimal | None) -> str | None:
    """A plain decimal with two decimals, more only where they are not zero."""
    if amount is None:
        return None
    cents = amount.quantize(Decimal("0.01")) if abs(amount) < Decimal(10) ** 20 else amount
    return f"{cents if cents == amount else amount.normalize():f}"


def _note(section: Section) -> str:
    name = " ".join(part for part in ("account", section.account, section.currency) if part)
    unread = f"; {section.unread} rows could not be read" if section.unread else ""
    return (
        f"{name}: it opens with {_text(section.opening)} and the rows come to {_text(section.rows_sum)}, "
        f"but it closes with {_text(section.closing)}: {_text(section.difference)} is not accounted for{unread}"
    )
