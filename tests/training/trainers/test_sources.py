"""What training reads, on real channels: page by page, with the worker's own token, and only what somebody said counts as a label."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc.aio
import jwt
import pyarrow as pa
import pytest
from google.type import date_pb2
from grpc_status import rpc_status

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from scale.accounts.v1 import history_service_pb2 as history_pb
from scale.accounts.v1 import transaction_pb2 as nouns
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceServicer, add_AccountsServiceServicer_to_server
from scale.accounts.v1.history_service_pb2_grpc import HistoryServiceServicer, add_HistoryServiceServicer_to_server
from scale.categorization.v1 import learning_service_pb2 as pb
from scale.categorization.v1.categorization_service_pb2 import ClassifyInput
from scale.categorization.v1.learning_service_pb2_grpc import LearningServiceServicer, add_LearningServiceServicer_to_server
from services.accounts.history.columns import DAILY_SUMS
from services.kit import context
from services.kit.dates import to_timestamp
from services.kit.errors import Aborted, Unauthenticated
from services.kit.money import to_money
from services.kit.record_batches import write_record_batch
from services.kit.status import to_status
from services.training.trainers.payments import AgreedCorrection, TrainingPayment, collect
from services.training.trainers.sources import GrpcHistories, GrpcPayments
from tests.support.service_keys import service_tokens

DAY = date_pb2.Date(year=2026, month=1, day=31)


def transaction(number: int, category: str, source: Any, **changes: Any) -> nouns.Transaction:
    return nouns.Transaction(
        transaction_id=f"t{number}",
        description=f"SHOP {number}",
        amount=to_money(Decimal("-12.34"), "GBP"),
        transaction_date=DAY,
        category=category,
        category_source=source,
        **changes,
    )


class Upstream(AccountsServiceServicer, LearningServiceServicer):
    """Pages of two."""

    def __init__(self) -> None:
        self.transactions: Sequence[nouns.Transaction] = ()
        self.corrections: Sequence[pb.CorrectedPayment] = ()
        self.agreed: Sequence[pb.AgreedCorrection] = ()
        self.tokens: list[dict[str, Any]] = []

    def _page(self, rows: Sequence[Any], token: str, caller: grpc.aio.ServicerContext) -> tuple[Sequence[Any], str]:
        metadata = dict(caller.invocation_metadata() or ())
        self.tokens.append(jwt.decode(str(metadata["authorization"])[7:], options={"verify_signature": False}))
        first = int(token or 0)
        return rows[first : first + 2], str(first + 2) if len(rows) > first + 2 else ""

    async def ListTransactions(self, request: Any, caller: grpc.aio.ServicerContext) -> accounts_pb.ListTransactionsResponse:
        found, token = self._page(self.transactions, request.page_token, caller)
        return accounts_pb.ListTransactionsResponse(transactions=found, next_page_token=token)

    async def ListCorrections(self, request: Any, caller: grpc.aio.ServicerContext) -> pb.ListCorrectionsResponse:
        found, token = self._page(self.corrections, request.page_token, caller)
        return pb.ListCorrectionsResponse(corrections=found, next_page_token=token)

    async def ListAgreedCorrections(self, request: Any, caller: grpc.aio.ServicerContext) -> pb.ListAgreedCorrectionsResponse:
        enough = [one for one in self.agreed if one.user_count >= request.minimum_user_count]
        found, token = self._page(enough, request.page_token, caller)
        return pb.ListAgreedCorrectionsResponse(corrections=found, next_page_token=token)


@pytest.fixture
async def upstream(user_id: UUID) -> AsyncIterator[tuple[Upstream, GrpcPayments]]:
    servicer, server = Upstream(), grpc.aio.server()
    add_AccountsServiceServicer_to_server(servicer, server)
    add_LearningServiceServicer_to_server(servicer, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    payments = GrpcPayments(address, address)
    context.bind_background(user_id, service_tokens("training"))
    try:
        yield servicer, payments
    finally:
        await payments.close()
        await server.stop(None)


async def test_what_was_said_is_a_label_and_what_was_worked_out_is_none(upstream: tuple[Upstream, GrpcPayments], user_id: UUID) -> None:
    servicer, payments = upstream
    servicer.transactions = [
        transaction(1, "car", nouns.CATEGORY_SOURCE_USER),
        transaction(2, "car", nouns.CATEGORY_SOURCE_USER, confidence=0.9),
        transaction(3, "transport_fuel", nouns.CATEGORY_SOURCE_RULE),
        transaction(4, "transport_taxi", nouns.CATEGORY_SOURCE_FILE),
        transaction(5, "transport_taxi", nouns.CATEGORY_SOURCE_MODEL, confidence=0.99),
        transaction(6, "transport_taxi", nouns.CATEGORY_SOURCE_FALLBACK, confidence=0.99),
        transaction(7, "", nouns.CATEGORY_SOURCE_UNSPECIFIED),
        transaction(8, "car", nouns.CATEGORY_SOURCE_USER, status=nouns.TRANSACTION_STATUS_VOID),
    ]
    found = [one async for one in payments.transactions()]
    assert {one.transaction_id: one.category for one in found} == {
        "t1": "car",
        "t2": "",
        "t3": "transport_fuel",
        "t4": "transport_taxi",
        "t5": "",
        "t6": "",
        "t7": "",
    }
    assert found[0] == TrainingPayment("t1", "SHOP 1", "", Decimal("-12.34"), date(2026, 1, 31), "car")
    assert [(token["sub"], token["aud"]) for token in servicer.tokens] == [(str(user_id), "accounts")] * 4


@pytest.mark.requirement("TRN-23")
async def test_after_feedback_the_training_set_contains_the_corrected_label(upstream: tuple[Upstream, GrpcPayments]) -> None:
    servicer, payments = upstream
    servicer.transactions = [transaction(1, "shopping_general", nouns.CATEGORY_SOURCE_MODEL, confidence=0.6)]
    assert [row.category for row in await collect(payments, most=100)] == [""]
    said = ClassifyInput(description="SHOP 1", amount=to_money(Decimal("-12.34"), "XXX"), transaction_date=DAY, transaction_id="t1")
    elsewhere = ClassifyInput(description="KIOSK", merchant="Kiosk", amount=to_money(Decimal(5), "XXX"))
    moment = to_timestamp(datetime(2026, 2, 3, 12, tzinfo=UTC))
    servicer.corrections = [
        pb.CorrectedPayment(input=said, category="gifts", correct_time=moment),
        pb.CorrectedPayment(input=elsewhere, category="car", correct_time=moment),
    ]
    rows = await collect(payments, most=100)
    assert [(row.transaction_id, row.category, row.corrected) for row in rows] == [("t1", "gifts", True), ("", "car", True)]
    assert rows[1] == TrainingPayment("", "KIOSK", "Kiosk", Decimal(5), date(2026, 2, 3), "car", corrected=True)


async def test_what_users_agree_about_is_read_to_the_last_page(upstream: tuple[Upstream, GrpcPayments]) -> None:
    servicer, payments = upstream
    servicer.agreed = [pb.AgreedCorrection(merchant_key=f"shop {n}", category="gifts", user_count=n, credit=n == 4) for n in range(7)]
    found = [one async for one in payments.agreed(least_users=3)]
    assert found == [AgreedCorrection(f"shop {n}", "gifts", n, n == 4) for n in (3, 4, 5, 6)]
    assert {token["aud"] for token in servicer.tokens} == {"categorization"}


class Ledgers(AccountsServiceServicer, HistoryServiceServicer):
    """Of three users, one a page. Who asked for what is kept."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.batches: list[bytes] = []
        self.reason = ""

    def _note(self, method: str, caller: grpc.aio.ServicerContext) -> None:
        metadata = dict(caller.invocation_metadata() or ())
        token = jwt.decode(str(metadata["authorization"])[7:], options={"verify_signature": False})
        assert (token["iss"], token["aud"]) == ("service:training", "accounts")
        self.asked.append((method, token["sub"]))

    async def ListLongHistories(self, request: Any, caller: grpc.aio.ServicerContext) -> history_pb.ListLongHistoriesResponse:
        self._note("ListLongHistories", caller)
        assert request.minimum_day_count == 240
        number = int(request.page_token or 1)
        return history_pb.ListLongHistoriesResponse(user_ids=[str(UUID(int=number))], next_page_token=str(number + 1) if number < 3 else "")

    async def GetProfile(self, request: Any, caller: grpc.aio.ServicerContext) -> accounts_pb.GetProfileResponse:
        self._note("GetProfile", caller)
        return accounts_pb.GetProfileResponse(profile={"locale": "de-AT"})

    async def StreamDailySums(self, request: Any, caller: grpc.aio.ServicerContext) -> AsyncIterator[history_pb.StreamDailySumsResponse]:
        self._note("StreamDailySums", caller)
        assert (request.date_from, request.date_to) == (DAY, date_pb2.Date(year=2026, month=2, day=1))
        if self.reason:
            status = to_status(Unauthenticated("erased", reason=self.reason), "accounts")
            await caller.abort_with_status(rpc_status.to_status(status))
        for batch in self.batches:
            yield history_pb.StreamDailySumsResponse(record_batch=batch)


@pytest.fixture
async def histories() -> AsyncIterator[tuple[Ledgers, GrpcHistories]]:
    servicer, server = Ledgers(), grpc.aio.server()
    add_AccountsServiceServicer_to_server(servicer, server)
    add_HistoryServiceServicer_to_server(servicer, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    tokens = service_tokens("training")
    found = GrpcHistories(address, tokens)
    context.bind_background(UUID(int=0), tokens)
    try:
        yield servicer, found
    finally:
        await found.close()
        await server.stop(None)


def a_batch(*rows: tuple[Any, ...]) -> bytes:
    columns = [dict(zip(DAILY_SUMS.names, row, strict=True)) for row in rows]
    return write_record_batch(pa.RecordBatch.from_pylist(columns, schema=DAILY_SUMS))


async def test_who_has_a_long_ledger_is_asked_in_nobodys_name_and_sums_as_each_user(histories: tuple[Ledgers, GrpcHistories]) -> None:
    servicer, source = histories
    users = [one async for one in source.users(least_days=240)]
    assert users == [UUID(int=number) for number in (1, 2, 3)]
    first, last = date(2026, 1, 31), date(2026, 2, 1)
    servicer.batches = [
        a_batch((first, "a", "groceries_supermarket", "groceries", "EUR", Decimal(0), Decimal("12.34"), 2)),
        a_batch((last, "b", "", "", "GBP", Decimal("0.01"), Decimal(0), 1)),
    ]
    sums = await source.daily_sums(users[1], date_from=first, date_to=last)
    assert (sums.days.tolist(), sums.accounts.tolist(), sums.categories.tolist()) == ([20484, 20485], ["a", "b"], ["groceries", ""])
    assert (sums.received.tolist(), sums.spent.tolist(), sums.counts.tolist()) == ([0, 0.01], [12.34, 0], [2, 1])
    assert (sums.currencies.tolist(), sums.country) == (["EUR", "GBP"], "AT")
    nobody, user = str(UUID(int=0)), str(users[1])
    assert servicer.asked == [("ListLongHistories", nobody)] * 3 + [("GetProfile", user), ("StreamDailySums", user)]
    # Whoever asked is still nobody.
    assert context.identity().user_id == UUID(int=0)


async def test_a_ledger_that_is_empty_or_erased_has_no_sums_and_others_failures_are_told(histories: tuple[Ledgers, GrpcHistories]) -> None:
    servicer, source = histories
    days = {"date_from": date(2026, 1, 31), "date_to": date(2026, 2, 1)}
    servicer.batches = [a_batch()]
    assert not len((await source.daily_sums(UUID(int=1), **days)).days)
    servicer.batches = [b"no columns"]
    with pytest.raises(Aborted):
        await source.daily_sums(UUID(int=1), **days)
    servicer.reason = "USER_ERASED"
    assert not len((await source.daily_sums(UUID(int=1), **days)).days)
    servicer.reason = "TOKEN_EXPIRED"
    with pytest.raises(Unauthenticated):
        await source.daily_sums(UUID(int=1), **days)
