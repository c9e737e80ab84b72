"""Layouts of banks and apps the world over, each read to the cent and the day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from services.ingestion.readers.csv import read_csv
from services.ingestion.readers.statement import ReadOptions
from tests.ingestion.bank_layouts import LAYOUTS, Layout
from tests.ingestion.bank_layouts_abroad import LAYOUTS_ABROAD


@pytest.mark.parametrize("layout", [*LAYOUTS, *LAYOUTS_ABROAD], ids=lambda layout: layout.name)
def test_bank_layout(layout: Layout, tmp_path: Path) -> None:
    path = tmp_path / "statement.csv"
    path.write_bytes(layout.text.encode(layout.encoding))
    options = ReadOptions(file_name=layout.file_name, date_format=layout.date_format, columns=layout.columns, today=date(2025, 6, 1))
    statement = read_csv(path, options)
    batches = list(statement.batches)
    rows = [row for batch in batches for row in batch.rows.iter_rows(named=True)]
    found = [(str(row["transaction_date"]), row["amount"], row["currency"] or "") for row in rows]
    assert found == [(day, Decimal(amount), currency) for day, amount, currency, _ in layout.rows], statement.detected
    for row, (_, _, _, text) in zip(rows, layout.rows, strict=True):
        assert text in row["description"] or text in (row["merchant"] or "")
    assert [error.line for batch in batches for error in batch.errors] == layout.errors
    assert statement.account == layout.account or layout.account is None
