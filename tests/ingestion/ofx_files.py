"""OFX files made by hand, in either generation of the format."""

from __future__ import annotations

HEADER_1 = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
SECURITY:NONE
ENCODING:USASCII
CHARSET:1252
COMPRESSION:NONE
OLDFILEUID:NONE
NEWFILEUID:NONE

"""
HEADER_2 = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<?OFX OFXHEADER="200" VERSION="203" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n'
)


def element(name: str, text: str, *, closed: bool = True) -> str:
    return f"<{name}>{text}</{name}>\n" if closed and not text.startswith("<NAME>") else f"<{name}>{text}\n"


def transaction(kind: str, posted: str, amount: str, fitid: str, *, extra: str = "", closed: bool = True, **fields: str) -> str:
    """One STMTTRN. `fields` are elements by name; `extra` is put in as it is."""
    named = {"TRNTYPE": kind, "DTPOSTED": posted, "TRNAMT": amount, "FITID": fitid, **fields}
    return "<STMTTRN>\n" + "".join(element(name, text, closed=closed) for name, text in named.items()) + extra + "</STMTTRN>\n"


def _statement(name: str, owner: str, currency: str, rows: str, balance: str, after: str, *, closed: bool) -> str:
    head = element("CURDEF", currency, closed=closed) + owner
    tail = f"<LEDGERBAL>\n<BALAMT>{balance}\n<DTASOF>20240201\n</LEDGERBAL>\n"
    return f"<{name}>\n{head}<BANKTRANLIST>\n<DTSTART>20240101\n{rows}</BANKTRANLIST>\n{after}{tail}</{name}>\n"


def bank(
    *rows: str, currency: str = "USD", account_type: str = "CHECKING", balance: str = "1.00", after: str = "", closed: bool = True
) -> str:
    owner = [element("BANKID", "121099999", closed=closed), element("ACCTID", "999988", closed=closed)]
    owner.append(element("ACCTTYPE", account_type, closed=closed))
    inside = "<BANKACCTFROM>\n" + "".join(owner) + "</BANKACCTFROM>\n"
    return _statement("STMTRS", inside, currency, "".join(rows), balance, after, closed=closed)


def card(*rows: str, currency: str = "USD", balance: str = "1.00") -> str:
    owner = "<CCACCTFROM>\n<ACCTID>4111 1111 1111 1111\n</CCACCTFROM>\n"
    return _statement("CCSTMTRS", owner, currency, "".join(rows), balance, "", closed=True)


def investment(transactions: str, after: str = "") -> str:
    owner = "<INVACCTFROM><BROKERID>b<ACCTID>1</INVACCTFROM>"
    return f"<INVSTMTRS>\n<CURDEF>USD\n{owner}<INVTRANLIST><DTSTART>20240101\n{transactions}</INVTRANLIST>{after}</INVSTMTRS>\n"


def document(header: str, *statements: str) -> str:
    return f"{header}<OFX>\n<SIGNONMSGSRSV1></SIGNONMSGSRSV1>\n{''.join(statements)}</OFX>\n"
