"""The workbook reader: the same table from every kind of workbook, sheets, passwords, and what is no workbook."""

from __future__ import annotations

import json
import logging
import subprocess
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msoffcrypto
import pytest
from msoffcrypto.format.ooxml import OOXMLFile

from services.ingestion.readers import workbook, workbook_process
from services.ingestion.readers.statement import RowError
from services.ingestion.readers.workbook import may_be_encrypted
from tests.ingestion.workbook_files import (
    MAKERS,
    Rows,
    ods,
    ods_parts,
    spreadsheet_xml,
    spun,
    with_password,
    xls,
    xlsx,
    xlsx_parts,
    xlsx_sheet,
    zipped,
)
from tests.ingestion.workbook_samples import EXPECTED, HEADER, KINDS, MOMENT, PROTECTED, SECRET, TABLE, apart, brief, read, refused

D = Decimal


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_table_from_every_kind(kind: str, tmp_path: Path) -> None:
    found = read(MAKERS[kind](TABLE), tmp_path)
    assert brief(found) == EXPECTED
    assert found.errors == []
    assert found.statement.account == "DE02120300000000202051"
    assert found.statement.file_format == ("xls" if kind == "xml" else kind)
    assert found.detected["sheet"] == "S1"
    assert found.detected["encrypted"] is False
    assert found.detected["header"] == HEADER
    assert found.detected["notes"] == []
    assert json.loads(found.rows[0]["raw_data"]) == {"Date": "2024-01-05", "Text": "Shop", "Amount": "-12.5", "Balance": "100"}


def test_text_is_left_as_it_is_and_numbers_are_never_ambiguous(tmp_path: Path) -> None:
    """A typed 1.234 is one and a bit; the text "1.234,00" of the same file is over a thousand."""
    typed = read(xlsx([HEADER, [date(2024, 1, 5), "a", 1.234, 2], [date(2024, 1, 6), "b", -2.125, 3]]), tmp_path)
    assert [row["amount"] for row in typed.rows] == [D("1.234"), D("-2.125")]
    text = read(xlsx([HEADER, ["05.01.2024", "a", "1.234,00", "x"], ["16.01.2024", "b", "-1,50", "y"]]), tmp_path)
    assert [(row["transaction_date"], row["amount"]) for row in text.rows] == [(date(2024, 1, 5), D(1234)), (date(2024, 1, 16), D("-1.5"))]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (5.0, "5"), (-12.5, "-12.5"), (0.30000000000000004, "0.3"), (1234.567, "1234.5670"),
        (1.23456789, "1.2346"), (12345678901234567.0, "12345678901234568"), (1e-7, "0"), (-0.00001, "0"),
        (1e29, "1" + "0" * 29), (1e30, ""), (float("inf"), ""), (float("nan"), ""),
        (100.0, "100"), (D("1E+3"), "1000"), (D("0.1250"), "0.1250"), (0.00005, "0"), (0.00015, "0.0002"),
    ],
)  # fmt: skip
def test_number_text(number: float | Decimal, text: str) -> None:
    assert workbook_process.number_text(number) == text


@pytest.mark.parametrize("kind", ["xlsx", "ods", "xls"])
def test_the_program_prints_every_cell_as_text(kind: str) -> None:
    cells: Rows = [["a", None, True, False], [], [None, 1.5, 7, date(2024, 2, 29)], [MOMENT, time(7, 30)]]
    assert apart(MAKERS[kind](cells)) == [
        {"format": kind, "encrypted": False},
        {"sheet": "S1", "visible": True},
        [1, ["a", "", "TRUE", "FALSE"]],
        [3, ["", "1.5", "7", "2024-02-29"]],
        [4, ["2024-01-06 12:30:05", "07:30:00"]],
        {"end": True},
    ]


def test_durations_and_moments() -> None:
    assert workbook_process._duration_text(timedelta(hours=30, minutes=5, seconds=1)) == "30:05:01"
    assert workbook_process._moment_text(MOMENT.replace(hour=0, minute=0, second=0)) == "2024-01-06"


def test_rows_that_start_further_down_keep_their_numbers(tmp_path: Path) -> None:
    found = read(xlsx([HEADER, [date(2024, 1, 5), "a", 1.5, 2]], first_row=5), tmp_path)
    assert (found.row["line"], found.detected["header_line"]) == (6, 5)


def test_the_first_sheet_with_a_table_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    notes: Rows = [["Thank you for banking with us"], ["Terms", "see page 2"]]
    for make in (xlsx, ods, xls, spreadsheet_xml):
        found = read(make(notes, [], TABLE, TABLE), tmp_path)
        assert brief(found) == EXPECTED
        assert found.detected["sheet"] == "S3"
        assert found.detected["notes"] == [
            "only the sheet 'S3' was read; not read: 'S1', 'S4'; save a sheet as a file of its own to import it"
        ]


def test_visible_sheets_come_first(tmp_path: Path) -> None:
    other: Rows = [HEADER, [date(2024, 1, 5), "hidden", 1.5, 2]]
    assert read(xlsx(other, TABLE, hidden=["S1"]), tmp_path).detected["sheet"] == "S2"
    found = read(xlsx(other, hidden=["S1"]), tmp_path)
    assert found.row["description"] == "hidden"
    assert "is hidden" in found.detected["notes"][-1]


def test_a_sheet_with_an_open_question_is_not_passed_over(tmp_path: Path) -> None:
    open_question: Rows = [HEADER, ["01/02/2024", "a", "1.50", "2"], ["03/04/2024", "b", "2.50", "2"]]
    wrong = refused(xlsx(open_question, TABLE), tmp_path)
    assert set(wrong.needs) == {"date_format"}
    assert wrong.errors[0].line == 2
    found = read(xlsx(open_question, TABLE), tmp_path, date_format="%d/%m/%Y")
    assert [row["transaction_date"] for row in found.rows] == [date(2024, 2, 1), date(2024, 4, 3)]
    unclear: Rows = [["Date", "First", "Second"], [date(2024, 1, 5), 1.5, 7.25], [date(2024, 1, 6), 2.5, 8.25]]
    assert "columns" in refused(xlsx(unclear, TABLE), tmp_path).needs


def test_columns_that_the_caller_names_choose_the_sheet(tmp_path: Path) -> None:
    mine: Rows = [["When", "What", "How much"], [date(2024, 1, 5), "a", 1.5]]
    found = read(xlsx(TABLE, mine), tmp_path, columns={"date": "When", "amount": "How much"})
    assert found.detected["sheet"] == "S2"
    assert "S1" in refused(xlsx(TABLE, TABLE), tmp_path, columns={"date": "When", "amount": "How much"}).message


def test_remarks_right_of_the_table_are_no_errors(tmp_path: Path) -> None:
    rows: list[list[Any]] = [[*HEADER]] + [[date(2024, 1, day), "a", 1.5, 2.0] for day in range(1, 9)]
    rows[4] = [*rows[4], None, "paid back by Ann"]
    found = read(xlsx(rows), tmp_path)
    assert (len(found.rows), found.errors) == (8, [])


def test_bad_rows_are_named_by_their_row(tmp_path: Path) -> None:
    good: list[list[Any]] = [[date(2024, 1, day), "a", -1.5, 2] for day in range(1, 9)]
    found = read(xlsx([HEADER, ["soon", "b", 2.5, 2], [date(2024, 1, 7), "c", "much", 2], *good]), tmp_path)
    assert [(error.line, error.field) for error in found.errors] == [(2, "date"), (3, "amount")]


def test_thousands_of_rows(tmp_path: Path) -> None:
    many: list[list[Any]] = [[date(2024, 1, 1 + number % 28), "a", number / -100, 1.0] for number in range(1, 9001)]
    found = read(xlsx([HEADER, *many]), tmp_path)
    assert (len(found.rows), found.sums["XXX"]) == (9000, D("-405045"))
    assert [row["line"] for row in found.rows] == list(range(2, 9002))


# Passwords.


@pytest.mark.requirement("ING-16")
@pytest.mark.parametrize("kind", PROTECTED)
def test_password_protected_xlsx_and_xls(kind: str, tmp_path: Path) -> None:
    found = read(PROTECTED[kind], tmp_path, SECRET)
    assert brief(found) == EXPECTED
    assert found.statement.file_format == kind
    assert found.detected["encrypted"] is True
    assert may_be_encrypted(PROTECTED[kind][:8])


def test_which_files_may_have_a_password() -> None:
    """By their first bytes: an OpenDocument file and an old workbook do not say there that they have none."""
    answers = {kind: may_be_encrypted(MAKERS[kind](TABLE)[:100]) for kind in ("xlsx", "xls", "ods")}
    assert answers == {"xlsx": False, "xls": True, "ods": True}
    assert may_be_encrypted(b"PK\x03\x04" + b"\x14\x00\x01\x00".ljust(26, b"\x00") + b"xl/workbook.xml"), "each part has a password"
    assert not may_be_encrypted(b"PK\x03\x04" + b"\x14\x00\x00\x00".ljust(26, b"\x00") + b"xl/workbook.xml")
    assert not may_be_encrypted(b"Date,Amount\n")
    assert may_be_encrypted(b"PK\x03\x04")


@pytest.mark.requirement("ING-16")
@pytest.mark.parametrize("kind", PROTECTED)
@pytest.mark.parametrize(("password", "says"), [(None, "its password is needed"), ("", "its password is needed"), ("wrong", "is wrong")])
def test_a_missing_or_wrong_password_is_said(kind: str, password: str | None, says: str, tmp_path: Path) -> None:
    wrong = refused(PROTECTED[kind], tmp_path, password)
    assert says in wrong.message
    assert wrong.errors == [RowError(0, "password", wrong.message)]
    assert "password" in wrong.needs


def test_a_password_for_an_open_workbook_does_no_harm(tmp_path: Path) -> None:
    for make in (xlsx, xls):
        assert brief(read(make(TABLE), tmp_path, SECRET)) == EXPECTED


def test_files_marked_as_read_only_need_no_password(tmp_path: Path) -> None:
    assert brief(read(with_password(xlsx(TABLE), "VelvetSweatshop"), tmp_path)) == EXPECTED


@pytest.mark.requirement("ING-16")
@pytest.mark.parametrize("kind", PROTECTED)
def test_no_password_and_no_decrypted_byte_leaves_memory(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in logs nor on the command line nor in the environment; and the process cannot write a file at all."""
    caplog.set_level(logging.DEBUG)
    started: list[Any] = []
    real = subprocess.run

    def recorded(command: list[str], **how: Any) -> Any:
        started.append((command, how["env"]))
        return real(command, **how)

    monkeypatch.setattr(subprocess, "run", recorded)
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    read(PROTECTED[kind], tmp_path, SECRET)
    refused(PROTECTED[kind], tmp_path, SECRET + "x")
    assert SECRET not in caplog.text + repr(started)
    assert list(elsewhere.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["statement.bin", "tmp"]


def test_the_process_cannot_write_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "leak"
    program = tmp_path / "program.py"
    source = Path(workbook_process.__file__).read_text()
    program.write_text(source.replace("    limit()\n    secret", f"    limit()\n    Path({str(target)!r}).write_bytes(b'x')\n    secret"))
    monkeypatch.setattr(workbook, "_PROGRAM", program)
    assert "damaged" in refused(xlsx(TABLE), tmp_path).message
    assert target.read_bytes() == b""


def test_endless_key_stretching_is_refused(tmp_path: Path) -> None:
    assert "rounds" in refused(spun(PROTECTED["xlsx"], 10_000_000), tmp_path, SECRET).message


def test_protected_workbooks_have_a_cap_of_their_own() -> None:
    assert "at most 16 MB" in apart(PROTECTED["xlsx"] + bytes(17 * 1024 * 1024), SECRET)[-1]["error"]["reason"]


def test_protected_opendocument_is_not_supported_and_says_so(tmp_path: Path) -> None:
    parts = ods_parts("")
    parts["META-INF/manifest.xml"] = "<manifest:manifest><manifest:encryption-data/></manifest:manifest>"
    wrong = refused(zipped(parts), tmp_path, SECRET)
    assert wrong.errors[0].field == "password"
    assert "OpenDocument" in wrong.message


@pytest.mark.parametrize("kind", PROTECTED)
def test_the_program_decrypts_and_says_why_not(kind: str) -> None:
    lines = apart(PROTECTED[kind], SECRET)
    assert lines[0] == {"format": kind, "encrypted": True}
    assert [4, ["2024-01-05", "Shop", "-12.5", "100"]] in lines
    for password, says in ((None, "needed"), ("wrong", "wrong")):
        (last,) = apart(PROTECTED[kind], password)
        assert last["error"]["field"] == "password"
        assert says in last["error"]["reason"]


def test_encryption_of_other_kinds_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise msoffcrypto.exceptions.DecryptionError("Unsupported encryption method")

    monkeypatch.setattr(OOXMLFile, "load_key", unknown)
    assert "not supported" in apart(PROTECTED["xlsx"], SECRET)[-1]["error"]["reason"]


@pytest.mark.parametrize("kind", PROTECTED)
def test_truncated_protected_files_are_refused(kind: str) -> None:
    data = PROTECTED[kind]
    for length in range(8, len(data), len(data) // 40):
        last = apart(data[:length], SECRET)[-1]
        assert "error" in last or last == {"end": True}


# SpreadsheetML.


def spreadsheet(*rows: str, head: str = "") -> bytes:
    name = "urn:schemas-microsoft-com:office:spreadsheet"
    table = f"<Worksheet><Table>{''.join(rows)}</Table></Worksheet>"
    return f'<?xml version="1.0"?>{head}<Workbook xmlns="{name}" xmlns:ss="{name}">{table}</Workbook>'.encode()


def xml_row(*cells: str, more: str = "") -> str:
    return f"<Row{more}>{''.join(cells)}</Row>"


def xml_cell(text: str, kind: str = "String", more: str = "") -> str:
    return f'<Cell{more}><Data ss:Type="{kind}">{text}</Data></Cell>'


def test_spreadsheet_xml_with_places_merges_markup_and_odd_values(tmp_path: Path) -> None:
    head = xml_row(xml_cell("Date"), xml_cell("Text", more=' ss:MergeAcross="1"'), xml_cell("Amount"))
    content = spreadsheet(
        head,
        xml_row(
            xml_cell("2024-01-05T00:00:00.000", "DateTime"), xml_cell("<B>So</B> <I>bold</I>"), xml_cell("1.2345E1", "Number", ' Index="4"')
        ),
        "<Comment/>",
        xml_row(
            xml_cell("2024-01-06T10:11:12.000", "DateTime"),
            "<Other/>",
            "<Cell><NamedCell/></Cell>",
            "<Cell/>",
            xml_cell("x", "Number"),
            more=' ss:Index="9"',
        ),
        *[xml_row(xml_cell("2024-01-07", "DateTime"), xml_cell("y"), "<Cell/>", xml_cell("-2", "Number"))] * 3,
        xml_row(xml_cell("late", more=' ss:Index="2001"')),
        xml_row(xml_cell("1", "Boolean")),
    )
    found = read(content, tmp_path)
    assert brief(found)[0] == (2, "2024-01-05", D("12.345"), "So bold")
    assert [(row["line"], row["amount"]) for row in found.rows[1:]] == [(10, -2), (11, -2), (12, -2)]
    assert [(error.line, error.field) for error in found.errors] == [(9, "amount")]
    assert found.detected["format_version"] == "SpreadsheetML 2003"
    assert found.detected["sheet"] == "sheet 1"


def test_hostile_spreadsheet_xml_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laughs = '<!DOCTYPE a [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]>'
    assert "DOCTYPE" in refused(spreadsheet(xml_row(xml_cell("&b;")), head=laughs), tmp_path).message
    assert "ends too early" in refused(spreadsheet_xml(TABLE)[:-20], tmp_path).message
    assert "no workbook" in refused(b"<a xmlns:s='urn:schemas-microsoft-com:office:spreadsheet'/>", tmp_path).message
    monkeypatch.setattr("services.ingestion.readers.spreadsheet_xml.MAX_SHEETS", 1)
    assert "more than 1 sheets" in refused(spreadsheet_xml(TABLE, TABLE), tmp_path).message


def test_thousands_of_sheets_are_refused_before_any_is_read(tmp_path: Path) -> None:
    """Each may be the same part: 2 KB took all the time that the process has."""
    parts = xlsx_parts({"S1": xlsx_sheet(TABLE)})
    entry = '<sheet name="S1" sheetId="1" r:id="rId1"/>'
    parts["xl/workbook.xml"] = str(parts["xl/workbook.xml"]).replace(entry, entry * 1001)
    assert "more than 1000 sheets" in refused(zipped(parts), tmp_path).message


def test_a_row_that_no_sheet_has_is_refused_before_any_is_counted(tmp_path: Path) -> None:
    """A number of thirty digits is cut to two billion: all blank rows before it were walked."""
    sheet = xlsx_sheet([["note"]]).replace('r="A1"', f'r="A{"9" * 30}"')
    assert "no sheet has more than 1048576" in refused(zipped(xlsx_parts({"S1": sheet})), tmp_path).message


def test_the_nul_character_leaves_a_cell(tmp_path: Path) -> None:
    """XML may not hold it, calamine reads it, PostgreSQL cannot keep it."""
    sheet = xlsx_sheet([HEADER, [date(2024, 1, 5), "a\x00b", 1.5, 2]])
    found = read(zipped(xlsx_parts({"S1": sheet})), tmp_path)
    assert found.rows[0]["description"] == "ab"
    assert "\\u0000" not in found.rows[0]["raw_data"]
