"""Words of descriptions and merchants: which ones nothing holds, and which ones there are."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.accounts.filters.domain import Condition, Field, Operator, all_of
from services.accounts.repository.conditions import condition, read_meanings
from services.kit.postgres import Database

_HELD = "EXISTS (SELECT FROM accounts.transactions WHERE user_id = $1 AND {})"
_MARKS = '.,;:!?/|*+-_=#&@()[]<>"'
# Numbers and references are nobody's typing mistakes.
SELECT_WORDS = """
    SELECT word, count(*)
      FROM accounts.transactions,
           unnest(string_to_array(translate(description_key || ' ' || COALESCE(merchant_key, ''), $4, rpad('', length($4))), ' ')) AS word
     WHERE user_id = $1 AND length(word) BETWEEN $2 AND $3
     GROUP BY word HAVING word !~ '[0-9]' ORDER BY count(*) DESC LIMIT 50000
"""


class WordRows:
    """What a search is compared with when it finds nothing."""

    _database: Database

    async def unknown_words(self, user_id: UUID, words: Sequence[str]) -> list[str]:
        """Those of the words that no transaction of the user holds."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            searched = [Condition(Field.TEXT, Operator.HAS, word) for word in words]
            meanings = await read_meanings(connection, user_id, all_of(searched))
            arguments: list[object] = [user_id]

            def add(value: object) -> str:
                arguments.append(value)
                return f"${len(arguments)}"

            columns = ", ".join(_HELD.format(condition(one, add, meanings)) for one in searched)
            held = await connection.fetchrow(f"SELECT {columns}", *arguments)  # nosec B608  # placeholders only
        return [word for word, found in zip(words, held, strict=True) if not found]

    async def known_words(self, user_id: UUID, shortest: int, longest: int) -> list[tuple[str, int]]:
        """The user's words of so many letters in lower case, each with how often it is there, the most frequent first."""
        async with self._database.transaction(user_id, read_only=True) as connection:
            return [(word, count) for word, count in await connection.fetch(SELECT_WORDS, user_id, shortest, longest, _MARKS)]
