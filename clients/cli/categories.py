"""`scale categories`: the taxonomy and your own; `scale suggestions`: those that your payments suggest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer

from clients.cli.client import ScaleClient
from clients.cli.jobs import Wait, carry_out
from clients.cli.output import show_table
from clients.cli.session import Limit, Token, Url, console, open_client

app = typer.Typer(help="The categories: the taxonomy, and your own.")
suggestions = typer.Typer(help="New categories that your payments suggest.")

SuggestionId = Annotated[UUID, typer.Argument(help="As `scale suggestions` shows it.")]


class State(StrEnum):
    """Where a suggestion stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"


@app.callback(invoke_without_command=True)
def list_categories(
    context: typer.Context,
    own: Annotated[bool, typer.Option("--own", help="Only your own.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """List the categories."""
    context.obj = (url, token)
    if context.invoked_subcommand is not None:
        return
    headings = {"slug": "Category", "name": "Name", "primary_slug": "Within", "yours": ""}
    with open_client(url, token) as client:
        items = client.items("categories", {}, 100_000)
        show_table(
            console, headings, _categories(items, own=own), nothing="None of your own: `scale categories add NAME WITHIN` makes one."
        )


@app.command("add")
def add_category(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="For you; its slug is made from it.")],
    within: Annotated[str, typer.Argument(help="The primary category that it belongs to, such as entertainment.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Add a category of your own."""
    with _client(context, url, token) as client:
        made = client.ask("POST", "/api/v1/categories", json={"name": name, "primary_slug": within})
    console.print(f"{made['name']} is {made['slug']}, within {made['primary_slug']}.", markup=False, soft_wrap=True)


def _categories(items: Iterator[dict[str, Any]], *, own: bool) -> Iterator[dict[str, Any]]:
    for one in items:
        if one["custom"] or not own:
            yield {**one, "yours": "yours" if one["custom"] else ""}


@suggestions.callback(invoke_without_command=True)
def list_suggestions(
    context: typer.Context,
    state: Annotated[State, typer.Option(help="Those that wait for you, or that you have decided on.")] = State.OPEN,
    limit: Limit = 50,
    url: Url = None,
    token: Token = None,
) -> None:
    """List them with the payments that suggest them."""
    context.obj = (url, token)
    if context.invoked_subcommand is not None:
        return
    with open_client(url, token) as client:
        nothing = True
        for one in client.items("categories/suggestions", {"state": state.value}, limit):
            nothing = False
            _show(one)
    if nothing:
        console.print("None: `scale suggestions find` looks for some.")


@suggestions.command("find")
def find_suggestions(context: typer.Context, wait: Wait = True, url: Url = None, token: Token = None) -> None:
    """Look for payments that belong together and to no category."""
    with _client(context, url, token) as client:
        done = carry_out(client, "/api/v1/categories/suggestions", "Looking", wait=wait)
    if done is not None:
        console.print(f"{done['changed']} new; `scale suggestions` shows them.", markup=False, soft_wrap=True)


@suggestions.command("accept")
def accept_suggestion(
    context: typer.Context,
    suggestion_id: SuggestionId,
    name: Annotated[str | None, typer.Option(help="Another name than the proposed one.")] = None,
    within: Annotated[str | None, typer.Option(help="Another primary category than the proposed one.")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Make one a category of your own, with its transactions in it."""
    given = {"name": name, "primary_category": within}
    with _client(context, url, token) as client:
        body = {key: value for key, value in given.items() if value}
        done = client.ask("POST", f"/api/v1/categories/suggestions/{suggestion_id}/accept", json=body)
    text = f"{done['name']} is {done['category']}, within {done['primary_category']}, with {done['transactions']} transactions."
    console.print(text, markup=False, soft_wrap=True)


@suggestions.command("dismiss")
def dismiss_suggestion(context: typer.Context, suggestion_id: SuggestionId, url: Url = None, token: Token = None) -> None:
    """Put one aside: the like of it is not suggested again."""
    with _client(context, url, token) as client:
        done = client.ask("POST", f"/api/v1/categories/suggestions/{suggestion_id}/dismiss")
    console.print(f"{done['name']} is not suggested again.", markup=False, soft_wrap=True)


def _show(one: Mapping[str, Any]) -> None:
    console.print(f"{one['name']} (within {one['primary_category']}), {one['transactions']} transactions", style="bold", markup=False)
    console.print(f"  {one['reason']}", markup=False, soft_wrap=True)
    for example in one["examples"]:
        console.print(f"    {example}", markup=False, soft_wrap=True)
    console.print(f"  suggestion {one['id']}", style="dim", markup=False, soft_wrap=True)


def _client(context: typer.Context, url: str | None, token: str | None) -> ScaleClient:
    """Options may stand before the subcommand or after it."""
    return open_client(url or context.obj[0], token or context.obj[1])
