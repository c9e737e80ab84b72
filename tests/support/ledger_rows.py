"""Rows of an import as ingestion sends them to the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import polars as pl
import pyarrow as pa

from services.accounts.domain import RowIdentity
from services.ingestion.fingerprint import canonical_description, generate_fingerprint

SCHEMA = pa.schema([
    ("line", pa.int64()), ("account_id", pa.string()), ("transaction_date", pa.date32()), ("amount", pa.decimal128(19, 4)),
    ("currency", pa.string()), ("description", pa.string()), ("merchant", pa.string()), ("category", pa.string()),
    ("payment_method", pa.string()), ("status", pa.string()), ("fingerprint", pa.string()), ("raw_data", pa.string()),
    ("description_key", pa.string()), ("occurrence", pa.int32()), ("source_id", pa.string()), ("predicted_category", pa.string()),
    ("confidence", pa.float64()), ("prediction_source", pa.string()),
])  # fmt: skip
UNPREDICTED = pa.schema(list(SCHEMA)[:-3])
"""Without what categorization says."""


def row(account_id: UUID | str, line: int, **values: Any) -> dict[str, Any]:
    """One good row; `values` replace. Its fingerprint follows from the rest of it, its line left out."""
    made: dict[str, Any] = {
        "account_id": str(account_id),
        "transaction_date": date(2026, 1, 2),
        "amount": Decimal("-12.34"),
        "currency": "EUR",
        "description": f"Groceries {line}",
        "merchant": "Corner Shop",
        "category": None,
        "payment_method": None,
        "status": "posted",
        "raw_data": '{"Betrag": "-12,34"}',
        "occurrence": 1,
        "source_id": None,
        "predicted_category": None,
        "confidence": None,
        "prediction_source": None,
        **values,
    }
    made.setdefault("description_key", canonical_description(made["description"]))
    fingerprint = generate_fingerprint(
        account_id=made["account_id"],
        transaction_date=made["transaction_date"],
        amount=made["amount"],
        currency=made["currency"],
        description=made["description"],
        occurrence=made["occurrence"],
    )
    return {"line": line, "fingerprint": fingerprint, **made}


def predicted(category: str | None, confidence: float | None = 0.75, source: str | None = "model") -> dict[str, Any]:
    """The values of a row of which categorization says so."""
    return {"predicted_category": category, "confidence": confidence, "prediction_source": source}


def record_batch(rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> bytes:
    """The rows on the wire: one Arrow IPC stream with one record batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
    return sink.getvalue().to_pybytes()


def frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows as the servicer hands them on."""
    return pl.DataFrame(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))


async def fingerprints(rows: Sequence[RowIdentity]) -> list[str]:
    """What ingestion answers when the ledger asks."""
    return [
        generate_fingerprint(
            account_id=str(one.account_id),
            transaction_date=one.transaction_date,
            amount=one.amount,
            currency=one.currency,
            description=one.description,
            occurrence=one.occurrence,
        )
        for one in rows
    ]


async def batches(*parts: list[dict[str, Any]]) -> AsyncIterator[pl.DataFrame]:
    """Frames, one for each part."""
    for part in parts:
        yield frame(part)
