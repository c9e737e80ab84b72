"""How answers look in a terminal. A file's or a bank's text is shown as it stands, never read as markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clients.cli.client import where_and_why

_AMOUNTS = ("amount", "received", "spent", "net", "total", "average", "minimum", "maximum")
_COUNTS = ("rows", "inserted", "duplicates", "suspected_duplicates", "zero_amount", "rejected")

_MAY_FOLD = frozenset(
    "columns header description merchant suspicion file_name name identifier category filter actions standing reason".split(),
)
_LENGTHS = {"id": 36, "job_id": 36, "transaction_date": 10, "created_at": 10, "state": 9, "rows": 4, "rejected": 3, "file_name": 8}
# An instant shows its day, the first day of a month the month.
_CUT = {"created_at": 10, "undone_at": 10, "month_start": 7}


def show_table(console: Console, columns: Mapping[str, str], items: Iterable[Mapping[str, Any]], *, nothing: str) -> None:
    """A table of `items`; `columns` is item key → heading. Amounts stand to the right, red when money leaves."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, heading in columns.items():
        # Texts may fold in a narrow window; an id, an amount or a day cut in two is worth nothing.
        whole = key not in _MAY_FOLD
        right = key in (*_AMOUNTS, *_COUNTS, "transaction_count")
        table.add_column(heading, justify="right" if right else "left", no_wrap=whole, min_width=_LENGTHS.get(key), overflow="fold")
    for item in items:
        table.add_row(*(_cell(key, item) for key in columns))
    if table.row_count:
        console.print(table)
    else:
        console.print(nothing, markup=False, soft_wrap=True)


def show_import(console: Console, found: Mapping[str, Any]) -> None:
    """What became of one upload, and how the file was read."""
    counts = found["counts"]
    console.print(Text(f"{found['file_name']}: {found['state']}", style="bold green" if _succeeded(found) else "bold red"))
    if found.get("failure_reason"):
        console.print(f"  {found['failure_reason']}", markup=False, soft_wrap=True)
    for error in (found.get("failure") or {}).get("errors", ()):
        console.print(f"  {where_and_why(error)}", markup=False, soft_wrap=True)
    console.print("  " + ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in _COUNTS), markup=False, soft_wrap=True)
    if found.get("same_file_as"):
        console.print(f"  The very same file was imported before, as {found['same_file_as']}.", markup=False, soft_wrap=True)
    detected = {name: value for name, value in (found.get("detected") or {}).items() if value not in (None, "", [], {})}
    if detected:
        console.print("  read as", style="dim")
        for name, value in detected.items():
            console.print(f"    {name.replace('_', ' ')}: {plain(value)}", markup=False, soft_wrap=True)
    console.print(f"  import {found['id']}, account {found.get('account_id') or 'several'}", style="dim", markup=False, soft_wrap=True)


def show_unfinished(console: Console, found: Mapping[str, Any]) -> None:
    """An upload that nobody waits for."""
    console.print(Text(f"{found['file_name']}: {found['state']}", style="bold"))
    console.print("  It is read in the background; `scale imports` shows how it ends.", markup=False, soft_wrap=True)
    console.print(f"  import {found['id']}", style="dim", markup=False, soft_wrap=True)


def show_rows(console: Console, heading: str, rows: Sequence[Mapping[str, Any]], total: int) -> None:
    """Rows that need a look: their lines and why."""
    console.print(f"  {heading}:", style="yellow")
    for row in rows:
        console.print(f"    line {row['line']}: {row.get('reason') or row['outcome'].replace('_', ' ')}", markup=False, soft_wrap=True)
    if total > len(rows):
        console.print(f"    and {total - len(rows)} more")


def _succeeded(found: Mapping[str, Any]) -> bool:
    return bool(found["state"] == "succeeded")


def _cell(key: str, item: Mapping[str, Any]) -> Text:
    value = item.get(key)
    if key in _COUNTS:
        value = item["counts"][key]
    text = Text("" if value is None else str(value)[: _CUT.get(key)])
    if key in _AMOUNTS and str(value).startswith("-"):
        text.stylize("red")
    return text


def plain(value: Any) -> str:
    """A value of JSON in words, on one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {plain(part)}" for name, part in value.items())
    if isinstance(value, list):
        return "; ".join(plain(part) for part in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a number that came through JSON's one kind of number
    return str(value)
