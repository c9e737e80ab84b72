"""The ledger over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from scale.accounts.v1.transaction_pb2 import Account
from services.ingestion.domain import AccountRef, ImportLine
from services.kit.client import ServiceClient
from services.kit.errors import ScaleError

_SERVICE = "scale.accounts.v1.AccountsService"
_IDEMPOTENT = ("GetAccount", "EnsureAccount", "GetProfile", "ListImportLines")


class GrpcLedger:
    """`Ledger` on the accounts service. The caller's token and request id go with every call."""

    def __init__(self, address: str, *, append_timeout_s: float) -> None:
        self._client = ServiceClient(AccountsServiceStub, address, service=_SERVICE, idempotent=_IDEMPOTENT)
        self._append_timeout_s = append_timeout_s

    async def close(self) -> None:
        """Closes the channel."""
        await self._client.close()

    async def get_account(self, account_id: UUID) -> AccountRef:
        """See `Ledger`."""
        response = await self._client.unary("GetAccount", pb.GetAccountRequest(account_id=str(account_id)))
        return _ref(response.account)

    async def ensure_account(self, *, identifier: str, name: str, currency: str) -> AccountRef:
        """See `Ledger`."""
        request = pb.EnsureAccountRequest(identifier=identifier, name=name, currency=currency)
        return _ref((await self._client.unary("EnsureAccount", request)).account)

    async def default_currency(self) -> str:
        """See `Ledger`."""
        response = await self._client.unary("GetProfile", pb.GetProfileRequest())
        return str(response.profile.default_currency)

    async def append_transactions(self, import_id: UUID, batches: AsyncIterator[tuple[int, bytes]]) -> AsyncIterator[list[ImportLine]]:
        """See `Ledger`."""
        source = _Requests(import_id, batches)
        duplicates = 0
        inserted: int | None = None
        try:
            async for response in self._client.stream_stream("AppendTransactions", source.requests(), timeout_s=self._append_timeout_s):
                if response.HasField("inserted_count"):
                    inserted = response.inserted_count
                if response.duplicate_lines:
                    duplicates += len(response.duplicate_lines)
                    pairs = zip(response.duplicate_lines, response.duplicate_transaction_ids, strict=True)
                    yield [ImportLine(line, UUID(transaction_id)) for line, transaction_id in pairs]
        except (asyncio.CancelledError, ScaleError):
            # An error in `batches` cancels the call; the caller wants the error itself.
            if source.failure is not None:
                raise source.failure from None
            raise
        if inserted is None or inserted + duplicates != source.row_count:
            raise ScaleError(f"the ledger answered {inserted} inserted and {duplicates} duplicates for {source.row_count} rows")

    async def list_import_lines(self, import_id: UUID, *, after_line: int, limit: int) -> list[ImportLine]:
        """See `Ledger`."""
        request = pb.ListImportLinesRequest(import_id=str(import_id), after_line=after_line, page_size=limit)
        response = await self._client.unary("ListImportLines", request)
        return [ImportLine(line, UUID(found)) for line, found in zip(response.lines, response.transaction_ids, strict=True)]


class _Requests:
    """The requests of one append. `failure` is what broke their source; then the stream ends without `end`, and adds nothing."""

    def __init__(self, import_id: UUID, batches: AsyncIterator[tuple[int, bytes]]) -> None:
        self._import_id = import_id
        self._batches = batches
        self.row_count = 0
        self.failure: Exception | None = None

    async def requests(self) -> AsyncIterator[pb.AppendTransactionsRequest]:
        yield pb.AppendTransactionsRequest(metadata=pb.AppendTransactionsMetadata(import_id=str(self._import_id)))
        try:
            async for row_count, record_batch in self._batches:
                self.row_count += row_count
                yield pb.AppendTransactionsRequest(record_batch=record_batch)
        except Exception as error:
            self.failure = error
            raise
        yield pb.AppendTransactionsRequest(end=pb.AppendTransactionsEnd(row_count=self.row_count))


def _ref(account: Account) -> AccountRef:
    return AccountRef(UUID(account.account_id), account.currency)
