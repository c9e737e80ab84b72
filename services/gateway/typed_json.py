"""From the JSON of a typed transaction to the message of `scale.ingestion.v1`."""

from __future__ import annotations

from decimal import Decimal

from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.gateway.schemas import typed as schemas
from services.kit.dates import to_date_proto
from services.kit.money import to_money


def create_transaction_request(new: schemas.NewTransaction, request_id: str) -> pb.CreateTransactionRequest:
    """The request to add a transaction."""
    return pb.CreateTransactionRequest(
        request_id=request_id,
        account_id=str(new.account_id),
        transaction_date=to_date_proto(new.transaction_date),
        amount=to_money(Decimal(new.amount), new.currency or ""),
        description=new.description,
        merchant=new.merchant,
        category=new.category,
        payment_method=new.payment_method,
        status=new.status,
        note=new.note,
        allow_equal=new.allow_equal,
    )
