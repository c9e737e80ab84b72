"""The messages of an MT940 or MT942 file: whose they are, in which currency, between which balances."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from services.ingestion.readers.balances import Section
from services.ingestion.readers.currencies import CODES
from services.ingestion.readers.dates import compact_formats

MAX_ACCOUNT_CHARS = 200  # the standard has 35
MAX_BALANCE = Decimal(10) ** 18
_BALANCE = re.compile(r"([CD])\s*(\d{6})\s*([A-Z]{3})?\s*(\d[\d.,]{0,40})(?! *\d)", re.ASCII)
# The standard has a comma and nothing between thousands; some banks have points there, some write as in English.
_AMOUNT = re.compile(r"(\d+|[1-9]\d{0,2}(?:\.\d{3})+)(?:,(\d{0,6}))?", re.ASCII)
_ENGLISH_AMOUNT = re.compile(r"(\d+|[1-9]\d{0,2}(?:,\d{3})+)\.(\d{0,6})|([1-9]\d{0,2}(?:,\d{3}){2,})", re.ASCII)
_FLOOR = re.compile(r"([A-Z]{3})")
_SUM = re.compile(r"\d*([A-Z]{3})")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_APPENDED_CURRENCY = re.compile(r"[\s/]+([A-Z]{3})$")


@dataclass
class Message:
    """One message. `number` counts them from 0; `is_interim` for MT942."""

    number: int
    line: int
    account: str | None = None
    currency: str | None = None
    is_interim: bool = False
    has_opening: bool = False
    has_closing: bool = False
    rows: int = 0
    section: Section = field(default_factory=lambda: Section("", ""))

    def complete(self) -> Section:
        """The section for the check of balances."""
        self.section.account, self.section.currency = self.account or "", self.currency or ""
        return self.section

    def open_with(self, text: str) -> bool:
        """Take in :60F: or :60M:; False when it cannot be read."""
        found = balance_of(text)
        self.has_opening = True
        if found is None:
            return False
        currency, self.section.opening, self.section.opening_date = found
        self.currency = currency or self.currency
        return True

    def close_with(self, text: str) -> bool:
        """Take in :62F: or :62M:; False when it cannot be read."""
        found = balance_of(text)
        self.has_closing = True
        if found is None:
            return False
        currency, self.section.closing, self.section.closing_date = found
        self.currency = self.currency or currency
        return True


def balance_of(text: str) -> tuple[str | None, Decimal, date | None] | None:
    """Currency, signed amount and date of "C131016DEM84349,74"; None where it cannot be read. Some banks leave the currency out."""
    match = _BALANCE.match(text.strip())
    if match is None:
        return None
    mark, day, currency, amount = match.groups()
    read = _AMOUNT.fullmatch(amount) or _ENGLISH_AMOUNT.fullmatch(amount)
    if read is None:
        return None
    whole, fraction = re.sub("[.,]", "", read[1] or read[3]), read[2]
    value = Decimal(f"{whole.lstrip('0') or 0}.{fraction or 0}")
    if value > MAX_BALANCE:  # of more digits than can be reckoned with
        return None
    return currency, -value if mark == "D" else value, compact_formats(6)[0].parse(day)


def currency_of(tag: str, text: str) -> str | None:
    """The currency that a balance (:60F:), a floor limit (:34F:), a sum (:90D:) or, appended to the account, :25: names."""
    if tag in ("25", "25P"):
        appended = re.search(r"[\d\s/]([A-Z]{3})\s*$", text.upper())
        return appended.group(1) if appended and appended.group(1) in CODES else None
    if tag in ("60F", "60M", "62F", "62M"):
        found = balance_of(text)
        return found[0] if found else None
    match = _FLOOR.match(text.strip()) if tag == "34F" else _SUM.match(text.strip())
    return match.group(1) if match else None


def account_identifier(text: str) -> str | None:
    """The account of :25: without blanks, in upper case: an IBAN alone where it holds one, without the currency some banks append."""
    text = text.strip().upper()[:MAX_ACCOUNT_CHARS]  # the pattern takes the square of a run of marks
    text = _APPENDED_CURRENCY.sub(lambda found: "" if found[1] in CODES else found[0], text)
    parts = [bare for part in text.split("/") if (bare := "".join(part.split()))]
    for at, part in enumerate(parts):
        cut = part[:-3]
        if part[-3:] in CODES and (is_iban(cut) or (cut.isdigit() and at == len(parts) - 1)):
            parts[at] = cut
        if is_iban(parts[at]):
            return parts[at]
    return "/".join(parts) or None


def is_iban(text: str) -> bool:
    """Whether the check digits of an IBAN are right."""
    if not _IBAN.fullmatch(text):
        return False
    return int("".join(str(int(letter, 36)) for letter in text[4:] + text[:4])) % 97 == 1
