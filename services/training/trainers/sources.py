"""What there is to learn from, as the services that own it give it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from scale.accounts.v1 import transaction_pb2
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from scale.categorization.v1 import learning_service_pb2 as pb
from scale.categorization.v1.learning_service_pb2_grpc import LearningServiceStub
from services.kit.client import ServiceClient
from services.kit.dates import from_date_proto
from services.kit.money import from_money
from services.training.trainers.payments import UNCATEGORIZED, AgreedCorrection, TrainingPayment

_PAGE = 1000
_TIMEOUT_S = 60.0
_SAID = (transaction_pb2.CATEGORY_SOURCE_USER, transaction_pb2.CATEGORY_SOURCE_RULE, transaction_pb2.CATEGORY_SOURCE_FILE)


class GrpcPayments:
    """`UserPayments` on the ledger and on categorization, and `AgreedCorrections`. The token in hand says for whom they are asked."""

    def __init__(self, accounts_address: str, categorization_address: str) -> None:
        self._accounts = ServiceClient(
            AccountsServiceStub, accounts_address, service="scale.accounts.v1.AccountsService", idempotent=("ListTransactions",)
        )
        self._learning = ServiceClient(
            LearningServiceStub,
            categorization_address,
            service="scale.categorization.v1.LearningService",
            idempotent=("ListCorrections", "ListAgreedCorrections"),
        )

    async def close(self) -> None:
        """Closes the channels."""
        await self._accounts.close()
        await self._learning.close()

    async def corrections(self) -> AsyncIterator[TrainingPayment]:
        """See `UserPayments`."""
        token = ""  # nosec B105  # the first page
        while True:
            request = pb.ListCorrectionsRequest(page_size=_PAGE, page_token=token)
            page = await self._learning.unary("ListCorrections", request, timeout_s=_TIMEOUT_S)
            for one in page.corrections:
                yield _correction(one)
            token = page.next_page_token
            if not token:
                return

    async def transactions(self) -> AsyncIterator[TrainingPayment]:
        """See `UserPayments`. Transactions that were never booked are left out."""
        token = ""  # nosec B105  # the first page
        while True:
            request = accounts_pb.ListTransactionsRequest(page_size=_PAGE, page_token=token)
            page = await self._accounts.unary("ListTransactions", request, timeout_s=_TIMEOUT_S)
            for one in page.transactions:
                if one.status != transaction_pb2.TRANSACTION_STATUS_VOID:
                    yield _transaction(one)
            token = page.next_page_token
            if not token:
                return

    async def agreed(self, *, least_users: int) -> AsyncIterator[AgreedCorrection]:
        """See `AgreedCorrections`."""
        token = ""  # nosec B105  # the first page
        while True:
            request = pb.ListAgreedCorrectionsRequest(minimum_user_count=least_users, page_size=_PAGE, page_token=token)
            page = await self._learning.unary("ListAgreedCorrections", request, timeout_s=_TIMEOUT_S)
            for one in page.corrections:
                yield AgreedCorrection(one.merchant_key, one.category, one.user_count, one.credit)
            token = page.next_page_token
            if not token:
                return


def _correction(message: pb.CorrectedPayment) -> TrainingPayment:
    payment = message.input
    # In no currency that is kept: it counts by sign and magnitude.
    amount = payment.amount.units + Decimal(payment.amount.nanos).scaleb(-9)
    day = from_date_proto(payment.transaction_date, "transaction_date") or message.correct_time.ToDatetime().date()
    return TrainingPayment(
        payment.transaction_id,
        payment.description,
        payment.merchant,
        amount,
        day,
        message.category,
        corrected=True,
    )


def _transaction(message: transaction_pb2.Transaction) -> TrainingPayment:
    amount, _ = from_money(message.amount)
    # A confidence says that the category was worked out.
    said = message.category_source in _SAID and not message.HasField("confidence") and message.category != UNCATEGORIZED
    return TrainingPayment(
        message.transaction_id,
        message.description,
        message.merchant,
        amount,
        from_date_proto(message.transaction_date, "transaction_date"),
        message.category if said else "",
    )
