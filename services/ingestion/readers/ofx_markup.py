"""The markup of OFX files: SGML with unclosed tags (1.x), XML (2.x), and what banks make of either, as a stream of text.

OFX needs no document tree: elements hold either text or elements, names are plain words, and DTDs are never sent with a file. So one
scanner over tags reads both versions, tolerates every missing end tag, keeps line numbers, streams, and cannot be led to expand an
entity, open a file or nest without bound. ofxparse and ofxtools build trees, do not keep lines, and take minutes for 100 MB.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.entities import html5
from pathlib import Path

from services.ingestion.readers.encoding import SAMPLE_BYTES, TextFile
from services.ingestion.readers.record_rows import open_lines
from services.ingestion.readers.statement import RowError, UnreadableStatement

BLOCK_BYTES = 1024 * 1024
MAX_OPEN_CHARS = 1024 * 1024  # of one comment, CDATA section or tag
TAG = re.compile(r"<(/?)([A-Z][A-Z0-9._]*)>([^<]*)")
_ELEMENT = re.compile(r"<([A-Z][A-Z0-9._]*)>([^<]*)")
_ANY_TAG = re.compile(r"<(/?)(?:[A-Za-z][\w-]*:)?([A-Za-z][\w.-]*)(?:\s[^<>]*)?/?>")
_SPECIAL = re.compile(r"<!--|<!\[CDATA\[|<[!?](?![-\[])[^<>]*>")
_OPENING = re.compile(r"<!--|<!\[CDATA\[")
_CLOSING = {"<!--": "-->", "<![CDATA[": "]]>"}
_ENTITY = re.compile(r"&(#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_ENTITY_DECLARED = re.compile(r"<!ENTITY", re.IGNORECASE)
_STRAY = re.compile(r"<(?!/?[A-Za-z][\w.:-]*(?:\s[^<>]*)?>)")
_CODECS = re.compile(r"(cp\d+|iso8859-\d+|koi8-\w|mac-\w+|gbk?\d*|big5|euc_\w+|shift_jis)$")
_VERSION = re.compile(r"VERSION\s*[:=]\s*[\"']?(\d{3})")
_CHARSET = re.compile(r"CHARSET\s*:\s*(\d{3,5}|[\w-]+)")
_DECLARED = re.compile(r"\bencoding\s*=\s*[\"']([\w-]+)[\"']|\bENCODING\s*:\s*([\w-]+)")


@dataclass(frozen=True)
class Markup:
    """An OFX file whose encoding is known. `version` as its header says it ("102", "203"), None without a header."""

    text: TextFile
    version: str | None

    def chunks(self) -> Iterator[str]:
        """The text without comments, CDATA marks, declarations and NULs, line by line as before; each chunk ends before a "<".

        Names of transactions' tags are in upper case, those of all tags wherever one of those was not.
        Raises UnreadableStatement for entity declarations and endless markup.
        """
        held = ""
        line = 1
        for block in self._decoded():
            buffer = held + block
            cut = _safe_end(buffer)
            if len(buffer) - cut > MAX_OPEN_CHARS:
                line += buffer.count("\n", 0, cut)
                raise _refused(line, f"the markup that starts on line {line} does not end within {MAX_OPEN_CHARS} characters")
            if cut:
                yield _plain(buffer[:cut], line)
                line += buffer.count("\n", 0, cut)
            held = buffer[cut:]
        if held:
            yield _plain(held, line)

    def _decoded(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self.text.encoding)("replace")
        with self.text.path.open("rb") as stream:
            stream.seek(self.text.bom_bytes)
            while data := stream.read(BLOCK_BYTES):
                yield self._lines(decoder.decode(data))
            yield self._lines(decoder.decode(b"", final=True))

    def _lines(self, text: str) -> str:
        if "\x00" in text:
            text = text.replace("\x00", "")
        return text.replace("\r", "\n") if self.text.bare_cr else text


def open_markup(path: Path) -> Markup:
    """Find the encoding: what the bytes prove first, the header's word next, a guess last. Raises UnreadableStatement."""
    text = open_lines(path, "an OFX file")
    with path.open("rb") as stream:
        raw = stream.read(SAMPLE_BYTES)
    head = raw[text.bom_bytes :].decode(text.encoding, "replace").partition("<OFX>")[0][:2000]
    version = _VERSION.search(head)
    if not text.encoding.startswith("utf"):
        text = _declared_encoding(text, head)
    return Markup(text, version.group(1) if version else None)


def _declared_encoding(text: TextFile, head: str) -> TextFile:
    """For bytes that are no UTF-8: the header's one-byte encoding, where it names one that is meant."""
    names = [match.group(1) for match in _CHARSET.finditer(head)]
    names += [match.group(1) or match.group(2) for match in _DECLARED.finditer(head)]
    for name in names:
        known = f"cp{name}" if name.isdigit() else name
        try:
            codec = codecs.lookup(known).name
        except LookupError:
            continue
        if not _CODECS.match(codec):
            continue
        codec = "cp1252" if codec in ("iso8859-1", "latin-1") else codec
        return replace(text, encoding=codec, notes=[f"not UTF-8: read as {codec}, as its header says"])
    return text


def _safe_end(buffer: str) -> int:
    """Where a buffer can be cut so that no tag, comment or CDATA section is cut in two; its length where it has no tag."""
    done = last = 0
    while opening := _OPENING.search(buffer, done):
        close = buffer.find(_CLOSING[opening[0]], opening.end())
        if close < 0:
            return opening.start()
        last, done = opening.start(), close + 3
    end = buffer.rfind("<", done)
    return end if end >= 0 else last or len(buffer)


def _plain(chunk: str, line: int) -> str:
    if "<!" in chunk or "<?" in chunk:
        if declared := _ENTITY_DECLARED.search(chunk):
            line += chunk.count("\n", 0, declared.start())
            raise _refused(line, f"line {line} declares an entity: no statement needs any, and such files are not read")
        chunk = _without_specials(chunk)
    if chunk.upper().count("STMTTRN") > chunk.count("<STMTTRN") + chunk.count("</STMTTRN"):
        # Perhaps tags in small letters or with a prefix, perhaps the word in a text.
        chunk = _folded(chunk)
    return chunk


def _folded(markup: str) -> str:
    return _ANY_TAG.sub(lambda tag: f"<{tag[1]}{tag[2].upper()}>" + "\n" * tag[0].count("\n"), markup)


def _without_specials(chunk: str) -> str:
    """Comments and declarations give way to their line ends, CDATA to its text; what is never closed stays as it is."""
    last = {mark: chunk.rfind(mark) for mark in _CLOSING.values()}  # or each opening without an end would look for it to the end
    parts: list[str] = []
    at = start = 0
    while special := _SPECIAL.search(chunk, at):
        at = end = special.end()
        closing = _CLOSING.get(special[0])
        if closing:
            if last[closing] < at:
                continue
            close = chunk.find(closing, at)
            at, end = close + len(closing), close
        parts.append(chunk[start : special.start()])
        if closing == "]]>":
            parts.append(chunk[special.end() : end].replace("&", "&amp;").replace("<", "&lt;"))
        else:
            parts.append("\n" * chunk.count("\n", special.start(), end))
        start = at
    parts.append(chunk[start:])
    return "".join(parts)


def _refused(line: int, reason: str) -> UnreadableStatement:
    return UnreadableStatement(reason, [RowError(line, "file", reason)])


def elements(body: str) -> list[tuple[str, str]]:
    """The elements of a record in file order: name and text with the blanks around it, entities as they are.

    Names of aggregates are there too, with blank text.
    """
    found = _ELEMENT.findall(body)
    if body.count("<") != len(found) + body.count("</"):
        found = _ELEMENT.findall(_folded(_STRAY.sub("&lt;", body)))
    return found


def fields_of(found: list[tuple[str, str]]) -> dict[str, str]:
    """Name -> trimmed text of the elements that have one. The texts of an element that is there twice are joined, unless equal."""
    fields = {name: bare for name, text in found if (bare := text.strip())}
    if len(fields) == len(found):
        return fields
    fields = {}
    for name, text in found:
        bare = text.strip()
        if bare and bare != fields.get(name, bare):
            bare = f"{fields[name]} {bare}"
        if bare:
            fields[name] = bare
    return fields


def unescape(text: str) -> str:
    """Replace entities, also those that were escaped twice. Unknown ones and ampersands without a semicolon stay as they are."""
    for _ in range(2):
        if "&" not in text:
            break
        text = _ENTITY.sub(_entity, text)
    return text


def _entity(match: re.Match[str]) -> str:
    name = match.group(1)
    if not name.startswith("#"):
        return html5.get(f"{name};", match.group(0))
    code = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\N{REPLACEMENT CHARACTER}"
