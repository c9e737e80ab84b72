"""The program that takes a workbook apart, in a process of its own with bounded memory, time and no way to write a file.

A few hundred bytes can make a spreadsheet library ask for more memory than there is, which ends the whole process, and an encrypted file
may demand any amount of key stretching. So `workbook.py` runs this file by its path; it imports nothing of the project.

It is given the file's path as argument and `{"password": ...}` as one line on standard input, and writes lines of JSON: objects for what
is found (`{"format"}`, then per sheet `{"sheet", "visible"}` or, instead of its rows, `{"failed"}`), arrays `[row number, [cells as text]]`
for rows that are not blank, at the end `{"end": true}`, or `{"error": {"field", "reason"}}`.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any, BinaryIO

MAX_MEMORY = 400 * 1024 * 1024  # on top of the bare program
MAX_SECONDS = 6  # of processor time
MAX_SPINS = 1_000_000  # rounds of key stretching; Excel's are 100,000
MAX_UNPACKED = 100 * 1024 * 1024
MAX_RATIO = 400
MAX_PARTS = 2000
MAX_SHEETS = 1000
MAX_OUTPUT = 64 * 1024 * 1024
MAX_CELLS = 2000  # in a row
MAX_ROWS = 1_048_576  # in a sheet: Excel's own limit; blank rows before the first one are counted up to, one by one
MAX_ENCRYPTED_BYTES = 16 * 1024 * 1024
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode
_DEFAULT_PASSWORD = "VelvetSweatshop"  # nosec B105  # Excel's own, for files that are only marked as read-only


class Unreadable(Exception):
    """Why the workbook cannot be read, and which field of the request would help."""

    def __init__(self, reason: str, field: str = "file") -> None:
        super().__init__(reason)
        self.reason, self.field = reason, field


def take_apart(content: bytes, password: str | None, emit: Callable[[Any], None]) -> None:
    """Emit what a workbook holds, line by line. Raises Unreadable, and whatever the libraries raise."""
    encrypted = False
    if content.startswith(OLE):
        content, encrypted = _decrypted(content, password)
    kind = "xls" if content.startswith(OLE) else zip_kind(content)
    emit({"format": kind, "encrypted": encrypted})
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

    with CalamineWorkbook.from_filelike(io.BytesIO(content)) as workbook:
        sheets = [(sheet.name, sheet.visible == SheetVisibleEnum.Visible) for sheet in workbook.sheets_metadata
                  if sheet.typ == SheetTypeEnum.WorkSheet]  # fmt: skip
        if len(sheets) > MAX_SHEETS:
            raise Unreadable(f"the workbook has more than {MAX_SHEETS} sheets")
        for name, visible in sorted(sheets, key=lambda sheet: not sheet[1]):
            emit({"sheet": name[:200], "visible": visible})
            try:
                sheet = workbook.get_sheet_by_name(name)
            except Exception as broken:
                emit({"failed": str(broken)[:200]})
                continue
            for row in _rows(sheet):
                emit(row)
    emit({"end": True})


def _decrypted(content: bytes, password: str | None) -> tuple[bytes, bool]:
    """An OLE file without its encryption, and whether it had one."""
    import msoffcrypto
    import olefile
    from msoffcrypto.format import xls97

    # The library decrypts into a temporary file; nothing of an encrypted file may reach a disk.
    xls97.tempfile = type("Memory", (), {"TemporaryFile": io.BytesIO})
    with olefile.OleFileIO(io.BytesIO(content)) as ole:
        if not any(ole.exists(stream) for stream in ("EncryptionInfo", "Workbook", "Book")):
            raise Unreadable("this is an Office file, but no workbook")
        if not ole.exists("EncryptionInfo") and not ole.exists("Workbook"):
            return content, False  # Excel 5 and 95
    office = msoffcrypto.OfficeFile(io.BytesIO(content))
    if not office.is_encrypted():
        return content, False
    if len(content) > MAX_ENCRYPTED_BYTES:
        raise Unreadable(f"a workbook with a password may have at most {MAX_ENCRYPTED_BYTES // 1024**2} MB")
    if getattr(office, "info", None) and office.info.get("spinValue", 0) > MAX_SPINS:
        raise Unreadable(f"its encryption demands more than {MAX_SPINS} rounds, as only attacks do")
    for attempt in ([password] if password else []) + [_DEFAULT_PASSWORD]:
        plain = io.BytesIO()
        try:
            if office.format == "ooxml":
                office.load_key(password=attempt, verify_password=True)
            else:
                office.load_key(password=attempt)
            office.decrypt(plain)
        except msoffcrypto.exceptions.InvalidKeyError:
            continue
        except msoffcrypto.exceptions.DecryptionError:
            raise Unreadable(
                "it is encrypted in a way that is not supported; save it with a password in a current Excel, or without"
            ) from None
        return plain.getvalue(), True
    raise Unreadable("the password is wrong" if password else "the workbook is protected: its password is needed", "password")


def zip_kind(content: bytes) -> str:
    """The kind of workbook in a ZIP file, whose directory is checked before anything is unpacked. Raises Unreadable."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            names = {part.filename for part in parts}
            _check_sizes(parts)
            mime = archive.read("mimetype")[:100].decode("ascii", "replace") if "mimetype" in names else ""
            manifest = archive.read("META-INF/manifest.xml") if "META-INF/manifest.xml" in names else b""
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError, KeyError) as broken:
        raise Unreadable(f"the file is damaged: {broken}"[:200]) from broken
    if "xl/workbook.xml" in names:
        return "xlsx"
    if "xl/workbook.bin" in names:
        return "xlsb"
    if "opendocument.spreadsheet" in mime or (not mime and "content.xml" in names):
        if b"encryption-data" in manifest:
            raise Unreadable(
                "password-protected OpenDocument files are not supported; save it as XLSX with a password, or without one", "password"
            )
        return "ods"
    raise Unreadable("this is a ZIP file, but no workbook (XLSX, XLSB or ODS); unpack it and send what is inside")


def _check_sizes(parts: list[zipfile.ZipInfo]) -> None:
    if len(parts) > MAX_PARTS:
        raise Unreadable(f"the file holds more than {MAX_PARTS} parts")
    total = sum(part.file_size for part in parts)
    if total > MAX_UNPACKED:
        raise Unreadable(f"unpacked it would take {total // 1024**2} MB, more than {MAX_UNPACKED // 1024**2}; export it as CSV")
    for part in parts:
        if part.file_size > MAX_RATIO * max(part.compress_size, 4096):
            raise Unreadable(f"its part {part.filename[:60]!r} is packed more than {MAX_RATIO} to one, as only attacks are")


def _rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Row numbers from 1 and texts, of the rows that are not blank. Raises Unreadable for rows that no sheet has."""
    if sheet.total_height > MAX_ROWS:
        raise Unreadable(f"a sheet names row {sheet.total_height}, and no sheet has more than {MAX_ROWS}")
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        texts = [cell if cell.__class__ is str else _TEXTS[cell.__class__](cell) for cell in cells[:MAX_CELLS]]
        if "\x00" in "".join(texts):  # no XML may hold it, but it is read; the database cannot
            texts = [text.replace("\x00", "") for text in texts]
        while texts and not texts[-1]:
            texts.pop()
        if texts:
            yield number, texts


def number_text(number: float | Decimal) -> str:
    """A number as plain digits, at most 4 decimals; three decimals get a fourth, so that no point can be a thousands mark."""
    value = Decimal(repr(number)) if isinstance(number, float) else number
    if not value.is_finite() or abs(value) >= Decimal(10) ** 30:
        return ""
    if value != value.to_integral_value():
        value = value.quantize(Decimal("0.0001"), ROUND_HALF_EVEN)
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
        text += "0" if len(text) - text.find(".") == 4 and "." in text else ""
    return "0" if text in ("-0", "") else text


def _duration_text(length: timedelta) -> str:
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"


def _moment_text(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds") if moment.time() != time() else moment.date().isoformat()


_TEXTS: dict[type, Callable[[Any], str]] = {
    float: number_text,
    int: str,
    bool: lambda cell: "TRUE" if cell else "FALSE",
    date: date.isoformat,
    datetime: _moment_text,
    time: lambda cell: cell.isoformat("seconds"),
    timedelta: _duration_text,
}


def limit() -> None:  # pragma: no cover  # holds in its own process only, which may write nothing
    """Bound this process: memory, processor time, and not a byte written to any file."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    with suppress(OSError, ValueError):
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MAX_MEMORY, held + MAX_MEMORY))


class Output:
    """Lines of JSON, MAX_OUTPUT bytes at most."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._written = 0

    def emit(self, line: Any) -> None:
        """Write one line. Raises Unreadable when there are too many."""
        data = (_ENCODE(line) + "\n").encode("utf-8", "replace")
        self._written += len(data)
        if self._written > MAX_OUTPUT:
            raise Unreadable(f"its sheets hold more than {MAX_OUTPUT // 1024**2} MB of text; export it as CSV")
        self._stream.write(data)


def run(content: bytes, password: str | None, stream: BinaryIO) -> None:
    """Write all lines for one workbook; whatever goes wrong becomes the last one."""
    error: dict[str, str]
    try:
        take_apart(content, password, Output(stream).emit)
    except Unreadable as unreadable:
        error = {"field": unreadable.field, "reason": unreadable.reason}
    except MemoryError:
        error = {"field": "file", "reason": f"it needs more than {MAX_MEMORY // 1024**2} MB of memory; export it as CSV"}
    except BaseException as broken:  # a panic of the library is none of Exception's
        error = {"field": "file", "reason": f"the file is damaged: {' '.join(str(broken).split())[:200]}"}
    else:
        return
    stream.write(json.dumps({"error": error}).encode() + b"\n")


if __name__ == "__main__":  # pragma: no cover
    limit()
    secret = json.loads(sys.stdin.readline())["password"]
    run(Path(sys.argv[1]).read_bytes(), secret, sys.stdout.buffer)
    sys.stdout.buffer.flush()
