"""What the running balance proves about the amounts beside it, over the first rows of a table."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from services.ingestion.readers.dates import DateFormat
from services.ingestion.readers.folding import fold
from services.ingestion.readers.layout import Table
from services.ingestion.readers.money_columns import follows_balance, provisional_format, signed_value
from services.ingestion.readers.signs import SignRule
from services.ingestion.readers.statement import RowError, UnreadableStatement
from services.ingestion.readers.words import state_of

_NET = frozenset("net nett netto neto netta netti".split())


def _cells(table: Table, at: int) -> tuple[str, ...]:
    return table.stats[at].cells


def _values(table: Table, *columns: int) -> list[list[Decimal | None]]:
    """The columns' sampled cells as printed, in one number format."""
    form = provisional_format([cell for at in columns for cell in _cells(table, at)])
    return [[signed_value(cell, form) for cell in _cells(table, at)] for at in columns]


def printed_or_inverted(table: Table, date_format: DateFormat) -> str | None:
    """ "printed" where the amounts as they stand lead from balance to balance, "inverted" where only their opposites do; else None.

    Amounts beside the balance before each booking, read in the wrong order, look inverted: without the order of the days that proves
    nothing where they have signs.
    """
    columns = table.columns
    if columns.balance is None or columns.amount is None:
        return None
    amounts, balances = _values(table, columns.amount, columns.balance)
    if follows_balance(amounts, balances):
        return "printed"
    step = _order(table, date_format)
    opposite = [None if amount is None else -amount for amount in amounts]
    if step:
        steps: tuple[int, ...] = (step,)
    else:
        steps = () if any(amount and amount < 0 for amount in amounts) else (1, -1)
    return "inverted" if follows_balance(opposite, balances, steps=steps) else None


def _order(table: Table, date_format: DateFormat) -> int:
    """1 where the first rows go forward in time, -1 where they go back, 0 where they do not say."""
    days = [
        day for cell in _cells(table, table.columns.date) if cell and (day := date_format.parse(cell.split()[0]) or date_format.parse(cell))
    ]
    return (days[0] < days[-1]) - (days[0] > days[-1]) if days else 0


def pending_counted(table: Table) -> bool:
    """Whether rows marked pending already moved the running balance (as PayPal's do)."""
    columns = table.columns
    if columns.status is None or columns.balance is None or columns.amount is None:
        return False
    states = [state_of(cell) for cell in _cells(table, columns.status)]
    if "pending" not in states:
        return False
    amounts, balances = _values(table, columns.amount, columns.balance)
    only_pending = [amount if state == "pending" else None for amount, state in zip(amounts, states, strict=True)]
    return follows_balance(only_pending, balances)


def refuse_hidden_signs(table: Table) -> None:
    """Amounts without signs beside a balance that goes down as well as up: to read all as money in would be wrong."""
    columns = table.columns
    if columns.balance is None or columns.amount is None:
        return
    amounts, balances = _values(table, columns.amount, columns.balance)
    moves = [after - before for before, after in pairwise(b for b in balances if b is not None)]
    down, up = (any(move < 0 for move in moves), any(move > 0 for move in moves))
    sizes = {amount for amount in amounts if amount}
    if len(moves) > 1 and down and up and not follows_balance(amounts, balances) and all(abs(move) in sizes for move in moves):
        line = table.first_line
        reason = f"the amounts in {table.names[columns.amount]!r} have no sign, but the balance goes up and down"
        raise UnreadableStatement(
            f"line {line}: {reason}; export with signed amounts, or send `columns` with debit and credit, or with direction",
            [RowError(line, "amount", reason)],
            {"columns": table.names},
        )


def fee_way(table: Table, sign: SignRule, date_format: DateFormat) -> int | None:
    """-1 where the running balance falls by the fee besides the amount (as Revolut's does), 1 where it moves by a fee that is printed with
    its own sign, 0 where the amount is all or there is no fee; None where a fee is charged and nothing tells. A row may have a fee and no
    amount.
    """
    columns = table.columns
    if columns.fee is None or columns.fee in (*columns.money(), columns.balance):
        return 0
    if columns.balance is None:
        is_net = columns.amount is not None and not _NET.isdisjoint(fold(table.names[columns.amount]).split())
        return None if not is_net and any(_values(table, columns.fee)[0]) else 0
    *parts, fees, balances = _values(table, *columns.money(), columns.fee, columns.balance)
    if columns.amount is None:
        ways = [way for way, at in ((sign.out, columns.debit), (sign.into, columns.credit)) if at is not None]
        parts = [[None if value is None else value * way for value in part] for way, part in zip(ways, parts, strict=True)]
    amounts = [sum(filled) if (filled := [value for value in row if value is not None]) else None for row in zip(*parts, strict=True)]
    plain = [Decimal(amount) if fee and amount is not None else None for amount, fee in zip(amounts, fees, strict=True)]
    if not any(fees):
        return 0
    steps = (step,) if (step := _order(table, date_format)) else (1, -1)
    if follows_balance(plain, balances, steps=steps):
        return 0
    for way in (-1, 1):
        charged = [(amount or 0) + way * fee if fee else None for amount, fee in zip(amounts, fees, strict=True)]
        if any(charged) and follows_balance(charged, balances, steps=steps):
            return way
    return None
