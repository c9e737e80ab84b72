"""Which columns hold the amount when no name says so: by signs, by gaps, and by the running balance, which cannot lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations, product

from services.ingestion.readers.amounts import AmountFormat, decide_marks, parse_amount
from services.ingestion.readers.column_stats import ColumnStats

SMALLEST = 3  # date, text and amount: in so small a table a bare number is the amount


class NeedsColumns(Exception):
    """The cells do not tell which column is what; the message says what is unclear."""


@dataclass(frozen=True)
class MoneyColumns:
    """One signed amount, or a pair of which one is filled."""

    amount: int | None = None
    debit: int | None = None
    credit: int | None = None
    balance: int | None = None


def infer_money(
    stats: Sequence[ColumnStats], used: set[int], direction: int | None, *, named: bool, aside: frozenset[int] = frozenset()
) -> MoneyColumns:
    """Find the amount among the columns of numbers. `aside` are those whose names say fee, rate or foreign amount.

    Raises NeedsColumns when the way of the money cannot be told.
    """
    found = _number_columns(stats, used)
    if not found:
        raise NeedsColumns("no column holds amounts")
    numeric = [at for at in found if at not in aside] or (found if len(found) == 1 else [])
    if not numeric:
        raise NeedsColumns(f"columns {_numbers(found)} hold numbers, but by their names none is the amount that was booked")
    values = {at: _values(stats, numeric, at) for at in numeric}
    for amount, balance in permutations(numeric, 2):
        own_sign = stats[amount].negatives > 0
        if _fills(values[amount], values[balance]) and follows_balance(values[amount], values[balance], before=own_sign):
            return MoneyColumns(amount=amount, balance=balance)
    for amount, start, end in permutations(numeric, 3):
        if _is_difference(values[amount], values[start], values[end]):
            return MoneyColumns(amount=amount, balance=end)
    for first, second in permutations(numeric, 2):
        if first < second and _exclude_each_other(values[first], values[second]):
            return _pair(first, second, values, [at for at in numeric if at not in (first, second)])
    signed = [at for at in numeric if stats[at].negatives or stats[at].flags]
    if len(numeric) == 1 or (len(signed) == 1 and signed[0] == numeric[0]):
        amount = numeric[0]
        if (named or len(stats) > SMALLEST) and not stats[amount].looks_like_money():
            raise NeedsColumns(f"no column is named as an amount, and the numbers in column {amount + 1} need not be money")
        unsigned = not signed and direction is None
        if unsigned and not named and any(0 <= at < len(stats) and not stats[at].filled for at in (amount - 1, amount + 1)):
            raise NeedsColumns(
                f"the amounts in column {amount + 1} have no sign, and the empty column beside it may be the other half of a "
                "pair: name it as debit (money out), credit (money in) or amount (signed)"
            )
        return MoneyColumns(amount=amount)
    raise NeedsColumns(f"columns {_numbers(numeric)} all hold numbers: name the one that is the amount, or the debit and the credit column")


def _numbers(columns: Sequence[int]) -> str:
    return ", ".join(str(at + 1) for at in columns)


def _number_columns(stats: Sequence[ColumnStats], used: set[int]) -> list[int]:
    found = [at for at, s in enumerate(stats) if at not in used and s.is_amount() and s.amounts >= 0.8 * s.filled and not s.is_date()]
    with_decimals = [at for at in found if stats[at].decimals * 10 >= stats[at].filled * 3]
    return with_decimals or found


def _values(stats: Sequence[ColumnStats], numeric: Sequence[int], at: int) -> list[Decimal | None]:
    form = provisional_format([cell for column in numeric for cell in stats[column].cells])
    return [signed_value(cell, form) for cell in stats[at].cells]


def provisional_format(cells: Sequence[str]) -> AmountFormat:
    """The number format of a sample."""
    shapes: dict[str, int] = {}
    for cell in cells:
        if cell:
            shapes[cell] = shapes.get(cell, 0) + 1
    return decide_marks(shapes, {}, None)


def signed_value(cell: str, form: AmountFormat) -> Decimal | None:
    """The amount as printed, unmarked taken as positive; None where it is not one."""
    value, affix, _ = parse_amount(cell, form)
    return None if value is None else -value if affix.sign < 0 else value


def follows_balance(
    amounts: Sequence[Decimal | None], balances: Sequence[Decimal | None], *, before: bool = False, steps: Sequence[int] = (1, -1)
) -> bool:
    """Whether each balance is the one before (or, newest first, the one after) plus the amount. Nine rows in ten must agree.

    Rows without an amount (None) are passed over, and nothing plus a number, or a number plus nothing, proves nothing. `before`: the
    balance may also be the one before the booking; with that a pair of columns fits as well the wrong way round, so it is only for
    amounts that carry their own sign. `steps`: 1 for oldest first, -1 for newest first.
    """
    for own, step in product((1, -1) if before else (1,), steps):
        checked = agreed = proved = 0
        for here in range(len(amounts)):
            there = here - step * own
            amount, balance = amounts[here], balances[here]
            other = balances[there] if 0 <= there < len(balances) else None
            if amount is not None and balance is not None and other is not None:
                checked += 1
                fits = (balance - other) * own == amount
                agreed += fits
                proved += fits and amount != 0 and other != 0
        if proved and agreed >= 0.9 * checked:
            return True
    return False


def _fills(amounts: Sequence[Decimal | None], balances: Sequence[Decimal | None]) -> bool:
    """Whether nearly every row with a balance has an amount: one half of a pair does not."""
    present = [amount for amount, balance in zip(amounts, balances, strict=True) if balance is not None]
    return bool(present) and sum(amount is not None for amount in present) >= 0.9 * len(present)


def _is_difference(amounts: Sequence[Decimal | None], starts: Sequence[Decimal | None], ends: Sequence[Decimal | None]) -> bool:
    rows = [(a, s, e) for a, s, e in zip(amounts, starts, ends, strict=True) if a and s is not None and e is not None]
    return any(start for _, start, _ in rows) and all(end - start == amount for amount, start, end in rows)


def _exclude_each_other(first: Sequence[Decimal | None], second: Sequence[Decimal | None]) -> bool:
    rows = [(a, b) for a, b in zip(first, second, strict=True) if a or b]
    return bool(rows) and sum(bool(a) and bool(b) for a, b in rows) == 0 and any(a for a, _ in rows) and any(b for _, b in rows)


def _pair(first: int, second: int, values: dict[int, list[Decimal | None]], rest: Sequence[int]) -> MoneyColumns:
    """Two columns of which each row fills one: signs or the balance tell which is which."""
    for debit, credit in ((first, second), (second, first)):
        net = [_net(d, c) for d, c in zip(values[debit], values[credit], strict=True)]
        for balance in rest:
            if follows_balance(net, values[balance]):
                return MoneyColumns(debit=debit, credit=credit, balance=balance)
    for debit, credit in ((first, second), (second, first)):
        outs, ins = [v for v in values[debit] if v], [v for v in values[credit] if v]
        if all(v < 0 for v in outs) and all(v > 0 for v in ins):
            return MoneyColumns(debit=debit, credit=credit)
    raise NeedsColumns(
        f"columns {first + 1} and {second + 1} both hold amounts without a sign, and nothing says which is money out: "
        "name one as debit and the other as credit"
    )


def _net(debit: Decimal | None, credit: Decimal | None) -> Decimal | None:
    if debit is None and credit is None:
        return None
    return (credit or Decimal(0)) - abs(debit or Decimal(0))
