"""`scale classify`, `why`, `correct` and `recategorize`: what payments were for, why, and your own word on it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from clients.cli.jobs import Wait, carry_out
from clients.cli.session import Token, Url, console, day_option, open_client

TransactionId = Annotated[UUID, typer.Argument(help="As `scale transactions --ids` shows it.")]

_NO_CATEGORY = "uncategorized"
_AMOUNT = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,4})?")
_WHO = {
    "user": "your own corrections",
    "rule": "a rule of yours",
    "model": "the model",
    "fallback": "the rules that ship with SCALE",
    "file": "the bank's file",
}


def classify_payment(
    text: Annotated[str, typer.Argument(help="What the bank wrote, such as 'REWE SAGT DANKE 4711'.")],
    amount: Annotated[str, typer.Option(help="Signed: money that leaves is negative, such as -12.30.")],
    currency: Annotated[str | None, typer.Option(help="ISO 4217. Default: that of your profile.")] = None,
    day: Annotated[str | None, typer.Option("--date", help="YYYY-MM-DD.")] = None,
    merchant: Annotated[str | None, typer.Option(help="Shop or counterparty, where the bank names it.")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Say what a payment was for, how likely that is, and why. Nothing is stored."""
    if not _AMOUNT.fullmatch(amount):
        raise typer.BadParameter(f"{amount!r} is not an amount such as -12.30", param_hint="--amount")
    given = {"merchant": merchant, "date": day_option(day, "--date")}
    with open_client(url, token) as client:
        body = {
            "description": text,
            "amount": amount,
            "currency": currency.upper() if currency else client.ask("GET", "/api/v1/profile")["default_currency"],
            **{name: value for name, value in given.items() if value},
        }
        _show(client.ask("POST", "/api/v1/classify", json=body))


def say_why(transaction_id: TransactionId, url: Url = None, token: Token = None) -> None:
    """Say what a transaction of the ledger is, who said so, and what it would be called today and why."""
    with open_client(url, token) as client:
        found = client.ask("GET", f"/api/v1/transactions/{transaction_id}")
        body = {
            "description": found["description"],
            "merchant": found["merchant"],
            "amount": found["amount"],
            "currency": found["currency"],
            "date": found["transaction_date"],
            "transaction_id": found["id"],
        }
        answer = client.ask("POST", "/api/v1/classify", json=body)
    _say(f"{found['transaction_date']}  {found['amount']} {found['currency']}  {found['description']}")
    said = f"{found['category']}, says {_WHO[found['category_source']]}" if found["category"] else "without a category"
    _say(f"  in the ledger: {said}")
    _say("  today:")
    _show(answer, indent="    ")


def correct_category(
    transaction_id: TransactionId,
    category: Annotated[str, typer.Argument(help="A slug, as `scale categories` shows it.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Say what a transaction really was: it is that from now on, and the next payment at its merchant gets it, too. `uncategorized` takes
    back what you said of it."""
    with open_client(url, token) as client:
        body = {"transaction_id": str(transaction_id), "category": category}
        done = client.ask("POST", "/api/v1/classify/feedback", json=body)
    before = done["previous_category"]
    if done["category"] == _NO_CATEGORY:
        _say(f"What you said of it is taken back{f'; it was {before}' if before else ''}.")
        return
    _say(f"It is {done['category']} now{f'; before: {before}' if before else ''}.")
    if done["merchant"]:
        _say(f"  What you pay to {done['merchant']!r} next is put there, too.")


def recategorize(wait: Wait = True, url: Url = None, token: Token = None) -> None:
    """Classify the whole ledger anew. What you, a rule of yours or the bank's file said stays as it is."""
    with open_client(url, token) as client:
        done = carry_out(client, "/api/v1/classify/recategorize", "Classifying anew", wait=wait)
    if done is not None:
        _say(f"{done['done']} transactions looked at, {done['changed']} have another category now.")


def _show(answer: Mapping[str, Any], indent: str = "") -> None:
    if answer["abstained"]:
        _say(f"{indent}{answer['category']}: nothing was likely enough", style="yellow")
    else:
        within = "" if answer["primary_category"] == answer["category"] else f" ({answer['primary_category']})"
        _say(f"{indent}{answer['category']}{within}, {_percent(answer)} sure", style="bold")
    for reason in answer["reasons"]:
        _say(f"{indent}  {reason}")
    if answer["alternatives"]:
        _say(f"{indent}  else: " + ", ".join(f"{one['category']} {_percent(one)}" for one in answer["alternatives"]))
    _say(f"{indent}  by {_WHO[answer['source']]}, {answer['model_version']}", style="dim")
    if answer["degraded"]:
        _say(f"{indent}  The model is missing: simple rules answer until it is back.", style="yellow")


def _percent(one: Mapping[str, Any]) -> str:
    return f"{one['confidence'] * 100:.0f} %"


def _say(text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, soft_wrap=True)
