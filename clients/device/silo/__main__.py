"""`python -m clients.device.silo`: make a silo, take part in rounds, say what it has spent."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from rich.console import Console

from clients.device.files import private_folder, write_private
from clients.device.ledger_export import read_ledger
from clients.device.policy import BUDGET_EPSILON
from clients.device.problem import DeviceProblem
from clients.device.silo.silo import Silo, SiloPolicy

KEY = "silo-key"
app = typer.Typer(help="A silo of federated learning: an organisation's server that trains on its own ledger.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

Folder = Annotated[Path, typer.Option(help="What the silo keeps: its key and its privacy ledger. Of this silo alone.")]
Budget = Annotated[float, typer.Option(help="Epsilon that this silo spends in its life.", min=0)]


@app.command()
def create(folder: Folder) -> None:
    """Make a silo, and print its public key for the coordinator's operator."""
    try:
        Silo.create(folder)
    except DeviceProblem as problem:
        _fail(str(problem))
    key = ec.generate_private_key(ec.SECP384R1())
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    write_private(private_folder(folder) / KEY, private)
    console.print(key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode(), markup=False)


@app.command()
def run(
    folder: Folder,
    address: Annotated[str, typer.Option(help="Where the coordinator's operator lets silos in, host:port.")],
    ledger: Annotated[Path, typer.Option(help="The zip of `scale export`, or a CSV of transactions with categories.", exists=True)],
    tls_ca: Annotated[
        Path | None, typer.Option("--tls-ca", help="Certificate authority of that address, PEM. Default: the system's.")
    ] = None,
    budget: Budget = BUDGET_EPSILON,
) -> None:
    """Take part in rounds until Ctrl-C."""
    # Before Flower is imported, which reads it then.
    os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    from clients.device.silo.client_app import answer
    from clients.device.silo.node import serve

    try:
        silo = Silo(folder, partial(read_ledger, ledger), policy=SiloPolicy(budget_epsilon=budget))
        key = serialization.load_ssh_private_key((folder / KEY).read_bytes(), None)
        authority = tls_ca.read_bytes() if tls_ca else None
    except (DeviceProblem, OSError, ValueError) as problem:
        _fail(str(problem))
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        _fail(f"{folder / KEY} is no key of a silo.")
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The coordinator hears of it, and does not ask a silo that is gone.
        signal.signal(number, lambda *_: over.set())
    serve(address, key, partial(answer, silo), authority=authority, over=over, told=lambda line: console.print(line, markup=False))
    if not over.is_set():
        _fail("The connection is lost; start again to join anew.")


@app.command()
def status(folder: Folder, budget: Budget = BUDGET_EPSILON) -> None:
    """Say what the silo has spent. Nobody is asked."""
    try:
        silo = Silo(folder, list, policy=SiloPolicy(budget_epsilon=budget))
    except (DeviceProblem, OSError) as problem:
        _fail(str(problem))
    console.print(f"Spent: an epsilon of {silo.spent_epsilon:.2f} of {budget:.2f}.")


def _fail(message: str) -> NoReturn:
    errors.print(message, style="red", markup=False)
    raise SystemExit(1)


if __name__ == "__main__":
    app()
