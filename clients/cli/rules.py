"""`scale rules`: what is done to transactions as they come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from clients.cli.client import ScaleClient
from clients.cli.edits import say_edit, say_undone
from clients.cli.output import show_table
from clients.cli.session import Limit, Token, Url, console, open_client

app = typer.Typer(help="Your own rules: what is done to transactions as they come in.")

RuleId = Annotated[UUID, typer.Argument(help="As `scale rules` shows it.")]
Filter = Annotated[str, typer.Argument(help="A filter expression, such as 'merchant:rewe AND amount < 0'.")]
Category = Annotated[str | None, typer.Option(help="Set this category.")]
Merchant = Annotated[str | None, typer.Option(help="Rename the merchant.")]
Note = Annotated[str | None, typer.Option(help="Add this note where there is none.")]

_SAMPLE = 10


@app.callback(invoke_without_command=True)
def list_rules(context: typer.Context, limit: Limit = 100, url: Url = None, token: Token = None) -> None:
    """List the rules by position, the order in which they are asked."""
    context.obj = (url, token)
    if context.invoked_subcommand is not None:
        return
    headings = {"position": "", "name": "Name", "filter": "Of", "actions": "Does", "standing": "State", "id": "Rule"}
    with open_client(url, token) as client:
        rows = map(_row, client.items("rules", {}, limit))
        show_table(console, headings, rows, nothing="No rules: `scale rules add NAME FILTER --category SLUG` makes one.")


@app.command("add")
def add_rule(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="For you.")],
    expression: Filter,
    category: Category = None,
    merchant: Merchant = None,
    note: Note = None,
    position: Annotated[int | None, typer.Option(min=1, help="Place among the rules. Default: the last.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Apply it to the past as well.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Add a rule, which sees what comes in from now on."""
    body = {"name": name, **_actions(expression, category, merchant, note), "position": position}
    with _client(context, url, token) as client:
        made = client.ask("POST", "/api/v1/rules", json=_given(body))
        console.print(f"Rule {made['id']} is number {made['position']}.", markup=False, soft_wrap=True)
        if apply:
            say_edit(client.ask("POST", f"/api/v1/rules/{made['id']}/apply"))


@app.command("preview")
def preview_rule(
    context: typer.Context,
    expression: Filter,
    category: Category = None,
    merchant: Merchant = None,
    note: Note = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show what a rule would change in the past, without adding it."""
    body = {**_actions(expression, category, merchant, note), "sample_size": _SAMPLE}
    with _client(context, url, token) as client:
        found = client.ask("POST", "/api/v1/rules/preview", json=_given(body))
    console.print(f"{found['matched']} transactions found, {found['changed']} would change.", markup=False, soft_wrap=True)
    headings = {
        "transaction_date": "Date",
        "amount": "Amount",
        "currency": "",
        "description": "Description",
        "merchant": "Merchant",
        "category": "Category",
    }
    if found["transactions"]:
        show_table(console, headings, found["transactions"], nothing="")


@app.command("apply")
def apply_rule(context: typer.Context, rule_id: RuleId, url: Url = None, token: Token = None) -> None:
    """Apply a rule to the past."""
    with _client(context, url, token) as client:
        say_edit(client.ask("POST", f"/api/v1/rules/{rule_id}/apply"))


@app.command("undo")
def undo_rule(context: typer.Context, rule_id: RuleId, url: Url = None, token: Token = None) -> None:
    """Take back all that a rule did, but for what was changed since."""
    with _client(context, url, token) as client:
        say_undone(client.ask("POST", f"/api/v1/rules/{rule_id}/undo"))


@app.command("move")
def move_rule(
    context: typer.Context,
    rule_id: RuleId,
    position: Annotated[int, typer.Argument(min=1, help="Its new place, from 1.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Give a rule another place: for each field the first rule that sets it wins."""
    _change(context, rule_id, url, token, position=position)


@app.command("off")
def switch_off(context: typer.Context, rule_id: RuleId, url: Url = None, token: Token = None) -> None:
    """Switch a rule off; it is kept."""
    _change(context, rule_id, url, token, active=False)


@app.command("on")
def switch_on(context: typer.Context, rule_id: RuleId, url: Url = None, token: Token = None) -> None:
    """Switch a rule on again."""
    _change(context, rule_id, url, token, active=True)


@app.command("remove")
def remove_rule(context: typer.Context, rule_id: RuleId, url: Url = None, token: Token = None) -> None:
    """Take a rule away. What it did stays, and can still be taken back."""
    with _client(context, url, token) as client:
        client.ask("DELETE", f"/api/v1/rules/{rule_id}")
    console.print(f"Rule {rule_id} is gone; `scale rules undo {rule_id}` takes back what it did.", markup=False, soft_wrap=True)


def _change(context: typer.Context, rule_id: UUID, url: str | None, token: str | None, **change: object) -> None:
    with _client(context, url, token) as client:
        changed = client.ask("PATCH", f"/api/v1/rules/{rule_id}", json=change)
    console.print(
        f"{changed['name']} is number {changed['position']}, switched {'on' if changed['active'] else 'off'}.", markup=False, soft_wrap=True
    )


def _actions(expression: str, category: str | None, merchant: str | None, note: str | None) -> dict[str, Any]:
    if not (category or merchant or note):
        raise typer.BadParameter("say what to do: --category, --merchant or --note")
    return {"filter": expression, "category": category, "merchant": merchant, "note": note}


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _row(rule: Mapping[str, Any]) -> dict[str, Any]:
    actions = [f"{name} {rule[name]!r}" for name in ("category", "merchant", "note") if rule[name]]
    standing = rule["problem"] or ("on" if rule["active"] else "off")
    return {**rule, "actions": ", ".join(actions), "standing": standing}


def _client(context: typer.Context, url: str | None, token: str | None) -> ScaleClient:
    """Options may stand before the subcommand or after it."""
    return open_client(url or context.obj[0], token or context.obj[1])
