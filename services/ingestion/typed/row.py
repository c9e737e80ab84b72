"""What a user typed in, as the ledger takes rows."""

from __future__ import annotations

import pyarrow as pa

from services.ingestion.fingerprint import canonical_description, generate_fingerprint
from services.ingestion.normalise import LEDGER_SCHEMA
from services.ingestion.typed.domain import NewTransaction


def encode_row(new: NewTransaction) -> bytes:
    """An Arrow IPC stream of one row. Its category goes beside it: a slug, not a file's label."""
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
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, LEDGER_SCHEMA) as writer:
        writer.write_batch(pa.RecordBatch.from_pylist([row], schema=LEDGER_SCHEMA))
    return bytes(sink.getvalue())
