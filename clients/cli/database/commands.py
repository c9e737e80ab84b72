"""The commands of `scale db`. They need the migrator's URL, which no service has: they are an operator's."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from clients.cli.session import console, error_console, fail

app = typer.Typer(help="The database itself, for operators: how it is, and test data for it.", no_args_is_help=True)

Database = Annotated[
    str | None,
    typer.Option(
        "--database", envvar="SCALE_DATABASE_URL", help="The migrator's postgresql:// URL. Default: that of `make run`.", show_envvar=True
    ),
]
_MARKS = {True: "[green]ok[/green]", False: "[red]attention[/red]", None: ""}
_ROWS_SHOWN = 10


@app.command()
def diagnose(
    as_json: Annotated[bool, typer.Option("--json", help="Everything, for a program.")] = False,
    database: Database = None,
) -> None:
    """Ask the database how it is: slow statements, scans, memory, sizes, indexes, connections, settings. Changes nothing."""
    from clients.cli.database.diagnose import diagnose

    found: dict[str, Any] = _run(diagnose(_url(database)))
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
        return
    for check in found["checks"]:
        _show(check)
    pool = found["pool"]
    console.print(
        f"PostgreSQL {found['server_version']}; DB_POOL_SIZE + DB_MAX_OVERFLOW of each of {pool['instances']} instances: "
        f"at most {pool['recommended_pool_size']} of {pool['max_connections']} connections.",
        markup=False,
    )


@app.command()
def generate(
    users: Annotated[int, typer.Option(min=1, max=100_000, help="New users.")] = 10,
    rows: Annotated[int, typer.Option(min=0, max=10_000_000, help="Transactions of each.")] = 1000,
    years: Annotated[int, typer.Option(min=1, max=50, help="Over so many years, up to today.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed gives the same amounts and texts.")] = 1,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    database: Database = None,
) -> None:
    """Write test data: new users with a ledger each. All of it or nothing; `scale erase` as such a user takes it away again."""
    from clients.cli.database.generate import generate

    url = _url(database)
    if not yes:
        typer.confirm(f"Write {users:,} users with {rows:,} transactions each into {_without_password(url)}?", abort=True)
    started = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=error_console, transient=True) as progress:
        task = progress.add_task("Writing", total=users * rows)
        today = datetime.now(UTC).date()
        written = lambda count: progress.advance(task, count)  # noqa: E731
        made = _run(generate(url, users=users, rows=rows, years=years, seed=seed, today=today, written=written))
    took = time.monotonic() - started
    console.print(f"{users * rows:,} transactions of {users:,} users in {took:.1f} s, {users * rows / took:,.0f} a second.", markup=False)
    for user_id in made[:_ROWS_SHOWN]:
        console.print(f"  scale transactions --token $(scale token --user {user_id})", markup=False)


def _run(work: Any) -> Any:
    import asyncpg

    try:
        return asyncio.run(work)
    except (OSError, TimeoutError) as error:
        fail(f"The database cannot be reached: {error or 'no answer'}")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        fail(f"The database refused: {str(error).splitlines()[0]}")


def _url(given: str | None) -> str:
    if given:
        return given.replace("postgresql+asyncpg://", "postgresql://", 1)
    from services.local import LocalHome, LocalProblem, LocalSystem, default_home
    from services.local.home import port_base

    try:
        home = LocalHome(default_home())
        if not home.postgres.exists():
            fail(f"No database: {home.path} has none. SCALE_DATABASE_URL or --database names one; `make run` makes one.")
        return LocalSystem(home, port_base(), environment={}).migrator_url
    except LocalProblem as problem:
        fail(str(problem))


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _show(check: dict[str, Any]) -> None:
    target = f"  (wanted: {check['target']})" if check["target"] else ""
    console.print(f"{escape(check['title'])}{escape(target)}  {_MARKS[check['ok']]}", style="bold")
    rows = check["rows"]
    if check["reason"]:
        console.print(f"  not asked: {check['reason']}", markup=False)
    elif not rows:
        console.print("  none")
    else:
        table = Table(*rows[0], box=None, padding=(0, 1), header_style="dim")
        for row in rows[:_ROWS_SHOWN]:
            table.add_row(*("" if value is None else escape(str(value)) for value in row.values()))
        console.print(table)
        if len(rows) > _ROWS_SHOWN:
            console.print(f"  and {len(rows) - _ROWS_SHOWN} more: --json shows all", markup=False)
    console.print()


__all__ = ["app"]
