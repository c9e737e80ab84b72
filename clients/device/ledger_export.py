"""What the device trains on: labelled transactions of a local export. They are read here and go nowhere else.

An export is the zip that `scale export` writes, or a CSV file with the columns date, amount, description and category (merchant and
category_source where they are there), as `accounts/transactions.csv` in that zip has them.
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from clients.device.problem import DeviceProblem

MOST_ROWS = 20_000
"""The newest are trained on."""
_IN_ZIP = "accounts/transactions.csv"
_REQUIRED = ("description", "category")
# Said by the person, by a rule of theirs, or by the bank; what a model has said teaches a model nothing.
_LABELLED = frozenset({"user", "rule", "file", ""})


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """One transaction whose category somebody knows."""

    description: str
    merchant: str
    amount: float
    """Signed; sign and band are all that is looked at, so a float does. NaN where there is none."""
    day: date | None
    category: str


def read_ledger(path: Path) -> list[LabelledRow]:
    """The labelled rows, oldest first, at most MOST_ROWS. Raises DeviceProblem that says where and what is wrong."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as opened, opened.open(_IN_ZIP) as file:
                return _rows(io.TextIOWrapper(file, encoding="utf-8", newline=""), f"{path.name}:{_IN_ZIP}")
        with path.open(encoding="utf-8-sig", newline="") as text:
            return _rows(text, path.name)
    except KeyError as error:
        raise DeviceProblem(f"{path} holds no {_IN_ZIP}: it is no export of SCALE.") from error
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError, csv.Error) as error:
        raise DeviceProblem(f"{path} cannot be read: {error}.") from error


def _rows(lines: Iterable[str], name: str) -> list[LabelledRow]:
    reader = csv.DictReader(lines)
    if missing := [column for column in _REQUIRED if column not in (reader.fieldnames or ())]:
        raise DeviceProblem(f"{name}: there is no column {' and no column '.join(missing)}.")
    found = [_row(row, f"{name}, line {reader.line_num}") for row in reader if _is_labelled(row)]
    found.sort(key=lambda row: row.day or date.min)
    return found[-MOST_ROWS:]


def _is_labelled(row: Mapping[str, str | None]) -> bool:
    source = row.get("category_source") or ""
    # The user's own words carry no confidence; with one it is what the user's model said.
    said = source != "user" or not row.get("confidence")
    return bool(row.get("category")) and source in _LABELLED and said and row.get("status") != "void"


def _row(row: Mapping[str, str | None], place: str) -> LabelledRow:
    amount, day = row.get("amount") or "", row.get("date") or ""
    try:
        return LabelledRow(
            description=row.get("description") or "",
            merchant=row.get("merchant") or "",
            amount=float(Decimal(amount)) if amount else math.nan,
            day=date.fromisoformat(day) if day else None,
            category=row.get("category") or "",
        )
    except InvalidOperation as error:
        raise DeviceProblem(f"{place}: {amount!r} is no amount such as -12.30.") from error
    except ValueError as error:
        raise DeviceProblem(f"{place}: {day!r} is no day such as 2026-03-31.") from error


def texts(rows: Sequence[LabelledRow]) -> list[str]:
    """Every word of them that must never leave: for those who look."""
    return sorted({text for row in rows for text in (row.description, row.merchant) if text})
