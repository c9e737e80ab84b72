"""The ledger over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from datetime import date
from uuid import UUID

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from scale.accounts.v1.transaction_pb2 import Account
from services.ingestion.domain import AccountRef, Appended, ImportLine, KeptRow, SuspectedLine, UndoOutcome
from services.ingestion.fingerprint import generate_fingerprint
from services.kit.client import ServiceClient
from services.kit.errors import ScaleError
from services.kit.money import from_money

_SERVICE = "scale.accounts.v1.AccountsService"
_IDEMPOTENT = ("GetAccount", "EnsureAccount", "GetProfile", "ListImportLines", "UndoImport")


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

    async def append_transactions(self, import_id: UUID, batches: AsyncIterator[tuple[int, bytes]]) -> AsyncGenerator[Appended, None]:
        """See `Ledger`."""
        metadata = pb.AppendTransactionsMetadata(import_id=str(import_id))
        async with aclosing(self._append(metadata, batches)) as parts:
            async for part in parts:
                yield part

    async def append_typed_transaction(
        self, transaction_id: UUID, row: bytes, *, category: str | None, note: str, allow_equal: bool
    ) -> UUID | None:
        """See `TypedLedger`."""
        typed = pb.TypedTransaction(transaction_id=str(transaction_id), category=category or "", note=note, allow_equal=allow_equal)

        async def batches() -> AsyncIterator[tuple[int, bytes]]:
            yield 1, row

        held: UUID | None = None
        async with aclosing(self._append(pb.AppendTransactionsMetadata(typed=typed), batches())) as parts:
            async for part in parts:
                held = part.duplicates[0].transaction_id if part.duplicates else held
        return held

    async def _append(
        self, metadata: pb.AppendTransactionsMetadata, batches: AsyncIterator[tuple[int, bytes]]
    ) -> AsyncGenerator[Appended, None]:
        source = _Requests(metadata, batches)
        duplicates = 0
        inserted: int | None = None
        call = self._client.stream_stream("AppendTransactions", source.requests(), timeout_s=self._append_timeout_s)
        try:
            async with aclosing(call) as responses:
                async for response in responses:
                    if response.renumbered_rows:
                        source.answer(response.renumbered_rows)
                        continue
                    if response.HasField("inserted_count"):
                        inserted = response.inserted_count
                        source.close()
                    duplicates += len(response.duplicate_lines)
                    yield _appended(response)
        except (asyncio.CancelledError, ScaleError):
            # An error in `batches` cancels the call; the caller wants the error itself.
            if source.failure is not None:
                raise source.failure from None
            raise
        if inserted is None or inserted + duplicates != source.row_count:
            raise ScaleError(f"the ledger answered {inserted} inserted and {duplicates} duplicates for {source.row_count} rows")

    async def undo_import(self, import_id: UUID) -> UndoOutcome:
        """See `Ledger`."""
        request = pb.UndoImportRequest(import_id=str(import_id))
        response = await self._client.unary("UndoImport", request, timeout_s=self._append_timeout_s)
        kept = [KeptRow(UUID(one.transaction_id), one.reason) for one in response.kept_transactions]
        return UndoOutcome(response.removed_count, response.kept_count, kept)

    async def list_import_lines(self, import_id: UUID, *, after_line: int, limit: int) -> list[ImportLine]:
        """See `Ledger`."""
        request = pb.ListImportLinesRequest(import_id=str(import_id), after_line=after_line, page_size=limit)
        response = await self._client.unary("ListImportLines", request)
        return [ImportLine(line, UUID(found)) for line, found in zip(response.lines, response.transaction_ids, strict=True)]


class _Requests:
    """The requests of one append. `failure` is what broke their source; then the stream ends without `end`, and adds nothing."""

    def __init__(self, metadata: pb.AppendTransactionsMetadata, batches: AsyncIterator[tuple[int, bytes]]) -> None:
        self._metadata = metadata
        self._batches = batches
        self._answers: asyncio.Queue[pb.AppendTransactionsRequest | None] = asyncio.Queue()
        self.row_count = 0
        self.failure: Exception | None = None

    def answer(self, rows: Iterable[pb.RenumberedRow]) -> None:
        """Gives the ledger the fingerprints of rows whose place among their equals is another there."""
        made = pb.AppendTransactionsFingerprints(fingerprints=map(_fingerprint, rows))
        self._answers.put_nowait(pb.AppendTransactionsRequest(fingerprints=made))

    def close(self) -> None:
        """The ledger has asked its last question."""
        self._answers.put_nowait(None)

    async def requests(self) -> AsyncGenerator[pb.AppendTransactionsRequest, None]:
        yield pb.AppendTransactionsRequest(metadata=self._metadata)
        try:
            async for row_count, record_batch in self._batches:
                self.row_count += row_count
                yield pb.AppendTransactionsRequest(record_batch=record_batch)
        except Exception as error:
            self.failure = error
            raise
        yield pb.AppendTransactionsRequest(end=pb.AppendTransactionsEnd(row_count=self.row_count))
        while (answer := await self._answers.get()) is not None:
            yield answer


def _fingerprint(row: pb.RenumberedRow) -> str:
    amount, currency = from_money(row.amount)
    day = row.transaction_date
    return generate_fingerprint(
        account_id=row.account_id,
        transaction_date=date(day.year, day.month, day.day),
        amount=amount,
        currency=currency,
        description=row.description,
        occurrence=row.occurrence,
    )


def _appended(response: pb.AppendTransactionsResponse) -> Appended:
    pairs = zip(response.duplicate_lines, response.duplicate_transaction_ids, strict=True)
    suspected = response.suspected_duplicates
    return Appended(
        [ImportLine(line, UUID(transaction_id)) for line, transaction_id in pairs],
        [SuspectedLine(one.line, UUID(one.transaction_id), UUID(one.duplicate_of), one.reason) for one in suspected],
    )


def _ref(account: Account) -> AccountRef:
    return AccountRef(UUID(account.account_id), account.currency)
