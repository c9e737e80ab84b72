"""What there is to learn from, as the services that own it give it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from scale.accounts.v1 import history_service_pb2 as history_pb
from scale.accounts.v1 import transaction_pb2
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from scale.accounts.v1.history_service_pb2_grpc import HistoryServiceStub
from scale.categorization.v1 import learning_service_pb2 as pb
from scale.categorization.v1.learning_service_pb2_grpc import LearningServiceStub
from services.kit import context
from services.kit.client import ServiceClient
from services.kit.dates import from_date_proto, to_date_proto
from services.kit.errors import ERASED, Aborted, InvalidArgument, ScaleError
from services.kit.locales import country_of
from services.kit.money import from_money
from services.kit.service_tokens import ServiceTokens
from services.training.trainers.histories import DailySums
from services.training.trainers.payments import UNCATEGORIZED, AgreedCorrection, TrainingPayment

_PAGE = 1000
_TIMEOUT_S = 60.0
_STREAM_TIMEOUT_S = 120.0
_MOST_BATCH_BYTES = 4 * 1024 * 1024
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


class GrpcHistories:
    """`Histories` on the ledger. Who are asked about is asked with the token in hand, nobody's; what is theirs, as each of them."""

    def __init__(self, accounts_address: str, tokens: ServiceTokens) -> None:
        """`tokens`: the worker's own."""
        self._tokens = tokens
        self._accounts = ServiceClient(
            AccountsServiceStub, accounts_address, service="scale.accounts.v1.AccountsService", idempotent=("GetProfile",)
        )
        self._history = ServiceClient(
            HistoryServiceStub,
            accounts_address,
            service="scale.accounts.v1.HistoryService",
            idempotent=("ListLongHistories", "StreamDailySums"),
        )

    async def close(self) -> None:
        """Closes the channels."""
        await self._accounts.close()
        await self._history.close()

    async def users(self, *, least_days: int) -> AsyncGenerator[UUID, None]:
        """See `Histories`."""
        token = ""  # nosec B105  # the first page
        while True:
            request = history_pb.ListLongHistoriesRequest(minimum_day_count=least_days, page_size=_PAGE, page_token=token)
            page = await self._history.unary("ListLongHistories", request, timeout_s=_TIMEOUT_S)
            for one in page.user_ids:
                yield UUID(one)
            token = page.next_page_token
            if not token:
                return

    async def daily_sums(self, user_id: UUID, *, date_from: date, date_to: date) -> DailySums:
        """See `Histories`."""
        # In a task of its own: whoever asks stays who it is.
        return await asyncio.create_task(self._read(user_id, date_from, date_to))

    async def _read(self, user_id: UUID, date_from: date, date_to: date) -> DailySums:
        context.bind_background(user_id, self._tokens, since=context.identity().signed_in_at)
        request = history_pb.StreamDailySumsRequest(date_from=to_date_proto(date_from), date_to=to_date_proto(date_to))
        batches: list[bytes] = []
        locale = ""
        try:
            locale = (await self._accounts.unary("GetProfile", accounts_pb.GetProfileRequest())).profile.locale
            async for part in self._history.unary_stream("StreamDailySums", request, timeout_s=_STREAM_TIMEOUT_S):
                batches.append(part.record_batch)
        except ScaleError as error:
            if error.reason not in ERASED:
                raise
            batches.clear()
        return await asyncio.to_thread(_daily_sums, batches, country_of(locale))


def _daily_sums(batches: Sequence[bytes], country: str) -> DailySums:
    """Raises Aborted."""
    # With the first job that needs them, not with each start of a worker.
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute as pc

    from services.kit.record_batches import read_record_batch

    try:
        read = [read_record_batch(one, max_bytes=_MOST_BATCH_BYTES) for one in batches]
        if not any(batch.num_rows for batch in read):
            return DailySums.none(country)
        rows = pa.Table.from_batches(read)
        return DailySums(
            days=pc.cast(rows["date"], pa.int32()).to_numpy().astype(np.int64),
            accounts=rows["account_id"].to_numpy(),
            categories=rows["primary_category"].to_numpy(),
            currencies=rows["currency"].to_numpy(),
            received=pc.cast(rows["received"], pa.float64()).to_numpy(),
            spent=pc.cast(rows["spent"], pa.float64()).to_numpy(),
            counts=rows["transaction_count"].to_numpy(),
            country=country,
        )
    except (InvalidArgument, pa.ArrowException, KeyError) as error:
        # What the ledger says is none of what our caller asked.
        raise Aborted(f"The ledger's answer cannot be read: {error}.", reason="LEDGER_UNREADABLE") from error


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
