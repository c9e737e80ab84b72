"""What stands around the transactions of an OFX file: statements, accounts, currencies, balances, errors of the bank's server."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from services.ingestion.readers.amounts import AmountFormat, parse_amount
from services.ingestion.readers.balances import Section
from services.ingestion.readers.currencies import code_of
from services.ingestion.readers.dates import compact_formats
from services.ingestion.readers.ofx_markup import unescape
from services.ingestion.readers.statement import RowError, UnreadableStatement

MAX_STATEMENTS = 10_000
MAX_LOOSE_TAGS = 2_000_000
_KINDS = {"STMTRS": "bank", "CCSTMTRS": "card", "INVSTMTRS": "investment", "LOANSTMTRS": "loan"}
_NAMES = {"investment": "an investment", "loan": "a loan"}
_OWNERS = frozenset({"BANKACCTFROM", "CCACCTFROM", "INVACCTFROM", "LOANACCTFROM"})
_IDENTITY = frozenset({"BANKID", "BROKERID", "BRANCHID", "ACCTID", "LOANACCTID", "ACCTTYPE"})
_LISTS = frozenset({"BANKTRANLIST", "BANKTRANLISTP", "INVTRANLIST"})
_BALANCES = frozenset({"LEDGERBAL", "AVAILBAL"})
_SECURITIES = frozenset(
    """BUYDEBT BUYMF BUYOPT BUYOTHER BUYSTOCK CLOSUREOPT INCOME INVEXPENSE JRNLFUND JRNLSEC MARGININTEREST REINVEST RETOFCAP
    SELLDEBT SELLMF SELLOPT SELLOTHER SELLSTOCK SPLIT TRANSFER""".split()
)
_POSITIONS = frozenset("POSDEBT POSMF POSOPT POSOTHER POSSTOCK".split())
_OTHER_ANSWERS = {
    "ACCTINFORS": "an account information response", "PROFRS": "a profile response", "STMTENDRS": "a closing statement response",
    "CCSTMTENDRS": "a closing statement response", "SECLIST": "a list of securities", "INTRARS": "a transfer response",
    "PMTRS": "a payment response", "BILLPAYMSGSRSV1": "a bill payment response", "EMAILMSGSRSV1": "an e-mail response",
    "TAX1099MSGSRSV1": "a tax form", "STMTRQ": "a request for a statement", "CCSTMTRQ": "a request for a statement",
    "INVSTMTRQ": "a request for a statement", "ACCTINFORQ": "a request", "PROFRQ": "a request",
}  # fmt: skip
_IBAN = re.compile(r"^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$")


@dataclass
class AccountStatement:
    """One statement of one account. `number` counts them from 0; `identity` has the elements that name the account."""

    number: int
    kind: str  # bank, card, investment, loan; "" for rows outside of any statement
    line: int
    currency: str | None = None
    identity: dict[str, str] = field(default_factory=dict)
    closing: Decimal | None = None
    closing_date: date | None = None
    rows: int = 0
    securities: int = 0
    positions: int = 0
    loans: int = 0
    has_list: bool = False
    section: Section = field(default_factory=lambda: Section("", ""))

    @property
    def account(self) -> str | None:
        """The account's identifier: an IBAN alone, else bank, account and, unless it is the checking account, type."""
        return account_identifier(self.identity)

    @property
    def is_empty_shell(self) -> bool:
        """Whether nothing in it says that it is a statement."""
        return not (self.identity.get("ACCTID") or self.identity.get("LOANACCTID") or self.currency or self.has_list or self.rows)

    def complete(self, given_currency: str | None) -> Section:
        """The section for the check of balances."""
        self.section.account = self.account or ""
        self.section.currency = given_currency or code_of(self.currency or "") or ""
        self.section.closing, self.section.closing_date = self.closing, self.closing_date
        return self.section


def account_identifier(identity: dict[str, str]) -> str | None:
    """Upper case, no blanks: "DE02...", "121099999/999988", "121099999/999988/SAVINGS". None without an account number.

    Some banks give a member's checking and savings accounts the same number; so the type is part of the name, but for the usual one.
    """
    parts = {name: re.sub(r"\s+", "", unescape(text)).upper() for name, text in identity.items()}
    number = parts.get("ACCTID") or parts.get("LOANACCTID")
    if not number:
        return None
    if _IBAN.match(number):
        return number
    bank = parts.get("BANKID") or parts.get("BROKERID") or ""
    kind = parts.get("ACCTTYPE", "")
    words = [bank if bank.strip("0") else "", parts.get("BRANCHID", ""), number, "" if kind == "CHECKING" else kind]
    return "/".join(word for word in words if word)


@dataclass
class Answer:
    """An OFX file's structure, as far as it has been read. Feed it the tags between transactions with `take`."""

    form: AmountFormat
    statements: list[AccountStatement] = field(default_factory=list)
    current: AccountStatement | None = None
    others: dict[str, int] = field(default_factory=dict)  # what else the file holds -> line
    failures: list[tuple[int, str]] = field(default_factory=list)  # line, what the bank's server says
    has_root: bool = False
    is_closed: bool = False
    _inside: str = ""  # the aggregate whose elements are of interest
    _status: dict[str, str] = field(default_factory=dict)
    _tags: int = 0

    def take(self, end: bool, name: str, text: str, line: int) -> None:
        """Take in one tag and the text after it. Raises UnreadableStatement for a file of too many tags or statements."""
        self._tags += 1
        if self._tags > MAX_LOOSE_TAGS:
            raise _too_many(line, f"{MAX_LOOSE_TAGS} tags outside of transactions")
        if end:
            self._close(name, line)
        elif name in _KINDS:
            self._open_statement(_KINDS[name], line)
        elif name in _OWNERS or name in _BALANCES or name == "STATUS":
            self._finish_status(line)
            self._inside = name
        elif name == "OFX":
            self.has_root = True
        elif name in _OTHER_ANSWERS:
            self.others.setdefault(_OTHER_ANSWERS[name], line)
        elif self._inside == "STATUS":
            self._status[name] = unescape(text.strip())
        elif self.current is not None:
            self._detail(self.current, name, text)

    def statement_of_row(self, line: int) -> AccountStatement:
        """The statement to which a transaction on this line belongs."""
        if self.current is None:
            self._open_statement("", line)
        assert self.current is not None  # nosec B101  # tells mypy what the lines above made sure of
        self._inside = ""
        return self.current

    def accounts(self) -> list[str]:
        """The accounts that have a statement, in file order."""
        return list(dict.fromkeys(found for statement in self.statements if (found := statement.account)))

    def notes(self) -> list[str]:
        """What was left out, and what a person should know."""
        notes = []
        securities, positions = (sum(getattr(s, name) for s in self.statements) for name in ("securities", "positions"))
        if securities or positions:
            left_out = [f"{securities} securities transactions"] * bool(securities) + [f"{positions} positions"] * bool(positions)
            notes.append(f"{' and '.join(left_out)} of an investment account are left out: only its cash rows are read")
        if loans := sum(s.loans for s in self.statements):
            notes.append(f"{loans} loan transactions (LOANSTMTTRN) are left out")
        if any(not s.kind for s in self.statements):
            notes.append("transactions outside of any statement: the file does not say whose they are")
        notes += [f"line {line}: the bank reports {text}" for line, text in self.failures]
        if self.has_root and not self.is_closed:
            notes.append("the file ends before </OFX>: it may be cut off")
        return notes

    def why_not_a_statement(self) -> tuple[int, str]:
        """For a file without transactions: line and reason; no reason where it holds a statement that is merely empty."""
        if any(s.kind in ("bank", "card") and not s.is_empty_shell for s in self.statements):
            return 0, ""
        reasons = [(s.line, _nothing_to_import(s)) for s in self.statements if s.kind in _NAMES]
        reasons += [(line, f"this is {what}, not a statement") for what, line in self.others.items()]
        reasons += [(line, f"the bank's server reports {text}; the file holds no statement") for line, text in self.failures]
        reasons += [(s.line, "a statement without account, currency and transactions") for s in self.statements]
        if self.has_root:
            reasons.append((1, "the file has an <OFX> element, but no statement in it"))
        reasons.append((1, "this is not an OFX file: it has no <OFX> element and no transaction"))
        return reasons[0]

    def _open_statement(self, kind: str, line: int) -> None:
        if len(self.statements) >= MAX_STATEMENTS:
            raise _too_many(line, f"{MAX_STATEMENTS} statements")
        self.current = AccountStatement(len(self.statements), kind, line)
        self.statements.append(self.current)
        self._inside = ""

    def _close(self, name: str, line: int) -> None:
        if name == "STATUS":
            self._finish_status(line)
        if name in _KINDS:
            self.current = None
        if name == self._inside or name in _KINDS:
            self._inside = ""
        if name == "OFX":
            self.is_closed = True

    def _finish_status(self, line: int) -> None:
        status, self._status = self._status, {}
        if status.get("SEVERITY", "").upper() == "ERROR" and len(self.failures) < 100:
            code, message = status.get("CODE", ""), status.get("MESSAGE", "")
            self.failures.append((line, f"error {code}" + (f": {message[:300]}" if message else "")))

    def _detail(self, statement: AccountStatement, name: str, text: str) -> None:
        if name == "CURDEF":
            statement.currency = text.strip().upper() or None
        elif name in _LISTS:
            statement.has_list, self._inside = True, ""
        elif self._inside in _OWNERS and name in _IDENTITY:
            statement.identity.setdefault(name, text.strip())
        elif self._inside == "LEDGERBAL" and name == "BALAMT":
            value, affix, _ = parse_amount(text.strip(), self.form)
            if value is not None:
                statement.closing = -value if affix.sign < 0 else value
        elif self._inside == "LEDGERBAL" and name == "DTASOF":
            statement.closing_date = compact_formats(8)[0].parse(text.strip()[:8])
        elif name in _SECURITIES:
            statement.securities += 1
        elif name in _POSITIONS:
            statement.positions += 1
        elif name == "LOANSTMTTRN":
            statement.loans += 1


def _nothing_to_import(statement: AccountStatement) -> str:
    counts = ((statement.securities, "securities transactions"), (statement.positions, "positions"), (statement.loans, "loan transactions"))
    held = " and ".join(f"{count} {what}" for count, what in counts if count)
    content = f" with {held}" if held else ""
    return f"a statement of {_NAMES[statement.kind]} account{content}, but without cash rows: there is nothing to import"


def _too_many(line: int, what: str) -> UnreadableStatement:
    reason = f"more than {what} by line {line}: this is not a statement"
    return UnreadableStatement(reason, [RowError(line, "file", reason)])
