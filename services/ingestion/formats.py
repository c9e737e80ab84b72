"""Which reader a file belongs to: by its content, never by its name; what the caller says only settles what content leaves open."""

from __future__ import annotations

import re

from services.ingestion.readers.tagged_formats import tagged_format
from services.kit.errors import FieldError, InvalidArgument

SUPPORTED = ("csv", "ofx", "qif", "mt940", "camt", "workbook")
HEAD_BYTES = 4096
# What people call the same things.
_SAME = {
    "tsv": "csv", "txt": "csv", "qfx": "ofx", "mt942": "mt940", "sta": "mt940", "camt052": "camt", "camt053": "camt", "camt054": "camt",
    "xml": "camt", "xlsx": "workbook", "xls": "workbook", "xlsb": "workbook", "xlsm": "workbook", "ods": "workbook",
}  # fmt: skip

_WORKBOOK_SIGNATURES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
# First bytes that no statement starts with, and what to tell the caller.
_FOREIGN_SIGNATURES: tuple[tuple[bytes, str], ...] = (
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
_WEB_PAGE = "a web page, which some banks call .xls (a spreadsheet program can open it and save it as XLSX or CSV)"
# A file that begins with a tag or as a mail (MHTML), and has a tag of web pages somewhere in its head.
_TAGGED_OR_MAIL = re.compile(r"<[a-z!?]|MIME-Version:|From: <Saved by", re.I)
_WEB_TAG = re.compile(r"<!DOCTYPE html|<(?:html|head|body|meta|table|tr|td|style|div|center)[\s>]", re.I)
_FOREIGN_BEGINNINGS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"!(?:TRNS|ACCNT|HDR|CUST|VEND|EMP|CLASS|INVITEM|TIMEACT|BUD)\t"), "an IIF file of QuickBooks"),
    (re.compile(r"(?:<\?xml[^>]*>\s*)?<gnc-v2\b"), "a GnuCash book"),
    (re.compile(r'[{\[]\s*(["{\[]|$)'), "a JSON file"),
)
_XML_MARKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"urn:schemas-microsoft-com:office:spreadsheet|<\?mso-application", re.I), "workbook"),
    (re.compile(r"camt\.05[234]|<(\w+:)?(BkToCstmrStmt|BkToCstmrAcctRpt|BkToCstmrDbtCdtNtfctn)\b"), "camt"),
)
_EXPECTED = "expected a bank statement as CSV, OFX, QFX, QIF, MT940, MT942, CAMT.052/053/054, XLSX, XLS or ODS"


def choose_format(head: bytes, declared: str | None) -> str:
    """The name of the reader for a file that starts with `head` (at most HEAD_BYTES). `declared` wins over the guess, not over facts.

    Raises InvalidArgument with reason UNSUPPORTED_FORMAT.
    """
    wanted = _SAME.get(declared, declared) if declared else None
    if wanted is not None and wanted not in SUPPORTED:
        raise _unsupported("file_format", f"{declared!r} is not supported; supported: {', '.join((*SUPPORTED, *_SAME))}")
    if head.startswith(_WORKBOOK_SIGNATURES):
        return "workbook"
    text = _text(head)
    found = _foreign(head, text)
    if found:
        raise _unsupported("file", f"this is {found}; {_EXPECTED}")
    guess = next((name for mark, name in _XML_MARKS if mark.search(text)), None) or tagged_format(text) or "csv"
    if wanted is None or (wanted == "workbook" and guess != "workbook"):
        return guess
    return wanted


def mistaken_for(declared: str | None, found: str) -> str | None:
    """A note on a file of one format that was sent as another; None where the two agree. `found` is what the reader says."""
    if declared is None or _SAME.get(declared, declared) == _SAME.get(found, found):
        return None
    return f"sent as {declared}, but its content is {found}: read as that"


def _text(head: bytes) -> str:
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    return head.decode(encoding, "replace").lstrip().replace("\r\n", "\n").replace("\r", "\n")


def _foreign(head: bytes, text: str) -> str | None:
    for signature, name in _FOREIGN_SIGNATURES:
        if head.startswith(signature):
            return name
    if (
        _TAGGED_OR_MAIL.match(text)
        and _WEB_TAG.search(text)
        and not any(mark.search(text) for mark, _ in _XML_MARKS)
        and not tagged_format(text)
    ):
        return _WEB_PAGE
    for beginning, name in _FOREIGN_BEGINNINGS:
        if beginning.match(text):
            return name
    return None


def _unsupported(field: str, reason: str) -> InvalidArgument:
    return InvalidArgument(
        f"{field}: {reason}",
        reason="UNSUPPORTED_FORMAT",
        metadata={"supported": ",".join(SUPPORTED)},
        fields=[FieldError(field, reason, 1 if field == "file" else None)],
    )
