"""The accounts service through a real channel: tokens, shapes of requests, streams that break."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, cast
from uuid import UUID

import grpc.aio
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type import date_pb2, money_pb2
from uuid_utils.compat import uuid7

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1 import transaction_pb2 as pt
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from services.accounts.app import BACKGROUND_METHODS, SERVICE_NAMES, register
from services.accounts.batches import MAX_BATCH_BYTES
from services.accounts.settings import AccountsSettings
from services.accounts.upkeep import CATEGORY_LISTS
from services.kit.auth import mint_token
from services.kit.cache import Cache
from services.kit.client import _FirstStatus
from services.kit.errors import (
    Aborted,
    AlreadyExists,
    DeadlineExceeded,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ScaleError,
    Unauthenticated,
)
from services.kit.postgres import Database
from services.kit.server import Server
from services.kit.status import from_rpc_error
from services.local import LocalSystem
from tests.support.ledger_rows import UNPREDICTED, predicted, record_batch, row
from tests.support.service_keys import service_tokens

SECRET = "a signing secret for the tests alone, long enough"
WORKER = service_tokens()
TRAINING = service_tokens("training")


@pytest.fixture
async def address(servers: LocalSystem, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """host:port of the service, put together as its own process does it."""
    monkeypatch.setenv("SCALE_AUTH_SECRET", SECRET)
    monkeypatch.setenv("SCALE_SERVICE_PUBLIC_KEYS", f"{WORKER.public_key},{TRAINING.public_key}")
    monkeypatch.setenv("SCALE_ENVIRONMENT", "development")
    monkeypatch.setenv("SCALE_DRAIN_S", "0")
    monkeypatch.setenv("SCALE_ACCOUNTS_DATABASE_URL", servers.service_url("accounts"))
    monkeypatch.setenv("SCALE_ACCOUNTS_IMPORT_IDLE_TIMEOUT_S", "0.5")
    monkeypatch.setenv("DB_POOL_SIZE", "1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("SCALE_ACCOUNTS_PORT", str(probe.getsockname()[1]))
    settings = AccountsSettings()
    cache, category_lists = Cache(servers.redis_url, name="servicer"), Cache(servers.redis_url, name=CATEGORY_LISTS)
    database = Database(servers.service_url("accounts"), settings, after_write=cache.drop)
    await database.open()
    server = Server(
        settings,
        name="accounts",
        services=SERVICE_NAMES,
        register=partial(register, settings, database, cache, category_lists),
        service_methods=BACKGROUND_METHODS,
    )
    await server.start()
    yield f"127.0.0.1:{server.port}"
    await server.stop()
    await database.close()
    await cache.close()
    await category_lists.close()


class Client:
    """Calls as one user; raises the errors of the kit."""

    def __init__(self, channel: grpc.aio.Channel, token: str | None) -> None:
        self._stub = AccountsServiceStub(channel)
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    async def call(self, method: str, request: Any) -> Any:
        try:
            return await getattr(self._stub, method)(request, metadata=self._metadata, timeout=20)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="accounts") from error

    def stream(self, requests: Any) -> Any:
        return self._stub.AppendTransactions(requests, metadata=self._metadata, timeout=20)

    async def append(self, *requests: pb.AppendTransactionsRequest) -> list[pb.AppendTransactionsResponse]:
        call = self.stream(iter(requests))
        first = _FirstStatus(call)
        try:
            return [response async for response in call]
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(first.true_error(error), service="accounts") from error

    async def everything(self) -> list[pt.Transaction]:
        return list((await self.call("ListTransactions", pb.ListTransactionsRequest(page_size=1000))).transactions)

    async def account(self) -> str:
        made = await self.call("EnsureAccount", pb.EnsureAccountRequest(name="Everyday", currency="EUR"))
        return made.account.account_id


@pytest.fixture
async def channel(address: str) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(address) as opened:
        yield opened


@pytest.fixture
def client(channel: grpc.aio.Channel, user_id: UUID) -> Client:
    return Client(channel, mint_token(SECRET, user_id=user_id))


@pytest.fixture
def other_client(channel: grpc.aio.Channel, other_user_id: UUID) -> Client:
    return Client(channel, mint_token(SECRET, user_id=other_user_id))


def metadata(import_id: UUID | str) -> pb.AppendTransactionsRequest:
    return pb.AppendTransactionsRequest(metadata=pb.AppendTransactionsMetadata(import_id=str(import_id)))


def batch(rows: list[dict[str, Any]]) -> pb.AppendTransactionsRequest:
    return pb.AppendTransactionsRequest(record_batch=record_batch(rows))


def end(row_count: int) -> pb.AppendTransactionsRequest:
    return pb.AppendTransactionsRequest(end=pb.AppendTransactionsEnd(row_count=row_count))


# Who may call


async def test_no_call_without_a_valid_token(channel: grpc.aio.Channel, user_id: UUID) -> None:
    forged = mint_token("another secret that is long enough too, really", user_id=user_id)
    expired = mint_token(SECRET, user_id=user_id, lifetime_s=-3600)
    for token in (None, "nonsense", forged, expired):
        with pytest.raises(Unauthenticated):
            await Client(channel, token).everything()
        with pytest.raises(Unauthenticated):
            await Client(channel, token).append(metadata(uuid7()), end(0))


async def test_background_work_may_do_what_it_needs_and_no_more(channel: grpc.aio.Channel, client: Client, user_id: UUID) -> None:
    account = await client.account()
    await client.append(metadata(uuid7()), batch([row(account, 1)]), end(1))
    worker = Client(channel, WORKER.mint(user_id, audience="accounts"))
    (one,) = await worker.everything()
    assert (await worker.call("ListCategories", pb.ListCategoriesRequest(page_size=1))).categories
    found = pb.WorkedOutCategory(transaction_id=one.transaction_id, category="travel", confidence=0.5, source=pt.CATEGORY_SOURCE_MODEL)
    assert (await worker.call("SetCategories", pb.SetCategoriesRequest(categories=[found]))).changed_count == 1
    said = pb.BatchGetUserCategoriesRequest(transaction_ids=[one.transaction_id])
    assert (await worker.call("BatchGetUserCategories", said)).user_categories[0].category == ""
    own_word = pb.SetCategoryRequest(transaction_id=one.transaction_id, category="travel")
    for method, request in (
        ("SetCategory", own_word),
        ("UpdateTransaction", pb.UpdateTransactionRequest(transaction_id=one.transaction_id, note="x")),
        ("CreateCategory", pb.CreateCategoryRequest(name="x", primary_slug="other", request_id="x")),
        ("UndoImport", pb.UndoImportRequest(import_id=one.import_id)),
    ):
        with pytest.raises(PermissionDenied):
            await worker.call(method, request)


async def test_a_new_category_is_seen_at_once_by_whoever_keeps_the_list(
    client: Client, servers: LocalSystem, user_id: UUID, other_user_id: UUID
) -> None:
    """As categorization keeps it."""
    lists = Cache(servers.redis_url, name=CATEGORY_LISTS)
    asked: list[UUID] = []

    @lists.cached()
    async def listed(of: UUID) -> list[str]:
        asked.append(of)
        return ["travel"]

    for of in (user_id, other_user_id) * 2:
        await listed(of)
    assert asked == [user_id, other_user_id]
    await client.call("CreateCategory", pb.CreateCategoryRequest(name="Mine", primary_slug="other", request_id="one"))
    for of in (user_id, other_user_id):
        await listed(of)
    assert asked == [user_id, other_user_id, user_id]
    await lists.close()


async def test_the_users_word_and_what_others_worked_out(client: Client, other_client: Client) -> None:
    account = await client.account()
    rows = [row(account, 1, **predicted("travel", 0.25)), row(account, 2)]
    await client.append(metadata(uuid7()), batch(rows), end(2))
    second, first = await client.everything()
    assert (first.category, first.category_source, first.confidence) == ("travel", pt.CATEGORY_SOURCE_MODEL, 0.25)
    request = pb.SetCategoryRequest(transaction_id=first.transaction_id, category="dining_cafe")
    done = await client.call("SetCategory", request)
    assert (done.previous_category, done.previous_source) == ("travel", pt.CATEGORY_SOURCE_MODEL)
    assert (done.transaction.category, done.transaction.category_source) == ("dining_cafe", pt.CATEGORY_SOURCE_USER)
    assert not done.transaction.HasField("confidence")
    request.transaction_id = second.transaction_id
    done = await client.call("SetCategory", request)
    assert (done.previous_category, done.previous_source) == ("", pt.CATEGORY_SOURCE_UNSPECIFIED)
    with pytest.raises(NotFound):
        await other_client.call("SetCategory", request)
    request.category = "uncategorized"
    taken_back = await client.call("SetCategory", request)
    assert (taken_back.previous_category, taken_back.previous_source) == ("dining_cafe", pt.CATEGORY_SOURCE_USER)
    assert (taken_back.transaction.category, taken_back.transaction.category_source) == ("", pt.CATEGORY_SOURCE_UNSPECIFIED)
    request.category = "dining_cafe"
    await client.call("SetCategory", request)
    answers = [
        pb.WorkedOutCategory(transaction_id=one.transaction_id, category="uncategorized", confidence=0.1, source=pt.CATEGORY_SOURCE_MODEL)
        for one in (first, second)
    ]
    done = await client.call("SetCategories", pb.SetCategoriesRequest(categories=answers))
    assert (done.changed_count, done.kept_count) == (0, 2)


async def test_what_the_user_has_said_by_hand(client: Client, other_client: Client) -> None:
    account = await client.account()
    rows = [
        row(account, number, **predicted("travel", 0.25, source=source)) for number, source in ((1, "user"), (2, "model"), (3, "model"))
    ]
    await client.append(metadata(uuid7()), batch(rows), end(3))
    by_hand, by_model, from_like_ones = (one.transaction_id for one in await client.everything())
    await client.call("SetCategory", pb.SetCategoryRequest(transaction_id=by_hand, category="dining_cafe"))
    request = pb.BatchGetUserCategoriesRequest(transaction_ids=[by_hand, by_model, from_like_ones, str(uuid7())])
    found = (await client.call("BatchGetUserCategories", request)).user_categories
    assert {one.transaction_id: one.category for one in found} == {by_hand: "dining_cafe", by_model: "", from_like_ones: ""}
    assert not (await other_client.call("BatchGetUserCategories", request)).user_categories


@pytest.mark.parametrize(
    ("method", "request_message", "field"),
    [
        ("SetCategory", pb.SetCategoryRequest(transaction_id="x", category="travel"), "transaction_id"),
        ("SetCategory", pb.SetCategoryRequest(transaction_id=str(uuid7())), "category"),
        ("SetCategory", pb.SetCategoryRequest(transaction_id=str(uuid7()), category="no-such-category"), "category"),
        ("SetCategories", pb.SetCategoriesRequest(), "categories"),
        ("BatchGetUserCategories", pb.BatchGetUserCategoriesRequest(), "transaction_ids"),
        ("BatchGetUserCategories", pb.BatchGetUserCategoriesRequest(transaction_ids=["x"]), "transaction_ids[0]"),
        ("BatchGetUserCategories", pb.BatchGetUserCategoriesRequest(transaction_ids=[str(uuid7())] * 1001), "transaction_ids"),
        ("SetCategories", pb.SetCategoriesRequest(categories=[pb.WorkedOutCategory(transaction_id="x", source=pt.CATEGORY_SOURCE_MODEL)]),
         "categories[0].transaction_id"),
        ("SetCategories", pb.SetCategoriesRequest(categories=[pb.WorkedOutCategory(transaction_id=str(uuid7()))]), "categories[0].source"),
        ("SetCategories", pb.SetCategoriesRequest(categories=[pb.WorkedOutCategory(transaction_id=str(uuid7()), source=cast(Any, 99))]),
         "categories[0].source"),
    ],
)  # fmt: skip
async def test_wrong_categories_say_which_field(client: Client, method: str, request_message: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await client.call(method, request_message)
    assert [one.field for one in caught.value.fields] == [field]


async def test_users_see_only_their_own(client: Client, other_client: Client) -> None:
    account = await client.account()
    await client.append(metadata(uuid7()), batch([row(account, 1)]), end(1))
    mine = (await client.everything())[0]
    assert await other_client.everything() == []
    with pytest.raises(NotFound):
        await other_client.call("GetTransaction", pb.GetTransactionRequest(transaction_id=mine.transaction_id))
    with pytest.raises(NotFound):
        await other_client.call("GetAccount", pb.GetAccountRequest(account_id=account))
    with pytest.raises(NotFound):
        await other_client.append(metadata(uuid7()), batch([row(account, 1)]), end(1))
    listed = await other_client.call("ListImportLines", pb.ListImportLinesRequest(import_id=mine.import_id))
    assert list(listed.lines) == []


# The bulk path


async def test_append_and_read_back_every_field(client: Client) -> None:
    account = await client.account()
    import_id = uuid7()
    rows = [
        row(account, 1, amount=Decimal("-12.3456"), category="income_salary", payment_method="card", merchant="Café"),
        row(account, 2, amount=Decimal("0.05"), currency="USD", merchant=None, status="pending"),
    ]
    responses = await client.append(metadata(import_id), batch(rows[:1]), batch(rows[1:]), end(2))
    assert responses == [pb.AppendTransactionsResponse(inserted_count=2)]
    second, first = await client.everything()
    assert first == pt.Transaction(
        transaction_id=first.transaction_id,
        account_id=account,
        transaction_date=date_pb2.Date(year=2026, month=1, day=2),
        amount=money_pb2.Money(currency_code="EUR", units=-12, nanos=-345_600_000),
        type=pt.TRANSACTION_TYPE_DEBIT,
        description="Groceries 1",
        merchant="Café",
        category="income_salary",
        primary_category="income",
        category_source=pt.CATEGORY_SOURCE_FILE,
        status=pt.TRANSACTION_STATUS_POSTED,
        payment_method="card",
        import_id=str(import_id),
        create_time=first.create_time,
    )
    assert (second.amount.currency_code, second.amount.units, second.amount.nanos) == ("USD", 0, 50_000_000)
    assert (second.type, second.status) == (pt.TRANSACTION_TYPE_CREDIT, pt.TRANSACTION_STATUS_PENDING)
    assert not second.HasField("confidence")
    # From an ingestion that does not ask what rows are for.
    plain = pb.AppendTransactionsRequest(record_batch=record_batch([row(account, 1, description="plain")], UNPREDICTED))
    assert await client.append(metadata(uuid7()), plain, end(1)) == [pb.AppendTransactionsResponse(inserted_count=1)]
    got = await client.call("GetTransaction", pb.GetTransactionRequest(transaction_id=first.transaction_id))
    assert got.transaction == first


async def test_many_duplicates_come_in_several_messages_below_one_mebibyte(client: Client) -> None:
    account = await client.account()
    count = 20_000
    rows = [row(account, line, raw_data="{}", description="x", occurrence=line) for line in range(1, count + 1)]
    parts = [batch(rows[start : start + 5000]) for start in range(0, count, 5000)]
    first = await client.append(metadata(uuid7()), *parts, end(count))
    assert first[-1].inserted_count == count
    responses = await client.append(metadata(uuid7()), *parts, end(count))
    assert len(responses) == 3
    assert all(response.ByteSize() < 1024 * 1024 for response in responses)
    assert [line for response in responses for line in response.duplicate_lines] == list(range(1, count + 1))
    assert len({one for response in responses for one in response.duplicate_transaction_ids}) == count
    assert [response.HasField("inserted_count") for response in responses] == [False, False, True]
    assert responses[-1].inserted_count == 0


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([], "metadata"),
        ([end(0)], "metadata"),
        ([metadata("nonsense"), end(0)], "metadata.import_id"),
        ([metadata(""), end(0)], "metadata.import_id"),
        ([metadata(uuid7()), metadata(uuid7()), end(0)], "metadata"),
        ([metadata(uuid7()), pb.AppendTransactionsRequest(), end(0)], "payload"),
        ([metadata(uuid7()), pb.AppendTransactionsRequest(record_batch=b"x"), end(0)], "record_batch"),
        ([metadata(uuid7()), pb.AppendTransactionsRequest(record_batch=bytes(MAX_BATCH_BYTES + 1)), end(0)],
         "record_batch"),
    ],
)  # fmt: skip
async def test_wrong_streams(client: Client, requests: list[Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await client.append(*requests)
    assert caught.value.fields[0].field == field


async def test_a_wrong_value_names_column_and_line_and_leaves_nothing(client: Client) -> None:
    account = await client.account()
    good, bad = row(account, 5), row(account, 9, amount=Decimal(0))
    with pytest.raises(InvalidArgument) as caught:
        await client.append(metadata(uuid7()), batch([good]), batch([bad]), end(2))
    assert (caught.value.fields[0].field, caught.value.fields[0].line) == ("record_batch.amount", 9)
    for raw_data in ('{"a": ', '{"a": "\\u0000"}', "{'a': 1}"):
        with pytest.raises(InvalidArgument) as caught:
            await client.append(metadata(uuid7()), batch([good, {**row(account, 7), "raw_data": raw_data}]), end(2))
        assert (caught.value.fields[0].field, caught.value.fields[0].line) == ("raw_data", 7)
    assert await client.everything() == []


async def test_lines_must_rise_over_the_whole_import(client: Client) -> None:
    account = await client.account()
    with pytest.raises(InvalidArgument) as caught:
        await client.append(metadata(uuid7()), batch([row(account, 5)]), batch([row(account, 5, amount=Decimal(1))]), end(2))
    assert caught.value.fields[0].field == "record_batch.line"


async def test_a_stream_that_stops_early_leaves_nothing(client: Client) -> None:
    account = await client.account()
    for last in ([], [end(3)], [end(1)]):
        with pytest.raises(Aborted) as caught:
            await client.append(metadata(uuid7()), batch([row(account, 1), row(account, 2)]), *last)
        assert caught.value.reason == "IMPORT_INCOMPLETE"
    assert await client.everything() == []


async def test_a_stream_that_stalls_is_given_up(client: Client) -> None:
    account = await client.account()

    async def stalling() -> AsyncIterator[pb.AppendTransactionsRequest]:
        yield metadata(uuid7())
        yield batch([row(account, 1)])
        await asyncio.sleep(30)

    call = client.stream(stalling())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [response async for response in call]
    error = from_rpc_error(caught.value, service="accounts")
    assert isinstance(error, DeadlineExceeded)
    assert error.reason == "IMPORT_STALLED"
    assert await client.everything() == []


async def test_a_caller_that_goes_away_leaves_nothing(address: str, client: Client, user_id: UUID) -> None:
    account = await client.account()
    sent = asyncio.Event()

    async def unfinished() -> AsyncIterator[pb.AppendTransactionsRequest]:
        yield metadata(uuid7())
        yield batch([row(account, 1)])
        sent.set()
        await asyncio.sleep(30)

    async with grpc.aio.insecure_channel(address) as channel:
        call = Client(channel, mint_token(SECRET, user_id=user_id)).stream(unfinished())
        reading = asyncio.create_task(anext(aiter(call)))
        await sent.wait()
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises((asyncio.CancelledError, grpc.aio.AioRpcError)):
            await reading
    await asyncio.sleep(0.2)
    assert await client.everything() == []


async def test_import_lines(client: Client) -> None:
    account = await client.account()
    import_id = uuid7()
    await client.append(metadata(import_id), batch([row(account, line) for line in (3, 5, 8)]), end(3))
    request = pb.ListImportLinesRequest(import_id=str(import_id), after_line=3, page_size=1)
    listed = await client.call("ListImportLines", request)
    assert list(listed.lines) == [5]
    assert UUID(listed.transaction_ids[0])
    with pytest.raises(InvalidArgument):
        await client.call("ListImportLines", pb.ListImportLinesRequest(import_id=str(import_id), after_line=-1))


# Lists and changes


async def test_list_pages_and_filters(client: Client) -> None:
    account = await client.account()
    rows = [row(account, line, transaction_date=date(2026, 1, line), amount=Decimal(-line)) for line in range(1, 6)]
    await client.append(metadata(uuid7()), batch(rows), end(5))
    request = pb.ListTransactionsRequest(
        page_size=2,
        date_from=date_pb2.Date(year=2026, month=1, day=2),
        amount_min="-5",
        amount_max="-0.0001",
        merchant="CORNER SHOP",
        type=pt.TRANSACTION_TYPE_DEBIT,
        status=pt.TRANSACTION_STATUS_POSTED,
        account_id=account,
        query="groc",
        category="uncategorized",
    )
    first = await client.call("ListTransactions", request)
    assert [one.transaction_date.day for one in first.transactions] == [5, 4]
    request.page_token = first.next_page_token
    second = await client.call("ListTransactions", request)
    assert [one.transaction_date.day for one in second.transactions] == [3, 2]
    assert second.next_page_token == ""


@pytest.mark.parametrize(
    ("request_fields", "field"),
    [
        ({"page_size": -1}, "page_size"),
        ({"page_token": "x"}, "page_token"),
        ({"date_from": date_pb2.Date(year=2026, month=2, day=30)}, "date_from"),
        ({"date_to": date_pb2.Date(year=2026)}, "date_to"),
        ({"amount_min": "1e3"}, "amount_min"),
        ({"amount_max": "12,5"}, "amount_max"),
        ({"account_id": "x"}, "account_id"),
        ({"type": 9}, "type"),
        ({"status": 9}, "status"),
        ({"query": "a " * 11}, "query"),
        ({"query": "\x00"}, "query"),
        ({"merchant": "\x00"}, "merchant"),
        ({"category": "x" * 101}, "category"),
    ],
)
async def test_wrong_filters_name_their_field(client: Client, request_fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await client.call("ListTransactions", pb.ListTransactionsRequest(**request_fields))
    assert [found.field for found in caught.value.fields] == [field]


async def test_update_transaction_by_mask(client: Client) -> None:
    account = await client.account()
    await client.append(metadata(uuid7()), batch([row(account, 1, category="income_salary")]), end(1))
    transaction_id = (await client.everything())[0].transaction_id

    async def update(*paths: str, **values: str) -> pt.Transaction:
        mask = FieldMask(paths=paths) if paths else None
        request = pb.UpdateTransactionRequest(transaction_id=transaction_id, update_mask=mask, **values)
        return (await client.call("UpdateTransaction", request)).transaction

    changed = await update(note="Mine")
    assert (changed.note, changed.category) == ("Mine", "income_salary")
    changed = await update("category", note="ignored", category="housing")
    assert (changed.note, changed.category, changed.primary_category) == ("Mine", "housing", "housing")
    assert changed.category_source == pt.CATEGORY_SOURCE_USER
    changed = await update("category", "note")
    assert (changed.note, changed.category) == ("", "")
    assert changed.category_source == pt.CATEGORY_SOURCE_UNSPECIFIED
    for paths, values, field in (
        (("amount",), {}, "update_mask"),
        ((), {"category": "no_such"}, "category"),
        ((), {"note": "x" * 2001}, "note"),
        ((), {"note": "\x00"}, "note"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            await update(*paths, **values)
        assert caught.value.fields[0].field == field
    assert len((await update(note="x" * 2000)).note) == 2000


async def test_transfers(client: Client, other_client: Client) -> None:
    giro = await client.account()
    savings = (await client.call("EnsureAccount", pb.EnsureAccountRequest(name="Savings", currency="EUR"))).account.account_id
    await client.append(metadata(uuid7()), batch([row(giro, 1, amount=Decimal("-500"))]), end(1))
    await client.append(metadata(uuid7()), batch([row(savings, 1, amount=Decimal("500"))]), end(1))
    (found,) = (await client.call("ListTransfers", pb.ListTransfersRequest())).transfers
    assert found.state == pt.TRANSFER_STATE_SUGGESTED
    assert (found.outgoing.account_id, found.incoming.account_id) == (giro, savings)
    assert found.outgoing.transfer_id == found.incoming.transfer_id == found.transfer_id
    assert "500.00 EUR left Everyday" in found.reason
    assert found.HasField("create_time")
    assert not found.HasField("decide_time")
    assert {one.transfer_id for one in await client.everything()} == {found.transfer_id}
    named = {"transfer_id": found.transfer_id}
    assert (await client.call("GetTransfer", pb.GetTransferRequest(**named))).transfer == found
    for stranger in (("GetTransfer", pb.GetTransferRequest), ("ConfirmTransfer", pb.ConfirmTransferRequest)):
        with pytest.raises(NotFound):
            await other_client.call(stranger[0], stranger[1](**named))
    confirmed = (await client.call("ConfirmTransfer", pb.ConfirmTransferRequest(**named))).transfer
    assert confirmed.state == pt.TRANSFER_STATE_CONFIRMED
    assert confirmed.HasField("decide_time")
    undone = (await client.call("UndoTransfer", pb.UndoTransferRequest(**named))).transfer
    assert (undone.state, undone.outgoing.transfer_id) == (pt.TRANSFER_STATE_UNDONE, "")
    assert not (await client.call("ListTransfers", pb.ListTransfersRequest())).transfers
    listed = await client.call("ListTransfers", pb.ListTransfersRequest(state=pt.TRANSFER_STATE_UNDONE))
    assert list(listed.transfers) == [undone]
    for request, field in (
        (pb.ListTransfersRequest(page_size=-1), "page_size"),
        (pb.ListTransfersRequest(page_token="x"), "page_token"),
        (pb.ListTransfersRequest(state=cast(Any, 9)), "state"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            await client.call("ListTransfers", request)
        assert caught.value.fields[0].field == field
    with pytest.raises(InvalidArgument):
        await client.call("UndoTransfer", pb.UndoTransferRequest(transfer_id="one"))


async def test_suspected_duplicates_are_a_filter(client: Client) -> None:
    account = await client.account()
    for text in ("Bakery", "Bakery north"):
        await client.append(metadata(uuid7()), batch([row(account, 1, description=text)]), end(1))

    async def listed(**fields: Any) -> pb.ListTransactionsResponse:
        return cast(pb.ListTransactionsResponse, await client.call("ListTransactions", pb.ListTransactionsRequest(**fields)))

    assert [one.description for one in (await listed(suspected_duplicate=True)).transactions] == ["Bakery north"]
    assert [one.description for one in (await listed(suspected_duplicate=False)).transactions] == ["Bakery"]
    token = (await listed(page_size=1)).next_page_token
    with pytest.raises(InvalidArgument):
        await listed(page_size=1, page_token=token, suspected_duplicate=False)


async def test_create_and_update_account(client: Client) -> None:
    balance = money_pb2.Money(currency_code="GBP", units=-1, nanos=-500_000_000)
    request = pb.CreateAccountRequest(
        request_id="one", name=" Card ", type=pt.ACCOUNT_TYPE_CREDIT_CARD, identifier="12 34", opening_balance=balance
    )
    made = (await client.call("CreateAccount", request)).account
    assert made == pt.Account(
        account_id=made.account_id,
        name="Card",
        type=pt.ACCOUNT_TYPE_CREDIT_CARD,
        currency="GBP",
        identifier="1234",
        opening_balance=balance,
        active=True,
        create_time=made.create_time,
    )
    assert (await client.call("CreateAccount", request)).account == made
    with pytest.raises(AlreadyExists):
        await client.call("CreateAccount", pb.CreateAccountRequest(request_id="one", name="Other"))
    ensured = await client.call("EnsureAccount", pb.EnsureAccountRequest(identifier="1234", name="Other"))
    assert (ensured.account, ensured.created) == (made, False)

    async def update(*paths: str, **values: Any) -> pt.Account:
        account = pt.Account(account_id=made.account_id, **values)
        mask = FieldMask(paths=paths) if paths else None
        request = pb.UpdateAccountRequest(account=account, update_mask=mask)
        return (await client.call("UpdateAccount", request)).account

    changed = await update(name="Gold", type=pt.ACCOUNT_TYPE_SAVINGS)
    assert (changed.name, changed.type, changed.active) == ("Gold", pt.ACCOUNT_TYPE_SAVINGS, True)
    zero = money_pb2.Money(currency_code="GBP")
    changed = await update("active", "opening_balance", opening_balance=zero)
    assert (changed.active, changed.opening_balance) == (False, zero)
    assert list((await client.call("ListAccounts", pb.ListAccountsRequest())).accounts) == []
    listed = await client.call("ListAccounts", pb.ListAccountsRequest(include_inactive=True))
    assert list(listed.accounts) == [changed]
    for paths, values, field in (
        (("currency",), {}, "update_mask"),
        (("name",), {}, "account.name"),
        (("type",), {}, "account.type"),
        ((), {"opening_balance": money_pb2.Money(currency_code="EUR", units=1)}, "account.opening_balance"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            await update(*paths, **values)
        assert caught.value.fields[0].field == field


@pytest.mark.parametrize(
    ("request_fields", "field"),
    [
        ({"name": "x"}, "request_id"),
        ({"request_id": "x" * 37, "name": "x"}, "request_id"),
        ({"request_id": "x", "name": " "}, "name"),
        ({"request_id": "x", "name": "x" * 201}, "name"),
        ({"request_id": "x", "name": "x", "currency": "XXX"}, "currency"),
        ({"request_id": "x", "name": "x", "type": 99}, "type"),
        ({"request_id": "x", "name": "x", "identifier": "1" * 65}, "identifier"),
        ({"request_id": "x", "name": "x", "currency": "EUR",
          "opening_balance": money_pb2.Money(currency_code="USD", units=1)}, "opening_balance"),
        ({"request_id": "x", "name": "x",
          "opening_balance": money_pb2.Money(currency_code="USD", units=1, nanos=-1)}, "amount"),
    ],
)  # fmt: skip
async def test_wrong_accounts_name_their_field(client: Client, request_fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await client.call("CreateAccount", pb.CreateAccountRequest(**request_fields))
    assert [found.field for found in caught.value.fields] == [field]


async def test_profile(client: Client, user_id: UUID) -> None:
    profile = (await client.call("GetProfile", pb.GetProfileRequest())).profile
    assert (profile.user_id, profile.default_currency) == (str(user_id), "EUR")
    wanted = pt.Profile(display_name="Ada", default_currency="CHF", locale="de-CH", time_zone="Europe/Zurich")
    changed = (await client.call("UpdateProfile", pb.UpdateProfileRequest(profile=wanted))).profile
    assert (changed.display_name, changed.locale) == ("Ada", "de-CH")
    assert changed.update_time.ToNanoseconds() > profile.update_time.ToNanoseconds()
    cleared = pb.UpdateProfileRequest(profile=pt.Profile(), update_mask=FieldMask(paths=["display_name"]))
    assert (await client.call("UpdateProfile", cleared)).profile.display_name == ""
    assert profile.transfer_suggestions
    off = pb.UpdateProfileRequest(profile=pt.Profile(), update_mask=FieldMask(paths=["transfer_suggestions"]))
    assert not (await client.call("UpdateProfile", off)).profile.transfer_suggestions
    assert not (await client.call("GetProfile", pb.GetProfileRequest())).profile.transfer_suggestions
    for field in ("default_currency", "locale", "time_zone"):
        for value in ("", "not one!"):
            wrong = pb.UpdateProfileRequest(profile=pt.Profile(**cast(Any, {field: value})), update_mask=FieldMask(paths=[field]))
            with pytest.raises(InvalidArgument) as caught:
                await client.call("UpdateProfile", wrong)
            assert caught.value.fields[0].field == f"profile.{field}"


async def test_categories(client: Client) -> None:
    request = pb.CreateCategoryRequest(request_id="one", name=" Brunch ", primary_slug="dining")
    made = (await client.call("CreateCategory", request)).category
    assert made == pt.Category(slug="brunch", name="Brunch", primary_slug="dining", custom=True)
    listed = await client.call("ListCategories", pb.ListCategoriesRequest())
    assert listed.categories[-1] == made
    first = await client.call("ListCategories", pb.ListCategoriesRequest(page_size=119))
    assert len(first.categories) == 119
    rest = await client.call("ListCategories", pb.ListCategoriesRequest(page_token=first.next_page_token))
    assert list(rest.categories) == [made]


async def test_bugs_are_not_shown_to_callers(
    address: str, client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret internals")

    monkeypatch.setattr("services.accounts.repository.transactions.page_statement", broken)
    with pytest.raises(ScaleError) as caught:
        await client.everything()
    assert caught.value.message == "Internal error."
    assert "secret internals" in capsys.readouterr().out


async def test_balances_on_the_wire(client: Client, other_client: Client) -> None:
    account = await client.account()
    await client.append(metadata(uuid7()), batch([row(account, 1), row(account, 2, currency="JPY", amount=Decimal(7))]), end(2))
    page = await client.call("ListBalances", pb.ListBalancesRequest(page_size=1))
    assert page.balances == [
        pt.Balance(
            account_id=account,
            account_name="Everyday",
            balance=money_pb2.Money(currency_code="EUR", units=-12, nanos=-340_000_000),
            transaction_count=1,
            last_date=date_pb2.Date(year=2026, month=1, day=2),
        )
    ]
    rest = await client.call("ListBalances", pb.ListBalancesRequest(page_token=page.next_page_token))
    assert [(one.balance.currency_code, one.balance.units) for one in rest.balances] == [("JPY", 7)]
    before = await client.call("ListBalances", pb.ListBalancesRequest(on_date=date_pb2.Date(year=2026, month=1, day=1)))
    assert [(one.balance.units, one.transaction_count, one.HasField("last_date")) for one in before.balances] == [(0, 0, False)]
    assert not (await other_client.call("ListBalances", pb.ListBalancesRequest(account_id=account))).balances
    for wrong in (pb.ListBalancesRequest(account_id="x"), pb.ListBalancesRequest(on_date=date_pb2.Date(year=2026, month=2, day=30))):
        with pytest.raises(InvalidArgument):
            await client.call("ListBalances", wrong)
