"""How answers look in a terminal. A file's or a bank's text is shown as it stands, never read as markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_COUNTS = ("rows", "inserted", "duplicates", "suspected_duplicates", "zero_amount", "rejected")


def show_table(console: Console, columns: Mapping[str, str], items: Iterable[Mapping[str, Any]], *, nothing: str) -> None:
    """A table of `items`; `columns` is item key → heading. Amounts stand to the right, red when money leaves."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for key, heading in columns.items():
        # Only long texts may fold; an amount or an id cut in two is worth nothing.
        table.add_column(heading, justify="right" if key == "amount" else "left", no_wrap=key != "description")
    for item in items:
        table.add_row(*(_cell(key, item) for key in columns))
    if table.row_count:
        console.print(table)
    else:
        console.print(nothing, markup=False)


def show_import(console: Console, found: Mapping[str, Any]) -> None:
    """What became of one upload, and how the file was read."""
    counts = found["counts"]
    console.print(Text(f"{found['file_name']}: {found['state']}", style="bold green" if _succeeded(found) else "bold red"))
    if found.get("failure_reason"):
        console.print(f"  {found['failure_reason']}", markup=False)
    console.print("  " + ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in _COUNTS), markup=False)
    if found.get("same_file_as"):
        console.print(f"  The very same file was imported before, as {found['same_file_as']}.", markup=False)
    detected = {name: value for name, value in (found.get("detected") or {}).items() if value not in (None, "", [], {})}
    if detected:
        console.print("  read as", style="dim")
        for name, value in detected.items():
            console.print(f"    {name.replace('_', ' ')}: {_plain(value)}", markup=False)
    console.print(f"  import {found['id']}, account {found.get('account_id') or 'several'}", style="dim", markup=False)


def show_rows(console: Console, heading: str, rows: Sequence[Mapping[str, Any]], total: int) -> None:
    """Rows that need a look: their lines and why."""
    console.print(f"  {heading}:", style="yellow")
    for row in rows:
        console.print(f"    line {row['line']}: {row.get('reason') or row['outcome'].replace('_', ' ')}", markup=False)
    if total > len(rows):
        console.print(f"    and {total - len(rows)} more")


def _succeeded(found: Mapping[str, Any]) -> bool:
    return bool(found["state"] == "succeeded")


def _cell(key: str, item: Mapping[str, Any]) -> Text:
    value = item.get(key)
    if key in _COUNTS:
        value = item["counts"][key]
    text = Text("" if value is None else str(value))
    if key == "amount" and str(value).startswith("-"):
        text.stylize("red")
    return text


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {_plain(part)}" for name, part in value.items())
    if isinstance(value, list):
        return "; ".join(_plain(part) for part in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a number that came through JSON's one kind of number
    return str(value)
