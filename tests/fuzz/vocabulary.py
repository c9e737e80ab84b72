"""What the fuzzers put into statements: oddities that any text may hold, the words of each format, and what a caller may say of a file."""

from __future__ import annotations

from typing import Any

ANYWHERE = [
    b"", b" ", b"\t", b"\n", b"\r", b"\r\r\n", b"\x00", b"\x1a", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xe2\x80\xa8", b"\xc2\xa0", b"\xed\xa0\x80",
    b"\xe2\x80\xae", b"\xef\xbc\x91", b"\xd9\xa3", b"\xc2\xb2", b"\xf0\x9d\x9f\x98", b"\xcc\x81", b"\xe2\x88\x92", b"\xc3\x9f", b'"', b"'", b"\\",
    b",", b";", b"|", b"-", b"+", b"(", b")", b"%", b"e", b"E", b"0", b"-0", b"0.00001", b"1e5", b"1e999", b"NaN", b"Infinity", b"1_000", b"0x1F",
    b"9" * 30, b"922337203685477.5808", b"-922337203685477.5807", b"1,2,3", b"1.234.567,89", b"1'000", b"00010101", b"99991231", b"2023-02-29",
    b"29/02/2023", b"31.12.9999", b"00/00/00", b"2024-13-01", b"24:00:00", b"1/2/3", b"EUR", b"XXX", b"USD", b"\xe2\x82\xac", b"balance", b"total",
    b"&#0;", b"&#xD800;", b"&#x110000;", b"&amp;", b"<", b">", b"<!--", b"]]>", b"<![CDATA[",
]  # fmt: skip
WORDS: dict[str, list[bytes]] = {
    "csv": b"Date|Datum|Amount|Betrag|Debit|Credit|Balance|Description|Currency|D/C|Type|sep=;|DR|CR|pending|,,,|;;;|\"\"|\",\"|Saldo|Total".split(b"|"),
    "ofx": b"<OFX>|</OFX>|<STMTTRN>|</STMTTRN>|<TRNAMT>|<DTPOSTED>|<FITID>|<NAME>|<MEMO>|<CURDEF>|<CURSYM>|<LEDGERBAL>|<BALAMT>|<INVSTMTRS>|"
    b"<STMTRS>|</STMTRS>|<BANKTRANLIST>|<ACCTID>|OFXHEADER:100|ENCODING:UTF-8|CHARSET:1251|<!ENTITY a \"b\">|<?OFX|[-5:EST]|[+99:X]|<a.b>".split(b"|"),
    "qif": b"!Type:Bank\n|!Type:Invst\n|!Account\n|!Option:MDY\n|!Clear:AutoSwitch\n|^\n|\n^\n|D1/31'24\n|T|U|P|M|L[|S|$|E|%|N|C*|D|/|!".split(b"|"),
    "mt940": b":61:|:86:|:20:|:25:|:28C:|:60F:|:60M:|:62F:|:62M:|:64:|:34F:|:90C:|:13D:|:NS:|-\n|-}|{4:|{1:|?20|?32|?00|>20|~20|EREF+|SVWZ+|//|"
    b"NTRF|RC|RD|ED|C|D|NONREF|/REMI/|/NAME/|Naam:".split(b"|"),
    "camt": b"<Ntry>|</Ntry>|<Amt Ccy=\"EUR\">|</Amt>|<TxDtls>|</TxDtls>|<NtryDtls>|<CdtDbtInd>DBIT</CdtDbtInd>|<Sts>INFO</Sts>|<Bal>|</Bal>|<Stmt>|"
    b"</Stmt>|<RvslInd>true</RvslInd>|<Btch/>|<NbOfTxs>9</NbOfTxs>|<!DOCTYPE x>|xmlns=\"x\"|<?xml version=\"1.1\"?>|encoding=\"utf-7\"|encoding=\"x\"|&x;".split(b"|"),
    "workbook": b"<row r=\"1048577\">|r=\"XFD1\"|r=\"ZZZZZZ1\"|<v>1e400</v>|t=\"s\"|t=\"e\"|t=\"d\"|s=\"99999\"|ss:Index=\"2147483647\"|ss:MergeAcross=\"9999\"|"
    b"table:number-columns-repeated=\"16384\"|table:number-rows-repeated=\"1048576\"|office:value-type=\"date\"|PT99999999H|<Row>|<Cell>|<Data>|"
    b"<!DOCTYPE x>|date1904=\"1\"|\xff\xff\xff\xff|\x00\x00\x00\x00|\xfe\xff\xff\xff|\xff\xff\xff\x7f|\x09\x08|PK\x03\x04".split(b"|"),
}  # fmt: skip
OPTIONS: list[dict[str, Any]] = [
    {}, {"currency": "JPY"}, {"currency": "euro"}, {"date_format": "%d/%m/%Y"}, {"date_format": "mdy"}, {"date_format": "YYYYMMDD"},
    {"date_format": "%Q%"}, {"date_format": "((("}, {"columns": {"amount": "3"}}, {"columns": {"date": "1", "description": "2", "debit": "3", "credit": "4"}},
    {"columns": {"amount": "Amount", "date": "Date"}}, {"columns": {"amount": "0"}}, {"columns": {"amount": "99999999999999999999"}},
    {"columns": {"amount": "-1", "x": "y"}}, {"columns": {"date": "1", "amount": "1"}}, {"columns": {"amount": "²", "balance": "٣"}}, {"columns": {"account": "2", "source_id": "3", "direction": "4"}},
]  # fmt: skip
