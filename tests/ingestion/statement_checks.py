"""What the readers of OFX, QIF and MT940 are all tried on: the shared files against their manifest, and damage."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from services.ingestion.readers.statement import UnreadableStatement
from tests.ingestion.reading import Read, Reader, manifest, read_bytes, read_path

Damage = list[tuple[int, int, bytes]]


def against_manifest(reader: Reader, shared: Path, *formats: str) -> dict[str, Read | UnreadableStatement]:
    """Read the shared files of these formats and compare them with the manifest; gives what was read, by path.

    Statements and broken files with rows must be read whole, without an error. What is no statement, and investments without cash rows,
    must be refused with a line.
    """
    found: dict[str, Read | UnreadableStatement] = {}
    for row in manifest(shared, *formats):
        path, rows = row["path"], int(row["rows"] or 0)
        try:
            read = found[path] = read_path(reader, shared / "statements" / path, file_name=Path(path).name)
        except UnreadableStatement as refused:
            found[path] = refused
            assert row["kind"] != "statement", f"{path}: {refused.message}"
            assert rows == 0, f"{path}: {refused.message}"
            assert all(error.line >= 1 and error.reason for error in refused.errors), path
            continue
        assert row["kind"] == "statement" or rows, f"{path} should have been refused"
        assert (len(read.rows), read.errors) == (rows, []), path
        assert read.sums == sums(row["sum"]), path
        if rows:
            days = [found_row["transaction_date"].isoformat() for found_row in read.rows]
            assert (min(days), max(days)) == (row["first_date"], row["last_date"]), path
        else:
            assert any("without any transaction" in note for note in read.detected["notes"]), path
    assert found
    return found


def sums(text: str) -> dict[str, Decimal]:
    """The manifest's "EUR:1.00;PLN:2.00"."""
    return {code: Decimal(total) for code, total in (part.split(":") for part in text.split(";") if part)}


def damage(size: int) -> st.SearchStrategy[Damage]:
    """Cuts and insertions for a file of this size."""
    cut = st.tuples(st.integers(0, size), st.integers(0, 30), st.binary(max_size=6))
    return st.lists(cut, min_size=1, max_size=4)


def survives(reader: Reader, data: bytes, cuts: Damage = (), **options: Any) -> Read | UnreadableStatement:  # type: ignore[assignment]
    """Read a damaged file: it gives rows and errors, or refuses with a reason; anything else fails the test."""
    for at, length, other in cuts:
        data = data[:at] + other + data[at + length :]
    with tempfile.TemporaryDirectory() as folder:
        try:
            return read_bytes(reader, data, Path(folder), **options)
        except UnreadableStatement as refused:
            assert refused.message
            assert refused.errors
            return refused
