"""What the text after a statement line (:86:) says: remittance text, the other party, the kind of booking.

Banks fill this free text in three ways: German subfields (105?00Lastschrift?20EREF+...?32Name), Dutch and SWIFT code words
(/TRTP/SEPA/IBAN/.../NAME/.../REMI/...), or plain text. Lines end wherever they are full, also inside words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

FULL_LINE = 65
FULL_SUBFIELD = 27
_NUMBERED_TEXT = tuple(f"{number:02}" for number in range(1, 15))

_SUBFIELDS = re.compile(r"\s*(\d{3})?([?>~^<])(?=00|[12]\d|3[0-8])")
_SEPA = "EREF KREF MREF CRED DEBT COAM OAMT SVWZ ABWA ABWE ANAM BREF RREF PURP IBAN BIC"
_SEPA_WORD = re.compile(rf"(?:^|(?<=\s))({_SEPA.replace(' ', '|')})[+:]\s*")
_CODE_WORDS = """ACCW AREF BENM BIC BO BUSP CNTP CREF CSID CTPN DDAT EREF IBAN ID INID IREF ISDT MARF NAME NRTX OCMT ORDP PREF PT PURP PY
    REMI RFB RTRN SVCL SWOC TRCD TRTP TXT ULTB ULTC ULTD EXCH CHGS"""
_CODE_WORD = re.compile(rf"/({'|'.join(_CODE_WORDS.split())})/")
_REMITTANCE_KIND = re.compile(r"^(?:USTD|STRD)/+|/+$")
_NAME_LABEL = re.compile(
    r"\b(?:Naam|Name)\s*:\s*(\S.*?)(?=\s+(?:Omschrijving|Kenmerk|IBAN|BIC|Machtiging|Incassant|Betreft|Description|Reference)\s*:|\s*$)"
)


@dataclass(slots=True)
class Details:
    """What a text says; "" where it says nothing. `parts` has its elements by the bank's own names."""

    description: str = ""
    merchant: str = ""
    payment_method: str = ""
    parts: dict[str, str] = field(default_factory=dict)


def read_details(lines: list[str]) -> Details:
    """Read the text of one or more :86: fields, given as lines."""
    if not lines:
        return Details()
    if start := _SUBFIELDS.match(lines[0]):
        return _subfields("".join(lines), start)
    text = _joined(lines)
    if text.startswith("/") and _CODE_WORD.match(text):
        return _code_words(text)
    parts = _sepa_parts(text) if "+" in text else {}
    name = _NAME_LABEL.search(text) if ":" in text else None
    return Details(parts.get("SVWZ") or text, name.group(1) if name else "", "", parts)


def read_numbered(lines: list[str]) -> Details:
    """Read the lines of :NS:, as home-banking programs write it: 01 to 14 remittance text, 15 and 16 the other party, 17 the kind."""
    parts = {line[:2]: line[2:].strip() for line in lines if line[:2].isdecimal() and line[2:].strip()}
    purpose, name = (" ".join(parts[code] for code in codes if code in parts) for codes in (_NUMBERED_TEXT, ("15", "16")))
    return Details(purpose, name, parts.get("17", ""), {f"NS{code}": text for code, text in parts.items()})


def _joined(lines: list[str]) -> str:
    """One text: a full line runs on into the next one, a shorter one ends with a word. The first line had ":86:" before it."""
    text, full = "", True
    for at, line in enumerate(lines):
        text += line if full else f" {line}"
        full = len(line) + (4 if at == 0 else 0) >= FULL_LINE
    return text.strip()


def _subfields(text: str, start: re.Match[str]) -> Details:
    first, *pieces = text[start.start(2) + 1 :].split(start.group(2))
    parts: dict[str, str] = {"gvc": start.group(1)} if start.group(1) else {}
    purpose: list[str] = []
    name: list[str] = []
    current: list[str] = []
    for piece in (first, *pieces):
        code = piece[:2]
        if not code.isdigit():  # the mark within a text
            current[-1] += start.group(2) + piece
            continue
        if code[0] == "2" or code in ("60", "61", "62", "63"):
            current = purpose
        elif code in ("32", "33"):
            current = name
        else:
            current = [""]
            parts.setdefault(f"?{code}", piece[2:].strip())
        current.append(piece[2:])
    whole = _run_together(purpose)
    sepa = _sepa_parts(whole)
    text_of_payer = sepa.pop("SVWZ", "")
    parts.update(sepa)
    merchant, method = _run_together(name), parts.get("?00", "")
    return Details(text_of_payer or whole or method, merchant, method, parts)


def _run_together(segments: list[str]) -> str:
    """Join subfields: one that is full runs on into the next, unless that starts with a code word."""
    text, full = "", True
    for segment in segments:
        text += segment if full and segment[4:5] not in ("+", ":") else f" {segment}"
        full = len(segment) >= FULL_SUBFIELD
    return text.strip()


def _sepa_parts(text: str) -> dict[str, str]:
    """The elements after EREF+, MREF+, SVWZ+ and the like; the first of each counts."""
    if "+" not in text and ":" not in text:
        return {}
    pieces = _SEPA_WORD.split(text)
    parts: dict[str, str] = {}
    for word, value in zip(pieces[1::2], pieces[2::2], strict=True):
        if value.strip():
            parts.setdefault(word, value.strip())
    return parts


def _code_words(text: str) -> Details:
    pieces = _CODE_WORD.split(text)
    parts: dict[str, str] = {}
    for word, value in zip(pieces[1::2], pieces[2::2], strict=True):
        if value.strip(" /"):
            parts.setdefault(word, value.strip(" /"))
    remittance = _REMITTANCE_KIND.sub("", parts.get("REMI") or parts.get("PY") or parts.get("NRTX") or parts.get("TXT") or "")
    party = parts.get("CNTP", "").split("/")
    merchant = parts.get("NAME") or (party[2] if len(party) > 2 else "") or parts.get("BENM") or parts.get("ORDP") or ""
    stand_in = " ".join(word for word in (merchant, parts.get("EREF", "")) if word)
    return Details(remittance.strip(" /") or stand_in or text, merchant.strip(), parts.get("TRTP") or parts.get("TRCD") or "", parts)
