"""`scale cash-flow` and `scale recurring`: what comes in and goes out, and what does so again and again."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import typer

from clients.cli.output import show_table
from clients.cli.session import Limit, Token, Url, console, day_option, open_client, show_items


class Granularity(StrEnum):
    """How long a period is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Direction(StrEnum):
    """Which way money goes."""

    IN = "in"
    OUT = "out"


class Status(StrEnum):
    """Where a recurring payment stands."""

    ACTIVE = "active"
    OVERDUE = "overdue"
    ENDED = "ended"


def show_cash_flow(
    granularity: Annotated[Granularity, typer.Option("--by", help="How long a period is.")] = Granularity.MONTH,
    date_from: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None,
    date_to: Annotated[str | None, typer.Option(help="Last day, YYYY-MM-DD.")] = None,
    account_id: Annotated[UUID | None, typer.Option(help="One account only.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217.")] = None,
    limit: Limit = 100,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show money in and out per day, week or month, the earliest first."""
    filters = {
        "granularity": granularity.value,
        "date_from": day_option(date_from, "--date-from"),
        "date_to": day_option(date_to, "--date-to"),
        "account_id": str(account_id) if account_id else None,
        "currency": currency,
    }
    headings = {"period_start": "From", "period_end": "To", "received": "In", "spent": "Out", "net": "Net", "currency": ""}
    show_items(
        "cash-flow",
        headings,
        {name: value for name, value in filters.items() if value},
        limit,
        url,
        token,
        nothing="Nothing moved in these days.",
    )


def show_recurring(
    direction: Annotated[Direction | None, typer.Option(help="Income or payments only.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only what stands so.")] = None,
    limit: Limit = 100,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show payments and income that come again and again, the next expected first."""
    filters = {
        "type": {Direction.IN: "credit", Direction.OUT: "debit", None: None}[direction],
        "status": status.value if status else None,
    }
    headings = {
        "next_date": "Next",
        "amount": "Amount",
        "currency": "",
        "period": "Period",
        "status": "Status",
        "merchant": "Merchant",
        "last_date": "Last",
        "occurrence_count": "Times",
    }
    with open_client(url, token) as client:
        found = client.items("recurring", {name: value for name, value in filters.items() if value}, limit)
        items = ({**one, "amount": one["last_amount"], "period": one["period"].replace("_", "-")} for one in found)
        show_table(console, headings, items, nothing="Nothing that comes again and again was found.")
