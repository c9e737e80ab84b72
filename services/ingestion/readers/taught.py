"""What a user once said of CSV files with one header, tried on the next file that has it; by detection where it does not fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.ingestion.readers.statement import ReadOptions, Statement, Taught, UnreadableStatement


def header_hash(cells: Sequence[str]) -> str:
    """What files with the same header have in common, as lower-case hex. Case, white space and blank cells at the end do not count."""
    names = [" ".join(cell.casefold().split()) for cell in cells]
    while names and not names[-1]:
        names.pop()
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()


def read_as_taught(
    options: ReadOptions, head: Callable[[], Iterable[Sequence[str]]], read: Callable[[ReadOptions], Statement]
) -> Statement:
    """Read with what an earlier file with one of the rows of `head` as its header was given, as far as the caller gives nothing.

    `detected["profile"]` says what was taken, and the notes how to be rid of it. What does not fit the file is left out, and the notes say
    so. Raises what `read` raises without it.
    """
    taught = _find(options, head)
    said = _additions(options, taught) if taught else {}
    misfits: list[UnreadableStatement] = []
    while taught and said:
        try:
            statement = read(replace(options, **said, date_format_taught="date_format" in said))
        except UnreadableStatement as misfit:
            misfits.append(misfit)
            to_blame = misfit.errors[0].field
            said = {name: value for name, value in said.items() if name != to_blame} if to_blame in said else {}
        else:
            statement.detected["profile"] = {"header_hash": taught.header_hash, "import_id": taught.import_id, **said}
            break
    else:
        statement = _read_without(options, read, misfits)
    if taught:
        statement.detected["notes"] += _notes(taught, said, misfits)
    return statement


def _find(options: ReadOptions, head: Callable[[], Iterable[Sequence[str]]]) -> Taught | None:
    """What was taught for the first row that is a known header."""
    if not options.profiles or (options.columns and options.date_format):
        return None
    return next((known for cells in head() if (known := options.profiles.get(header_hash(cells)))), None)


def _additions(options: ReadOptions, taught: Taught) -> dict[str, Any]:
    """What it says and the caller does not."""
    said: dict[str, Any] = {}
    if taught.columns and not options.columns:
        said["columns"] = dict(taught.columns)
    if taught.date_format and not options.date_format:
        said["date_format"] = taught.date_format
    return said


def _read_without(options: ReadOptions, read: Callable[[ReadOptions], Statement], misfits: Sequence[UnreadableStatement]) -> Statement:
    try:
        return read(options)
    except UnreadableStatement:
        # A refusal with it that does not speak of it is nearer to the mark.
        if misfits and misfits[-1].errors[0].field not in ("columns", "date_format"):
            raise misfits[-1] from None
        raise


def _notes(taught: Taught, said: Mapping[str, Any], misfits: Sequence[UnreadableStatement]) -> Iterator[str]:
    source = f"for the same header in import {taught.import_id}"
    if misfits:
        first = misfits[0].errors[0]
        reason = f"line {first.line}: {first.reason}" if first.line else first.reason
        yield f"what you gave {source} does not fit this file ({reason}); send `columns` or `date_format` to teach anew"
    if said:
        shown = " and ".join(f"`{name}`" for name in said)
        yield f"{shown} as you gave them {source}; send others to overrule them, or delete this CSV profile to have them forgotten"
