"""Typed transactions on the wire: a method of `scale.ingestion.v1.IngestionService`."""

from __future__ import annotations

from decimal import Decimal

import grpc.aio
from google.type import money_pb2

from scale.ingestion.v1 import ingestion_service_pb2 as pb
from services.ingestion.readers.dates import FIRST_YEAR, LAST_YEAR
from services.ingestion.typed.domain import NewTransaction
from services.ingestion.typed.service import TypedTransactions
from services.kit import context
from services.kit.dates import from_date_proto
from services.kit.errors import invalid
from services.kit.fields import text_of, uuid_of
from services.kit.money import from_money

_STATUSES = ("posted", "pending", "void")
_ANY_CURRENCY = "EUR"


class TypedMethods:
    """What IngestionServicer answers about typed transactions."""

    _typed: TypedTransactions

    async def CreateTransaction(self, request: pb.CreateTransactionRequest, _: grpc.aio.ServicerContext) -> pb.CreateTransactionResponse:
        """Adds one transaction."""
        request_id = text_of("request_id", request.request_id, 36, required=True)
        transaction_id, repeated = await self._typed.create_transaction(
            context.identity().user_id, _new_transaction(request), request_id=request_id
        )
        return pb.CreateTransactionResponse(transaction_id=str(transaction_id), repeated_request=repeated)


def _new_transaction(request: pb.CreateTransactionRequest) -> NewTransaction:
    day = from_date_proto(request.transaction_date, "transaction_date")
    if day is None:
        raise invalid("transaction_date", "is required")
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise invalid("transaction_date", f"{day} lies outside the years {FIRST_YEAR} to {LAST_YEAR}")
    amount, currency = _amount(request.amount)
    status = request.status or _STATUSES[0]
    if status not in _STATUSES:
        raise invalid("status", f"{status[:20]!r} is none of {', '.join(_STATUSES)}")
    return NewTransaction(
        account_id=uuid_of("account_id", request.account_id),
        transaction_date=day,
        amount=amount,
        currency=currency,
        description=text_of("description", request.description, 2000, required=True),
        merchant=text_of("merchant", request.merchant, 200).strip() or None,
        category=text_of("category", request.category, 100) or None,
        payment_method=text_of("payment_method", request.payment_method, 100).strip() or None,
        status=status,
        note=text_of("note", request.note, 2000),
        allow_equal=request.allow_equal,
    )


def _amount(money: money_pb2.Money) -> tuple[Decimal, str]:
    """The amount, and its currency or nothing."""
    # Units and nanos mean the same in every currency.
    amount, _ = from_money(money_pb2.Money(currency_code=money.currency_code or _ANY_CURRENCY, units=money.units, nanos=money.nanos))
    if amount == 0:
        raise invalid("amount", "must not be zero: such a transaction moves no money")
    return amount, money.currency_code
