"""The ledger over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
import pytest_asyncio

from services.forecasting.app import NAME
from services.forecasting.domain import LedgerCategory, RecurrencePeriod
from services.forecasting.ledger import GrpcLedger
from services.forecasting.protocols import DAILY_SUMS, TRANSACTIONS
from services.kit import context
from services.kit.errors import NotFound, Unavailable
from services.kit.service_tokens import ServiceTokens
from tests.forecasting.conftest import YESTERDAY, Stack
from tests.support.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def as_user(stack: Stack, work: Coroutine[Any, Any, Any]) -> Any:
    """As the worker works for a user."""

    async def bound() -> Any:
        context.bind_background(stack.user_id, ServiceTokens(NAME, stack.key))
        return await work

    return await asyncio.create_task(bound())


async def test_the_whole_ledger_comes_in_columns(stack: Stack, ledger: GrpcLedger) -> None:
    account = await stack.new_account("10")
    other = await stack.new_account(currency="JPY")
    day = date(2026, 5, 4)
    await stack.add(account, [(day, "-10.10", "A"), (day, "-0.20", "B"), (day, "5.00", "C")], category="groceries_supermarket")
    await stack.add(other, [(day + timedelta(days=1), "-700", "D")], currency="JPY")
    sums = await as_user(stack, ledger.daily_sums())
    assert sums.schema == pl.Schema(DAILY_SUMS)
    assert sums.rows() == [
        (day, str(account), "groceries_supermarket", "groceries", "EUR", Decimal("5.0000"), Decimal("10.3000"), 3),
        (day + timedelta(days=1), str(other), "", "", "JPY", Decimal("0.0000"), Decimal("700.0000"), 1),
    ]
    some: list[tuple[dict[str, Any], int]] = [
        ({"account_id": other}, 1),
        ({"category": "groceries"}, 1),
        ({"category": "uncategorized"}, 1),
        ({"currency": "EUR"}, 1),
        ({"date_from": day + timedelta(days=2)}, 0),
    ]
    for filters, wanted in some:
        assert len(await as_user(stack, ledger.daily_sums(**filters))) == wanted
    rows = await as_user(stack, ledger.transactions(account_id=account))
    assert rows.schema == pl.Schema(TRANSACTIONS)
    assert sorted(rows["amount"].to_list()) == [Decimal("-10.1000"), Decimal("-0.2000"), Decimal("5.0000")]
    assert rows["primary_category"].unique().to_list() == ["groceries"]
    assert (await as_user(stack.other_user(), ledger.transactions())).is_empty()


async def test_single_answers(stack: Stack, ledger: GrpcLedger) -> None:
    account = await stack.new_account("10")
    await stack.add_year(account)
    await stack.add(account, [(YESTERDAY, "-100", "IN YEN")], currency="JPY")
    found = await as_user(stack, ledger.account(account))
    assert (found.id, found.currency) == (account, "EUR")
    assert await as_user(stack, ledger.balance(account, "JPY", on=YESTERDAY)) == -100
    assert await as_user(stack, ledger.balance(account, "GBP", on=YESTERDAY)) == 0
    assert await as_user(stack, ledger.balance(account, "EUR", on=date(2020, 1, 1))) == 10
    recurring = await as_user(stack, ledger.recurring_payments())
    assert {(one.merchant, one.credit, one.period) for one in recurring} >= {("MIETE WOHNUNG", False, RecurrencePeriod.MONTHLY)}
    assert all(one.transaction_ids and one.account_id == account for one in recurring)
    assert LedgerCategory("groceries_supermarket", "groceries") in await as_user(stack, ledger.categories())
    assert isinstance((await as_user(stack, ledger.home())).time_zone, ZoneInfo)
    with pytest.raises(NotFound):
        await as_user(stack.other_user(), ledger.account(account))


async def test_a_ledger_that_is_away_is_said(stack: Stack) -> None:
    ledger = GrpcLedger(f"127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable):
        await as_user(stack, ledger.daily_sums())
    await ledger.close()


@pytest_asyncio.fixture(loop_scope="module")
async def ledger(stack: Stack) -> AsyncIterator[GrpcLedger]:
    made = GrpcLedger(f"127.0.0.1:{stack.ledger.port}")
    yield made
    await made.close()
