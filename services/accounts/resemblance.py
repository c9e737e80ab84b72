"""Whether two descriptions may be of one payment. Pure; decides what is suspected, never what is dropped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

PENDING_DAYS = 10
"""A pending row is booked within this many days, and never with an earlier date: that is another visit to the same shop."""
TYPED_DAYS = 5
"""A bank books what the user has typed in at most so many days before or after that day."""
_SHARED_WORDS = 0.6
_SHORT_KEY = 4


def resemble(one: str, other: str) -> bool:
    """Whether one canonical description is the other with text added, or most words of the shorter stand in the longer."""
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) >= _SHORT_KEY and shorter in longer:
        return True
    few, many = sorted((set(one.split()), set(other.split())), key=len)
    return bool(few) and len(few & many) / len(few) >= _SHARED_WORDS and len("".join(few & many)) >= _SHORT_KEY


@dataclass(frozen=True, slots=True)
class Candidate:
    """A new row and an old one of the same account, amount and currency, neither of them matched yet."""

    line: int
    place: int
    """Which appearance of the old transaction."""
    transaction_id: UUID
    new_date: date
    old_date: date
    new_key: str
    old_key: str
    new_status: str
    old_status: str
    old_typed: bool = False
    """Whether the user typed the old one in, in words of their own."""

    @property
    def days_apart(self) -> int:
        """Days between the two dates."""
        return abs((self.new_date - self.old_date).days)

    @property
    def is_booking(self) -> bool:
        """Whether one is the pending form of the other."""
        statuses = (self.new_status, self.old_status)
        if statuses == ("posted", "pending"):
            late = (self.new_date - self.old_date).days
        elif statuses == ("pending", "posted"):
            late = (self.old_date - self.new_date).days
        else:
            return False
        return 0 <= late <= PENDING_DAYS and resemble(self.new_key, self.old_key)

    @property
    def suspicion(self) -> str | None:
        """Why the new row may repeat the old one, for a person to decide; None when nothing says so."""
        if self.old_typed:
            return self._typed_suspicion
        if self.new_date != self.old_date:
            return None
        if self.new_status != self.old_status:
            return "same day and amount as a row that was pending"
        if resemble(self.new_key, self.old_key):
            return "same day and amount, and the text differs only in part"
        return None

    @property
    def _typed_suspicion(self) -> str | None:
        # Nobody types what the bank will write: on the same day the amount alone counts.
        if self.new_date == self.old_date:
            return "same day and amount as a transaction that you typed in"
        if self.days_apart <= TYPED_DAYS and resemble(self.new_key, self.old_key):
            return f"same amount, and the text resembles that of a transaction that you typed in for {self.old_date.isoformat()}"
        return None


def pair_up(candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Bookings and suspicions, each new row and each old one at most once; bookings first, then the nearest day, then file order."""
    bookings: list[Candidate] = []
    suspicions: list[Candidate] = []
    lines: set[int] = set()
    places: set[int] = set()
    known = sorted(candidates, key=lambda one: (not one.is_booking, one.days_apart, one.new_key != one.old_key, one.line, one.place))
    for candidate in known:
        if candidate.line in lines or candidate.place in places:
            continue
        if candidate.is_booking:
            bookings.append(candidate)
        elif candidate.suspicion:
            suspicions.append(candidate)
        else:
            continue
        lines.add(candidate.line)
        places.add(candidate.place)
    return bookings, suspicions
