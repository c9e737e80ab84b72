"""The workbook reader: XLSX, XLSB, XLS, ODS, and the XML that Excel 2003 wrote; with a password or without.

The cells of a sheet, as text, go the way of a CSV file. What unpacks and decrypts runs in a process of its own (`workbook_process.py`):
neither a password nor a decrypted byte reaches a disk, a log or a command line.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess  # nosec B404  # runs one program, ours, by its path
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from services.ingestion.readers import spreadsheet_xml
from services.ingestion.readers.csv import TableSource, find_source_table, read_table
from services.ingestion.readers.records import Dialect, RecordBlock
from services.ingestion.readers.statement import ReadOptions, RowError, Statement, UnreadableStatement
from services.ingestion.readers.workbook_process import MAX_UNPACKED, OLE, Output, Unreadable

MAX_WALL_SECONDS = 30.0
BLOCK_ROWS = 4096
KEEP_CHARS = 16 * 1024 * 1024
_PROGRAM = Path(__file__).with_name("workbook_process.py")
_TOO_LONG = "reading the workbook takes too long; export it as CSV"
_HTML = (b"<html", b"<!doctype html", b"<table", b"<style", b"<head", b"<meta")
Unpack = Callable[[Path, str | None], bytes]
"""A workbook's path and password to the lines that `workbook_process.py` prints."""
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "LC_ALL", "TMPDIR")  # no settings, no secrets
_EXCEL_PARTS = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"customXml/", b"xl/")
_NAMES = {
    "xlsx": "Excel workbook (XLSX)",
    "xlsb": "Excel workbook (XLSB)",
    "xls": "Excel 97-2003 workbook (XLS)",
    "ods": "OpenDocument spreadsheet",
}


@dataclass(frozen=True)
class Sheet:
    """One sheet. `rows` gives, from the start each time, row numbers (from 1) and the cells of rows that are not blank."""

    name: str
    visible: bool
    rows: Callable[[], Iterator[tuple[int, list[str]]]]
    chars: int
    failed: str | None = None


@dataclass(frozen=True)
class Workbook:
    """A workbook taken apart, its visible sheets first."""

    file_format: str
    version: str
    encrypted: bool
    sheets: Sequence[Sheet]


def may_be_encrypted(head: bytes) -> bool:
    """Whether a file that starts with `head` (100 bytes are enough) can be one with a password: it must never be stored or queued.

    Of the archives only those that begin as Excel's do are known to have none: OpenDocument says it far behind the beginning.
    """
    if head.startswith(b"PK\x03\x04"):
        return not head[30:].startswith(_EXCEL_PARTS) or bool(head[6] & 1)
    return head.startswith(OLE)


def read_workbook(path: Path, options: ReadOptions, password: str | None = None, *, unpack: Unpack | None = None) -> Statement:
    """Read the first sheet that holds a table of transactions; the notes name the others. `unpack` stands in for the process of its own.

    Raises UnreadableStatement: with the field "password" for a missing or a wrong one; for what is no workbook, or one that would take
    too much memory or time; and as `read_table` does for the sheet.
    """
    workbook = _open(path, password, unpack or _run)
    filled = [sheet for sheet in workbook.sheets if sheet.failed is None and next(sheet.rows(), None) is not None]
    if not filled:
        failed = [sheet for sheet in workbook.sheets if sheet.failed]
        raise _refusal(f"its sheet {failed[0].name!r} cannot be read: {failed[0].failed}" if failed else "the workbook is empty")
    chosen = _choose(workbook, filled, options)
    statement = read_table(_source(workbook, chosen), options)
    statement.detected["notes"] += _other_sheets(chosen, workbook)
    return statement


def _choose(workbook: Workbook, sheets: Sequence[Sheet], options: ReadOptions) -> Sheet:
    """The first sheet with a table. One whose columns need an answer from the caller is one, too."""
    refusals: list[UnreadableStatement] = []
    for sheet in sheets:
        try:
            find_source_table(_source(workbook, sheet), options)
        except UnreadableStatement as refusal:
            if refusal.errors[0].field not in ("file", "columns") or (refusal.errors[0].field == "columns" and not options.columns):
                raise
            refusals.append(refusal)
            continue
        return sheet
    first = refusals[0]
    raise UnreadableStatement(f"sheet {sheets[0].name!r}: {first.message}", first.errors, first.needs) from first


def _source(workbook: Workbook, sheet: Sheet) -> TableSource:
    described = {
        "encoding": None,
        "delimiter": None,
        "format_version": workbook.version,
        "sheet": sheet.name,
        "encrypted": workbook.encrypted,
    }
    keep = sheet.chars <= KEEP_CHARS
    return TableSource(workbook.file_format, lambda: _blocks(sheet), Dialect("\t"), described, [], keep, remarks=True)


def _blocks(sheet: Sheet) -> Iterator[RecordBlock]:
    block = RecordBlock([], [])
    for number, cells in sheet.rows():
        block.lines.append(number)
        block.rows.append(cells)
        if len(block.lines) >= BLOCK_ROWS:
            yield block
            block = RecordBlock([], [])
    if block.lines:
        yield block


def _other_sheets(chosen: Sheet, workbook: Workbook) -> list[str]:
    notes = []
    others = [sheet.name for sheet in workbook.sheets if sheet is not chosen and sheet.failed is None and next(sheet.rows(), None)]
    failed = [sheet.name for sheet in workbook.sheets if sheet.failed is not None]
    if not chosen.visible:
        notes.append(f"the sheet {chosen.name!r}, which was read, is hidden")
    if others:
        shown = ", ".join(repr(name) for name in others[:20]) + (", ..." if len(others) > 20 else "")
        notes.append(f"only the sheet {chosen.name!r} was read; not read: {shown}; save a sheet as a file of its own to import it")
    if failed:
        notes.append(f"sheets that could not be read: {', '.join(repr(name) for name in failed[:20])}")
    return notes


def _refusal(reason: str, field: str = "file") -> UnreadableStatement:
    return UnreadableStatement(reason, [RowError(0, field, reason)], {"password": []} if field == "password" else None)


def _open(path: Path, password: str | None, unpack: Unpack) -> Workbook:
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(4096)
    if not head.strip():
        raise _refusal("the file is empty")
    if size > MAX_UNPACKED:
        raise _refusal(f"the workbook has {size // 1024**2} MB, more than {MAX_UNPACKED // 1024**2}; export it as CSV")
    if head.startswith((OLE, b"PK\x03\x04")):
        return _taken_apart(unpack(path, password))
    if spreadsheet_xml.is_spreadsheet_xml(path, head):
        buffer = io.BytesIO()
        try:
            spreadsheet_xml.take_apart(path, Output(buffer).emit)
        except Unreadable as unreadable:
            raise _refusal(unreadable.reason) from unreadable
        return _taken_apart(buffer.getvalue())
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML):
        raise _refusal("this is a web page under the name of a workbook; open it in a spreadsheet program and save it as XLSX or CSV")
    raise _refusal("this is no workbook (XLSX, XLSB, XLS or ODS)")


def _run(path: Path, password: str | None) -> bytes:
    """What the program prints. Raises UnreadableStatement when it is stopped for time or memory, or dies of the file."""
    # An upload may have no name any more, only a descriptor of this process: the program inherits one.
    with path.open("rb") as file:
        return _run_on(file.fileno(), password)


def _run_on(descriptor: int, password: str | None) -> bytes:
    command = [sys.executable, "-I", "-X", "utf8", str(_PROGRAM), f"/dev/fd/{descriptor}"]
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    given = json.dumps({"password": password}).encode() + b"\n"
    try:
        done = subprocess.run(  # nosec B603  # our own program; the path is an argument, not a command
            command,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=MAX_WALL_SECONDS,
            check=False,
            pass_fds=[descriptor],
        )
    except subprocess.TimeoutExpired:
        raise _refusal(_TOO_LONG) from None
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise _refusal(_TOO_LONG)
    if done.returncode:
        raise _refusal("the workbook is damaged, or needs more memory than a workbook may take; export it as CSV")
    return done.stdout


def _taken_apart(output: bytes) -> Workbook:
    """What the program printed, cut into sheets. Raises UnreadableStatement with the program's reason when it has one."""
    last = json.loads(output[output.rfind(b"\n", 0, -1) + 1 :] or b"{}")
    if "error" in last:
        raise _refusal(last["error"]["reason"], last["error"]["field"])
    starts = [match.start() for match in re.finditer(rb"^\{", output, re.MULTILINE)]
    found = [json.loads(output[at : output.index(b"\n", at)]) for at in starts]
    first = found[0]
    sheets: list[Sheet] = []
    for number, header in enumerate(found):
        if "sheet" in header:
            start, end = output.index(b"\n", starts[number]) + 1, starts[number + 1]
            failed = found[number + 1].get("failed")
            sheets.append(Sheet(header["sheet"], header["visible"], partial(_lines, output, start, end), end - start, failed))
    return Workbook(first["format"], first.get("version") or _NAMES[first["format"]], encrypted=first["encrypted"], sheets=sheets)


def _lines(output: bytes, start: int, end: int) -> Iterator[tuple[int, list[str]]]:
    stream = io.BytesIO(output)  # shares the bytes
    stream.seek(start)
    while stream.tell() < end:
        number, cells = json.loads(stream.readline())
        yield number, cells
