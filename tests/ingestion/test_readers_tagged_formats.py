"""Telling OFX, QIF and MT940 by their beginning, never by their name."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from services.ingestion.readers.tagged_formats import tagged_format

NAMES = {"ofx1": "ofx", "ofx2": "ofx", "qfx": "ofx", "qif": "qif", "mt940": "mt940", "mt942": "mt940"}


def test_shared_files_are_told_by_content(shared_data: Path) -> None:
    folder = shared_data / "statements"
    for row in csv.DictReader((folder / "MANIFEST.csv").open(encoding="utf-8", newline="")):
        head = (folder / row["path"]).read_bytes()[:4096].decode("latin-1")
        assert tagged_format(head) == NAMES.get(row["format"]), row["path"]


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("<ofx:OFX xmlns:ofx='x'>", "ofx"), ('<?xml version="1.0"?><?OFX OFXHEADER="200"?>', "ofx"), ("OFXHEADER:100\rDATA:OFXSGML", "ofx"),
        ("\n!type:bank\n", "qif"), ("!Option:AutoSwitch\n", "qif"), ("D26 Jan 2026\nT-25.24\nPSHOP\n^\n", "qif"),
        ("{1:F01AAAABB99AXXX}{2:I940X}{4:\n:20:X", "mt940"), ("ABNANL2A\r\n940\r\nABNANL2A\r\n:20:ABN\r\n", "mt940"),
        (":61:2401020102D1,N", "mt940"),
        ("Date,Amount\n2024-01-01,5\n", None), ("<Document xmlns='camt.053'>", None), ("", None),
        ("Dear Sir\nThe\nend\n", None), ("at 12:20:15 :20: x", None),
    ],
)  # fmt: skip
def test_beginnings(head: str, name: str | None) -> None:
    assert tagged_format(head) == name
