"""`scale train`: a model learns from what you have said, followed with a progress bar or left to itself; and the jobs there were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from clients.cli.client import OPEN_STATUSES, ScaleClient, ScaleError
from clients.cli.jobs import Wait
from clients.cli.output import show_table
from clients.cli.session import Limit, Token, Url, console, error_console, open_client

app = typer.Typer(help="Train a model, and look at the jobs that do.")

JobId = Annotated[UUID | None, typer.Argument(help="As `scale train list` shows it. Default: the latest.", show_default=False)]
Model = Annotated[str, typer.Option(help="categorizer, your own; or, for administrators, categorizer-global or forecaster-global.")]

_CATEGORIZER = "categorizer"
_OPEN_REASON = "TRAINING_JOB_OPEN"


class Status(StrEnum):
    """Where a job stands."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@app.callback(invoke_without_command=True)
def train(context: typer.Context, model: Model = _CATEGORIZER, wait: Wait = True, url: Url = None, token: Token = None) -> None:
    """Train a model, or follow the job that is at it already. It answers for you once it is better than what answers now."""
    context.obj = (url, token)
    if context.invoked_subcommand is not None:
        return
    with open_client(url, token) as client:
        job_id = _begin(client, model)
        if not wait:
            _say(f"It goes on in the background: job {job_id}. `scale train status` shows how far it is.")
            return
        job = _follow(client, job_id)
    _show(job)
    if job["status"] != Status.COMPLETED:
        raise typer.Exit(1)


@app.command("status")
def show_status(context: typer.Context, job_id: JobId = None, model: Model = _CATEGORIZER, url: Url = None, token: Token = None) -> None:
    """Show where a job stands."""
    with _client(context, url, token) as client:
        _show(_named_or_latest(client, job_id, model))


@app.command("list")
def list_jobs(
    context: typer.Context,
    status: Annotated[Status | None, typer.Option(help="Only those that stand so.")] = None,
    model: Annotated[str | None, typer.Option(help="Only those of this model.")] = None,
    limit: Limit = 20,
    url: Url = None,
    token: Token = None,
) -> None:
    """List the jobs, newest first."""
    headings = {
        "created_at": "Day",
        "model": "Model",
        "status": "Status",
        "model_version": "Version",
        "answers": "",
        "job_id": "Job",
    }
    filters = {name: value for name, value in {"status": status, "model": model}.items() if value}
    with _client(context, url, token) as client:
        jobs = _rows(client.items("training/jobs", filters, limit))
        show_table(console, headings, jobs, nothing="No jobs yet: `scale train` begins one.")


@app.command("cancel")
def cancel_job(context: typer.Context, job_id: JobId = None, model: Model = _CATEGORIZER, url: Url = None, token: Token = None) -> None:
    """Give a job up: nothing of it is published."""
    with _client(context, url, token) as client:
        found = _named_or_latest(client, job_id, model)
        if found["status"] not in OPEN_STATUSES:
            raise ScaleError(f"Job {found['job_id']} is over: {found['status']}.")
        job = client.ask("POST", f"/api/v1/training/jobs/{found['job_id']}/cancel")
    over = job["status"] == Status.CANCELLED
    _say(f"Job {job['job_id']} is cancelled." if over else f"Job {job['job_id']} stops at its next step.")


def _begin(client: ScaleClient, model: str) -> str:
    """The id of the job: a new one, or the one that is open."""
    try:
        return str(client.ask("POST", "/api/v1/training/jobs", json={"model": model})["job_id"])
    except ScaleError as error:
        if error.problem.get("reason") != _OPEN_REASON or "job_id" not in error.problem:
            raise
        error_console.print("A job is at it already.", style="yellow")
        return str(error.problem["job_id"])


def _follow(client: ScaleClient, job_id: str) -> dict[str, Any]:
    """Shows how far a job is until it has ended. Whoever stops looking does not stop it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"), TimeElapsedColumn())
    latest: dict[str, Any] = {}
    try:
        with Progress(*columns, console=error_console, transient=True) as progress:
            task = progress.add_task("Waiting", total=None, loss="")
            for latest in client.follow_training(job_id):
                if "step" not in latest:
                    break
                loss = "" if latest["loss"] is None else f"loss {latest['loss']:.4f}"
                # Without a total, which update() cannot take back, the bar shows that something happens.
                progress.tasks[0].total = latest["total"] or None
                progress.update(task, description=str(latest["status"]).capitalize(), completed=latest["step"], loss=loss)
    except KeyboardInterrupt:
        text = f"Nobody waits any more, but job {job_id} goes on: `scale train status` shows how it ends, `scale train cancel` stops it."
        error_console.print(text, style="yellow", markup=False, soft_wrap=True)
        raise typer.Exit(130) from None
    except ScaleError as error:
        raise type(error)(f"{error}\n  The job itself goes on: `scale train status` shows how it ends.") from error
    return latest


def _named_or_latest(client: ScaleClient, job_id: UUID | None, model: str) -> dict[str, Any]:
    if job_id is not None:
        return client.ask("GET", f"/api/v1/training/jobs/{job_id}")
    latest = next(client.items("training/jobs", {"model": model}, 1), None)
    if latest is None:
        raise ScaleError("There are no jobs yet: `scale train` begins one.")
    return latest


def _show(job: Mapping[str, Any]) -> None:
    style = {Status.COMPLETED: "bold green", Status.FAILED: "bold red", Status.CANCELLED: "yellow"}.get(job["status"], "bold")
    _say(f"{job['model']}: {job['status']}", style=style)
    if job["error"]:
        _say(f"  {job['error']['message']}")
    if (progress := job["progress"]) and job["status"] in OPEN_STATUSES:
        loss = "" if progress["loss"] is None else f", loss {progress['loss']:.4f}"
        _say(f"  {progress['phase'] or 'waiting'}: {progress['step']} of {progress['total']}{loss}")
    if job["cancel_requested"] and job["status"] in OPEN_STATUSES:
        _say("  It was cancelled, and stops at its next step.")
    if job["model_version"]:
        answers = "answers from now on" if job["published"] else "is not better than what answers now, which stays"
        _say(f"  version {job['model_version']} {answers}")
    for name, value in job["metrics"].items():
        _say(f"    {name.replace('_', ' ')}: {_figure(value)}")
    _say(f"  job {job['job_id']}", style="dim")


def _figure(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _rows(jobs: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for job in jobs:
        yield {**job, "answers": "published" if job["published"] else ""}


def _client(context: typer.Context, url: str | None, token: str | None) -> ScaleClient:
    """Options may stand before the subcommand or after it."""
    return open_client(url or context.obj[0], token or context.obj[1])


def _say(text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, soft_wrap=True)
