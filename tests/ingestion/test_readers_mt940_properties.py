"""The MT940 reader on random statements, which must read back equal, and on damaged ones."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingestion.readers.mt940 import read_mt940
from tests.ingestion.reading import Read, read_bytes
from tests.ingestion.statement_checks import Damage, damage, survives

D = Decimal


@dataclass(frozen=True)
class Line:
    day: date
    lag: int  # days from value to entry date
    amount: Decimal
    is_reversal: bool
    purpose: str
    name: str


LETTERS = st.characters(
    min_codepoint=33, max_codepoint=0x17F, exclude_characters=":?+/>~^<-", exclude_categories=("Cs", "Cc", "Cn", "Zs", "Cf")
)
WORDS = st.lists(st.text(LETTERS, min_size=1, max_size=20), max_size=8).map(" ".join)
LINES = st.builds(
    Line, st.dates(date(1971, 1, 1), date(2068, 12, 31)), st.integers(-20, 20),
    st.decimals(min_value=-(10**12), max_value=10**12, places=2), st.booleans(), WORDS, WORDS,
)  # fmt: skip


def mt_amount(amount: Decimal) -> str:
    return f"{abs(amount):.2f}".replace(".", ",")


def mark(amount: Decimal, *, reversal: bool) -> str:
    credit = amount >= 0
    return ("RD" if credit else "RC") if reversal else ("C" if credit else "D")


def wrapped(text: str, width: int = 65) -> str:
    """Lines as banks cut them: where they are full, the tag included in the first one."""
    rest, lines = text[width - 4 :], [text[: width - 4]]
    while rest:
        lines.append(rest[:width])
        rest = rest[width:]
    return "\n".join(lines)


def subfields(line: Line) -> str:
    purpose = [line.purpose[at : at + 27] for at in range(0, len(line.purpose), 27)]
    name = [line.name[at : at + 27] for at in range(0, min(len(line.name), 54), 27)]
    parts = [f"?{20 + at}{part}" for at, part in enumerate(purpose[:10])] + [f"?{32 + at}{part}" for at, part in enumerate(name)]
    return "105?00BUCHUNG" + "".join(parts)


def statement(number: int, lines: list[Line], opening: Decimal) -> tuple[str, Decimal]:
    closing = opening + sum((line.amount for line in lines), D())
    text = [f":20:{number}", f":25:100/{number}", f":60F:{mark(opening, reversal=False)}240101EUR{mt_amount(opening)}"]
    for at, line in enumerate(lines):
        entry = line.day + timedelta(line.lag)
        head = f":61:{line.day:%y%m%d}{entry:%m%d}{mark(line.amount, reversal=line.is_reversal)}{mt_amount(line.amount)}"
        text += [f"{head}NTRFNONREF//REF{number:03}{at:06}", f":86:{wrapped(subfields(line))}"]
    return "\n".join([*text, f":62F:{mark(closing, reversal=False)}240201EUR{mt_amount(closing)}", "-", ""]), closing


@given(
    statements=st.lists(st.lists(LINES, max_size=5), min_size=1, max_size=4),
    opening=st.decimals(min_value=-(10**9), max_value=10**9, places=2),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_statement_reads_back(statements: list[list[Line]], opening: Decimal, newline: str, encoding: str) -> None:
    text = "".join(statement(number, lines, opening)[0] for number, lines in enumerate(statements))
    with tempfile.TemporaryDirectory() as folder:
        found = read_bytes(read_mt940, text.replace("\n", newline).encode(encoding), Path(folder))
    got = [(row["transaction_date"], row["amount"], row["account"], row["source_id"], row["merchant"] or "") for row in found.rows]
    expected = [
        (line.day + timedelta(line.lag), line.amount, f"100/{number}", f"REF{number:03}{at:06}", " ".join(line.name[:54].split()))
        for number, lines in enumerate(statements)
        for at, line in enumerate(lines)
    ]
    assert [item[:4] for item in got] == [item[:4] for item in expected]
    assert ["".join(item[4].split()) for item in got] == ["".join(item[4].split()) for item in expected]
    purposes = [line.purpose[:270] or "BUCHUNG" for lines in statements for line in lines]
    assert ["".join(row["description"].split()) for row in found.rows] == ["".join(purpose.split()) for purpose in purposes]
    assert found.errors == []
    assert {item["difference"] for item in found.detected["balances"]} == {"0.00"}
    assert found.detected["notes"] == (["a statement without any transaction"] if not expected else [])


SEED = (
    "{1:F01A}{4:\n:20:1\n:25:100/1\n:28C:1/1\n:60F:C231231EUR100,00\n:61:2401020102D12,50NDDTNONREF//0255000012\nextra\n"
    ":86:105?00FOLGE?20EREF+R-7?21SVWZ+Ré\n?32Werk\n:61:240103C5,NTRFX\n:86:/EREF/1/REMI/USTD//x/\n:62F:C240102EUR92,50\n-}\n"
).encode("cp1252")


@given(cuts=damage(len(SEED)))
@settings(max_examples=300, deadline=None)
def test_damaged_files_are_read_or_refused(cuts: Damage) -> None:
    survives(read_mt940, SEED, cuts)


def test_a_file_cut_anywhere_gives_only_true_rows() -> None:
    for end in range(len(SEED)):
        found = survives(read_mt940, SEED[:end])
        if isinstance(found, Read):
            assert [row["amount"] for row in found.rows] in ([], [D("-12.5")], [D("-12.5"), D(5)])
            assert {row["source_id"] for row in found.rows} <= {None, "0255000012"}
