"""`scale add`: a transaction typed in by hand."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import typer

from clients.cli.accounts import meant_account
from clients.cli.session import Token, Url, console, day_option, open_client

_AMOUNT = re.compile(r"[0-9]{1,15}(\.[0-9]{1,4})?")


class Status(StrEnum):
    """Where a transaction stands."""

    POSTED = "posted"
    PENDING = "pending"


def add_transaction(
    amount: Annotated[str, typer.Argument(help="Without a sign, such as 3.50: money out, or with --in money in.")],
    description: Annotated[str, typer.Argument(help="What it was.")],
    income: Annotated[bool, typer.Option("--in/--out", help="Money that comes in.")] = False,
    day: Annotated[str | None, typer.Option("--date", help="YYYY-MM-DD. Default: today.")] = None,
    account: Annotated[str | None, typer.Option(help="Its name, number or id. Default: the only one.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217. Default: the account's.")] = None,
    category: Annotated[str | None, typer.Option(help="A slug, such as dining.")] = None,
    merchant: Annotated[str | None, typer.Option(help="Shop or counterparty.")] = None,
    payment_method: Annotated[str | None, typer.Option(help="Such as cash.")] = None,
    note: Annotated[str | None, typer.Option(help="Your own words.")] = None,
    status: Annotated[Status, typer.Option(help="Booked or announced.")] = Status.POSTED,
    another: Annotated[bool, typer.Option("--another", help="It is another payment than an equal one that is there.")] = False,
    idempotency_key: Annotated[str | None, typer.Option(help="Makes a repeat of this very command harmless.")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Add one transaction by hand. The bank's own row for it, imported later, is known again."""
    signed = _signed(amount, income)
    given = {"currency": currency, "category": category, "merchant": merchant, "payment_method": payment_method, "note": note}
    on = day_option(day, "--date") or date.today().isoformat()  # noqa: DTZ011  # the day of whoever types
    with open_client(url, token) as client:
        body = {
            "account_id": meant_account(client, account)["id"],
            "transaction_date": on,
            "amount": signed,
            "description": description,
            "status": status.value,
            "allow_equal": another,
            **{name: value for name, value in given.items() if value},
        }
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        made = client.ask("POST", "/api/v1/transactions", json=body, headers=headers)
    text = f"{made['transaction_date']}  {made['amount']} {made['currency']}  {made['description']}"
    console.print(text, markup=False, soft_wrap=True)
    if made.get("suspicion"):
        console.print(
            f"  It may repeat {made['suspected_duplicate_of']}: {made['suspicion']}.", style="yellow", markup=False, soft_wrap=True
        )
    console.print(f"  transaction {made['id']}", style="dim", markup=False, soft_wrap=True)


def _signed(amount: str, income: bool) -> str:
    if not _AMOUNT.fullmatch(amount) or not Decimal(amount):
        raise typer.BadParameter(f"{amount!r} is not an amount such as 3.50", param_hint="AMOUNT")
    return amount if income else f"-{amount}"
