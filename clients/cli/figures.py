"""`scale summary` and `scale stats`: what was spent per month, and what went to each category."""

from __future__ import annotations

from typing import Annotated

import typer

from clients.cli.session import Limit, Token, Url, show_items

Currency = Annotated[str | None, typer.Option(help="ISO 4217.")]
Kept = Annotated[bool, typer.Option("--kept", help="Read the figures made ahead, up to a minute old, instead of making them now.")]


def show_summary(
    month_from: Annotated[str | None, typer.Option("--from", help="First month, YYYY-MM.")] = None,
    month_to: Annotated[str | None, typer.Option("--to", help="Last month, YYYY-MM.")] = None,
    category: Annotated[str | None, typer.Option(help="A slug, a primary one with all below it, or uncategorized.")] = None,
    currency: Currency = None,
    kept: Kept = False,
    limit: Limit = 100,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show what was spent per month and category, the latest month first."""
    headings = {
        "month_start": "Month",
        "category": "Category",
        "transaction_count": "Payments",
        "total": "Spent",
        "average": "Mean",
        "minimum": "Least",
        "maximum": "Most",
        "currency": "",
    }
    filters = {"month_from": month_from, "month_to": month_to, "category": category}
    _show("summaries/monthly", headings, filters, currency, kept, limit, url, token, nothing="Nothing was spent in these months.")


def show_statistics(currency: Currency = None, kept: Kept = False, limit: Limit = 1000, url: Url = None, token: Token = None) -> None:
    """Show what went to and came from each category, all time."""
    headings = {
        "category": "Category",
        "transaction_count": "Rows",
        "spent": "Out",
        "received": "In",
        "total": "Total",
        "currency": "",
        "first_date": "First",
        "last_date": "Last",
    }
    _show("transactions/stats", headings, {}, currency, kept, limit, url, token, nothing="No transactions yet.")


def _show(
    resource: str,
    headings: dict[str, str],
    filters: dict[str, str | None],
    currency: str | None,
    kept: bool,
    limit: int,
    url: str | None,
    token: str | None,
    *,
    nothing: str,
) -> None:
    given = {name: value for name, value in {**filters, "currency": currency}.items() if value}
    show_items(resource, headings, given | ({} if kept else {"fresh": "true"}), limit, url, token, nothing=nothing)
