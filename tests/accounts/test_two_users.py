"""Two users with the same categories, merchants, budgets and names: whatever one does, no answer to the other changes.

Every method of the process that reads is asked, after every step. One that is added must be added here, or left out with a reason.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import grpc.aio
import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

from services.accounts.app import SERVICE_NAMES
from services.accounts.batches import MAX_BATCH_BYTES
from services.kit.auth import mint_token
from services.kit.errors import NotFound, ScaleError
from services.kit.record_batches import read_record_batch
from services.kit.status import from_rpc_error
from services.local import LocalSystem
from tests.accounts.test_servicer import SECRET, Client, address, batch, channel, end, metadata
from tests.support.ledger_rows import row

__all__ = ["address", "channel"]

Ask = Mapping[str, Any]

METHODS: dict[str, MethodDescriptor] = {
    name: method
    for service in SERVICE_NAMES
    for name, method in Default().FindServiceByName(service).methods_by_name.items()
    if name.startswith(("List", "Get", "Preview", "Evaluate", "Stream"))
}
"""Of the process, those that read."""
LISTS: dict[str, list[Ask]] = {
    "ListTransactions": [{}, {"category": "groceries"}, {"merchant": "Corner Shop"}, {"query": "shop"}],
    "ListTransfers": [{}],
    "ListAccounts": [{}],
    "ListBalances": [{}],
    "ListCategories": [{"page_size": 1000}],
    "ListCategoryStatistics": [{}, {"fresh": True}],
    "ListMonthlySummaries": [{}, {"fresh": True}, {"category": "groceries"}, {"category": "mine", "fresh": True}],
    "ListCashFlow": [{}, {"granularity": "GRANULARITY_DAY"}],
    "ListRecurringPayments": [{}],
    "ListBudgets": [{"include_inactive": True}],
    "ListBudgetUtilizations": [{}, {"fresh": True}],
    "ListEdits": [{}],
    "ListRules": [{}],
    "ListSavedFilters": [{}],
    "StreamDailySums": [{}, {"category": "mine", "include_transfers": True}],
    "StreamTransactions": [{}],
    "GetProfile": [{}],
    "EvaluateRules": [{"inputs": [{"description": "shop", "amount": {"currency_code": "EUR", "units": -1}}]}],
}
"""What is asked without an id."""
ONES = {
    "GetTransaction": ("ListTransactions", "transactions", "transaction_id"),
    "GetTransfer": ("ListTransfers", "transfers", "transfer_id"),
    "GetAccount": ("ListAccounts", "accounts", "account_id"),
    "GetBudget": ("ListBudgets", "budgets", "budget_id"),
    "GetEdit": ("ListEdits", "edits", "edit_id"),
    "GetRule": ("ListRules", "rules", "rule_id"),
    "GetSavedFilter": ("ListSavedFilters", "saved_filters", "saved_filter_id"),
}
"""What is asked for each id that a list gave, of the caller and of the other user."""
LEFT_OUT = {
    "ListImportLines": "of an import that the caller names",
    "ListLongHistories": "names users, to training alone: tests of histories ask it",
    "PreviewRule": "counts what ListTransactions lists by the same filter",
}
# Of no user: all figures are made anew at once.
COMMON = {"figuresTime"}


class User:
    """One of the two, and what the service answers to them."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.id: UUID = uuid7()
        self._token = mint_token(SECRET, user_id=self.id)
        self._channel = channel
        self.client = Client(channel, self._token)
        self.account: str | None = None

    async def ask(self, method: str, request: Ask) -> dict[str, Any]:
        """The answer as JSON, without what is common to all users. Raises ScaleError."""
        described = METHODS[method]
        kind = self._channel.unary_stream if described.server_streaming else self._channel.unary_unary
        call = kind(
            f"/{described.containing_service.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(described.output_type).FromString,
        )
        message = ParseDict(dict(request), GetMessageClass(described.input_type)())
        try:
            answer = call(message, metadata=(("authorization", f"Bearer {self._token}"),), timeout=20)
            if described.server_streaming:
                return {"batches": [read_record_batch(one.record_batch, max_bytes=MAX_BATCH_BYTES).to_pylist() async for one in answer]}
            found = MessageToDict(await answer, preserving_proto_field_name=False)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, service="accounts") from error
        return {name: value for name, value in found.items() if name not in COMMON}

    async def everything(self) -> dict[str, Any]:
        """All that the user can read, by what was asked."""
        found = {}
        for method in METHODS.keys() & LISTS.keys():
            for request in LISTS[method]:
                found[f"{method} {json.dumps(request)}"] = await self.ask(method, request)
        for method in METHODS.keys() & ONES.keys():
            for one in await self.ids(method):
                found[f"{method} {one}"] = await self.ask(method, {ONES[method][2]: one})
        return found

    async def ids(self, method: str) -> list[str]:
        """Those that the method may be asked for: the first ten."""
        listed, items, field = ONES[method]
        page = await self.ask(listed, LISTS[listed][0])
        camel = "".join(part.capitalize() if place else part for place, part in enumerate(field.split("_")))
        plural = "".join(part.capitalize() if place else part for place, part in enumerate(items.split("_")))
        return [one[camel] for one in page.get(plural, [])[:10]]

    # What users do

    async def add(self, rows: list[dict[str, Any]]) -> None:
        self.account = self.account or await self.client.account()
        lines = [row(self.account, line, **values) for line, values in enumerate(rows, start=1)]
        await self.client.append(metadata(uuid7()), batch(lines), end(len(lines)))

    async def do(self, method: str, request: Ask) -> None:
        """A write that may be refused, as one that was done before is."""
        described = next(found for service in SERVICE_NAMES if (found := Default().FindServiceByName(service).methods_by_name.get(method)))
        call = self._channel.unary_unary(
            f"/{described.containing_service.full_name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(described.output_type).FromString,
        )
        message = ParseDict(dict(request), GetMessageClass(described.input_type)())
        try:
            await call(message, metadata=(("authorization", f"Bearer {self._token}"),), timeout=20)
        except grpc.aio.AioRpcError as error:
            assert isinstance(from_rpc_error(error, service="accounts"), ScaleError)
            assert error.code() in (grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.INVALID_ARGUMENT), error


ROWS = st.lists(
    st.fixed_dictionaries({
        "transaction_date": st.dates(date(2026, 1, 1), date(2026, 3, 31)),
        "amount": st.decimals(-500, 500, places=2).filter(bool),
        "currency": st.sampled_from(["EUR", "USD"]),
        "category": st.sampled_from([None, "groceries", "groceries_supermarket", "housing_rent"]),
        "merchant": st.sampled_from([None, "Corner Shop", "Landlord"]),
        "description": st.sampled_from(["Shop", "Rent", "Salary"]),
        "status": st.sampled_from(["posted", "posted", "pending"]),
    }),
    min_size=1,
    max_size=8,
)  # fmt: skip
RENT = [
    {"transaction_date": date(2025, month, 1), "description": "Rent", "merchant": "Landlord", "currency": "EUR"} for month in range(7, 13)
]
BUDGETS = st.builds(
    lambda category, start, days, amount: {
        "category": category,
        "amount": {"currency_code": "EUR", "units": amount},
        "period_start": {"year": start.year, "month": start.month, "day": start.day},
        "period_end": {"year": (end := start + timedelta(days)).year, "month": end.month, "day": end.day},
    },
    st.sampled_from(["groceries", "housing_rent", "mine"]),
    st.dates(date(2026, 1, 1), date(2026, 3, 1)),
    st.integers(1, 60),
    st.integers(0, 1000),
)
STEPS = st.one_of(
    st.tuples(st.just("add"), ROWS),
    st.tuples(st.just("add"), st.just(RENT)),
    st.tuples(st.just("CreateBudget"), BUDGETS),
    st.tuples(st.just("CreateCategory"), st.just({"name": "Mine", "primary_slug": "groceries"})),
    st.tuples(st.just("CreateRule"), st.just({"rule": {"name": "Shop", "filter": "shop", "category": "housing_rent", "note": "x"}})),
    st.tuples(st.just("EditTransactions"), st.just({"filter": "merchant = 'corner shop'", "category": "housing_rent", "note": "y"})),
    st.tuples(st.just("UpdateProfile"), st.sampled_from(["USD", "EUR"]).map(lambda code: {"profile": {"default_currency": code}})),
)


@pytest.fixture
async def refresh(servers: LocalSystem) -> AsyncIterator[Callable[[], Any]]:
    connection = await asyncpg.connect(servers.service_url("accounts"))
    yield lambda: connection.fetchval("SELECT accounts.refresh_figures(true)")
    await connection.close()


def test_every_method_that_reads_is_asked() -> None:
    assert METHODS.keys() - LISTS.keys() - ONES.keys() - LEFT_OUT.keys() == set()


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(st.tuples(st.booleans(), STEPS), min_size=2, max_size=4))
async def test_no_answer_depends_on_the_other_user(
    channel: grpc.aio.Channel, refresh: Callable[[], Any], steps: list[tuple[bool, tuple[str, Any]]]
) -> None:
    users = User(channel), User(channel)
    for user in users:
        await user.add([{"merchant": "Corner Shop", "category": "groceries"}])
        await user.do("CreateCategory", {"name": "Mine", "primary_slug": "groceries", "request_id": str(uuid7())})
    await refresh()
    seen = [await user.everything() for user in users]
    for who, (action, request) in steps:
        actor, other = users[who], users[not who]
        if action == "add":
            await actor.add(request)
        else:
            await actor.do(action, {**request, **({"request_id": str(uuid7())} if action.startswith(("Create", "Edit")) else {})})
        await refresh()
        assert await other.everything() == seen[not who]
        seen[who] = await actor.everything()
    for method in METHODS.keys() & ONES.keys():
        for one in await users[0].ids(method):
            with pytest.raises(NotFound):
                await users[1].ask(method, {ONES[method][2]: one})
