"""What a search means: its words as a filter expression, and likelier words for mistyped ones. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

from services.accounts.domain import Transaction, TransactionFilters
from services.accounts.filters import Expression, parse
from services.accounts.filters.domain import Condition, Field, Operator, all_of, any_of

MAX_DISTANCE = 2
MAX_MISTYPED = 3
"""Of one search: more are no mistakes but something else, and a page token has to hold them."""
_SHORTEST, _LONGEST = 4, 32
_SHORT = 5
"""Letters of a word in which one mistake is believed, not two."""
_AT_MOST = 3


class CorrectedWord(NamedTuple):
    """A word that nothing holds, and what was searched for instead."""

    word: str
    searched_for: tuple[str, ...]


class TransactionPage(list[Transaction]):
    """Transactions of one page, and the words that were taken for mistyped."""

    corrected_words: Sequence[CorrectedWord] = ()


def matching(filters: TransactionFilters, corrected: Sequence[CorrectedWord] = ()) -> Expression | None:
    """What the filter and the words to search for mean together. Raises InvalidArgument for a filter that has a mistake."""
    instead = {one.word: one.searched_for for one in corrected}
    parts = [parse(filters.filter)] if filters.filter else []
    for word in words_of(filters):
        parts.append(any_of(Condition(Field.TEXT, Operator.HAS, meant) for meant in instead.get(word, (word,))))
    return all_of(parts) if parts else None


def words_of(filters: TransactionFilters) -> list[str]:
    """The words to search for, each once."""
    return list(dict.fromkeys((filters.query or "").split()))


def may_be_mistyped(word: str) -> bool:
    """Numbers are not, and short words are near to too many others."""
    return word.isalpha() and _SHORTEST <= len(word) <= _LONGEST


def nearest(word: str, known: Sequence[tuple[str, int]]) -> tuple[str, ...]:
    """The known words that are the fewest mistakes away, at most three, the most frequent first; `known` holds each with its frequency.

    A mistake is a letter too many or too few, another letter, or two that changed places.
    """
    typed = word.casefold()
    allowed = 1 if len(typed) <= _SHORT else MAX_DISTANCE
    found = process.extract(typed, [text for text, _ in known], scorer=OSA.distance, score_cutoff=allowed, limit=None)
    fewest = min((distance for _, distance, _ in found), default=0)
    best = sorted((known[place] for _, distance, place in found if distance == fewest), key=lambda one: -one[1])
    return tuple(text for text, _ in best[:_AT_MOST])
