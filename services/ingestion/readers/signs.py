"""Which way the money went: the sign convention of a file, told by all of its rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import polars as pl

from services.ingestion.readers.amounts import split_cell
from services.ingestion.readers.folding import fold
from services.ingestion.readers.words import CARD_CREDIT, CARD_DEBIT, EARNED, PURCHASE, direction_of

MAX_WORDS = 200
# What a card company writes on the payment of a bill. A shop that a bank account pays may thank as well: see _is_inverted.
_THANKS = (
    r"\b\w*payment\b.{0,15}\bthank", r"\bthank.{0,15}\bpayment\b", r"\bpayment received\b",
    r"\bpaiement (?:recu|reçu|merci)\b", r"\bmerci\b.{0,20}\bpaiement\b", r"\bpr.l.vement\b.{0,30}\bmerci\b",
    r"\bzahlung erhalten\b", r"\bvielen dank\b.{0,20}\bzahlung\b", r"\bbetaling ontvangen\b",
    r"\bpago recibido\b", r"\bgracias por su pago\b", r"\bpagamento (?:recebido|ricevuto|obrigado)\b", r"\bobrigado pelo pagamento\b",
    r"\binbetalning tack\b", r"\btack f.r\b.{0,15}\bbetalning",
    # Too common inside of other texts: they must be all of it.
    r"^\W*(?:ihre zahlung|uw betaling|su pago|obrigado)(?:\W+(?:(?:besten |vielen |herzlichen )?danke?|dank u|bedankt|gracias))?\W*$",
)  # fmt: skip
THANKS = f"(?i){'|'.join(_THANKS)}"


@dataclass(frozen=True)
class SignRule:
    """How a printed amount becomes a signed one.

    `kind`: "printed" (as it stands), "inverted" (printed the other way round), "marked" (unmarked leaves, marked comes in),
    "direction" (a column of words decides; a minus is a reversal), "direction_only" (the words decide, a sign is ignored),
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
    """Counts over the amounts that are not zero. The keys of `rows` are (sign, direction word, kind of booking, thanks)."""

    rows: Counter[tuple[int, str, str, bool]] = field(default_factory=Counter)
    earned: Counter[int] = field(default_factory=Counter)  # signs of the rows whose kind or category is income
    debit: Counter[int] = field(default_factory=Counter)
    credit: Counter[int] = field(default_factory=Counter)
    flags: int = 0

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
                "thanks": texts.str.contains(THANKS) if texts is not None else pl.Series([False] * len(amounts)),
            }
        ).filter(amounts.str.contains("[1-9]") & pl.col("sign").is_not_null())
        for *key, count in frame.group_by("sign", "word", "kind", "thanks").len().iter_rows():
            sign, word, kind, thanks = key
            if len(self.rows) < MAX_WORDS * 20:
                self.rows[(int(sign), word, kind[:60], bool(thanks))] += count
        for labels in (kinds, categories):
            if labels is not None:
                income = labels.is_in([label for label in labels.unique() if fold(label) in EARNED])
                cells = amounts.filter(income & amounts.str.contains("[1-9]"))
                self.earned.update(sign or 1 for sign in signs_of(cells).drop_nulls())

    def add_pair(self, debits: pl.Series | None, credits: pl.Series | None) -> None:
        """Take in a chunk of the two columns of a pair."""
        for cells, tally in ((debits, self.debit), (credits, self.credit)):
            if cells is not None:
                signs = signs_of(cells.filter(cells.str.contains("[1-9]"))).drop_nulls()
                tally.update(Counter(signs.to_list()))


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


def decide_sign(tally: SignTally, *, has_direction: bool, is_card: bool, proved: str | None = None) -> SignRule:
    """The convention of a single amount column. `proved`: "printed" or "inverted", where the running balance tells."""
    signs = Counter[int]()
    for (sign, _, _, _), count in tally.rows.items():
        signs[sign] += count
    # Headings above the rows speak only where no sign does.
    rule = _by_direction(tally, signs, "direction column" if has_direction else "heading") if has_direction or not signs[-1] else None
    if rule:
        return rule
    if signs[-1] == 0 and signs[1] and signs[0]:
        return SignRule("marked", "amounts without a sign are charges; those marked + or CR come in")
    if proved == "inverted":
        return SignRule("inverted", "money out is printed as positive and money in as negative, as the running balance shows")
    if proved == "printed" and signs[-1] and not _is_owed(tally):
        return SignRule("printed", "a minus is money out, as the running balance shows")
    if tally.earned[-1] and not tally.earned[1] and signs[0] + signs[1] > signs[-1]:
        return SignRule("inverted", "income is printed as negative, and what is spent as positive")
    if _is_inverted(tally, signs, is_card):
        return SignRule("inverted", "a card's view: charges are printed as positive, payments and refunds as negative")
    if not signs[-1] and (kinds := _card_kinds(tally)):
        return SignRule("kind", "amounts have no sign; the kind of booking tells purchases from payments", kinds)
    if not signs[-1]:
        return SignRule("printed", "no amount is negative: all are read as money in")
    return SignRule("printed", "a minus is money out")


def _by_direction(tally: SignTally, signs: Counter[int], source: str) -> SignRule | None:
    cross = Counter[tuple[int, int]]()
    words: dict[str, int] = {}
    for (sign, word, _, _), count in tally.rows.items():
        way = direction_of(word)
        words[word] = way
        cross[(sign if sign else 1, way)] += count
    ways = {way for way in words.values() if way}
    if not ways:
        return None
    if len(ways) == 1 and "" in words:  # only one way is marked: a blank is the other
        words[""] = -ways.pop()
    shown = ", ".join(f"{word or 'blank'} = money {'out' if way < 0 else 'in'}" for word, way in sorted(words.items())[:10] if way)
    if not signs[-1]:
        return SignRule("direction", f"amounts have no sign; the {source} decides ({shown})", words)
    if cross[(-1, -1)] and not cross[(-1, 1)] and not cross[(1, -1)]:
        return SignRule("printed", "a minus is money out; the direction column agrees")
    if cross[(1, -1)] and not cross[(1, 1)] and cross[(-1, 1)]:
        return SignRule("direction_only", f"the direction column decides ({shown}); the printed signs run the other way", words)
    if cross[(1, -1)] > cross[(-1, -1)]:
        return SignRule("direction", f"the direction column decides ({shown}); a minus is a reversal", words)
    return None


def _thanked(tally: SignTally) -> tuple[Counter[int], Counter[int]]:
    """The signs of the rows whose text thanks for a payment, and of all others."""
    thanked, others = Counter[int](), Counter[int]()
    for (sign, _, _, thanks), count in tally.rows.items():
        (thanked if thanks else others)[sign if sign else 1] += count
    return thanked, others


def _is_owed(tally: SignTally) -> bool:
    """Whether the balance is that of a card, which charges make grow: nearly all rows are positive but the thanked payments."""
    thanked, others = _thanked(tally)
    return thanked[-1] > thanked[1] and others[1] > 4 * max(others[-1], 1)


def _is_inverted(tally: SignTally, signs: Counter[int], is_card: bool) -> bool:
    """Thanked payments that are negative among positive charges, purchases that are positive, or a card's columns over mostly positive
    amounts. Thanks among rows that are mostly negative as well are those of a company that a bank account paid.
    """
    thanked, others = _thanked(tally)
    if thanked[-1] or thanked[1]:
        return thanked[-1] > thanked[1] and (others[1] > others[-1] or not others.total())
    bought = Counter[int]()
    for (sign, _, kind, _), count in tally.rows.items():
        bought[sign if sign else 1] += count * (fold(kind) in PURCHASE)
    if bought[-1] or bought[1]:
        return bought[1] > bought[-1] and (signs[-1] > 0 or not _card_kinds(tally))
    return is_card and signs[0] + signs[1] > 4 * signs[-1] and signs[0] + signs[1] > 0


def _card_kinds(tally: SignTally) -> dict[str, int]:
    """Kinds of booking as directions, where purchases and payments are told apart in words; else empty."""
    kinds = {kind for _, _, kind, _ in tally.rows}
    known = {kind: -1 if fold(kind) in CARD_DEBIT else 1 if fold(kind) in CARD_CREDIT else 0 for kind in kinds}
    return known if any(fold(kind) in PURCHASE for kind in kinds) and all(known.values()) else {}
