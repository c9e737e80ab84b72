"""Workbooks made by hand for tests: XLSX, ODS, XLS and SpreadsheetML with the same cells, with a password or without."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from hashlib import md5
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import xlwt
from msoffcrypto.format.ooxml import OOXMLFile
from msoffcrypto.method.rc4 import DocumentRC4
from xlwt.CompoundDoc import XlsDoc

Cell = str | int | float | bool | date | datetime | time | None
Rows = Sequence[Sequence[Cell]]
EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 - cells have no zone

_CONTENT = "http://schemas.openxmlformats.org/package/2006/content-types"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders>'
    '<cellXfs count="4"><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="22"/><xf numFmtId="21"/></cellXfs></styleSheet>'
)


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def column(number: int) -> str:
    """0 is A, 26 is AA."""
    return (column(number // 26 - 1) if number >= 26 else "") + chr(65 + number % 26)


def serial(moment: datetime) -> float:
    length = moment - EPOCH
    return length.days + length.seconds / 86400


def _xlsx_cell(at: str, cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return f'<c r="{at}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, datetime):
        return f'<c r="{at}" s="2"><v>{serial(cell)!r}</v></c>'
    if isinstance(cell, date):
        return f'<c r="{at}" s="1"><v>{(cell - EPOCH.date()).days}</v></c>'
    if isinstance(cell, time):
        return f'<c r="{at}" s="3"><v>{(cell.hour * 3600 + cell.minute * 60 + cell.second) / 86400!r}</v></c>'
    if isinstance(cell, int | float):
        return f'<c r="{at}"><v>{cell!r}</v></c>'
    return f'<c r="{at}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'


def xlsx_sheet(rows: Rows, first_row: int = 1) -> str:
    parts = []
    for number, row in enumerate(rows, start=first_row):
        cells = "".join(_xlsx_cell(f"{column(at)}{number}", cell) for at, cell in enumerate(row))
        parts.append(f'<row r="{number}">{cells}</row>')
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(parts)}</sheetData></worksheet>'


def xlsx_parts(sheets: Mapping[str, str], hidden: Sequence[str] = ()) -> dict[str, str | bytes]:
    """The parts of a workbook with these sheets, given as XML."""
    named = [(number, name) for number, name in enumerate(sheets, start=1)]
    entries = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"{" state=" + quoteattr("hidden") if name in hidden else ""}/>'
        for number, name in named
    )
    relations = "".join(f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n, _ in named)
    relations += f'<Relationship Id="rIdS" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    overrides = "".join(f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>' for n, _ in named)
    return {
        "[Content_Types].xml": f'<Types xmlns="{_CONTENT}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>{overrides}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}">'
        f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{entries}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONS}">{relations}</Relationships>',
        "xl/styles.xml": _STYLES,
        **{f"xl/worksheets/sheet{number}.xml": sheets[name] for number, name in named},
    }


def xlsx(*sheets: Rows, first_row: int = 1, hidden: Sequence[str] = ()) -> bytes:
    """Sheets "S1", "S2", ..."""
    return zipped(xlsx_parts({f"S{number}": xlsx_sheet(rows, first_row) for number, rows in enumerate(sheets, start=1)}, hidden))


def _ods_cell(cell: Cell) -> str:
    if cell is None:
        return "<table:table-cell/>"
    if isinstance(cell, bool):
        kind = f'office:value-type="boolean" office:boolean-value="{str(cell).lower()}"'
    elif isinstance(cell, date):  # or a datetime
        kind = f'office:value-type="date" office:date-value="{cell.isoformat()}"'
    elif isinstance(cell, time):
        kind = f'office:value-type="time" office:time-value="PT{cell.hour:02d}H{cell.minute:02d}M{cell.second:02d}S"'
    elif isinstance(cell, int | float):
        kind = f'office:value-type="float" office:value="{cell!r}"'
    else:
        kind = 'office:value-type="string"'
    text = escape(str(cell)) if isinstance(cell, str) else "shown"
    return f"<table:table-cell {kind}><text:p>{text}</text:p></table:table-cell>"


def ods_parts(tables: str) -> dict[str, str | bytes]:
    names = "".join(
        f' xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{prefix}:1.0"' for prefix in ("office", "table", "text", "style")
    )
    body = f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
    content = f"<office:document-content{names}>{body}</office:document-content>"
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    return {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": content, "META-INF/manifest.xml": manifest}


def ods(*sheets: Rows) -> bytes:
    tables = ""
    for number, rows in enumerate(sheets, start=1):
        lines = "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows)
        tables += f'<table:table table:name="S{number}">{lines}</table:table>'
    return zipped(ods_parts(tables))


_XLS_STYLES = {date: "DD/MM/YYYY", datetime: "DD/MM/YYYY hh:mm:ss", time: "hh:mm:ss"}


def _xls_book(*sheets: Rows) -> xlwt.Workbook:
    book = xlwt.Workbook(encoding="utf-8")
    styles = {kind: xlwt.easyxf(num_format_str=text) for kind, text in _XLS_STYLES.items()}
    for number, rows in enumerate(sheets, start=1):
        sheet = book.add_sheet(f"S{number}")
        for at, row in enumerate(rows):
            for place, cell in enumerate(row):
                if cell is not None:
                    sheet.write(at, place, cell, styles.get(type(cell), xlwt.Style.default_style))
    return book


def xls(*sheets: Rows) -> bytes:
    buffer = io.BytesIO()
    _xls_book(*sheets).save(buffer)
    return buffer.getvalue()


def spreadsheet_xml(*sheets: Rows) -> bytes:
    """As Excel 2003 and many banks write it; rows and cells that are blank are left out and the next one names its place."""
    parts = []
    for number, rows in enumerate(sheets, start=1):
        lines = []
        for at, row in enumerate(rows, start=1):
            cells = "".join(_spreadsheet_cell(place, cell) for place, cell in enumerate(row, start=1) if cell is not None)
            if cells:
                lines.append(f'<Row ss:Index="{at}">{cells}</Row>')
        parts.append(f'<Worksheet ss:Name="S{number}"><Table>{"".join(lines)}</Table></Worksheet>')
    name = "urn:schemas-microsoft-com:office:spreadsheet"
    return f'<?xml version="1.0"?>\n<Workbook xmlns="{name}" xmlns:ss="{name}">{"".join(parts)}</Workbook>'.encode()


def _spreadsheet_cell(place: int, cell: Cell) -> str:
    if isinstance(cell, bool):
        kind, text = "Boolean", str(int(cell))
    elif isinstance(cell, datetime):
        kind, text = "DateTime", f"{cell.isoformat()}.000"
    elif isinstance(cell, date):
        kind, text = "DateTime", f"{cell.isoformat()}T00:00:00.000"
    elif isinstance(cell, time):
        kind, text = "DateTime", f"1899-12-31T{cell.isoformat()}.000"
    elif isinstance(cell, int | float):
        kind, text = "Number", repr(cell)
    else:
        kind, text = "String", str(cell)
    return f'<Cell ss:Index="{place}"><Data ss:Type="{kind}">{escape(text)}</Data></Cell>'


MAKERS = {"xlsx": xlsx, "ods": ods, "xls": xls, "xml": spreadsheet_xml}


def with_password(workbook: bytes, password: str) -> bytes:
    """An XLSX file, encrypted as Excel does it today. It gets a picture, since the library's writer spoils what is smaller than 4 KiB."""
    padded = io.BytesIO(workbook)
    with zipfile.ZipFile(padded, "a") as archive:
        archive.writestr("docProps/thumbnail.jpeg", random.Random(0).randbytes(5000))
    buffer = io.BytesIO()
    OOXMLFile(padded).encrypt(password, buffer)
    return buffer.getvalue()


_PLAIN_RECORDS = {0x0809, 0x002F, 0x0194, 0x0195, 0x00E1, 0x0196, 0x0138}  # BOF, FilePass, ...: never encrypted
_BOUND_SHEET = 0x0085


def xls_with_password(password: str, *sheets: Rows) -> bytes:
    """An XLS file with the RC4 encryption of Excel 97 to 2003."""
    stream = _xls_book(*sheets).get_biff_data()
    salt, verifier = b"0123456789abcdef", b"fedcba9876543210"
    secrets = DocumentRC4.decrypt(password, salt, io.BytesIO(verifier + md5(verifier, usedforsecurity=False).digest())).read()
    file_pass = struct.pack("<HHHHH", 0x002F, 54, 1, 1, 1) + salt + secrets
    size = struct.unpack_from("<H", stream, 2)[0]
    stream = stream[: 4 + size] + file_pass + stream[4 + size :]
    rest = -len(stream) % 4
    stream += struct.pack("<HH", 0, rest) + bytes(rest)  # so that the zeros that pad a stream are whole records, too
    key = DocumentRC4.decrypt(password, salt, io.BytesIO(bytes(len(stream))), blocksize=1024).read()
    out = bytearray(stream)
    at = 0
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        start = at + 4
        if kind == _BOUND_SHEET:  # its place in the stream has moved, and is never encrypted
            struct.pack_into("<I", out, start, struct.unpack_from("<I", stream, start)[0] + len(file_pass))
            start += 4
        if kind not in _PLAIN_RECORDS:
            for place in range(start, at + 4 + size):
                out[place] ^= key[place]
        at += 4 + size
    buffer = io.BytesIO()
    XlsDoc().save(buffer, bytes(out))
    return buffer.getvalue()


def spun(workbook: bytes, count: int) -> bytes:
    """The same encrypted XLSX, demanding this many rounds of key stretching."""
    longer = len(str(count)) - len("100000")
    return workbook.replace(b'spinCount="100000"', b'spinCount="%d"' % count).replace(
        b"    <keyEncryptors>", b" " * (4 - longer) + b"<keyEncryptors>"
    )


def reference(rows: Rows) -> list[tuple[int, list[Any]]]:
    """Row numbers from 1 with the cells, of the rows that are not blank."""
    return [(number, list(row)) for number, row in enumerate(rows, start=1) if any(cell is not None for cell in row)]
