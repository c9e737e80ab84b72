"""`scale erase`: everything of you, for good."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from clients.cli.client import NotReachable, ScaleClient, TryLater
from clients.cli.output import show_table
from clients.cli.session import Token, Url, console, error_console, fail, open_client

_PATH = "/api/v1/erase"
_WORD = "erase"
_PATIENCE_S = 60.0
_PAUSE_S = 2.0


def erase_everything(url: Url = None, token: Token = None) -> None:
    """Erase everything of you in every service, for good; `scale export` first keeps a copy."""
    with open_client(url, token) as client:
        offer = client.ask("POST", _PATH)
        show_table(console, {"table": "What there is", "held": "Rows"}, _lines(offer["rows"]), nothing="There is nothing of you.")
        typed = typer.prompt(
            f"All of it goes, and nobody can bring it back. Type {_WORD} to go on", default="", show_default=False, err=True
        )
        if typed.strip().lower() != _WORD:
            fail("Nothing was erased.")
        answer = _erase(client, offer["confirmation"])
    rows = sum(count for counts in answer["erased"].values() for count in counts.values())
    console.print(f"Erased: {rows:,} rows. This token writes nothing any more; sign in again to start anew.", soft_wrap=True)


def _lines(rows: Mapping[str, Mapping[str, int]]) -> Iterator[dict[str, str]]:
    for service, tables in rows.items():
        for table, count in tables.items():
            if count:
                yield {"table": f"{service}.{table}", "held": f"{count:,}"}


def _erase(client: ScaleClient, confirmation: str) -> dict[str, Any]:
    """A repeat does no harm, and finishes what was begun."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return client.ask("POST", _PATH, json={"confirmation": confirmation})
        except (NotReachable, TryLater) as error:
            if time.monotonic() > deadline:
                raise type(error)(f"{error}\n  Not all is erased yet: `scale erase` again finishes it.") from error
            error_console.print("Not all of it yet; trying again ...", style="yellow")
            time.sleep(_PAUSE_S)
