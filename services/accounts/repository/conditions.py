"""Filter expressions as SQL conditions: placeholders only, never a value inside the text."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
_SELECT_STEMS = """
    SELECT word, stems[1] FROM unnest($1::text[]) AS word, ts_lexize('english_stem', lower(word)) AS stems WHERE stems[1] IS NOT NULL
"""
_SHORTEST_BEGINNING = 3
_COLUMNS = {
    Field.DATE: "transaction_date",
    Field.AMOUNT: "amount",
    Field.CURRENCY: "currency",
    Field.TYPE: "type",
    Field.STATUS: "status",
    Field.CATEGORY: "category",
    Field.CATEGORY_SOURCE: "category_source",
    Field.CONFIDENCE: "confidence",
    Field.MERCHANT: "merchant_name",
    Field.DESCRIPTION: "description",
    Field.NOTE: "note",
    Field.ACCOUNT: "account_id",
    Field.PAYMENT_METHOD: "payment_method",
    Field.IMPORT: "import_id",
    Field.SUSPECTED: "suspected_duplicate_of",
    Field.RAW: "raw_data",
}
_ANY_CASE = frozenset({Field.NOTE, Field.PAYMENT_METHOD})
_NONE_IS_EMPTY = frozenset({Field.MERCHANT, Field.PAYMENT_METHOD, Field.IMPORT})


@dataclass(frozen=True, slots=True)
class Meanings:
    """What an expression's words stand for, beyond themselves."""

    below: Mapping[str, Sequence[str]]
    """Of a primary category, its slug and those below it, the user's own included."""
    stems: Mapping[str, str]
    """Of a word to search for, its stem: groceri of both grocery and groceries."""


NO_MEANINGS = Meanings({}, {})


async def filter_condition(connection: Connection, user_id: UUID, expression: Expression, add: AddArgument, *, table: str = "") -> str:
    """The condition over columns of accounts.transactions, or of that table under the alias `table`; `add` takes its values.

    It is true for what the expression means and false or null for all else.
    """
    return condition(expression, add, await read_meanings(connection, user_id, expression), table=table)


async def read_meanings(connection: Connection, user_id: UUID, expression: Expression) -> Meanings:
    """Looks up what the expression's categories and words stand for."""
    asked: dict[Field, set[str]] = {Field.CATEGORY: set(), Field.TEXT: set()}
    for one in _conditions(expression):
        if one.field in asked:
            asked[one.field] |= set(map(str, one.values if isinstance(one, Among) else (one.value,)))
    slugs, words = asked[Field.CATEGORY], {word for word in asked[Field.TEXT] if word.isalpha()}
    return Meanings(
        below=dict(await connection.fetch(_SELECT_BELOW, user_id, list(slugs))) if slugs else {},
        stems=dict(await connection.fetch(_SELECT_STEMS, list(words))) if words else {},
    )


def condition(expression: Expression, add: AddArgument, meanings: Meanings, *, table: str = "") -> str:
    """The same, for who has read the meanings."""
    return _Conditions(add, meanings, f"{table}." if table else "").of(expression)


class _Conditions:
    def __init__(self, add: AddArgument, meanings: Meanings, prefix: str) -> None:
        self._add = add
        self._meanings = meanings
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
        if field is Field.DESCRIPTION:
            return f"{self._prefix}description_key = {self._add(folded(str(value)))}"
        if field in _ANY_CASE:
            return f"lower({column}) = lower({self._add(value)})"
        return f"{column} = {self._add(value)}"

    def _in_category(self, column: str, slug: str) -> str:
        if slug == UNCATEGORIZED:
            return f"{column} IS NULL"
        slugs = self._meanings.below.get(slug, [slug])
        # Equality lets the index give the rows in order; several slugs need a sort.
        return f"{column} = {self._add(slugs[0])}" if len(slugs) == 1 else f"{column} = ANY ({self._add(slugs)}::text[])"

    def _compared(self, field: Field, operator: Operator, value: Value) -> str:
        if isinstance(value, Period):
            value = value.first_day if operator in (Operator.LESS, Operator.AT_LEAST) else value.last_day
        return f"{self._column(field)} {operator} {self._add(value)}"

    def _has(self, field: Field, value: Value) -> str:
        if field is Field.RAW:
            return f"{self._column(field)} @> {self._add(value)}::jsonb"
        if field is Field.TEXT:
            return self._text(str(value))
        if field is Field.DESCRIPTION:
            return f"{self._prefix}description_key LIKE {self._add(_holding(folded(str(value))))}"
        return f"{self._column(field)} ILIKE {self._add(_holding(str(value)))}"

    def _text(self, word: str) -> str:
        stem = self._meanings.stems.get(word)
        # Inflection changes a stem at its end only: what has it begins alike. So words are taken apart in a few rows, not in all.
        beginning = stem.rstrip("ie") if stem else word
        if stem is None or len(beginning) < _SHORTEST_BEGINNING or beginning.startswith(word.lower()):
            return self._held(word)
        texts = f"{self._prefix}description || ' ' || COALESCE({self._prefix}merchant_name, '')"
        inflected = f"to_tsvector('english', {texts}) @@ plainto_tsquery('english', {self._add(word)})"
        return f"({self._held(word)} OR ({self._held(beginning)} AND {inflected}))"

    def _held(self, word: str) -> str:
        # Both columns are folded once, when they are written: ILIKE would fold each row whenever it is read.
        description = f"{self._prefix}description_key LIKE {self._add(_holding(folded(word)))}"
        return f"({description} OR {self._prefix}merchant_key LIKE lower({self._add(_holding(word))}))"


def _holding(text: str) -> str:
    """The pattern of what holds the text; the characters that LIKE reads as patterns lose that meaning."""
    return "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def folded(text: str) -> str:
    """As description_key is made."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _conditions(expression: Expression) -> Iterator[Condition | Among]:
    match expression:
        case And() | Or():
            for part in expression.parts:
                yield from _conditions(part)
        case Not():
            yield from _conditions(expression.part)
        case _:
            yield expression
