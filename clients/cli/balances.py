"""`scale balance`: what the accounts hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from clients.cli.output import show_table
from clients.cli.session import Limit, Token, Url, console, day_option, open_client


def show_balances(
    date: Annotated[str | None, typer.Option(help="As of the end of this day, YYYY-MM-DD. Default: all that is posted.")] = None,
    account_id: Annotated[UUID | None, typer.Option(help="Of one account only.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Also accounts that are not active.")] = False,
    limit: Limit = 100,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show what each account holds."""
    filters = {
        "date": day_option(date, "--date"),
        "account_id": str(account_id) if account_id else None,
        "include_inactive": "true" if every else None,
    }
    headings = {"name": "Account", "amount": "Balance", "currency": "", "last_date": "Last", "account_id": "Id"}
    with open_client(url, token) as client:
        items = client.items("balance", {name: value for name, value in filters.items() if value}, limit)
        show_table(console, headings, map(_row, items), nothing="No accounts yet: `scale import FILE` opens one.")


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": item["account_name"], **item["balance"], "last_date": item["last_date"], "account_id": item["account_id"]}
