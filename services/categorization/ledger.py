"""The ledger over gRPC."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from uuid import UUID

from google.type import money_pb2

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1 import rules_service_pb2 as rules_pb
from scale.accounts.v1 import transaction_pb2
from scale.accounts.v1.accounts_service_pb2_grpc import AccountsServiceStub
from scale.accounts.v1.rules_service_pb2_grpc import RulesServiceStub
from services.categorization.domain import (
    MOST_INPUTS,
    Category,
    CategorySet,
    LedgerPage,
    LedgerTransaction,
    Payment,
    Source,
    Verdict,
    WorkedOut,
)
from services.kit.client import ServiceClient
from services.kit.dates import to_date_proto
from services.kit.money import from_money, to_money

_SERVICE = "scale.accounts.v1.AccountsService"
_RULES = "scale.accounts.v1.RulesService"
# What shall be, and reads: a second one changes nothing. CreateCategory carries a request id.
_REPEATABLE = ("ListCategories", "SetCategory", "SetCategories", "BatchGetUserCategories", "ListTransactions", "CreateCategory")
_SET_TIMEOUT_S = 60.0
_SOURCES = {
    transaction_pb2.CATEGORY_SOURCE_UNSPECIFIED: "",
    transaction_pb2.CATEGORY_SOURCE_USER: "user",
    transaction_pb2.CATEGORY_SOURCE_RULE: "rule",
    transaction_pb2.CATEGORY_SOURCE_MODEL: "model",
    transaction_pb2.CATEGORY_SOURCE_FILE: "file",
    transaction_pb2.CATEGORY_SOURCE_FALLBACK: "fallback",
}
_SOURCE_NUMBERS = {
    Source.USER: transaction_pb2.CATEGORY_SOURCE_USER,
    Source.MODEL: transaction_pb2.CATEGORY_SOURCE_MODEL,
    Source.FALLBACK: transaction_pb2.CATEGORY_SOURCE_FALLBACK,
}


class GrpcLedger:
    """`CategoryLedger` on the accounts service. The caller's token and request id go with every call."""

    def __init__(self, address: str, *, rules_timeout_s: float = 2) -> None:
        """`rules_timeout_s`: an answer waits no longer for the user's rules, and words on single transactions."""
        self._rules_timeout_s = rules_timeout_s
        self._client = ServiceClient(AccountsServiceStub, address, service=_SERVICE, idempotent=_REPEATABLE)
        self._rules = ServiceClient(RulesServiceStub, address, service=_RULES, idempotent=("EvaluateRules",), timeout_s=rules_timeout_s)

    async def close(self) -> None:
        """Closes the channels."""
        await self._client.close()
        await self._rules.close()

    async def list_categories(self) -> Sequence[Category]:
        """See `CategoryLedger`."""
        found: list[Category] = []
        token = ""  # nosec B105  # the first page
        while True:
            page = await self._client.unary("ListCategories", pb.ListCategoriesRequest(page_token=token))
            found += [Category(one.slug, one.name, one.primary_slug) for one in page.categories]
            token = page.next_page_token
            if not token:
                return found

    async def evaluate_rules(self, payments: Sequence[Payment]) -> Sequence[Verdict | None]:
        """See `CategoryLedger`."""
        request = rules_pb.EvaluateRulesRequest(inputs=map(_rule_input, payments))
        response = await self._rules.unary("EvaluateRules", request)
        return [Verdict(one.category, one.rule_name) if one.category else None for one in response.verdicts]

    async def set_category(self, transaction_id: UUID, category: str) -> CategorySet:
        """See `CategoryLedger`."""
        request = pb.SetCategoryRequest(transaction_id=str(transaction_id), category=category)
        response = await self._client.unary("SetCategory", request)
        return CategorySet(_transaction(response.transaction), response.previous_category, _SOURCES[response.previous_source])

    async def set_categories(self, worked_out: Sequence[WorkedOut]) -> int:
        """See `CategoryLedger`."""
        changed = 0
        for start in range(0, len(worked_out), MOST_INPUTS):
            request = pb.SetCategoriesRequest(categories=map(_worked_out, worked_out[start : start + MOST_INPUTS]))
            changed += (await self._client.unary("SetCategories", request, timeout_s=_SET_TIMEOUT_S)).changed_count
        return changed

    async def user_categories(self, transaction_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """See `CategoryLedger`."""
        found: dict[UUID, str] = {}
        for start in range(0, len(ids := list(map(str, transaction_ids))), MOST_INPUTS):
            request = pb.BatchGetUserCategoriesRequest(transaction_ids=ids[start : start + MOST_INPUTS])
            answer = await self._client.unary("BatchGetUserCategories", request, timeout_s=self._rules_timeout_s)
            found |= {UUID(one.transaction_id): one.category for one in answer.user_categories}
        return found

    async def list_transactions(self, *, page_size: int, page_token: str, date_from: date | None = None) -> LedgerPage:
        """See `CategoryLedger`."""
        request = pb.ListTransactionsRequest(page_size=page_size, page_token=page_token)
        if date_from is not None:
            request.date_from.CopyFrom(to_date_proto(date_from))
        page = await self._client.unary("ListTransactions", request, timeout_s=_SET_TIMEOUT_S)
        return LedgerPage([_transaction(one) for one in page.transactions], page.next_page_token)

    async def create_category(self, name: str, primary_slug: str, *, request_id: str) -> Category:
        """See `CategoryLedger`."""
        request = pb.CreateCategoryRequest(request_id=request_id, name=name, primary_slug=primary_slug)
        created = (await self._client.unary("CreateCategory", request)).category
        return Category(created.slug, created.name, created.primary_slug)


def _rule_input(payment: Payment) -> rules_pb.RuleInput:
    message = rules_pb.RuleInput(description=payment.description, merchant=payment.merchant, amount=_money(payment))
    if payment.transaction_date is not None:
        message.transaction_date.CopyFrom(to_date_proto(payment.transaction_date))
    return message


def _money(payment: Payment) -> money_pb2.Money:
    return to_money(payment.amount, payment.currency)


def _worked_out(one: WorkedOut) -> pb.WorkedOutCategory:
    return pb.WorkedOutCategory(
        transaction_id=str(one.transaction_id),
        category=one.category,
        confidence=one.confidence,
        source=_SOURCE_NUMBERS[one.source],
    )


def _transaction(message: transaction_pb2.Transaction) -> LedgerTransaction:
    amount, currency = from_money(message.amount)
    day = message.transaction_date
    payment = Payment(
        message.description,
        message.merchant,
        amount,
        currency,
        date(day.year, day.month, day.day),
        UUID(message.transaction_id),
    )
    confidence = message.confidence if message.HasField("confidence") else None
    return LedgerTransaction(payment, message.category, _SOURCES[message.category_source], confidence)
