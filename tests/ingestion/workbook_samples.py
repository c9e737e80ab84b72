"""One statement as a workbook of every kind, what it must read as, and the ways to read it."""

from __future__ import annotations

import io
import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.ingestion.readers import workbook_process
from services.ingestion.readers.statement import UnreadableStatement
from services.ingestion.readers.workbook import read_workbook
from tests.ingestion import reading
from tests.ingestion.reading import Read
from tests.ingestion.workbook_files import (
    MAKERS,
    Rows,
    with_password,
    xls_with_password,
    xlsx,
)

D = Decimal
KINDS = list(MAKERS)
MOMENT = datetime.fromisoformat("2024-01-06 12:30:05")
HEADER = ["Date", "Text", "Amount", "Balance"]
TABLE: Rows = [
    ["Account number", "DE02120300000000202051"],
    [],
    HEADER,
    [date(2024, 1, 5), "Shop", -12.5, 100],
    [],
    [MOMENT, "Bäcker & Söhne", 1234.567, 1334.567],
    [date(2024, 1, 7), "rent\nJanuary", -1000, 334.567],
    [date(2024, 1, 31), "0.1 + 0.2", 0.30000000000000004, 334.867],
]


def read(content: bytes, folder: Path, password: str | None = None, **options: Any) -> Read:
    return reading.read_bytes(read_workbook, content, folder, password, **options)


def refused(content: bytes, folder: Path, password: str | None = None, **options: Any) -> UnreadableStatement:
    return reading.refused(read_workbook, content, folder, password, **options)


def brief(found: Read) -> list[tuple[int, str, Decimal, str]]:
    return [(row["line"], row["transaction_date"].isoformat(), row["amount"], row["description"]) for row in found.rows]


EXPECTED = [
    (4, "2024-01-05", D("-12.5"), "Shop"),
    (6, "2024-01-06", D("1234.567"), "Bäcker & Söhne"),
    (7, "2024-01-07", D("-1000"), "rent January"),
    (8, "2024-01-31", D("0.3"), "0.1 + 0.2"),
]

SECRET = "Schlüssel-42"
PROTECTED = {"xlsx": with_password(xlsx(TABLE), SECRET), "xls": xls_with_password(SECRET, TABLE)}


def apart(content: bytes, password: str | None = None) -> list[Any]:
    """What the program prints, in this process."""
    stream = io.BytesIO()
    workbook_process.run(content, password, stream)
    return [json.loads(line) for line in stream.getvalue().splitlines()]
