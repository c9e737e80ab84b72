"""Which way the money went: the sign convention of a file, told by all of its rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import polars as pl

from services.ingestion.readers.amounts import split_cell
from services.ingestion.readers.folding import fold
from services.ingestion.readers.thanks import thanked
from services.ingestion.readers.words import CARD_CREDIT, CARD_DEBIT, CARD_PAYMENTS, EARNED, PURCHASE, direction_of

MAX_WORDS = 200
_COLUMN, _HEADING = "direction column", "heading"
# Money that a card gives back is negative where charges are positive: it says nothing of what thanks do not.
_GIVEN_BACK = (
    r"(?i)\b(?:refunds?|returns?|reversal|gutschrift|erstattung|remboursement|avoir|reembolso|devoluci[oó]n|rimborso|terugbetaling)\b"
)


@dataclass(frozen=True)
class SignRule:
    """How a printed amount becomes a signed one.

    `kind`: "printed" (as it stands), "inverted" (printed the other way round), "marked" (unmarked leaves, marked comes in),
    "direction" (a column of words, or headings, decide; a minus is a reversal), "direction_only" (the words decide, a sign is ignored),
    "kind" (the kind of booking decides, as in card exports),
    "columns" (money out and money in have a column each; `out` and `into` say what an unmarked number there means).
    `words` maps what the direction column says to -1 or 1.
    """

    kind: str
    text: str
    words: dict[str, int] = field(default_factory=dict)
    out: int = -1
    into: int = 1


@dataclass
class SignTally:
    """Counts over the amounts that are not zero. The keys of `rows` are (sign, direction word, kind of booking, what the text says):
    "thanks" for a payment, money "back", or "" for anything else.
    """

    rows: Counter[tuple[int, str, str, str]] = field(default_factory=Counter)
    earned: Counter[int] = field(default_factory=Counter)  # signs of the rows whose kind or category is income
    debit: Counter[int] = field(default_factory=Counter)
    credit: Counter[int] = field(default_factory=Counter)

    def add(
        self,
        amounts: pl.Series,
        words: pl.Series | None,
        kinds: pl.Series | None,
        texts: pl.Series | None,
        categories: pl.Series | None = None,
    ) -> None:
        """Take in a chunk of the amount column with the columns beside it."""
        nothing = pl.Series([""] * len(amounts), dtype=pl.String)
        frame = pl.DataFrame(
            {
                "sign": signs_of(amounts),
                "word": words if words is not None else nothing,
                "kind": kinds if kinds is not None else nothing,
                "said": _said(texts if texts is not None else nothing, categories if categories is not None else nothing),
            }
        ).filter(amounts.str.contains("[1-9]") & pl.col("sign").is_not_null())
        for *key, count in frame.group_by("sign", "word", "kind", "said").len().iter_rows():
            sign, word, kind, said = key
            if len(self.rows) < MAX_WORDS * 20:
                self.rows[(int(sign), word, kind[:60], said)] += count
        for labels in (kinds, categories):
            if labels is not None:
                cells = amounts.filter(_among(labels, EARNED) & amounts.str.contains("[1-9]"))
                self.earned.update(sign or 1 for sign in signs_of(cells).drop_nulls())

    def add_pair(self, debits: pl.Series | None, credits: pl.Series | None) -> None:
        """Take in a chunk of the two columns of a pair."""
        for cells, tally in ((debits, self.debit), (credits, self.credit)):
            if cells is not None:
                signs = signs_of(cells.filter(cells.str.contains("[1-9]"))).drop_nulls()
                tally.update(Counter(signs.to_list()))


def _said(texts: pl.Series, categories: pl.Series) -> pl.Series:
    back = pl.when(texts.str.contains(_GIVEN_BACK)).then(pl.lit("back")).otherwise(pl.lit(""))
    return pl.select(pl.when(thanked(texts) | _among(categories, CARD_PAYMENTS)).then(pl.lit("thanks")).otherwise(back)).to_series()


def _among(labels: pl.Series, known: frozenset[str]) -> pl.Series:
    return labels.is_in([label for label in labels.unique() if fold(label) in known])


def signs_of(cells: pl.Series) -> pl.Series:
    """-1, 0 or 1 as marked in each cell, whatever the number format; null where the cell is no amount."""
    shapes = cells.str.replace_all(r"\d", "9").alias("shape")
    distinct = shapes.unique()
    parts = [split_cell(shape) for shape in distinct]
    table = {shape: part[0].sign for shape, part in zip(distinct, parts, strict=True) if part is not None}
    if not table:
        return pl.Series("sign", [None] * len(cells), dtype=pl.Int8)
    return shapes.replace_strict(table, default=None, return_dtype=pl.Int8).alias("sign")


def decide_pair(tally: SignTally, *, has_debit: bool) -> SignRule:
    """A column for money out and one for money in; most of the numbers in each tell what an unmarked one means.

    Without a column for money out, the one for money in holds both, and a minus is money out.
    """
    if not has_debit:
        return SignRule("columns", "only money in has a column; a minus there is money out")
    out = 1 if tally.debit[-1] > tally.debit[0] + tally.debit[1] else -1
    into = -1 if tally.credit[-1] > tally.credit[0] + tally.credit[1] else 1
    shown = "with a minus" if out == 1 else "without a sign"
    return SignRule("columns", f"money out and money in have a column each; money out is printed {shown}", out=out, into=into)


def decide_sign(tally: SignTally, *, has_direction: bool, of_kinds: bool, is_card: bool, proved: str | None = None) -> SignRule:
    """The convention of a single amount column. `of_kinds`: the words for in and out stand in a column that is named as the kind of
    booking; `proved`: "printed" or "inverted", where the running balance tells.
    """
    signs = Counter[int]()
    for (sign, _, _, _), count in tally.rows.items():
        signs[sign] += count
    # Headings above the rows speak only where no sign does.
    if has_direction or not signs[-1]:
        rule = _by_direction(tally, signs, _COLUMN if has_direction else _HEADING, of_kinds=of_kinds)
        if rule:
            return rule
    if signs[-1] == 0 and signs[1] and signs[0]:
        return SignRule("marked", "amounts without a sign are charges; those marked + or CR come in")
    if proved == "inverted" and not signs[-1]:
        return SignRule("inverted", "money out is printed as positive, as the running balance shows")
    if proved == "printed" and signs[-1] and not _is_inverted(tally, signs, is_card=False):
        return SignRule("printed", "a minus is money out, as the running balance shows")
    if _is_income_negative(tally, signs):
        return SignRule("inverted", "income is printed as negative, and what is spent as positive")
    if _is_inverted(tally, signs, is_card=is_card):
        return SignRule("inverted", "a card's view: charges are printed as positive, payments and refunds as negative")
    if proved == "inverted":
        return SignRule("printed", "a minus is money out; the running balance grows with it, as that of a loan does")
    if not signs[-1] and (kinds := _card_kinds(tally)):
        return SignRule("kind", "amounts have no sign; the kind of booking tells purchases from payments", kinds)
    if not signs[-1]:
        return SignRule("printed", "no amount is negative: all are read as money in")
    return SignRule("printed", "a minus is money out")


def _by_direction(tally: SignTally, signs: Counter[int], source: str, *, of_kinds: bool) -> SignRule | None:
    cross = Counter[tuple[int, int]]()
    words: dict[str, int] = {}
    for (sign, word, _, _), count in tally.rows.items():
        way = direction_of(word)
        words[word] = way
        cross[(sign if sign else 1, way)] += count
    ways = {way for way in words.values() if way}
    if not ways:
        return None
    if len(ways) == 1 and "" in words and source == _COLUMN:  # only one way is marked: a blank is the other
        words[""] = -next(iter(ways))
    elif len(ways) == 1 and of_kinds and signs[-1]:  # one kind of booking, or of card, says nothing that the signs do not
        return None
    shown = ", ".join(f"{word or 'blank'} = money {'out' if way < 0 else 'in'}" for word, way in sorted(words.items())[:10] if way)
    if not signs[-1]:
        return SignRule("direction", f"amounts have no sign; the {source} decides ({shown})", words)
    if cross[(-1, -1)] and not cross[(-1, 1)] and not cross[(1, -1)]:
        return SignRule("printed", f"a minus is money out; the {source} agrees")
    if cross[(1, -1)] and not cross[(1, 1)] and cross[(-1, 1)]:
        return SignRule("direction_only", f"the {source} decides ({shown}); the printed signs run the other way", words)
    if cross[(1, -1)] > cross[(-1, -1)]:
        return SignRule("direction", f"the {source} decides ({shown}); a minus is a reversal", words)
    return None


def _is_income_negative(tally: SignTally, signs: Counter[int]) -> bool:
    """Whether what is called income is negative among several rows that are positive: one alone may be a correction."""
    positive = signs[0] + signs[1]
    return bool(tally.earned[-1]) and not tally.earned[1] and positive > 2 and positive > signs[-1]


def _is_inverted(tally: SignTally, signs: Counter[int], *, is_card: bool) -> bool:
    """Thanked payments that are negative among positive charges, purchases that are positive, or a card's columns over mostly positive
    amounts. Thanks among rows that are mostly negative as well are those of a company that a bank account paid.
    """
    said: dict[str, Counter[int]] = {"thanks": Counter(), "back": Counter(), "": Counter()}
    bought = Counter[int]()
    purchases = _purchases(tally)
    for (sign, _, kind, text), count in tally.rows.items():
        said[text][sign if sign else 1] += count
        bought[sign if sign else 1] += count * (kind in purchases)
    thanks, others = said["thanks"], said[""]
    if thanks[-1] or thanks[1]:
        return thanks[-1] > thanks[1] and (others[1] > others[-1] or not others.total())
    if bought[-1] or bought[1]:
        return bought[1] > bought[-1] and (signs[-1] > 0 or not _card_kinds(tally))
    return is_card and signs[0] + signs[1] > 4 * signs[-1] and signs[0] + signs[1] > 0


def _purchases(tally: SignTally) -> frozenset[str]:
    """Kinds of booking that are purchases. A sale is one to whom a card's payments are booked beside, else what a seller has earned."""
    kinds = {kind for _, _, kind, _ in tally.rows}
    has_payments = any(fold(kind) in ("payment", "payments") for kind in kinds)
    return frozenset(kind for kind in kinds if fold(kind) in PURCHASE and (has_payments or fold(kind) not in ("sale", "sales")))


def _card_kinds(tally: SignTally) -> dict[str, int]:
    """Kinds of booking as directions, where purchases and payments are told apart in words; else empty. Of kinds that are not known
    beside both the rows are errors.
    """
    kinds = {kind for _, _, kind, _ in tally.rows}
    known = {kind: -1 if fold(kind) in CARD_DEBIT else 1 if fold(kind) in CARD_CREDIT else direction_of(kind) for kind in kinds}
    return known if _purchases(tally) and (all(known.values()) or 1 in known.values()) else {}
