"""Whether a file is OFX, QIF or MT940, told by how it begins."""

from __future__ import annotations

import re

_OFX = re.compile(r"OFXHEADER\s*[:=]|<\?OFX\b|</?(?:\w+:)?OFX\b|<(?:CC|INV)?STMT(?:TRN)?RS>|<STMTTRN>", re.IGNORECASE)
_MT940 = re.compile(r"^:(?:20|25P?|28C?|34F|60[FM]|61|62[FM]|NS|940):|^\{1:F\d\d", re.MULTILINE)
_QIF = re.compile(r"\s*(?:!\s*(?:Type\s*:|Account\b|Option\s*:|Clear\s*:)|(?:[DTUCNPMALFSE$][^\n]*\n){2,40}\^\s*(?:\n|$))", re.IGNORECASE)


def tagged_format(head: str) -> str | None:
    """ "ofx", "qif", "mt940" (MT942 too) or None, from a file's first characters (some thousands), decoded, without byte order mark."""
    head = head.replace("\r\n", "\n").replace("\r", "\n")
    if _OFX.search(head):
        return "ofx"
    if _QIF.match(head):
        return "qif"
    return "mt940" if _MT940.search(head) else None
