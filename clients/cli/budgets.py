"""`scale budgets`: what you mean to spend, and how far it is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from clients.cli.client import ScaleClient
from clients.cli.session import Limit, Token, Url, console, day_option, open_client

app = typer.Typer(help="Budgets and how far they are used.")

_BAR_WIDTH = 20
_NEARLY_USED = 80

Day = Annotated[str, typer.Argument(help="YYYY-MM-DD.")]
BudgetId = Annotated[UUID, typer.Argument(help="As `scale budgets` shows it.")]


@app.callback(invoke_without_command=True)
def list_budgets(
    context: typer.Context,
    date: Annotated[str | None, typer.Option(help="Only those whose period holds this day, YYYY-MM-DD.")] = None,
    limit: Limit = 50,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show the active budgets and how far they are used."""
    context.obj = (url, token)
    if context.invoked_subcommand is not None:
        return
    day = day_option(date, "--date")
    with open_client(url, token) as client:
        items = client.items("budgets/utilization", {"fresh": "true"} | ({"on_date": day} if day else {}), limit)
        _show(items, nothing="No active budgets: `scale budgets add CATEGORY AMOUNT FIRST LAST` makes one.")


@app.command("add")
def add_budget(
    context: typer.Context,
    category: Annotated[str, typer.Argument(help="A slug; a primary one takes in all below it.")],
    amount: Annotated[str, typer.Argument(help="Such as 400 or 399.50.")],
    first: Day,
    last: Day,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "EUR",
    roll_over: Annotated[bool, typer.Option("--roll-over", help="Take over what the budget that ends the day before leaves.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Add a budget from FIRST to LAST, both inclusive."""
    body = {
        "category": category,
        "amount": {"amount": amount, "currency": currency.upper()},
        "period_start": day_option(first, "FIRST"),
        "period_end": day_option(last, "LAST"),
        "roll_over": roll_over,
    }
    with _client(context, url, token) as client:
        made = client.ask("POST", "/api/v1/budgets", json=body)
    console.print(f"{_amount(made['amount'])} for {category} from {first} to {last}: budget {made['id']}", markup=False, soft_wrap=True)


@app.command("off")
def switch_off(context: typer.Context, budget_id: BudgetId, url: Url = None, token: Token = None) -> None:
    """Switch a budget off; it is kept."""
    _switch(context, budget_id, url, token, active=False)


@app.command("on")
def switch_on(context: typer.Context, budget_id: BudgetId, url: Url = None, token: Token = None) -> None:
    """Switch a budget on again."""
    _switch(context, budget_id, url, token, active=True)


def _switch(context: typer.Context, budget_id: UUID, url: str | None, token: str | None, *, active: bool) -> None:
    with _client(context, url, token) as client:
        client.ask("PATCH", f"/api/v1/budgets/{budget_id}", json={"active": active})
    console.print(f"Budget {budget_id} is switched {'on' if active else 'off'}.", markup=False, soft_wrap=True)


def _client(context: typer.Context, url: str | None, token: str | None) -> ScaleClient:
    """Options may stand before the subcommand or after it."""
    return open_client(url or context.obj[0], token or context.obj[1])


def _show(items: Iterable[Mapping[str, Any]], *, nothing: str) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Category", overflow="fold")
    for heading in ("From", "To", "Spent", "of", "Left", "Used"):
        table.add_column(heading, justify="left" if heading in ("From", "To") else "right", no_wrap=True)
    table.add_column("", width=_BAR_WIDTH)
    table.add_column("Budget", no_wrap=True)
    for item in items:
        table.add_row(*_row(item))
    if table.row_count:
        console.print(table)
    else:
        console.print(nothing, markup=False, soft_wrap=True)


def _row(item: Mapping[str, Any]) -> tuple[Text | ProgressBar, ...]:
    use = item["utilization"]
    used = Decimal(use["utilization_percent"])
    # 0 % may also mean that there is nothing left to spend from.
    overspent = use["remaining"]["amount"].startswith("-")
    style = "red" if overspent else "yellow" if used >= _NEARLY_USED else "green"
    available = Decimal(item["amount"]["amount"]) + Decimal(use["carried_over"]["amount"])
    bar = ProgressBar(
        total=100,
        completed=100 if overspent else float(min(used, Decimal(100))),
        width=_BAR_WIDTH,
        complete_style=style,
        finished_style=style,
    )
    return (
        Text(item["category"]),
        Text(item["period_start"]),
        Text(item["period_end"]),
        Text(_amount(use["spent"])),
        Text(str(available)),
        Text(use["remaining"]["amount"], style="red" if overspent else ""),
        Text(f"{used:.0f} %", style=style),
        bar,
        Text(item["id"], style="dim"),
    )


def _amount(total: Mapping[str, str]) -> str:
    return f"{total['amount']} {total['currency']}"
