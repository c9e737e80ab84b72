"""What a user typed in, as the ledger takes rows."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

from services.ingestion.fingerprint import canonical_description, generate_fingerprint
from services.ingestion.normalise import LEDGER_SCHEMA, PREDICTED_SCHEMA
from services.ingestion.predictions import QUESTION_SCHEMA
from services.ingestion.typed.domain import NewTransaction
from services.kit.record_batches import write_record_batch


def as_question(new: NewTransaction) -> pl.DataFrame:
    """The row as categorization is asked about it."""
    row = {name: getattr(new, name) for name in QUESTION_SCHEMA.names}
    return pl.DataFrame(pa.RecordBatch.from_pylist([row], schema=QUESTION_SCHEMA))


def encode_row(new: NewTransaction, predicted: pl.DataFrame | None = None) -> bytes:
    """An Arrow IPC stream of one row, with the columns of `predicted` where there are any. Its category goes beside it: a slug, not a
    file's label."""
    account_id = str(new.account_id)
    fingerprint = generate_fingerprint(
        account_id=account_id,
        transaction_date=new.transaction_date,
        amount=new.amount,
        currency=new.currency,
        description=new.description,
        occurrence=1,
    )
    row = {
        "line": 1,
        "account_id": account_id,
        "transaction_date": new.transaction_date,
        "amount": new.amount,
        "currency": new.currency,
        "description": new.description,
        "merchant": new.merchant,
        "category": None,
        "payment_method": new.payment_method,
        "status": new.status,
        "fingerprint": fingerprint,
        "raw_data": "{}",
        "description_key": canonical_description(new.description),
        "occurrence": 1,
        "source_id": None,
    }
    schema = LEDGER_SCHEMA
    if predicted is not None:
        schema, row = PREDICTED_SCHEMA, row | predicted.row(0, named=True)
    return write_record_batch(pa.RecordBatch.from_pylist([row], schema=schema))
