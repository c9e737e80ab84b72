"""Changes to a statement that keep most of it whole, so that what is behind the first check is reached, too.

An edit says what to do where, in fractions of the file, so that it applies to any content: a mutator makes them up, hypothesis draws
and shrinks them.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

MAX_BYTES = 1024 * 1024
_NUMBER = re.compile(rb"[-+]?\d[\d.,' /:-]*")
_TEXT = re.compile(rb"(?<=>)[^<>]*(?=<)")
_ATTRIBUTE = re.compile(rb"(?<==\")[^\"<>]*(?=\")")
_OPENING = re.compile(rb"<([A-Za-z][\w:.-]*)(?:\s[^<>]*)?>")
_FIELD = re.compile(rb"[^,;\t|\n\r<>=\"^:]+")
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Edit:
    """`kind` is one of KINDS. `at` (from 0 to 1) is the place, `length` how much of it, `token` what comes there, `times` how often."""

    kind: str
    at: float = 0.0
    length: int = 0
    token: bytes = b""
    times: int = 1


def apply(content: bytes, edits: Sequence[Edit]) -> bytes:
    """The content after all edits, at most MAX_BYTES of it. Of a ZIP file a part is changed, and packed again."""
    for edit in edits:
        if content.startswith(_ZIP) and edit.kind != "bytes":
            content = _in_a_part(content, edit)
        else:
            content = _DO[edit.kind](content, edit)[:MAX_BYTES]
    return content


def random_edit(chance: Random, content: bytes, tokens: Sequence[bytes]) -> Edit:
    """An edit for this content, with a token of these; of markup it mostly leaves the tags whole."""
    times = chance.choice((1, 1, 1, 2, 2, 3, 10, 1000))
    length = chance.choice((0, 1, 1, 2, 4, 16, 200))
    is_markup = b"</" in content[:4096] or content.startswith(_ZIP)
    kinds = MARKUP if is_markup and chance.random() < 0.75 else KINDS
    return Edit(chance.choice(kinds), chance.random(), length, chance.choice(tokens), times)


def _bytes(content: bytes, edit: Edit) -> bytes:
    at = int(edit.at * len(content))
    return content[:at] + edit.token + content[at + edit.length :]


def _repeat(content: bytes, edit: Edit) -> bytes:
    """The token, or without one the slice itself, many times."""
    at = int(edit.at * len(content))
    piece = edit.token or content[at : at + max(edit.length, 1)]
    return content[:at] + piece * _fitting(piece, edit.times) + content[at:]


def _at_a_line_end(content: bytes, edit: Edit) -> bytes:
    """The token many times, just before the end of a line."""
    ends = [match.start() for match in re.finditer(rb"\r?\n", content)] or [len(content)]
    at = ends[int(edit.at * len(ends))]
    piece = edit.token or b" "
    return content[:at] + piece * _fitting(piece, edit.times) + content[at:]


def _line(content: bytes, edit: Edit) -> bytes:
    """The lines from a place on again and again, or none of them."""
    lines = content.splitlines(keepends=True)
    at = int(edit.at * len(lines))
    chosen = lines[at : at + max(1, edit.length)]
    times = 0 if edit.times == 1 else _fitting(b"".join(chosen), edit.times)
    return b"".join(lines[:at] + chosen * times + lines[at + len(chosen) :])


def _swap(content: bytes, edit: Edit) -> bytes:
    lines = content.splitlines(keepends=True)
    at = int(edit.at * len(lines))
    there = at + max(1, edit.length)
    if there < len(lines):
        lines[at], lines[there] = lines[there], lines[at]
    return b"".join(lines)


def _match(pattern: re.Pattern[bytes]) -> Callable[[bytes, Edit], bytes]:
    def replace(content: bytes, edit: Edit) -> bytes:
        found = list(pattern.finditer(content))
        if not found:
            return _bytes(content, edit)
        chosen = found[int(edit.at * len(found))]
        return content[: chosen.start()] + edit.token + content[chosen.end() :]

    return replace


def _element(content: bytes, edit: Edit) -> bytes:
    """A whole element again and again, or not at all: it stays well-formed."""
    found = list(_OPENING.finditer(content))
    if not found:
        return _line(content, edit)
    chosen = found[int(edit.at * len(found))]
    end = content.find(b"</" + chosen[1] + b">", chosen.end())
    if end < 0:
        return _line(content, edit)
    end += len(chosen[1]) + 3
    element = content[chosen.start() : end]
    times = 0 if edit.times == 1 else _fitting(element, edit.times)
    return content[: chosen.start()] + element * times + content[end:]


def _cut(content: bytes, edit: Edit) -> bytes:
    return content[: int(edit.at * len(content))]


_ENCODINGS = ("utf-16", "utf-16-le", "utf-8-sig", "cp1252", "utf-32", "cp437", "utf-16-be")


def _recode(content: bytes, edit: Edit) -> bytes:
    encoding = _ENCODINGS[int(edit.at * len(_ENCODINGS))]
    return content.decode("utf-8", "replace").encode(encoding, "replace")


def _line_ends(content: bytes, edit: Edit) -> bytes:
    ends = (b"\r\n", b"\r", b"\r\r\n", b"\n\n", b"", b"\n\r", b"\x0b", b"\xe2\x80\xa8")
    return content.replace(b"\r\n", b"\n").replace(b"\n", ends[int(edit.at * len(ends))])


def _fitting(piece: bytes, times: int) -> int:
    return min(times, MAX_BYTES // max(1, len(piece)))


def _in_a_part(content: bytes, edit: Edit) -> bytes:
    """The part is chosen by the fine digits of `at`, the place in it by the whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError, KeyError):
        return _bytes(content, edit)
    except Exception:  # zlib.error has no public base
        return _bytes(content, edit)
    if not parts:
        return _bytes(content, edit)
    chosen = int(edit.at * 1e6) % len(parts)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, part) in enumerate(parts):
            archive.writestr(name, _DO[edit.kind](part, edit)[:MAX_BYTES] if number == chosen else part)
    return buffer.getvalue()


_DO: dict[str, Callable[[bytes, Edit], bytes]] = {
    "bytes": _bytes,
    "repeat": _repeat,
    "line": _line,
    "swap": _swap,
    "number": _match(_NUMBER),
    "field": _match(_FIELD),
    "text": _match(_TEXT),
    "attribute": _match(_ATTRIBUTE),
    "element": _element,
    "line end": _at_a_line_end,
    "cut": _cut,
    "recode": _recode,
    "line ends": _line_ends,
}
KINDS = tuple(_DO)
MARKUP = ("text", "text", "text", "attribute", "element", "element", "number", "bytes")
