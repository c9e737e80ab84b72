"""What the fuzzers start from: our own small statements of every format, and the shared files where they are."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.case import Case
from tests.ingestion import camt_files as camt
from tests.ingestion import ofx_files as ofx
from tests.ingestion.bank_layouts import LAYOUTS
from tests.ingestion.workbook_files import MAKERS, xlsx
from tests.ingestion.workbook_samples import PROTECTED, SECRET, TABLE

MAX_SHARED_BYTES = 64 * 1024
_FORMATS = {
    "csv": ("csv",),
    "ofx": ("ofx", "qfx"),
    "qif": ("qif",),
    "mt940": ("mt940", "mt942"),
    "camt": ("camt052", "camt053", "camt054"),
    "workbook": ("xlsx", "xls", "ods"),
}


def own(reader: str) -> list[Case]:
    """Hand-made statements for a reader."""
    return list(_OWN[reader]())


def shared(reader: str) -> list[Case]:
    """The small ones among the shared files of the reader's formats; none where they are absent."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("SCALE_SHARED_DATA", default)) / "statements"
    if not (folder / "MANIFEST.csv").is_file():
        return []
    with (folder / "MANIFEST.csv").open(encoding="utf-8", newline="") as stream:
        paths = [folder / row["path"] for row in csv.DictReader(stream) if row["format"] in _FORMATS[reader]]
    return [Case(path.read_bytes()) for path in paths if path.stat().st_size <= MAX_SHARED_BYTES]


def _csv() -> Iterator[Case]:
    for layout in LAYOUTS:
        options = {"date_format": layout.date_format, "columns": layout.columns}
        yield Case(layout.text.encode(layout.encoding), {name: value for name, value in options.items() if value})


def _ofx() -> Iterator[Case]:
    rows = [
        ofx.transaction("DEBIT", "20240131120000[-5:EST]", "-12.50", "F1", NAME="CAFÉ &amp; BAR", MEMO="<![CDATA[a]]>", CHECKNUM="12"),
        ofx.transaction("CREDIT", "20240201", "1.000,25", "F2", closed=False, extra="<CURRENCY><CURRATE>1.5<CURSYM>EUR</CURRENCY>"),
        ofx.transaction("FEE", "20240202000000.000", "0", "", PAYEE="<NAME>Shop<CITY>Gent", BANKACCTTO="<ACCTID>9"),
    ]
    cash = f"<INVBANKTRAN>{ofx.transaction('CREDIT', '20240101', '5', 'C9')}<SUBACCTFUND>CASH</INVBANKTRAN><BUYSTOCK></BUYSTOCK>"
    for header in (ofx.HEADER_1, ofx.HEADER_2, ""):
        yield Case(ofx.document(header, ofx.bank(*rows, balance="7,5"), ofx.card(*rows, currency="CAD")).encode())
        yield Case(ofx.document(header, ofx.bank(*rows, closed=False), ofx.investment(cash)).encode("cp1252"))
    yield Case(ofx.document(ofx.HEADER_2, ofx.bank()).encode())
    yield Case(ofx.document(ofx.HEADER_1, ofx.bank(*rows)).replace("\n", "").encode("utf-16"))


def _qif() -> Iterator[Case]:
    split = "LBooks\nSBooks\nEGift\n$-10.00\nSFood\n$-2.50\nAStreet\nATown\n"
    bank = f"!Type:Bank\nD1/31'24\nT-12.50\nPCaf\u00e9\nMCard 12\nLFood:Out\nN1042\nC*\n^\nD2/ 1'24\nU1,234.50\nT1,234.50\n{split}^\n"
    account = "!Account\nNMy Checking\nTBank\n$150.00\n/1/31'24\n^\n"
    lists = "!Option:AutoSwitch\n!Account\nNOne\n^\nNTwo\nTCCard\n^\n!Clear:AutoSwitch\n!Type:Cat\nNFood\nDEating\nE\n^\n"
    yield Case(bank.encode())
    yield Case((account + bank).encode("cp1252"))
    yield Case((lists + account + bank + "!Account\nNThree\n^\n!Type:Invst\nD1/31/2024\nNBuy\nYACME\nI3.5\nQ2\nT-7\n^\n").encode())
    yield Case(b"!Type:CCard\nD31.1.2024\nT-1.234,50\nPMiete\nL[Savings]\n^\nD2024-02-01\nT7,00\nTransaction 7\nLDEP\n^\n")
    yield Case(b"!Option:MDY\n!Type:Cash\nD1/2/2024\nT1\n^\nD5/3/2024\nT2\n^\n", {"date_format": "%m/%d/%Y"})
    yield Case(b"!Type:Oth L\nD26 Jan 2024\nT$5.00\nN\n^\nD3/25/101\nT-1\nPx\n", {"currency": "USD"})


def _mt940() -> Iterator[Case]:
    head = ":20:STARTUMS\n:25:10020030/1234567\n:28C:1/1\n:60F:C231231EUR100,00\n"
    end = ":62F:C240102EUR87,50\n:64:C240102EUR87,50\n-\n"
    details = (
        "105?00FOLGELASTSCHRIFT?109248?20EREF+R-77?21SVWZ+Rechnung 12?30COBADEFF?31DE02120300000000202051?32Stadtwerke",
        "/TRTP/SEPA OVERBOEKING/IBAN/NL91ABNA0417164300/BIC/ABNANL2A/NAME/J. Jansen/REMI/Factuur 12/EREF/NOTPROVIDED",
        "166>20EREF+1234567890123456789012>21SVWZ+Gehalt>60 Mai>32Firma\nund Soehne",
        "SEPA Overboeking   IBAN: NL91ABNA0417164300  Naam: KPN B.V.\nOmschrijving: Factuur",
    )
    for number, text in enumerate(details):
        rows = f":61:2401020102D12,50NDDTNONREF//025500001{number}\n:86:{text}\n:61:240103RC1,NTRFEREF\nsupplementary\n"
        yield Case((head + rows + end).encode())
    block = "{1:F01AAAABB99AXXX0000000000}{2:I940BBBBDEFFXXXXN}{3:{108:1}}{4:\n"
    yield Case(f"{block}{head}:61:991231C5,NTRF\n:62F:C240102EUR87,50\n-}}{{5:{{CHK:1}}}}\n".encode())
    yield Case(f"ABNANL2A\n940\nABNANL2A\n{head}:61:2401020102D12,5N\n:86:12:20:15 uur\n{end}{head}{end}".encode("utf-16"))
    interim = ":20:X\n:25:DE02120300000000202051\n:28C:1\n:34F:EURD0,\n:34F:EURC0,\n:13D:2401020102+0100\n"
    interim += ":61:240102ED3,NMSC\n:86:x\n:90D:1EUR3,\n"
    yield Case(f"{interim}:90C:0EUR0,\n-\n".encode())
    yield Case(f"{head.replace('60F', '60M')}:NS:01Bank\n:61:240102D1,N\n:62M:C240102EUR99,\n-\n{head}{end}".encode("cp1252"))


def _camt() -> Iterator[Case]:
    paid = camt.detail(
        camt.tag("Refs", camt.tag("EndToEndId", "E2E-1")),
        camt.tag("AmtDtls", camt.tag("TxAmt", camt.amount("8.00"))),
        camt.tag("RltdPties", camt.tag("Cdtr", camt.tag("Nm", "Bakkerij  Jansen"))),
        camt.tag("RmtInf", camt.tag("Ustrd", "Brood &amp; melk"), camt.tag("Strd", camt.tag("CdtrRefInf", camt.tag("Ref", "RF1853")))),
    )  # fmt: skip
    small = camt.detail(camt.amount("0.85"), camt.tag("CdtDbtInd", "DBIT"), camt.tag("RtrInf", camt.tag("AddtlInf", "back")))
    batch = camt.tag("Btch", camt.tag("NbOfTxs", "2"))
    code = camt.tag("BkTxCd", camt.tag("Domn", camt.tag("Cd", "PMNT"), camt.tag("Fmly", camt.tag("Cd", "IDDT"))))
    whole = [
        camt.balance("OPBD", "18.15"),
        camt.balance("CLBD", "9.30", day="2024-05-31"),
        camt.entry("8.85", "DBIT", camt.tag("AcctSvcrRef", "BANK-1"), code, details=camt.details(batch, paid, small)),
        camt.entry("1", "CRDT", camt.tag("RvslInd", "true"), camt.tag("AddtlNtryInf", "Rent"), status=camt.tag("Cd", "PDNG")),
        camt.entry("0.1234", "CRDT", camt.tag("ValDt", camt.tag("DtTm", "2024-05-17T23:59:59.9+02:00")), day=""),
    ]
    for message in ("052", "053", "054"):
        for version in (1, 2, 8, 13):
            yield Case(camt.one(*whole, message=message, version=version).data())
    yield Case(camt.one(*whole, prefix="ns2").data())
    yield Case(camt.one(*whole, namespace=False, encoding="utf-16").data())
    accounts = [camt.tag("Othr", camt.tag("Id", "00 12-34")), camt.tag("IBAN", camt.IBAN)]
    yield Case(camt.Message([whole, [], whole], accounts=accounts, encoding="iso-8859-1").data())


def _workbook() -> Iterator[Case]:
    for make in MAKERS.values():
        yield Case(make(TABLE))
        yield Case(make([["note"]], TABLE))
    for content in PROTECTED.values():
        for given in ({"password": SECRET}, {"password": "wrong"}, {}):
            yield Case(content, given)
    yield Case(xlsx(TABLE, first_row=10_000, hidden=["S1"]))
    yield Case(MAKERS["ods"](TABLE), {"columns": {"amount": "Amount", "description": "2"}})


_OWN = {"csv": _csv, "ofx": _ofx, "qif": _qif, "mt940": _mt940, "camt": _camt, "workbook": _workbook}
