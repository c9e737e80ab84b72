"""Which reader a file gets, told by its first bytes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from services.ingestion.app import READERS
from services.ingestion.formats import HEAD_BYTES, SUPPORTED, choose_format, mistaken_for
from services.kit.errors import InvalidArgument

CAMT = b'<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02">'


@pytest.mark.parametrize(
    "head",
    [
        b"Date,Amount\n",
        b"\xef\xbb\xbfDatum;Betrag\r\n",
        "Datum;Betrag\r\n".encode("utf-16"),
        b"\n\n20240101\tx",
        b'"Date","Amount"',
        b":Date;Amount",
        b"<b>;x",
        b"[account]\n1;2",
        b"{x;y",
        b"PKO BP;1",
        b"GIF;1",
        b"Date;Note\n2024-01-01;see :20: below !Type:Bank\n",
    ],
)
@pytest.mark.parametrize("declared", [None, "csv", "txt"])
def test_text_is_taken_for_csv(head: bytes, declared: str | None) -> None:
    assert choose_format(head, declared) == "csv"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"PK\x03\x04rest", "workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "workbook"),
        (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook>', "workbook"),
        (b"OFXHEADER:100", "ofx"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><?OFX OFXHEADER="200"?><OFX>', "ofx"),
        (b"<OFX>", "ofx"),
        (b"<START>x\nstray\n<OFX><SIGNONMSGSRSV1>", "ofx"),
        (b"!Type:Bank\n", "qif"),
        (b"\r\n  !Account\r\nNSavings\r\n", "qif"),
        (b":20:STARTUMSE\n", "mt940"),
        (b"{1:F01BANKDEFFAXXX", "mt940"),
        (b"ABNANL2A\r\n940\r\nABNANL2A\r\n:20:ABN AMRO BANK NV\r\n", "mt940"),
        (CAMT, "camt"),
        (CAMT.decode().encode("utf-16"), "camt"),
    ],
)
def test_content_decides(head: bytes, name: str) -> None:
    assert choose_format(head, None) == name
    assert choose_format(head, name) == name


@pytest.mark.parametrize(("declared", "name"), [("qfx", "ofx"), ("mt942", "mt940"), ("camt053", "camt"), ("xlsx", "csv")])
def test_what_the_caller_says_settles_what_content_leaves_open(declared: str, name: str) -> None:
    assert choose_format(b"nothing in particular\n", declared) == name


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"<!doctype html><html>", "web page"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN">', "web page"),
        (b"<!-- made by a bank -->\n<div class=x><table>", "web page"),
        (b"<font face=Arial>Statement</font>\n<table><tr>", "web page"),
        (b"MIME-Version: 1.0\nContent-Type: multipart/related\n\n<html xmlns:x=3D'urn'>", "web page"),
        (b"\n <TABLE border=1><tr><td>Date</td>", "save it as XLSX or CSV"),
        (b"!TRNS\tTRNSID\tTRNSTYPE\tDATE\tACCNT\tNAME\tCLASS\tAMOUNT\n", "IIF"),
        (b'<?xml version="1.0"?>\n<gnc-v2\n xmlns:gnc="http://www.gnucash.org/XML/gnc">', "GnuCash"),
        (b'{"transactions": []}', "JSON"),
        (b'[\n  {"a": 1}]', "JSON"),
    ],
)
@pytest.mark.parametrize("declared", [None, "csv"])
def test_what_is_no_statement_is_named(head: bytes, name: str, declared: str | None) -> None:
    with pytest.raises(InvalidArgument, match=name) as caught:
        choose_format(head, declared)
    assert caught.value.reason == "UNSUPPORTED_FORMAT"
    assert "CSV" in caught.value.message
    assert caught.value.fields[0].line == 1


def test_a_format_that_is_asked_for_but_not_there() -> None:
    with pytest.raises(InvalidArgument, match="supported: csv") as caught:
        choose_format(b"Date,Amount", "pdf")
    assert [field.field for field in caught.value.fields] == ["file_format"]


@pytest.mark.parametrize(
    ("declared", "found", "note"),
    [
        (None, "csv", None),
        ("csv", "csv", None),
        ("tsv", "csv", None),
        ("xls", "xlsx", None),
        ("workbook", "ods", None),
        ("camt053", "camt052", None),
        ("mt940", "mt942", None),
        ("qfx", "ofx", None),
        ("xlsx", "csv", "sent as xlsx, but its content is csv: read as that"),
        ("csv", "xlsx", "sent as csv, but its content is xlsx: read as that"),
        ("mt940", "xls", "sent as mt940, but its content is xls: read as that"),
    ],
)
def test_a_file_of_another_format_than_was_said_is_noted(declared: str | None, found: str, note: str | None) -> None:
    assert mistaken_for(declared, found) == note


def test_every_shared_file_gets_its_reader(shared_data: Path) -> None:
    folder = shared_data / "statements"
    readers = {
        "csv": "csv",
        "ofx1": "ofx",
        "ofx2": "ofx",
        "qfx": "ofx",
        "qif": "qif",
        "mt940": "mt940",
        "mt942": "mt940",
        "xls": "workbook",
    }
    wrong = []
    with (folder / "MANIFEST.csv").open(newline="") as file:
        for entry in csv.DictReader(file):
            wanted = readers.get(entry["format"], "camt" if entry["format"].startswith("camt") else None)
            if wanted is None or entry["kind"] in ("broken", "not_a_statement"):
                continue
            with (folder / entry["path"]).open("rb") as statement:
                found = choose_format(statement.read(HEAD_BYTES), None)
            if found != wanted:
                wrong.append((entry["path"], wanted, found))
    assert wrong == []


def test_every_format_that_is_promised_has_a_reader_and_no_other() -> None:
    assert set(READERS) == set(SUPPORTED)
