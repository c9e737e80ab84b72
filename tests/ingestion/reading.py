"""Reading a statement in a test: every reader's promises are checked on the way."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.ingestion.readers.statement import BATCH_SCHEMA, ReadOptions, RowError, Statement, UnreadableStatement

Reader = Callable[..., Statement]


@dataclass
class Read:
    """What a reader gave, all batches taken."""

    statement: Statement
    rows: list[dict[str, Any]]
    errors: list[RowError]

    @property
    def detected(self) -> dict[str, Any]:
        return self.statement.detected

    @property
    def row(self) -> dict[str, Any]:
        assert len(self.rows) == 1, self.rows
        return self.rows[0]

    @property
    def sums(self) -> dict[str, Decimal]:
        """Total by currency; "XXX" for none."""
        found: dict[str, Decimal] = defaultdict(Decimal)
        for row in self.rows:
            found[row["currency"] or "XXX"] += row["amount"]
        return dict(found)


def read_path(reader: Reader, path: Path, password: str | None = None, **options: Any) -> Read:
    """Read a file; `password` only for readers that know one."""
    more = {} if password is None else {"password": password}
    statement = reader(path, ReadOptions(**options), **more)
    batches = list(statement.batches)
    for batch in batches:
        assert dict(batch.rows.schema) == BATCH_SCHEMA
        assert len(batch.rows) <= 8192
    rows = [row for batch in batches for row in batch.rows.iter_rows(named=True)]
    errors = [error for batch in batches for error in batch.errors]
    lines = [row["line"] for row in rows]
    assert lines == sorted(set(lines))
    assert len({error.line for error in errors} & set(lines)) == 0
    json.dumps(statement.detected)
    return Read(statement, rows, errors)


def read_bytes(reader: Reader, content: bytes, folder: Path, password: str | None = None, **options: Any) -> Read:
    """Write and read."""
    path = folder / "statement.bin"
    path.write_bytes(content)
    return read_path(reader, path, password, **options)


def refused(reader: Reader, content: bytes, folder: Path, password: str | None = None, **options: Any) -> UnreadableStatement:
    """Read what must be refused; returns why."""
    with pytest.raises(UnreadableStatement) as caught:
        read_bytes(reader, content, folder, password, **options)
    assert caught.value.message
    assert caught.value.errors
    return caught.value


def manifest(shared: Path, *formats: str) -> list[dict[str, str]]:
    """The manifest's rows for these formats."""
    with (shared / "statements" / "MANIFEST.csv").open(encoding="utf-8", newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["format"] in formats]


def wanted_sums(row: dict[str, str]) -> dict[str, Decimal]:
    """The manifest's sums, by currency."""
    return {code: Decimal(total) for code, total in (part.split(":") for part in row["sum"].split())}
