"""What is told apart from a CSV file by its first bytes."""

from __future__ import annotations

import pytest

from services.ingestion.formats import choose_format
from services.kit.errors import InvalidArgument


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
    ],
)
@pytest.mark.parametrize("declared", [None, "csv"])
def test_text_is_taken_for_csv(head: bytes, declared: str | None) -> None:
    assert choose_format(head, declared) == "csv"


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "Excel"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"OFXHEADER:100", "OFX"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><OFX>', "XML"),
        (b"<OFX>", "OFX"),
        (b"!Type:Bank\n", "QIF"),
        (b":20:STARTUMSE\n", "MT940"),
        (b"{1:F01BANKDEFFAXXX", "MT940"),
        ('<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02">'.encode("utf-16"), "CAMT"),
        (b"<!doctype html><html>", "web page"),
        (b'{"transactions": []}', "JSON"),
        (b'[\n  {"a": 1}]', "JSON"),
    ],
)
@pytest.mark.parametrize("declared", [None, "csv"])
def test_other_formats_are_named(head: bytes, name: str, declared: str | None) -> None:
    with pytest.raises(InvalidArgument, match=name) as caught:
        choose_format(head, declared)
    assert caught.value.reason == "UNSUPPORTED_FORMAT"
    assert "CSV" in caught.value.message


def test_a_format_that_is_asked_for_but_not_there() -> None:
    with pytest.raises(InvalidArgument, match="supported: csv") as caught:
        choose_format(b"Date,Amount", "qif")
    assert [field.field for field in caught.value.fields] == ["file_format"]
