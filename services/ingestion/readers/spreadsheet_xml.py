"""SpreadsheetML 2003: one XML file that Excel and many banks write, mostly under the name of an XLS file."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from services.ingestion.readers.statement import RowError, UnreadableStatement
from services.ingestion.readers.workbook_process import MAX_CELLS, MAX_SHEETS, number_text
from services.ingestion.readers.xml_stream import Element, done, local_name, open_xml

NAMESPACE = "urn:schemas-microsoft-com:office:spreadsheet"
MAX_ROW = 2**31
_TAGS = ("Worksheet", "Row")
_QUALIFIED = {name: f"{{{NAMESPACE}}}{name}" for name in ("Index", "MergeAcross", "Name", "Type")}


def is_spreadsheet_xml(path: Path, head: bytes) -> bool:
    """Whether a file that starts with `head` is SpreadsheetML. Raises UnreadableStatement where it seems so, and is hostile or broken."""
    if NAMESPACE.encode() not in head.replace(b"\x00", b""):
        return False
    xml = open_xml(path)
    return xml.root == "Workbook" and xml.namespace == NAMESPACE


def take_apart(path: Path, emit: Callable[[Any], None]) -> None:
    """Emit what the file holds, line by line, as `workbook_process.take_apart` does. Raises UnreadableStatement for broken XML."""
    emit({"format": "xls", "version": "SpreadsheetML 2003", "encrypted": False})
    sheets = number = 0
    for event, element, line in open_xml(path).elements(_TAGS):
        if local_name(element.tag) == "Row":
            if event == "end":
                number = _position(element, number + 1, MAX_ROW)
                cells = _cells(element)
                if cells and sheets:
                    emit((number, cells))
                done(element)
        elif event == "start":
            number, sheets = 0, sheets + 1
            if sheets > MAX_SHEETS:
                reason = f"the workbook has more than {MAX_SHEETS} sheets"
                raise UnreadableStatement(reason, [RowError(line, "file", reason)])
            emit({"sheet": _attribute(element, "Name")[:200] or f"sheet {sheets}", "visible": True})
        else:
            done(element)
    emit({"end": True})


def _cells(row: Element) -> list[str]:
    cells: list[str] = []
    at = 0
    for cell in row:
        if local_name(cell.tag) != "Cell":
            continue
        attributes = cell.attrib
        at = _position(cell, at + 1, MAX_CELLS + 1) if attributes else at + 1
        if at > MAX_CELLS:
            break
        text = _text(cell)
        if text:
            cells += [""] * (at - 1 - len(cells)) + [text]
        if attributes and (merged := _attribute(cell, "MergeAcross")).isdecimal() and len(merged) < 5:
            at += int(merged)
    return cells


def _text(cell: Element) -> str:
    for data in cell:
        if local_name(data.tag) == "Data":
            break
    else:
        return ""
    text = ("".join(data.itertext()) if len(data) else data.text or "").strip()
    kind = _attribute(data, "Type")
    if kind == "Number":
        return _number(text)
    if kind == "DateTime":
        day, _, clock = text.partition("T")
        clock = clock.partition(".")[0]
        return f"{day} {clock}" if clock.strip("0:") else day
    if kind == "Boolean":
        return {"1": "TRUE", "0": "FALSE"}.get(text, text)
    return text


def _number(text: str) -> str:
    try:
        return number_text(Decimal(text[:400]))
    except InvalidOperation:
        return text


def _position(element: Element, following: int, last: int) -> int:
    """The place of a row or a cell, from 1: its own, or the one after the element before it."""
    own = _attribute(element, "Index")
    return min(max(int(own), following), last) if own.isdecimal() and len(own) < 12 else following


def _attribute(element: Element, name: str) -> str:
    return element.get(_QUALIFIED[name]) or element.get(name) or ""
