"""XML, element by element, from a file that nobody vouches for: no DTD, no entities, no network, bounded memory."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from lxml import etree

from services.ingestion.readers.statement import RowError, UnreadableStatement

CHUNK_BYTES = 64 * 1024
MAX_PROLOGUE_BYTES = 64 * 1024  # before the root element
MAX_IDLE_BYTES = 4 * 1024 * 1024  # between two elements that the reader takes
_SAFE: dict[str, Any] = {
    "resolve_entities": False,
    "load_dtd": False,
    "dtd_validation": False,
    "no_network": True,
    "huge_tree": False,  # at most 256 levels and 10 MB of text in one element
    "remove_comments": True,
    "remove_pis": True,
}
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Element: TypeAlias = Any  # of lxml, which ships no types


@lru_cache(maxsize=4096)
def local_name(tag: str) -> str:
    """A tag without its namespace, or without its prefix where that is bound to nothing."""
    return tag.rpartition("}")[2].rpartition(":")[2]


@dataclass(frozen=True)
class XmlFile:
    """What the head of a file tells. `skipped_bytes` and `skipped_lines` stand before the XML and are blank."""

    path: Path
    root: str  # local name
    namespace: str  # "" for none
    encoding: str
    forced_encoding: str | None  # where the file is not in the encoding that it claims
    skipped_bytes: int = 0
    skipped_lines: int = 0
    notes: list[str] = field(default_factory=list)

    def elements(self, tags: Sequence[str]) -> Iterator[tuple[str, Element, int]]:
        """Yield ("start" or "end", element, line) for elements with these local names, in document order.

        Call `done` with each element that is read, or the tree grows. Raises UnreadableStatement for broken XML, with the
        line, and where MAX_IDLE_BYTES hold no element that is asked for.
        """
        wanted = [f"{{*}}{tag}" for tag in tags]
        parser = etree.XMLPullParser(events=("start", "end"), tag=wanted, encoding=self.forced_encoding, **_SAFE)
        idle = 0
        line = 1
        with self.path.open("rb") as stream:
            stream.seek(self.skipped_bytes)
            while True:
                chunk = stream.read(CHUNK_BYTES)
                try:
                    if chunk:
                        parser.feed(chunk)
                    else:
                        parser.close()
                except etree.XMLSyntaxError as broken:
                    yield from self._events(parser)
                    raise self._broken(broken, at_end=not chunk) from broken
                idle += len(chunk)
                for event, element, at in self._events(parser):
                    idle, line = 0, at
                    yield event, element, at
                if not chunk:
                    return
                if idle > MAX_IDLE_BYTES:
                    reason = f"after line {line} come {MAX_IDLE_BYTES // 1024**2} MB without anything that belongs to a statement"
                    raise UnreadableStatement(reason, [RowError(line, "file", reason)])

    def _events(self, parser: etree.XMLPullParser) -> Iterator[tuple[str, Element, int]]:
        # lxml keeps events that were read for a while, and freeing an element that holds one of theirs takes the square of what is in it.
        waiting = deque(parser.read_events())
        while waiting:
            event, element = waiting.popleft()
            yield event, element, (element.sourceline or 1) + self.skipped_lines

    def _broken(self, error: etree.XMLSyntaxError, *, at_end: bool) -> UnreadableStatement:
        line = (error.lineno or 1) + self.skipped_lines
        what = "the file ends too early" if at_end else "the XML is broken"
        return UnreadableStatement(
            f"line {line}: {what}: {_spoken(error)}; download the statement again", [RowError(line, "file", f"{what}: {_spoken(error)}")]
        )


def _spoken(error: etree.XMLSyntaxError) -> str:
    return str(error.msg or "not well-formed").split(", line ", maxsplit=1)[0][:200]


def done(element: Element, *, alike: bool = False) -> None:
    """Free an element that has ended and its elder siblings; with `alike` only those just before it that have its tag.

    Its own shell and tail still belong to the parser and stay until a younger sibling is done.
    """
    element.clear(keep_tail=True)
    parent, elder = element.getparent(), element.getprevious()
    if parent is None or elder is None:
        return
    if not alike:
        # Not one by one: removing an element that Python holds walks what is in it, and takes the square of that.
        del elder
        del parent[: parent.index(element)]
        return
    while elder is not None and elder.tag == element.tag:
        parent.remove(elder)
        elder = element.getprevious()


def open_xml(path: Path) -> XmlFile:
    """Look at the head of a file up to its root element.

    Raises UnreadableStatement for an empty file, for what is not XML, and for a document type: statements have none, attacks do.
    """
    with path.open("rb") as stream:
        head = stream.read(MAX_PROLOGUE_BYTES)
    blank = len(head) - len(head.lstrip(b" \t\r\n"))
    if blank == len(head):
        raise UnreadableStatement("the file is empty")
    lines = len(head[:blank].splitlines())
    forced = _forced_encoding(path, head[blank:])
    root = _root(head[blank:], forced, lines)
    info = root.getroottree().docinfo
    if info.doctype or info.internalDTD is not None:
        reason = "the XML declares a document type (DOCTYPE): statements have none, and it is not read"
        raise UnreadableStatement(reason, [RowError(1 + lines, "file", reason)])
    namespace, _, name = root.tag.rpartition("}")  # not QName, which refuses a prefix that is bound to nothing
    notes = [] if forced is None else [f"the file is not the {info.encoding or 'UTF-8'} that it claims: read as {forced}"]
    return XmlFile(path, name, namespace.removeprefix("{"), forced or info.encoding or "UTF-8", forced, blank, lines, notes)


def _root(head: bytes, forced: str | None, lines: int) -> Element:
    parser = etree.XMLPullParser(events=("start",), encoding=forced, **_SAFE)
    for at in range(0, len(head), 1024):
        try:
            parser.feed(head[at : at + 1024])
        except etree.XMLSyntaxError as broken:
            root = next((element for _, element in parser.read_events()), None)
            if root is not None:
                return root
            line = (broken.lineno or 1) + lines
            reason = f"line {line}: this is not XML: {_spoken(broken)}"
            raise UnreadableStatement(reason, [RowError(line, "file", reason)]) from broken
        for _, root in parser.read_events():
            return root
    reason = f"the first {len(head)} bytes hold no XML element"
    raise UnreadableStatement(reason, [RowError(1, "file", reason)])


def _forced_encoding(path: Path, head: bytes) -> str | None:
    """The encoding of a file that claims to be UTF-8 and is not; None for one that may be believed."""
    if head.startswith(_BOMS[1:]) or b"\x00" in head[:64]:
        return None
    declared = re.match(rb"(?:\xef\xbb\xbf)?<\?xml[^>]*encoding\s*=\s*[\"']([\w.-]+)", head)
    is_ascii = declared is not None and b"ascii" in declared.group(1).lower()
    if declared and not is_ascii and declared.group(1).lower() not in (b"utf-8", b"utf8"):
        return None
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    with path.open("rb") as stream:
        try:
            while chunk := stream.read(1024 * 1024):
                decoder.decode(chunk)
        except UnicodeDecodeError:
            return "windows-1252"
    return "utf-8" if is_ascii else None  # a character cut off at the very end is broken XML anyway
