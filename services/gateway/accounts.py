"""REST routes of the ledger: accounts, transactions, transfers, profile and categories."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
import uuid_utils
from fastapi import APIRouter, Header, Path, Request
from starlette.responses import Response

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1 import saved_filters_service_pb2 as saved_filters_pb
from scale.categorization.v1 import categorization_service_pb2 as categorization_pb
from services.gateway import accounts_json as shape
from services.gateway.answers import Cache, json_answer
from services.gateway.idempotency import short_idempotency_key
from services.gateway.problems import CONFLICT, EVERYWHERE, NOT_FOUND
from services.gateway.queries import query_parameters, read_query
from services.gateway.schemas import accounts as schemas
from services.gateway.schemas import transfers as transfer_schemas
from services.gateway.schemas.fields import Identifier
from services.gateway.upstreams import upstreams
from services.kit.errors import DeadlineExceeded, Unavailable

log = structlog.get_logger()
_NO_CATEGORY = "uncategorized"
"""A correction to it takes back what the user said."""
router = APIRouter(prefix="/api/v1", responses=EVERYWHERE)

TransferId = Annotated[Identifier, Path(description="The transfer.")]
# The paths of these two say :uuid, so that /transactions/stats and the aliases below /accounts are never taken for ids.
TransactionId = Annotated[Identifier, Path(description="The transaction.")]
AccountId = Annotated[Identifier, Path(description="The account.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        json_schema_extra={"pattern": r"^[\x21-\x7e]{1,255}$"},
        description="Same key, same result: send the same one again after a lost answer. At most 255 visible ASCII characters.",
    ),
]


async def list_transactions(request: Request) -> Response:
    """Your transactions, newest first. Filters narrow; parameters that are not known are refused."""
    filters = read_query(request, schemas.TransactionFilters)
    wanted = shape.list_request(filters)
    if filters.saved_filter is not None:
        asked = saved_filters_pb.GetSavedFilterRequest(saved_filter_id=str(filters.saved_filter))
        wanted.filter = (await upstreams(request).saved_filters.unary("GetSavedFilter", asked)).saved_filter.filter
    page = await upstreams(request).accounts.unary("ListTransactions", wanted)
    return json_answer(request, shape.page_json(page), Cache.LIST)


async def get_profile(request: Request) -> Response:
    """Your settings; made with the defaults on first sight."""
    answer = await upstreams(request).accounts.unary("GetProfile", pb.GetProfileRequest())
    return json_answer(request, shape.profile_json(answer.profile), Cache.PROFILE)


_list_documented: dict[str, Any] = {
    "response_model": schemas.TransactionPage,
    "openapi_extra": query_parameters(schemas.TransactionFilters),
    "responses": NOT_FOUND,
}
router.get("/transactions", tags=["transactions"], operation_id="list_transactions", **_list_documented)(list_transactions)
router.get(
    "/accounts/transactions",
    tags=["aliases"],
    operation_id="list_transactions_alias",
    summary="Alias of GET /api/v1/transactions",
    **_list_documented,
)(list_transactions)
router.get("/profile", tags=["profile"], operation_id="get_profile", response_model=schemas.Profile)(get_profile)
router.get(
    "/accounts/profile",
    tags=["aliases"],
    operation_id="get_profile_alias",
    summary="Alias of GET /api/v1/profile",
    response_model=schemas.Profile,
)(get_profile)


@router.get("/transactions/{transaction_id:uuid}", tags=["transactions"], response_model=schemas.Transaction, responses=NOT_FOUND)
async def get_transaction(request: Request, transaction_id: TransactionId) -> Response:
    """One transaction."""
    answer = await upstreams(request).accounts.unary("GetTransaction", pb.GetTransactionRequest(transaction_id=str(transaction_id)))
    return json_answer(request, shape.transaction_json(answer.transaction), Cache.REVALIDATE)


@router.patch(
    "/transactions/{transaction_id:uuid}", tags=["transactions"], response_model=schemas.Transaction, responses=NOT_FOUND | CONFLICT
)
async def update_transaction(request: Request, transaction_id: TransactionId, change: schemas.TransactionChange) -> Response:
    """Changes the note or the category. A category set here is your own word: no model overrules it, and what is paid at this merchant next
    is put there, too."""
    ledger = upstreams(request).accounts
    fields = set(change.model_fields_set)
    if "category" in fields and await _learned(request, str(transaction_id), change.category or _NO_CATEGORY):
        fields.remove("category")
    if fields:
        answer = await ledger.unary("UpdateTransaction", shape.update_transaction_request(transaction_id, change, fields))
    else:
        answer = await ledger.unary("GetTransaction", pb.GetTransactionRequest(transaction_id=str(transaction_id)))
    return json_answer(request, shape.transaction_json(answer.transaction))


async def _learned(request: Request, transaction_id: str, category: str) -> bool:
    """Whether the user's word has reached the ledger by way of categorization, which learns from it. While that is down the ledger takes it
    itself: what a user says is never refused for what might have been learned from it."""
    correction = categorization_pb.RecordCorrectionRequest(
        request_id=str(uuid_utils.uuid7()), transaction_id=transaction_id, category=category
    )
    try:
        await upstreams(request).categorization.unary("RecordCorrection", correction)
    except (Unavailable, DeadlineExceeded) as error:
        log.warning("a category was set, and nothing was learned from it", transaction_id=transaction_id, reason=error.reason)
        return False
    return True


@router.post(
    "/transactions/{transaction_id}/merge", tags=["transactions"], response_model=schemas.Transaction, responses=NOT_FOUND | CONFLICT
)
async def merge_transaction(request: Request, transaction_id: TransactionId) -> Response:
    """Makes a suspected duplicate one with the earlier transaction, which is the answer. Its row in a file is known from then on."""
    answer = await upstreams(request).accounts.unary("MergeTransaction", pb.MergeTransactionRequest(transaction_id=str(transaction_id)))
    return json_answer(request, shape.transaction_json(answer.transaction))


@router.post("/transactions/{transaction_id}/keep", tags=["transactions"], response_model=schemas.Transaction, responses=NOT_FOUND)
async def keep_transaction(request: Request, transaction_id: TransactionId) -> Response:
    """Says that a suspected duplicate is a payment of its own. Harmless to repeat."""
    answer = await upstreams(request).accounts.unary("KeepTransaction", pb.KeepTransactionRequest(transaction_id=str(transaction_id)))
    return json_answer(request, shape.transaction_json(answer.transaction))


@router.get(
    "/transfers",
    tags=["transfers"],
    response_model=transfer_schemas.TransferPage,
    openapi_extra=query_parameters(transfer_schemas.TransferFilters),
)
async def list_transfers(request: Request) -> Response:
    """Transfers between your own accounts, the newest suggestion first; without `state` those that you have not undone."""
    filters = read_query(request, transfer_schemas.TransferFilters)
    page = await upstreams(request).accounts.unary("ListTransfers", shape.list_transfers_request(filters))
    content = {"items": list(map(shape.transfer_json, page.transfers)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.REVALIDATE)


@router.get("/transfers/{transfer_id}", tags=["transfers"], response_model=transfer_schemas.Transfer, responses=NOT_FOUND)
async def get_transfer(request: Request, transfer_id: TransferId) -> Response:
    """One transfer with both of its sides."""
    answer = await upstreams(request).accounts.unary("GetTransfer", pb.GetTransferRequest(transfer_id=str(transfer_id)))
    return json_answer(request, shape.transfer_json(answer.transfer), Cache.REVALIDATE)


@router.post(
    "/transfers/{transfer_id}/confirm", tags=["transfers"], response_model=transfer_schemas.Transfer, responses=NOT_FOUND | CONFLICT
)
async def confirm_transfer(request: Request, transfer_id: TransferId) -> Response:
    """Says that it is one. Harmless to repeat; 409 when one side is part of another transfer by now."""
    answer = await upstreams(request).accounts.unary("ConfirmTransfer", pb.ConfirmTransferRequest(transfer_id=str(transfer_id)))
    return json_answer(request, shape.transfer_json(answer.transfer))


@router.post("/transfers/{transfer_id}/undo", tags=["transfers"], response_model=transfer_schemas.Transfer, responses=NOT_FOUND)
async def undo_transfer(request: Request, transfer_id: TransferId) -> Response:
    """Says that it is none, suggested or confirmed: this pair is never suggested again. Harmless to repeat."""
    answer = await upstreams(request).accounts.unary("UndoTransfer", pb.UndoTransferRequest(transfer_id=str(transfer_id)))
    return json_answer(request, shape.transfer_json(answer.transfer))


@router.get("/accounts", tags=["accounts"], response_model=schemas.AccountPage, openapi_extra=query_parameters(schemas.AccountFilters))
async def list_accounts(request: Request) -> Response:
    """Your accounts, oldest first."""
    query = read_query(request, schemas.AccountFilters)
    page = await upstreams(request).accounts.unary(
        "ListAccounts",
        pb.ListAccountsRequest(
            page_size=min(query.page_size, shape.MAX_PAGE_SIZE), page_token=query.page_token, include_inactive=query.include_inactive
        ),
    )
    content = {"items": list(map(shape.account_json, page.accounts)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.REVALIDATE)


@router.post("/accounts", tags=["accounts"], status_code=201, response_model=schemas.Account, responses=CONFLICT)
async def create_account(request: Request, account: schemas.NewAccount, key: IdempotencyKey = None) -> Response:
    """Opens an account."""
    answer = await upstreams(request).accounts.unary("CreateAccount", shape.create_account_request(account, short_idempotency_key(request)))
    content = shape.account_json(answer.account)
    return json_answer(request, content, status=201, headers={"Location": f"/api/v1/accounts/{content['id']}"})


@router.get("/accounts/{account_id:uuid}", tags=["accounts"], response_model=schemas.Account, responses=NOT_FOUND)
async def get_account(request: Request, account_id: AccountId) -> Response:
    """One account."""
    answer = await upstreams(request).accounts.unary("GetAccount", pb.GetAccountRequest(account_id=str(account_id)))
    return json_answer(request, shape.account_json(answer.account), Cache.REVALIDATE)


@router.patch("/accounts/{account_id:uuid}", tags=["accounts"], response_model=schemas.Account, responses=NOT_FOUND | CONFLICT)
async def update_account(request: Request, account_id: AccountId, change: schemas.AccountChange) -> Response:
    """Changes name, type, active flag or opening balance."""
    answer = await upstreams(request).accounts.unary("UpdateAccount", shape.update_account_request(account_id, change))
    return json_answer(request, shape.account_json(answer.account))


@router.patch("/profile", tags=["profile"], response_model=schemas.Profile)
async def update_profile(request: Request, change: schemas.ProfileChange) -> Response:
    """Changes your settings."""
    answer = await upstreams(request).accounts.unary("UpdateProfile", shape.update_profile_request(change))
    return json_answer(request, shape.profile_json(answer.profile))


@router.get("/categories", tags=["categories"], response_model=schemas.CategoryPage, openapi_extra=query_parameters(schemas.CategoryQuery))
async def list_categories(request: Request) -> Response:
    """The taxonomy by slug, then your own categories. Clients may keep it for a day; ask again after adding one."""
    query = read_query(request, schemas.CategoryQuery)
    page = await upstreams(request).accounts.unary(
        "ListCategories", pb.ListCategoriesRequest(page_size=min(query.page_size, shape.MAX_PAGE_SIZE), page_token=query.page_token)
    )
    content = {"items": list(map(shape.category_json, page.categories)), "next_page_token": page.next_page_token or None}
    return json_answer(request, content, Cache.CATEGORIES)


@router.post("/categories", tags=["categories"], status_code=201, response_model=schemas.Category, responses=CONFLICT)
async def create_category(request: Request, category: schemas.NewCategory, key: IdempotencyKey = None) -> Response:
    """Adds a category of your own."""
    answer = await upstreams(request).accounts.unary(
        "CreateCategory",
        pb.CreateCategoryRequest(request_id=short_idempotency_key(request), name=category.name, primary_slug=category.primary_slug),
    )
    return json_answer(request, shape.category_json(answer.category), status=201)
