"""`scale models`: versions of models, which one answers, and back to the one before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from clients.cli.client import ScaleClient, ScaleError
from clients.cli.output import show_table
from clients.cli.session import Limit, Token, Url, console, open_client

app = typer.Typer(help="Versions of models: which one answers, and back to the one before.")

Model = Annotated[
    str, typer.Option(help="categorizer, your own; or categorizer-global or forecaster-global, which administrators decide on.")
]
Version = Annotated[str, typer.Argument(help="As `scale models` shows it, such as 3-1a2b3c4d.")]

_CATEGORIZER = "categorizer"
_SHIPPED = "the model that comes with SCALE"


@app.callback(invoke_without_command=True)
def list_versions(context: typer.Context, model: Model = _CATEGORIZER, limit: Limit = 20, url: Url = None, token: Token = None) -> None:
    """List the versions of a model, newest first."""
    context.obj = (url, token)
    if context.invoked_subcommand is not None:
        return
    headings = {"created_at": "Day", "version": "Version", "stage": "Stage", "held_out": "Held out", "parent_version": "Trained from"}
    with open_client(url, token) as client:
        rows = map(_row, client.items(f"training/models/{model}/versions", {}, limit))
        show_table(console, headings, rows, nothing=f"No versions of {model} yet: `scale train --model {model}` makes one.")


@app.command("promote")
def promote_version(context: typer.Context, version: Version, model: Model = _CATEGORIZER, url: Url = None, token: Token = None) -> None:
    """Let a version answer from now on: one that was not better on the part held out, or one that has answered before."""
    with _client(context, url, token) as client:
        live = client.ask("POST", f"/api/v1/training/models/{model}/versions/{version}/promote")
    _say_live(model, live)


@app.command("rollback")
def roll_back(
    context: typer.Context,
    version: Annotated[str | None, typer.Argument(help="From which to go back. Default: the one that answers.", show_default=False)] = None,
    model: Model = _CATEGORIZER,
    url: Url = None,
    token: Token = None,
) -> None:
    """Go back to the version that answered before."""
    with _client(context, url, token) as client:
        # By name, so that a request that is sent twice goes back once.
        given_up = version or _live(client, model)["version"]
        live = client.ask("POST", f"/api/v1/training/models/{model}/rollback", json={"version": given_up})["live"]
    _say_live(model, live)


def _live(client: ScaleClient, model: str) -> dict[str, Any]:
    try:
        return client.ask("GET", f"/api/v1/training/models/{model}/live")
    except ScaleError as error:
        if error.problem.get("reason") != "NO_LIVE_MODEL":
            raise
        raise ScaleError(f"{_SHIPPED.capitalize()} answers already: there is nothing to go back from.") from error


def _say_live(model: str, live: Mapping[str, Any] | None) -> None:
    answers = f"version {live['version']}" if live else _SHIPPED
    # Whoever answers everybody asks for it, every 30 seconds by default; a user's own is handed over.
    soon = "within a minute" if model.endswith("-global") else "within seconds"
    console.print(f"{model}: {answers} answers, {soon}.", markup=False, soft_wrap=True)


def _row(version: Mapping[str, Any]) -> dict[str, Any]:
    """With how it did on the part held out: a categorizer's accuracy, or how much a forecaster loses."""
    accuracy, loss = (version["metrics"].get(name) for name in ("accuracy", "pinball"))
    if accuracy is not None:
        return {**version, "held_out": f"{accuracy:.4f}"}
    return {**version, "held_out": "" if loss is None else f"loss {loss:.4f}"}


def _client(context: typer.Context, url: str | None, token: str | None) -> ScaleClient:
    """Options may stand before the subcommand or after it."""
    return open_client(url or context.obj[0], token or context.obj[1])
