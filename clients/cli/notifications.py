"""`scale notifications`: what you should know and did not ask for."""

from __future__ import annotations

from typing import Annotated

import typer

from clients.cli.session import Limit, Token, Url, console, open_client


def show_notifications(
    unread: Annotated[bool, typer.Option("--unread", help="Only those that you have not seen.")] = False,
    read: Annotated[bool, typer.Option("--read", help="Note that you have seen all of them.")] = False,
    limit: Limit = 20,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show what you should know, newest first."""
    with open_client(url, token) as client:
        shown = False
        for one in client.items("notifications", {"unread": "true"} if unread else {}, limit):
            shown = True
            new = "" if one["read_at"] else "  (new)"
            console.print(f"{one['created_at'][:10]}  {one['title']}{new}", style=None if one["read_at"] else "bold", markup=False)
            if one["body"]:
                console.print(f"  {one['body']}", markup=False, soft_wrap=True)
        if not shown:
            console.print("Nothing new." if unread else "Nothing.")
        if read:
            client.ask("POST", "/api/v1/notifications/read", json={})
