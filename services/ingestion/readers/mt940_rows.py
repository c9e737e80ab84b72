"""Statement lines (:61:) with their texts (:86:) as columns: ledger rows, with reasons for those that cannot be read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

import orjson
import polars as pl

from services.ingestion.readers.mt940_details import Details, read_details, read_numbered
from services.ingestion.readers.mt940_messages import Message
from services.ingestion.readers.record_rows import Checks, iso_currencies

_LINE = re.compile(
    r"\s*(?P<value>\d{6})(?P<entry>\d{4}|\s{4})?\s*(?P<mark>R?[CD]|E[CD])[A-Z]?\s*"
    r"(?P<amount>\d[\d.,]*|[.,]\d+)\s*(?P<type>[A-Z][A-Z0-9]{3})?(?P<reference>[^\n]*)",
    re.ASCII,
)
_AMOUNT = re.compile(r"(\d*|\d{1,3}(?:\.\d{3})+(?=,))(?:,(\d*))?|(\d*)\.(\d{0,2})", re.ASCII)
_SIGNS = {"C": 1, "D": -1, "RC": -1, "RD": 1, "EC": 1, "ED": -1}
_NO_ID = frozenset("NONREF NOREF NONE NOTPROVIDED NOTPROVIDED. UNKNOWN N/A NA EREF KREF MREF MARF PREF CREF".split())
_EXPECTED = "value date YYMMDD, entry date MMDD, C or D, an amount with a comma, a type such as NTRF"
CUT_OFF = "the file ends inside this line"


@dataclass(slots=True)
class Entry:
    """A statement line: the text of :61: by lines, those of its :86: and :NS:, and the message that it belongs to."""

    line: int
    lines: list[str]
    message: Message
    details: list[str] = field(default_factory=list)
    numbered: list[str] = field(default_factory=list)
    cut_off: bool = False


@dataclass(slots=True)
class _Parsed:
    day: date | None = None
    amount: str = ""
    mark: str = ""
    bank_reference: str = ""
    supplementary: str = ""
    kind: str = ""
    wrong: str = ""  # the field that cannot be read
    reason: str | None = None
    raw: dict[str, str] = field(default_factory=dict)


def frame_of(entries: list[Entry], given_currency: str | None, is_repeated: Callable[[pl.Series], pl.Series]) -> pl.DataFrame:
    """BATCH_SCHEMA's columns, `section` (the message's number), `field` and `reason` (null on good rows).

    `is_repeated` says which of the given bank references stand on several lines of the file: those are no ids.
    """
    parsed = [_parse(entry) for entry in entries]
    texts = [read_details(entry.details) if entry.details else read_numbered(entry.numbered) for entry in entries]
    frame = pl.DataFrame(
        {
            "line": pl.Series([entry.line for entry in entries], dtype=pl.Int64),
            "transaction_date": pl.Series([p.day for p in parsed], dtype=pl.Date),
            "amount": pl.Series([p.amount for p in parsed], dtype=pl.String).cast(pl.Decimal(19, 4), strict=False),
            "account": pl.Series([entry.message.account for entry in entries], dtype=pl.String),
            "section": pl.Series([entry.message.number for entry in entries], dtype=pl.Int64),
            "status": pl.Series(
                ["pending" if _is_pending(e, p) else "posted" for e, p in zip(entries, parsed, strict=True)], dtype=pl.String
            ),
            "reference": pl.Series([p.bank_reference or None for p in parsed], dtype=pl.String),
            "description": pl.Series([_description(p, d) for p, d in zip(parsed, texts, strict=True)], dtype=pl.String),
            "merchant": pl.Series([d.merchant or None for d in texts], dtype=pl.String),
            "payment_method": pl.Series([d.payment_method or p.kind or None for p, d in zip(parsed, texts, strict=True)], dtype=pl.String),
            "raw_data": pl.Series([_json(e, p, d) for e, p, d in zip(entries, parsed, texts, strict=True)], dtype=pl.String),
            "wrong": pl.Series([p.wrong for p in parsed], dtype=pl.String),
            "row_reason": pl.Series([p.reason for p in parsed], dtype=pl.String),
        }
    )
    currencies = pl.Series([given_currency or entry.message.currency for entry in entries], dtype=pl.String)
    codes, currency_reason = iso_currencies(currencies)
    frame = frame.with_columns(codes.alias("currency"), currency_reason.alias("currency_reason"))
    frame = frame.with_columns(category=pl.lit(None, dtype=pl.String), source_id=_source_ids(frame["reference"], is_repeated))
    return _judged(frame)


def _judged(frame: pl.DataFrame) -> pl.DataFrame:
    checks = Checks(frame)
    for name in ("row", "date", "amount"):
        checks.refuse(pl.col("row_reason").is_not_null() & (pl.col("wrong") == name), name, pl.col("row_reason"))
    checks.refuse(pl.col("amount").is_null(), "amount", "is beyond what the ledger holds")
    checks.refuse(pl.col("currency_reason").is_not_null(), "currency", pl.col("currency_reason"))
    return checks.frame


def _parse(entry: Entry) -> _Parsed:
    """One :61:. A line that is broken where it may not be is read together with the next ones."""
    match, used = _LINE.match(entry.lines[0]), 1
    while match is None and used < min(3, len(entry.lines)):
        used += 1
        match = _LINE.match("".join(entry.lines[:used]))
    if match is None:
        shown = " ".join(entry.lines)[:60]
        return _Parsed(wrong="row", reason=CUT_OFF if entry.cut_off else f"{shown!r} is not a statement line: {_EXPECTED}")
    value, entered, mark, amount_text, kind, reference = match.groups()
    if entry.cut_off and not kind and used == len(entry.lines):
        return _Parsed(wrong="row", reason=CUT_OFF)
    customer, _, bank = ("", "", "") if entry.cut_off else reference.partition("//")
    parsed = _Parsed(booking_day(value, entered or ""), "", mark, bank.strip(), " ".join(entry.lines[used:]).strip(), kind or "")
    parsed.raw = {"value_date": value, "entry_date": (entered or "").strip(), "mark": mark, "customer_reference": customer.strip(),
                  "bank_reference": parsed.bank_reference, "supplementary": parsed.supplementary}  # fmt: skip
    parsed.amount, reason = decimal_text(amount_text)
    if parsed.day is None:
        parsed.wrong, parsed.reason = (
            "date",
            f"neither value date {value!r} nor entry date {(entered or '').strip()!r} is a day of the calendar",
        )
    elif reason:
        parsed.wrong, parsed.reason = "amount", reason
    elif _SIGNS[mark] < 0:
        parsed.amount = f"-{parsed.amount}"
    return parsed


def decimal_text(amount: str) -> tuple[str, str]:
    """An amount with a decimal comma ("1234,5", "620,", or a point as some write) as a plain decimal, and why not where it is none."""
    match = _AMOUNT.fullmatch(amount)
    if match is None:
        return "", f"{amount[:40]!r} is not an amount with a decimal comma"
    whole, fraction = (match.group(1) or match.group(3) or "").replace(".", "").lstrip("0"), match.group(2) or match.group(4) or ""
    fraction = fraction.rstrip("0")
    if len(fraction) > 4:
        return "", f"{amount[:40]!r} has more than 4 decimals"
    if len(whole) > 14:
        return "", f"{amount[:40]!r} is beyond what the ledger holds"
    return f"{whole or 0}.{fraction or 0}", ""


@lru_cache(maxsize=65_536)
def booking_day(value: str, entry: str) -> date | None:
    """The entry date (MMDD), in the year that brings it nearest to the value date (YYMMDD); else the value date.

    Value dates of the 30/360 convention (30 February) are no days, and then only their year counts. None where neither is a day.
    """
    year = int(value[:2]) + (2000 if int(value[:2]) < 70 else 1900)
    valued = _calendar_day(year, int(value[2:4]), int(value[4:6]))
    if not entry.strip():
        return valued
    month, day = int(entry[:2]), int(entry[2:4])
    anchor = valued or _calendar_day(year, min(max(int(value[2:4]), 1), 12), 28)
    days = [found for near in (year - 1, year, year + 1) if (found := _calendar_day(near, month, day))]
    if not days or anchor is None:
        return valued
    return min(days, key=lambda found: abs(found - anchor))


def _calendar_day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _is_pending(entry: Entry, parsed: _Parsed) -> bool:
    """Interim reports (MT942) and expected entries (EC, ED) are not booked yet."""
    return entry.message.is_interim or parsed.mark[:1] == "E"


def _description(parsed: _Parsed, details: Details) -> str | None:
    text = details.description or parsed.supplementary
    reference = parsed.raw.get("customer_reference", "")
    return text or (reference if reference.upper() not in _NO_ID else "") or None


def _source_ids(references: pl.Series, is_repeated: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """The bank's own reference, where it can be an id: no stopgap, no mere counter of the day, and once in the file.

    The customer's reference and EREF are the payer's words and come again every month, so they never are.
    """
    bare = references.str.replace_all(r"\s+", "").str.strip_chars("/")
    usable = (
        (bare.str.len_chars() >= 8)
        & ~bare.str.to_uppercase().is_in(_NO_ID)
        & (bare.str.replace(r"^0+", "").str.len_chars() >= 6)
        & ~is_repeated(references)
    ).fill_null(False)
    return pl.select(pl.when(usable).then(bare)).to_series()


def _json(entry: Entry, parsed: _Parsed, details: Details) -> str:
    fields = {"61": "\n".join(entry.lines), "86": "\n".join(entry.details), "NS": "\n".join(entry.numbered), **parsed.raw, **details.parts}
    return orjson.dumps({name: text for name, text in fields.items() if text}).decode()
