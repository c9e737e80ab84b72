"""`scale federation simulate`: many devices against a real coordinator, and what came of it as one line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from clients.cli.output import show_table
from clients.cli.session import console, error_console, fail, finite


class Algorithm(StrEnum):
    """How updates become a model."""

    FEDAVG = "fedavg"
    FEDPROX = "fedprox"
    FEDMEDIAN = "fedmedian"
    FEDTRIMMED = "fedtrimmed"


class Stage(StrEnum):
    """Of a round, in this order."""

    ADVERTISING = "advertising"
    SHARING = "sharing"
    UPLOADING = "uploading"
    CONFIRMING = "confirming"
    UNMASKING = "unmasking"


def simulate_rounds(
    clients: Annotated[int, typer.Option(help="So many devices.", min=1, max=1000)] = 12,
    rounds: Annotated[int, typer.Option(help="So many rounds.", min=1, max=100)] = 3,
    drop: Annotated[
        float, typer.Option(help="Devices that are lost in each round: a share below 1, or how many.", min=0, callback=finite)
    ] = 0.0,
    drop_stage: Annotated[Stage | None, typer.Option(help="Before which stage they are lost. Default: by chance.")] = None,
    poison: Annotated[float, typer.Option(help="Devices that send a lie: a share below 1, or how many.", min=0, callback=finite)] = 0.0,
    privacy: Annotated[bool, typer.Option("--dp/--no-dp", help="Whether updates are clipped and noised.")] = True,
    epsilon: Annotated[float, typer.Option(help="What a device may spend in all rounds together.", min=0.01, callback=finite)] = 8.0,
    secure_aggregation: Annotated[
        bool, typer.Option("--secure-aggregation/--no-secure-aggregation", help="Whether updates are masked.")
    ] = True,
    algorithm: Annotated[Algorithm, typer.Option(help="How updates become a model.")] = Algorithm.FEDAVG,
    groups: Annotated[int | None, typer.Option(help="Random groups whose median counts, with fedmedian.", min=3)] = None,
    target: Annotated[int | None, typer.Option(help="Devices whose updates shall be in the sum. Default: all are asked.", min=10)] = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes that the devices share. Default: one each up to 12 devices, else 4.", min=1, max=64)
    ] = None,
    rows: Annotated[int, typer.Option(help="Labelled transactions of a device.", min=1, max=20_000)] = 150,
    address: Annotated[
        str | None,
        typer.Option(
            envvar="SCALE_FEDERATION_ADDRESS", help="The coordinator. Default: that of `make run` where it is up, else one of its own."
        ),
    ] = None,
    tls_ca: Annotated[
        Path | None,
        typer.Option("--tls-ca", envvar="SCALE_TLS_CA_FILE", help="Certificate authority of the coordinator, PEM.", exists=True),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another number, other ledgers and losses.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON on stdout.")] = False,
) -> None:
    """Run many devices against a real coordinator. Ends with 0 when every round has made a version."""
    # Before gRPC is loaded: what it says of forks and closed sockets is nobody's concern.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from clients.device.problem import CoordinatorRefused, DeviceProblem
    from clients.device.simulate import SimulationOptions, simulate
    from clients.device.simulated.coordinator import NobodyAnswers
    from services.local import LocalProblem

    options = SimulationOptions(
        clients=clients,
        rounds=rounds,
        drop=drop,
        drop_stage=drop_stage,
        poison=poison,
        privacy=privacy,
        epsilon=epsilon,
        secure_aggregation=secure_aggregation,
        algorithm=algorithm,
        group_count=groups,
        target=target,
        processes=processes,
        rows=rows,
        address=address,
        tls_ca=tls_ca,
        seed=seed,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=error_console, transient=True, auto_refresh=False)
    task = bar.add_task("Simulation", total=rounds)

    def show(what: str, done: int, total: int) -> None:
        bar.update(task, description=what, completed=done, total=total)
        bar.refresh()

    try:
        with bar:
            told = simulate(options, show)
    except NobodyAnswers as error:
        fail(str(error), 3)
    except (DeviceProblem, CoordinatorRefused, LocalProblem) as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps(told))
    else:
        _show(told)
    if not told["complete"]:
        for one in told["rounds"]:
            if not one["version"]:
                error_console.print(f"No version: {one['message'] or one['reason']}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1)


def _show(told: Mapping[str, Any]) -> None:
    headings = {
        "version": "Version",
        "contributors": "Devices",
        "dropped": "Lost",
        "seconds": "Seconds",
        "bytes_up_per_client": "Bytes up",
        "epsilon_unamplified": "Epsilon",
        "epsilon": "Amplified",
        "accuracy": "Accuracy",
    }
    show_table(console, headings, told["rounds"], nothing="No rounds.")
    masked = "masked" if told["secure_aggregation"] else "not masked"
    noise = f"noise {told['noise_multiplier']:.3g}" if told["privacy"] else "no noise"
    console.print(f"{told['clients']} devices in {told['processes']} processes, updates {masked}, {noise}, {told['seconds']} s.")
