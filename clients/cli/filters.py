"""`scale filters`: filter expressions kept by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from clients.cli.client import ScaleClient, ScaleError
from clients.cli.output import show_table
from clients.cli.session import Limit, Token, Url, console, error_console, open_client

app = typer.Typer(help="Filter expressions that you keep by name.")

Name = Annotated[str, typer.Argument(help="Capitals do not matter.")]


@app.callback(invoke_without_command=True)
def list_saved_filters(context: typer.Context, limit: Limit = 100, url: Url = None, token: Token = None) -> None:
    """List the saved filters, by name."""
    context.obj = (url, token)
    if context.invoked_subcommand is not None:
        return
    with open_client(url, token) as client:
        nothing = "No saved filters: `scale filters add NAME EXPRESSION` keeps one."
        show_table(console, {"name": "Name", "filter": "Filter"}, client.items("saved-filters", {}, limit), nothing=nothing)


@app.command("add")
def add_saved_filter(
    context: typer.Context,
    name: Name,
    expression: Annotated[str, typer.Argument(help="Such as 'category = groceries AND amount < -50'.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Keep a filter expression by name; one of that name is replaced."""
    with _client(context, url, token) as client:
        before = _find(client, name)
        body = {"name": name, "filter": expression}
        if before is None:
            client.ask("POST", "/api/v1/saved-filters", json=body)
        else:
            client.ask("PATCH", f"/api/v1/saved-filters/{before['id']}", json=body)
    console.print(f"`scale transactions --saved {name!r}` lists what it lets through.", markup=False, soft_wrap=True)


@app.command("remove")
def remove_saved_filter(context: typer.Context, name: Name, url: Url = None, token: Token = None) -> None:
    """Forget a saved filter."""
    with _client(context, url, token) as client:
        client.ask("DELETE", f"/api/v1/saved-filters/{saved_filter_id(client, name)}")
    console.print(f"{name} is forgotten.", markup=False, soft_wrap=True)


def saved_filter_id(client: ScaleClient, name: str) -> str:
    """The id of the saved filter of that name. Raises ScaleError."""
    found = _find(client, name)
    if found is None:
        raise ScaleError(f"No saved filter is named {name!r}: `scale filters` lists them.")
    return str(found["id"])


def show_corrections(page: Mapping[str, Any]) -> None:
    """Says which words of a search were taken for mistyped."""
    for one in page.get("corrected_words", ()):
        instead = " or ".join(one["searched_for"])
        error_console.print(f"Nothing holds {one['word']!r}: searched for {instead}.", style="yellow", markup=False, soft_wrap=True)


def _find(client: ScaleClient, name: str) -> dict[str, Any] | None:
    return next((one for one in client.items("saved-filters", {}, 100_000) if one["name"].lower() == name.lower()), None)


def _client(context: typer.Context, url: str | None, token: str | None) -> ScaleClient:
    """Options may stand before the subcommand or after it."""
    return open_client(url or context.obj[0], token or context.obj[1])
