"""The workbook reader on files that are no workbooks, broken, hostile or random, and on the shared ones."""

from __future__ import annotations

import io
import tempfile
import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.ingestion.readers import workbook, workbook_process
from services.ingestion.readers.statement import UnreadableStatement
from services.ingestion.readers.workbook import read_workbook
from tests.ingestion.reading import manifest, read_path
from tests.ingestion.workbook_files import (
    MAKERS,
    ods,
    ods_parts,
    reference,
    spreadsheet_xml,
    spun,
    xls,
    xlsx,
    xlsx_parts,
    xlsx_sheet,
    zipped,
)
from tests.ingestion.workbook_samples import EXPECTED, KINDS, PROTECTED, SECRET, TABLE, apart, brief, read, refused

D = Decimal


# What is no workbook, and what is hostile.


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"Date,Amount\n", "no workbook"),
        (b"<html><table><tr><td>1</td></tr></table></html>", "web page"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html>", "web page"),
        (b"PK\x03\x04 and nothing more", "damaged"),
        (zipped({"statement.csv": "Date,Amount"}), "unpack it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "damaged"),
        (xlsx([]), "the workbook is empty"),
        (xlsx([["only"], ["words"]]), "sheet 'S1': line 1: this is not a statement"),
        (ods([]), "the workbook is empty"),
    ],
)
def test_what_is_no_workbook_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    assert says in refused(content, tmp_path).message


def test_an_office_file_that_is_no_workbook() -> None:
    word = xls([["x"]]).replace("Workbook".encode("utf-16-le"), "WordDocu".encode("utf-16-le"))
    assert "no workbook" in apart(word)[-1]["error"]["reason"]
    old = bytearray(xls([["x"]]))
    at = old.index("Workbook".encode("utf-16-le"))
    old[at : at + 20] = "Book".encode("utf-16-le").ljust(20, b"\0")
    old[at + 64] = 10  # the length of the name: the stream of Excel 5 and 95
    assert apart(bytes(old))[1:] == [{"sheet": "S1", "visible": True}, [1, ["x"]], {"end": True}]


def sheet(cells: str) -> bytes:
    return zipped(xlsx_parts({"S": xlsx_sheet([]).replace("<sheetData>", f"<sheetData>{cells}")}))


REPEATED = (
    '<table:table table:name="S"><table:table-row table:number-rows-repeated="1000000"><table:table-cell office:value-type="string" '
    'table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell></table:table-row></table:table>'
)


@pytest.mark.parametrize(
    "content",
    [
        sheet('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        sheet('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="Z1048576"><v>1</v></c></row>'),
        zipped(ods_parts(REPEATED)),
        zipped({**xlsx_parts({"S": xlsx_sheet(TABLE)}), "xl/big.bin": bytes(60 * 1024 * 1024)}),
        zipped({**xlsx_parts({"S": xlsx_sheet(TABLE)}), **{f"xl/{number}": "" for number in range(2001)}}),
        sheet("<!DOCTYPE a [<!ENTITY b 'c'>]><row><c t=\"inlineStr\"><is><t>&b;</t></is></c></row>"),
    ],
)
def test_bombs_are_refused_and_the_process_lives(content: bytes, tmp_path: Path) -> None:
    refused(content, tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PK\x03\x04 and nothing more", "damaged"),
        (zipped({"statement.csv": "Date,Amount"}), "unpack it"),
        (zipped({**xlsx_parts({}), "xl/big.bin": bytes(3 * 1024 * 1024)}), "400 to one"),
        (zipped({f"xl/{number}": "" for number in range(2001)}), "2000 parts"),
        (zipped({**ods_parts(""), "META-INF/manifest.xml": "<encryption-data/>"}), "OpenDocument"),
        (zipped({"xl/workbook.bin": ""}), "damaged"),
        (spun(PROTECTED["xlsx"], 10_000_000), "rounds"),
    ],
)
def test_the_programs_own_refusals(content: bytes, says: str) -> None:
    assert says in apart(content, SECRET)[-1]["error"]["reason"]


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_process, "MAX_UNPACKED", 1000)
    assert "more than 0" in apart(xlsx(TABLE))[-1]["error"]["reason"]


def test_too_much_text_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(workbook_process, "MAX_OUTPUT", 200)
    assert "MB of text" in apart(xlsx(TABLE))[-1]["error"]["reason"]
    assert "MB of text" in refused(spreadsheet_xml(TABLE), tmp_path).message
    monkeypatch.setattr(workbook, "MAX_UNPACKED", 200)
    assert "export it as CSV" in refused(xlsx(TABLE), tmp_path).message


def test_panics_and_lack_of_memory_are_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panic(BaseException):
        pass

    for error, says in ((Panic("index out\nof bounds"), "damaged: index out of bounds"), (MemoryError(), "memory")):

        def fail(*_: Any, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr(workbook_process, "take_apart", fail)
        assert says in apart(b"")[-1]["error"]["reason"]


def test_a_process_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "program.py"
    program.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(workbook, "_PROGRAM", program)
    monkeypatch.setattr(workbook, "MAX_WALL_SECONDS", 0.5)
    assert "too long" in refused(xlsx(TABLE), tmp_path).message
    program.write_text("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass\n")
    monkeypatch.setattr(workbook, "MAX_WALL_SECONDS", 30)
    assert "too long" in refused(xlsx(TABLE), tmp_path).message


def test_a_sheet_that_is_broken_leaves_the_others_alone(tmp_path: Path) -> None:
    parts = xlsx_parts({"Bad": "<worksheet><sheetData><row><c", "Good": xlsx_sheet(TABLE)})
    del parts["xl/worksheets/sheet1.xml"]
    found = read(zipped(parts), tmp_path)
    assert brief(found) == EXPECTED
    assert found.detected["notes"] == ["sheets that could not be read: 'Bad'"]
    assert {"failed": apart(zipped(parts))[2]["failed"]} == apart(zipped(parts))[2]
    only = xlsx_parts({"Bad": ""})
    del only["xl/worksheets/sheet1.xml"]
    assert "its sheet 'Bad' cannot be read" in refused(zipped(only), tmp_path).message


# Random workbooks, and the shared files.

LETTERS = st.characters(
    codec="utf-8", min_codepoint=33, max_codepoint=0xFFFD, exclude_categories=("Cs", "Cc", "Cn", "Zs", "Zl", "Zp", "Cf")
)
CELLS = st.one_of(
    st.none(),
    st.text(LETTERS, min_size=1, max_size=20),
    st.integers(-(10**9), 10**9),
    st.decimals(-(10**7), 10**7, places=2).map(float),
    st.dates(date(1980, 1, 1), date(2100, 1, 1)),
    st.booleans(),
)  # fmt: skip


def as_text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float | int):
        return f"{D(repr(cell)).normalize():f}"
    return cell.isoformat() if isinstance(cell, date) else cell


@given(rows=st.lists(st.lists(CELLS, max_size=6), max_size=8), kind=st.sampled_from(["xlsx", "ods", "xls"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_cell_reads_back(rows: list[list[Any]], kind: str) -> None:
    found = [line for line in apart(MAKERS[kind](rows)) if isinstance(line, list)]
    expected = []
    left = min((at for row in rows for at, cell in enumerate(row) if cell is not None), default=0)
    for number, row in reference(rows):
        texts = [as_text(cell) for cell in row][left:]
        while texts and not texts[-1]:
            texts.pop()
        expected.append([number, texts])
    assert found == expected


MONEY = st.decimals(-(10**6), 10**6, places=2)


@given(
    rows=st.lists(
        st.tuples(st.dates(date(1990, 1, 1), date(2024, 12, 31)), st.sampled_from(["Shop", "Rent", "Pay"]), MONEY), min_size=1, max_size=20
    ),
    kind=st.sampled_from(KINDS),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_statement_reads_back(rows: list[tuple[date, str, Decimal]], kind: str) -> None:
    table: list[list[Any]] = [["Date", "Text", "Amount"], *([day, text, float(size)] for day, text, size in rows)]
    content = MAKERS[kind](table)
    with tempfile.TemporaryDirectory() as folder:
        found = read(content, Path(folder), today=date(2025, 1, 1))
    sign = -1 if found.detected["sign"].startswith("a card") else 1
    assert [(row["transaction_date"], row["amount"] * sign) for row in found.rows] == [(day, size) for day, _, size in rows]


@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutations_are_read_or_refused(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([*KINDS, "protected"]))
    content = bytearray(PROTECTED["xls"] if kind == "protected" else MAKERS[kind](TABLE))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(8, len(content)))
    with tempfile.TemporaryDirectory() as folder:
        try:
            read(bytes(content[:end]) if data.draw(st.booleans()) else bytes(content), Path(folder), SECRET)
        except UnreadableStatement as refusal:
            assert refusal.errors


@pytest.mark.parametrize("member", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml"])
def test_broken_parts_are_refused(member: str, tmp_path: Path) -> None:
    parts = xlsx_parts({"S": xlsx_sheet(TABLE)})
    content = str(parts[member])
    for length in range(0, len(content), max(1, len(content) // 8)):
        try:
            read(zipped({**parts, member: content[:length]}), tmp_path)
        except UnreadableStatement as refusal:
            assert refusal.errors


def test_zip_with_a_broken_directory(tmp_path: Path) -> None:
    data = bytearray(xlsx(TABLE))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.infolist()
    at = data.rfind(b"PK\x01\x02")
    data[at + 10] = 99  # a way of packing that does not exist
    refused(bytes(data), tmp_path)


def test_shared_workbooks_against_their_manifest(shared_data: Path) -> None:
    rows = manifest(shared_data, "xls", "xlsx", "ods")
    assert rows
    for expected in rows:
        path = shared_data / "statements" / expected["path"]
        if expected["kind"] != "statement":
            with pytest.raises(UnreadableStatement) as caught:
                read_path(read_workbook, path)
            assert caught.value.errors[0].line > 0, expected["path"]
            assert "securities" in caught.value.message
            continue
        found = read_path(read_workbook, path)
        (total,) = found.sums.values()
        days = [row["transaction_date"].isoformat() for row in found.rows]
        # As printed, purchases are positive; the reader sees that it is a card's list and turns the sign round.
        wanted = D(expected["sum"].partition(":")[2])
        assert (len(found.rows), abs(total), found.errors) == (int(expected["rows"]), wanted, []), expected["path"]
        assert (min(days), max(days)) == (expected["first_date"], expected["last_date"])
        assert found.statement.file_format == expected["format"]
