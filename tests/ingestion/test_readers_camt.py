"""The CAMT reader: what each element of a message means for the ledger, in every version."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.ingestion.readers.camt import read_camt
from services.ingestion.readers.statement import UnreadableStatement
from tests.ingestion import reading
from tests.ingestion.camt_files import IBAN, Message, amount, balance, detail, details, entry, one, tag
from tests.ingestion.reading import Read

D = Decimal


def read(content: bytes | Message, folder: Path, **options: Any) -> Read:
    return reading.read_bytes(read_camt, content if isinstance(content, bytes) else content.data(), folder, **options)


def refused(content: Message, folder: Path) -> UnreadableStatement:
    return reading.refused(read_camt, content.data(), folder)


def test_one_entry_with_all_that_banks_say(tmp_path: Path) -> None:
    message = one(
        balance("OPBD", "18.15"),
        balance("CLBD", "9.30", day="2024-05-31"),
        entry(
            "8.85", "DBIT", tag("AcctSvcrRef", "BANK-1"), tag("BkTxCd", tag("Domn", tag("Cd", "PMNT"), tag("Fmly", tag("Cd", "IDDT")))),
            details=details(detail(
                tag("Refs", tag("EndToEndId", "E2E-1")),
                tag("RltdPties", tag("Cdtr", tag("Nm", "Bakkerij  Jansen")), tag("CdtrAcct", tag("Id", tag("IBAN", "NL56AGDH9619008421")))),
                tag("RmtInf", tag("Ustrd", "Brood"), tag("Ustrd", "en melk"), tag("Strd", tag("CdtrRefInf", tag("Ref", "RF1853")))),
            )),
        ),
    )  # fmt: skip
    found = read(message, tmp_path)
    raw = json.loads(found.row.pop("raw_data"))
    assert found.row == {
        "line": found.row["line"], "transaction_date": date(2024, 5, 17), "amount": D("-8.85"), "currency": "EUR",
        "description": "Brood en melk RF1853", "merchant": "Bakkerij Jansen", "category": None,
        "payment_method": "Issued direct debit", "account": IBAN, "status": "posted", "source_id": "BANK-1",
    }  # fmt: skip
    assert message.text().splitlines()[found.row["line"] - 1] == "<Ntry>"
    assert raw["Amt"] == "8.85"
    assert raw["Amt@Ccy"] == "EUR"
    assert raw["TxDtls/Refs/EndToEndId"] == "E2E-1"
    assert raw["TxDtls/RmtInf/Ustrd"] == ["Brood", "en melk"]
    assert found.statement.file_format == "camt053"
    assert found.statement.account == IBAN
    assert found.detected["format_version"] == "camt.053.001.02"
    assert found.detected["accounts"] == [IBAN]
    assert found.detected["balances"] == [{
        "account": IBAN, "currency": "EUR", "opening": "18.15", "closing": "9.30", "opening_date": "2024-05-01",
        "closing_date": "2024-05-31", "rows_sum": "-8.85", "difference": "0.00",
    }]  # fmt: skip
    assert found.detected["notes"] == []


@pytest.mark.parametrize("version", range(1, 14))
@pytest.mark.parametrize("message", ["052", "053", "054"])
def test_every_version_with_and_without_prefix_and_namespace(message: str, version: int, tmp_path: Path) -> None:
    status = tag("Cd", "BOOK") if version >= 8 else "BOOK"
    for namespace, prefix in ((True, ""), (True, "ns2"), (False, "")):
        found = read(
            one(entry("1.50", "DBIT", status=status), message=message, version=version, namespace=namespace, prefix=prefix), tmp_path
        )
        assert (found.row["amount"], found.row["transaction_date"], found.row["status"]) == (D("-1.50"), date(2024, 5, 17), "posted")
        assert found.statement.file_format == f"camt{message}"
        assert found.detected["format_version"] == (f"camt.{message}.001.{version:02d}" if namespace else None)


@pytest.mark.parametrize(
    ("account", "identifier"),
    [
        (tag("IBAN", "nl26 vayb 8060 4768 90"), IBAN),
        (tag("Othr", tag("Id", "00 12-34")), "0012-34"),
        (tag("PrtryAcct", tag("Id", "12345")), "12345"),
        (tag("BBAN", "8060476890"), "8060476890"),
        ("", None),
    ],
)
def test_account(account: str, identifier: str | None, tmp_path: Path) -> None:
    found = read(one(entry(), accounts=[account]), tmp_path)
    assert found.row["account"] == found.statement.account == identifier


def test_several_accounts(tmp_path: Path) -> None:
    message = Message([[entry("1")], [entry("2")]], accounts=[tag("IBAN", "DE02120300000000202051"), tag("IBAN", "DE02500105170137075030")])
    found = read(message, tmp_path)
    assert [row["account"] for row in found.rows] == ["DE02120300000000202051", "DE02500105170137075030"]
    assert found.statement.account is None
    assert found.detected["notes"] == ["2 statements in one file"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [("BOOK", "posted"), ("PDNG", "pending"), (tag("Cd", "PDNG"), "pending"), (tag("Prtry", "BOOK"), "posted"), ("FUTR", "pending"),
     ("", "posted"), ("Gebucht", "posted")],
)  # fmt: skip
def test_status(status: str, expected: str, tmp_path: Path) -> None:
    found = read(one(entry(status=status)), tmp_path)
    assert found.row["status"] == expected
    assert any("read as booked" in note for note in found.detected["notes"]) == (status == "Gebucht")
    assert any("pending" in note for note in found.detected["notes"]) == (expected == "pending")


def test_entries_for_information_move_no_money(tmp_path: Path) -> None:
    found = read(one(balance("OPBD", "1"), balance("CLBD", "9.85"), entry(status="INFO"), entry()), tmp_path)
    assert len(found.rows) == 1
    assert found.errors[0].field == "status"
    assert found.detected["balances"][0]["difference"] == "0.00"


@pytest.mark.parametrize(
    ("size", "way", "expected"),
    [("0", "DBIT", "0"), ("8", "CRDT", "8"), ("8.5", "DBIT", "-8.5"), ("0.1234", "CRDT", "0.1234"), ("5442.09000", "CRDT", "5442.09"),
     ("+3.10", "CRDT", "3.10"), ("922337203685476.9999", "DBIT", "-922337203685476.9999")],
)  # fmt: skip
def test_amounts(size: str, way: str, expected: str, tmp_path: Path) -> None:
    assert read(one(entry(size, way)), tmp_path).row["amount"] == D(expected)


@pytest.mark.parametrize(
    ("bad", "field", "reason"),
    [
        (entry("12,50"), "amount", "no amount"),
        (entry("-12.50"), "amount", "no amount"),
        (entry("1e3"), "amount", "no amount"),
        (entry("1.23456"), "amount", "more than 4 decimals"),
        (entry("1234567890123456.1"), "amount", "too large"),
        (entry("922337203685478"), "amount", "too large"),
        (entry(""), "amount", "missing"),
        (entry("1", "CREDIT"), "amount", "CRDT or DBIT"),
        (entry(currency="EURO"), "currency", "ISO 4217"),
        (entry(day="2024-02-30"), "date", "calendar"),
        (entry(day="17.05.2024"), "date", "YYYY-MM-DD"),
        (entry(day="0024-05-17"), "date", "1900"),
    ],
)
def test_a_bad_entry_leaves_the_others_alone(bad: str, field: str, reason: str, tmp_path: Path) -> None:
    message = one(balance("OPBD", "0"), balance("CLBD", "100"), entry(), bad, entry())
    found = read(message, tmp_path)
    assert [row["amount"] for row in found.rows] == [D("8.85"), D("8.85")]
    assert [(error.field, message.text().splitlines()[error.line - 1]) for error in found.errors] == [(field, "<Ntry>")]
    assert reason in found.errors[0].reason
    assert "1 rows could not be read" in found.detected["notes"][-1]


def test_nothing_but_bad_entries_is_refused(tmp_path: Path) -> None:
    wrong = refused(one(entry("x"), entry("y")), tmp_path)
    assert [error.field for error in wrong.errors] == ["amount", "amount"]
    assert "none of the 2 rows" in wrong.message


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (tag("BookgDt", tag("DtTm", "2024-05-17T23:59:59.123+14:00")), date(2024, 5, 17)),
        (tag("BookgDt", tag("Dt", "2024-05-17Z")) + tag("ValDt", tag("Dt", "2024-05-20")), date(2024, 5, 17)),
        (tag("ValDt", tag("Dt", "2024-05-20+02:00")), date(2024, 5, 20)),
        (tag("ValDt", tag("DtTm", "2024-05-20T00:00:00")), date(2024, 5, 20)),
        ("", date(2024, 6, 1)),
    ],
)
def test_days_are_civil_days_as_written(dates: str, expected: date, tmp_path: Path) -> None:
    found = read(one(entry("1", "CRDT", dates, day="")), tmp_path)
    assert found.row["transaction_date"] == expected
    assert any("statement's" in note for note in found.detected["notes"]) == (dates == "")


def test_a_statements_own_date_comes_before_the_messages(tmp_path: Path) -> None:
    found = read(one(tag("CreDtTm", "bad"), tag("FrToDt", tag("ToDtTm", "2024-04-30T23:00:00")), entry(day="")), tmp_path)
    assert found.row["transaction_date"] == date(2024, 4, 30)
    no_date = one(entry(day="")).text().replace("2024-06-01T04:05:06+02:00", "later")
    assert "neither the entry nor its statement has a date" in reading.refused(read_camt, no_date.encode(), tmp_path).message


def parties(debtor: str, creditor: str, *more: str) -> str:
    return tag("RltdPties", tag("Dbtr", debtor), tag("Cdtr", creditor), *more)


@pytest.mark.parametrize(
    ("way", "back", "content", "expected"),
    [
        ("DBIT", "", parties(tag("Nm", "Me"), tag("Nm", "Shop")), "Shop"),
        ("CRDT", "", parties(tag("Nm", "Boss"), tag("Nm", "Me")), "Boss"),
        ("CRDT", "", parties(tag("Pty", tag("Nm", "Boss")), tag("Pty", tag("Nm", "Me"))), "Boss"),
        ("CRDT", "", parties(tag("Agt", tag("FinInstnId", tag("Nm", "Bank"))), ""), "Bank"),
        ("CRDT", "true", parties(tag("Nm", "Me"), tag("Nm", "Shop")), "Shop"),
        ("DBIT", "1", parties(tag("Nm", "Boss"), tag("Nm", "Me")), "Boss"),
        ("DBIT", "false", parties("", tag("Nm", "Payments Inc"), tag("UltmtCdtr", tag("Nm", "Shop"))), "Shop"),
        ("CRDT", "", parties("", tag("Nm", "Boss")), "Boss"),
        ("CRDT", "", parties("", tag("Nm", "J. Doe")), None),
        ("CRDT", "", parties("", tag("Nm", "Someone"), tag("CdtrAcct", tag("Id", tag("IBAN", IBAN)))), None),
        ("DBIT", "", parties(tag("Nm", "Shop"), tag("Nm", "Someone"), tag("CdtrAcct", tag("Id", tag("IBAN", IBAN)))), "Shop"),
        ("DBIT", "", parties("", "", tag("CdtrAcct", tag("Id", tag("IBAN", "X")), tag("Nm", "Shop"))), "Shop"),
        ("DBIT", "", "", None),
    ],
)
def test_the_other_party(way: str, back: str, content: str, expected: str | None, tmp_path: Path) -> None:
    account = tag("IBAN", IBAN) + "</Id>" + tag("Ownr", tag("Nm", "J DOE")) + "<Id>"
    reversal = tag("RvslInd", back) if back else ""
    found = read(one(entry("1", way, reversal, details=details(detail(content))), accounts=[account]), tmp_path)
    assert found.row["merchant"] == expected
    assert found.row["amount"] == (1 if way == "CRDT" else -1)


@pytest.mark.parametrize(
    ("more", "refs", "expected"),
    [
        (tag("AcctSvcrRef", "B1"), tag("AcctSvcrRef", "D1"), "B1"),
        (tag("AcctSvcrRef", "NONREF"), tag("AcctSvcrRef", "D1"), "D1"),
        (tag("AcctSvcrRef", "0000"), tag("UETR", "u-1") + tag("TxId", "T1"), "u-1"),
        ("", tag("TxId", "T1") + tag("EndToEndId", "E1"), "T1"),
        ("", tag("TxId", "NOTPROVIDED") + tag("EndToEndId", "E1"), None),
        (tag("RvslInd", "true"), tag("TxId", "T1"), None),
        ("", tag("TxId", "T" * 201), None),
    ],
)
def test_source_ids(more: str, refs: str, expected: str | None, tmp_path: Path) -> None:
    found = read(one(entry("1", "CRDT", more, details=details(detail(tag("Refs", refs))))), tmp_path)
    assert found.row["source_id"] == expected


def test_a_returned_payments_id_is_not_that_of_the_return(tmp_path: Path) -> None:
    returned = details(detail(tag("Refs", tag("TxId", "T1")), tag("RtrInf", tag("Rsn", tag("Cd", "AC04")))))
    assert read(one(entry(details=returned)), tmp_path).row["source_id"] is None


def part(size: str, way: str = "", reference: str = "", kind: str = "Amt", currency: str = "EUR", text: str = "") -> str:
    size = amount(size, currency) if kind == "Amt" else tag("AmtDtls", tag(kind, amount(size, currency)))
    return detail(
        tag("Refs", tag("AcctSvcrRef", reference)) if reference else "", size, tag("CdtDbtInd", way) if way else "",
        tag("RmtInf", tag("Ustrd", text)) if text else "",
    )  # fmt: skip


def test_a_batch_whose_details_add_up_is_split(tmp_path: Path) -> None:
    batch = details(tag("Btch", tag("NbOfTxs", "2")), part("10.50", reference="D1", text="one"), part("0.50", "CRDT", "D2", text="two"))
    message = one(
        balance("OPBD", "0"), balance("CLBD", "1"), entry("10", "DBIT", tag("AddtlNtryInf", "Sammler"), details=batch), entry("11")
    )
    found = read(message, tmp_path)
    assert [(row["amount"], row["description"], row["source_id"]) for row in found.rows] == [
        (D("-10.50"), "one Sammler", "D1"), (D("0.50"), "two Sammler", "D2"), (D("11"), "", None),
    ]  # fmt: skip
    lines = message.text().splitlines()
    assert [lines[row["line"] - 1] for row in found.rows] == ["<TxDtls>", "<TxDtls>", "<Ntry>"]
    assert found.detected["balances"][0]["difference"] == "0.00"
    assert json.loads(found.rows[0]["raw_data"])["NtryDtls/Btch/NbOfTxs"] == "2"


@pytest.mark.parametrize("kind", ["TxAmt", "CntrValAmt", "InstdAmt"])
def test_amounts_of_details_stand_where_each_version_has_them(kind: str, tmp_path: Path) -> None:
    found = read(one(entry("3", "DBIT", details=details(part("1", kind=kind), part("2", kind=kind)))), tmp_path)
    assert [row["amount"] for row in found.rows] == [D(-1), D(-2)]


def test_details_seen_from_the_other_side(tmp_path: Path) -> None:
    found = read(one(entry("3", "DBIT", details=details(part("1", "CRDT"), part("2", "CRDT")))), tmp_path)
    assert [row["amount"] for row in found.rows] == [D(-1), D(-2)]


def test_split_rows_without_ids_of_their_own_number_the_entrys(tmp_path: Path) -> None:
    batch = details(part("1", reference="SAME"), part("2", reference="SAME"))
    found = read(one(entry("3", "CRDT", tag("AcctSvcrRef", "B1"), details=batch)), tmp_path)
    assert [row["source_id"] for row in found.rows] == ["B1/1", "B1/2"]
    assert [row["source_id"] for row in read(one(entry("3", details=batch)), tmp_path).rows] == [None, None]


@pytest.mark.parametrize(
    "parts",
    [[part("1"), part("1")], [part("1"), part("2", currency="USD")], [part("1"), part("x")], [part("1"), detail(tag("X", "no amount"))]],
)
def test_a_batch_that_does_not_add_up_stays_whole(parts: list[str], tmp_path: Path) -> None:
    found = read(one(entry("3", "DBIT", tag("AcctSvcrRef", "B1"), details=details(*parts))), tmp_path)
    assert [(row["amount"], row["source_id"]) for row in found.rows] == [(D(-3), "B1"), (D(0), None)]
    assert len(json.loads(found.rows[0]["raw_data"])["TxDtls"]) == 2
    assert "batches whose details' amounts do not add up to them: 1 of 1" in found.detected["notes"][0]


def test_one_detail_never_changes_the_entrys_amount(tmp_path: Path) -> None:
    assert read(one(entry("3", "DBIT", details=details(part("2.71", currency="CHF")))), tmp_path).row["amount"] == D(-3)


def test_details_of_the_first_version_stand_in_the_entry(tmp_path: Path) -> None:
    found = read(one(entry("3", details=part("1", kind="TxAmt") + part("2", kind="TxAmt")), version=1), tmp_path)
    assert [row["amount"] for row in found.rows] == [D(1), D(2)]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (tag("Domn", tag("Cd", "PMNT"), tag("Fmly", tag("Cd", "CCRD"), tag("SubFmlyCd", "POSD"))), "Card payment"),
        (tag("Domn", tag("Cd", "PAYM"), tag("Fmly", tag("Cd", "0001"), tag("SubFmlyCd", "0003"))), "PAYM 0001 0003"),
        (tag("Prtry", tag("Cd", "NTRF+166+1234")), "NTRF+166+1234"),
    ],
)
def test_payment_method(codes: str, expected: str, tmp_path: Path) -> None:
    assert read(one(entry("1", "CRDT", tag("BkTxCd", codes))), tmp_path).row["payment_method"] == expected


def test_texts_are_joined_once_and_cut(tmp_path: Path) -> None:
    text = details(detail(tag("RmtInf", tag("Ustrd", "Huur mei")), tag("AddtlTxInf", "SEPA Huur mei")))
    assert read(one(entry("1", "CRDT", tag("AddtlNtryInf", "SEPA"), details=text)), tmp_path).row["description"] == "SEPA Huur mei"
    twice = one(entry("1", "CRDT", tag("AddtlNtryInf", "first"), tag("AddtlNtryInf", "second")))
    assert read(twice, tmp_path).row["description"] == "first"
    long = details(detail(tag("RmtInf", *[tag("Ustrd", "x" * 140)] * 100)))
    assert len(read(one(entry(details=long)), tmp_path).row["description"]) == 4000


def test_the_callers_currency_wins_and_is_checked(tmp_path: Path) -> None:
    assert read(one(entry()), tmp_path, currency="chf").row["currency"] == "CHF"
    with pytest.raises(UnreadableStatement, match="XYZ"):
        read(one(entry()), tmp_path, currency="XYZ")


def test_currency_of_the_account_where_the_amount_has_none(tmp_path: Path) -> None:
    account = tag("IBAN", IBAN) + "</Id><Ccy>sek</Ccy><Id>"
    plain = one(entry(), accounts=[account]).text().replace(' Ccy="EUR"', "")
    assert read(plain.encode(), tmp_path).row["currency"] == "SEK"


def test_balances_of_pages_and_days_are_one(tmp_path: Path) -> None:
    pages = Message([
        [balance("PRCD", "10"), balance("ITBD", "12"), entry("2")],
        [balance("ITBD", "12"), balance("ITBD", "15"), entry("3")],
        [balance("ITBD", "15"), balance("CLBD", "14"), entry("1", "DBIT")],
        [balance("OPBD", "14", day="2024-05-02"), balance("PRCD", "99"), balance("CLBD", "6", "DBIT"), entry("20", "DBIT")],
    ])  # fmt: skip
    (found,) = read(pages, tmp_path).detected["balances"]
    assert (found["opening"], found["closing"], found["rows_sum"], found["difference"]) == ("10.00", "-6.00", "-16.00", "0.00")


def test_balances_that_do_not_add_up_are_reported(tmp_path: Path) -> None:
    after = one(balance("OPBD", "10"), entry("2"), balance("CLBD", "13.50"), tag("Bal", amount("x")))
    found = read(after, tmp_path)
    assert found.detected["balances"][0]["difference"] == "1.50"
    assert found.detected["notes"] == [
        "balances that could not be read: 1",
        f"account {IBAN} EUR: it opens with 10.00 and the rows come to 2.00, but it closes with 13.50: 1.50 is not accounted for",
    ]
    interim = read(one(balance("OPBD", "10"), balance("ITBD", "12"), entry("2"), message="052"), tmp_path).detected["balances"]
    assert interim[0]["closing"] == "12.00"


@pytest.mark.parametrize("content", [[], [balance("OPBD", "1")]])
def test_a_statement_without_entries_is_none_the_worse(content: list[str], tmp_path: Path) -> None:
    found = read(one(*content), tmp_path)
    assert found.rows == []
    assert found.detected["notes"] == ["a statement without transactions"]
    assert found.statement.account == IBAN
    assert len(found.detected["balances"]) == len(content)
    assert read(Message([]), tmp_path).detected["notes"] == ["a message without statements"]


def test_entries_on_one_line_get_lines_that_rise(tmp_path: Path) -> None:
    text = one(entry("1"), entry("x"), entry("2")).text().replace("\n", "")
    found = read(text.encode(), tmp_path)
    assert [row["line"] for row in found.rows] == [1, 3]
    assert found.errors[0].line == 2
    assert "share a line" in found.detected["notes"][-1]


def test_inside_an_envelope_and_after_blank_lines(tmp_path: Path) -> None:
    document = one(entry()).text().split("\n", 1)[1]
    found = read(f"\n\n<Envelope xmlns='urn:e'><Header/><Body>{document}{document}</Body></Envelope>".encode(), tmp_path)
    assert len(found.rows) == 2
    assert found.detected["format_version"] == "camt.053.001.02"
    assert found.rows[0]["line"] > 3


@pytest.mark.parametrize("encoding", ["UTF-8", "ISO-8859-1", "windows-1252", "UTF-16", "utf-8-sig"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    text = one(entry("1", "CRDT", tag("AddtlNtryInf", "Bäckerei Müller")), encoding=encoding.replace("-sig", "")).text()
    found = read(text.encode(encoding), tmp_path)
    assert found.row["description"] == "Bäckerei Müller"


@pytest.mark.parametrize("claim", ["UTF-8", "US-ASCII"])
def test_a_wrong_claim_of_utf8_is_seen_through(claim: str, tmp_path: Path) -> None:
    text = one(entry("1", "CRDT", tag("AddtlNtryInf", "Bäckerei"))).text().replace("UTF-8", claim)
    found = read(text.encode("cp1252"), tmp_path)
    assert found.row["description"] == "Bäckerei"
    assert "windows-1252" in found.detected["notes"][0]
    assert found.detected["encoding"] == "windows-1252"


def test_ascii_that_is_utf8(tmp_path: Path) -> None:
    text = one(entry("1", "CRDT", tag("AddtlNtryInf", "Bäckerei"))).text().replace("UTF-8", "US-ASCII")
    assert read(text.encode(), tmp_path).row["description"] == "Bäckerei"
