"""`scale export` and `scale restore`: everything of you as a zip, and back."""

from __future__ import annotations

import json
import secrets
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from clients.cli.client import ScaleError
from clients.cli.session import Token, Url, console, error_console, fail, open_client

_MANIFEST = "manifest.json"


def export_everything(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to. Default: scale-export-<today>.zip in this folder.", dir_okay=False)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Whether to write over a file that is there.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Take everything of you along as a zip; `scale restore` brings it back. It is not encrypted."""
    target = output or Path(f"scale-export-{datetime.now().astimezone():%Y-%m-%d}.zip")
    if target.exists() and not force:
        fail(f"{target} is there already; --force writes over it.")
    # Under another name until it is whole: what was cut short must not be taken for an export.
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file, open_client(url, token) as client, _progress() as progress:
            part.chmod(0o600)
            task = progress.add_task("export", total=None)
            for block in client.download("/api/v1/export"):
                file.write(block)
                progress.advance(task, len(block))
        files = _files(part)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        fail(f"{target}: {error.strerror or error}.")
    except ScaleError:
        part.unlink(missing_ok=True)
        raise
    rows = sum(one["rows"] for one in files)
    console.print(f"{target}: {rows:,} rows in {len(files)} files, {target.stat().st_size:,} bytes.", soft_wrap=True)


def restore_everything(
    file: Annotated[Path, typer.Argument(help="What `scale export` wrote.", exists=True, dir_okay=False, readable=True)],
    url: Url = None,
    token: Token = None,
) -> None:
    """Bring an export back; what is there already stays as it is."""
    with open_client(url, token) as client, _progress() as progress:
        task = progress.add_task("restore", total=file.stat().st_size)
        answer = client.upload("/api/v1/restore", file, sent=lambda position: progress.update(task, completed=position))
    counts = answer["counts"]
    console.print(f"{file.name}: {counts['inserted']:,} of {counts['rows']:,} transactions were not there before.", soft_wrap=True)
    for name, counts in answer.get("detected", {}).get("tables", {}).items():
        if counts["rows"]:
            console.print(f"  {name}: {counts['restored']:,} of {counts['rows']:,}", highlight=False)


def _progress() -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=error_console, transient=True)


def _files(file: Path) -> list[dict[str, Any]]:
    """What the manifest says, which is there when the zip is whole. Raises ScaleError when it is not."""
    try:
        with zipfile.ZipFile(file) as opened:
            manifest = json.loads(opened.read(_MANIFEST))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ScaleError("The export was cut short. Try again.") from error
    return [one for service in manifest["services"] for one in service["files"]]
