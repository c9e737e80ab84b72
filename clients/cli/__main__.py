"""The `scale` command. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 nobody answers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn
from uuid import UUID

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from clients.cli import anomalies, budgets, categories, database, federation, filters, models, rules, training
from clients.cli.adding import add_transaction
from clients.cli.balances import show_balances
from clients.cli.categorization import classify_payment, correct_category, recategorize, say_why
from clients.cli.client import FINAL_STATES, ScaleClient, ScaleError
from clients.cli.edits import edit_transactions, list_edits, undo_edit
from clients.cli.erase import erase_everything
from clients.cli.export import export_everything, restore_everything
from clients.cli.figures import show_statistics, show_summary
from clients.cli.filters import saved_filter_id, show_corrections
from clients.cli.flows import show_cash_flow, show_recurring
from clients.cli.forecasts import show_forecast
from clients.cli.notifications import show_notifications
from clients.cli.output import show_import, show_rows, show_table, show_unfinished
from clients.cli.session import Limit, Token, Url, console, day_option, error_console, fail, open_client, show_items

app = typer.Typer(
    help="SCALE on the command line: import statements, look at the ledger, run the system.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # tokens are among them
)
_ROWS_SHOWN = 20


@app.command()
def up() -> None:
    """Start the whole system on this machine and keep it up until Ctrl-C (the same as `make run`)."""
    os.execv(sys.executable, [sys.executable, "-m", "services.local"])  # nosec B606  # our own interpreter, no shell


@app.command("import")
def import_statement(
    files: Annotated[list[Path], typer.Argument(help="Bank exports.", exists=True, dir_okay=False, readable=True)],
    account_id: Annotated[UUID | None, typer.Option(help="Default: the account that the file names.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217, for a file that names none.")] = None,
    date_format: Annotated[str | None, typer.Option(help="Such as DD/MM/YYYY, where the file leaves it open.")] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            help="field=header or field=number, such as amount=Betrag; may be given several times.",
            metavar="FIELD=COLUMN",
        ),
    ] = None,
    file_format: Annotated[str | None, typer.Option(help="Such as csv or mt940, where the file leaves it open.")] = None,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for the password of an encrypted workbook; without a terminal, read it from stdin.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Whether to wait for large files, which are read in the background.")
    ] = True,
    idempotency_key: Annotated[str | None, typer.Option(help="Makes a repeat of this very upload harmless. One file only.")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Import bank statements and say what became of every row."""
    if idempotency_key and len(files) > 1:
        raise typer.BadParameter("one key belongs to one file", param_hint="--idempotency-key")
    options = {
        "account_id": str(account_id) if account_id else None,
        "currency": currency,
        "date_format": date_format,
        "columns": json.dumps(_pairs(columns)) if columns else None,
        "file_format": file_format,
        "password": _password() if password else None,
    }
    given = {name: value for name, value in options.items() if value}
    failed = 0
    with open_client(url, token) as client:
        for file in files:
            try:
                _import_one(client, file, given, idempotency_key, wait=wait)
            except ScaleError as error:
                failed = max(failed, error.exit_code)
                error_console.print(f"{file.name}: {error}", style="red", markup=False, soft_wrap=True)
    if failed:
        raise typer.Exit(failed)


@app.command("imports")
def list_imports(limit: Limit = 20, url: Url = None, token: Token = None) -> None:
    """List the imports, newest first."""
    headings = {
        "created_at": "Day",
        "file_name": "File",
        "state": "State",
        "rows": "Rows",
        "inserted": "New",
        "duplicates": "Known",
        "rejected": "Bad",
        "id": "Import",
    }
    show_items("imports", headings, {}, limit, url, token, nothing="No imports yet: `scale import FILE` makes one.")


@app.command("transactions")
def list_transactions(
    date_from: Annotated[str | None, typer.Option(help="First day, YYYY-MM-DD.")] = None,
    date_to: Annotated[str | None, typer.Option(help="Last day, YYYY-MM-DD.")] = None,
    amount_min: Annotated[str | None, typer.Option(help="Smallest signed amount.")] = None,
    amount_max: Annotated[str | None, typer.Option(help="Largest signed amount.")] = None,
    category: Annotated[str | None, typer.Option(help="Category slug.")] = None,
    merchant: Annotated[str | None, typer.Option(help="Exact name, capitals do not matter.")] = None,
    kind: Annotated[str | None, typer.Option("--type", help="credit or debit.")] = None,
    status: Annotated[str | None, typer.Option(help="posted, pending or void.")] = None,
    account_id: Annotated[UUID | None, typer.Option(help="Of one account only.")] = None,
    query: Annotated[str | None, typer.Option("-q", "--query", help="Words in description and merchant.")] = None,
    suspected: Annotated[
        bool | None, typer.Option("--suspected/--not-suspected", help="What may repeat an earlier one and waits for you, or all others.")
    ] = None,
    expression: Annotated[
        str | None, typer.Option("--filter", help="A filter expression, such as 'category = groceries AND NOT merchant:rewe'.")
    ] = None,
    saved: Annotated[str | None, typer.Option(help="The name of a saved filter; `scale filters` lists them.")] = None,
    ids: Annotated[
        bool, typer.Option("--ids", help="Show their ids and who said what they are, for `scale correct` and `scale why`.")
    ] = False,
    limit: Limit = 50,
    url: Url = None,
    token: Token = None,
) -> None:
    """List transactions, newest first."""
    filters = {
        "date_from": day_option(date_from, "--date-from"),
        "date_to": day_option(date_to, "--date-to"),
        "amount_min": amount_min,
        "amount_max": amount_max,
        "category": category,
        "merchant": merchant,
        "type": kind,
        "status": status,
        "account_id": str(account_id) if account_id else None,
        "q": query,
        "filter": expression,
        "suspected_duplicate": None if suspected is None else str(suspected).lower(),
    }
    headings = {
        "transaction_date": "Date",
        "amount": "Amount",
        "currency": "",
        "description": "Description",
        "category": "Category",
        "status": "Status",
    }
    if ids:
        headings |= {"category_source": "By"}
    if suspected:
        headings |= {"suspicion": "Why suspected"}
    if ids or suspected:
        headings |= {"id": "Transaction"}
    given = {name: value for name, value in filters.items() if value}
    with open_client(url, token) as client:
        if saved is not None:
            given["saved_filter"] = saved_filter_id(client, saved)
        items = client.items("transactions", given, limit, first_page=show_corrections)
        show_table(console, headings, items, nothing="No transactions.")


@app.command("accounts")
def list_accounts(limit: Limit = 100, url: Url = None, token: Token = None) -> None:
    """List the accounts."""
    headings = {"id": "Account", "name": "Name", "type": "Type", "currency": "Currency", "identifier": "Identifier"}
    show_items("accounts", headings, {}, limit, url, token, nothing="No accounts yet.")


app.command("add")(add_transaction)
app.command("balance")(show_balances)
app.command("export")(export_everything)
app.command("restore")(restore_everything)
app.command("cash-flow")(show_cash_flow)
app.command("recurring")(show_recurring)
app.command("forecast")(show_forecast)
app.command("summary")(show_summary)
app.command("stats")(show_statistics)
app.command("erase")(erase_everything)
app.command("edit")(edit_transactions)
app.command("edits")(list_edits)
app.command("undo")(undo_edit)
app.command("classify")(classify_payment)
app.command("why")(say_why)
app.command("correct")(correct_category)
app.command("recategorize")(recategorize)
app.command("notifications")(show_notifications)
app.add_typer(anomalies.app, name="anomalies")
app.add_typer(categories.app, name="categories")
app.add_typer(categories.suggestions, name="suggestions")
app.add_typer(budgets.app, name="budgets")
app.add_typer(filters.app, name="filters")
app.add_typer(rules.app, name="rules")
app.add_typer(training.app, name="train")
app.add_typer(models.app, name="models")
app.add_typer(federation.app, name="federation")
app.add_typer(database.app, name="db")


@app.command("profiles")
def list_csv_profiles(
    forget: Annotated[str | None, typer.Option(help="Forget the one whose key begins so.", metavar="KEY")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """List what is remembered of CSV files that you once explained (columns, date format)."""
    with open_client(url, token) as client:
        profiles = client.csv_profiles()
        if forget is None:
            headings = {"key": "Key", "date_format": "Dates", "columns": "Columns", "header": "Header"}
            show_table(console, headings, map(_profile_row, profiles), nothing="Nothing is remembered yet.")
            return
        meant = [profile for profile in profiles if forget and profile["header_hash"].startswith(forget.lower())]
        if len(meant) != 1:
            fail(f"{'No' if not meant else 'More than one'} key begins with {forget!r}: `scale profiles` lists them.")
        client.forget_csv_profile(meant[0]["header_hash"])
        console.print(f"Forgotten: {_profile_row(meant[0])['header']}", markup=False, soft_wrap=True)


@app.command("token")
def print_token(
    user: Annotated[UUID | None, typer.Option(help="Whose token. Default: the demo user.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="An administrator's.")] = False,
) -> None:
    """Print a development token, valid 12 hours, and nothing else."""
    from services.local import LocalHome, LocalProblem, default_home
    from services.local.demo import DEMO_USER, development_token

    if os.environ.get("SCALE_ENVIRONMENT", "development") != "development":
        fail("`scale token` works in development only: in production your identity provider issues tokens.")
    try:
        # Not through rich, which would fold it.
        role = "admin" if admin else "user"
        typer.echo(development_token(LocalHome(default_home()), user or DEMO_USER, role=role))
    except LocalProblem as problem:
        fail(str(problem))


def main() -> None:
    """The console script. Errors are one sentence on stderr."""
    try:
        app()
    except ScaleError as error:
        fail(str(error), error.exit_code)


def _import_one(client: ScaleClient, file: Path, options: dict[str, str], idempotency_key: str | None, *, wait: bool) -> None:
    found = _upload(client, file, options, idempotency_key)
    if found["state"] not in FINAL_STATES:
        if not wait:
            show_unfinished(console, found)
            return
        found = _follow(client, found)
    show_import(console, found)
    for outcome, count in (("rejected", "rejected"), ("suspected_duplicate", "suspected_duplicates")):
        if total := found["counts"][count]:
            rows = client.import_rows(found["id"], outcome, _ROWS_SHOWN)
            show_rows(console, count.replace("_", " "), rows, total)
    if found["state"] != "succeeded":
        raise ScaleError("nothing was imported.")


def _upload(client: ScaleClient, file: Path, options: dict[str, str], idempotency_key: str | None) -> dict[str, Any]:
    """Sends a file. Whoever stops it hears whether it may have been imported all the same."""
    size, position = file.stat().st_size, 0
    with _progress(DownloadColumn()) as progress:
        task = progress.add_task(f"Uploading {_plain(file.name)}", total=size)

        def sent(now: int) -> None:
            nonlocal position
            position = now
            progress.update(task, completed=now)

        try:
            return client.import_statement(file, options=options, idempotency_key=idempotency_key, sent=sent)
        except KeyboardInterrupt:
            if position < size:
                _stopped(f"{file.name} had not been sent whole: nothing of it was imported.")
            again = "sending it again under the same key" if idempotency_key else "importing it again"
            _stopped(f"{file.name} had been sent and may have been imported: `scale imports` shows it, and {again} doubles nothing.")


def _follow(client: ScaleClient, found: dict[str, Any]) -> dict[str, Any]:
    """Shows how far an import is until it is done. Whoever stops looking does not stop it."""
    name, latest = _plain(found["file_name"]), found
    try:
        with _progress(TaskProgressColumn(), TextColumn("{task.fields[rows]}")) as progress:
            task = progress.add_task(f"Waiting {name}", total=None, rows="")
            for latest in client.follow(found["id"]):
                if step := latest.get("progress"):
                    rows = f"{step['rows']:,} rows" if step["rows"] else ""
                    # Only reading is measured. Without a total, which update() cannot take back, the bar shows that something happens.
                    measured = step["stage"] == "reading" and step["fraction"] is not None and step["fraction"] < 1
                    progress.tasks[0].total = 1.0 if measured else None
                    progress.update(task, description=f"{step['stage'].capitalize()} {name}", completed=step["fraction"] or 0, rows=rows)
    except KeyboardInterrupt:
        _stopped(f"Nobody waits any more, but the import of {found['file_name']} goes on: `scale imports` shows how {found['id']} ends.")
    except ScaleError as error:
        raise type(error)(f"{error}\n  The import itself goes on: `scale imports` shows how it ends.") from error
    return latest


def _stopped(message: str) -> NoReturn:
    """The end by Ctrl-C, with the status that shells expect."""
    error_console.print(message, style="yellow", markup=False, soft_wrap=True)
    raise typer.Exit(130) from None


def _progress(*columns: ProgressColumn) -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), *columns, TimeElapsedColumn(), console=error_console, transient=True)


def _plain(name: str) -> str:
    """A file's name is no markup."""
    return name.replace("[", r"\[")


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, err=True))
    given = sys.stdin.readline().rstrip("\r\n")
    if not given:
        raise typer.BadParameter("stdin holds none", param_hint="--password")
    return given


def _profile_row(profile: Mapping[str, Any]) -> dict[str, str]:
    return {
        "key": profile["header_hash"][:12],
        "date_format": profile["date_format"] or "",
        "columns": ", ".join(f"{field} = {column}" for field, column in profile["columns"].items()),
        "header": "; ".join(profile["header"]),
    }


def _pairs(columns: list[str]) -> dict[str, str]:
    found = {}
    for pair in columns:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise typer.BadParameter(f"{pair!r} is not FIELD=COLUMN", param_hint="--columns")
        found[field] = column
    return found


if __name__ == "__main__":
    main()
