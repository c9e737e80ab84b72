"""`python -m clients.device`: enrol this device, take part in rounds, say what it has spent."""

from __future__ import annotations

import asyncio
import math
import os
import platform
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console

from clients.device.device import DeviceClient, Done, Outcome
from clients.device.ledger_export import read_ledger
from clients.device.policy import BUDGET_EPSILON, Policy
from clients.device.problem import CoordinatorRefused, DeviceProblem
from clients.device.transport import Tls

app = typer.Typer(
    help="A device of federated learning: it trains on this machine and gives what it has learned to a sum.", no_args_is_help=True
)
console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

_PAUSE_S = 30
"""While nobody answers."""

Result = TypeVar("Result")

Folder = Annotated[Path, typer.Option(help="What the device keeps: its key, its privacy ledger, the model. Of this device alone.")]
Address = Annotated[str, typer.Option(envvar="SCALE_FEDERATION_ADDRESS", help="The coordinator, host:port.")]
Authority = Annotated[Path | None, typer.Option("--tls-ca", help="Certificate authority of the coordinator, PEM. Default: the system's.")]
Certificate = Annotated[Path | None, typer.Option("--tls-certificate", help="The device's own certificate, for mutual TLS.")]
Key = Annotated[Path | None, typer.Option("--tls-key", help="The key of that certificate.")]
Clear = Annotated[bool, typer.Option("--no-tls", help="In the clear, which this machine's own coordinator alone is asked.")]


@app.command()
def enroll(
    folder: Folder,
    address: Address,
    token: Annotated[str, typer.Option(envvar="SCALE_TOKEN", help="The user's bearer token; it is used once and not kept.")],
    name: Annotated[str, typer.Option(help="For people.")] = platform.node(),
    tls_ca: Authority = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    no_tls: Clear = False,
) -> None:
    """Bind this device to a user."""

    async def work() -> str:
        async with DeviceClient(folder, address, list, tls=_tls(tls_ca, tls_certificate, tls_key, no_tls)) as device:
            found = await device.enroll(token, display_name=name, platform=f"{platform.system()} {platform.release()}".strip())
            return found.device_id

    console.print(f"Enrolled as device {_done(work())}.")


def _finite(value: float) -> float:
    """No budget is without end, and a bound holds no NaN back."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


@app.command()
def run(
    folder: Folder,
    address: Address,
    ledger: Annotated[Path, typer.Option(help="The zip of `scale export`, or a CSV of transactions with categories.", exists=True)],
    once: Annotated[bool, typer.Option("--once", help="Ask once instead of until Ctrl-C.")] = False,
    gateway: Annotated[str | None, typer.Option(help="Fetch the model from this gateway, such as https://scale.example.com.")] = None,
    budget: Annotated[float, typer.Option(help="Epsilon that this device spends in its life.", min=0, callback=_finite)] = BUDGET_EPSILON,
    tls_ca: Authority = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    no_tls: Clear = False,
) -> None:
    """Take part in rounds."""

    async def work() -> Outcome:
        rows = partial(read_ledger, ledger)
        policy = Policy(budget_epsilon=budget)
        tls = _tls(tls_ca, tls_certificate, tls_key, no_tls)
        async with DeviceClient(folder, address, rows, tls=tls, policy=policy, gateway=gateway) as device:
            while True:
                try:
                    outcome = await device.run_once()
                except CoordinatorRefused as error:
                    if once or error.code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                        raise
                    outcome = Outcome(Done.WAIT, error.reason or error.code, retry_after_seconds=_PAUSE_S)
                _say(outcome)
                if once:
                    return outcome
                await asyncio.sleep(outcome.retry_after_seconds or 1)

    if _done(work()).done in (Done.REFUSED, Done.BUDGET_SPENT, Done.LEFT_OUT, Done.FAILED):
        raise typer.Exit(1)


@app.command()
def status(folder: Folder) -> None:
    """Say who this device is, and what it has spent. Nobody is asked."""

    async def work() -> None:
        async with DeviceClient(folder, "localhost:1", list) as device:
            known = device.enrolment
            console.print(f"Device {known.device_id} of user {known.user_id}." if known else "Not enrolled yet.", soft_wrap=True)
            console.print(f"Spent: an epsilon of {device.spent_epsilon:.2f} of {BUDGET_EPSILON:.2f}.", soft_wrap=True)

    if not folder.is_dir():
        _fail(f"{folder} is no folder of a device.")
    _done(work())


def main() -> None:
    """The console script."""
    app()


def _tls(authority: Path | None, certificate: Path | None, key: Path | None, no_tls: bool) -> Tls | None:
    if no_tls and (authority or certificate or key):
        _fail("--no-tls and certificates exclude each other.")
    return None if no_tls else Tls(authority, certificate, key)


def _say(outcome: Outcome) -> None:
    if outcome.done == Done.WAIT:
        console.print(f"Nothing to do: {outcome.reason}.", style="dim")
    elif outcome.done == Done.PUBLISHED:
        console.print(
            f"Round {outcome.round_id}: trained on {outcome.example_count} payments, sent {outcome.bytes_up:,} bytes; "
            f"spent so far: an epsilon of {outcome.epsilon:.2f}.",
            soft_wrap=True,
        )
    else:
        console.print(
            f"Round {outcome.round_id or 'none'}: {outcome.done}: {outcome.message or outcome.reason}", style="yellow", soft_wrap=True
        )


def _done(work: Coroutine[Any, Any, Result]) -> Result:
    try:
        return asyncio.run(work)
    except (DeviceProblem, CoordinatorRefused) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(message: str) -> NoReturn:
    errors.print(message, style="red", markup=False, soft_wrap=True)
    raise SystemExit(1)


if __name__ == "__main__":
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    main()
