"""Statements without a bank: a reader of the simplest file, and batches made by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from services.ingestion.readers.statement import BATCH_SCHEMA, Batch, ReadOptions, RowError, Statement, UnreadableStatement

BATCH_ROWS = 3


def batch_of(rows: list[dict[str, Any]], errors: list[RowError] | None = None) -> Batch:
    """A batch; what a row leaves out is null, a posted row of -1.00 on the first of May 2026 when nothing else is said."""
    defaults = {"transaction_date": date(2026, 5, 1), "amount": Decimal("-1.00"), "description": "Shop", "status": "posted"}
    full = [{**dict.fromkeys(BATCH_SCHEMA), **defaults, "line": line, "raw_data": "{}", **row} for line, row in enumerate(rows, start=2)]
    return Batch(pl.DataFrame(full, schema=BATCH_SCHEMA, strict=False), errors or [])


def statement_of(*batches: Batch, account: str | None = None, header: tuple[str, ...] = ("Date", "Amount", "Text")) -> Statement:
    """A readable file."""
    return Statement("csv", {"encoding": "utf-8", "header": list(header)}, account, iter(batches))


def read_simple(path: Path, options: ReadOptions) -> Statement:
    """Reads `2026-05-01;-1.50;Shop[;currency[;account]]` lines. "?" as the first sign asks for a date format; a line that starts with
    "!" is a row error; a first line "@password" locks the file; "#header" names a layout."""
    lines = path.read_text().splitlines()
    if lines and lines[0].startswith("@"):
        if options.password != lines[0][1:]:
            raise UnreadableStatement("The password is wrong.", [RowError(0, "password", "is wrong")])
        lines[0] = ""
    if lines and lines[0].startswith("?") and not options.date_format:
        raise UnreadableStatement("The dates can be read in two ways.", needs={"date_format": ["%d/%m/%Y", "%m/%d/%Y"]})
    header = tuple(lines[0][1:].split(";")) if lines and lines[0].startswith("#") else ("Date", "Amount", "Text")
    return Statement("csv", {"header": list(header), "date_format": options.date_format or "%Y-%m-%d"}, None, _batches(lines))


def _batches(lines: list[str]) -> Iterator[Batch]:
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line and line[0] not in "?#"]
    for start in range(0, len(numbered), BATCH_ROWS):
        rows, errors = [], []
        for number, line in numbered[start : start + BATCH_ROWS]:
            if line.startswith("!"):
                errors.append(RowError(number, "date", line[1:]))
                continue
            day, amount, description, *rest = line.split(";")
            rows.append(
                {
                    "line": number,
                    "transaction_date": date.fromisoformat(day),
                    "amount": Decimal(amount),
                    "description": description,
                    "currency": rest[0] or None if rest else None,
                    "account": rest[1] if len(rest) > 1 else None,
                    "raw_data": json.dumps({"Text": description}),
                }
            )
        yield batch_of(rows, errors)


_HALLS = ("BOULDERHALLE OST", "KLETTERZENTRUM WEST", "KLETTERHALLE NORD", "BOULDERWELT SUED")


def hobby_statement() -> str:
    """Half a year of a hobby that is in no taxonomy."""
    rows = (f"2026-{1 + n % 6:02d}-{1 + n % 27:02d},-{9 + n % 5}.90,EUR,{_HALLS[n % len(_HALLS)]} EINTRITT" for n in range(48))
    return "\n".join(["Date,Amount,Currency,Description", *rows, ""])
