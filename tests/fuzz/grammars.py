"""Statements that hypothesis makes up from the words of each format: whole in form, odd in content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from hypothesis import strategies as st

from tests.ingestion.workbook_files import MAKERS

_DAYS = st.dates(date(1960, 1, 1), date(2099, 12, 31))
_FORMS = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%Y%m%d", "%d %b %Y", "%y%m%d", "%Y-%m-%dT%H:%M:%SZ", "%d/%m'%y", "%B %d, %Y")
_DATES = st.builds(lambda day, form: day.strftime(form), _DAYS, st.sampled_from(_FORMS)) | st.sampled_from(
    [
        "",
        "0",
        "00000000",
        "2023-02-29",
        "99991231",
        "10000-01-01",
        "31.12",
        "24:00",
        "yesterday",
        "1/2/3",
        "0001-01-01",
        "45296",
        "1704067200",
    ]
)
_NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**16), max_value=10**16)
_WRITTEN = "{:.2f}|{:,.2f}|{:.0f}|{:+.3f}|({:.2f})|{:.2f}-|{:.2f} DR|€{:.2f}|{:.2f} EUR|{:E}|'{:.2f}".split("|")
_ODD_AMOUNTS = "|0|-|.|,|NaN|1e400|1,2,3.4.5|٣|-0.00001|1 000,5|INR 5|--5|5%|9999999999999999999999999999999999999999".split("|")
_AMOUNTS = st.builds(lambda number, form: form.format(number), _NUMBERS, st.sampled_from(_WRITTEN)) | st.sampled_from(_ODD_AMOUNTS)
_TEXTS = st.text(max_size=40) | st.sampled_from(
    ["Shop", "Saldo", "Total", "Opening balance", "Amount", "EUR", "D", "C", "pending", "a" * 5000]
)
_CELLS = _DATES | _AMOUNTS | _TEXTS
_HEADERS = st.sampled_from(
    "Date|Value Date|Datum|Amount|Betrag|Debit|Credit|Money in|Balance|Saldo|Description|Text|Payee|Currency|Ccy|D/C|Type|Account|IBAN|"
    "Reference|Status|Category|Fee|Time||Дата|Сумма|日付".split("|")
)
_ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "utf-32"])
_LINE_ENDS = st.sampled_from(["\n", "\n", "\r\n", "\r", "\r\r\n", "\n\n"])


def documents(reader: str) -> st.SearchStrategy[bytes]:
    """Made-up files for a reader."""
    if reader == "workbook":
        return _workbooks()
    return st.builds(_encoded, _TEXT[reader], _LINE_ENDS, _ENCODINGS)


def options() -> st.SearchStrategy[dict[str, Any]]:
    """What callers may say of a file, sensible or not."""
    letters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
    patterns = st.sampled_from(["%d/%m/%Y", "dmy", "YYYY-MM-DD"]) | st.text(letters, min_size=1, max_size=12).filter(str.strip)
    fields = st.sampled_from(["date", "amount", "debit", "credit", "description", "direction", "account", "balance", "currency", "x", ""])
    columns = st.integers(-2, 12).map(str) | st.sampled_from(["Amount", "Date", "Description", "", "٣"])
    return st.fixed_dictionaries(
        {},
        optional={
            "date_format": patterns,
            "currency": st.sampled_from(["EUR", "JPY", "ZZZ", "e"]),
            "columns": st.dictionaries(fields, columns, max_size=4),
        },
    )


def _encoded(text: str, line_end: str, encoding: str) -> bytes:
    return text.replace("\n", line_end).encode(encoding, "replace")


def _quoted(cell: str, style: int) -> str:
    return (cell, f'"{cell}"', '"' + cell.replace('"', '""') + '"', f" {cell} ")[style]


@st.composite
def _csv(draw: st.DrawFn) -> str:
    mark = draw(st.sampled_from(",;\t|"))
    names = draw(st.lists(_HEADERS, min_size=1, max_size=8))
    kinds = [draw(st.sampled_from([_DATES, _AMOUNTS, _TEXTS, _CELLS])) for _ in names]
    style = draw(st.integers(0, 3))
    rows = [mark.join(_quoted(draw(kind), style) for kind in kinds) for _ in range(draw(st.integers(0, 8)))]
    before = draw(st.lists(_CELLS, max_size=3))
    after = draw(st.lists(_CELLS, max_size=2))
    return "\n".join([*before, mark.join(names), *rows, *after])


def _tree(tags: Sequence[str], leaves: st.SearchStrategy[str], *, closed: bool) -> st.SearchStrategy[str]:
    """Elements of these names in each other, in any order."""
    names = st.sampled_from(list(tags))

    def leaf(name: str, text: str) -> str:
        return f"<{name}>{text}</{name.partition(' ')[0]}>\n" if closed else f"<{name}>{text}\n"

    return st.recursive(
        st.builds(leaf, names, leaves),
        lambda inner: st.builds(
            lambda name, parts: f"<{name}>{''.join(parts)}</{name.partition(' ')[0]}>\n", names, st.lists(inner, max_size=6)
        ),
        max_leaves=25,
    )


_OFX_ROW = "TRNTYPE DTPOSTED DTUSER DTAVAIL TRNAMT FITID NAME MEMO PAYEE CHECKNUM REFNUM SIC CURRENCY ORIGCURRENCY CURRATE CURSYM".split()
_OFX_TREE = "STMTRS CCSTMTRS INVSTMTRS BANKTRANLIST STMTTRN BANKACCTFROM ACCTID CURDEF LEDGERBAL BALAMT DTASOF INVBANKTRAN".split()


@st.composite
def _ofx(draw: st.DrawFn) -> str:
    header = draw(
        st.sampled_from(
            ["OFXHEADER:100\nDATA:OFXSGML\nENCODING:USASCII\nCHARSET:1252\n\n", '<?xml version="1.0"?>\n<?OFX OFXHEADER="200"?>\n', ""]
        )
    )
    closed = draw(st.booleans())
    rows = ""
    for _ in range(draw(st.integers(0, 5))):
        fields = {"TRNTYPE": "DEBIT", "DTPOSTED": draw(_DATES), "TRNAMT": draw(_AMOUNTS), "FITID": draw(_TEXTS)}
        fields |= draw(st.dictionaries(st.sampled_from(_OFX_ROW), _CELLS, max_size=4))
        rows += (
            "<STMTTRN>\n" + "".join(f"<{name}>{text}{f'</{name}>' if closed else ''}\n" for name, text in fields.items()) + "</STMTTRN>\n"
        )
    more = draw(_tree(_OFX_TREE + _OFX_ROW, _CELLS, closed=closed))
    account = f"<CURDEF>{draw(_TEXTS)}<BANKACCTFROM><ACCTID>{draw(_TEXTS)}</BANKACCTFROM>"
    return f"{header}<OFX>\n<STMTRS>{account}\n<BANKTRANLIST>{rows}</BANKTRANLIST>\n{more}</STMTRS></OFX>\n"


@st.composite
def _qif(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(["!Type:Bank\n", "!Account\nNMine\n^\n!Type:CCard\n", "!Type:Invst\n", "!Option:MDY\n!Type:Cash\n", ""]))
    for _ in range(draw(st.integers(0, 8))):
        lines = [f"D{draw(_DATES)}", f"T{draw(_AMOUNTS)}"]
        lines += [letter + draw(_CELLS) for letter in draw(st.lists(st.sampled_from("DTUCNPMALSE$%!XYI#9 ^"), max_size=6))]
        text += "\n".join(draw(st.permutations(lines))) + "\n^\n"
    return text


_MT_TAGS = [
    ":20:",
    ":25:",
    ":28C:",
    ":60F:",
    ":60M:",
    ":61:",
    ":86:",
    ":62F:",
    ":62M:",
    ":64:",
    ":34F:",
    ":90C:",
    ":13D:",
    ":NS:",
    "-",
    "-}",
    "{4:",
    "",
]


@st.composite
def _mt940(draw: st.DrawFn) -> str:
    lines = [":20:X", ":25:10020030/1234567", ":28C:1/1", f":60F:C231231EUR{draw(_AMOUNTS)}"]
    for _ in range(draw(st.integers(0, 8))):
        day = draw(_DAYS | st.just(date(2024, 2, 29))).strftime(draw(st.sampled_from(["%y%m%d", "%y%m%d%m%d", "%y%d%m"])))
        mark = draw(st.sampled_from(["C", "D", "RC", "RD", "EC", "CR", "X", ""]))
        amount = draw(_AMOUNTS | st.decimals(0, 10**6, places=2).map(lambda number: str(number).replace(".", ",")))
        lines.append(f":61:{day}{mark}{amount}N{draw(st.sampled_from(['TRF', 'DDT', '']))}{draw(_TEXTS)}//{draw(_TEXTS)}")
        marks = draw(st.sampled_from(["?{:02d}", ">{:02d}", "/NAME/{}", "/REMI/{}", "SVWZ+{}", "Naam: {}", "{}"]))
        lines.append(
            ":86:"
            + draw(_TEXTS)
            + "".join(marks.format(number) + text for number, text in enumerate(draw(st.lists(_CELLS, max_size=5)), start=20))
        )
        lines += [draw(st.sampled_from(_MT_TAGS)) + draw(_CELLS) for _ in range(draw(st.integers(0, 2)))]
    return "\n".join([*lines, f":62F:D240102EUR{draw(_AMOUNTS)}", "-", ""])


_CAMT_NAMES = (
    "Ntry Amt CdtDbtInd Sts BookgDt ValDt Dt DtTm NtryDtls TxDtls Btch NbOfTxs Refs EndToEndId AcctSvcrRef RltdPties Dbtr Cdtr Nm RmtInf "
    "Ustrd Strd AddtlNtryInf RvslInd BkTxCd Domn Cd Fmly Prtry Bal Tp CdOrPrtry Acct Id IBAN Othr Ccy Stmt AmtDtls TxAmt InstdAmt"
).split()
_CAMT_TAGS = [*_CAMT_NAMES, 'Amt Ccy="EUR"']
_CAMT_WRAPPERS = {"2": ("BkToCstmrAcctRpt", "Rpt"), "3": ("BkToCstmrStmt", "Stmt"), "4": ("BkToCstmrDbtCdtNtfctn", "Ntfctn")}


@st.composite
def _camt(draw: st.DrawFn) -> str:
    safe = _CELLS.map(lambda text: "".join(c for c in text if c in "\t\n" or c >= " ").replace("&", "&amp;").replace("<", "&lt;"))
    entries = ""
    for _ in range(draw(st.integers(0, 4))):
        more = draw(_tree(_CAMT_TAGS, safe, closed=True))
        currency, way = draw(st.sampled_from(["EUR", "JPY", "xyz", ""])), draw(st.sampled_from(["CRDT", "DBIT", ""]))
        entries += f'<Ntry><Amt Ccy="{currency}">{draw(_AMOUNTS)}</Amt><CdtDbtInd>{way}</CdtDbtInd><Sts>BOOK</Sts>'
        entries += f"<BookgDt><Dt>{draw(_DATES)}</Dt></BookgDt>{more}</Ntry>"
    more = draw(_tree(_CAMT_TAGS, safe, closed=True))
    name = draw(st.sampled_from(["053.001.02", "052.001.08", "054.001.99"]))
    wrapper = _CAMT_WRAPPERS[name[2]]
    space = f"urn:iso:std:iso:20022:tech:xsd:camt.{name}"
    body = f"<{wrapper[1]}><Id>1</Id><Acct><Id><IBAN>{draw(safe)}</IBAN></Id></Acct>{entries}{more}</{wrapper[1]}>"
    return f'<?xml version="1.0"?>\n<Document xmlns="{space}"><{wrapper[0]}>{body}</{wrapper[0]}></Document>'


_TEXT = {"csv": _csv(), "ofx": _ofx(), "qif": _qif(), "mt940": _mt940(), "camt": _camt()}


@st.composite
def _workbooks(draw: st.DrawFn) -> bytes:
    """A table of typed cells in any kind of workbook."""
    printable = st.text(st.characters(min_codepoint=32, max_codepoint=0xD7FF, exclude_categories=("Cs", "Cc", "Cn")), max_size=30)
    moments = st.datetimes(datetime(1901, 1, 1), datetime(2150, 1, 1)).map(lambda moment: moment.replace(microsecond=0))  # noqa: DTZ001 - cells have no zone
    cells: st.SearchStrategy[Any] = st.one_of(
        st.none(), printable, _DATES, _AMOUNTS.filter(str.isascii), st.booleans(), st.integers(-(2**40), 2**40),
        st.floats(-1e17, 1e17, allow_nan=False), _DAYS, moments, st.just(time(12, 30)),
    )  # fmt: skip
    width = draw(st.integers(3, 6))
    columns = [_DAYS, printable, st.floats(-1e6, 1e6), *[cells] * (width - 3)] if draw(st.booleans()) else [cells] * width
    rows = draw(st.lists(st.tuples(*columns).map(list), max_size=6))
    names: list[Any] = draw(
        st.just(["Date", "Text", "Amount", *["More"] * (width - 3)]) | st.lists(_HEADERS, min_size=width, max_size=width)
    )
    sheets = draw(st.integers(1, 3))
    return MAKERS[draw(st.sampled_from(sorted(MAKERS)))](*[[names, *rows][at:] for at in range(sheets)])
