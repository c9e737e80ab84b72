"""A reader with two defects, for the engines to find: a crash behind a check, and time that grows with the square."""

from __future__ import annotations

from pathlib import Path

from services.ingestion.readers.statement import ReadOptions, Statement, UnreadableStatement
from tests.fuzz.case import Case
from tests.fuzz.targets import Target
from tests.support.statements import batch_of, statement_of


def read(path: Path, _: ReadOptions) -> Statement:
    """Refuses what does not begin as it should, and falls over a NUL behind that."""
    content = path.read_bytes()
    if not content.startswith(b"Date"):
        raise UnreadableStatement("no header")
    if b"\x00" in content:
        raise KeyError("NUL")
    for __ in range(content.count(b"-") // 40):
        content.count(b"-")
    return statement_of(batch_of([{}]))


TARGET = Target("csv", {"csv": read}, [Case(b"Date,Amount\n2024-01-31,-5\n")], [b"\x00", b"-", b","], [{"file_format": "csv"}])
