"""`scale anomalies`: what is odd in the ledger, and why."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table
from rich.text import Text

from clients.cli.client import FINAL_STATES, ScaleClient, ScaleError
from clients.cli.jobs import Wait
from clients.cli.output import plain
from clients.cli.plots import Plot, PlotFile, spend_figure
from clients.cli.session import Limit, Token, Url, console, day_option, error_console, open_client

app = typer.Typer(help="What is odd in the ledger, and why.")

_STYLES = {"high": "bold red", "medium": "yellow", "low": ""}
_MOST_ROWS = 10
"""Of the transactions that one is about."""
_AROUND = timedelta(days=91)
"""What a plot shows before the first, and after the last."""
_DAILY = timedelta(days=270)
"""The longest time of which a plot shows single days."""


class Kind(StrEnum):
    """What is odd."""

    DUPLICATE_CHARGE = "duplicate_charge"
    PRICE_RISE = "price_rise"
    MISSED_INCOME = "missed_income"
    MISSED_PAYMENT = "missed_payment"
    NEW_MERCHANT = "new_merchant"
    UNUSUAL_AMOUNT = "unusual_amount"
    BURST = "burst"
    REGIME_CHANGE = "regime_change"


class Severity(StrEnum):
    """How much it matters."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class State(StrEnum):
    """Where they stand."""

    OPEN = "open"
    DISMISSED = "dismissed"
    RESOLVED = "resolved"
    ANY = "any"


AnomalyId = Annotated[UUID, typer.Argument(help="As `scale anomalies` shows it.")]
OfKind = Annotated[Kind | None, typer.Option(help="Only of this kind.")]
MinSeverity = Annotated[Severity | None, typer.Option(help="Only what matters at least so much.")]
InState = Annotated[State, typer.Option(help="Where they stand.")]
From = Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")]
To = Annotated[str | None, typer.Option(help="Last day, YYYY-MM-DD.")]
OfAccount = Annotated[UUID | None, typer.Option(help="Of one account only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Everything, for a program.")]


@app.callback(invoke_without_command=True)
def anomalies(
    context: typer.Context,
    kind: OfKind = None,
    min_severity: MinSeverity = None,
    state: InState = State.OPEN,
    date_from: From = None,
    date_to: To = None,
    account_id: OfAccount = None,
    plot: Plot = None,
    as_json: AsJson = False,
    limit: Limit = 50,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show what is odd in the ledger, the latest day first."""
    context.obj = (url, token)
    if context.invoked_subcommand is None:
        list_anomalies(context, kind, min_severity, state, date_from, date_to, account_id, plot, as_json, limit, url, token)


@app.command("list")
def list_anomalies(
    context: typer.Context,
    kind: OfKind = None,
    min_severity: MinSeverity = None,
    state: InState = State.OPEN,
    date_from: From = None,
    date_to: To = None,
    account_id: OfAccount = None,
    plot: Plot = None,
    as_json: AsJson = False,
    limit: Limit = 50,
    url: Url = None,
    token: Token = None,
) -> None:
    """The same as without a word behind it."""
    filters = {
        "kind": kind.value if kind else None,
        "min_severity": min_severity.value if min_severity else None,
        "state": state.value,
        "date_from": day_option(date_from, "--date-from"),
        "date_to": day_option(date_to, "--date-to"),
        "account_id": str(account_id) if account_id else None,
    }
    given = {name: value for name, value in filters.items() if value}
    file = PlotFile(plot) if plot is not None else None
    looked: list[str | None] = []
    with file or nullcontext(), _client(context, url, token) as client:
        found = list(client.items("anomalies", given, limit, first_page=lambda page: looked.append(page["scanned_at"])))
        if file is not None:
            _draw(file, client, found, given)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _table(found, state, looked[0] if looked else None)
    if plot is not None:
        error_console.print(f"Drawn into {plot}.", style="dim", markup=False, soft_wrap=True)


@app.command("show")
def show_anomaly(context: typer.Context, anomaly_id: AnomalyId, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Show one, what it goes by, and the transactions that it is about."""
    with _client(context, url, token) as client:
        found = client.ask("GET", f"/api/v1/anomalies/{anomaly_id}")
        if as_json:
            typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
            return
        _say(found["reason"], style="bold")
        amount = f", {found['amount']} {found['currency']}" if found["amount"] else ""
        _say(f"  {_words(found['kind'])}, {found['severity']}, {found['state']}: {found['date']}{amount}", style=_STYLES[found["severity"]])
        about = {name: found[name] for name in ("merchant", "category", "account_id") if found[name]}
        for name, value in {**about, **found["evidence"]}.items():
            _say(f"    {_words(name)}: {plain(value)}")
        _transactions(client, found["transaction_ids"])
    closed = f", {found['state']} {found['closed_at'][:10]}" if found["closed_at"] else ""
    _say(f"  found {found['created_at'][:10]}{closed}", style="dim")
    _say(f"  anomaly {found['id']}", style="dim")


@app.command("dismiss")
def dismiss_anomaly(context: typer.Context, anomaly_id: AnomalyId, url: Url = None, token: Token = None) -> None:
    """Say that one is no news to you: the like of it is not told again."""
    with _client(context, url, token) as client:
        found = client.ask("POST", f"/api/v1/anomalies/{anomaly_id}/dismiss")
    _say(f"Dismissed: {found['reason']}")
    _say(f"  `scale anomalies reopen {found['id']}` takes that back.", style="dim")


@app.command("reopen")
def reopen_anomaly(context: typer.Context, anomaly_id: AnomalyId, url: Url = None, token: Token = None) -> None:
    """Take a dismissal back, and what was learned from it."""
    with _client(context, url, token) as client:
        found = client.ask("POST", f"/api/v1/anomalies/{anomaly_id}/reopen")
    _say(f"Open again: {found['reason']}")


@app.command("scan")
def scan(context: typer.Context, wait: Wait = True, url: Url = None, token: Token = None) -> None:
    """Look through the ledger now. An import does so by itself, and so does the clock once a day."""
    with _client(context, url, token) as client:
        begun = client.ask("POST", "/api/v1/anomalies/scans")
        if not wait:
            _say(f"It goes on in the background: scan {begun['id']}. `scale anomalies` shows what it finds.")
            return
        try:
            with error_console.status("Looking through the ledger"):
                found = begun if begun["state"] in FINAL_STATES else client.finished(f"/api/v1/anomalies/scans/{begun['id']}")
        except KeyboardInterrupt:
            text = f"Nobody waits any more, but scan {begun['id']} goes on: `scale anomalies` shows what it finds."
            error_console.print(text, style="yellow", markup=False, soft_wrap=True)
            raise typer.Exit(130) from None
    if found["state"] != "succeeded":
        raise ScaleError(f"The ledger could not be looked through: {(found['error'] or {}).get('message') or found['state']}")
    _say(f"{found['transactions']:,} transactions looked at: {found['found']:,} new, {found['resolved']:,} settled.")
    if found["found"]:
        _say("  `scale anomalies` shows them.", style="dim")


def _table(found: Sequence[Mapping[str, Any]], state: State, scanned_at: str | None) -> None:
    if not found:
        if scanned_at is None:
            _say("The ledger has not been looked through yet: `scale anomalies scan` does.")
        else:
            _say(f"Nothing odd, as of {scanned_at[:10]}." if state is State.OPEN else "None that stand so.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Day", no_wrap=True)
    table.add_column("Severity", no_wrap=True)
    table.add_column("Amount", justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("Why", overflow="fold")
    if state is not State.OPEN:
        table.add_column("State", no_wrap=True)
    table.add_column("Anomaly", no_wrap=True, min_width=36)
    for one in found:
        cells = [
            Text(one["date"]),
            Text(one["severity"], style=_STYLES[one["severity"]]),
            Text(one["amount"] or "", style="red" if (one["amount"] or "").startswith("-") else ""),
            Text(one["currency"] or ""),
            Text(one["reason"]),
        ]
        cells += [Text(one["state"])] if state is not State.OPEN else []
        table.add_row(*cells, Text(one["id"], style="dim"))
    console.print(table)


def _transactions(client: ScaleClient, ids: Sequence[str]) -> None:
    if not ids:
        return
    _say("  transactions:")
    for transaction_id in ids[:_MOST_ROWS]:
        try:
            one = client.ask("GET", f"/api/v1/transactions/{transaction_id}")
        except ScaleError as error:
            if error.problem.get("status") != 404:
                raise
            _say(f"    {transaction_id}: not in the ledger any more")
            continue
        _say(f"    {one['transaction_date']}  {one['amount']} {one['currency']}  {one['description']}")
    if len(ids) > _MOST_ROWS:
        _say(f"    and {len(ids) - _MOST_ROWS} more")


def _draw(file: PlotFile, client: ScaleClient, found: Sequence[Mapping[str, Any]], filters: Mapping[str, str]) -> None:
    """A timeline of what was spent around them; all of it where there are none."""
    query = {name: value for name, value in filters.items() if name in ("date_from", "date_to", "account_id")}
    days = [date.fromisoformat(one["date"]) for one in found]
    if days:
        query.setdefault("date_from", (min(days) - _AROUND).isoformat())
        query.setdefault("date_to", (max(days) + _AROUND).isoformat())
    short = bool(days) and max(days) - min(days) + 2 * _AROUND <= _DAILY
    period = "day" if short else "week"
    spent: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
    for one in client.items("cash-flow", {"granularity": period, **query}, 100_000):
        spent[one["currency"]].append((date.fromisoformat(one["period_start"]), Decimal(one["spent"])))
    file.write(spend_figure(spent, found, period))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _client(context: typer.Context, url: str | None, token: str | None) -> ScaleClient:
    """Options may stand before the subcommand or after it."""
    return open_client(url or context.obj[0], token or context.obj[1])


def _say(text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, soft_wrap=True)
