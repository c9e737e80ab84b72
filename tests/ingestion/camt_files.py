"""CAMT messages made by hand for tests: as banks write them, from the few things that a test is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import escape

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.{message}.001.{version:02d}"
WRAPPERS = {"052": ("BkToCstmrAcctRpt", "Rpt"), "053": ("BkToCstmrStmt", "Stmt"), "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn")}
IBAN = "NL26VAYB8060476890"


def tag(name: str, *content: str, **attributes: str) -> str:
    """One element."""
    given = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{name}{given}>{''.join(content)}</{name}>"


def amount(text: str, currency: str = "EUR", name: str = "Amt") -> str:
    return tag(name, text, Ccy=currency)


def entry(
    size: str = "8.85",
    way: str = "CRDT",
    *more: str,
    day: str = "2024-05-17",
    currency: str = "EUR",
    status: str = "BOOK",
    details: str = "",
) -> str:
    """An Ntry; `more` are elements between the dates and the details."""
    dates = tag("BookgDt", tag("Dt", day)) if day else ""
    return tag("Ntry", amount(size, currency), tag("CdtDbtInd", way), tag("Sts", status), dates, *more, details)


def details(*transactions: str) -> str:
    return tag("NtryDtls", *transactions)


def detail(*content: str) -> str:
    return tag("TxDtls", *content)


def balance(code: str, size: str, way: str = "CRDT", currency: str = "EUR", day: str = "2024-05-01") -> str:
    kind = tag("Tp", tag("CdOrPrtry", tag("Cd", code)))
    return tag("Bal", kind, amount(size, currency), tag("CdtDbtInd", way), tag("Dt", tag("Dt", day)))


@dataclass
class Message:
    """A message of one type and version. `statements` are lists of what stands in each after the account."""

    statements: list[list[str]]
    message: str = "053"
    version: int = 2
    namespace: bool = True
    prefix: str = ""
    accounts: list[str] = field(default_factory=lambda: [tag("IBAN", IBAN)])
    encoding: str = "UTF-8"

    def text(self) -> str:
        wrapper, statement = WRAPPERS[self.message]
        if self.version == 1:
            wrapper += "V01"
        header = tag("GrpHdr", tag("MsgId", "M1"), tag("CreDtTm", "2024-06-01T04:05:06+02:00"))
        parts = [
            tag(statement, tag("Id", str(number)), tag("Acct", tag("Id", self.accounts[number % len(self.accounts)])), *content)
            for number, content in enumerate(self.statements)
        ]
        body = tag("Document", tag(wrapper, header, *parts))
        if self.prefix:
            body = body.replace("</", "\x00").replace("<", f"<{self.prefix}:").replace("\x00", f"</{self.prefix}:")
        if self.namespace:
            name = NAMESPACE.format(message=self.message, version=self.version)
            body = body.replace("Document", f'Document xmlns{":" + self.prefix if self.prefix else ""}="{name}"', 1)
        return f'<?xml version="1.0" encoding="{self.encoding}"?>\n' + body.replace(">", ">\n").replace(">\n<", ">\n<")

    def data(self) -> bytes:
        return self.text().encode(self.encoding)


def one(*content: str, **more: object) -> Message:
    """A message with one statement."""
    return Message([list(content)], **more)  # type: ignore[arg-type]


def quoted(text: str) -> str:
    return escape(text)
