"""What every command shares: where SCALE is, whose token, and how to speak to the person at the terminal."""

from __future__ import annotations

import math
import os
import shutil
from datetime import date
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from clients.cli.client import ScaleClient, ScaleError
from clients.cli.output import show_table

# A narrow window breaks long lines itself, which loses nothing; a file or a pipe has no width.
console = Console(highlight=False, width=max(100, shutil.get_terminal_size((200, 24)).columns))
error_console = Console(stderr=True, highlight=False)

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="SCALE_URL", help="The gateway. Default: http://127.0.0.1 at SCALE_GATEWAY_PORT or 8080."),
]
Token = Annotated[str | None, typer.Option("--token", envvar="SCALE_TOKEN", help="Bearer token. Default: $SCALE_HOME/dev-token.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]


def open_client(url: str | None, token: str | None) -> ScaleClient:
    """A session with the gateway at `url` as the bearer of `token`, or with the defaults. Raises ScaleError without a token."""
    return ScaleClient(url or _default_url(), token or _default_token())


def show_items(
    resource: str,
    headings: dict[str, str],
    filters: dict[str, str],
    limit: int,
    url: str | None,
    token: str | None,
    *,
    nothing: str,
) -> None:
    """A listing as a table; `headings` is item key → heading, `nothing` what to say when it is empty."""
    with open_client(url, token) as client:
        show_table(console, headings, client.items(resource, filters, limit), nothing=nothing)


def day_option(value: str | None, option: str) -> str | None:
    """A day as the gateway takes it. Raises BadParameter, which names `option`."""
    if value is None:
        return None
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise typer.BadParameter(f"{value!r} is not a day such as 2026-03-31", param_hint=option) from None


def finite(value: float | None) -> float | None:
    """The callback of an option with a bound, which holds no NaN back. Raises BadParameter."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


def fail(message: str, code: int = 1) -> NoReturn:
    """Ends the command with one sentence on stderr."""
    error_console.print(message, style="red", markup=False, soft_wrap=True)
    raise SystemExit(code)


def _default_url() -> str:
    return f"http://127.0.0.1:{os.environ.get('SCALE_GATEWAY_PORT') or 8080}"


def _default_token() -> str:
    from services.local import default_home

    file = default_home() / "dev-token"
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        raise ScaleError(f"No token: {file} is not there. `make run` writes it; --token or SCALE_TOKEN names another.") from None
