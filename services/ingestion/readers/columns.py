"""Which column is what: by the names in the header first, checked against the cells, then by the cells alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

from services.ingestion.readers.column_stats import ColumnStats
from services.ingestion.readers.currencies import CODES, code_of
from services.ingestion.readers.folding import fold
from services.ingestion.readers.header_names import NAMES
from services.ingestion.readers.money_columns import MoneyColumns, NeedsColumns, infer_money

FIELDS = (
    "date", "amount", "debit", "credit", "direction", "description", "merchant", "category", "payment_method", "currency",
    "account", "status", "balance", "source_id",
)  # fmt: skip
_WHOLE_NAMES = frozenset({"direction", "status", "source_id", "price", "quantity", "security", "card"})
# Names that mean something alone, but little as part of a longer one.
_SAYS_LITTLE = frozenset(
    "name item text type value total time transaction payment payments charge charges info title money class group note price".split()
)
# These tell the names of a field apart, and are none themselves. "means": what was paid with, as a credit or a debit card;
# "pending_flag": yes where a row is not booked yet.
_SIDES = ("own_currency", "purchase_currency", "purchase_amount", "means", "pending_flag")
_ALL_NAMES = frozenset(name for field, table in NAMES.items() if field not in _SIDES for name in table)
_PART = 10  # added to the rank when a name is only part of the header
_BRACKETS = str.maketrans("（）［］", "()[]")
_ANY_CASE = frozenset("EUR USD GBP CHF SEK NOK DKK PLN CZK HUF AUD CAD NZD INR JPY SGD HKD BRL ZAR RON".split())
_YEAR_FIRST = frozenset({"zh", "ja", "ko"})
_WORDS_TOO = frozenset({"ALL", "TOP", "TRY", "CUP", "PEN", "SOS", "ANG", "MOP", "BAM", "LEI"})


@dataclass(frozen=True)
class Columns:
    """Positions, from 0, of the columns that a field is read from; None where the file has none."""

    date: int = -1
    amount: int | None = None
    debit: int | None = None
    credit: int | None = None
    direction: int | None = None
    description: tuple[int, ...] = ()
    merchant: int | None = None
    category: int | None = None
    payment_method: int | None = None
    currency: int | None = None
    account: int | None = None
    status: int | None = None
    balance: int | None = None
    source_id: int | None = None
    fee: int | None = None
    rival: int | None = None  # an amount under the same name, of another currency
    other_dates: tuple[int, ...] = ()

    def money(self) -> tuple[int, ...]:
        """The columns that hold the row's amount."""
        return tuple(c for c in (self.amount, self.debit, self.credit) if c is not None)

    def texts(self) -> tuple[int, ...]:
        """The columns that say in words what the row is, the description first."""
        return self.description if self.merchant is None else (*self.description, self.merchant)

    def named(self, names: Sequence[str]) -> dict[str, str]:
        """field -> column name, for a person; several description columns are joined by " + "."""
        shown: dict[str, str] = {}
        for field in FIELDS:
            at = getattr(self, field)
            if isinstance(at, tuple):
                if at:
                    shown[field] = " + ".join(names[i] for i in at)
            elif at is not None and at >= 0:
                shown[field] = names[at]
        return shown


@dataclass(frozen=True)
class HeaderName:
    """A header cell, folded, without the currency that it may carry ("Betrag (EUR)" is "betrag" and EUR)."""

    raw: str
    text: str
    currency: str | None

    def is_in_one_currency(self) -> bool:
        """Whether it names a currency beyond doubt: "(CAD)", not "($)"."""
        return self.currency is not None and not any(sign in self.raw for sign in "$¥￥")


def header_name(cell: str) -> HeaderName:
    """Fold a header cell and take the currency out of it."""
    return _header_name(cell[:200])


@lru_cache(maxsize=8192)
def _header_name(raw: str) -> HeaderName:
    currency: str | None = None
    cell = raw.translate(_BRACKETS)
    bare = cell.strip().strip("$€£").upper()
    if bare in CODES and bare not in _WORDS_TOO:
        return HeaderName(raw, "", bare)
    bracketed = re.search(r"[(\[]([^()\[\]]{1,8})[)\]]", cell)
    if bracketed and (inside := code_of(bracketed.group(1)) or code_of(bracketed.group(1).split(" ")[-1])):  # "(R$)", "(em R$)"
        currency = inside
        cell = cell.replace(bracketed.group(0), " ")
    elif (sign := re.search(r"[€£$¥₹]", cell)) and code_of(sign.group()):
        currency = code_of(sign.group())
    words = re.findall(r"\w+|[^\w\s]+", re.sub(r"_", " ", cell))
    for word in words[1:]:
        upper = word.upper()
        euro = upper in ("EURO", "EUROS", "EUROA")
        if euro or (upper in CODES and upper not in _WORDS_TOO and (word.isupper() or upper in _ANY_CASE)):
            currency = currency or ("EUR" if euro else upper)
            words.remove(word)
            break
    text = fold(" ".join(words))
    if currency and text not in _ALL_NAMES:  # "Betrag in EUR", but not "Paid in (EUR)"
        text = re.sub(r" (in|en|w|i|v)$", "", text)
    return HeaderName(raw, text, currency)


@lru_cache(maxsize=32_768)
def name_rank(name: HeaderName, field: str) -> int | None:
    """How well a header names a field: the rank of the table, plus 10 when only part of the header says so; None if not."""
    known = NAMES[field]
    if name.text in known:
        return known[name.text][0]
    plain = name.text.rstrip(" 0123456789")
    if plain in known:
        return known[plain][0]
    others = NAMES.get(f"other_{field}", {})
    tokens = name.text.split()
    if not tokens or len(tokens) > 12 or name.text in others or _runs(tokens, others):
        return None
    if field in _WHOLE_NAMES or name.text in _ALL_NAMES:
        return None
    found = [known[run][0] for run in _runs(tokens, known) if len(run) > 3 and run not in _SAYS_LITTLE]
    return min(found) + _PART if found else None


def _runs(tokens: list[str], known: Mapping[str, object]) -> list[str]:
    """The known names that occur in a header as whole words."""
    spans = (" ".join(tokens[i:j]) for i in range(len(tokens)) for j in range(i + 1, min(len(tokens), i + 5) + 1))
    return [span for span in spans if span in known]


def languages_of(names: Sequence[HeaderName]) -> bool:
    """Whether the header is surely of a language that puts the day first: neither English nor one that puts the year first."""
    foreign = english = 0
    for name in names:
        languages = {language for known in NAMES.values() if name.text in known for language in known[name.text][1]}
        foreign += bool(languages - _YEAR_FIRST) and "en" not in languages
        english += languages == {"en"}
    return foreign > english


def assign(names: Sequence[HeaderName] | None, stats: Sequence[ColumnStats], given: Columns, given_fields: frozenset[str]) -> Columns:
    """Give every field its column. What the caller gave stands. Raises NeedsColumns when the amount cannot be told."""
    choice = _Choice(names, stats, set(_positions(given)))
    columns = replace(given, date=choice.date(given.date))
    columns = replace(columns, other_dates=tuple(i for i, s in enumerate(stats) if i != columns.date and s.is_date()))
    choice.used |= {columns.date, *columns.other_dates}
    for field in ("direction", "status", "balance"):
        if field not in given_fields:
            columns = with_field(columns, field, getattr(choice, field)())
    columns = _with_money(columns, choice, given_fields)
    choice.used |= set(_positions(columns)) - choice.shared
    for field in ("currency", "merchant", "description", "account", "source_id", "category", "payment_method"):
        if field not in given_fields:
            columns = with_field(columns, field, choice.currency(columns) if field == "currency" else getattr(choice, field)())
            choice.used |= set(_positions(columns)) - choice.shared
    if not columns.description and columns.merchant is None:
        columns = replace(columns, description=choice.longest_text())
    return replace(columns, fee=choice.fee(), rival=choice.rival(columns.amount))


def with_field(columns: Columns, field: str, at: int | tuple[int, ...] | None) -> Columns:
    """The columns with another position for one field."""
    changes: dict[str, Any] = {field: at}
    return replace(columns, **changes)


def _positions(columns: Columns) -> list[int]:
    found: list[int] = []
    for item in fields(columns):
        at = getattr(columns, item.name)
        found += at if isinstance(at, tuple) else [at] if at is not None and at >= 0 else []
    return found


def _with_money(columns: Columns, choice: _Choice, given: frozenset[str]) -> Columns:
    if "amount" in given or "debit" in given or "credit" in given:
        return columns
    amount, debit, credit = choice.amount(), choice.best("debit", _empty_or_amount), choice.best("credit", _empty_or_amount)
    if debit is not None and credit is not None and debit != credit and (amount is None or not choice.is_signed(amount)):
        filled = choice.stats[debit].amounts + choice.stats[credit].amounts
        if filled or amount is None:
            return replace(columns, debit=debit, credit=credit)
    if amount is not None:
        return replace(columns, amount=amount)
    out, into = (choice.partly_amounts(field) if at is None else at for field, at in (("debit", debit), ("credit", credit)))
    if out is not None and into is not None and out != into:
        return replace(columns, debit=out, credit=into)
    if (amount := choice.partly_amounts("amount")) is not None:
        return replace(columns, amount=amount)
    if (debit is None) != (credit is None):
        return replace(columns, debit=debit, credit=credit)
    aside = frozenset(at for at, name in enumerate(choice.names or []) if name.text in NAMES["other_amount"])
    found: MoneyColumns = infer_money(choice.stats, choice.used, columns.direction, named=choice.names is not None, aside=aside)
    if found.amount is not None and found.amount == columns.balance:
        raise NeedsColumns(f"only column {found.amount + 1} holds amounts, and its name says that they are balances")
    return replace(
        columns, amount=found.amount, debit=found.debit, credit=found.credit,
        balance=columns.balance if columns.balance is not None else found.balance,
    )  # fmt: skip


def _empty_or_amount(stats: ColumnStats) -> bool:
    return stats.filled == stats.nothings or stats.is_amount()


# Columns with other names whose cells all say in or out. A state C or R in every row is cleared or reconciled, and no direction.
_DIRECTION_TOO = (
    ("payment_method", ColumnStats.is_sure_direction),
    ("category", ColumnStats.is_sure_direction),
    ("status", ColumnStats.is_sure_direction),
    ("payment_method", ColumnStats.is_all_direction),
    ("category", ColumnStats.is_all_direction),
)


class _Choice:
    """The best column for each field among those not yet used."""

    def __init__(self, names: Sequence[HeaderName] | None, stats: Sequence[ColumnStats], used: set[int]) -> None:
        self.names, self.stats, self.used = names, stats, used
        self.shared: set[int] = set()  # serves as the direction and as what its name says

    def best(self, field: str, fits: Callable[[ColumnStats], bool]) -> int | None:
        """The column that the header names best and whose cells fit; the first of equals."""
        found = self._ranked(field, fits)
        return found[0][1] if found else None

    def _ranked(self, field: str, fits: Callable[[ColumnStats], bool]) -> list[tuple[int, int]]:
        if self.names is None:
            return []
        ranked = []
        for at, name in enumerate(self.names):
            rank = name_rank(name, field) if at not in self.used else None
            if rank is not None and fits(self.stats[at]):
                ranked.append((rank, at))
        return sorted(ranked)

    def date(self, given: int) -> int:
        if given >= 0:
            return given
        found = self._ranked("date", lambda s: s.is_date(named=True))
        most = max((self.stats[at].dates for _, at in found), default=0)
        for _, at in found:
            if self.stats[at].dates >= 0.5 * most:  # rows still pending often lack the later date
                return at
        sure = [at for at, s in enumerate(self.stats) if at not in self.used and s.is_date()]
        most = max((self.stats[at].dates for at in sure), default=0)
        sure = [at for at in sure if self.stats[at].dates >= 0.8 * most]
        if not sure:
            raise NeedsColumns("no column holds dates")
        return sure[0]

    def is_signed(self, at: int) -> bool:
        return self.stats[at].negatives + self.stats[at].flags > 0

    def amount(self) -> int | None:
        """Of columns named equally well the first, unless it is mostly zero where another is not: that is of another currency."""
        ranked = self._ranked("amount", ColumnStats.is_amount)
        if self._has_sides():
            ranked = [(rank, at) for rank, at in ranked if rank < _PART and not self._is_named(at, "purchase_amount")] or ranked
        equals = [at for rank, at in ranked if rank == ranked[0][0]]
        most = max((self.stats[at].nonzero() for at in equals), default=0)
        return next((at for at in equals if 2 * self.stats[at].nonzero() > most), equals[0] if equals else None)

    def rival(self, amount: int | None) -> int | None:
        """Another column of amounts whose name differs in the currency alone."""
        if self.names is None or amount is None or amount >= len(self.names):
            return None
        own = self.names[amount]
        return next(
            (
                at for at, name in enumerate(self.names)
                if at != amount and name.text == own.text and name.currency and name.currency != own.currency and self.stats[at].is_amount()
            ), None,
        )  # fmt: skip

    def _is_named(self, at: int, side: str) -> bool:
        return self.names is not None and self.names[at].text in NAMES[side]

    def _has_sides(self) -> bool:
        """Whether a currency of the purchase and one of the account have a column each."""
        found = [at for at, s in enumerate(self.stats) if s.is_currency() and self.names is not None and at < len(self.names)]
        return all(any(self._is_named(at, side) for at in found) for side in ("own_currency", "purchase_currency"))

    def partly_amounts(self, field: str) -> int | None:
        """A column whose name leaves no doubt, though many of its cells are no amounts: these are errors of their rows."""
        ranked = self._ranked(field, lambda s: s.amounts > 0 and not s.is_date() and not s.is_code())
        return next((at for rank, at in ranked if rank < 2 or (rank < _PART and self.stats[at].amounts * 3 >= self.stats[at].filled)), None)

    def balance(self) -> int | None:
        return self.best("balance", ColumnStats.is_amount)

    def fee(self) -> int | None:
        if self.names is None:
            return None
        return next((at for at, n in enumerate(self.names) if n.text in NAMES["fee"] and self.stats[at].is_amount()), None)

    def direction(self) -> int | None:
        found = self.best("direction", ColumnStats.is_direction)
        if found is not None:
            return found
        for field, certain in _DIRECTION_TOO:
            if (found := self.best(field, certain)) is not None and not self._is_named(found, "means"):
                self.shared.add(found)
                return found
        for certain in (ColumnStats.is_sure_direction, ColumnStats.is_all_direction):
            free = [at for at, s in enumerate(self.stats) if self._is_nameless(at) and certain(s)]
            if free:
                return free[0] if len(free) == 1 else None
        return None

    def status(self) -> int | None:
        found = self.best("status", ColumnStats.is_status)
        if found is None and (partly := self.best("status", ColumnStats.is_partly_status)) is not None:
            has_text = any(at != partly and at not in self.used and s.is_text() for at, s in enumerate(self.stats))
            found = partly if has_text else None
        if found is not None:
            return found
        return next((at for at, s in enumerate(self.stats) if self._is_named(at, "pending_flag") and s.is_yes_or_no()), None)

    def currency(self, columns: Columns) -> int | None:
        money = columns.money()
        if self.names is not None and money and all(self.names[at].is_in_one_currency() for at in money):
            return None  # a column of currencies beside it is of another amount
        ranked = self._ranked("currency", ColumnStats.is_currency)
        if ranked and money and self._has_sides():
            other = "own_currency" if self._is_named(money[0], "purchase_amount") else "purchase_currency"
            ranked = [(rank, at) for rank, at in ranked if not self._is_named(at, other)] or ranked
        if ranked:
            lowest = [at for rank, at in ranked if rank == ranked[0][0]]
            after = [at for at in lowest if money and at > money[0]]
            return after[0] if after else lowest[0]
        return next((at for at, s in enumerate(self.stats) if self._is_nameless(at) and s.is_currency()), None)

    def _is_nameless(self, at: int) -> bool:
        """Neither used nor under a name that the table knows: the cells may speak for themselves."""
        if at in self.used:
            return False
        return self.names is None or not any(self.names[at].text in known for known in NAMES.values())

    def description(self) -> tuple[int, ...]:
        found = self.best("description", ColumnStats.is_text)
        if found is not None and self.names is not None:
            stem = self.names[found].text.rstrip(" 0123456789")
            same = [
                at for at, name in enumerate(self.names)
                if at not in self.used and name.text.rstrip(" 0123456789") == stem and re.search(r"\d$", name.text)
            ]  # fmt: skip
            return tuple(sorted({found, *same})) if re.search(r"\d$", self.names[found].text) else (found,)
        return ()

    def longest_text(self) -> tuple[int, ...]:
        """The column with the longest texts, where no name says description."""
        text = [at for at, s in enumerate(self.stats) if self._is_nameless(at) and s.is_text()]
        return (max(text, key=lambda at: (self.stats[at].distinct > 1, self.stats[at].length)),) if text else ()

    def merchant(self) -> int | None:
        return self.best("merchant", ColumnStats.is_text)

    def category(self) -> int | None:
        return self.best("category", ColumnStats.is_text)

    def payment_method(self) -> int | None:
        return self.best("payment_method", ColumnStats.is_text)

    def account(self) -> int | None:
        ranked = self._ranked("account", lambda s: s.filled > 0 and not s.is_date())
        exact = [at for rank, at in ranked if rank == 0]
        if exact:
            return next((at for at in exact if self.stats[at].is_iban()), exact[0])
        has_other = self.names is not None and any(name_rank(name, "merchant") is not None for name in self.names)
        weak = [at for rank, at in ranked if rank == 1 and self.stats[at].distinct == 1 and not has_other]
        return weak[0] if weak else None

    def source_id(self) -> int | None:
        return self.best("source_id", ColumnStats.is_unique_id)
