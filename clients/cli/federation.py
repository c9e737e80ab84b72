"""`scale federation`: the model that devices train together, your devices, and, for administrators, the rounds."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from clients.cli.client import ScaleClient, ScaleError
from clients.cli.federation_simulate import Algorithm, simulate_rounds
from clients.cli.jobs import Wait
from clients.cli.output import show_table
from clients.cli.session import Limit, Token, Url, console, error_console, finite, open_client

app = typer.Typer(
    help="The model that devices train together: its versions, your devices, and, for administrators, the rounds.", no_args_is_help=True
)
app.command("simulate")(simulate_rounds)

RoundId = Annotated[
    UUID | None, typer.Argument(help="As `scale federation rounds` shows it. Default: the one that is open.", show_default=False)
]
Version = Annotated[int, typer.Argument(help="As `scale federation versions` shows it.", min=1)]

_API = "/api/v1/federation"
_OPEN = "open"
_PUBLISHED = "published"
_OPEN_REASON = "ROUND_OPEN"
_POLL_S = 0.5


@app.command("status")
def show_status(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for a program.")] = False, url: Url = None, token: Token = None
) -> None:
    """Show how the coordinator is: the open round, how many devices are there, what is left of the budget. For administrators."""
    with open_client(url, token) as client:
        status = client.ask("GET", f"{_API}/status")
    if as_json:
        typer.echo(json.dumps(status, indent=2, ensure_ascii=False))
        return
    _say(f"The coordinator {'is at work' if status['active'] else 'stands by: another is at work'}.", style="bold")
    _say(f"  devices that would take part: {status['available_devices']}")
    _say(f"  model: version {status['model_version']}")
    _say(
        f"  privacy: {_epsilon(status['spent_epsilon'])} of {status['budget_epsilon']:g} spent by a device that was in every round "
        f"(epsilon at delta {status['budget_delta']:g})"
    )
    _say(f"  next round of the clock: {_moment(status['next_round_at']) if status['next_round_at'] else 'none'}")
    if status["open_round"]:
        _show_round(status["open_round"])


@app.command("rounds")
def list_rounds(limit: Limit = 20, url: Url = None, token: Token = None) -> None:
    """List the rounds, newest first, and why some made no model. For administrators."""
    headings = {
        "created_at": "Day",
        "number": "Round",
        "state": "State",
        "made": "Version",
        "contributors": "Devices",
        "dropped": "Lost",
        "epsilon": "Epsilon",
        "accuracy": "Accuracy",
        "reason": "Why",
        "round_id": "Id",
    }
    with open_client(url, token) as client:
        rows = map(_row, client.items("federation/rounds", {}, limit))
        show_table(console, headings, rows, nothing="No rounds yet: `scale federation start` opens one.")


@app.command("start")
def start_round(
    algorithm: Annotated[Algorithm | None, typer.Option(help="How updates become a model.")] = None,
    target: Annotated[int | None, typer.Option(help="Devices whose updates shall be in the sum.", min=10)] = None,
    epochs: Annotated[int | None, typer.Option(help="Of a device's own training.", min=1, max=3)] = None,
    groups: Annotated[int | None, typer.Option(help="Random groups whose median counts, with fedmedian.", min=3)] = None,
    noise_multiplier: Annotated[float | None, typer.Option(help="Noise in the sum, in clip norms.", min=0, callback=finite)] = None,
    selection_seconds: Annotated[int | None, typer.Option(help="How long devices are looked for.", min=1)] = None,
    training_seconds: Annotated[int | None, typer.Option(help="How long they may train.", min=1)] = None,
    stage_seconds: Annotated[int | None, typer.Option(help="How long each further stage may take.", min=1)] = None,
    promote: Annotated[
        bool | None, typer.Option("--promote/--no-promote", help="Whether the new version answers in categorization at once.")
    ] = None,
    silos: Annotated[bool | None, typer.Option("--silos", help="Organisations with a server of their own instead of devices.")] = None,
    wait: Wait = True,
    url: Url = None,
    token: Token = None,
) -> None:
    """Open a round, and wait for its end. What is not said is as the settings say. For administrators."""
    options = {
        "algorithm": algorithm,
        "target": target,
        "epochs": epochs,
        "groups": groups,
        "noise_multiplier": noise_multiplier,
        "selection_seconds": selection_seconds,
        "training_seconds": training_seconds,
        "stage_seconds": stage_seconds,
        "promote": promote,
        "silos": silos,
    }
    with open_client(url, token) as client:
        begun = _begin(client, {name: value for name, value in options.items() if value is not None})
        if not wait:
            _say(f"Round {begun['number']} is open: `scale federation status` shows where it stands.")
            return
        ended = _follow(client, begun)
    _show_round(ended)
    if ended["state"] != _PUBLISHED:
        raise typer.Exit(1)


@app.command("abort")
def abort_round(round_id: RoundId = None, url: Url = None, token: Token = None) -> None:
    """Give a round up: nothing of it is published. For administrators."""
    with open_client(url, token) as client:
        if round_id is None:
            found = client.ask("GET", f"{_API}/status")["open_round"]
            if found is None:
                raise ScaleError("No round is open.")
            round_id = found["round_id"]
        aborted = client.ask("POST", f"{_API}/rounds/{round_id}/abort")
    _say(f"Round {aborted['number']} is given up: no model is made of it.")


@app.command("model")
def show_model(url: Url = None, token: Token = None) -> None:
    """Show the newest version of the model."""
    with open_client(url, token) as client:
        model = client.ask("GET", f"{_API}/model")
    _show_model(model)


@app.command("versions")
def list_versions(limit: Limit = 20, url: Url = None, token: Token = None) -> None:
    """List the versions of the model, newest first. For administrators."""
    headings = {
        "created_at": "Day",
        "number": "Version",
        "parent_version": "Trained from",
        "contributors": "Devices",
        "accuracy": "Accuracy",
        "epsilon": "Epsilon",
        "registry_version": "In the registry",
    }
    with open_client(url, token) as client:
        items = (_figures(one) | {"number": str(one["version"])} for one in client.items("federation/model/versions", {}, limit))
        show_table(console, headings, items, nothing="No versions yet.")


@app.command("promote")
def promote_version(version: Version, url: Url = None, token: Token = None) -> None:
    """Let a version answer in categorization, within a minute. For administrators."""
    with open_client(url, token) as client:
        model = client.ask("POST", f"{_API}/model/promote", json={"version": version})
    name = f" ({model['registry_version']} in the registry)" if model["registry_version"] else ""
    _say(f"Version {model['version']}{name} answers in categorization, within a minute.")


@app.command("rollback")
def roll_back(version: Version, url: Url = None, token: Token = None) -> None:
    """Have devices train on from an earlier version: its content becomes the newest. For administrators."""
    with open_client(url, token) as client:
        model = client.ask("POST", f"{_API}/model/rollback", json={"version": version})
    _say(f"Version {model['version']} has the content of version {version}: devices train on from there.")


@app.command("devices")
def list_devices(limit: Limit = 50, url: Url = None, token: Token = None) -> None:
    """List your devices, newest first, and what each has spent of its privacy."""
    headings = {
        "created_at": "Day",
        "name": "Device",
        "platform": "Runs",
        "seen": "Last seen",
        "rounds_given": "Rounds",
        "spent": "Epsilon",
        "standing": "State",
        "device_id": "Id",
    }
    with open_client(url, token) as client:
        rows = map(_device_row, client.items("federation/devices", {}, limit))
        show_table(console, headings, rows, nothing="None of your devices takes part.")


@app.command("revoke")
def revoke_device(
    device_id: Annotated[UUID, typer.Argument(help="As `scale federation devices` shows it.")], url: Url = None, token: Token = None
) -> None:
    """Shut one of your devices out for good."""
    with open_client(url, token) as client:
        device = client.ask("DELETE", f"{_API}/devices/{device_id}")
    _say(f"{device['display_name'] or device['device_id']} takes part in no round any more.")


def _begin(client: ScaleClient, options: Mapping[str, Any]) -> dict[str, Any]:
    """The round: a new one, or the one that is open."""
    try:
        return client.ask("POST", f"{_API}/rounds", json=dict(options))
    except ScaleError as error:
        if error.problem.get("reason") != _OPEN_REASON or "round_id" not in error.problem:
            raise
        error_console.print("A round is open already; yours was not begun.", style="yellow")
        return client.ask("GET", f"{_API}/rounds/{error.problem['round_id']}")


def _follow(client: ScaleClient, begun: dict[str, Any]) -> dict[str, Any]:
    """Shows where a round stands until it has ended. Whoever stops looking does not stop it."""
    latest = begun
    try:
        with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=error_console, transient=True) as bar:
            task = bar.add_task("")
            while latest["state"] == _OPEN:
                bar.update(task, description=f"Round {latest['number']}: {latest['stage'] or 'begins'}, {latest['selected']} devices")
                time.sleep(_POLL_S)
                latest = client.ask("GET", f"{_API}/rounds/{begun['round_id']}")
    except KeyboardInterrupt:
        text = f"Nobody waits any more, but round {begun['number']} goes on: `scale federation abort` gives it up."
        error_console.print(text, style="yellow", markup=False, soft_wrap=True)
        raise typer.Exit(130) from None
    return latest


def _show_round(found: Mapping[str, Any]) -> None:
    style = {_PUBLISHED: "bold green", _OPEN: "bold"}.get(found["state"], "bold red")
    _say(f"Round {found['number']}: {found['state']}{', ' + found['stage'] if found['stage'] else ''}", style=style)
    if found["reason"]:
        _say(f"  {found['reason_message'] or ''} ({found['reason']})")
    _say(f"  {found['selected']} devices asked, {found['contributors']} in the sum, {found['dropped']} lost")
    if found["version"]:
        _say(f"  version {found['version']}, trained from {found['base_version']}")
    if found["accuracy"] is not None:
        before = "" if found["base_accuracy"] is None else f", before {found['base_accuracy']:.4f}"
        _say(f"  accuracy {found['accuracy']:.4f}{before}")
    if found["epsilon_unamplified"] != 0:
        _say(f"  epsilon {_epsilon(found['epsilon_unamplified'])} ({_epsilon(found['epsilon'])} amplified by sampling)")
    _say(f"  round {found['round_id']}", style="dim")


def _show_model(model: Mapping[str, Any]) -> None:
    _say(f"Version {model['version']}", style="bold")
    if model["round_id"]:
        _say(f"  trained from version {model['parent_version']} by {model['contributors']} devices, {_moment(model['created_at'])}")
    elif model["parent_version"]:
        _say(f"  trained on from an earlier version after {model['parent_version']}, {_moment(model['created_at'])}")
    else:
        _say("  the first: made of the model that answers everybody")
    if model["accuracy"] is not None:
        _say(f"  accuracy {model['accuracy']:.4f}")
    _say(f"  epsilon {_epsilon(model['epsilon_unamplified'])} ({_epsilon(model['epsilon'])} amplified by sampling)")
    for part in ("encoder", "head"):
        _say(f"  {part} {model[f'{part}_hash'][:12]}, {model[f'{part}_size_bytes']} bytes")
    if model["registry_version"]:
        _say(f"  {model['registry_version']} of categorizer-global in the registry")


def _figures(found: Mapping[str, Any]) -> dict[str, Any]:
    """With figures as people read them."""
    accuracy = "" if found["accuracy"] is None else f"{found['accuracy']:.4f}"
    return {**found, "accuracy": accuracy, "epsilon": _epsilon(found["epsilon_unamplified"])}


def _row(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**_figures(found), "created_at": found["opened_at"], "made": found["version"]}


def _device_row(device: Mapping[str, Any]) -> dict[str, Any]:
    standing = "revoked" if device["revoked_at"] else "takes part" if device["enrolled_at"] else "waits to be enrolled again"
    if standing == "takes part" and (device["spent_epsilon"] is None or device["spent_epsilon"] >= device["budget_epsilon"]):
        standing = "budget spent"
    return {
        **device,
        "name": device["display_name"],
        "seen": _moment(device["last_seen_at"]) if device["last_seen_at"] else "never",
        "rounds_given": device["rounds"],
        "spent": f"{_epsilon(device['spent_epsilon'])} of {device['budget_epsilon']:g}",
        "standing": standing,
    }


def _epsilon(spent: float | None) -> str:
    """After a round without noise there is no bound."""
    return "without bound" if spent is None else f"{spent:.2f}"


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M UTC")


def _say(text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, soft_wrap=True)
