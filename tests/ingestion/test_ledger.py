"""The ledger's client, through a real channel to a service that answers what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import grpc.aio
import pytest
import uuid_utils.compat
from google.type import date_pb2, money_pb2

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceServicer, add_AccountsServiceServicer_to_server
from scale.accounts.v1.transaction_pb2 import Account, Profile
from services.ingestion.domain import AccountRef, ImportLine, SuspectedLine
from services.ingestion.fingerprint import generate_fingerprint
from services.ingestion.ledger import GrpcLedger
from services.kit import context
from services.kit.auth import Identity, mint_token
from services.kit.errors import NotFound, ScaleError, Unavailable
from services.kit.server import Server
from services.kit.settings import ProcessSettings
from tests.ingestion.conftest import SECRET, process_settings, serving
from tests.support.ports import free_port

ACCOUNT = UUID(int=5)
THERE_BEFORE = UUID(int=9)


class Accounts(AccountsServiceServicer):
    """Takes what comes; answers `responses` to an append."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.callers: list[UUID] = []
        self.complete = False
        self.ended = asyncio.Event()
        self.responses: list[pb.AppendTransactionsResponse] = []
        self.asks: list[pb.RenumberedRow] = []

    async def AppendTransactions(self, request_iterator: Any, _: Any) -> AsyncIterator[pb.AppendTransactionsResponse]:
        self.callers.append(context.identity().user_id)
        try:
            async for request in request_iterator:
                self.requests.append(request)
                if request.HasField("end"):
                    break
            if self.asks:
                yield pb.AppendTransactionsResponse(renumbered_rows=self.asks)
                self.requests.append(await anext(request_iterator))
        finally:
            self.ended.set()
        self.complete = any(request.HasField("end") for request in self.requests)
        for response in self.responses:
            yield response

    async def GetAccount(self, request: Any, _: Any) -> pb.GetAccountResponse:
        if request.account_id != str(ACCOUNT):
            raise NotFound("no such account")
        return pb.GetAccountResponse(account=Account(account_id=request.account_id, currency="CHF"))

    async def EnsureAccount(self, request: Any, _: Any) -> pb.EnsureAccountResponse:
        self.requests.append(request)
        return pb.EnsureAccountResponse(account=Account(account_id=str(ACCOUNT), currency="EUR"))

    async def GetProfile(self, _: Any, __: Any) -> pb.GetProfileResponse:
        return pb.GetProfileResponse(profile=Profile(default_currency="SEK"))

    async def ListImportLines(self, request: Any, _: Any) -> pb.ListImportLinesResponse:
        lines = range(request.after_line + 1, request.after_line + 1 + request.page_size)
        return pb.ListImportLinesResponse(lines=lines, transaction_ids=[str(UUID(int=line)) for line in lines])


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
async def ledger(accounts: Accounts, user_id: UUID) -> AsyncIterator[GrpcLedger]:
    server = Server(
        ProcessSettings(**process_settings()),
        name="accounts",
        services=["scale.accounts.v1.AccountsService"],
        register=lambda server: add_AccountsServiceServicer_to_server(accounts, server),
    )
    context.bind_identity(Identity(user_id, "user", mint_token(SECRET, user_id=user_id), 0))
    context.bind_request_id(str(uuid_utils.compat.uuid7()))
    ledger = GrpcLedger(f"127.0.0.1:{server.port}", append_timeout_s=10)
    async with serving(server):
        yield ledger
        await ledger.close()


async def messages(*parts: tuple[int, bytes] | Exception) -> AsyncIterator[tuple[int, bytes]]:
    for part in parts:
        if isinstance(part, Exception):
            await asyncio.sleep(0.05)
            raise part
        yield part


async def append(ledger: GrpcLedger, *parts: tuple[int, bytes] | Exception) -> list[ImportLine]:
    return [line async for part in ledger.append_transactions(UUID(int=1), messages(*parts)) for line in part.duplicates]


async def test_append_transactions_ends_with_the_row_count(ledger: GrpcLedger, accounts: Accounts, user_id: UUID) -> None:
    accounts.responses = [
        pb.AppendTransactionsResponse(duplicate_lines=[2, 4], duplicate_transaction_ids=[str(THERE_BEFORE)] * 2),
        pb.AppendTransactionsResponse(duplicate_lines=[5], duplicate_transaction_ids=[str(THERE_BEFORE)], inserted_count=4),
    ]
    assert await append(ledger, (3, b"one"), (4, b"two")) == [ImportLine(line, THERE_BEFORE) for line in (2, 4, 5)]
    first, *batches, last = accounts.requests
    assert first.metadata.import_id == str(UUID(int=1))
    assert [request.record_batch for request in batches] == [b"one", b"two"]
    assert last.end.row_count == 7
    assert accounts.callers == [user_id]


async def test_fingerprints_are_made_for_rows_that_the_ledger_renumbers(ledger: GrpcLedger, accounts: Accounts) -> None:
    amount = money_pb2.Money(currency_code="EUR", units=-4, nanos=-500_000_000)
    day = date_pb2.Date(year=2026, month=3, day=4)
    accounts.asks = [
        pb.RenumberedRow(line=2, account_id=str(ACCOUNT), transaction_date=day, amount=amount, description="Coffee", occurrence=3)
    ]
    accounts.responses = [
        pb.AppendTransactionsResponse(
            suspected_duplicates=[
                pb.SuspectedDuplicate(line=3, transaction_id=str(UUID(int=8)), duplicate_of=str(THERE_BEFORE), reason="the text differs")
            ]
        ),
        pb.AppendTransactionsResponse(inserted_count=3),
    ]
    parts = [part async for part in ledger.append_transactions(UUID(int=1), messages((3, b"one")))]
    wanted = generate_fingerprint(
        account_id=str(ACCOUNT),
        transaction_date=date(2026, 3, 4),
        amount=Decimal("-4.5"),
        currency="EUR",
        description="Coffee",
        occurrence=3,
    )
    assert list(accounts.requests[-1].fingerprints.fingerprints) == [wanted]
    assert [line for part in parts for line in part.suspected] == [SuspectedLine(3, UUID(int=8), THERE_BEFORE, "the text differs")]


async def test_an_error_in_the_rows_reaches_the_caller_and_never_looks_like_an_end(ledger: GrpcLedger, accounts: Accounts) -> None:
    with pytest.raises(ValueError, match="torn"):
        await append(ledger, (3, b"one"), ValueError("torn"))
    await asyncio.wait_for(accounts.ended.wait(), 5)
    assert not accounts.complete


@pytest.mark.parametrize("response", [pb.AppendTransactionsResponse(inserted_count=2), pb.AppendTransactionsResponse()])
async def test_an_answer_that_does_not_add_up_is_an_error(
    ledger: GrpcLedger, accounts: Accounts, response: pb.AppendTransactionsResponse
) -> None:
    accounts.responses = [response]
    with pytest.raises(ScaleError, match="for 3 rows"):
        await append(ledger, (3, b"one"))


async def test_a_ledger_that_is_not_there_is_unavailable() -> None:
    context.bind_identity(None)
    ledger = GrpcLedger(f"127.0.0.1:{free_port()}", append_timeout_s=10)
    with pytest.raises(Unavailable):
        await append(ledger, (3, b"one"))
    with pytest.raises(Unavailable) as caught:
        await ledger.default_currency()
    assert caught.value.retry_after_s
    await ledger.close()


async def test_a_caller_who_goes_away_cancels_the_append(ledger: GrpcLedger, accounts: Accounts) -> None:
    async def endless() -> AsyncIterator[tuple[int, bytes]]:
        while True:
            yield 1, b"x"
            await asyncio.sleep(0.01)

    async def take_all() -> None:
        async for _ in ledger.append_transactions(UUID(int=1), endless()):
            pass

    task = asyncio.create_task(take_all())
    while len(accounts.requests) < 3:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(accounts.ended.wait(), 5)
    assert not accounts.complete


async def test_accounts_and_settings(ledger: GrpcLedger, accounts: Accounts) -> None:
    assert await ledger.get_account(ACCOUNT) == AccountRef(ACCOUNT, "CHF")
    with pytest.raises(NotFound):
        await ledger.get_account(UUID(int=6))
    assert await ledger.ensure_account(identifier="DE89", name="Account …DE89", currency="EUR") == AccountRef(ACCOUNT, "EUR")
    assert accounts.requests == [pb.EnsureAccountRequest(identifier="DE89", name="Account …DE89", currency="EUR")]
    assert await ledger.default_currency() == "SEK"
    assert await ledger.list_import_lines(UUID(int=1), after_line=4, limit=2) == [ImportLine(5, UUID(int=5)), ImportLine(6, UUID(int=6))]


def test_the_channel_is_closed(accounts: Accounts) -> None:
    async def close() -> grpc.ChannelConnectivity:
        ledger = GrpcLedger("127.0.0.1:1", append_timeout_s=1)
        await ledger.close()
        return ledger._client.channel.raw.get_state()

    assert asyncio.run(close()) is grpc.ChannelConnectivity.SHUTDOWN
