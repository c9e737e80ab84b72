"""History through a real channel: columns as the contract has them, who may ask, shapes of requests, a stream that is left."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc.aio
import pyarrow as pa
import pytest
from google.type.date_pb2 import Date
from uuid_utils.compat import uuid7

from scale.accounts.v1 import accounts_service_pb2, analytics_service_pb2
from scale.accounts.v1 import history_service_pb2 as pb
from scale.accounts.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from scale.accounts.v1.history_service_pb2_grpc import HistoryServiceStub
from services.kit.auth import mint_token
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied, Unauthenticated
from services.kit.record_batches import read_record_batch
from services.kit.status import from_rpc_error
from tests.accounts.test_servicer import SECRET, TRAINING, WORKER, Client, address, batch, channel, end, metadata
from tests.support.ledger_rows import row

__all__ = ["address", "channel"]

NOBODY = UUID(int=0)
LONG = 30_000
"""Days that no other test's ledger has."""
MAX_BATCH_BYTES = 3 * 1024 * 1024
SUMS = pb.StreamDailySumsRequest
TRANSACTIONS = pb.StreamTransactionsRequest


class History:
    """Calls with one token; raises the errors of the kit."""

    def __init__(self, channel: grpc.aio.Channel, token: str | None) -> None:
        self._stub = HistoryServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def call(self, request: Any) -> Any:
        method = self._stub.StreamDailySums if isinstance(request, SUMS) else self._stub.StreamTransactions
        return method(request, metadata=self._metadata, timeout=20)

    async def __call__(self, request: Any) -> pa.Table:
        try:
            batches = [read_record_batch(one.record_batch, max_bytes=MAX_BATCH_BYTES) async for one in self.call(request)]
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="accounts") from error
        return pa.Table.from_batches(batches)


async def fill(channel: grpc.aio.Channel, user_id: UUID, rows: list[dict[str, Any]]) -> str:
    client = Client(channel, mint_token(SECRET, user_id=user_id))
    account = await client.account()
    lines = [row(account, line, **values) for line, values in enumerate(rows, start=1)]
    parts = [batch(lines[first : first + 2000]) for first in range(0, len(lines), 2000)]
    await client.append(metadata(uuid7()), *parts, end(len(lines)))
    return account


def of(day: date) -> Date:
    return Date(year=day.year, month=day.month, day=day.day)


async def test_columns_are_those_of_the_contract(channel: grpc.aio.Channel, user_id: UUID) -> None:
    day = date(2026, 1, 2)
    account = await fill(channel, user_id, [{"category": "groceries_supermarket"}, {"category": None, "status": "pending"}])
    history = History(channel, mint_token(SECRET, user_id=user_id))
    sums, transactions = await history(SUMS()), await history(TRANSACTIONS())
    assert str(sums.schema).splitlines() == [
        "date: date32[day]", "account_id: string", "category: string", "primary_category: string", "currency: string",
        "received: decimal128(38, 4)", "spent: decimal128(38, 4)", "transaction_count: int64",
    ]  # fmt: skip
    assert str(transactions.schema).splitlines() == [
        "transaction_id: string", "account_id: string", "date: date32[day]", "amount: decimal128(19, 4)", "currency: string",
        "description: string", "merchant: string", "category: string", "primary_category: string", "status: string",
        "create_time: timestamp[us, tz=UTC]",
    ]  # fmt: skip
    assert [tuple(one.values()) for one in sums.to_pylist()] == [
        (day, account, "groceries_supermarket", "groceries", "EUR", Decimal("0.0000"), Decimal("12.3400"), 1)
    ]
    assert [(one["category"], one["status"], one["amount"]) for one in transactions.to_pylist()] == [
        ("groceries_supermarket", "posted", Decimal("-12.3400")),
        ("", "pending", Decimal("-12.3400")),
    ]


async def test_filters_reach_the_ledger(channel: grpc.aio.Channel, user_id: UUID) -> None:
    days = [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]
    account = await fill(channel, user_id, [{"transaction_date": day, "category": "groceries_supermarket"} for day in days])
    await fill(channel, user_id, [{"transaction_date": days[1], "currency": "USD", "category": "housing_rent"}])
    history = History(channel, mint_token(SECRET, user_id=user_id))

    async def found(request: Any) -> list[tuple[date, str]]:
        return [(one["date"], one["currency"]) for one in (await history(request)).to_pylist()]

    whole = {"account_id": account, "date_from": of(days[1]), "date_to": of(days[1]), "include_transfers": True}
    assert await found(TRANSACTIONS(**whole)) == [(days[1], "EUR"), (days[1], "USD")]
    assert await found(SUMS(**whole)) == [(days[1], "EUR"), (days[1], "USD")]
    assert await found(SUMS(category="groceries", **whole)) == [(days[1], "EUR")]
    assert await found(SUMS(currency="USD")) == [(days[1], "USD")]


async def test_users_and_background_work_may_ask_and_nobody_else(channel: grpc.aio.Channel, user_id: UUID, other_user_id: UUID) -> None:
    account = await fill(channel, user_id, [{}])
    worker = WORKER.mint(user_id, audience="accounts")
    requests = SUMS(account_id=account), TRANSACTIONS(account_id=account)
    for request in requests:
        for token in (mint_token(SECRET, user_id=user_id), worker):
            assert (await History(channel, token)(request)).num_rows == 1
        for token in (mint_token(SECRET, user_id=other_user_id), WORKER.mint(other_user_id, audience="accounts")):
            with pytest.raises(NotFound):
                await History(channel, token)(request)
            assert (await History(channel, token)(type(request)())).num_rows == 0
        for wrong in (None, "nonsense", WORKER.mint(user_id, audience="ingestion")):
            with pytest.raises(Unauthenticated):
                await History(channel, wrong)(request)
    # What else forecasts are made of.
    assert (await Client(channel, worker).call("ListBalances", accounts_service_pb2.ListBalancesRequest())).balances
    recurring = AnalyticsServiceStub(channel).ListRecurringPayments
    asked = analytics_service_pb2.ListRecurringPaymentsRequest()
    assert not (await recurring(asked, metadata=(("authorization", f"Bearer {worker}"),), timeout=20)).payments


@pytest.mark.parametrize(
    ("request_message", "field"),
    [
        (SUMS(account_id="x"), "account_id"),
        (SUMS(category="no-such"), "category"),
        (SUMS(category="x" * 101), "category"),
        (SUMS(category="\0"), "category"),
        (SUMS(currency="eur"), "currency"),
        (SUMS(date_from=Date(year=2026, month=2, day=30)), "date_from"),
        (SUMS(date_to=Date(year=2026)), "date_to"),
        (SUMS(date_from=of(date(2026, 1, 2)), date_to=of(date(2026, 1, 1))), "date_from"),
        (TRANSACTIONS(account_id="x"), "account_id"),
        (TRANSACTIONS(date_from=Date(year=2026, month=2, day=30)), "date_from"),
        (TRANSACTIONS(date_to=Date(year=10_000, month=1, day=1)), "date_to"),
        (TRANSACTIONS(date_from=of(date(2026, 1, 2)), date_to=of(date(2026, 1, 1))), "date_from"),
    ],
)
async def test_wrong_shapes_name_the_field(channel: grpc.aio.Channel, user_id: UUID, request_message: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await History(channel, mint_token(SECRET, user_id=user_id))(request_message)
    assert [one.field for one in caught.value.fields] == [field]


async def test_a_long_ledger_comes_whole_and_a_stream_that_is_left_frees_its_place(channel: grpc.aio.Channel, user_id: UUID) -> None:
    rows = [{"description": f"{number} " + "x" * 400, "raw_data": "{}"} for number in range(15_000)]
    await fill(channel, user_id, rows)
    history = History(channel, mint_token(SECRET, user_id=user_id))
    for _ in range(8):  # more than there are connections
        call = history.call(TRANSACTIONS())
        await call.read()
        call.cancel()
        await asyncio.sleep(0)
    found = await history(TRANSACTIONS())
    assert {one["description"] for one in rows} == set(found["description"].to_pylist())
    assert found.num_rows == len(rows)
    assert found.column("description").num_chunks > 5
    (one,) = (await history(SUMS())).to_pylist()
    assert (one["transaction_count"], one["spent"]) == (len(rows), Decimal("12.34") * len(rows))


async def long_histories(channel: grpc.aio.Channel, token: str | None, **request: Any) -> pb.ListLongHistoriesResponse:
    asked = pb.ListLongHistoriesRequest(**{"minimum_day_count": LONG, **request})
    try:
        call = HistoryServiceStub(channel).ListLongHistories
        response: pb.ListLongHistoriesResponse = await call(asked, metadata=(("authorization", f"Bearer {token}"),), timeout=20)
        return response
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error, service="accounts") from error


async def test_training_learns_whose_ledgers_are_long_page_by_page(channel: grpc.aio.Channel) -> None:
    first, last = date(1940, 1, 1), date(1940, 1, 1) + timedelta(days=LONG - 1)
    long = [uuid7() for _ in range(3)]
    for user_id in long:
        await fill(channel, user_id, [{"transaction_date": day} for day in (last, first)])
    shorter, waiting, empty = uuid7(), uuid7(), uuid7()
    await fill(channel, shorter, [{"transaction_date": day} for day in (first + timedelta(1), last)])
    await fill(channel, waiting, [{"transaction_date": first, "status": "pending"}, {"transaction_date": last}])
    await fill(channel, empty, [])
    found: list[str] = []
    token = ""
    while True:
        page = await long_histories(channel, TRAINING.mint(NOBODY, audience="accounts"), page_size=2, page_token=token)
        assert len(page.user_ids) <= 2
        found += page.user_ids
        token = page.next_page_token
        if not token:
            break
    assert [one for one in found if UUID(one) in long] == sorted(map(str, long))
    assert found == sorted(found)
    assert not {str(shorter), str(waiting), str(empty)} & set(found)


async def test_nobody_else_learns_whose_ledgers_are_long(channel: grpc.aio.Channel, user_id: UUID) -> None:
    for token in (
        mint_token(SECRET, user_id=user_id),
        mint_token(SECRET, user_id=user_id, role="admin"),
        WORKER.mint(NOBODY, audience="accounts"),
        TRAINING.mint(user_id, audience="accounts"),
    ):
        with pytest.raises(PermissionDenied) as refused:
            await long_histories(channel, token)
        assert refused.value.reason == "ROLE_NOT_ALLOWED"
    with pytest.raises(Unauthenticated):
        await long_histories(channel, TRAINING.mint(NOBODY, audience="training"))


@pytest.mark.parametrize(
    ("request_fields", "field"),
    [
        ({"minimum_day_count": 0}, "minimum_day_count"),
        ({"minimum_day_count": 36_501}, "minimum_day_count"),
        ({"page_size": -1}, "page_size"),
        ({"page_token": "nonsense"}, "page_token"),
    ],
)
async def test_wrong_questions_for_long_histories_name_the_field(
    channel: grpc.aio.Channel, request_fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await long_histories(channel, TRAINING.mint(NOBODY, audience="accounts"), **request_fields)
    assert [one.field for one in caught.value.fields] == [field]
