"""The services behind the gateway, with canned answers, on real channels: tokens are verified and errors converted as in the real ones.

`python -m tests.support.upstream_fakes PORT SECRET` runs fake accounts with a page of fifty, for measurements.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
from google.protobuf.message_factory import GetMessageClass
from pydantic import SecretStr

from scale.accounts.v1 import accounts_service_pb2 as accounts_pb
from scale.accounts.v1 import (
    analytics_service_pb2,
    budgets_service_pb2,
    edits_service_pb2,
    rules_service_pb2,
    saved_filters_service_pb2,
)
from scale.accounts.v1 import transaction_pb2 as nouns
from scale.accounts.v1 import user_data_service_pb2 as accounts_user_data_pb
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceServicer, add_AccountsServiceServicer_to_server
from scale.anomaly.v1 import anomaly_service_pb2
from scale.categorization.v1 import categorization_service_pb2
from scale.categorization.v1 import user_data_service_pb2 as categorization_user_data_pb
from scale.federation.v1 import devices_service_pb2, federated_model_service_pb2, rounds_service_pb2
from scale.federation.v1 import user_data_service_pb2 as federation_user_data_pb
from scale.forecasting.v1 import forecasting_service_pb2
from scale.forecasting.v1 import user_data_service_pb2 as forecasting_user_data_pb
from scale.ingestion.v1 import ingestion_service_pb2 as ingestion_pb
from scale.ingestion.v1 import user_data_service_pb2 as ingestion_user_data_pb
from scale.ingestion.v1.ingestion_service_pb2_grpc import IngestionServiceServicer, add_IngestionServiceServicer_to_server
from scale.training.v1 import model_registry_service_pb2, notifications_service_pb2, training_service_pb2
from scale.training.v1 import user_data_service_pb2 as training_user_data_pb
from services.kit import context
from services.kit.errors import ScaleError
from services.kit.server import Server
from services.kit.settings import ProcessSettings, service_config

SUBJECTS = {
    name: service
    for module in (
        analytics_service_pb2,
        budgets_service_pb2,
        edits_service_pb2,
        rules_service_pb2,
        saved_filters_service_pb2,
        categorization_service_pb2,
        forecasting_service_pb2,
        anomaly_service_pb2,
        training_service_pb2,
        notifications_service_pb2,
        model_registry_service_pb2,
        rounds_service_pb2,
        federated_model_service_pb2,
        devices_service_pb2,
    )
    for name, service in module.DESCRIPTOR.services_by_name.items()
} | {
    "AccountsUserDataService": accounts_user_data_pb.DESCRIPTOR.services_by_name["UserDataService"],
    "IngestionUserDataService": ingestion_user_data_pb.DESCRIPTOR.services_by_name["UserDataService"],
    "CategorizationUserDataService": categorization_user_data_pb.DESCRIPTOR.services_by_name["UserDataService"],
    "ForecastingUserDataService": forecasting_user_data_pb.DESCRIPTOR.services_by_name["UserDataService"],
    "TrainingUserDataService": training_user_data_pb.DESCRIPTOR.services_by_name["UserDataService"],
    "FederationUserDataService": federation_user_data_pb.DESCRIPTOR.services_by_name["UserDataService"],
}
"""Services whose methods take one message, by short name: the other ones of the accounts process, those of categorization,
forecasting, training and federation, and those that every process has, by process."""
OPEN_METHODS = frozenset(
    {"/scale.training.v1.ModelRegistryService/ReadArtifact", "/scale.federation.v1.FederatedModelService/ReadModelPart"}
)
SECRET = "a-secret-of-at-least-thirty-two-characters"
FIGURES = {"pool_size": 5, "checked_in": 4, "checked_out": 1, "overflow": 0, "pool_class": "Pool"}


def transaction(number: int = 1) -> nouns.Transaction:
    """A transaction; `number` makes it another one."""
    message = nouns.Transaction(
        transaction_id=f"019b76da-a800-7000-8000-{number:012d}",
        account_id="019b76da-a800-7000-8000-00000000000a",
        type=nouns.TRANSACTION_TYPE_DEBIT,
        description=f"CARD PAYMENT {number} REWE BERLIN",
        merchant="REWE",
        category="groceries_supermarket",
        primary_category="groceries",
        category_source=nouns.CATEGORY_SOURCE_FILE,
        status=nouns.TRANSACTION_STATUS_POSTED,
    )
    message.amount.currency_code, message.amount.units, message.amount.nanos = "EUR", -12, -340_000_000
    message.transaction_date.year, message.transaction_date.month, message.transaction_date.day = 2026, 1, 1 + number % 28
    message.create_time.seconds, message.create_time.nanos = 1_770_000_000, 123_456_000
    return message


def transfer(**changes: Any) -> nouns.Transfer:
    """A suggested transfer."""
    message = nouns.Transfer(
        transfer_id="019b76da-a800-7000-8000-0000000000f0",
        state=nouns.TRANSFER_STATE_SUGGESTED,
        outgoing=transaction(1),
        incoming=transaction(2),
        reason="12.34 EUR left Giro",
    )
    message.create_time.seconds = 1_770_000_000
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def account() -> nouns.Account:
    """An account."""
    message = nouns.Account(
        account_id="019b76da-a800-7000-8000-00000000000a",
        name="Current account",
        type=nouns.ACCOUNT_TYPE_CREDIT_CARD,
        currency="EUR",
        identifier="DE02120300000000202051",
        active=True,
    )
    message.opening_balance.currency_code, message.opening_balance.units = "EUR", 100
    message.create_time.seconds = 1_770_000_000
    return message


def statement_import(**changes: Any) -> ingestion_pb.Import:
    """A finished import."""
    message = ingestion_pb.Import(
        import_id="019b76da-a800-7000-8000-0000000000c0",
        account_id="019b76da-a800-7000-8000-00000000000a",
        state=ingestion_pb.IMPORT_STATE_SUCCEEDED,
        file_name="january.csv",
        file_format="csv",
        file_hash="9f" * 32,
        row_count=4,
        inserted_count=2,
        duplicate_count=1,
        rejected_count=1,
    )
    message.detected.update({"encoding": "utf-8", "header_line": 1, "columns": {"date": 1}, "notes": ["guessed"]})
    message.create_time.seconds = message.complete_time.seconds = 1_770_000_000
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def running_import(*, rows: int, fraction: float | None = None, **changes: Any) -> ingestion_pb.Import:
    """One that a worker is reading."""
    message = statement_import(state=ingestion_pb.IMPORT_STATE_RUNNING, row_count=0, inserted_count=0, **changes)
    message.ClearField("complete_time")
    message.progress.stage, message.progress.row_count = ingestion_pb.IMPORT_STAGE_READING, rows
    if fraction is not None:
        message.progress.fraction = fraction
    return message


class _Settings(ProcessSettings):
    model_config = service_config("fake")


class _Fake:
    """What both fakes can be told to do, and what they saw."""

    def __init__(self) -> None:
        self.error: ScaleError | BaseException | None = None
        self.delay_s = 0.0
        self.requests: list[Any] = []
        self.callers: list[UUID] = []
        self.request_ids: list[str] = []
        self.deadlines: list[float] = []
        self.cancelled = asyncio.Event()

    async def _enter(self, request: Any, call: grpc.aio.ServicerContext) -> None:
        self.requests.append(request)
        caller = context.identity_or_none()
        if caller is not None:
            self.callers.append(caller.user_id)
        self.request_ids.append(context.request_id())
        self.deadlines.append(call.time_remaining() or float("inf"))
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.error is not None:
            raise self.error


class FakeAccounts(_Fake, AccountsServiceServicer):
    """`scale.accounts.v1.AccountsService`."""

    full_name = "scale.accounts.v1.AccountsService"

    def register(self, server: grpc.aio.Server) -> None:
        """Adds its methods."""
        add_AccountsServiceServicer_to_server(self, server)

    def __init__(self, rows: int = 3) -> None:
        super().__init__()
        self.page = accounts_pb.ListTransactionsResponse(transactions=map(transaction, range(1, rows + 1)), next_page_token="next-page")
        self.profile = nouns.Profile(
            user_id="00000000-0000-7000-8000-000000000001",
            default_currency="EUR",
            locale="en-GB",
            time_zone="Europe/Berlin",
            transfer_suggestions=True,
        )

    async def ListTransactions(self, request: Any, call: Any) -> Any:
        """The page."""
        await self._enter(request, call)
        return self.page

    async def GetTransaction(self, request: Any, call: Any) -> Any:
        """One."""
        await self._enter(request, call)
        return accounts_pb.GetTransactionResponse(transaction=transaction())

    async def UpdateTransaction(self, request: Any, call: Any) -> Any:
        """With the note asked for."""
        await self._enter(request, call)
        changed = transaction()
        changed.note, changed.category_source = request.note, nouns.CATEGORY_SOURCE_USER
        return accounts_pb.UpdateTransactionResponse(transaction=changed)

    async def ListTransfers(self, request: Any, call: Any) -> Any:
        """One."""
        await self._enter(request, call)
        return accounts_pb.ListTransfersResponse(transfers=[transfer()], next_page_token="next-page")

    async def GetTransfer(self, request: Any, call: Any) -> Any:
        """One."""
        await self._enter(request, call)
        return accounts_pb.GetTransferResponse(transfer=transfer())

    async def ConfirmTransfer(self, request: Any, call: Any) -> Any:
        """Confirmed."""
        await self._enter(request, call)
        confirmed = transfer(state=nouns.TRANSFER_STATE_CONFIRMED)
        confirmed.decide_time.seconds = 1_770_000_001
        return accounts_pb.ConfirmTransferResponse(transfer=confirmed)

    async def UndoTransfer(self, request: Any, call: Any) -> Any:
        """Undone."""
        await self._enter(request, call)
        return accounts_pb.UndoTransferResponse(transfer=transfer(state=nouns.TRANSFER_STATE_UNDONE))

    async def ListAccounts(self, request: Any, call: Any) -> Any:
        """One."""
        await self._enter(request, call)
        return accounts_pb.ListAccountsResponse(accounts=[account()])

    async def ListBalances(self, request: Any, call: Any) -> Any:
        """Two: one with transactions, one without."""
        await self._enter(request, call)
        held = nouns.Balance(account_id=account().account_id, account_name="Current account", transaction_count=42)
        held.balance.currency_code, held.balance.units, held.balance.nanos = "EUR", -1, -500_000_000
        empty = nouns.Balance()
        empty.CopyFrom(held)
        empty.balance.currency_code, empty.balance.units, empty.balance.nanos, empty.transaction_count = "JPY", 0, 0, 0
        held.last_date.year, held.last_date.month, held.last_date.day = 2026, 1, 31
        return accounts_pb.ListBalancesResponse(balances=[held, empty], next_page_token="more")

    async def CreateAccount(self, request: Any, call: Any) -> Any:
        """The usual one."""
        await self._enter(request, call)
        return accounts_pb.CreateAccountResponse(account=account())

    async def GetAccount(self, request: Any, call: Any) -> Any:
        """The usual one."""
        await self._enter(request, call)
        return accounts_pb.GetAccountResponse(account=account())

    async def UpdateAccount(self, request: Any, call: Any) -> Any:
        """The usual one."""
        await self._enter(request, call)
        return accounts_pb.UpdateAccountResponse(account=account())

    async def GetProfile(self, request: Any, call: Any) -> Any:
        """The profile."""
        await self._enter(request, call)
        return accounts_pb.GetProfileResponse(profile=self.profile)

    async def UpdateProfile(self, request: Any, call: Any) -> Any:
        """The profile."""
        await self._enter(request, call)
        return accounts_pb.UpdateProfileResponse(profile=self.profile)

    async def ListCategories(self, request: Any, call: Any) -> Any:
        """One."""
        await self._enter(request, call)
        category = nouns.Category(slug="groceries", name="Groceries", primary_slug="groceries")
        return accounts_pb.ListCategoriesResponse(categories=[category])

    async def CreateCategory(self, request: Any, call: Any) -> Any:
        """The one asked for."""
        await self._enter(request, call)
        category = nouns.Category(slug="climbing", name=request.name, primary_slug=request.primary_slug, custom=True)
        return accounts_pb.CreateCategoryResponse(category=category)


def _handler_of(method: Any) -> Any:
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler
    return grpc.stream_unary_rpc_method_handler if method.client_streaming else grpc.unary_unary_rpc_method_handler


class FakeSubject(_Fake):
    """Any service: a method answers with what `answers` holds for it, else with an empty message. A stream in is one request, the list
    of its messages; one that streams out
    answers with what `steps` holds for it: an error among them is raised, a number is a pause in seconds."""

    def __init__(self, service: Any) -> None:
        super().__init__()
        self._service = service
        self.full_name = service.full_name
        self.process = process_of(self)
        self.answers: dict[str, Any] = {}
        self.steps: dict[str, list[Any]] = {}

    def register(self, server: grpc.aio.Server) -> None:
        """Adds its methods."""
        handlers = {
            method.name: _handler_of(method)(
                partial(self._stream if method.server_streaming else self._answer_all if method.client_streaming else self._answer, method),
                request_deserializer=GetMessageClass(method.input_type).FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for method in self._service.methods
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self._service.full_name, handlers),))

    async def _answer_all(self, method: Any, requests: AsyncIterator[Any], call: Any) -> Any:
        return await self._answer(method, [request async for request in requests], call)

    async def _answer(self, method: Any, request: Any, call: Any) -> Any:
        await self._enter(request, call)
        return self.answers.get(method.name) or GetMessageClass(method.output_type)()

    async def _stream(self, method: Any, request: Any, call: Any) -> AsyncIterator[Any]:
        await self._enter(request, call)
        try:
            for step in self.steps.get(method.name, ()):
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, ScaleError):
                    raise step
                else:
                    yield step
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


class FakeIngestion(_Fake, IngestionServiceServicer):
    """`scale.ingestion.v1.IngestionService`. Keeps the bytes of the last upload."""

    full_name = "scale.ingestion.v1.IngestionService"

    def register(self, server: grpc.aio.Server) -> None:
        """Adds its methods."""
        add_IngestionServiceServicer_to_server(self, server)

    def __init__(self) -> None:
        super().__init__()
        self.metadata: Any = None
        self.chunk_sizes: list[int] = []
        self.content = b""
        self.answer = ingestion_pb.ImportStatementResponse(statement_import=statement_import())
        self.found = statement_import()
        self.created = ingestion_pb.CreateTransactionResponse(transaction_id="019b76da-a800-7000-8000-000000000001")
        self.repeated = False
        self.steps: list[ingestion_pb.WatchImportResponse | ScaleError | float] = []

    async def BeginRestore(self, request: Any, call: Any) -> Any:
        """The usual import."""
        await self._enter(request, call)
        return ingestion_pb.BeginRestoreResponse(statement_import=self.found, repeated_request=self.repeated)

    async def FinishRestore(self, request: Any, call: Any) -> Any:
        """The same."""
        await self._enter(request, call)
        return ingestion_pb.FinishRestoreResponse(statement_import=self.found)

    async def ImportStatement(self, request: AsyncIterator[Any], call: Any) -> Any:
        """Takes the file."""
        self.chunk_sizes, parts = [], []
        async for part in request:
            if part.WhichOneof("payload") == "metadata":
                self.metadata = part.metadata
            else:
                self.chunk_sizes.append(len(part.chunk))
                parts.append(part.chunk)
        self.content = b"".join(parts)
        await self._enter(self.metadata, call)
        return self.answer

    async def CreateTransaction(self, request: Any, call: Any) -> Any:
        """Added."""
        await self._enter(request, call)
        return self.created

    async def GetImport(self, request: Any, call: Any) -> Any:
        """One."""
        await self._enter(request, call)
        return ingestion_pb.GetImportResponse(statement_import=self.found)

    async def WatchImport(self, request: Any, call: Any) -> AsyncIterator[Any]:
        """The steps after the one that the caller has seen, and always the last; a number among them is a pause in seconds."""
        self.requests.append(request)
        self.callers.append(context.identity().user_id)
        seen = request.after_event_id
        try:
            for step in self.steps:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, ScaleError):
                    raise step
                elif not seen or step.event_id > seen or step is self.steps[-1]:
                    yield step
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def ListImports(self, request: Any, call: Any) -> Any:
        """One."""
        await self._enter(request, call)
        return ingestion_pb.ListImportsResponse(imports=[statement_import()])

    async def ListImportRows(self, request: Any, call: Any) -> Any:
        """Two."""
        await self._enter(request, call)
        rows = [
            ingestion_pb.ImportRow(line=3, outcome=ingestion_pb.ROW_OUTCOME_REJECTED, reason="amount: 'x' is not a number"),
            ingestion_pb.ImportRow(
                line=4, outcome=ingestion_pb.ROW_OUTCOME_DUPLICATE, transaction_id="019b76da-a800-7000-8000-000000000001"
            ),
        ]
        return ingestion_pb.ListImportRowsResponse(rows=rows)

    async def ListCsvProfiles(self, request: Any, call: Any) -> Any:
        """Two: one with everything, one of columns alone."""
        await self._enter(request, call)
        full = ingestion_pb.CsvProfile(
            header_hash="9f" * 32,
            header=["When", "Net"],
            columns={"amount": "Net"},
            date_format="dmy",
            import_id="019b76da-a800-7000-8000-0000000000c0",
        )
        full.update_time.seconds = 1_770_000_000
        short = ingestion_pb.CsvProfile()
        short.CopyFrom(full)
        short.header_hash, short.date_format = "a0" * 32, ""
        return ingestion_pb.ListCsvProfilesResponse(profiles=[full, short], next_page_token="more")

    async def DeleteCsvProfile(self, request: Any, call: Any) -> Any:
        """Done."""
        await self._enter(request, call)
        return ingestion_pb.DeleteCsvProfileResponse()


def process_of(fake: Any) -> str:
    """The process that a fake's service belongs to, such as accounts."""
    domain = str(fake.full_name.split(".")[1])
    return {"anomaly": "forecasting"}.get(domain, domain)


def fake_server(
    fake: FakeAccounts | FakeIngestion | FakeSubject,
    port: int,
    *,
    subjects: Iterable[FakeSubject] = (),
    secret: str = SECRET,
    well: Any = None,
    figures: Mapping[str, Any] = FIGURES,
) -> Server:
    """A server for one of them, and for `subjects` beside it; `well()` says whether its health is good."""

    async def check() -> bool:
        return well() if well else True

    settings = _Settings(
        port=port, environment="development", auth_secret=SecretStr(secret), auth_issuer=None, drain_s=0, grace_s=0, host="127.0.0.1"
    )

    def register(server: grpc.aio.Server) -> None:
        for one in (fake, *subjects):
            one.register(server)

    return Server(
        settings,
        name=process_of(fake),
        services=[fake.full_name],
        register=register,
        open_methods=OPEN_METHODS,
        check=check,
        figures=lambda: figures,
    )


async def _main(port: int, secret: str) -> None:
    server = fake_server(FakeAccounts(rows=50), port, secret=secret)
    await server.run_until_signal()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2]))
