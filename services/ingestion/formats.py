"""Which reader a file belongs to, from its first bytes and from what the caller says."""

from __future__ import annotations

import re

from services.kit.errors import FieldError, InvalidArgument

SUPPORTED = ("csv",)
HEAD_BYTES = 4096

# First bytes that no CSV file starts with, and what to tell the caller.
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a ZIP file or a spreadsheet (XLSX, ODS)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old or an encrypted Excel workbook"),
    (b"%PDF-", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x89PNG\r\n", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet file"),
    (b"{\\rtf", "an RTF document"),
)
# The same for text, after a byte order mark and blanks.
_BEGINNINGS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"OFXHEADER|<\?OFX|<OFX>", re.I), "an OFX file"),
    (re.compile(r"!(Type|Account|Option|Clear):", re.I), "a QIF file"),
    (re.compile(r"\{1:F\d\d|:20:", re.I), "an MT940 file"),
    (re.compile(r"<!DOCTYPE html|<html", re.I), "a web page"),
    (re.compile(r"<\?xml", re.I), "an XML file"),
    (re.compile(r'[{\[]\s*(["{\[]|$)'), "a JSON file"),
)
_EXPECTED = "expected a CSV file (comma, semicolon, tab or pipe between the columns); export the statement as CSV"


def choose_format(head: bytes, declared: str | None) -> str:
    """The name of the reader for a file that starts with `head` (at most HEAD_BYTES). `declared` wins over the guess, not over facts.

    Raises InvalidArgument with reason UNSUPPORTED_FORMAT.
    """
    if declared is not None and declared not in SUPPORTED:
        raise _unsupported("file_format", f"{declared!r} is not supported; supported: {', '.join(SUPPORTED)}")
    found = _foreign(head)
    if found:
        raise _unsupported("file", f"this is {found}; {_EXPECTED}")
    return "csv"


def _foreign(head: bytes) -> str | None:
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = head.decode(encoding, "replace").lstrip()
    for beginning, name in _BEGINNINGS:
        if beginning.match(text):
            return "a CAMT file or other XML" if name == "an XML file" and "camt.05" in text else name
    return None


def _unsupported(field: str, reason: str) -> InvalidArgument:
    return InvalidArgument(
        f"{field}: {reason}",
        reason="UNSUPPORTED_FORMAT",
        metadata={"supported": ",".join(SUPPORTED)},
        fields=[FieldError(field, reason)],
    )
