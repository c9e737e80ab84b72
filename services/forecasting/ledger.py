"""The ledger over gRPC: whole columns for what is computed on all of it, single answers for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1 import analytics_service_pb2 as analytics_pb
from scale.accounts.v1 import history_service_pb2 as history_pb
from scale.accounts.v1 import transaction_pb2
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from scale.accounts.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from scale.accounts.v1.history_service_pb2_grpc import HistoryServiceStub
from services.forecasting.domain import Home, LedgerAccount, LedgerCategory, RecurrencePeriod, RecurrenceStatus, Recurring
from services.forecasting.protocols import DAILY_SUMS, TRANSACTIONS
from services.kit.client import ServiceClient
from services.kit.dates import from_date_proto, to_date_proto
from services.kit.errors import Aborted, InvalidArgument
from services.kit.locales import country_of
from services.kit.money import from_money
from services.kit.record_batches import TEXT, check_columns, read_record_batch

_ACCOUNTS = "scale.accounts.v1.AccountsService"
_ANALYTICS = "scale.accounts.v1.AnalyticsService"
_HISTORY = "scale.accounts.v1.HistoryService"
_STREAM_TIMEOUT_S = 120.0
"""A million transactions take seconds."""
_PAGE_SIZE = 1000
_MOST_BATCH_BYTES = 4 * 1024 * 1024
_ARROW: dict[Any, Sequence[pa.DataType]] = {
    pl.String: TEXT,
    pl.Date: (pa.date32(),),
    pl.Int64: (pa.int64(),),
    pl.Decimal(38, 4): (pa.decimal128(38, 4),),
    pl.Decimal(19, 4): (pa.decimal128(19, 4),),
    pl.Datetime("us", "UTC"): (pa.timestamp("us", "UTC"),),
}
_PERIODS = {getattr(analytics_pb, f"RECURRENCE_PERIOD_{one.name}"): one for one in RecurrencePeriod}
_STATUSES = {getattr(analytics_pb, f"RECURRENCE_STATUS_{one.name}"): one for one in RecurrenceStatus}


class GrpcLedger:
    """`Ledger` on the accounts service. The caller's token and request id go with every call."""

    def __init__(self, address: str) -> None:
        reads = ("GetAccount", "ListBalances", "GetProfile", "ListCategories")
        self._accounts = ServiceClient(AccountsServiceStub, address, service=_ACCOUNTS, idempotent=reads)
        self._analytics = ServiceClient(
            AnalyticsServiceStub, address, service=_ANALYTICS, idempotent=("ListRecurringPayments",), timeout_s=30
        )
        streams = ("StreamDailySums", "StreamTransactions")
        self._history = ServiceClient(HistoryServiceStub, address, service=_HISTORY, idempotent=streams)

    async def close(self) -> None:
        """Closes the channels."""
        for client in (self._accounts, self._analytics, self._history):
            await client.close()

    async def daily_sums(
        self,
        *,
        account_id: UUID | None = None,
        category: str = "",
        currency: str = "",
        date_from: date | None = None,
        include_transfers: bool = False,
    ) -> pl.DataFrame:
        """See `Ledger`."""
        request = history_pb.StreamDailySumsRequest(
            account_id=str(account_id) if account_id is not None else "",
            category=category,
            currency=currency,
            date_from=to_date_proto(date_from) if date_from is not None else None,
            include_transfers=include_transfers,
        )
        return await self._columns("StreamDailySums", request, DAILY_SUMS)

    async def transactions(
        self, *, account_id: UUID | None = None, date_from: date | None = None, include_transfers: bool = False
    ) -> pl.DataFrame:
        """See `Ledger`."""
        request = history_pb.StreamTransactionsRequest(
            account_id=str(account_id) if account_id is not None else "",
            date_from=to_date_proto(date_from) if date_from is not None else None,
            include_transfers=include_transfers,
        )
        return await self._columns("StreamTransactions", request, TRANSACTIONS)

    async def _columns(self, method: str, request: object, schema: Mapping[str, Any]) -> pl.DataFrame:
        types = {name: _ARROW[kind] for name, kind in schema.items()}
        frames = []
        async for part in self._history.unary_stream(method, request, timeout_s=_STREAM_TIMEOUT_S):
            try:
                batch = read_record_batch(part.record_batch, max_bytes=_MOST_BATCH_BYTES)
                check_columns(batch.schema, types)
            except InvalidArgument as error:
                # What the ledger says is none of what our caller asked.
                raise Aborted(f"The ledger's answer cannot be read: {error}.", reason="LEDGER_UNREADABLE") from error
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)  # nosec B101  # as a batch is
            frames.append(frame)
        return pl.concat(frames).cast(pl.Schema(schema)) if frames else pl.DataFrame(schema=pl.Schema(schema))

    async def account(self, account_id: UUID) -> LedgerAccount:
        """See `Ledger`."""
        found = (await self._accounts.unary("GetAccount", pb.GetAccountRequest(account_id=str(account_id)))).account
        return LedgerAccount(UUID(found.account_id), found.name, found.currency)

    async def balance(self, account_id: UUID, currency: str, *, on: date) -> Decimal:
        """See `Ledger`."""
        token = ""  # nosec B105  # the first page
        while True:
            request = pb.ListBalancesRequest(
                page_size=_PAGE_SIZE, page_token=token, on_date=to_date_proto(on), account_id=str(account_id), include_inactive=True
            )
            page = await self._accounts.unary("ListBalances", request)
            for one in page.balances:
                amount, its_currency = from_money(one.balance)
                if its_currency == currency:
                    return amount
            token = page.next_page_token
            if not token:
                return Decimal(0)

    async def recurring_payments(self) -> Sequence[Recurring]:
        """See `Ledger`."""
        found: list[Recurring] = []
        token = ""  # nosec B105  # the first page
        while True:
            request = analytics_pb.ListRecurringPaymentsRequest(page_size=_PAGE_SIZE, page_token=token)
            page = await self._analytics.unary("ListRecurringPayments", request)
            found += map(_recurring, page.payments)
            token = page.next_page_token
            if not token:
                return found

    async def categories(self) -> Sequence[LedgerCategory]:
        """See `Ledger`."""
        found: list[LedgerCategory] = []
        token = ""  # nosec B105  # the first page
        while True:
            page = await self._accounts.unary("ListCategories", pb.ListCategoriesRequest(page_token=token))
            found += [LedgerCategory(one.slug, one.primary_slug) for one in page.categories]
            token = page.next_page_token
            if not token:
                return found

    async def home(self) -> Home:
        """See `Ledger`."""
        profile = (await self._accounts.unary("GetProfile", pb.GetProfileRequest())).profile
        return Home(country_of(profile.locale), _time_zone(profile.time_zone))


def _time_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):  # a name that this machine does not have
        return ZoneInfo("UTC")


def _recurring(message: analytics_pb.RecurringPayment) -> Recurring:
    amount_min, currency = from_money(message.amount_min)
    first, last = from_date_proto(message.first_date), from_date_proto(message.last_date)
    assert first is not None  # nosec B101  # it came at least twice
    assert last is not None  # nosec B101
    return Recurring(
        id=UUID(message.recurring_payment_id),
        merchant=message.merchant,
        credit=message.type == transaction_pb2.TRANSACTION_TYPE_CREDIT,
        period=_PERIODS[message.period],
        amount_min=amount_min,
        amount_max=from_money(message.amount_max)[0],
        last_amount=from_money(message.last_amount)[0],
        currency=currency,
        first_date=first,
        last_date=last,
        next_date=from_date_proto(message.next_date),
        status=_STATUSES[message.status],
        account_id=UUID(message.account_id),
        transaction_ids=tuple(map(UUID, message.transaction_ids)),
        category=message.category,
    )
