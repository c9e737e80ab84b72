"""The ledger on the wire: checks the shape of requests, calls the service, puts answers into messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import TypeAlias
from uuid import UUID

import grpc.aio
import polars as pl

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceServicer
from services.accounts.balances.service import BalancesService
from services.accounts.balances.servicer import BalanceMethods
from services.accounts.batches import read_batch
from services.accounts.categorizing.service import CategorizingService
from services.accounts.categorizing.servicer import CategorizingMethods
from services.accounts.domain import (
    AccountChanges,
    AccountType,
    NewAccount,
    ProfileChanges,
    RowIdentity,
    TransactionChanges,
    TransactionFilters,
    TypedTransaction,
)
from services.accounts.fields import (
    currency_field,
    locale_field,
    masked_paths,
    text_field,
    time_zone_field,
    uuid_field,
)
from services.accounts.messages import (
    ACCOUNT_TYPES,
    TRANSACTION_STATUSES,
    TRANSACTION_TYPES,
    TRANSFER_STATES,
    add_transactions,
    from_enum,
    to_account,
    to_category,
    to_profile,
    to_renumbered_row,
    to_suspected_duplicate,
    to_transaction,
    to_transfer,
)
from services.accounts.service import AccountsService
from services.kit.context import identity
from services.kit.dates import from_date_proto
from services.kit.errors import Aborted, DeadlineExceeded, invalid
from services.kit.money import from_money, parse_amount

Context: TypeAlias = grpc.aio.ServicerContext
Requests: TypeAlias = AsyncIterator[pb.AppendTransactionsRequest]

# About 42 bytes each: an answer stays well under 1 MiB.
_DUPLICATES_PER_RESPONSE = 16_384
_SUSPECTED_PER_RESPONSE = 2_000
_KEPT_SHOWN = 1_000
_MAX_QUERY_WORDS = 10


class AccountsServicer(BalanceMethods, CategorizingMethods, AccountsServiceServicer):
    """`scale.accounts.v1.AccountsService`. Whose rows are meant is said by the verified token alone."""

    def __init__(
        self, service: AccountsService, balances: BalancesService, categorizing: CategorizingService, *, import_idle_timeout_s: float
    ) -> None:
        """`import_idle_timeout_s`: seconds to wait for the next batch of an import before it is given up."""
        self._service = service
        self._balances = balances
        self._categorizing = categorizing
        self._import_idle_timeout_s = import_idle_timeout_s

    # The bulk path

    async def AppendTransactions(self, request_iterator: Requests, context: Context) -> AsyncIterator[pb.AppendTransactionsResponse]:
        """All rows of one import, or none."""
        opening = await self._next(request_iterator)
        if opening is None or opening.WhichOneof("payload") != "metadata":
            raise invalid("metadata", "must be the first message")
        batches, fingerprints = self._batches(request_iterator), partial(self._fingerprints, request_iterator, context)
        if opening.metadata.HasField("typed"):
            outcome = await self._service.append_typed_transaction(_caller(), _typed(opening.metadata.typed), batches, fingerprints)
        else:
            import_id = uuid_field(opening.metadata.import_id, "metadata.import_id")
            outcome = await self._service.append_transactions(_caller(), import_id, batches, fingerprints)
        for first in range(0, len(outcome.suspected), _SUSPECTED_PER_RESPONSE):
            yield pb.AppendTransactionsResponse(
                suspected_duplicates=map(to_suspected_duplicate, outcome.suspected[first : first + _SUSPECTED_PER_RESPONSE])
            )
        duplicates = iter(outcome.duplicates)
        while part := list(islice(duplicates, _DUPLICATES_PER_RESPONSE)):
            yield pb.AppendTransactionsResponse(
                duplicate_lines=[line for line, _ in part],
                duplicate_transaction_ids=[str(transaction_id) for _, transaction_id in part],
            )
        yield pb.AppendTransactionsResponse(inserted_count=outcome.inserted_count)

    async def _batches(self, requests: Requests) -> AsyncIterator[pl.DataFrame]:
        row_count, last_line = 0, 0
        while True:
            request = await self._next(requests)
            # A caller that died looks like one that has finished: only `end` tells them apart.
            if request is None:
                raise Aborted("The import stopped before its end; nothing was added.", reason="IMPORT_INCOMPLETE")
            match request.WhichOneof("payload"):
                case "record_batch":
                    batch = await asyncio.to_thread(read_batch, request.record_batch, after_line=last_line)
                    if batch.height:
                        row_count, last_line = row_count + batch.height, batch["line"][-1]
                        yield batch
                case "end":
                    if request.end.row_count != row_count:
                        raise Aborted(
                            f"{row_count} of {request.end.row_count} rows arrived; nothing was added.",
                            reason="IMPORT_INCOMPLETE",
                        )
                    return
                case other:
                    raise invalid(other or "payload", "a record_batch or the end must follow the metadata")

    async def _fingerprints(self, requests: Requests, context: Context, rows: Sequence[RowIdentity]) -> list[str]:
        """Asks the caller, while the transaction is open."""
        await context.write(pb.AppendTransactionsResponse(renumbered_rows=map(to_renumbered_row, rows)))
        request = await self._next(requests)
        if request is None:
            raise Aborted("The import stopped before its end; nothing was added.", reason="IMPORT_INCOMPLETE")
        given = list(request.fingerprints.fingerprints)
        if len(given) != len(rows):
            raise invalid("fingerprints", f"{len(rows)} are needed, {len(given)} came")
        return given

    async def _next(self, requests: Requests) -> pb.AppendTransactionsRequest | None:
        try:
            async with asyncio.timeout(self._import_idle_timeout_s):
                return await anext(requests, None)
        except TimeoutError:
            raise DeadlineExceeded(
                f"Nothing of the import came for {self._import_idle_timeout_s:g} s; nothing was added.",
                reason="IMPORT_STALLED",
            ) from None

    async def ListImportLines(self, request: pb.ListImportLinesRequest, context: Context) -> pb.ListImportLinesResponse:
        """Which lines of one import are in the ledger."""
        lines = await self._service.list_import_lines(
            _caller(),
            uuid_field(request.import_id, "import_id"),
            after_line=request.after_line,
            requested_size=request.page_size,
        )
        return pb.ListImportLinesResponse(
            lines=[line for line, _ in lines], transaction_ids=[str(transaction_id) for _, transaction_id in lines]
        )

    # Transactions

    async def ListTransactions(self, request: pb.ListTransactionsRequest, context: Context) -> pb.ListTransactionsResponse:
        """One page of the caller's transactions, newest first."""
        transactions, token = await self._service.list_transactions(
            _caller(), _filters(request), requested_size=request.page_size, token=request.page_token
        )
        corrected = [pb.CorrectedWord(word=word, searched_for=instead) for word, instead in transactions.corrected_words]
        response = pb.ListTransactionsResponse(next_page_token=token, corrected_words=corrected)
        add_transactions(response.transactions, transactions)
        return response

    async def GetTransaction(self, request: pb.GetTransactionRequest, context: Context) -> pb.GetTransactionResponse:
        """One transaction."""
        found = await self._service.get_transaction(_caller(), uuid_field(request.transaction_id, "transaction_id"))
        return pb.GetTransactionResponse(transaction=to_transaction(found))

    async def UpdateTransaction(self, request: pb.UpdateTransactionRequest, context: Context) -> pb.UpdateTransactionResponse:
        """Note and category of one transaction."""
        paths = masked_paths(request.update_mask, request, ("note", "category"))
        changes = TransactionChanges(
            note=text_field(request.note, "note", at_most=2000) if "note" in paths else None,
            category=text_field(request.category, "category", at_most=100) if "category" in paths else None,
        )
        transaction_id = uuid_field(request.transaction_id, "transaction_id")
        changed = await self._service.update_transaction(_caller(), transaction_id, changes)
        return pb.UpdateTransactionResponse(transaction=to_transaction(changed))

    # Duplicates

    async def MergeTransaction(self, request: pb.MergeTransactionRequest, context: Context) -> pb.MergeTransactionResponse:
        """Makes a suspected duplicate one with the earlier transaction."""
        merged = await self._service.merge_transaction(_caller(), uuid_field(request.transaction_id, "transaction_id"))
        return pb.MergeTransactionResponse(transaction=to_transaction(merged))

    async def KeepTransaction(self, request: pb.KeepTransactionRequest, context: Context) -> pb.KeepTransactionResponse:
        """Says that a suspected duplicate is a payment of its own."""
        kept = await self._service.keep_transaction(_caller(), uuid_field(request.transaction_id, "transaction_id"))
        return pb.KeepTransactionResponse(transaction=to_transaction(kept))

    async def UndoImport(self, request: pb.UndoImportRequest, context: Context) -> pb.UndoImportResponse:
        """Takes out what an import brought."""
        outcome = await self._service.undo_import(_caller(), uuid_field(request.import_id, "import_id"))
        kept = [pb.KeptTransaction(transaction_id=str(one.transaction_id), reason=one.reason) for one in outcome.kept[:_KEPT_SHOWN]]
        return pb.UndoImportResponse(removed_count=outcome.removed_count, kept_transactions=kept, kept_count=len(outcome.kept))

    # Transfers

    async def ListTransfers(self, request: pb.ListTransfersRequest, context: Context) -> pb.ListTransfersResponse:
        """One page of the caller's transfers, the newest suggestion first."""
        transfers, token = await self._service.list_transfers(
            _caller(), from_enum(request.state, TRANSFER_STATES, "state"), requested_size=request.page_size, token=request.page_token
        )
        return pb.ListTransfersResponse(transfers=map(to_transfer, transfers), next_page_token=token)

    async def GetTransfer(self, request: pb.GetTransferRequest, context: Context) -> pb.GetTransferResponse:
        """One transfer."""
        found = await self._service.get_transfer(_caller(), uuid_field(request.transfer_id, "transfer_id"))
        return pb.GetTransferResponse(transfer=to_transfer(found))

    async def ConfirmTransfer(self, request: pb.ConfirmTransferRequest, context: Context) -> pb.ConfirmTransferResponse:
        """Says that two transactions are a transfer."""
        confirmed = await self._service.confirm_transfer(_caller(), uuid_field(request.transfer_id, "transfer_id"))
        return pb.ConfirmTransferResponse(transfer=to_transfer(confirmed))

    async def UndoTransfer(self, request: pb.UndoTransferRequest, context: Context) -> pb.UndoTransferResponse:
        """Says that they are none."""
        undone = await self._service.undo_transfer(_caller(), uuid_field(request.transfer_id, "transfer_id"))
        return pb.UndoTransferResponse(transfer=to_transfer(undone))

    # Accounts

    async def CreateAccount(self, request: pb.CreateAccountRequest, context: Context) -> pb.CreateAccountResponse:
        """Opens an account."""
        currency = currency_field(request.currency, "currency")
        balance = Decimal(0)
        if request.HasField("opening_balance"):
            balance, balance_currency = from_money(request.opening_balance)
            currency = currency or balance_currency
            if balance_currency != currency:
                raise invalid("opening_balance", f"must be in {currency}, the account's currency")
        new = NewAccount(
            name=_name(request.name, "name"),
            currency=currency,
            identifier=text_field(request.identifier, "identifier", at_most=64),
            type=from_enum(request.type, ACCOUNT_TYPES, "type") or AccountType.CHECKING,
            opening_balance=balance,
        )
        request_id = text_field(request.request_id, "request_id", at_most=36, required=True)
        return pb.CreateAccountResponse(account=to_account(await self._service.create_account(_caller(), new, request_id)))

    async def EnsureAccount(self, request: pb.EnsureAccountRequest, context: Context) -> pb.EnsureAccountResponse:
        """The account that a statement names."""
        new = NewAccount(
            name=_name(request.name, "name"),
            currency=currency_field(request.currency, "currency"),
            identifier=text_field(request.identifier, "identifier", at_most=64),
        )
        account, created = await self._service.ensure_account(_caller(), new)
        return pb.EnsureAccountResponse(account=to_account(account), created=created)

    async def GetAccount(self, request: pb.GetAccountRequest, context: Context) -> pb.GetAccountResponse:
        """One account."""
        account = await self._service.get_account(_caller(), uuid_field(request.account_id, "account_id"))
        return pb.GetAccountResponse(account=to_account(account))

    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Context) -> pb.ListAccountsResponse:
        """One page of the caller's accounts, oldest first."""
        accounts, token = await self._service.list_accounts(
            _caller(),
            requested_size=request.page_size,
            token=request.page_token,
            include_inactive=request.include_inactive,
        )
        return pb.ListAccountsResponse(accounts=map(to_account, accounts), next_page_token=token)

    async def UpdateAccount(self, request: pb.UpdateAccountRequest, context: Context) -> pb.UpdateAccountResponse:
        """Name, type, active flag and opening balance of one account."""
        account = request.account
        paths = masked_paths(request.update_mask, account, ("name", "type", "active", "opening_balance"))
        account_id = uuid_field(account.account_id, "account.account_id")
        new_type = None
        if "type" in paths:
            new_type = from_enum(account.type, ACCOUNT_TYPES, "account.type")
            if new_type is None:
                raise invalid("account.type", "is required")
        balance, balance_currency = None, ""
        if "opening_balance" in paths:
            balance, balance_currency = from_money(account.opening_balance)
        changes = AccountChanges(
            name=_name(account.name, "account.name") if "name" in paths else None,
            type=new_type,
            active=account.active if "active" in paths else None,
            opening_balance=balance,
        )
        changed = await self._service.update_account(_caller(), account_id, changes, balance_currency=balance_currency)
        return pb.UpdateAccountResponse(account=to_account(changed))

    # Profile

    async def GetProfile(self, request: pb.GetProfileRequest, context: Context) -> pb.GetProfileResponse:
        """The caller's settings."""
        return pb.GetProfileResponse(profile=to_profile(await self._service.get_profile(_caller())))

    async def UpdateProfile(self, request: pb.UpdateProfileRequest, context: Context) -> pb.UpdateProfileResponse:
        """Changes the caller's settings."""
        profile = request.profile
        changeable = ("display_name", "default_currency", "locale", "time_zone", "transfer_suggestions")
        paths = masked_paths(request.update_mask, profile, changeable)
        changes = ProfileChanges(
            display_name=text_field(profile.display_name, "profile.display_name", at_most=100) if "display_name" in paths else None,
            default_currency=currency_field(profile.default_currency, "profile.default_currency", required=True)
            if "default_currency" in paths
            else None,
            locale=locale_field(profile.locale, "profile.locale") if "locale" in paths else None,
            time_zone=time_zone_field(profile.time_zone, "profile.time_zone") if "time_zone" in paths else None,
            transfer_suggestions=profile.transfer_suggestions if "transfer_suggestions" in paths else None,
        )
        return pb.UpdateProfileResponse(profile=to_profile(await self._service.update_profile(_caller(), changes)))

    # Categories

    async def ListCategories(self, request: pb.ListCategoriesRequest, context: Context) -> pb.ListCategoriesResponse:
        """One page of the taxonomy and the caller's own categories."""
        categories, token = await self._service.list_categories(_caller(), requested_size=request.page_size, token=request.page_token)
        return pb.ListCategoriesResponse(categories=map(to_category, categories), next_page_token=token)

    async def CreateCategory(self, request: pb.CreateCategoryRequest, context: Context) -> pb.CreateCategoryResponse:
        """Adds a category of the caller's own."""
        category = await self._service.create_category(
            _caller(),
            name=text_field(request.name, "name", at_most=100, required=True).strip(),
            primary_slug=text_field(request.primary_slug, "primary_slug", at_most=100, required=True),
            request_id=text_field(request.request_id, "request_id", at_most=36, required=True),
        )
        return pb.CreateCategoryResponse(category=to_category(category))


def _caller() -> UUID:
    return identity().user_id


def _name(value: str, field: str) -> str:
    return text_field(value, field, at_most=200, required=True).strip()


def _typed(typed: pb.TypedTransaction) -> TypedTransaction:
    return TypedTransaction(
        id=uuid_field(typed.transaction_id, "metadata.typed.transaction_id"),
        category=text_field(typed.category, "category", at_most=100) or None,
        note=text_field(typed.note, "note", at_most=2000),
        allow_equal=typed.allow_equal,
    )


def _filters(request: pb.ListTransactionsRequest) -> TransactionFilters:
    query = text_field(request.query, "query", at_most=200)
    if len(query.split()) > _MAX_QUERY_WORDS:
        raise invalid("query", f"has more than {_MAX_QUERY_WORDS} words")
    return TransactionFilters(
        date_from=from_date_proto(request.date_from, "date_from"),
        date_to=from_date_proto(request.date_to, "date_to"),
        amount_min=parse_amount(request.amount_min, "amount_min") if request.amount_min else None,
        amount_max=parse_amount(request.amount_max, "amount_max") if request.amount_max else None,
        category=text_field(request.category, "category", at_most=100) or None,
        merchant=text_field(request.merchant, "merchant", at_most=500) or None,
        type=from_enum(request.type, TRANSACTION_TYPES, "type"),
        status=from_enum(request.status, TRANSACTION_STATUSES, "status"),
        account_id=uuid_field(request.account_id, "account_id") if request.account_id else None,
        query=query or None,
        filter=request.filter or None,
        suspected_duplicate=request.suspected_duplicate if request.HasField("suspected_duplicate") else None,
    )
