"""Balances on the wire: a method of `scale.accounts.v1.AccountsService`."""

from __future__ import annotations

import grpc.aio

from scale.accounts.v1 import accounts_service_pb2 as pb
from scale.accounts.v1 import transaction_pb2 as nouns
from services.accounts.balances.domain import Balance, BalanceFilters
from services.accounts.balances.service import BalancesService
from services.accounts.fields import uuid_field
from services.kit.context import identity
from services.kit.dates import from_date_proto, to_date_proto
from services.kit.money import to_money


class BalanceMethods:
    """What AccountsServicer answers about balances."""

    _balances: BalancesService

    async def ListBalances(self, request: pb.ListBalancesRequest, context: grpc.aio.ServicerContext) -> pb.ListBalancesResponse:
        """One page of what the caller's accounts hold."""
        filters = BalanceFilters(
            on_date=from_date_proto(request.on_date, "on_date"),
            account_id=uuid_field(request.account_id, "account_id") if request.account_id else None,
            include_inactive=request.include_inactive,
        )
        balances, token = await self._balances.list_balances(
            identity().user_id, filters, requested_size=request.page_size, token=request.page_token
        )
        return pb.ListBalancesResponse(balances=map(_to_balance, balances), next_page_token=token)


def _to_balance(balance: Balance) -> nouns.Balance:
    return nouns.Balance(
        account_id=str(balance.account_id),
        account_name=balance.account_name,
        balance=to_money(balance.amount, balance.currency),
        transaction_count=balance.transaction_count,
        last_date=to_date_proto(balance.last_date) if balance.last_date else None,
    )
