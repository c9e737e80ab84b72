"""History on the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeAlias
from uuid import UUID

import grpc.aio
import pyarrow as pa

from scale.accounts.v1 import history_service_pb2 as pb
from scale.accounts.v1.history_service_pb2_grpc import HistoryServiceServicer
from services.accounts.fields import currency_field, text_field, uuid_field
from services.accounts.history.domain import DailySumsFilters, HistoryFilters
from services.accounts.history.service import HistoryService
from services.kit.context import identity
from services.kit.dates import from_date_proto
from services.kit.errors import PermissionDenied
from services.kit.pagination import PageTokens, page_size
from services.kit.record_batches import write_record_batch

Context: TypeAlias = grpc.aio.ServicerContext

_TRAINING = "training"
_NOBODY = UUID(int=0)


class HistoryServicer(HistoryServiceServicer):
    """`scale.accounts.v1.HistoryService`. Whose ledger is meant is said by the verified token alone."""

    def __init__(self, service: HistoryService, page_tokens: PageTokens) -> None:
        self._service = service
        self._page_tokens = page_tokens

    async def StreamDailySums(self, request: pb.StreamDailySumsRequest, context: Context) -> AsyncIterator[pb.StreamDailySumsResponse]:
        """Sums by day, batch by batch."""
        filters = DailySumsFilters(
            date_from=from_date_proto(request.date_from, "date_from"),
            date_to=from_date_proto(request.date_to, "date_to"),
            account_id=uuid_field(request.account_id, "account_id") if request.account_id else None,
            include_transfers=request.include_transfers,
            category=text_field(request.category, "category", at_most=100) or None,
            currency=currency_field(request.currency, "currency") or None,
        )

        async def write(batch: pa.RecordBatch) -> None:
            await context.write(pb.StreamDailySumsResponse(record_batch=write_record_batch(batch)))

        last = await self._service.stream_daily_sums(identity().user_id, filters, write)
        yield pb.StreamDailySumsResponse(record_batch=write_record_batch(last))

    async def StreamTransactions(
        self, request: pb.StreamTransactionsRequest, context: Context
    ) -> AsyncIterator[pb.StreamTransactionsResponse]:
        """Transactions by day, batch by batch."""
        filters = HistoryFilters(
            date_from=from_date_proto(request.date_from, "date_from"),
            date_to=from_date_proto(request.date_to, "date_to"),
            account_id=uuid_field(request.account_id, "account_id") if request.account_id else None,
            include_transfers=request.include_transfers,
        )

        async def write(batch: pa.RecordBatch) -> None:
            await context.write(pb.StreamTransactionsResponse(record_batch=write_record_batch(batch)))

        last = await self._service.stream_transactions(identity().user_id, filters, write)
        yield pb.StreamTransactionsResponse(record_batch=write_record_batch(last))

    async def ListLongHistories(self, request: pb.ListLongHistoriesRequest, _: Context) -> pb.ListLongHistoriesResponse:
        """Ids, for training."""
        caller, limit = identity(), page_size(request.page_size)
        if (caller.service, caller.user_id) != (_TRAINING, _NOBODY):
            raise PermissionDenied("This call is for training in the background, in nobody's name.", reason="ROLE_NOT_ALLOWED")
        least_days, filters, after = request.minimum_day_count, f"long histories {request.minimum_day_count}", None
        if request.page_token:
            after = UUID(self._page_tokens.decode(request.page_token, user_id=_NOBODY, filters=filters)[0])
        found, more = await self._service.list_long_histories(least_days=least_days, limit=limit, after=after)
        response = pb.ListLongHistoriesResponse(user_ids=map(str, found))
        if more:
            response.next_page_token = self._page_tokens.encode(user_id=_NOBODY, filters=filters, position=(str(found[-1]),))
        return response
