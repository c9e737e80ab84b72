"""Filter expressions as SQL conditions: placeholders only, never a value inside the text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from uuid import UUID

from services.accounts.domain import UNCATEGORIZED, TransactionStatus
from services.accounts.filters import Expression
from services.accounts.filters.domain import Among, And, Condition, Field, Not, Operator, Or, Period, Value
from services.kit.postgres import Connection

AddArgument = Callable[[object], str]
"""Takes a value among the statement's arguments and gives its placeholder, such as $3."""

_SELECT_BELOW = """
    SELECT primary_slug, array_agg(slug) FROM (
        SELECT primary_slug, slug FROM accounts.categories WHERE primary_slug = ANY ($2::text[])
        UNION ALL
        SELECT primary_slug, slug FROM accounts.user_categories WHERE user_id = $1 AND primary_slug = ANY ($2::text[])
    ) AS known GROUP BY primary_slug
"""
_COLUMNS = {
    Field.DATE: "transaction_date",
    Field.AMOUNT: "amount",
    Field.CURRENCY: "currency",
    Field.TYPE: "type",
    Field.STATUS: "status",
    Field.CATEGORY: "category",
    Field.MERCHANT: "merchant_name",
    Field.DESCRIPTION: "description",
    Field.NOTE: "note",
    Field.ACCOUNT: "account_id",
    Field.PAYMENT_METHOD: "payment_method",
    Field.IMPORT: "import_id",
    Field.SUSPECTED: "suspected_duplicate_of",
    Field.RAW: "raw_data",
}
_FOLDED = frozenset({Field.DESCRIPTION, Field.NOTE, Field.PAYMENT_METHOD})
_NONE_IS_EMPTY = frozenset({Field.MERCHANT, Field.PAYMENT_METHOD, Field.IMPORT})


async def filter_condition(connection: Connection, user_id: UUID, expression: Expression, add: AddArgument, *, table: str = "") -> str:
    """The condition over columns of accounts.transactions, or of that table under the alias `table`; `add` takes its values.

    It is true for what the expression means and false or null for all else.
    """
    return condition(expression, add, await slugs_below(connection, user_id, expression), table=table)


async def slugs_below(connection: Connection, user_id: UUID, expression: Expression) -> Mapping[str, Sequence[str]]:
    """For each primary category of the expression, its slug and those below it, the user's own included."""
    slugs = {value for one in _conditions(expression) if one.field is Field.CATEGORY for value in _values(one)}
    return dict(await connection.fetch(_SELECT_BELOW, user_id, list(slugs))) if slugs else {}


def condition(expression: Expression, add: AddArgument, below: Mapping[str, Sequence[str]], *, table: str = "") -> str:
    """The same, for who knows what `slugs_below` says."""
    return _Conditions(add, below, f"{table}." if table else "").of(expression)


def literally(word: str) -> str:
    """Takes the special meaning from the characters that ILIKE reads as patterns."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


class _Conditions:
    def __init__(self, add: AddArgument, below: Mapping[str, Sequence[str]], prefix: str) -> None:
        self._add = add
        self._below = below
        self._prefix = prefix

    def of(self, expression: Expression) -> str:
        match expression:
            case And():
                return f"({' AND '.join(map(self.of, expression.parts))})"
            case Or():
                return f"({' OR '.join(map(self.of, expression.parts))})"
            case Not():
                # What is null, such as a merchant that is not there, is not the one that was asked for either.
                return f"({self.of(expression.part)}) IS NOT TRUE"
            case Among():
                return f"({' OR '.join(self._equal(expression.field, value) for value in expression.values)})"
            case Condition(operator=Operator.NOT_EQUAL):
                return f"({self._equal(expression.field, expression.value)}) IS NOT TRUE"
            case Condition(operator=Operator.EQUAL):
                return self._equal(expression.field, expression.value)
            case Condition(operator=Operator.HAS):
                return self._has(expression.field, expression.value)
        return self._compared(expression.field, expression.operator, expression.value)

    def _column(self, field: Field) -> str:
        return self._prefix + _COLUMNS[field]

    def _equal(self, field: Field, value: Value) -> str:
        column = self._column(field)
        if isinstance(value, Period):
            return f"{column} BETWEEN {self._add(value.first_day)} AND {self._add(value.last_day)}"
        if field is Field.SUSPECTED:
            # Word for word the predicate of idx_transactions_suspected.
            return f"{column} IS {'NOT ' if value else ''}NULL"
        if field is Field.STATUS and value == TransactionStatus.PENDING:
            # Word for word that of idx_transactions_pending, which a placeholder could not match.
            return f"{column} = 'pending'"
        if field is Field.CATEGORY:
            return self._in_category(column, str(value))
        if value == "" and field in _NONE_IS_EMPTY:
            return f"{column} IS NULL"
        if field is Field.MERCHANT:
            return f"{self._prefix}merchant_key = lower({self._add(value)})"
        if field in _FOLDED:
            return f"lower({column}) = lower({self._add(value)})"
        return f"{column} = {self._add(value)}"

    def _in_category(self, column: str, slug: str) -> str:
        if slug == UNCATEGORIZED:
            return f"{column} IS NULL"
        slugs = self._below.get(slug, [slug])
        # Equality lets the index give the rows in order; several slugs need a sort.
        return f"{column} = {self._add(slugs[0])}" if len(slugs) == 1 else f"{column} = ANY ({self._add(slugs)}::text[])"

    def _compared(self, field: Field, operator: Operator, value: Value) -> str:
        if isinstance(value, Period):
            value = value.first_day if operator in (Operator.LESS, Operator.AT_LEAST) else value.last_day
        return f"{self._column(field)} {operator} {self._add(value)}"

    def _has(self, field: Field, value: Value) -> str:
        if field is Field.RAW:
            return f"{self._column(field)} @> {self._add(value)}::jsonb"
        pattern = self._add(f"%{literally(str(value))}%")
        if field is Field.TEXT:
            return f"({self._prefix}description ILIKE {pattern} OR {self._prefix}merchant_name ILIKE {pattern})"
        return f"{self._column(field)} ILIKE {pattern}"


def _conditions(expression: Expression) -> Iterator[Condition | Among]:
    match expression:
        case And() | Or():
            for part in expression.parts:
                yield from _conditions(part)
        case Not():
            yield from _conditions(expression.part)
        case _:
            yield expression


def _values(one: Condition | Among) -> tuple[Value, ...]:
    return one.values if isinstance(one, Among) else (one.value,)
