"""The fields of MT940 and MT942 messages: which lines belong to which tag, whatever wrappers and line breaks banks put between."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from services.ingestion.readers.statement import RowError, UnreadableStatement

MAX_STRAY_LINES = 2_000_000
MAX_FIELD_CHARS = 1024 * 1024
_TAG = re.compile(r":(\d\d[A-Z]?|NS):")
_KNOWN = frozenset("13 13D 20 21 25 25P 28 28C 34F 60F 60M 61 62F 62M 64 65 86 90C 90D NS".split())
# A time such as 12:20:15 that wraps after its hour looks like one of these tags at the start of a line.
_LIKE_MINUTES = frozenset({"13", "20", "21", "25", "28"})
_TEXTS = ("61", "86")  # fields with free text of several lines
_OPENING = re.compile(r":(?:34F|60[FM]):")
_NO_OPENING = re.compile(r":(?:61|62[FM]|86):")
_LOOK_AHEAD = 8
_WRAPPER = re.compile(r"\{[1-5S]:")  # any other brace belongs to a text that was wrapped before it
_END = re.compile(r"-(?:\}.*|[A-Z]{3})?\s*$")


@dataclass(slots=True)
class Field:
    """One field: its tag ("61", "60F"), the line of its tag (from 1), and its lines without the tag."""

    tag: str
    line: int
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The first line, without blanks around it."""
        return self.lines[0].strip()


@dataclass
class Fields:
    """Reads lines block by block and gives the fields that are complete; after the last block call `end`."""

    last: Field | None = None
    _stray: int = 0  # lines outside of any field, such as SWIFT's headers
    _chars: int = 0
    _broken: str = ""  # a line ":" alone, whose tag follows on the next line
    _held: list[str] = field(default_factory=list)
    _held_line: int = 1

    def read(self, line: int, lines: list[str]) -> Iterator[Field]:
        """Yield the fields that end within these lines. Raises UnreadableStatement for a field without end."""
        if self._held:
            line, lines, self._held = self._held_line, self._held + lines, []
        # The last lines wait for the next block: whether a line starts a field may depend on the lines after it.
        keep = lines[-_LOOK_AHEAD:]
        self._held, self._held_line = keep, line + len(lines) - len(keep)
        yield from self._fields(line, lines, len(lines) - len(keep))

    def end(self) -> Iterator[Field]:
        """Yield what is left."""
        held, self._held = self._held, []
        yield from self._fields(self._held_line, held, len(held))
        if self.last is not None:
            yield self.last
            self.last = None

    def _fields(self, line: int, lines: list[str], count: int) -> Iterator[Field]:
        for at in range(count):
            text = lines[at]
            if text[:1] == "{" and _WRAPPER.match(text):  # {1:F01...}{2:...}{4:, perhaps with the first field behind it
                text = text.rpartition("{4:")[2] if "{4:" in text else ""
            if self._broken:
                text, self._broken = self._broken + text, ""
            if text == ":":
                self._broken = text
            elif text[:1] == ":" and (tag := self._tag(text, lines, at)):
                if self.last is not None:
                    yield self.last
                self.last, self._chars = Field(tag, line + at, [text[len(tag) + 2 :]]), 0
            elif self.last is not None and not (text[:1] == "-" and _END.match(text)):
                self._continue(text, line + at)
            elif self.last is not None:
                yield self.last
                self.last = None
            else:
                self._pass_over(line + at)

    def _pass_over(self, line: int) -> None:
        self._stray += 1
        if self._stray > MAX_STRAY_LINES:
            reason = f"more than {MAX_STRAY_LINES} lines by line {line} belong to no field such as :20: or :61:: this is not an MT940 file"
            raise UnreadableStatement(reason, [RowError(line, "file", reason)])

    def _tag(self, text: str, lines: list[str], at: int) -> str:
        match = _TAG.match(text)
        if match is None or match.group(1) not in _KNOWN:
            return ""
        tag = match.group(1)
        in_text = self.last is not None and self.last.tag in _TEXTS
        if tag in _LIKE_MINUTES and in_text and not self._starts_message(tag, lines, at):
            return ""
        return tag

    def _starts_message(self, tag: str, lines: list[str], at: int) -> bool:
        """Whether ":20:" among the texts of a message really starts the next one: then an opening balance follows soon."""
        for text in lines[at + 1 : at + 1 + _LOOK_AHEAD] if tag == "20" else ():
            if _OPENING.match(text) or _NO_OPENING.match(text):
                return _OPENING.match(text) is not None
        return False

    def _continue(self, text: str, line: int) -> None:
        assert self.last is not None  # nosec B101  # tells mypy what the match made sure of
        self._chars += len(text) + 1
        if self._chars > MAX_FIELD_CHARS:
            reason = f"the field :{self.last.tag}: on line {self.last.line} does not end within {MAX_FIELD_CHARS} characters"
            raise UnreadableStatement(reason, [RowError(line, "file", reason)])
        self.last.lines.append(text)
