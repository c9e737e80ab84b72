"""Work that goes on in the background: begun, and followed with a progress bar or left to itself."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from clients.cli.client import ScaleClient, ScaleError
from clients.cli.session import console, error_console

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Whether to wait until it is done.")]


def carry_out(client: ScaleClient, path: str, what: str, *, wait: bool) -> dict[str, Any] | None:
    """Begins the job at `path` and returns it when it is done; None when nobody waits. Raises ScaleError when it failed. Whoever stops
    waiting does not stop it."""
    begun = job = client.ask("POST", path)
    if not wait:
        console.print(f"It goes on in the background: job {job['id']}.", markup=False, soft_wrap=True)
        return None
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=error_console, transient=True) as progress:
            task = progress.add_task(what, total=None)
            for job in client.follow_job(begun["id"]):
                progress.update(task, total=job["total"] or None, completed=job["done"])
    except KeyboardInterrupt:
        error_console.print(f"Nobody waits any more, but job {job['id']} goes on.", style="yellow", markup=False, soft_wrap=True)
        raise typer.Exit(130) from None
    if job["state"] != "succeeded":
        raise ScaleError(f"It was given up: {job['failure_reason']}")
    return job
