"""`scale edit`, `scale edits` and `scale undo`: many transactions at once, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

import typer

from clients.cli.session import Limit, Token, Url, console, open_client, show_items

_NONE = "none"
"""What to say to take a category away."""


def edit_transactions(
    expression: Annotated[str, typer.Option("--filter", help="Which: a filter expression, such as 'merchant:rewe AND date:2026-01'.")],
    category: Annotated[str | None, typer.Option(help=f"Category slug; {_NONE} takes it away.")] = None,
    note: Annotated[str | None, typer.Option(help="Your own words; nothing between the quotes takes them away.")] = None,
    status: Annotated[str | None, typer.Option(help="posted, pending or void.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Change all transactions that a filter finds."""
    change: dict[str, Any] = {}
    if category is not None:
        change["category"] = None if category == _NONE else category
    if note is not None:
        change["note"] = note or None
    if status is not None:
        change["status"] = status
    if not change:
        raise typer.BadParameter("say what to change: --category, --note or --status")
    with open_client(url, token) as client:
        say_edit(client.ask("PATCH", "/api/v1/transactions", json={"filter": expression, "dry_run": dry_run, **change}))


def undo_edit(
    edit_id: Annotated[UUID, typer.Argument(help="As `scale edit` and `scale edits` show it.")], url: Url = None, token: Token = None
) -> None:
    """Take an edit back, but for transactions that were changed since."""
    with open_client(url, token) as client:
        say_undone(client.ask("POST", f"/api/v1/edits/{edit_id}/undo"))


def list_edits(limit: Limit = 20, url: Url = None, token: Token = None) -> None:
    """List what you changed at once and what your rules did, newest first."""
    headings = {
        "created_at": "Day",
        "matched": "Found",
        "changed": "Changed",
        "filter": "Filter",
        "rule_id": "By rule",
        "undone_at": "Undone",
        "id": "Edit",
    }
    show_items("edits", headings, {}, limit, url, token, nothing="No edits yet: `scale edit --filter ... --category ...` makes one.")


def say_edit(edit: Mapping[str, Any]) -> None:
    """What an edit did, or would do, and how to take it back."""
    if edit["id"] is None:
        console.print(f"{edit['matched']} transactions found, {edit['changed']} would change.", markup=False, soft_wrap=True)
        return
    console.print(f"{edit['matched']} transactions found, {edit['changed']} changed.", markup=False, soft_wrap=True)
    if edit["changed"]:
        console.print(f"  `scale undo {edit['undo_token']}` takes it back until {edit['expires_at'][:10]}.", markup=False, soft_wrap=True)


def say_undone(undone: Mapping[str, Any]) -> None:
    """What is as before, and what is not."""
    console.print(f"{undone['restored']} transactions are as before.", markup=False, soft_wrap=True)
    if undone["kept"]:
        console.print(f"{undone['kept']} were changed since and stay as they are.", style="yellow", markup=False, soft_wrap=True)
