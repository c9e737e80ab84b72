"""From bytes to lines of text: which encoding, which line ends, in bounded memory."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from charset_normalizer import from_bytes

from services.ingestion.readers.statement import RowError, UnreadableStatement

BLOCK_BYTES = 512 * 1024
MAX_LINE_CHARS = 1024 * 1024
SAMPLE_BYTES = 64 * 1024
_CR_RUN = re.compile(r"(?<!\r)\r++\n")  # begun once a run: in linear time

_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_MAGIC = (
    (b"PK\x03\x04", "a ZIP or spreadsheet file (XLSX, ODS)"),
    (b"\xd0\xcf\x11\xe0", "an Excel file (XLS)"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a gzip archive"),
)
# One-byte encodings that banks still write, with the points that a rarer one must be ahead by. Earlier wins a tie.
_ONE_BYTE = {
    "cp1252": 0, "cp1250": 0, "iso8859-2": 0, "iso8859-15": 0, "cp850": 3, "cp852": 3, "mac-roman": 3, "cp1254": 1, "cp1257": 1,
}  # fmt: skip
_OTHER_SCRIPTS = ["cp1251", "koi8-r", "cp1253", "cp1255", "cp1256", "cp932", "gb18030", "big5", "euc_kr"]


@dataclass(frozen=True)
class TextFile:
    """A file whose encoding and line ends are known. `bare_cr` says that lone carriage returns end its lines."""

    path: Path
    encoding: str
    bom_bytes: int
    bare_cr: bool
    size: int
    notes: list[str] = field(default_factory=list)

    def blocks(self) -> Iterator[list[str]]:
        """Yield lists of physical lines without their ends. Raises UnreadableStatement for a line over 1 Mi characters.

        CR CR LF counts as one line end. A carriage return inside a line of an LF file is a blank, not a line end. NULs are left out; at
        the end of a file that has some, the notes say so.
        """
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        rest = ""
        line = nuls = 0
        with self.path.open("rb") as stream:
            stream.seek(self.bom_bytes)
            while True:
                data = stream.read(BLOCK_BYTES)
                text = rest + decoder.decode(data, final=not data)
                if "\x00" in text:
                    nuls += text.count("\x00")
                    text = text.replace("\x00", "")
                if "\r" in text:
                    held = "\r" if data and text.endswith("\r") else ""
                    text = self._line_ends(text[: len(text) - len(held)]) + held
                lines = text.split("\n")
                rest = lines.pop()
                if lines:
                    line += len(lines)
                    yield lines
                if len(rest) > MAX_LINE_CHARS:
                    reason = f"line {line + 1} is longer than {MAX_LINE_CHARS} characters: this is not a CSV file"
                    raise UnreadableStatement(reason, [RowError(line + 1, "file", reason)])
                if not data:
                    if rest:
                        yield [rest]
                    self._note_nuls(nuls)
                    return

    def _note_nuls(self, count: int) -> None:
        note = f"NUL characters were left out: {count}"
        if count and note not in self.notes:  # once, however often the file is read
            self.notes.append(note)

    def _line_ends(self, text: str) -> str:
        text = text.replace("\r\n", "\n")
        if "\r\n" in text:
            text = _CR_RUN.sub("\n", text)
        return text.replace("\r", "\n" if self.bare_cr else " ")


def open_text(path: Path, score: Callable[[str], int]) -> TextFile:
    """Decide encoding and line ends by one pass over the bytes.

    `score` says how many words of a decoded sample are known as column names: the surest sign among one-byte encodings.
    Raises UnreadableStatement for an empty or a binary file.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(SAMPLE_BYTES)
    if not head.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise UnreadableStatement("the file is empty")
    for magic, what in _MAGIC:
        if head.startswith(magic):
            raise UnreadableStatement(f"this is {what}, not a CSV file")
    notes: list[str] = []
    bom_bytes = 0
    encoding = ""
    for bom, name in _BOMS:
        if head.startswith(bom):
            encoding, bom_bytes = name, len(bom)
            break
    if not encoding:
        encoding = _utf16_without_bom(head) or _eight_bit(path, score, notes)
    if (size - bom_bytes) % (4 if encoding.startswith("utf-32") else 2 if encoding.startswith("utf-16") else 1):
        notes.append("the file ends in the middle of a character: was it cut off?")
    sample = head[bom_bytes:].decode(encoding, "replace")
    control = sum(1 for c in sample if c < " " and c not in "\t\r\n\x00\x0c\x1a")
    if control > max(8, len(sample) // 20):
        raise UnreadableStatement("this is a binary file, not a CSV file")
    bare_cr = "\r" in sample and "\n" not in sample
    return TextFile(path, encoding, bom_bytes, bare_cr, size, notes)


def _utf16_without_bom(head: bytes) -> str:
    """UTF-16 shows itself by NUL in every other byte."""
    pairs = len(head) // 2
    if pairs < 2:
        return ""
    if head[1 : 2 * pairs : 2].count(0) > pairs * 0.7 and head[: 2 * pairs : 2].count(0) < pairs * 0.1:
        return "utf-16-le"
    if head[: 2 * pairs : 2].count(0) > pairs * 0.7 and head[1 : 2 * pairs : 2].count(0) < pairs * 0.1:
        return "utf-16-be"
    return ""


def _eight_bit(path: Path, score: Callable[[str], int], notes: list[str]) -> str:
    """UTF-8 where the whole file is (or almost is), else the likeliest one-byte encoding."""
    sample, bad, multibyte = _scan_utf8(path)
    if not bad:
        return "utf-8"
    if multibyte > bad:  # other encodings hit upon well-formed UTF-8 in one letter of three at most
        notes.append(f"{bad} broken UTF-8 sequences were replaced by \N{REPLACEMENT CHARACTER}")
        return "utf-8"
    encoding = likeliest_encoding(sample, score)
    notes.append(f"not UTF-8: read as {encoding}")
    return encoding


def _scan_utf8(path: Path) -> tuple[bytes, int, int]:
    """Return the lines around the first non-ASCII bytes, the number of broken sequences, and of valid multi-byte ones."""
    bad = multibyte = 0
    sample = bytearray()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with path.open("rb") as stream:
        while data := stream.read(BLOCK_BYTES):
            text = decoder.decode(data)
            if text.isascii():
                continue
            broken = text.count("\N{REPLACEMENT CHARACTER}") - data.count(b"\xef\xbf\xbd")
            bad += max(0, broken)
            multibyte += len(text) - len(text.encode("ascii", "ignore")) - max(0, broken)
            if len(sample) < SAMPLE_BYTES:
                rows = [row for row in data.splitlines() if not row.isascii()]
                sample += b"\n".join(rows)[: SAMPLE_BYTES - len(sample)] + b"\n"
    tail = decoder.decode(b"", final=True)
    return bytes(sample), bad + len(tail), multibyte


def likeliest_encoding(sample: bytes, score: Callable[[str], int]) -> str:
    """Choose among one-byte encodings: known column names first, then letters that sit well among letters."""
    if paired := _east_asian(sample):
        return paired
    high = sum(byte > 0x7F for byte in sample)
    letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80)
    if high > letters and high > 8:  # hardly any Latin letter: another script
        best = from_bytes(sample, cp_isolation=_OTHER_SCRIPTS).best()
        if best is not None:
            return best.encoding
    ranked = []
    for place, (name, handicap) in enumerate(_ONE_BYTE.items()):
        try:
            text = sample.decode(name)
        except UnicodeDecodeError:
            text = sample.decode(name, "replace")
        ranked.append((score(text), _plausibility(text) - handicap, -place, name))
    return max(ranked)[3]


def _east_asian(sample: bytes) -> str:
    """Chinese, Japanese or Korean in pairs of high bytes, told by where the first byte of each pair lies; "" for anything else."""
    runs = re.findall(rb"[\x80-\xff]+", sample)
    pairs = [run[at : at + 2] for run in runs for at in range(0, len(run), 2)]
    if len(pairs) < 4 or any(len(pair) < 2 or min(pair) < 0xA1 or max(pair) > 0xFE for pair in pairs):
        return ""
    if sum(pair[1] >= 0xE0 for pair in pairs) > 0.7 * len(pairs):  # lower-case Cyrillic
        return ""
    if sum(pair[0] in (0xA4, 0xA5) for pair in pairs) > 0.15 * len(pairs):  # kana
        return "euc_jp"
    words = [pair for pair in pairs if pair[0] >= 0xB0]
    hangul = sum(pair[0] <= 0xC8 for pair in words)
    return ("cp949" if hangul >= 0.95 * len(words) else "gb18030") if words else ""


# The letters beyond a-z of each language: real text is written in one of them, a wrong encoding mixes several.
_ALPHABETS = tuple(
    frozenset(letters)
    for letters in (
        "äöüß", "àâæçéèêëîïôœùûüÿ", "áéíñóúüºª", "àèéìíòóùú", "áàâãçéêíóôõúº", "éëèïöüóá", "æøåéö", "åäöéü", "åäöõüšž", "ąćęłńóśźż",
        "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșțşţ", "çğıiöşüâî", "ąčęėįšųūž", "āčēģīķļņšūž", "čćđšžë", "áéíðóúýþæö",
    )
)  # fmt: skip


def _plausibility(text: str) -> int:
    """Reward the letters of one language, punish letters of others, lone ones, signs and capitals inside words, and controls."""
    points = 0
    letters: Counter[str] = Counter()
    for match in re.finditer(r"[^\x00-\x7f]", text):
        here = match.group()
        before = text[match.start() - 1] if match.start() else " "
        after = text[match.end()] if match.end() < len(text) else " "
        if here == "\N{REPLACEMENT CHARACTER}" or "\x80" <= here <= "\x9f":
            points -= 20
        elif here.isalpha() and not before.isalpha() and not after.isalpha():
            points -= 4 if before.isdigit() or after.isdigit() else 1
        elif here.isalpha():
            letters[here.lower()] += 1
            points -= 6 * (here.isupper() and before.islower()) + 6 * (here.islower() and before.isupper() and after.isupper())
        elif before.isalpha() and after.isalpha() and here not in "’'‘\u00ad·":
            points -= 6
        else:
            points += 1 if here in "€£§°–—’‘“”„…«»·\u00a0" else -2
    own = max(sum(letters[letter] for letter in alphabet) for alphabet in _ALPHABETS)
    return points + 4 * own - 3 * (letters.total() - own)
